"""Waiting for so long at most, of which time does not count in which this process stood still.

Stands alone because the tasks' programs, hooks and conversations wait alike, and so does the link to the router.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

#: Into how many parts a patience is divided, by how much one may ring late to be counted, and its least (seconds).
_PARTS, _LATE, _LEAST = 20, 0.5, 0.001


@asynccontextmanager
async def patience(seconds: float | None, counts: Callable[[], bool] = lambda: True) -> AsyncIterator[Patience]:
    """Cancel what is done within, and raise `TimeoutError`, once it has taken too long; like `asyncio.timeout`.

    Parameters
    ----------
    seconds
        How long it may take; None: for ever. A time in which the event loop stood still (a cell computed, the machine
        slept) costs nothing: what came meanwhile is found first.
    counts
        Whether time counts now; asked a few times.
    """
    async with asyncio.timeout(None) as limit:
        rest = Patience(math.inf if seconds is None else max(0.0, seconds), counts, limit)
        try:
            yield rest
        finally:
            rest.end()


async def end_all(tasks: Iterable[asyncio.Future[Any]], seconds: float) -> set[asyncio.Future[Any]]:
    """Cancel tasks, and wait until they have ended, for so many seconds at most; return those that go on all the same.

    What is not let go of when it is cancelled would hold up whoever waits for it for ever. It is cancelled again half
    way: code that catches the first may be waiting again by then.
    """
    left = {task for task in tasks if not task.done() and task is not asyncio.current_task()}
    for _ in range(2):
        for task in left:
            task.cancel()
        with suppress(TimeoutError):
            async with patience(seconds / 2):
                while left := {task for task in left if not task.done()}:
                    await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
    return left


class Patience:
    """What is left of a time that is counted in parts, one after the other."""

    def __init__(self, seconds: float, counts: Callable[[], bool], limit: asyncio.Timeout) -> None:
        #: For how many seconds it goes on.
        self.left = seconds
        self._loop, self._counts, self._limit = asyncio.get_running_loop(), counts, limit
        self._part = max(_LEAST, seconds / _PARTS)
        self._timer = None if math.isinf(seconds) else self._loop.call_later(min(self._part, seconds), self._pass)

    def end(self) -> None:
        """Count no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def _pass(self) -> None:
        now = self._loop.time()
        stood_still = self._timer is not None and now - self._timer.when() > _LATE
        if not stood_still and self._counts():
            self.left = max(0.0, self.left - self._part)
        if self.left > _LEAST / 2:
            self._timer = self._loop.call_later(self._part, self._pass)
        else:
            self.left = 0.0
            self._limit.reschedule(now)
