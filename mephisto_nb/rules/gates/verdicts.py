"""The way of a worker through gates: which one is next, what is found of their answer, and what follows from it.

An answer is looked at as it comes in (`look_at`), and once more when it was judged outside of any step (`conclude`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.gates import GateFinding, GateRow, HeldArrival, OnboardingAgent
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.records import Agent, Submission, Unit, Worker, WorkerFacts
from mephisto_nb.model.states import AGENT_LEFT, AgentStatus, Gate, PaymentKind, UnitStatus
from mephisto_nb.rules.eligibility import Refusal, RefusalCode
from mephisto_nb.rules.gates import steps
from mephisto_nb.rules.gates._base import AnswerCheck, EntryGate, SentAnswer, Standing, UnitGate
from mephisto_nb.rules.gates.state import GateJob, GateJobKind, gate_of
from mephisto_nb.rules.gates.steps import add_verdict, change_onboarding
from mephisto_nb.rules.people import grant, pay
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step, add_unit_again


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
    """Return the refusal for a worker who has failed a gate; None: they may go on."""
    rules, standing = state.rules.gates, standing_of(state, worker_id, facts)
    for gate in rules.entries:
        if gate.is_shut_to(standing):
            return Refusal(gate.FAILED.code, gate.FAILED.to_worker, outcome=gate.OUTCOME)
    if rules.checks and rules.max_failed_checks is not None and rules.checks_blocked in facts.grants:
        return checks_failed()
    return None


def checks_failed() -> Refusal:
    """Return the refusal for a worker whose answers have failed too many checks."""
    return Refusal(
        RefusalCode.CHECKS_FAILED,
        "Some of your answers did not pass the checks of this task, which look at whether it was read with care, so "
        "there is no more of this work for you.",
        outcome=Outcome.FAILED_CHECKS,
    )


def next_gate(state: RunState, worker_id: str, facts: WorkerFacts) -> EntryGate[Any] | None:
    """Return the gate that a worker who may work has to pass before their next unit of the work."""
    standing = standing_of(state, worker_id, facts)
    return next((gate for gate in state.rules.gates.entries if gate.is_due(standing)), None)


def is_at_gate(state: RunState, worker_id: str) -> bool:
    """Return whether a worker has a gate's unit in hand."""
    agents = state.active_agents.get(worker_id, ())
    return any(not state.units[state.agents[agent_id].unit_id].is_real for agent_id in agents)


def budget_is_used_up(state: RunState, gate: UnitGate[Any]) -> bool:
    """Return whether no more units of a gate may be given out."""
    return gate.max_units is not None and state.gates.num_used(gate) >= gate.max_units


# -- the introduction ----------------------------------------------------------------------------------------


def begin(step: Step, worker: Worker, registration_id: str, deadline: float | None = None) -> OnboardingAgent:
    """Lead a worker to the introduction, in whatever tab they ask: it is one and the same.

    `deadline` is until when they have time (None: for as long as a unit takes).
    """
    current = step.state.gates.current(worker.worker_id)
    if current is not None and current.status is AgentStatus.ONBOARDING:
        return current
    return steps.add_onboarding(step, worker, registration_id, deadline)


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
    """Return the refusal for a worker when nobody can be looked at any more, and note it for the researcher."""
    note_no_room(state, gate, is_budget=is_budget)
    return Refusal(gate.FULL.code, gate.FULL.to_worker, outcome=Outcome.QUOTA_FULL)


def note_no_room(state: RunState, gate: UnitGate[Any], *, is_budget: bool) -> None:
    """Note for the researcher that a gate has no more units to give."""
    if is_budget:
        text = f"All {gate.max_units} {gate.NAME} units are used up ({gate.LIMIT}), so nobody new can be looked at."
    else:
        text = f"Somebody has seen all {gate.NAME} rows there are, and was due for another. Give more rows."
    state.gates.notices[f"{gate.NAME} room"] = text


def not_judged() -> Refusal:
    """Return the refusal for a worker whose answer could not be judged."""
    return Refusal(
        RefusalCode.NOT_JUDGED,
        "Your last answer has arrived safely. Something went wrong on our side when it was looked at, so we cannot "
        "give you more work yet. That is not your fault: please try again later.",
    )


