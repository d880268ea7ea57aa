"""What follows from a verdict that was come to outside of any step: exactly once, however often it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.gates import OnboardingAgent
from mephisto_nb.model.records import Agent, Worker, WorkerFacts
from mephisto_nb.model.states import AgentStatus, Gate
from mephisto_nb.rules.gates.checks import fail_checks, shut_out
from mephisto_nb.rules.gates.passing import count_gold, facts_now
from mephisto_nb.rules.gates.steps import add_verdict, change_onboarding
from mephisto_nb.rules.people import grant

if TYPE_CHECKING:
    from mephisto_nb.rules.step import Step


def judge_onboarding(step: Step, agent_id: str, passed: bool, detail: JSONObject | None = None) -> None:
    """Let a worker in, or not, after the introduction."""
    agent = step.state.gates.onboarding[agent_id]
    if not _settle(step, agent):
        return
    name = step.state.rules.gates.onboarding
    add_verdict(step, agent.worker_id, agent_id, Gate.ONBOARDING, passed, detail)
    after, why = (
        (AgentStatus.APPROVED, "passed the introduction")
        if passed
        else (AgentStatus.REJECTED, "did not pass the introduction")
    )
    change_onboarding(step, agent, after, why, "operator")
    grant(step, agent.worker_id, name, int(passed), why)
    if not passed:
        grant(step, agent.worker_id, step.state.rules.gates.onboarding_failed, 1, why)


def judge_unit(
    step: Step, agent_id: str, gate: Gate, passed: bool, facts: WorkerFacts, detail: JSONObject | None = None
) -> None:
    """Let a screening or gold unit, or a check by the researcher's own function, have its consequences."""
    agent = step.state.agents[agent_id]
    if not _settle(step, agent):
        return
    add_verdict(step, agent.worker_id, agent_id, gate, passed, detail)
    if gate is Gate.SCREENING:
        _screen(step, agent, passed)
    elif gate is Gate.GOLD:
        _count_gold(step, agent, passed, facts)
    elif not passed:
        fail_checks(step, agent, step.state.units[agent.unit_id], [gate])


def _screen(step: Step, agent: Agent, passed: bool) -> None:
    rules = step.state.rules.gates
    if passed:
        grant(step, agent.worker_id, rules.screening, 1, "passed screening")
    else:
        shut_out(step, agent.worker_id, rules.screening_failed, "did not pass screening")


def _count_gold(step: Step, agent: Agent, is_right: bool, facts: WorkerFacts) -> None:
    worker = Worker(agent.worker_id, step.state.worker_names[agent.worker_id], step.state.rules.provider_type)
    known = facts_now(step, agent.worker_id, facts)
    counts, may_go_on = count_gold(step, worker, known, is_right=is_right)
    why = f"got a gold unit {'right' if is_right else 'wrong'}"
    for name, value in counts.items():
        if known.grants.get(name) != value and (value or name in known.grants):
            grant(step, agent.worker_id, name, value, why)
    if not may_go_on:
        rules = step.state.rules.gates
        wrong = counts[rules.golds_wrong]
        shut_out(step, agent.worker_id, rules.gold_disqualified, f"got {wrong} gold units wrong")


def give_up(step: Step, agent_id: str, gate: Gate, why: str) -> None:
    """Note that the function that judges has failed.

    An answer at a gate is judged again when its worker comes again, or the run is taken up again, and until then they
    get nothing. One that is only checked is taken to be good.
    """
    book = step.state.gates
    agent = book.onboarding.get(agent_id) or step.state.agents[agent_id]
    if not book.is_unjudged(agent.worker_id, agent_id):
        return
    book.notices[f"{gate.value} judge"] = f"{why}; {_WHAT_FOLLOWS[gate is Gate.ATTENTION]}"
    step.log("agent", agent_id, None, None, why, "operator", {"gate": gate.value})
    if gate is Gate.ATTENTION:
        book.settle(agent.worker_id, agent_id)
        add_verdict(step, agent.worker_id, agent_id, gate, None, {"error": why})
    else:
        book.stuck.add(agent_id)


_WHAT_FOLLOWS = {
    True: "answers are taken to be good.",
    False: "such answers are judged again when their workers come again, who get nothing until then.",
}


def _settle(step: Step, agent: OnboardingAgent | Agent) -> bool:
    """Take an answer from among those that wait; False: it was judged already."""
    book = step.state.gates
    if not book.is_unjudged(agent.worker_id, agent.agent_id):
        return False
    book.settle(agent.worker_id, agent.agent_id)
    return True
