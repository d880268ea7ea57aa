"""The time of a stand-in: it goes on by itself, and may be put forward, by weeks if need be."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mephisto_nb.ports.clock import Clock, SystemClock, Timer
from mephisto_nb.testing.fake_clock import TurnOfClock

#: The clock below rings when a sum of floats says: what is so near (seconds) is due.
_CLOSE = 1e-5
#: Whether whoever runs is counted as busy: what others wait for is no matter of this clock.
_counted: ContextVar[bool] = ContextVar("counted", default=False)


class StandInClock:
    """A `Clock` ahead of another one by as much as it was put forward.

    Whoever does something in its time is *busy* within `busy()`, but for the time in which they `sleep`: so
    `pass_time` can let everybody do at each moment what they would do then.

    Parameters
    ----------
    base
        The clock it goes by; None: the real time.

    Examples
    --------
    >>> from mephisto_nb.testing.fake_clock import FakeClock
    >>> clock, rung = StandInClock(FakeClock(1000.0)), []
    >>> due = clock.call_at(5000.0, lambda: rung.append(clock.now()))
    >>> clock.advance(7 * 86_400)
    >>> rung, clock.now()
    ([5000.0], 605800.0)
    """

    def __init__(self, base: Clock | None = None) -> None:
        self._base: Clock = base or SystemClock()
        self._is_real = base is None
        self._ahead = 0.0
        self._due: list[TurnOfClock] = []
        self._numbers = itertools.count()
        self._timer: Timer | None = None
        self._timer_for = 0.0
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def now(self) -> float:
        """Return the time as seconds since the epoch."""
        return self._base.now() + self._ahead

    def signing_time(self) -> float:
        """Return the time that signed things bear: the real one, where this goes by it, however far it was put forward.

        Whoever checks a signature lives in the real time, and would take what is signed for old, or from the future.
        """
        return self._base.now() if self._is_real else self.now()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once it is `when`."""
        due = TurnOfClock(when, next(self._numbers), callback)
        heapq.heappush(self._due, due)
        self._arm()
        return due

    def advance(self, seconds: float) -> None:
        """Put it forward, and call what is due on the way, each at its own time."""
        until = self.now() + seconds
        while self._due and self._due[0].when <= until:
            self._step()
        self._put_to(until)
        self._arm()

    async def pass_time(self, seconds: float) -> None:
        """Put it forward step by step, and wait at each until nobody is busy any more."""
        until = self.now() + seconds
        await self.idle()
        while self._due and self._due[0].when <= until:
            self._step()
            await self.idle()
        self._put_to(until)
        self._arm()
        await self.idle()

    async def sleep(self, seconds: float) -> None:
        """Wait for so long, in this time; whoever is busy is not meanwhile."""
        if seconds <= 0:
            return
        over = asyncio.get_running_loop().create_future()
        due = self.call_at(self.now() + seconds, lambda: None if over.done() else over.set_result(None))
        with self._waiting():
            try:
                await over
            finally:
                due.cancel()

    async def wait_for(self, future: asyncio.Future[None]) -> None:
        """Wait for something that others do; whoever is busy is not meanwhile."""
        with self._waiting():
            await future

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count somebody who does something, so that time does not run away from them."""
        token = _counted.set(True)
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)
            _counted.reset(token)

    async def idle(self) -> None:
        """Wait until nobody is busy."""
        for _ in range(3):  # what was woken a moment ago has not begun yet
            await asyncio.sleep(0)
            await self._idle.wait()

    def stop(self) -> None:
        """Call nothing any more."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        counted = int(_counted.get())
        self._count(-counted)
        try:
            yield
        finally:
            self._count(counted)

    def _count(self, more: int) -> None:
        self._busy += more
        (self._idle.set if self._busy <= 0 else self._idle.clear)()

    def _step(self) -> None:
        """Go to what is due next, and call it."""
        due = heapq.heappop(self._due)
        self._put_to(due.when)
        if due.callback is not None:
            due.callback()

    def _put_to(self, when: float) -> None:
        self._ahead += max(0.0, when - self.now())

    def _arm(self) -> None:
        """Have the clock below call when the next is due."""
        while self._due and self._due[0].callback is None:
            heapq.heappop(self._due)
        if not self._due or (self._timer is not None and self._timer_for == self._due[0].when - self._ahead):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_for = self._due[0].when - self._ahead
        self._timer = self._base.call_at(self._timer_for, self._ring)

    def _ring(self) -> None:
        self._timer = None
        while self._due and self._due[0].when <= self.now() + _CLOSE:
            self._step()
        self._arm()
