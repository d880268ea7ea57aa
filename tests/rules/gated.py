"""A run with gates in memory, whose jobs are run when the test says so, by judges who know the right answers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from mephisto_nb._typing import JSON
from mephisto_nb.model.changes import AddPayment
from mephisto_nb.model.gates import GateFinding, GateRow, OnboardingAgent
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, Worker, WorkerFacts
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import Gate, PaymentKind
from mephisto_nb.rules.arrivals import Arrival, Held, Outcome, release
from mephisto_nb.rules.eligibility import Refusal
from mephisto_nb.rules.gates._base import GateRules
from mephisto_nb.rules.gates.state import GateJob, GateJobKind
from mephisto_nb.rules.gates.table import open_gates
from mephisto_nb.rules.gates.verdicts import Supply, conclude, give_up, hand_in
from mephisto_nb.rules.step import Step
from tests.rules.rehearsal import Rehearsal

RIGHT, WRONG = {"label": "right"}, {"label": "wrong"}


#: Limits of the run, which are none of its gates.
_LIMITS = ("allowed_concurrent", "pay_amount", "visits", "assignment_duration")
#: What tests call a setting.
_SHORT = {
    "onboarding": "onboarding_qualification",
    "screening": "passed_qualification_name",
    "gold": "gold_qualification_base",
    "block": "block_qualification",
    "checks": "failed_checks_qualification",
    "attention": "attention_checks",
}


def gate_rules(*, judges_attention: bool = False, repeats_failed: bool = False, **short: Any) -> GateRules:
    """Return the gates that are named: those that have a qualification, or something to check."""
    settings = {_SHORT.get(name, name): value for name, value in short.items()}
    settings |= {"use_screening_task": bool(short.get("screening")), "use_golds": bool(short.get("gold"))}
    settings |= {"after_failed_check": "repeat"} if repeats_failed else {}
    shared = SharedTaskState(judge_attention=(lambda answer, row: True) if judges_attention else None)
    return open_gates(SimpleNamespace(**settings), shared, "task")


class Gated(Rehearsal):
    """A rehearsal with gates. What a step grants is known from the next one on, as when it is committed.

    `rows` are the keys of the rows that there are for screening and gold units; `broken` the gates whose judge fails.
    """

    def __init__(self, *units_each: int, rows: str = "abcdefgh", **settings: Any) -> None:
        limits = {name: settings.pop(name) for name in _LIMITS if name in settings}
        self.grants: dict[str, dict[str, int]] = {}
        self.workers: dict[str, Worker] = {}
        self.rows, self.broken = rows, set[Gate]()
        self.jobs: list[GateJob] = []
        #: To whom is owed what, and for which unit.
        self.owed: list[tuple[str, PaymentKind, Money, str | None]] = []
        #: What agents have sent.
        self.sent: dict[str, JSON] = {}
        super().__init__(*units_each, gates=gate_rules(**settings), **limits)

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
        self.jobs += step.gate_jobs
        names = {worker.worker_id: name for name, worker in self.workers.items()}
        paid = [change.payment for change in step.changes.changes if isinstance(change, AddPayment)]
        self.owed += [(names[one.worker_id], one.kind, one.amount, one.unit_id) for one in paid]

    def ask(self, name: str, registration: str | None = None, facts: WorkerFacts | None = None) -> Any:
        self.request = f"request {next(self._numbers)}"
        outcome = super().ask(name, registration, facts or self.facts(name))
        self.commit(self.last)
        return outcome

    def come(self, name: str, registration: str | None = None) -> Any:
        """Let a worker's page ask for a unit, and run the jobs that come of it; give what the page gets."""
        outcome = self.ask(name, registration)
        decided = self.run_jobs()
        return decided[-1][1] if isinstance(outcome, Held) and decided else outcome

    def do(self, agent: Agent, answer: JSON = None) -> None:
        """Let a worker send an answer (right, unless told otherwise), and have it judged."""
        self.submit(agent, RIGHT if answer is None else answer)
        self.commit(self.last)
        self.run_jobs()

    def introduce(self, agent: OnboardingAgent, answer: JSON = None, request: str = "handed in") -> Any:
        """Let a worker hand in the introduction, and have it judged; give what the page gets."""
        assert hand_in(self.step(), agent.agent_id, answer or RIGHT, self.now, request, None)
        self.commit(self.last)
        decided = {held.request_id: outcome for held, outcome in self.run_jobs()}
        return decided.get(request)

    def run_jobs(self) -> list[tuple[Arrival, Outcome]]:
        """Run all jobs; give which pages were answered, and what."""
        decided = []
        while self.jobs:
            decided += self.run(self.jobs.pop(0))
        return decided

    def run(self, job: GateJob) -> list[tuple[Arrival, Outcome]]:
        """Run one job."""
        name = self.state.worker_names[job.worker_id]
        facts, supply, step = self.facts(name), Supply(), self.step()
        if job.kind is GateJobKind.FETCH and job.gate is not None:
            row = next((key for key in self.rows if key not in facts.rows_seen), None)
            supply = Supply(job.gate, None if row is None else GateRow(row, {"row": row}, {"row": row}))
        elif job.kind is GateJobKind.JUDGE and job.gate is not None:
            supply = self._judge(step, job, facts)
        decided = release(step, job.worker_id, facts, replace(supply))
        self.commit(step)
        return decided

    def _judge(self, step: Step, job: GateJob, facts: WorkerFacts) -> Supply:
        gate, agent_id = job.gate, job.agent_id
        assert gate is not None
        if gate in self.broken:
            give_up(step, agent_id, gate, "it raised")
            return Supply(failed=True)
        introduction = step.state.gates.onboarding.get(agent_id)
        sent = self.sent[agent_id] if introduction is None else introduction.data
        conclude(step, agent_id, gate, [GateFinding(gate.value, sent == RIGHT)], facts)
        return Supply()

    def submit(self, agent: Agent, data: JSON = None) -> Step:
        self.sent[agent.agent_id] = data
        return super().submit(agent, data)

    def index_of(self, agent: Agent) -> int:
        return self.unit_of(agent).unit_index

    def worker(self, name: str) -> dict[str, int]:
        """Return what a worker has been granted."""
        return self.grants.get(self.workers[name].worker_id, {})


def code_of(outcome: Any) -> str:
    """Return why a page gets nothing."""
    assert isinstance(outcome, Refusal), outcome
    return str(outcome.code)
