"""Who comes, what the rules need to know of them, and what their pages are answered.

The pool follows a worker from the moment they ask for work until their unit is answered or given back. Which unit they
get, if any, is decided by `rules.arrivals`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.gates import OnboardingAgent
from mephisto_nb.model.outcomes import ExitLink, VisitEnd
from mephisto_nb.model.packets import MADE_ANEW, Packet
from mephisto_nb.model.records import Agent, Submission, WorkerFacts
from mephisto_nb.model.shared_state import for_browsers
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.crowd_provider import CrowdProvider, Identity
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.task_runner import TaskRunner, Turn
from mephisto_nb.rules import visits
from mephisto_nb.rules.arrivals import (
    Arrival,
    Held,
    Outcome,
    answer,
    arrive,
    look_ahead,
    release,
    tell_ahead,
)
from mephisto_nb.rules.departures import leave, pass_time
from mephisto_nb.rules.eligibility import Refusal, RefusalCode
from mephisto_nb.rules.gates.verdicts import Supply, hand_in
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.seating import on_offer
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.submissions import submit, tell_unheard
from mephisto_nb.rules.too_large import MOST_HISTORY, TOO_LARGE, note_left_out, page_size, take_back, take_back_unmade
from mephisto_nb.rules.visits import end_for_crowd, give_back
from mephisto_nb.utils.json_size import json_size
from mephisto_nb.utils.logging import get_logger

if TYPE_CHECKING:
    from mephisto_nb.kernel.talk.talk import Transcripts

#: What a worker hears whose registration our side could not handle.
_NOT_UNDERSTOOD = Refusal(
    RefusalCode.BAD_REGISTRATION, "Something went wrong on our side, so you cannot be given work now. Sorry!"
)
_NO_INTRODUCTION = Refusal(
    RefusalCode.BAD_REGISTRATION, "This task has no introduction to hand in. Open the task's link again."
)
_TOO_LARGE = Refusal(RefusalCode.NO_AVAILABLE_UNITS, TOO_LARGE)
#: How many units that are too large for a page are taken back at most for one that asks.
_MOST_TAKEN_BACK = 20
#: Why agents leave, as it stands in the event log; and who says so.
_LEFT: Mapping[AgentStatus, tuple[str, str]] = {
    AgentStatus.RETURNED: ("the worker gave it back", "worker"),
    AgentStatus.DISCONNECT: ("the worker's connection was lost", "router"),
}

logger = get_logger(__name__)


class AskedLater(Protocol):
    """What has to be asked about units away from the decision: a `CanDoUnitHook`."""

    def begin(self) -> None:
        """Begin a decision."""

    def puts_off(self, step: Step, asked: Arrival) -> bool:
        """Put off a decision that came to nothing because too little is known; return whether it was."""


class WorkerPool:
    """Registers the workers and agents of one run, and follows their status.

    Parameters
    ----------
    task_run_id
        The run.
    provider
        Its crowd, which knows who a registration comes from.
    database
        Where workers are looked up.
    data
        What agents work on.
    can_do_unit
        The researcher's `worker_can_do_unit`, where it is async.
    """

    def __init__(
        self,
        task_run_id: str,
        provider: CrowdProvider[Any],
        database: Database,
        data: AgentData,
        can_do_unit: AskedLater | None = None,
    ) -> None:
        self._task_run_id = task_run_id
        self._provider, self._database = provider, database
        self._data, self._can_do_unit = data, can_do_unit
        #: How many units were taken back in a row for the page that is being answered.
        self._taken_back = 0

    # -- workers ---------------------------------------------------------------------------------------------

    def register_worker(self, data: JSONObject) -> Identity | Refusal:
        """Return who a registration comes from, or why nobody does; the crowd's provider decides.

        Called for each registration, before the step that decides about it. The worker's record is made in that step,
        with the agent.
        """
        provider_data = data.get("provider_data")
        try:
            if not isinstance(provider_data, dict):
                raise ValueError("The page did not say who you are. Open the task's link again.")  # noqa: TRY004
            return self._provider.identify(provider_data)
        except ValueError as error:
            return Refusal(RefusalCode.BAD_REGISTRATION, str(error))
        except Exception:
            logger.exception("the provider could not tell who a registration comes from")
            return _NOT_UNDERSTOOD

    async def read_facts(self, worker_names: Sequence[str]) -> Mapping[str, WorkerFacts]:
        """Return what is known of workers, by name: qualifications, blocks, and what they did before in the task."""
        provider_type = self._provider.PROVIDER_TYPE
        return await in_thread(
            self._database.people.get_worker_facts, self._task_run_id, provider_type, list(worker_names)
        )

    async def fetch_data(self, state: RunState, count: int) -> None:
        """Have the data of the next assignments at hand, which so many who come may get."""
        some = [state.assignments[assignment_id] for assignment_id, _ in islice(on_offer(state), count)]
        await in_thread(self._database.runs.fetch_data, some)

    async def fetch_left_out(self, state: RunState, packets: Sequence[Packet]) -> None:
        """Have the data at hand that was left out of some answers when they were stored; see `complete`."""
        agents = [agent for one in packets if (agent := state.agents.get(str(one.data.get(MADE_ANEW)))) is not None]
        units = [unit for one in agents if (unit := state.units.get(one.unit_id)) is not None]
        await in_thread(self._database.runs.fetch_data, [state.assignments[unit.assignment_id] for unit in units])

    async def look_up(self, worker_name: str) -> WorkerFacts:
        """Return what is known of one worker."""
        return (await self.read_facts([worker_name])).get(worker_name, WorkerFacts())

    # -- agents ----------------------------------------------------------------------------------------------

    def register_agent(self, step: Step, arrival: Arrival) -> None:
        """Find a unit that a worker may do, or the gate before it, make an agent of the two, and answer the page.

        A page that registers again finds the agent that it had. Where an async `worker_can_do_unit` has yet to be
        asked, the page is answered later.
        """
        if self._can_do_unit is not None:
            self._can_do_unit.begin()
        self.answer(step, arrival, arrive(step, arrival))

    def look_ahead(self, step: Step, arrival: Arrival) -> None:
        """Answer a page that asks whether there is more work for its worker, and takes none.

        What an async `worker_can_do_unit` has yet to be asked about is found out when the worker asks for it.
        """
        if self._can_do_unit is not None:
            self._can_do_unit.begin()
        refusal = look_ahead(step, arrival)
        if self._can_do_unit is not None and refusal is not None and refusal.code == RefusalCode.NO_AVAILABLE_UNITS:
            refusal = None
        tell_ahead(
            step, arrival.request_id, refusal, None if refusal is None else _exit_of(self._provider, step, refusal)
        )

    def release(self, step: Step, worker_id: str, facts: WorkerFacts, supply: Supply) -> None:
        """Decide about the pages of a worker that wait, and answer those that wait no longer; `supply` is used up."""
        if self._can_do_unit is not None:
            self._can_do_unit.begin()
        for arrival, outcome in release(step, worker_id, facts, supply):
            self.answer(step, arrival, outcome)

    def register_agent_from_onboarding(self, step: Step, agent_id: str, data: JSONObject, received_at: float) -> None:
        """Keep what a worker handed in at the end of the introduction; once it is judged they get their unit."""
        registration = data.get("agent_registration_id")
        registration_id = registration if isinstance(registration, str) else None
        request_id = str(data.get("request_id"))
        if not hand_in(step, agent_id, data.get("onboarding_data"), received_at, request_id, registration_id):
            answer(step, request_id, _NO_INTRODUCTION)
        elif step.state.gates.is_unjudged((worker_id := step.state.gates.onboarding[agent_id].worker_id), agent_id):
            visits.take_back_exits(step, worker_id)

    def answer(self, step: Step, asked: Arrival, outcome: Outcome) -> None:
        """Answer a page that asked for work, unless it has to wait."""
        if isinstance(outcome, Held):
            return
        hook = self._can_do_unit
        if hook is not None and isinstance(outcome, Refusal) and hook.puts_off(step, asked):
            return
        data: JSON = None
        if isinstance(outcome, Agent):
            data = self._data.page_data(step, outcome)
            if (size := page_size(data)) is not None:
                self._answer_without(step, asked, outcome, size)
                return
        elif isinstance(outcome, OnboardingAgent):
            introduction = step.state.rules.gates.introduction
            data = None if introduction is None else introduction.page_data
        way_back = None if isinstance(outcome, OnboardingAgent) else _exit_of(self._provider, step, outcome, asked)
        answer(step, asked.request_id, outcome, data, way_back)

    def complete(self, step: Step, packet: Packet) -> Packet:
        """Return an answer to a page with the work that was left out of it when it was stored."""
        agent = step.state.agents.get(str(packet.data.get(MADE_ANEW)))
        if agent is None or agent.unit_id not in step.state.units:
            return packet
        left = {key: value for key, value in packet.data.items() if key != MADE_ANEW}
        data = {**left, "init_task_data": for_browsers(self._data.page_data(step, agent))}
        return Packet(packet.packet_type, packet.subject_id, data)

    def _answer_without(self, step: Step, asked: Arrival, agent: Agent, size: int) -> None:
        """Answer a page whose work is too large to be sent: with another unit, if that is the reason for none."""
        was_taken_back = take_back(step, agent, size, is_new=agent.accepted_at == step.now)
        # A gate's rows come by jobs, one at a time: whoever gives them may have too large ones for ever.
        is_other = step.state.units[agent.unit_id].is_real
        if was_taken_back and is_other and self._taken_back < _MOST_TAKEN_BACK:
            self._taken_back += 1
            try:
                self.answer(step, asked, arrive(step, asked))
            finally:
                self._taken_back -= 1
        else:
            answer(step, asked.request_id, _TOO_LARGE)

    def set_aside(self, step: Step, agent: Agent, size: int) -> None:
        """Take the unit back of an agent whose page's answer was too large when it was to be sent.

        Who has done something keeps it: their page shows it already.
        """
        take_back(step, agent, size, is_new=not self._data.has_begun(agent))

    def set_aside_unmade(self, step: Step, agent: Agent) -> None:
        """Take the unit back of an agent whose page could not be made, as `set_aside` does."""
        take_back_unmade(step, agent, "its page could not be made", is_new=not self._data.has_begun(agent))

    def refuse(self, step: Step, request_id: str, reason: Refusal = _NOT_UNDERSTOOD) -> None:
        """Answer a page that waits for an agent that it gets none, and why: `reason`, or a failure of our side."""
        answer(step, request_id, reason)

    def refuse_onboarding(self, step: Step, data: JSONObject) -> None:
        """Answer a page that waits for an agent that it has no introduction to hand in."""
        answer(step, str(data.get("request_id")), _NO_INTRODUCTION)

    # -- their status ----------------------------------------------------------------------------------------

    def complete_agent(self, step: Step, agent_id: str, data: JSONObject, received_at: float) -> None:
        """Keep an agent's answer, and note that it has completed its unit."""
        asked = step.state.rules.asked
        submit(step, Submission(agent_id, data.get("final_data"), received_at, data.get("files", []), asked))

    def handle_updated_agent_status(self, step: Step, agent_id: str, status: AgentStatus, reason: str = "") -> None:
        """Let an agent go that has given its unit back, or whose page is gone; its unit is offered again.

        `reason` is ``no_consent`` where its worker does not agree to take part.
        """
        why, who = _LEFT[status]
        if status is AgentStatus.RETURNED:
            give_back(step, agent_id, reason, why, who)
        else:
            leave(step, agent_id, status, why, who)

    def pass_time(self, step: Step) -> None:
        """Let agents go whose time is over; and offer nothing more once the run's own time is."""
        pass_time(step)
        visits.pass_time(step)
        tell_unheard(step)


