"""Those who wait for a run: for the result of a rule, or until something about the run is true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mephisto_nb.errors import ClosedError
from mephisto_nb.rules.run_state import RunState


class Waiters:
    """Futures that are settled by a run's steps, or when the run is no longer driven."""

    def __init__(self, task_run_id: str) -> None:
        self._task_run_id = task_run_id
        self._waiting: set[asyncio.Future[Any]] = set()
        self._conditions: dict[asyncio.Future[None], Callable[[RunState], bool]] = {}
        self._is_closed = False

    def future(self) -> asyncio.Future[Any]:
        """Make something to wait for.

        Raises
        ------
        ClosedError
            The run is no longer driven from here.
        """
        if self._is_closed:
            raise ClosedError(f"Run {self._task_run_id} has ended, or is no longer driven from this kernel.")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        return future

    def watch(self, condition: Callable[[RunState], bool]) -> asyncio.Future[None]:
        """Make something that is settled when a committed step makes `condition` true."""
        future: asyncio.Future[None] = self.future()
        self._conditions[future] = condition
        future.add_done_callback(self._conditions.pop)
        return future

    def tell(self, state: RunState) -> None:
        """Settle what the state makes true."""
        for future, condition in list(self._conditions.items()):
            if future.done():
                continue
            try:
                if condition(state):
                    future.set_result(None)
            except Exception as error:  # noqa: BLE001 - told to whoever gave the condition
                future.set_exception(error)

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._is_closed = True
        for future in list(self._waiting):
            if not future.done():
                future.set_exception(ClosedError(f"Run {self._task_run_id} ended before this could be done."))
