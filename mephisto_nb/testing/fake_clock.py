"""A clock that stands still until it is told to go on: a patience of twelve hours is tested in a millisecond."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from mephisto_nb.ports.clock import Timer
from mephisto_nb.utils import steady_time


@dataclass(order=True, slots=True)
class TurnOfClock:
    """What a clock calls once it is `when`; of what is due at the same time, the lower number first."""

    when: float
    number: int
    callback: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        """Call it off."""
        self.callback = None


class FakeClock:
    """A `Clock` for tests.

    Parameters
    ----------
    now
        What time it is at first, in seconds since the epoch. None: the real time, which routers go by.

    Examples
    --------
    >>> clock, rung = FakeClock(1000.0), []
    >>> timer = clock.call_at(1060.0, lambda: rung.append(clock.now()))
    >>> clock.advance(3600)
    >>> rung, clock.now()
    ([1060.0], 4600.0)
    """

    def __init__(self, now: float | None = None) -> None:
        self._now = steady_time.now() if now is None else now
        self._wall_offset = 0.0
        self._timers: list[TurnOfClock] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        """Return the time as seconds since the epoch."""
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` when the clock has come to `when`; soon, if that has passed."""
        if when <= self._now:
            return asyncio.get_running_loop().call_soon(callback)
        timer = TurnOfClock(when, next(self._numbers), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def jump(self, seconds: float) -> None:
        """Let time pass in which nobody was there to notice: a machine that sleeps, or a kernel that computes.

        What is due then is called once it is over, as all else that waited.
        """
        self._now += seconds
        self.advance(0.0)

    def set_wall(self, seconds: float) -> None:
        """Set the computer's clock so far ahead of this one, as somebody does who sets it; no time passes."""
        self._wall_offset = seconds

    def wall_offset(self) -> float:
        """Return by how many seconds the computer's clock is ahead of this one."""
        return self._wall_offset

    def advance(self, seconds: float) -> None:
        """Let time pass, and call what is due on the way, each at its own time."""
        until = self._now + seconds
        while self._timers and self._timers[0].when <= until:
            timer = heapq.heappop(self._timers)
            self._now = max(self._now, timer.when)
            if timer.callback is not None:
                timer.callback()
        self._now = until
