"""What a step may change of the gates of a run: in memory, in the database, and in the event log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mephisto_nb._typing import JSON
from mephisto_nb.model.changes import (
    AddGateUnit,
    AddOnboarding,
    AddOnboardingAnswer,
    AddVerdict,
    ChangeOnboarding,
    HoldArrival,
    ReleaseArrivals,
)
from mephisto_nb.model.gates import (
    ONBOARDING_PREFIX,
    GateFinding,
    GateRow,
    GateUnit,
    HeldArrival,
    OnboardingAgent,
    join_findings,
)
from mephisto_nb.model.records import Agent, Assignment, Unit, Worker
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.model.states import AgentStatus, Gate, UnitStatus, check_agent_transition
from mephisto_nb.rules.gates._base import UnitGate
from mephisto_nb.rules.step import Step


def add_onboarding(step: Step, worker: Worker, registration_id: str, deadline: float | None = None) -> OnboardingAgent:
    """Let a worker begin the introduction."""
    agent = OnboardingAgent(
        agent_id=f"{ONBOARDING_PREFIX}{step.new_id()}",
        worker_id=worker.worker_id,
        registration_id=registration_id,
        status=AgentStatus.ONBOARDING,
        started_at=step.now,
        deadline=step.now + step.state.rules.assignment_duration if deadline is None else deadline,
    )
    step.state.worker_names[worker.worker_id] = worker.worker_name
    step.state.gates.add_onboarding(agent)
    step.note(AddOnboarding(agent))
    step.log("agent", agent.agent_id, AgentStatus.NONE, agent.status, "began the introduction", "worker")
    return agent


def change_onboarding(step: Step, agent: OnboardingAgent, after: AgentStatus, why: str, who: str) -> None:
    """Bring an onboarding agent to another status."""
    before = agent.status
    check_agent_transition(agent.agent_id, before, after, why)
    agent.status = after
    if not any(isinstance(one, AddOnboarding) and one.agent is agent for one in step.changes.changes):
        step.note(ChangeOnboarding(agent.agent_id, before, after))
    step.log("agent", agent.agent_id, before, after, why, who)


def keep_onboarding_answer(step: Step, agent: OnboardingAgent, data: JSON, received_at: float) -> None:
    """Keep what was handed in at the end of an introduction; it waits for its verdict."""
    agent.data, agent.submitted_at = data, received_at
    step.state.last_submission_at = max(received_at, step.state.last_submission_at or 0.0)
    step.note(AddOnboardingAnswer(agent.agent_id, data, received_at))
    step.state.gates.await_verdict(agent.worker_id, agent.agent_id)


def add_gate_unit(step: Step, gate: UnitGate[Any], worker: Worker, row: GateRow) -> Unit:
    """Make a unit, in an assignment of its own, that looks at one worker, and put it on offer to them."""
    data = InitializationData(row.shared)
    index = -1 - len(step.state.gates.units)  # real assignments count up from 0
    assignment = Assignment(step.new_id(), step.state.task_run_id, index, data.shared, data.unit_data)
    pay_amount = gate.pay(step.state.rules.pay_amount)
    unit = Unit(step.new_id(), assignment.assignment_id, gate.UNIT_INDEX, pay_amount)
    kept = GateUnit(unit.unit_id, gate.KIND, worker.worker_id, row)
    step.add_assignments([assignment], [unit])
    step.state.gates.units[unit.unit_id] = kept
    step.note(AddGateUnit(kept))
    step.change_unit(unit, UnitStatus.LAUNCHED, f"a {gate.NAME} unit for one worker", "operator")
    return unit


def add_verdict(step: Step, agent: Agent | OnboardingAgent, gate: Gate, findings: Sequence[GateFinding]) -> None:
    """Keep what was found of an answer, in one row of the database."""
    verdict = join_findings(agent.agent_id, gate, findings, step.now)
    step.note(AddVerdict(verdict))
    step.state.gates.note_verdict(agent, verdict)
    for found in verdict.findings:
        what = {True: "passed", False: "failed", None: "not judged"}[found.passed]
        step.log("agent", agent.agent_id, None, None, f"{found.gate}: {what}", "operator", found.detail)


def hold(step: Step, arrival: HeldArrival) -> None:
    """Let a page wait for its answer; once is enough."""
    waiting = step.state.gates.held.setdefault(arrival.worker_id, {})
    if arrival.request_id not in waiting:
        waiting[arrival.request_id] = arrival
        step.note(HoldArrival(arrival))


def let_go(step: Step, arrivals: list[HeldArrival]) -> None:
    """Note that pages have their answer."""
    for arrival in arrivals:
        waiting = step.state.gates.held.get(arrival.worker_id, {})
        waiting.pop(arrival.request_id, None)
        if not waiting:
            step.state.gates.held.pop(arrival.worker_id, None)
    if arrivals:
        step.note(ReleaseArrivals([arrival.request_id for arrival in arrivals]))
