"""A worker's answer comes in, or a message of their page.

Whatever the router has received counts: its sender was told so. Where the worker's time was over by then, but
nobody had been able to tell them, their work finds a place all the same.

Stands alone because the rules of an answer, and of a late one, lean on seats and on gates, and neither on them.
"""

from __future__ import annotations

from dataclasses import replace

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.money import count
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.records import Agent, Submission, Unit
from mephisto_nb.model.states import AGENT_ACTIVE, AgentStatus, UnitStatus
from mephisto_nb.rules import seating
from mephisto_nb.rules.gates.verdicts import look_at
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.shares import Hearing
from mephisto_nb.rules.step import Step, add_unit_again
from mephisto_nb.rules.visits import note_answer
from mephisto_nb.utils.json_size import rough_size

_SECOND_ANSWER = "Pages have sent a second answer for one unit, which was set aside: the first one counts."


def submit(step: Step, submission: Submission) -> None:
    """Keep an answer; a second one of the same agent changes nothing."""
    agent = step.state.agents.get(submission.agent_id)
    if agent is None:
        step.log("agent", submission.agent_id, None, None, "an answer of nobody in this run was set aside", "router")
        return
    if submission.received_at is not None:
        # The router's clock may be another computer's, or begin at a time that was set wrong: nobody has sent an answer
        # before they had its unit, nor after it was read.
        received_at = max(agent.accepted_at, min(submission.received_at, step.now))
        submission = replace(submission, received_at=received_at)
    if agent.submitted_at is not None:
        why = "a second answer was set aside"
        step.log("agent", agent.agent_id, None, None, why, "router", {"answer": submission.data})
        step.troubles.append(f"{_SECOND_ANSWER} Look for {why!r} in run.events(): it says what they were.")
        return
    late, begun = agent.status not in AGENT_ACTIVE, seating.has_begun(step.state, agent)
    step.add_submission(submission)
    why = f"sent in time, while the run had it as {agent.status.value!r}" if late else "sent an answer"
    unit = _place_for_late(step, agent) if late else step.state.units[agent.unit_id]
    step.change_agent(agent, AgentStatus.COMPLETED, why, "worker")
    step.change_unit(unit, UnitStatus.COMPLETED, why, "worker", agent)
    step.ended.append(agent)
    step.submitted.append(unit)
    if begun:
        seating.left(step, agent, begun=True)
    look_at(step, agent, unit, submission)
    note_answer(step, agent)


def _place_for_late(step: Step, agent: Agent) -> Unit:
    """Find the unit of a late answer: its own if nobody else has it, else one more of the same assignment."""
    unit = step.state.units[agent.unit_id]
    if unit.status is UnitStatus.LAUNCHED:
        step.change_unit(unit, UnitStatus.ASSIGNED, "given back to a late answer", "operator", agent)
        return unit
    if unit.status is UnitStatus.CREATED:
        step.change_unit(unit, UnitStatus.EXPIRED, "given back to a late answer", "operator")
        return unit
    if unit.status is UnitStatus.EXPIRED:
        return unit
    extra = add_unit_again(step, unit)
    agent.unit_id = extra.unit_id
    step.change_unit(extra, UnitStatus.EXPIRED, "made for a late answer, whose unit another worker has", "operator")
    return extra


TOO_OFTEN = "You are sending more than can be read. What you send now is not heard; please wait for a moment."
SAY_AGAIN = "{} of yours came faster than can be read, so nobody has heard them. Please say again what matters."
_TOLD = (
    "A worker's page sends messages faster than 20 a second for long, or more than they hold; what goes beyond that is "
    "not heard. Look for 'too many messages' in run.events(): it says who that is, and how many these were."
)


def hears_ahead(state: RunState, packet: Packet, now: float) -> bool:
    """Return whether a message of an agent's page is heard before it is recorded; then it is certain to be."""
    agent, update_id = state.agents.get(packet.subject_id), packet.data.get("update_id")
    if agent is None or not isinstance(update_id, str):
        return False
    hearing = state.hearing.setdefault(agent.worker_id, Hearing(now))
    return hearing.hears_ahead(agent.agent_id, update_id, rough_size(packet.data), now)


def is_not_recorded(state: RunState, agent_id: str, update_id: str) -> None:
    """Note that a message that may have been heard ahead will not be recorded by this name: the router has lost it."""
    if (agent := state.agents.get(agent_id)) is not None and agent.worker_id in state.hearing:
        state.hearing[agent.worker_id].ahead.discard((agent_id, update_id))


def is_heard(step: Step, agent: Agent, data: JSONObject, at: float) -> bool:
    """Return whether a message of an agent's page is heard; of the first that is not, the page and the log are told."""
    hearing, update_id = step.state.hearing.setdefault(agent.worker_id, Hearing(at)), data.get("update_id")
    if isinstance(update_id, str) and (agent.agent_id, update_id) in hearing.ahead:
        hearing.ahead.discard((agent.agent_id, update_id))
        return True
    if hearing.hears(rough_size(data), at):
        return True
    if hearing.unheard == 1:
        step.log("agent", agent.agent_id, None, None, "too many messages were not heard", "operator")
        step.failures.append(("messages that are not heard", _TOLD))
        _tell_page(step, agent, TOO_OFTEN)
    return False


def tell_unheard(step: Step) -> None:
    """Tell the pages of those whose flood is over, and the log, how many of their messages were not heard.

    The router had taken them: the pages take them for received until they hear otherwise.
    """
    for worker_id, hearing in step.state.hearing.items():
        if hearing.unheard and (unheard := hearing.end_flood(step.now)):
            why = "too many messages: this many were not heard"
            step.log("worker", worker_id, None, None, why, "operator", {"messages": unheard})
            for agent_id in step.state.active_agents.get(worker_id, ()):
                _tell_page(step, step.state.agents[agent_id], SAY_AGAIN.format(count(unheard, "message")))


def _tell_page(step: Step, agent: Agent, text: str) -> None:
    if agent.status in AGENT_ACTIVE:
        data: JSONObject = {"update_id": step.new_id(), "text": text, "id": "", "notice": "too often"}
        step.add_live_update(agent.agent_id, "notice", data, step.now)
        step.send(PacketType.LIVE_UPDATE_TO_CLIENT, agent.agent_id, data)
