"""What is decided and paid, of which no step of a run's engine tells."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

from mephisto_nb.errors import MephistoError
from mephisto_nb.model.changes import AddPayment, AddReview, ChangePayment, Changes
from mephisto_nb.utils.logging import get_logger

if TYPE_CHECKING:
    from mephisto_nb.review.reviewable import DecidableRun

logger = get_logger(__name__)

_TELLING = (AddReview, AddPayment, ChangePayment)


class News:
    """Has something be read anew whenever a decision or a payment was committed in this kernel.

    Many in a row are read together; what comes while nobody looks is left to whoever looks next.

    Parameters
    ----------
    run
        Of which run.
    read
        Reads; awaited on the loop of whoever committed, one call at a time.
    is_wanted
        Tells whether somebody looks.
    """

    def __init__(self, run: DecidableRun, read: Callable[[], Awaitable[None]], is_wanted: Callable[[], bool]) -> None:
        self._task_run_id = run.task_run.task_run_id
        self._read, self._is_wanted = read, is_wanted
        self._has_come = False
        self._reading: asyncio.Task[None] | None = None
        # The writer outlives most of those who watch: it must not keep them.
        self._forget = [
            _listen(run.writer.listeners, WeakMethod(self._hear)),
            _listen(run.writer.call_listeners, WeakMethod(self._read_soon)),
        ]

    def close(self) -> None:
        """Hear of nothing any more. May be called twice."""
        for forget in self._forget:
            forget()
        if self._reading is not None:
            self._reading.cancel()

    def _hear(self, changes: Changes) -> None:
        is_about_it = changes.task_run_id in (self._task_run_id, None)
        if is_about_it and any(isinstance(one, _TELLING) for one in changes.changes):
            self._read_soon()

    def _read_soon(self) -> None:
        self._has_come = True
        if self._reading is None and self._is_wanted():
            loop = asyncio.get_running_loop()
            self._reading = loop.create_task(self._read_all(), context=contextvars.Context())

    async def _read_all(self) -> None:
        try:
            while self._has_come:
                self._has_come = False
                await self._read()
        except MephistoError:
            logger.exception("what was decided on run %s could not be read", self._task_run_id)
        finally:
            self._reading = None


def _listen(listeners: list[Any], method: WeakMethod[Callable[..., None]]) -> Callable[[], None]:
    """Let a method be told for as long as its owner lives; give what ends it."""

    def tell(*told: Any) -> None:
        if (mine := method()) is not None:
            mine(*told)
        else:
            forget()

    def forget() -> None:
        if tell in listeners:
            listeners.remove(tell)

    listeners.append(tell)
    return forget
