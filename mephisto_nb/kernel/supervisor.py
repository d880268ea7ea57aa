"""The owner of every background task.

Cells of a notebook are tasks of their own, so a task group may not be entered in one cell and left in another.
The supervisor enters it once, in a task of its own, and starts everything else inside.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

from mephisto_nb.errors import ClosedError
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

OnFailure = Callable[[Exception], None]


class Supervisor:
    """Starts tasks, notices when one fails, and ends them all when it is closed."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._owner: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Enter the task group. May be called again."""
        if self._owner is None:
            # A context of its own: what tasks print must not land under the cell that happened to start them.
            self._owner = asyncio.get_running_loop().create_task(
                self._serve(), name="mephisto_nb-supervisor", context=contextvars.Context()
            )
        await self._ready.wait()

    def spawn(self, name: str, work: Coroutine[Any, Any, None], on_failure: OnFailure) -> asyncio.Task[None]:
        """Start a task. What it raises goes to `on_failure`, and harms no other task.

        Raises
        ------
        ClosedError
            The supervisor is not running.
        """
        if self._group is None or self._stop.is_set():
            work.close()
            raise ClosedError(f"{name} cannot be started: the operator was shut down.")
        task = self._group.create_task(_watched(name, work, on_failure), name=name, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # matters where the task was cancelled before its first step
        return task

    async def close(self) -> None:
        """End every task and wait for them. May be called twice, and from one of them."""
        self._stop.set()
        if self._owner is not None:
            await asyncio.wait({self._owner})

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._ready.set()
            await self._stop.wait()
            for task in list(self._tasks):
                task.cancel()


async def _watched(name: str, work: Coroutine[Any, Any, None], on_failure: OnFailure) -> None:
    try:
        await work
    except Exception as error:
        logger.exception("%s failed", name)
        try:
            on_failure(error)
        except Exception:
            logger.exception("nor could this be told of %s", name)  # the group would end every other run's tasks