def trouble() -> Refusal:
    """Return the refusal for a worker for whom no row was found, because the function that finds it has failed."""
    text = (
        "Something went wrong on our side, so we cannot give you work at the moment. That is not your fault: please "
        "try again later."
    )
    return Refusal(RefusalCode.TROUBLE, text)


def still_judging() -> Refusal:
    """Return the refusal for a worker whose many pages wait: one is enough."""
    text = "Your last answer is still being looked at. Please try again in a minute."
    return Refusal(RefusalCode.BEING_JUDGED, text)


def at_gate() -> Refusal:
    """Return the refusal for a worker who has to finish first what they have in hand."""
    text = "You are already working on another unit of this task, maybe in another tab. Finish or return that first."
    return Refusal(RefusalCode.TOO_MANY_CONCURRENT, text)


# -- as it comes in ------------------------------------------------------------------------------------------


def look_at(step: Step, agent: Agent, unit: Unit, submission: Submission) -> None:
    """Check an answer that has come in, and have judged what cannot be decided at once."""
    rules = step.state.rules.gates
    kept = step.state.gates.units.get(unit.unit_id)
    if kept is not None:
        _have_judged(step, agent, kept.gate)
        return
    if not unit.is_real:
        return
    sent = SentAnswer(
        data=submission.data,
        row=row_of(step.state, unit),
        seconds=(agent.submitted_at or 0.0) - agent.accepted_at,
    )
    found = [(check, one) for check in rules.checks if (one := check.look(sent)) is not None]
    failed = [one for _, one in found if one.passed is False]
    is_judged_later = bool(rules.later_checks) and not failed
    _keep(step, agent, found, leave_out=AnswerCheck.STORED_AS if is_judged_later else None)
    fail_checks(step, agent, unit, failed)
    if is_judged_later:
        _have_judged(step, agent, AnswerCheck.STORED_AS)


def row_of(state: RunState, unit: Unit) -> JSONObject:
    """Return all that is known of what a unit of the work is made of."""
    assignment = state.assignments[unit.assignment_id]
    return {**assignment.shared, **assignment.own_data(unit.unit_index)}


def _keep(
    step: Step, agent: Agent, found: Sequence[tuple[AnswerCheck[Any], GateFinding]], leave_out: Gate | None
) -> None:
    """Store what checks have found, one row for each word of the database; what is judged later is stored then."""
    for stored_as in dict.fromkeys(check.STORED_AS for check, _ in found):
        of_row = [
            one for check, one in found
            if check.STORED_AS is stored_as and not (one.passed is True and check.judges_later)
        ]  # fmt: skip
        if of_row and stored_as is not leave_out:
            add_verdict(step, agent, stored_as, of_row)


def _have_judged(step: Step, agent: Agent, gate: Gate) -> None:
    step.state.gates.await_verdict(agent.worker_id, agent.agent_id)
    step.gate_jobs.append(GateJob(GateJobKind.JUDGE, agent.worker_id, agent.agent_id, gate))


# -- once it was judged --------------------------------------------------------------------------------------


def conclude(step: Step, agent_id: str, gate: Gate, findings: Sequence[GateFinding], facts: WorkerFacts) -> None:
    """Let what was found of an answer have its consequences: exactly once, however often it comes.

    `gate` is the gate before the work, or what the findings of checks are stored as; `facts` are what is known of the
    worker by then.
    """
    agent = _agent(step, agent_id)
    if not _settle(step, agent):
        return
    # An answer without a verdict is judged again by the kernel that takes the run up.
    add_verdict(step, agent, gate, findings or [GateFinding(gate.value, True)])
    entry = step.state.rules.gates.entry(gate)
    if entry is not None:
        _decide(step, entry, agent, facts, passed=all(found.passed for found in findings))
    elif isinstance(agent, Agent) and agent.unit_id not in step.state.gates.units:
        failed = [found for found in findings if found.passed is False]
        fail_checks(step, agent, step.state.units[agent.unit_id], failed)


