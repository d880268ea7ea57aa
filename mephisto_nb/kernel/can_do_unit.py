"""An async `worker_can_do_unit`: asked away from the decision, while whoever arrived waits and nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mephisto_nb.kernel.writer import Patience, in_thread
from mephisto_nb.model.gates import HeldArrival
from mephisto_nb.model.records import Assignment, Unit, Worker, WorkerFacts
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.arrivals import Arrival
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.user_code import is_async

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.kernel.supervisor import Supervisor

logger = get_logger(__name__)

#: Why events are in the log: somebody waits for the verdict, and has their answer. What has the first and not the
#: second was cut off by a kernel's end, and is asked again.
ASKED, ANSWERED = "worker_can_do_unit is asked", "worker_can_do_unit has answered"
#: How long one worker waits for all verdicts together (seconds).
PATIENCE = 10.0

AsyncHook: TypeAlias = Callable[..., Awaitable[Any]]
#: ``decide(step, arrival)``: decides anew about somebody who waited, and answers them unless they have to wait again.
Decide: TypeAlias = Callable[[Step, Arrival], None]


@dataclass(slots=True)
class _Wait:
    """Somebody who waits: who they are, and what was found about units until now."""

    arrival: Arrival
    verdicts: dict[str, bool]
    until: float
    is_last: bool = False


class Verdicts:
    """Asks one run's hook.

    In the decision, a unit without a verdict counts as no; if the worker would go away with nothing, the decision is
    put off, the hook is asked about those units in turn until it says yes, and the decision is made again. What was
    taken by somebody else meanwhile is asked about no more. A hook that fails, or takes longer than `PATIENCE`, has
    said no.

    Parameters
    ----------
    hook
        The async function ``f(worker, unit)``.
    """

    def __init__(self, hook: AsyncHook) -> None:
        self._hook = hook
        self._now: _Wait | None = None
        self._wanted: list[tuple[Worker, Unit]] = []
        self._put_off: list[tuple[_Wait, list[tuple[Worker, Unit]]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._left: list[Arrival] = []
        self._patience = Patience(lambda error: None)
        self._engine: RunEngine
        self._supervisor: Supervisor
        self._database: Database
        self._provider_type = ""
        #: Decides about an arrival, and answers it; set by the pool.
        self.decide: Decide = lambda step, arrival: None

    def serve(self, engine: RunEngine, supervisor: Supervisor, database: Database, provider_type: str) -> None:
        """Say for which run this is."""
        self._engine, self._supervisor = engine, supervisor
        self._database, self._provider_type = database, provider_type
        engine.listeners.append(self._on_step)

    # -- in the decision -----------------------------------------------------------------------------------------

    def may_do(self, worker: Worker, unit: Unit, assignment: Assignment) -> bool:
        """Give the verdict, if there is one; the rule `RunRules.can_do_unit`."""
        if self._now is not None and unit.unit_id in self._now.verdicts:
            return self._now.verdicts[unit.unit_id]
        self._wanted.append((worker, unit))
        return False

    def begin(self) -> None:
        """Begin a decision."""
        self._wanted = []

    def puts_off(self, step: Step, asked: Arrival | HeldArrival) -> bool:
        """Put a decision off that had too few verdicts to give anything; tell whether it was."""
        wanted = [(worker, unit) for worker, unit in self._wanted if worker.worker_name == asked.worker_name]
        if not wanted or (self._now is not None and self._now.is_last):
            return False
        arrival = Arrival(asked.request_id, asked.worker_name, asked.registration_id, WorkerFacts())
        wait = self._now or _Wait(arrival, {}, asyncio.get_running_loop().time() + PATIENCE)
        if self._now is None:
            who = {"worker_name": arrival.worker_name, "registration_id": arrival.registration_id}
            step.log("request", arrival.request_id, None, None, ASKED, "operator", who)
        step.refused.pop()  # nobody was turned away yet
        self._put_off.append((wait, wanted))
        return True

    # -- beside it -----------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Find those whose verdict an earlier kernel did not live to give, before the run's first step."""
        run = [self._engine.task_run_id]
        asked = await in_thread(lambda: list(self._database.runs.read_events(run, why=ASKED)))
        if asked:
            answered = await in_thread(
                lambda: {e.subject_id for e in self._database.runs.read_events(run, why=ANSWERED)}
            )
            self._left = [
                Arrival(event.subject_id, event.detail["worker_name"], event.detail["registration_id"], WorkerFacts())
                for event in asked
                if event.detail is not None and event.subject_id not in answered
            ]

    def start(self) -> None:
        """Ask about those again."""
        for arrival in self._left:
            self._ask(_Wait(arrival, {}, asyncio.get_running_loop().time() + PATIENCE), [])
        self._left = []

    def stop(self) -> None:
        """Ask no more; who waits is asked about by the next kernel."""
        for task in self._tasks:
            task.cancel()

    def _on_step(self, step: Step) -> None:
        put_off, self._put_off = self._put_off, []
        for wait, wanted in put_off:
            self._ask(wait, wanted)

    def _ask(self, wait: _Wait, wanted: list[tuple[Worker, Unit]]) -> None:
        name = f"worker_can_do_unit of run {self._engine.task_run_id}"
        task = self._supervisor.spawn(name, self._judge(wait, wanted), lambda error: None)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _judge(self, wait: _Wait, wanted: list[tuple[Worker, Unit]]) -> None:
        trouble: str | None = None
        try:
            async with asyncio.timeout_at(wait.until):
                for worker, unit in wanted:
                    wait.verdicts[unit.unit_id] = bool(await self._hook(worker, unit))
                    if wait.verdicts[unit.unit_id]:
                        break
        except Exception as error:
            late = isinstance(error, TimeoutError) and asyncio.get_running_loop().time() >= wait.until
            said = f"took more than {PATIENCE:g} seconds" if late else f"raised {error!r}"
            trouble = f"worker_can_do_unit {said}; taken as no"
            logger.warning("%s", trouble, exc_info=None if late else error)
            wait.is_last = True
        name = wait.arrival.worker_name
        run_id = self._engine.task_run_id
        facts = await self._patience.persist(
            lambda: in_thread(self._database.people.get_worker_facts, run_id, self._provider_type, [name])
        )
        wait.arrival = replace(wait.arrival, facts=facts.get(name, WorkerFacts()))
        await self._engine.do(partial(self._decide_again, wait=wait, trouble=trouble), patiently=True)

    def _decide_again(self, step: Step, wait: _Wait, trouble: str | None) -> None:
        if trouble is not None:
            step.log("request", wait.arrival.request_id, None, None, trouble, "operator")
            step.troubles.append(trouble)
        before, self._now = len(self._put_off), wait
        try:
            self.decide(step, wait.arrival)
        finally:
            self._now = None
        if len(self._put_off) == before:
            step.log("request", wait.arrival.request_id, None, None, ANSWERED, "operator")


def make_verdicts(shared_state: SharedTaskState) -> Verdicts | None:
    """Make who asks `worker_can_do_unit`, if that is async."""
    hook = shared_state.worker_can_do_unit
    return Verdicts(cast(AsyncHook, hook)) if hook is not None and is_async(hook) else None
