"""The researcher's `on_unit_submitted`: called for each answer once it is stored, away from all else that goes on."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from mephisto_nb.kernel.hooks import SubmittedUnit
from mephisto_nb.kernel.supervisor import Supervisor
from mephisto_nb.kernel.writer import Patience, in_thread
from mephisto_nb.model.task_run_args import MAXIMUM_BONUS
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.user_code import CallThreads, is_async

if TYPE_CHECKING:
    from mephisto_nb.run import LiveTaskRun

logger = get_logger(__name__)

#: Why an event is in the log that marks an answer of which the hook was told.
CALLED = "on_unit_submitted was called"
#: How many calls run at a time: of async functions, and of plain ones, which have a thread each.
_AT_ONCE, _THREADS = 16, 4
#: How long a run that is done waits for calls that have not ended (seconds).
PATIENCE = 60.0


class SubmissionHooks:
    """Calls one run's hook.

    An answer is marked in the event log once the call has ended, well or not; one without a mark is told again by the
    next kernel. So a kernel's death in the middle makes a second call, and never none.

    Parameters
    ----------
    run
        The run.
    supervisor
        The owner of its tasks.
    hook
        The function, plain or async.
    """

    def __init__(self, run: LiveTaskRun, supervisor: Supervisor, hook: Callable[..., Any]) -> None:
        self._run, self._supervisor, self._hook = run, supervisor, hook
        self._waiting: deque[str] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = CallThreads(_THREADS, "on_unit_submitted")
        self._patience = Patience(lambda error: None)
        task = run.task_run.config["mephisto"]["task"]
        self._maximum_bonus = float(task.get("maximum_bonus", MAXIMUM_BONUS))
        run.parts.engine.listeners.append(self._on_step)

    async def load(self) -> None:
        """Find the answers of which the hook was not told, before the run's first step."""
        run_id, state = self._run.task_run_id, self._run.parts.engine.state
        answered = [agent.agent_id for agent in state.agents.values() if agent.submitted_at is not None]
        if answered:
            events = await in_thread(lambda: list(self._run.parts.database.read_events([run_id], why=CALLED)))
            called = {event.subject_id for event in events}
            self._waiting.extend(agent_id for agent_id in answered if agent_id not in called)

    def start(self) -> None:
        """Tell the hook what waits."""
        for _ in range(min(len(self._waiting), _AT_ONCE - len(self._tasks))):
            name = f"on_unit_submitted of run {self._run.task_run_id}"
            task = self._supervisor.spawn(name, self._work(), self._run.note_failed_hook)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for the calls of a run that is done, but not for ever."""
        if not self._tasks:
            return
        _, left = await asyncio.wait(self._tasks, timeout=PATIENCE)
        if left:
            count = len(left) + len(self._waiting)
            text = f"{count} calls had not ended {PATIENCE:g} seconds after the run was done, and were given up"
            self._run.note_failed_hook(TimeoutError(text))
            self.stop()

    def stop(self) -> None:
        """Call no more; what was not called is called by the next kernel that takes the run up."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()

    def _on_step(self, step: Step) -> None:
        self._waiting.extend(unit.agent_id for unit in step.submitted if unit.agent_id is not None)
        self.start()

    async def _work(self) -> None:
        while self._waiting:
            await self._tell(self._waiting.popleft())

    async def _tell(self, agent_id: str) -> None:
        failure: str | None = None
        try:
            # A database that does not answer now is no failure of the hook, which must hear of each answer.
            (row,) = await self._patience.persist(lambda: in_thread(self._run.read_answers, [agent_id]))
            unit = SubmittedUnit(row, self._run.parts.engine, self._maximum_bonus)
            await self._call(unit)
            await unit.settle()
        except Exception as error:
            failure = repr(error)
            logger.exception("on_unit_submitted failed for agent %s", agent_id)
            self._run.note_failed_hook(error)
        mark = partial(_mark, agent_id=agent_id, failure=failure)
        await self._run.parts.engine.do(mark, patiently=True)

    async def _call(self, unit: SubmittedUnit) -> None:
        result = self._hook(unit) if is_async(self._hook) else await self._threads.run(self._hook, unit)
        if inspect.isawaitable(result):
            await result


def _mark(step: Step, agent_id: str, failure: str | None) -> None:
    step.log("agent", agent_id, None, None, CALLED, "operator", None if failure is None else {"error": failure})
