"""Runs the errands of gates: judges answers and finds rows outside of any step, and tells the rules what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ClosedError, DatabaseError
from mephisto_nb.kernel.gates.gate_judges import Finding, JudgeError, Judges
from mephisto_nb.kernel.gates.gate_rows import RowSource
from mephisto_nb.kernel.supervisor import Supervisor
from mephisto_nb.kernel.writer import Patience, in_thread
from mephisto_nb.model.gates import HeldArrival
from mephisto_nb.model.records import Worker, WorkerFacts
from mephisto_nb.model.states import Gate
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.arrivals import Outcome, release
from mephisto_nb.rules.gates.passing import Supply
from mephisto_nb.rules.gates.state import Errand, ErrandKind, gate_of
from mephisto_nb.rules.gates.verdicts import give_up, judge_onboarding, judge_unit
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine

#: What a verdict changes: gets the step, and what is known of the worker by then.
Rule = Callable[[Step, WorkerFacts], None]


class Desk(Protocol):
    """Who knows workers, and answers their pages: `WorkerPool`."""

    async def look_up(self, worker_name: str) -> WorkerFacts:
        """Give what is known of a worker."""

    def answer(self, step: Step, asked: HeldArrival, outcome: Outcome) -> None:
        """Answer a page."""


@dataclass(slots=True)
class _Conclusion:
    """What an errand has come to, as a rule to apply: a verdict, and answers to the pages that waited for it."""

    desk: Desk
    worker: Worker
    rule: Rule | None = None
    supply: Supply = field(default_factory=Supply)
    facts: WorkerFacts = field(default_factory=WorkerFacts)

    async def look_up(self) -> None:
        """Find out what is known of the worker."""
        self.facts = await self.desk.look_up(self.worker.worker_name)

    def __call__(self, step: Step) -> bool:
        """Apply it; tell whether what was supplied was used."""
        if self.rule is not None:
            self.rule(step, self.facts)
        supply = replace(self.supply)  # if the step fails, it is applied again
        for held, outcome in release(step, self.worker.worker_id, self.facts, supply):
            self.desk.answer(step, held, outcome)
        return supply.row is None


class GateKeeper:
    """Runs the errands of one run.

    Parameters
    ----------
    engine, desk, supervisor
        The run, who answers its workers, and the owner of its tasks.
    database
        Where answers are read.
    judges, sources
        Who judges, and where rows come from.
    """

    def __init__(
        self,
        engine: RunEngine,
        desk: Desk,
        supervisor: Supervisor,
        database: Database,
        judges: Judges,
        sources: Mapping[Gate, RowSource],
    ) -> None:
        self._engine, self._desk, self._supervisor = engine, desk, supervisor
        self._database, self._judges, self._sources = database, judges, sources
        self._running: dict[Errand, asyncio.Task[None]] = {}
        #: Errands that were asked for once more while they were run.
        self._again: set[Errand] = set()
        self._state: RunState | None = None
        self._patience = Patience(lambda error: None)
        engine.listeners.append(self._on_step)

    async def start(self) -> None:
        """Run what another kernel has left undone, when a run is taken up again."""
        await self._engine.do(lambda step: None, patiently=True)

    def stop(self) -> None:
        """Run nothing more: the run is no longer driven from here."""
        self._engine.listeners.remove(self._on_step)
        for task in self._running.values():
            task.cancel()
        self._running.clear()

    def _on_step(self, step: Step) -> None:
        if step.state is not self._state:  # read from the database: for the first time, or after a failure
            self._state = step.state
            for errand in outstanding(step.state):
                self._run(errand)
        for errand in step.errands:
            self._run(errand)

    def _run(self, errand: Errand) -> None:
        if errand in self._running:
            self._again.add(errand)
            return
        name = f"{errand.kind.value} for worker {errand.worker_id} of run {self._engine.task_run_id}"
        self._running[errand] = self._supervisor.spawn(name, self._do(errand), lambda error: None)

    async def _do(self, errand: Errand) -> None:
        try:
            # A page waits for what comes of this: a database that does not answer now is asked again.
            conclusion = await self._patience.persist(lambda: self._conclude(errand))
            if conclusion is not None:
                used = await self._engine.do(conclusion, patiently=True, look_up=conclusion.look_up)
                if not used and errand.gate is not None and conclusion.supply.row is not None:
                    self._sources[errand.gate].give_back(conclusion.supply.row)
        except ClosedError:
            return  # the run is no longer driven from here; another kernel does it anew
        finally:
            self._running.pop(errand, None)
        if errand in self._again:
            self._again.discard(errand)
            self._run(errand)

    async def _conclude(self, errand: Errand) -> _Conclusion | None:
        state = self._engine.state
        name = state.worker_names.get(errand.worker_id)
        if name is None:
            return None  # the step that asked for this was forgotten
        worker = Worker(errand.worker_id, name, state.rules.provider_type)
        if errand.kind is ErrandKind.JUDGE and errand.gate is not None:
            if state.gates.is_unjudged(errand.worker_id, errand.agent_id):
                return await self._judge(worker, errand.agent_id, errand.gate)
        elif errand.kind is ErrandKind.FETCH and errand.gate is not None and errand.worker_id in state.gates.held:
            return await self._fetch(worker, errand.gate)
        return _Conclusion(self._desk, worker)

    async def _judge(self, worker: Worker, agent_id: str, gate: Gate) -> _Conclusion:
        try:
            data, row = await self._read(agent_id)
            finding = await self._judges.judge(gate, data, row)
        except JudgeError as error:
            why = str(error)
            return _Conclusion(
                self._desk, worker, lambda step, facts: give_up(step, agent_id, gate, why), Supply(failed=True)
            )
        return _Conclusion(self._desk, worker, _verdict(agent_id, gate, finding))

    async def _read(self, agent_id: str) -> tuple[JSON, JSONObject]:
        """Read what is to be judged: the answer, and the row that it answers."""
        onboarding = self._engine.state.gates.onboarding.get(agent_id)
        if onboarding is not None:
            return onboarding.data, {}
        (found,) = await in_thread(self._database.runs.read_results, [self._engine.task_run_id], agent_ids=[agent_id])
        state = self._engine.state
        kept = state.gates.units.get(found["unit_id"])
        if kept is not None:
            return found["data"], kept.row.row
        assignment = state.assignments[found["assignment_id"]]
        return found["data"], {**assignment.shared, **assignment.own_data(found["unit_index"])}

    async def _fetch(self, worker: Worker, gate: Gate) -> _Conclusion:
        facts = await self._desk.look_up(worker.worker_name)
        try:
            source = self._sources.get(gate) or RowSource(gate, ())
            row = await source.find(worker, facts.rows_seen)
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001 - a researcher's function or rows; their failure must not stop the run
            why = f"no {gate.value} row could be found: {error}"
            supply = Supply(gate, failed=True)
            return _Conclusion(self._desk, worker, lambda step, facts: _note_failure(step, worker, gate, why), supply)
        return _Conclusion(self._desk, worker, supply=Supply(gate, row))


def outstanding(state: RunState) -> list[Errand]:
    """Give the errands that a stored run needs: answers without a verdict, and pages that wait for nothing else."""
    book, errands = state.gates, []
    for worker_id, agents in book.unjudged.items():
        errands += [
            Errand(ErrandKind.JUDGE, worker_id, id_, gate_of(book, state.agents.get(id_))) for id_ in sorted(agents)
        ]
    errands += [Errand(ErrandKind.RELEASE, worker_id) for worker_id in book.held if worker_id not in book.unjudged]
    return errands


def _verdict(agent_id: str, gate: Gate, finding: Finding) -> Rule:
    def rule(step: Step, facts: WorkerFacts) -> None:
        if gate is Gate.ONBOARDING:
            judge_onboarding(step, agent_id, finding.passed, finding.detail)
        else:
            judge_unit(step, agent_id, gate, finding.passed, facts, finding.detail)

    return rule


def _note_failure(step: Step, worker: Worker, gate: Gate, why: str) -> None:
    step.state.gates.notices[f"{gate.value} rows"] = f"{why[0].upper()}{why[1:]}; who is due for one gets nothing."
    step.log("worker", worker.worker_id, None, None, why, "operator")
