"""The port of progress: long work says how far it is, and knows nothing of screens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Shows how far a piece of long work is.

    Called in the loop's thread: when the work begins, after each part, and with ``done == total`` when it is over.
    Must be quick, and raise nothing.
    """

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` parts of `what` are done."""


def no_progress(what: str, done: int, total: int) -> None:
    """Show nothing."""