def _exit_of(
    provider: CrowdProvider[Any], step: Step, outcome: Agent | Refusal, asked: Arrival | None = None
) -> ExitLink | None:
    """Return how somebody goes back to their crowd whose visit has ended, or is sure to end by an agent's answer.

    For who waits (and has `asked` so), that is how they go back if the run ends before there is work. None: they are
    thanked, and stay; or nobody can tell before their answer has come in.
    """
    try:
        if provider.exits is None:
            return None
        if isinstance(outcome, Agent):
            end = visits.sure_end(step, outcome)
        elif outcome.may_pass and outcome.visit_id is None:
            end = None if asked is None else _end_in_vain(step.state, asked)
        else:
            visit = step.state.visits.visits.get(outcome.visit_id or "")
            end = None if visit is None else end_for_crowd(step.state, visit)
        return None if end is None else provider.exits.get_exit(end)
    except Exception as error:
        logger.exception("the provider could not say how the worker of a visit goes back")
        words = f"The provider could not say how workers go back to their crowd: {error!r}. They are thanked only."
        step.failures.append(("the way back to the crowd", words))
        return None


def _end_in_vain(state: RunState, asked: Arrival) -> VisitEnd | None:
    if state.rules.visits is None:
        return None
    worker = asked.facts.worker or state.new_workers.get(asked.worker_name)
    return visits.end_in_vain(state, worker, asked.worker_name, asked.registration_id, asked.captured)


