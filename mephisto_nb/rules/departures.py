"""A worker leaves without an answer: returned, disconnected, timed out, or sent home."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mephisto_nb.model.packets import PacketType
from mephisto_nb.model.records import Agent
from mephisto_nb.model.states import AGENT_ACTIVE, AgentStatus, PaymentKind, UnitStatus
from mephisto_nb.rules import seating
from mephisto_nb.rules.gates.steps import change_onboarding
from mephisto_nb.rules.people import is_paid, pay
from mephisto_nb.rules.run_state import lifetime_ends, patience_ends

if TYPE_CHECKING:
    from mephisto_nb.rules.step import Step


def leave(step: Step, agent_id: str, how: AgentStatus, why: str, who: str, *, seat_is_taken_back: bool = False) -> bool:
    """Let an agent go, and offer its unit again unless others had begun with it; return whether it was at work.

    With `seat_is_taken_back` the unit is offered to nobody any more, and whoever waits for the agent is to be let go
    as well.
    """
    agent = step.state.agents.get(agent_id)
    if agent is None:
        return _leave_onboarding(step, agent_id, how, why, who)
    if agent.status not in AGENT_ACTIVE:
        return False
    begun = seating.has_begun(step.state, agent)
    step.change_agent(agent, how, why, who)
    unit = step.state.units[agent.unit_id]
    if unit.is_real and not seat_is_taken_back and seating.is_offered_again(step.state, begun):
        step.change_unit(unit, UnitStatus.LAUNCHED, why, who)
        if step.state.steering.task_reward is not None:
            step.change_pay([unit], step.state.rules.pay_amount)
    else:
        step.change_unit(unit, UnitStatus.EXPIRED, why, who, agent)
    step.send_status(agent)
    step.ended.append(agent)
    if not seat_is_taken_back:
        seating.left(step, agent, begun=begun)
    return True


def _leave_onboarding(step: Step, agent_id: str, how: AgentStatus, why: str, who: str) -> bool:
    agent = step.state.gates.onboarding.get(agent_id)
    if agent is None or agent.status is not AgentStatus.ONBOARDING:
        return False
    change_onboarding(step, agent, how, why, who)
    step.send(PacketType.UPDATE_STATUS, agent.agent_id, {"status": agent.status.value})
    return True


def leave_introductions(step: Step, why: str, who: str) -> None:
    """Send those home who are at the introduction: there is no work for them any more."""
    for agent in step.state.gates.at_onboarding():
        leave(step, agent.agent_id, AgentStatus.EXPIRED, why, who)


def expire_open(step: Step, why: str, who: str) -> int:
    """Take back the units that nobody is working on; return how many those were."""
    units = step.state.units_in(UnitStatus.CREATED, UnitStatus.LAUNCHED)
    for unit in units:
        step.change_unit(unit, UnitStatus.EXPIRED, why, who)
    for agent in seating.hopeless(step):
        _end_wait(step, agent, seat_is_taken_back=True)
    leave_introductions(step, why, who)
    return len(units)


def _end_wait(step: Step, agent: Agent, *, seat_is_taken_back: bool = False) -> None:
    """Let somebody begin without those who have not come, or send them home, paid for waiting if the rules say so."""
    if agent.status is not AgentStatus.WAITING or seating.waited_too_long(step, agent):
        return
    rules = step.state.rules
    if rules.partners is not None and rules.waiting_pay:
        reason, key = "You waited for a partner, and nobody came.", f"waiting:{agent.worker_id}"
        # One key a run, or waiting would be the better work.
        if not is_paid(step, key):
            pay(step, agent.worker_id, PaymentKind.WAITING, rules.waiting_pay, reason, key=key, unit_id=agent.unit_id)
    why = "there is nobody to wait for any more" if seat_is_taken_back else "nobody else came in time"
    leave(step, agent.agent_id, AgentStatus.TIMEOUT, why, "clock", seat_is_taken_back=seat_is_taken_back)


def expire_assigned(step: Step, why: str, who: str) -> int:
    """Send those home who are at work; return how many those were."""
    held = [step.state.agents[unit.agent_id] for unit in step.state.units_in(UnitStatus.ASSIGNED) if unit.agent_id]
    for agent in held:
        _expire(step, agent, why, who)
    return len(held)


def _expire(step: Step, agent: Agent, why: str, who: str) -> None:
    step.change_agent(agent, AgentStatus.EXPIRED, why, who)
    step.change_unit(step.state.units[agent.unit_id], UnitStatus.EXPIRED, why, who, agent)
    step.send_status(agent)
    step.ended.append(agent)


def pass_time(step: Step) -> None:
    """Do what the clock demands: time-outs, the end of the run's life, and of patience."""
    state, rules = step.state, step.state.rules
    for agent in list(state.overdue_agents(step.now)):
        if agent.status is AgentStatus.WAITING:
            _end_wait(step, agent)
        elif agent.deadline is not None and agent.deadline <= step.now:  # it may have begun just now
            leave(step, agent.agent_id, AgentStatus.TIMEOUT, "the time for this unit was over", "clock")
    for newcomer in list(state.gates.overdue(step.now)):
        leave(step, newcomer.agent_id, AgentStatus.TIMEOUT, "the time for the introduction was over", "clock")
    if state.closing is not None:
        return
    lifetime, patience = lifetime_ends(state), patience_ends(state)
    if lifetime is not None and step.now >= lifetime:
        step.close_run("the task's lifetime is over", "clock")
    elif patience is not None and step.now >= patience:
        step.close_run(f"nothing was submitted for {rules.patience:g} seconds", "clock")
    if state.closing is not None:
        expire_open(step, state.closing, "clock")
