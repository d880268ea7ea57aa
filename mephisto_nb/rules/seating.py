"""People who do an assignment together: they wait for each other, begin together, and are told when one leaves.

A seat is a unit of such an assignment. Nobody has two seats of one, and a seat of one that has begun is not given to
somebody who comes later, unless all begin anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.packets import PacketType
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.model.task_run_args import PartnerRules, WhenLeft, WhenWaited
from mephisto_nb.rules.run_state import Meeting

if TYPE_CHECKING:
    from mephisto_nb.model.records import Agent, Unit
    from mephisto_nb.rules.run_state import RunState
    from mephisto_nb.rules.step import Step

_BEGUN = frozenset({AgentStatus.IN_TASK, AgentStatus.PARTNER_DISCONNECT})
_UNTAKEN = frozenset({UnitStatus.CREATED, UnitStatus.LAUNCHED})


def begin(step: Step, agent: Agent) -> None:
    """Let an agent who has just taken a unit begin, or wait until their partners are there."""
    assignment_id = step.state.units[agent.unit_id].assignment_id
    rules = rules_for(step.state, assignment_id)
    if rules is None:
        step.change_agent(agent, AgentStatus.IN_TASK, "got the work", "operator")
        step.started.append(agent)
        return
    _let_wait(step, agent, rules, "waits for partners")
    _begin_or_tell(step, assignment_id)


def rules_for(state: RunState, assignment_id: str) -> PartnerRules | None:
    """Return the rules of an assignment that several people do together; None: each works alone."""
    return state.rules.partners if len(seats_of(state, assignment_id)) > 1 else None


def seats_of(state: RunState, assignment_id: str) -> list[Unit]:
    """Return the seats of an assignment, in order."""
    found = state.rooms.seats.get(assignment_id, [])
    return found[: state.assignments[assignment_id].num_parts] if found else []


def on_offer(state: RunState) -> Iterator[tuple[str, list[str]]]:
    """Return the launched units by assignment: first of those in which somebody waits, then the oldest."""
    for assignment_id in state.rooms.waiting:
        if assignment_id in state.launched:
            yield assignment_id, state.launched[assignment_id]
    for assignment_id, unit_ids in state.launched.items():
        if assignment_id not in state.rooms.waiting:
            yield assignment_id, unit_ids


def room_of(step: Step, agent: Agent) -> JSONObject | None:
    """Return how many are there, and how long it may take, for somebody who waits; None: they do not wait."""
    unit = step.state.units.get(agent.unit_id)
    if agent.status is not AgentStatus.WAITING or unit is None:
        return None
    rules = rules_for(step.state, unit.assignment_id)
    if rules is None:
        return None
    return {
        "here": len(step.state.rooms.waiting.get(unit.assignment_id, ())),
        "wanted": len([seat for seat in seats_of(step.state, unit.assignment_id) if _is_open(seat)]),
        "seconds": max(0.0, (agent.deadline or step.now) - step.now),
        "pay": str(step.state.rules.waiting_pay) if step.state.rules.waiting_pay else "",
        "then": rules.when_waited.value,
    }


# -- somebody leaves ---------------------------------------------------------------------------------------------


def has_begun(state: RunState, agent: Agent) -> bool:
    """Return whether an agent is in the middle of something with others."""
    unit = state.units.get(agent.unit_id)
    return unit is not None and agent.status in _BEGUN and rules_for(state, unit.assignment_id) is not None


def is_offered_again(state: RunState, begun: bool) -> bool:
    """Return whether the seat of somebody who has left is for others to take."""
    rules = state.rules.partners
    return state.closing is None and (not begun or (rules is not None and rules.when_left is WhenLeft.REQUEUE))


def left(step: Step, agent: Agent, *, begun: bool) -> None:
    """Let the others know that somebody left, and do what the rules say; `begun` is what `has_begun` said before."""
    unit = step.state.units.get(agent.unit_id)
    rules = None if unit is None else rules_for(step.state, unit.assignment_id)
    if unit is None or rules is None:
        return
    if not begun:
        _begin_or_tell(step, unit.assignment_id)
        return
    if unit.assignment_id in step.state.rooms.over:
        return  # the others only have to submit
    others = _at_work(step.state, unit.assignment_id)
    goes_on = bool(others) and rules.when_left in (WhenLeft.CONTINUE, WhenLeft.BOT)
    step.add_live_update(agent.agent_id, "left", {"how": agent.status.value, "goes_on": goes_on}, step.now)
    if goes_on:
        step.parted.append(agent)  # the others are told when they have what this one said last
        return
    step.dissolved.append(unit.assignment_id)
    if rules.when_left is WhenLeft.REQUEUE and step.state.closing is None:
        for other in others:
            _let_wait(step, other, rules, "waits for another partner: one has left")
            step.send_status(other)
        _begin_or_tell(step, unit.assignment_id)
        return
    for other in others:
        step.change_agent(other, AgentStatus.PARTNER_DISCONNECT, "a partner has left; may submit", "operator")
        step.change_deadline(other, step.now + step.state.rules.submission_timeout)
        step.send_status(other)


def finish(step: Step, assignment_id: str) -> None:
    """Note that the code of an assignment has come to its end: who leaves from now on is missed by nobody."""
    step.state.rooms.over.add(assignment_id)
    for agent in _at_work(step.state, assignment_id):
        step.change_deadline(agent, step.now + step.state.rules.submission_timeout)


def tell_who_goes_on(step: Step, agent_id: str) -> None:
    """Send those who go on word that somebody has left; once."""
    unit = step.state.units[step.state.agents[agent_id].unit_id]
    rules, others = rules_for(step.state, unit.assignment_id), _at_work(step.state, unit.assignment_id)
    if rules is None or not others or unit.assignment_id in step.state.rooms.over:
        return
    step.add_live_update(agent_id, "told", {}, step.now)
    text = "Your partner has left." if len(others) == 1 else "One of you has left."
    if rules.when_left is WhenLeft.BOT:
        text += " A program goes on in their place."
    for other in others:
        data: JSONObject = {"update_id": step.new_id(), "text": text, "id": "", "notice": "left"}
        step.add_live_update(other.agent_id, "notice", data, step.now)
        step.send(PacketType.LIVE_UPDATE_TO_CLIENT, other.agent_id, data)


# -- the waiting room --------------------------------------------------------------------------------------------


def waited_too_long(step: Step, agent: Agent) -> bool:
    """Begin without those who have not come, if the rules say so; False: the agent is to be sent home."""
    unit = step.state.units.get(agent.unit_id)
    rules = None if unit is None else rules_for(step.state, unit.assignment_id)
    if unit is None or rules is None or agent.status is not AgentStatus.WAITING:
        return False
    there = step.state.rooms.waiting[unit.assignment_id]
    if rules.when_waited is WhenWaited.BOT or (
        rules.when_waited is WhenWaited.FEWER and len(there) >= max(1, rules.minimum)
    ):
        _begin(step, unit.assignment_id)
        return True
    return False


def hopeless(step: Step) -> list[Agent]:
    """Return those who wait for seats that nobody can take any more."""
    state = step.state
    return [
        state.agents[agent_id]
        for assignment_id, there in state.rooms.waiting.items()
        if not any(seat.status in _UNTAKEN for seat in seats_of(state, assignment_id))
        for agent_id in there
    ]


def _let_wait(step: Step, agent: Agent, rules: PartnerRules, why: str) -> None:
    step.change_agent(agent, AgentStatus.WAITING, why, "operator")
    step.change_deadline(agent, step.now + rules.waiting_timeout)


def _begin_or_tell(step: Step, assignment_id: str) -> None:
    there = step.state.rooms.waiting.get(assignment_id, {})
    wanted = [seat for seat in seats_of(step.state, assignment_id) if _is_open(seat)]
    if there and len(there) == len(wanted):
        _begin(step, assignment_id)
        return
    for agent_id in there:
        room = room_of(step, step.state.agents[agent_id])
        data = {"update_id": step.new_id(), "waiting_room": room}
        step.send(PacketType.LIVE_UPDATE_TO_CLIENT, agent_id, data)


def _is_open(seat: Unit) -> bool:
    return seat.status in _UNTAKEN or seat.status is UnitStatus.ASSIGNED


def _begin(step: Step, assignment_id: str) -> None:
    """Let those begin who are there; the seats of the others are closed."""
    state, there = step.state, set(step.state.rooms.waiting[assignment_id])
    seats = seats_of(state, assignment_id)
    for seat in seats:
        if seat.status in _UNTAKEN:
            step.change_unit(seat, UnitStatus.EXPIRED, "it began without this one", "operator")
    taken = [state.agents[seat.agent_id] if seat.agent_id in there and seat.agent_id else None for seat in seats]
    state.rooms.over.discard(assignment_id)
    # Each agent's record begins with who sat where, so that a kernel that takes this up knows.
    names = [agent.agent_id if agent else None for agent in taken]
    for agent in filter(None, taken):
        step.change_agent(agent, AgentStatus.IN_TASK, "all are there", "operator")
        step.change_deadline(agent, step.now + state.rules.assignment_duration)
        step.send_status(agent)
        step.add_live_update(agent.agent_id, "start", {"seats": names, "assignment_id": assignment_id}, step.now)
    step.meetings.append(Meeting(assignment_id, names))


def _at_work(state: RunState, assignment_id: str) -> list[Agent]:
    held = (state.agents.get(seat.agent_id or "") for seat in seats_of(state, assignment_id))
    return [agent for agent in held if agent is not None and agent.status is AgentStatus.IN_TASK]
