"""Time in which nobody could be served is nobody's silence: deadlines stand still meanwhile.

A deadline binds somebody, and runs only while that one could act and we could hear of it. Those at work, and at the
introduction, need the router alone, which takes their answers. Those who wait for partners, and the run itself, which
waits for people to come, need the kernel, too.

Stands alone because all rules that have deadlines lean on it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mephisto_nb.model.changes import ChangeDeadline, Serve
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.rules.run_state import opening_of
from mephisto_nb.rules.visit_steps import change_visit_deadline
from mephisto_nb.utils.steady_time import JUMP, say_seconds

if TYPE_CHECKING:
    from mephisto_nb.model.gates import OnboardingAgent
    from mephisto_nb.model.records import Service
    from mephisto_nb.rules.step import Step

_EARLIER = (
    "The clock of this computer says a time that is {} earlier than when the run was last driven: it was ahead then, "
    "or is behind now. Nobody's time ends early by that. If it is behind, set it right, and restart the kernel."
)
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
    if until > (opening := opening_of(state)):
        service = replace(service, away=service.away + until - max(begin, opening))
    if until > quiet_since:
        service = replace(service, quiet_since=until - max(0.0, begin - quiet_since))
    _serve(step, service)


def router_was_away(step: Step, since: float, until: float) -> None:
    """Let all deadlines stand still for a time in which no page reached the router, as the router has told it.

    The router's clock may be set wrong: no absence that is told ends later than now.
    """
    if since > step.now:
        since -= until - step.now  # all of it is told by a clock that is ahead; how long it was, is true
    until = min(until, step.now)
    kernel_was_away(step, since, until)
    put_off_work(step, since, until)


def put_off_work(step: Step, since: float, until: float) -> None:
    """Let the deadlines of those at work, and at the introduction, stand still for a time."""
    duration = step.state.rules.assignment_duration
    for of_worker in list(step.state.active_agents.values()):
        for agent_id in list(of_worker):
            agent = step.state.agents[agent_id]
            if agent.status is not AgentStatus.WAITING and agent.deadline is not None and agent.deadline > since:
                step.change_deadline(agent, _put_off(step, agent.deadline, until - since, duration))
    for newcomer in step.state.gates.at_onboarding():
        if newcomer.deadline is not None and newcomer.deadline > since:
            _change_deadline(step, newcomer, _put_off(step, newcomer.deadline, until - since, duration))
    for visit_id in step.state.visits.open:
        visit = step.state.visits.visits[visit_id]
        if visit.deadline > since:
            change_visit_deadline(step, visit, _put_off(step, visit.deadline, until - since, duration))


def _put_off(step: Step, deadline: float, seconds: float, longest: float) -> float:
    """Return a deadline put off for an absence, but never further than it is set at most.

    We may have decided on what came before the absence only after it: such a deadline began when it was over.
    """
    return max(deadline, min(deadline + seconds, step.now + longest))


def is_served(step: Step) -> None:
    """Note that the run is driven now; whoever takes it up again knows from this since when nobody was there."""
    if (step.state.last_submission_at or 0.0) > step.now:
        step.state.last_submission_at = step.now  # it was noted by a clock that was ahead
    told = step.state.service.served_until
    if told is None or not told <= step.now < told + _TOLD_EVERY:
        _serve(step, replace(step.state.service, served_until=step.now))


def take_up(step: Step) -> None:
    """Go on with a run, by a clock that may say an earlier time than when a kernel last drove it.

    Then that one's clock was ahead, or this one is behind. Whatever the run goes by is set back by as much, so that
    everybody has as much time left as then: it is as if no time had passed since.
    """
    state, service, now = step.state, step.state.service, step.now
    back = max(0.0, (service.served_until or 0.0) - now)
    ahead = max(back, service.away_until - now, 0.0)
    if ahead:
        served_until = None if service.served_until is None else min(service.served_until, now)
        times = {
            "away_until": now if back else min(service.away_until, now),
            "quiet_since": min(service.quiet_since, now),
        }
        _serve(step, replace(service, served_until=served_until, away=service.away - ahead, **times))
    if (state.steering.resumed_at or 0.0) > now:
        step.steer(replace(state.steering, resumed_at=now))
    _set_back(step, back)
    if back >= JUMP:
        why = "the computer's clock says an earlier time than before"
        step.log("run", state.task_run_id, None, None, why, "operator", {"seconds": back})
        step.failures.append(("the computer's clock", _EARLIER.format(say_seconds(back))))


def _set_back(step: Step, seconds: float) -> None:
    """Set all deadlines back, and none further away than it is set at most."""
    rules, partners = step.state.rules, step.state.rules.partners
    longest = max(rules.assignment_duration, rules.submission_timeout)
    for of_worker in list(step.state.active_agents.values()):
        for agent_id in list(of_worker):
            agent = step.state.agents[agent_id]
            is_waiting = partners is not None and agent.status is AgentStatus.WAITING
            latest = step.now + (partners.waiting_timeout if partners is not None and is_waiting else longest)
            if agent.deadline is not None and (seconds or agent.deadline > latest):
                step.change_deadline(agent, min(agent.deadline - seconds, latest))
    for newcomer in step.state.gates.at_onboarding():
        if newcomer.deadline is not None and (seconds or newcomer.deadline > step.now + longest):
            _change_deadline(step, newcomer, min(newcomer.deadline - seconds, step.now + longest))
    for visit_id in step.state.visits.open:
        visit = step.state.visits.visits[visit_id]
        if seconds or visit.deadline > step.now + longest:
            change_visit_deadline(step, visit, min(visit.deadline - seconds, step.now + longest))


def _change_deadline(step: Step, newcomer: OnboardingAgent, deadline: float) -> None:
    newcomer.deadline = deadline
    step.state.gates.add_onboarding(newcomer)  # it is found by its new deadline now
    step.note(ChangeDeadline(newcomer.agent_id, deadline))


def _serve(step: Step, service: Service) -> None:
    step.state.service = service
    step.note(Serve(service))
