"""An async `worker_can_do_unit`: asked away from the decision, while whoever arrived waits and nobody else does.

`CanDoUnitHook` is part of the decision, where a unit without an answer of the function counts as no. If the worker
would go away with nothing, the decision is put off; `CanDoUnitCalls` asks the function about those units in turn until
it says yes, and has the decision made again. What somebody else took meanwhile is asked about no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ClosedError
from mephisto_nb.kernel.run_tasks import OnFailure, RunHelper, Supervisor
from mephisto_nb.kernel.writer import Retry, in_thread
from mephisto_nb.model.records import Assignment, Unit, Worker, WorkerFacts
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.arrivals import Arrival
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.patience import patience
from mephisto_nb.utils.user_code import call, is_async

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.kernel.worker_pool import WorkerPool

logger = get_logger(__name__)

#: Why events are in the log: somebody waits for an answer of the function, and has theirs. What has the first and not
#: the second was cut off by a kernel's end, and is asked again.
ASKED, ANSWERED = "worker_can_do_unit is asked", "worker_can_do_unit has answered"
#: How long one worker waits for all answers of the function together (seconds).
TIMEOUT = 10.0

AsyncHook: TypeAlias = Callable[..., Awaitable[Any]]
#: Units to ask about, each for the worker who would get it.
Questions: TypeAlias = list[tuple[Worker, Unit]]


@dataclass(slots=True)
class Wait:
    """Somebody who waits: who they are, what the function said of units, and for how many seconds it may go on."""

    arrival: Arrival
    left: float
    said: dict[str, bool]
    is_last: bool = False


class CanDoUnitHook:
    """What the function has said of units, for the rule that asks `RunRules.can_do_unit`."""

    def __init__(self) -> None:
        self._now: Wait | None = None
        self._questions: Questions = []
        #: Who was put off in which step; a step that fails is done again, and puts them off anew.
        self._put_off: list[tuple[Wait, Questions]] = []
        self._step: Step | None = None

    def may_do(self, worker: Worker, unit: Unit, assignment: Assignment) -> bool:
        """Return what the function has said of a unit; False where it was not asked."""
        if self._now is not None and unit.unit_id in self._now.said:
            return self._now.said[unit.unit_id]
        self._questions.append((worker, unit))
        return False

    def begin(self) -> None:
        """Begin a decision. Called by `WorkerPool`."""
        self._questions = []

    def puts_off(self, step: Step, asked: Arrival) -> bool:
        """Put a decision off that had too few answers to give anything; return whether it was."""
        questions = self._about(asked.worker_name)
        if not questions:
            return False
        wait = self._now
        if wait is None:
            wait = wait_of(asked.request_id, asked.worker_name, asked.registration_id, asked.captured)
            who: JSONObject = {"worker_name": asked.worker_name, "registration_id": asked.registration_id}
            who |= {"captured": asked.captured} if asked.captured else {}
            step.log("request", asked.request_id, None, None, ASKED, "operator", who)
        if step.refused:
            step.refused.pop()  # nobody was turned away yet
        self._of(step).append((wait, questions))
        return True

    def is_undecided(self, worker_name: str) -> bool:
        """Return whether the decision that is being made about a worker lacks answers, and will be put off."""
        return bool(self._about(worker_name))

    def _about(self, worker_name: str) -> Questions:
        if self._now is not None and self._now.is_last:
            return []
        of_worker = [(worker, unit) for worker, unit in self._questions if worker.worker_name == worker_name]
        return list({unit.unit_id: (worker, unit) for worker, unit in of_worker}.values())

    @contextmanager
    def again(self, wait: Wait) -> Iterator[None]:
        """Let the decision about somebody who waited use what the function has said."""
        self._now = wait
        try:
            yield
        finally:
            self._now = None

    def num_put_off(self, step: Step) -> int:
        """Return how many decisions were put off in a step."""
        return len(self._of(step))

    def take_put_off(self, step: Step) -> list[tuple[Wait, Questions]]:
        """Return who was put off in a step that is committed, each with what to ask about; they are forgotten here."""
        put_off, self._put_off, self._step = self._of(step), [], None
        return put_off

    def _of(self, step: Step) -> list[tuple[Wait, Questions]]:
        if step is not self._step:
            self._put_off, self._step = [], step
        return self._put_off


class CanDoUnitCalls(RunHelper):
    """Asks one run's function beside the decisions. One that fails, or takes longer than `TIMEOUT`, has said no.

    Parameters
    ----------
    function
        The async function ``f(worker, unit)``.
    hook
        Where it is noted who waits.
    pool
        Decides anew about somebody who waited, and answers their page.
    engine, supervisor, database
        The run, the owner of its tasks, and where its events are read.
    on_failure
        Hears of what failed unforeseen.
    """

    def __init__(
        self,
        function: AsyncHook,
        hook: CanDoUnitHook,
        pool: WorkerPool,
        engine: RunEngine,
        supervisor: Supervisor,
        database: Database,
        on_failure: OnFailure,
    ) -> None:
        self._function, self._hook, self._pool = function, hook, pool
        self._engine, self._supervisor, self._database = engine, supervisor, database
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[None]] = set()
        self._left: list[Wait] = []
        self._retry = Retry()
        engine.listeners.append(self._on_step)

    async def load(self) -> None:
        """Find those whose answer an earlier kernel did not live to give."""
        run = [self._engine.task_run_id]
        asked = await in_thread(lambda: list(self._database.runs.read_events(run, why=ASKED)))
        if asked:
            answered = await in_thread(
                lambda: {e.subject_id for e in self._database.runs.read_events(run, why=ANSWERED)}
            )
            self._left = [
                wait_of(
                    event.subject_id,
                    event.detail["worker_name"],
                    event.detail["registration_id"],
                    event.detail.get("captured", {}),
                )
                for event in asked
                if event.detail is not None and event.subject_id not in answered
            ]

    async def start(self) -> None:
        """Ask about those again."""
        for wait in self._left:
            self._ask(wait, [])
        self._left = []

    def stop(self) -> None:
        """Ask no more; who waits is asked about by the next kernel."""
        for task in self._tasks:
            task.cancel()

    def _on_step(self, step: Step) -> None:
        for wait, questions in self._hook.take_put_off(step):
            self._ask(wait, questions)

    def _ask(self, wait: Wait, questions: Questions) -> None:
        name = f"worker_can_do_unit of run {self._engine.task_run_id}"
        task = self._supervisor.spawn(name, self._answer(wait, questions), self._on_failure)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, wait: Wait, questions: Questions) -> None:
        trouble: str | None = None
        try:
            async with patience(wait.left) as rest:
                for worker, unit in questions:
                    wait.said[unit.unit_id] = bool(await call(self._function, worker, unit))
                    wait.left = rest.left
                    if wait.said[unit.unit_id]:
                        break
        except (Exception, SystemExit) as error:
            late = isinstance(error, TimeoutError) and rest.left <= 0
            what = f"took more than {TIMEOUT:g} seconds" if late else f"raised {error!r}"
            trouble = f"worker_can_do_unit {what}; taken as no"
            logger.warning("%s", trouble, exc_info=None if late else error)
            wait.is_last = True
        try:
            facts = await self._retry.persist(lambda: self._pool.look_up(wait.arrival.worker_name))
            wait.arrival = replace(wait.arrival, facts=facts)
            await self._engine.do(partial(self._decide_again, wait=wait, trouble=trouble), retry=True)
        except ClosedError:
            return  # the run is no longer driven from here; the next kernel asks anew
        except Exception:
            await self._engine.do(partial(self._refuse, request_id=wait.arrival.request_id), retry=True)
            raise

    def _refuse(self, step: Step, request_id: str) -> None:
        """Answer a page whose decision has failed: nobody waits for ever."""
        step.log("request", request_id, None, None, ANSWERED, "operator")
        self._pool.refuse(step, request_id)

    def _decide_again(self, step: Step, wait: Wait, trouble: str | None) -> None:
        if trouble is not None:
            step.log("request", wait.arrival.request_id, None, None, trouble, "operator")
            step.troubles.append(trouble)
        before = self._hook.num_put_off(step)
        with self._hook.again(wait):
            self._pool.register_agent(step, wait.arrival)
        if self._hook.num_put_off(step) == before:
            step.log("request", wait.arrival.request_id, None, None, ANSWERED, "operator")


def wait_of(request_id: str, worker_name: str, registration_id: str, captured: JSONObject) -> Wait:
    """Return the wait of somebody, which begins now."""
    about = (worker_name, registration_id, WorkerFacts())
    arrival = Arrival(request_id, *about, is_simulated=True, captured=captured)  # or it was noted
    return Wait(arrival, TIMEOUT, {})


def async_hook_of(shared_state: SharedTaskState) -> AsyncHook | None:
    """Return the researcher's `worker_can_do_unit`, if that is async."""
    hook = shared_state.worker_can_do_unit
    return cast(AsyncHook, hook) if hook is not None and is_async(hook) else None
