"""Suspicious answers: given after too long a time, or copied.

What it can tell is little, so read a failed check as a reason to look, not as proof. The time is that between the unit
being handed out and its answer coming in, by the server's clock: it does not know whether somebody was at work. A copy
is found by its text alone: nobody watches the page, so text that was pasted from elsewhere, or reworded, is not found,
and two people who write the same words without knowing of each other are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.gates import GateFinding
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.rules.gates._base import AnswerCheck, GateSetup, SentAnswer

#: What is looked at: so many characters of an answer, of its row and of the others' answers, so many texts of each,
#: and of those that are long enough so many a field. What goes beyond that is not found: no answer may cost minutes.
_MOST_GIVEN, _MOST_KNOWN, _MOST_LOOKED_AT, _MOST_TEXTS = 128 * 1024, 512 * 1024, 10_000, 200
#: Where an answer may be copied from.
ROW, OTHERS = "row", "others"


@dataclass(slots=True)
class SuspiciousAnswerSettings:
    """The settings of suspicious answers.

    Parameters
    ----------
    maximum_seconds
        An answer that comes later than so many seconds after its unit was taken fails. None: take your time.
    copied_from
        Where a text must not be copied from, as a list: ``row`` is the data that the unit was made of, ``others`` the
        answers of other workers to the same assignment that came in earlier. A text that is copied word for word
        fails, be it as a part of what it is copied from; blanks, line breaks and case make no difference.
    copied_fields
        The fields of the answer that are looked at, by their names in ``results()`` without ``answer.``. Empty: all
        that are text.
    copied_characters
        A text of fewer characters than this is never called copied: short answers are the same by chance, and so is a
        choice from a list.

    Of an answer the first 131,072 characters are looked at, and 200 texts a field; of its row, and of the others'
    answers, the first 524,288 characters.
    """

    maximum_seconds: float | None = None
    copied_from: list[str] = field(default_factory=list)
    copied_fields: list[str] = field(default_factory=list)
    copied_characters: int = 40


class SuspiciousAnswerCheck(AnswerCheck[SuspiciousAnswerSettings]):
    """Fails an answer that took longer than the limit, or a text of which is copied."""

    NAME = "suspicious_answer"
    SETTINGS = SuspiciousAnswerSettings
    NOT_NEGATIVE = ("maximum_seconds", "copied_characters")
    TAKES_TIME = True

    @classmethod
    def is_open(cls, settings: SuspiciousAnswerSettings, shared: SharedTaskState) -> bool:
        """Return whether there is a limit, or somewhere to copy from."""
        return settings.maximum_seconds is not None or bool(settings.copied_from)

    @classmethod
    def check_setup(cls, setup: GateSetup[SuspiciousAnswerSettings]) -> None:
        """Refuse sources that nobody knows, and fields that nobody looks at. Raises `ConfigError`."""
        sources, fields = setup.settings.copied_from, setup.settings.copied_fields
        if unknown := [name for name in sources if name not in (ROW, OTHERS)]:
            raise ConfigError(
                f"mephisto.blueprint.copied_from holds {unknown[0]!r}; it may hold {ROW!r}, the data of the unit, and "
                f"{OTHERS!r}, earlier answers to the same assignment."
            )
        if fields and not sources:
            raise ConfigError(
                f"mephisto.blueprint.copied_fields is {list(fields)!r}, but copied_from is empty, so nothing is looked "
                f"at. Set copied_from to [{ROW!r}], [{OTHERS!r}] or both."
            )

    @property
    def needs_others(self) -> bool:
        """Whether the answers of others are to be read."""
        return OTHERS in self.settings.copied_from

    @property
    def judges_later(self) -> bool:
        """Whether an answer has to be read: of one that has just come in, the time alone is known."""
        return bool(self.settings.copied_from)

    def look(self, sent: SentAnswer) -> GateFinding | None:
        """Hold an answer against the limit, and its texts against what they may be copied from."""
        detail: JSONObject = {}
        limit, copied = self.settings.maximum_seconds, self._copied(sent)
        is_late = limit is not None and sent.seconds is not None and sent.seconds > limit
        if limit is not None and sent.seconds is not None:
            detail = {"seconds": round(sent.seconds, 3), "maximum_seconds": limit}
        if copied:
            detail["copied"] = copied
        return self.found(not is_late and not copied, detail)

    def _copied(self, sent: SentAnswer) -> JSONObject:
        """Return from where each field is copied that is."""
        known = {ROW: sent.row, OTHERS: list(sent.others or ())}
        # A smoothed text holds no line break, so none is found that ends in one and goes on in the next.
        sources = {name: "\n".join(_smoothed(known[name], _MOST_KNOWN)) for name in self.settings.copied_from}
        copied: JSONObject = {}
        left = _MOST_GIVEN
        for name, value in sent.answer.items():
            if left <= 0 or (self.settings.copied_fields and name not in self.settings.copied_fields):
                continue
            texts = list(_smoothed(value, left))
            left -= sum(map(len, texts))
            given = [text for text in texts if len(text) >= max(1, self.settings.copied_characters)][:_MOST_TEXTS]
            source = next((name for name, text in sources.items() if any(one in text for one in given)), None)
            if source is not None:
                copied[name] = source
        return copied


def _smoothed(value: JSON, most: int) -> Iterator[str]:
    """Yield the texts in a value, smoothed, up to so many characters: a longer one is looked at up to there."""
    for text in islice(texts_in(value), _MOST_LOOKED_AT):
        yield smooth(text[:most])
        most -= len(text)
        if most <= 0:
            return


def texts_in(value: JSON) -> Iterator[str]:
    """Return all texts in an answer, or in a row."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_in(inner)


def smooth(text: str) -> str:
    r"""Return a text without what makes no difference.

    Examples
    --------
    >>> smooth("  The cat\nsat. ")
    'the cat sat.'
    """
    return " ".join(text.casefold().split())
