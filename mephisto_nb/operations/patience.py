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
    """Tries again after longer and longer pauses, and says what is wrong meanwhile."""

    def __init__(self) -> None:
        #: Why nothing can be stored, if so.
        self.trouble: str | None = None
        self._pause = 0.0

    async def persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until the database is there."""
        while True:
            try:
                result = await attempt()
            except DatabaseError as error:
                await self.pause(error)
            else:
                self.trouble = None
                return result

    async def pause(self, error: Exception) -> None:
        """Wait a while, after a failure."""
        self._pause = min(MOST, 2 * self._pause) or FIRST
        self.trouble = f"The database does not answer; workers' answers wait safely in the router. {error}"
        logger.warning("%s", self.trouble)
        await asyncio.sleep(self._pause)

    def reset(self) -> None:
        """Note that the database is there."""
        self.trouble, self._pause = None, 0.0
