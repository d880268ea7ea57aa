"""Which gate a worker has to pass before their next unit, and what those hear who do not pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mephisto_nb._typing import JSON
from mephisto_nb.model.gates import GateRow, HeldArrival, OnboardingAgent
from mephisto_nb.model.records import Worker, WorkerFacts
from mephisto_nb.model.states import AGENT_LEFT, AgentStatus, Gate
from mephisto_nb.rules.eligibility import Refusal, RefusalCode
from mephisto_nb.rules.gates import steps
from mephisto_nb.rules.gates._base import EntryGate, Standing, UnitGate
from mephisto_nb.rules.gates.state import GateJob, GateJobKind, gate_of
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step


@dataclass(slots=True)
class Supply:
    """What a job has brought for a worker; the first arrival that needs it uses it up.

    `row` is None if there is none left for them. `failed`: a function of the researcher did not do its work.
    """

    gate: Gate | None = None
    row: GateRow | None = None
    failed: bool = False


def facts_now(step: Step, worker_id: str | None, facts: WorkerFacts) -> WorkerFacts:
    """Return what is known of a worker, with what this very step has granted them."""
    granted = step.granted.get(worker_id or "")
    if not granted:
        return facts
    grants = {name: value for name, value in {**facts.grants, **granted}.items() if value is not None}
    return replace(facts, grants=grants)


def standing_of(state: RunState, worker_id: str | None, facts: WorkerFacts) -> Standing:
    """Return what gates know of a worker."""
    return Standing(facts.grants, state.units_of_worker[worker_id or ""] + facts.units_elsewhere)


# -- who may pass --------------------------------------------------------------------------------------------


def turned_away(state: RunState, worker_id: str | None, facts: WorkerFacts) -> Refusal | None:
    """Tell those so who have not passed a gate."""
    rules, standing = state.rules.gates, standing_of(state, worker_id, facts)
    for gate in rules.entries:
        if gate.is_shut_to(standing):
            return Refusal(gate.FAILED.code, gate.FAILED.to_worker)
    if rules.checks and rules.max_failed_checks is not None and rules.checks_blocked in facts.grants:
        return Refusal(
            RefusalCode.CHECKS_FAILED,
            "Thank you for your work. Some of your answers did not pass the checks of this task, which look at whether "
            "it was read with care, so there is no more of this work for you.",
        )
    return None


def next_gate(state: RunState, worker_id: str, facts: WorkerFacts) -> EntryGate[Any] | None:
    """Return the gate that a worker who may work has to pass before their next unit of the work."""
    standing = standing_of(state, worker_id, facts)
    return next((gate for gate in state.rules.gates.entries if gate.is_due(standing)), None)


def is_at_gate(state: RunState, worker_id: str) -> bool:
    """Tell whether a worker has a gate's unit in hand."""
    agents = state.active_agents.get(worker_id, ())
    return any(not state.units[state.agents[agent_id].unit_id].is_real for agent_id in agents)


def budget_is_used_up(state: RunState, gate: UnitGate[Any]) -> bool:
    """Tell whether no more units of a gate may be given out."""
    return gate.max_units is not None and state.gates.num_used(gate) >= gate.max_units


# -- the introduction ----------------------------------------------------------------------------------------


def begin(step: Step, worker: Worker, registration_id: str) -> OnboardingAgent:
    """Lead a worker to the introduction, in whatever tab they ask: it is one and the same."""
    current = step.state.gates.current(worker.worker_id)
    if current is not None and current.status is AgentStatus.ONBOARDING:
        return current
    return steps.add_onboarding(step, worker, registration_id)


def hand_in(
    step: Step, agent_id: str, data: JSON, received_at: float, request_id: str, registration_id: str | None
) -> bool:
    """Keep what a worker has handed in, the first time; their page waits for what it is found to be worth.

    `registration_id` is what the page calls itself, if it says so. Return False if there is no such agent.
    """
    agent = step.state.gates.onboarding.get(agent_id)
    if agent is None:
        return False
    job = GateJob(GateJobKind.RELEASE, agent.worker_id)
    if agent.submitted_at is None:
        is_late = agent.status in AGENT_LEFT
        steps.keep_onboarding_answer(step, agent, data, received_at)
        after = AgentStatus.COMPLETED if is_late else AgentStatus.WAITING
        steps.change_onboarding(step, agent, after, "handed in the introduction", "worker")
    if step.state.gates.is_unjudged(agent.worker_id, agent_id):
        step.state.gates.stuck.discard(agent_id)
        job = GateJob(GateJobKind.JUDGE, agent.worker_id, agent_id, gate_of(step.state.gates, agent))
    name = step.state.worker_names[agent.worker_id]
    registration = registration_id or agent.registration_id
    steps.hold(step, HeldArrival(request_id, agent.worker_id, name, registration, step.now))
    step.gate_jobs.append(job)
    return True


# -- what those hear who have to wait ------------------------------------------------------------------------


def no_room(state: RunState, gate: UnitGate[Any], *, is_budget: bool) -> Refusal:
    """Tell a worker that nobody can be looked at any more, and note it for the researcher."""
    note_no_room(state, gate, is_budget=is_budget)
    return Refusal(gate.FULL.code, gate.FULL.to_worker)


def note_no_room(state: RunState, gate: UnitGate[Any], *, is_budget: bool) -> None:
    """Note for the researcher that a gate has no more units to give."""
    if is_budget:
        text = f"All {gate.max_units} {gate.NAME} units are used up ({gate.LIMIT}), so nobody new can be looked at."
    else:
        text = f"Somebody has seen all {gate.NAME} rows there are, and was due for another. Give more rows."
    state.gates.notices[f"{gate.NAME} room"] = text


def not_judged() -> Refusal:
    """Tell a worker whose answer could not be judged so."""
    return Refusal(
        RefusalCode.NOT_JUDGED,
        "Your last answer has arrived safely. Something went wrong on our side when it was looked at, so we cannot "
        "give you more work yet. That is not your fault: please try again later.",
    )


def trouble() -> Refusal:
    """Tell a worker so for whom a row should have been found, and the function that finds it has failed."""
    text = (
        "Something went wrong on our side, so we cannot give you work at the moment. That is not your fault: please "
        "try again later."
    )
    return Refusal(RefusalCode.TROUBLE, text)


def still_judging() -> Refusal:
    """Tell a worker whose many pages wait that one is enough."""
    text = "Your last answer is still being looked at. Please try again in a minute."
    return Refusal(RefusalCode.BEING_JUDGED, text)


def at_gate() -> Refusal:
    """Tell a worker that what they have in hand comes first."""
    text = "You are already working on another unit of this task, maybe in another tab. Finish or return that first."
    return Refusal(RefusalCode.TOO_MANY_CONCURRENT, text)
