"""Time in which nobody could be served is nobody's silence: deadlines stand still meanwhile.

A deadline binds somebody, and runs only while that one could act and we could hear of it. Those at work, and at the
introduction, need the router alone, which takes their answers. Those who wait for partners, and the run itself, which
waits for people to come, need the kernel, too.

Stands alone because all rules that have deadlines lean on it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mephisto_nb.model.changes import ChangeDeadline
from mephisto_nb.model.states import AgentStatus

if TYPE_CHECKING:
    from mephisto_nb.rules.step import Step

#: How often it is stored that a run is served, at most (seconds).
_TOLD_EVERY = 30.0


def kernel_was_away(step: Step, since: float, until: float) -> None:
    """Let the deadlines of those stand still who need the kernel, for a time in which it was gone, busy or asleep."""
    begin = max(since, step.state.service.away_until)
    if until <= begin:
        return
    partners = step.state.rules.partners
    waiting_timeout = partners.waiting_timeout if partners is not None else 0.0
    for there in list(step.state.rooms.waiting.values()):
        for agent_id in list(there):
            agent = step.state.agents[agent_id]
            if agent.deadline is not None and agent.deadline > begin:
                step.change_deadline(agent, _put_off(step, agent.deadline, until - begin, waiting_timeout))
    state, quiet_since = step.state, step.state.quiet_since
    service = replace(state.service, away_until=until)
    if until > state.opened_at:
        service = replace(service, away=service.away + until - max(begin, state.opened_at))
    if until > quiet_since:
        service = replace(service, quiet_since=until - max(0.0, begin - quiet_since))
    step.serve(service)


def router_was_away(step: Step, since: float, until: float) -> None:
    """Let all deadlines stand still for a time in which no page reached the router."""
    kernel_was_away(step, since, until)
    duration = step.state.rules.assignment_duration
    for of_worker in list(step.state.active_agents.values()):
        for agent_id in list(of_worker):
            agent = step.state.agents[agent_id]
            if agent.status is not AgentStatus.WAITING and agent.deadline is not None and agent.deadline > since:
                step.change_deadline(agent, _put_off(step, agent.deadline, until - since, duration))
    for newcomer in step.state.gates.at_onboarding():
        if newcomer.deadline is not None and newcomer.deadline > since:
            newcomer.deadline = _put_off(step, newcomer.deadline, until - since, duration)
            step.state.gates.index_deadline(newcomer)
            step.note(ChangeDeadline(newcomer.agent_id, newcomer.deadline))


def _put_off(step: Step, deadline: float, seconds: float, longest: float) -> float:
    """Return a deadline put off for an absence, but never further than it is set at most.

    We may have decided on what came before the absence only after it: such a deadline began when it was over.
    """
    return max(deadline, min(deadline + seconds, step.now + longest))


def is_served(step: Step) -> None:
    """Note that the run is driven now; whoever takes it up again knows from this since when nobody was there."""
    told = step.state.service.served_until
    if told is None or not told <= step.now < told + _TOLD_EVERY:
        step.serve(replace(step.state.service, served_until=step.now))
