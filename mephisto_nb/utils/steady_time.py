"""The time of day as it would be if nobody had set the clock since: deadlines and durations go by it.

A computer's clock is set by people, by time servers and by programs, days forward or back. What counts the seconds
since the computer was started is not, and goes on while it sleeps. So the clock on the wall is read once, and seconds
are counted from there; how far the wall has gone away from that is told to whoever watches.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

#: By how much the wall has to go away at once to be called a jump (seconds): time servers correct it by less.
JUMP = 5.0


def uptime() -> float:
    """Return the seconds since some moment, also those in which the computer slept; nobody sets them."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


def say_seconds(seconds: float) -> str:
    """Return how long a time is, as ``30.0 days`` or ``55 s``."""
    return f"{seconds / 86_400:.1f} days" if seconds >= 86_400 else f"{seconds:.0f} s"


class SteadyTime:
    """Counts on from what the wall said once.

    Parameters
    ----------
    wall, steady
        What time it is on the wall (epoch seconds), and how many seconds have passed since some moment.

    Examples
    --------
    >>> wall, passed = [1000.0], [5.0]
    >>> clock = SteadyTime(lambda: wall[0], lambda: passed[0])
    >>> wall[0], passed[0] = wall[0] + 86_400, passed[0] + 2
    >>> clock.now(), clock.offset()
    (1002.0, 86398.0)
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = uptime) -> None:
        self._wall, self._steady = wall, steady
        self._origin = wall() - steady()

    def now(self) -> float:
        """Return the time as seconds since the epoch; it never goes back."""
        return self._origin + self._steady()

    def offset(self) -> float:
        """Return by how many seconds the wall is ahead of this."""
        return self._wall() - self.now()


class JumpWatch:
    """Notices that the wall was set.

    Parameters
    ----------
    offset
        Tells by how many seconds the wall is ahead.
    """

    def __init__(self, offset: Callable[[], float]) -> None:
        self._offset, self._last = offset, offset()

    def look(self) -> float | None:
        """Return by how many seconds the wall was set since the last look; None: it was not."""
        last, self._last = self._last, self._offset()
        jump = self._last - last
        return jump if abs(jump) >= JUMP else None


#: The time of this process, which begins with the wall at its start: all that is stored goes by this one.
OF_PROCESS = SteadyTime()
now = OF_PROCESS.now
