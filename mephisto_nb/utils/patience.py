"""Waiting for so long at most, of which time does not count in which this process stood still.

Stands alone because the tasks' programs, hooks and conversations wait alike, and so does the link to the router.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

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