class AgentData:
    """What the agents of a run work on, and what their pages get to see of it.

    Parameters
    ----------
    blueprint
        The kind of task.
    runner, transcripts
        The task's code, if there is any, and what was said until now.
    """

    def __init__(self, blueprint: Blueprint[Any], runner: TaskRunner | None, transcripts: Transcripts) -> None:
        self._blueprint, self._runner, self._transcripts = blueprint, runner, transcripts

    def init_data(self, step: Step, agent: Agent) -> JSON:
        """Return what an agent works on, without the right answers."""
        unit = step.state.units[agent.unit_id]
        assignment, hidden = step.state.assignments[unit.assignment_id], step.state.rules.gates.hidden
        parts = (assignment.shared, assignment.own_data(unit.unit_index))
        shown = (
            [{key: value for key, value in part.items() if key not in hidden} for part in parts] if hidden else parts
        )
        return self._blueprint.get_init_data(*shown)

    def page_data(self, step: Step, agent: Agent) -> JSON:
        """Return what an agent's page gets: what it may see of the work, and what was said until now."""
        data = self._blueprint.get_page_data(self.init_data(step, agent))
        if self._runner is None:
            return data
        turns = self._transcripts.history(agent.agent_id, step)
        shown = newest_turns(turns)
        if len(shown) < len(turns):
            note_left_out(step, agent, len(turns) - len(shown))
        return self._runner.get_init_data(data, shown)

    def has_begun(self, agent: Agent) -> bool:
        """Return whether something was said to an agent's page, or by it."""
        return bool(self._transcripts.history(agent.agent_id))


def newest_turns(turns: Sequence[Turn], most: int = MOST_HISTORY) -> Sequence[Turn]:
    """Return the newest of what was said that take no more than `most` bytes together."""
    left = most
    for place in range(len(turns) - 1, -1, -1):
        left -= json_size(turns[place].data, left)
        if left < 0:
            return turns[place + 1 :]
    return turns
