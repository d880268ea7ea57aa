"""The port to the researcher: how far long work is, and what they should know of; it knows nothing of screens.

Stands alone because the layers that do long work must not know of screens.
"""

from __future__ import annotations

from typing import Protocol

#: How many different troubles are kept; the one seen longest ago makes room.
_TROUBLES = 20


class Progress(Protocol):
    """Shows how far a piece of long work is.

    Called in the loop's thread: when the work begins, after each part, and with ``done == total`` when it is over.
    Must be quick, and raise nothing.
    """

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` parts of `what` are done."""


def no_progress(what: str, done: int, total: int) -> None:
    """Show nothing."""


class Troubles:
    """What the researcher should know of a run's pages, and of their own code; shown by `run.attention`.

    Of what happens again and again the latest is kept, and how often it happened.

    Parameters
    ----------
    most
        How many different ones are kept.
    """

    def __init__(self, most: int = _TROUBLES) -> None:
        self._most = most
        #: By what each is of: the latest, and how often there was one.
        self._found: dict[str, tuple[str, int]] = {}
        #: What looked wrong before the launch, and was no reason to refuse it.
        self.remarks: list[str] = []
        #: What they are of, the one that was seen longest ago first.
        self._seen: dict[str, None] = {}

    def note(self, trouble: str, of: str = "") -> None:
        """Take note of a trouble: a reason, and behind ". " a remedy. What is of the same is counted together."""
        of = of or trouble
        self._seen.pop(of, None)
        self._seen[of] = None
        self._found[of] = trouble, self._found.get(of, ("", 0))[1] + 1
        if len(self._found) > self._most:  # pages can be made to report anything
            longest_ago = next(iter(self._seen))
            del self._found[longest_ago], self._seen[longest_ago]

    def texts(self) -> list[str]:
        """Return the troubles as sentences; of what happened more than once, with how often."""
        found = self._found.items()
        return [text if count == 1 or text == of else _with_count(text, count) for of, (text, count) in found]


def _with_count(text: str, count: int) -> str:
    """Return the text with how often it happened, at the end of its first sentence; what follows is what to do."""
    reason, stop, remedy = text.partition(". ")
    return f"{reason.rstrip('.')} ({count:,} times){stop or '.'}{remedy}"