def _decide(
    step: Step, gate: EntryGate[Any], agent: OnboardingAgent | Agent, facts: WorkerFacts, *, passed: bool
) -> None:
    worker_id = agent.worker_id
    standing = standing_of(step.state, worker_id, facts_now(step, worker_id, facts))
    if isinstance(agent, OnboardingAgent) and not gate.is_due(standing):
        _set_aside(step, agent)
        return
    decision = gate.decide(standing, passed=passed)
    if isinstance(agent, OnboardingAgent):
        after = AgentStatus.APPROVED if passed else AgentStatus.REJECTED
        change_onboarding(step, agent, after, decision.why, "operator")
    for name, value in decision.grants:
        grant(step, worker_id, name, value, decision.why)
    if decision.shut_out:
        shut_out(step, worker_id, decision.shut_out, decision.why_out)


def _set_aside(step: Step, agent: OnboardingAgent) -> None:
    """Let an introduction decide nothing whose worker was let in, or not, by another one that they had begun."""
    if agent.status is not AgentStatus.COMPLETED:
        why = "went through the introduction once more; the first verdict stands"
        change_onboarding(step, agent, AgentStatus.COMPLETED, why, "operator")


def give_up(step: Step, agent_id: str, gate: Gate, why: str, findings: Sequence[GateFinding] = ()) -> None:
    """Note that a function that judges has failed.

    An answer at a gate is judged again when its worker comes again, or the run is taken up again, and until then they
    get nothing. One that is only checked is taken to be good, unless `findings`, which name the check that failed to
    judge, say otherwise.
    """
    book, agent = step.state.gates, _agent(step, agent_id)
    if not book.is_unjudged(agent.worker_id, agent_id):
        return
    waits = book.is_at_entry(agent)
    book.notices[f"{gate.value} judge"] = f"{why}; {_WHAT_FOLLOWS[waits]}"
    step.log("agent", agent_id, None, None, why, "operator", {"gate": gate.value})
    if waits:
        book.stuck.add(agent_id)
    else:
        conclude(step, agent_id, gate, findings or [GateFinding(gate.value, None, {"error": why})], WorkerFacts())


_WHAT_FOLLOWS = {
    False: "answers are taken to be good.",
    True: "such answers are judged again when their workers come again, who get nothing until then.",
}


def _agent(step: Step, agent_id: str) -> OnboardingAgent | Agent:
    return step.state.gates.onboarding.get(agent_id) or step.state.agents[agent_id]


def _settle(step: Step, agent: OnboardingAgent | Agent) -> bool:
    """Take an answer from among those that wait; False: it was judged already."""
    book = step.state.gates
    if not book.is_unjudged(agent.worker_id, agent.agent_id):
        return False
    book.settle(agent.worker_id, agent.agent_id)
    return True


# -- what follows --------------------------------------------------------------------------------------------


def fail_checks(step: Step, agent: Agent, unit: Unit, failed: Sequence[GateFinding]) -> None:
    """Let an answer that failed checks, if it did, have its consequences, for its unit and for its worker."""
    if not failed:
        return
    rules = step.state.rules.gates
    what = " and ".join(found.gate for found in failed)
    count = step.state.gates.failed_checks[agent.worker_id]
    grant(step, agent.worker_id, rules.failed_checks, count, f"failed a check: {what}")
    if rules.max_failed_checks is not None and count > rules.max_failed_checks:
        shut_out(step, agent.worker_id, rules.checks_blocked, f"failed {count} checks")
    if rules.repeats_failed and step.state.closing is None:
        _repeat(step, agent, unit, f"failed a check ({what}); offered to somebody else")


def shut_out(step: Step, worker_id: str, qualification_name: str, why: str) -> None:
    """Grant a worker what keeps them out from now on."""
    grant(step, worker_id, qualification_name, 1, why)
    if block := step.state.rules.gates.block:
        grant(step, worker_id, block, 1, why)


def _repeat(step: Step, agent: Agent, unit: Unit, why: str) -> None:
    """Pay for an answer without counting it, and make another unit of its assignment for somebody else."""
    if unit.status is not UnitStatus.COMPLETED:
        return  # reviewed already
    step.change_agent(agent, AgentStatus.SOFT_REJECTED, why, "operator")
    step.change_unit(unit, UnitStatus.SOFT_REJECTED, why, "operator", agent)
    if unit.pay_amount:
        about = {"key": f"check:{unit.unit_id}", "unit_id": unit.unit_id}
        pay(step, agent.worker_id, PaymentKind.REWARD, unit.pay_amount, "your answer", **about)
    add_unit_again(step, unit)
