"""A run with gates in memory, whose errands are run when the test says so, by judges who know the right answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mephisto_nb.model.gates import GateRow, HeldArrival, OnboardingAgent
from mephisto_nb.model.records import Agent, Worker, WorkerFacts
from mephisto_nb.model.states import Gate
from mephisto_nb.rules.arrivals import Held, Outcome, release
from mephisto_nb.rules.eligibility import Refusal
from mephisto_nb.rules.gates.gate_rules import GateRules
from mephisto_nb.rules.gates.onboarding import hand_in
from mephisto_nb.rules.gates.passing import Supply
from mephisto_nb.rules.gates.state import Errand, ErrandKind
from mephisto_nb.rules.gates.verdicts import give_up, judge_onboarding, judge_unit
from mephisto_nb.rules.step import Step

from mephisto_nb._typing import JSON
from tests.lifecycle.rehearsal import Rehearsal

RIGHT, WRONG = {"label": "right"}, {"label": "wrong"}


class Gated(Rehearsal):
    """A rehearsal with gates. What a step grants is known from the next one on, as when it is committed.

    `rows` are the keys of the rows that there are for screening and gold units; `broken` the gates whose judge fails.
    """

    def __init__(self, *units_each: int, rows: str = "abcdefgh", **settings: Any) -> None:
        limits = {name: settings.pop(name) for name in ("allowed_concurrent",) if name in settings}
        self.grants: dict[str, dict[str, int]] = {}
        self.workers: dict[str, Worker] = {}
        self.rows, self.broken = rows, set[Gate]()
        self.errands: list[Errand] = []
        #: What agents have sent.
        self.sent: dict[str, JSON] = {}
        super().__init__(*units_each, gates=GateRules(**settings), **limits)

    def facts(self, name: str) -> WorkerFacts:
        worker = self.workers.get(name)
        if worker is None:
            return WorkerFacts()
        seen = {unit.row.key for unit in self.state.gates.units.values() if unit.worker_id == worker.worker_id}
        return WorkerFacts(worker, dict(self.grants.get(worker.worker_id, {})), rows_seen=frozenset(seen))

    def commit(self, step: Step) -> None:
        self.workers |= self.state.new_workers
        for worker_id, granted in step.granted.items():
            for name, value in granted.items():
                grants = self.grants.setdefault(worker_id, {})
                grants.pop(name, None) if value is None else grants.update({name: value})
        self.errands += step.errands

    def ask(self, name: str, registration: str | None = None, facts: WorkerFacts | None = None) -> Any:
        self.request = f"request {next(self._numbers)}"
        outcome = super().ask(name, registration, facts or self.facts(name))
        self.commit(self.last)
        return outcome

    def come(self, name: str, registration: str | None = None) -> Any:
        """Let a worker's page ask for a unit, and run the errands that come of it; give what the page gets."""
        outcome = self.ask(name, registration)
        decided = self.run_errands()
        return decided[-1][1] if isinstance(outcome, Held) and decided else outcome

    def do(self, agent: Agent, answer: JSON = None) -> None:
        """Let a worker send an answer (right, unless told otherwise), and have it judged."""
        self.submit(agent, RIGHT if answer is None else answer)
        self.commit(self.last)
        self.run_errands()

    def introduce(self, agent: OnboardingAgent, answer: JSON = None, request: str = "handed in") -> Any:
        """Let a worker hand in the introduction, and have it judged; give what the page gets."""
        assert hand_in(self.step(), agent.agent_id, answer or RIGHT, self.now, request, None)
        self.commit(self.last)
        decided = {held.request_id: outcome for held, outcome in self.run_errands()}
        return decided.get(request)

    def run_errands(self) -> list[tuple[HeldArrival, Outcome]]:
        """Run all errands; give which pages were answered, and what."""
        decided = []
        while self.errands:
            decided += self.run(self.errands.pop(0))
        return decided

    def run(self, errand: Errand) -> list[tuple[HeldArrival, Outcome]]:
        """Run one errand."""
        name = self.state.worker_names[errand.worker_id]
        facts, supply, step = self.facts(name), Supply(), self.step()
        if errand.kind is ErrandKind.FETCH and errand.gate is not None:
            row = next((key for key in self.rows if key not in facts.rows_seen), None)
            supply = Supply(errand.gate, None if row is None else GateRow(row, {"row": row}, {"row": row}))
        elif errand.kind is ErrandKind.JUDGE and errand.gate is not None:
            supply = self._judge(step, errand, facts)
        decided = release(step, errand.worker_id, facts, replace(supply))
        self.commit(step)
        return decided

    def _judge(self, step: Step, errand: Errand, facts: WorkerFacts) -> Supply:
        gate, agent_id = errand.gate, errand.agent_id
        assert gate is not None
        if gate in self.broken:
            give_up(step, agent_id, gate, "it raised")
            return Supply(failed=True)
        if gate is Gate.ONBOARDING:
            judge_onboarding(step, agent_id, step.state.gates.onboarding[agent_id].data == RIGHT)
        else:
            judge_unit(step, agent_id, gate, self.sent[agent_id] == RIGHT, facts)
        return Supply()

    def submit(self, agent: Agent, data: JSON = None) -> Step:
        self.sent[agent.agent_id] = data
        return super().submit(agent, data)

    def index_of(self, agent: Agent) -> int:
        return self.unit_of(agent).unit_index

    def worker(self, name: str) -> dict[str, int]:
        """Give what a worker has been granted."""
        return self.grants.get(self.workers[name].worker_id, {})


def code_of(outcome: Any) -> str:
    """Give why a page gets nothing."""
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.value
