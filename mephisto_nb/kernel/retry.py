"""Waiting for a database that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mephisto_nb.errors import DatabaseError
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

T = TypeVar("T")

#: How long to wait before a database that failed is tried again: the first time, and at most (seconds).
FIRST, MOST = 0.25, 15.0


class Patience:
    """Tries again after longer and longer pauses, and says what is wrong meanwhile.

    Parameters
    ----------
    on_pause
        Called with what is wrong before each pause, to tell those who will not wait.
    """

    def __init__(self, on_pause: Callable[[Exception], None]) -> None:
        self._on_pause = on_pause
        #: Why nothing can be stored, if so.
        self.trouble: str | None = None
        self._pause = 0.0

    async def persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until the database is there."""
        while True:
            try:
                return await attempt()
            except DatabaseError as error:
                await self.pause(error)

    async def pause(self, error: Exception) -> None:
        """Wait a while, after a failure."""
        self._pause = min(MOST, 2 * self._pause) or FIRST
        self.trouble = f"The database does not answer; workers' answers wait safely in the router. {error}"
        logger.warning("%s", self.trouble)
        self._on_pause(error)
        await asyncio.sleep(self._pause)

    def reset(self) -> None:
        """Note that the database is there, and takes what it is given."""
        self.trouble, self._pause = None, 0.0
