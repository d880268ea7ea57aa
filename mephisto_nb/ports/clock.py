"""The port of time, so that a limit of twelve hours is tested in a millisecond.

Stands alone because whoever needs the time needs no other port.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that will be called later."""

    def cancel(self) -> None:
        """Call it off; does nothing once it was called."""


class Clock(Protocol):
    """What time it is, and what to do later."""

    def now(self) -> float:
        """Return the time as seconds since the epoch."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in the running loop at `when` (epoch seconds), or at once if that has passed."""


class SystemClock:
    """The real time."""

    def now(self) -> float:
        """Return the time as seconds since the epoch."""
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in the running loop at `when` (epoch seconds)."""
        return asyncio.get_running_loop().call_later(max(0.0, when - self.now()), callback)
