"""The owner of what a widget starts: one task for each thing that was asked for."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

from mephisto_nb.display.actions import error_words
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)


class Errands:
    """Runs coroutines on the loop; what one raises is told to whoever asked, and logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, str | None], None]) -> None:
        """Start something; `done(result, error)` is called with what came of it."""
        # A context of its own: what it prints must not land under the cell that happened to show the widget.
        task = asyncio.get_running_loop().create_task(_watched(work, done), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Call off what is still under way."""
        for task in self._tasks:
            task.cancel()


async def _watched(work: Coroutine[Any, Any, Any], done: Callable[[Any, str | None], None]) -> None:
    try:
        result = await work
    except Exception as error:
        logger.exception("what was asked for in a display failed")
        done(None, error_words(error))
    else:
        done(result, None)
