"""The port of time, so that a limit of twelve hours is tested in a millisecond.

Stands alone because whoever needs the time needs no other port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from mephisto_nb.utils.steady_time import OF_PROCESS, SteadyTime


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
    """The real time, as it would be if nobody had set the computer's clock since this process began.

    Parameters
    ----------
    time
        What it goes by; None: the time of this process, as all else in it.
    """

    is_of_computer = True

    def __init__(self, time: SteadyTime | None = None) -> None:
        self._time = time or OF_PROCESS

    def now(self) -> float:
        """Return the time as seconds since the epoch."""
        return self._time.now()

    def wall_offset(self) -> float:
        """Return by how many seconds the computer's clock is ahead of this one, because somebody has set it."""
        return self._time.offset()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in the running loop at `when` (epoch seconds)."""
        return asyncio.get_running_loop().call_later(max(0.0, when - self.now()), callback)


def offset_of(clock: Clock) -> float:
    """Return by how many seconds the computer's clock is ahead of this one; 0 where a clock cannot tell."""
    tell = getattr(clock, "wall_offset", None)
    return 0.0 if tell is None else float(tell())


def is_of_computer(clock: Clock) -> bool:
    """Return whether a clock goes by that of the computer, as a router's does; not if it is advanced by hand."""
    return bool(getattr(clock, "is_of_computer", False))
