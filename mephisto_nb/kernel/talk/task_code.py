"""Task code that runs beside workers: started when they begin, stopped when they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.kernel.engine import RunEngine
from mephisto_nb.kernel.run_tasks import OnFailure, RunHelper, Supervisor
from mephisto_nb.kernel.talk.agents import AgentsAtWork, BotAgent, Group, RunningAgent, Seat, WayToPages
from mephisto_nb.kernel.talk.talk import Heard, Talk, Transcripts
from mephisto_nb.model.changes import AddLiveUpdate
from mephisto_nb.model.packets import PacketType
from mephisto_nb.model.records import Agent
from mephisto_nb.model.states import AGENT_ACTIVE, AgentStatus
from mephisto_nb.model.task_run_args import WhenLeft, WhenWaited
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.task_runner import Bot, TaskRunner, Turn
from mephisto_nb.rules.run_state import Meeting
from mephisto_nb.rules.seating import finish, rules_for, tell_who_goes_on
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.patience import patience
from mephisto_nb.utils.user_code import describe, no_exit

logger = get_logger(__name__)

#: How long code whose agents have ended may take to hear what was said until then, and to answer it (seconds).
_LAST_WORDS = 10.0
#: What the pages of people hear whose task's code has failed: what they have is theirs to send.
_OVER: JSONObject = {
    "text": "Something failed on our side, so this ends here. You did nothing wrong, and what you said is kept: please "
    "send it, it counts.",
    "id": "",
    "task_data": {"task_done": True},
}


@dataclass(slots=True)
class _Company:
    """One call of task code: those whom it accompanies, and its tasks."""

    agents: dict[str, RunningAgent] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    farewells: list[asyncio.Task[None]] = field(default_factory=list)


class TaskCode(RunHelper):
    """Runs a blueprint's `TaskRunner` for each worker of a run who is at work, or each group of workers.

    Parameters
    ----------
    engine, pages, supervisor
        The run, the way to its workers' pages, and the owner of its tasks.
    agents
        Where those are noted whose code runs.
    runner, blueprint
        The task's code, and its kind.
    init_data
        Gives what an agent works on.
    transcripts
        What was said until now.
    on_failure
        Hears of what failed unforeseen; what the task's own code raises is told otherwise.
    """

    def __init__(
        self,
        engine: RunEngine,
        pages: WayToPages,
        supervisor: Supervisor,
        agents: AgentsAtWork,
        runner: TaskRunner,
        blueprint: Blueprint[Any],
        init_data: Callable[[Step, Agent], JSON],
        transcripts: Transcripts,
        on_failure: OnFailure,
    ) -> None:
        self._engine, self._pages, self._supervisor = engine, pages, supervisor
        self._runner, self._blueprint, self._init_data = runner, blueprint, init_data
        self._agents, self._transcripts, self._on_failure = agents, transcripts, on_failure
        #: By agent, or by assignment for those who are together.
        self._companies: dict[str, _Company] = {}
        self._last_words: set[asyncio.Task[None]] = set()
        engine.listeners.append(self._on_step)

    async def load(self) -> None:
        """Read what was said until now, before anything new is."""
        await self._transcripts.load(self._engine.state)

    async def start(self) -> None:
        """Start the code of those who are at work already, when a run is taken up again."""
        await self._engine.do(self._start_all, retry=True)

    def stop(self) -> None:
        """Stop all task code, when the run is no longer driven from here."""
        for key in list(self._companies):
            self._dismiss(key)
        for task in self._last_words:
            task.cancel()

    # -- steps -----------------------------------------------------------------------------------------------------

    def _start_all(self, step: Step) -> None:
        meetings: dict[str, Meeting] = {}
        for agent in step.state.agents.values():
            unit = step.state.units.get(agent.unit_id)
            if agent.status is not AgentStatus.IN_TASK or unit is None:
                continue
            if rules_for(step.state, unit.assignment_id) is None:
                step.started.append(agent)
            elif start := self._transcripts.last_start(agent.agent_id):
                meetings[unit.assignment_id] = Meeting(unit.assignment_id, start["seats"])
        step.meetings += meetings.values()

    def _on_step(self, step: Step) -> None:
        # Those who begin now find what this very step says of them among what was said until now.
        self._transcripts.follow(step)
        for assignment_id in step.dissolved:
            self._dismiss(assignment_id)
        fresh = [agent.agent_id for agent in step.started if self._start_alone(step, agent)]
        for meeting in {meeting.assignment_id: meeting for meeting in step.meetings}.values():
            fresh += self._start_together(step, meeting)
        for agent_id, data in step.live_updates:
            if agent_id not in fresh and (found := self._agents.get(agent_id)):
                found.put(data)
        for change in step.changes.changes:
            if not isinstance(change, AddLiveUpdate) or change.sender != "notice":
                continue
            if found := self._agents.get(change.agent_id):
                found.last_said = change.data["update_id"]  # nothing goes ahead of it
        for agent in step.parted:
            if agent.agent_id not in fresh and (found := self._agents.get(agent.agent_id)):
                found.talk.put(Heard(agent.agent_id, "left", {}))
                self._bid_farewell(step.state.units[agent.unit_id].assignment_id, found)
        for agent in step.ended:
            self._end(step, agent)

    def _end(self, step: Step, agent: Agent) -> None:
        key = agent.agent_id
        if key not in self._companies:
            key = step.state.units[agent.unit_id].assignment_id if agent.unit_id in step.state.units else ""
        company = self._companies.get(key)
        if company is None:
            return
        held = [step.state.agents[agent_id] for agent_id in company.agents]
        if not any(one.status in AGENT_ACTIVE for one in held):
            self._dismiss(key, is_heard_out=True)

    def _dismiss(self, key: str, *, is_heard_out: bool = False) -> None:
        """End a call of the code; with `is_heard_out` once it has answered what was said, as pages may have heard."""
        company = self._companies.pop(key, None)
        if company is None:
            return
        for agent_id, agent in company.agents.items():
            self._agents.remove(agent_id)
            agent.wait_no_longer()  # nothing more reaches it
        for task in company.farewells:
            task.cancel()
        if company.task is None:
            return
        if not is_heard_out:
            company.task.cancel()
            return
        heard = [agent.talk.heard_out(agent_id) for agent_id, agent in company.agents.items()]
        work = _end_heard_out(company.task, heard)
        task = self._supervisor.spawn(f"last words to {key}", work, self._on_failure)
        self._last_words.add(task)
        task.add_done_callback(self._last_words.discard)

    # -- those who work alone ----------------------------------------------------------------------------------------

    def _start_alone(self, step: Step, agent: Agent) -> bool:
        if agent.agent_id in self._companies or agent.status is not AgentStatus.IN_TASK:
            return False
        talk, data, history = Talk(), self._init_data(step, agent), list[Turn]()
        if self._runner.replays:
            talk.remember(self._transcripts.of([agent.agent_id]))
        else:
            history = self._transcripts.history(agent.agent_id)
        unit = step.state.units[agent.unit_id]
        place = step.state.assignments[unit.assignment_id].place_of(unit.unit_index)
        seat = Seat(self._name(place, data), _object(data), voices=self._agents.voices)
        running = RunningAgent(
            agent.agent_id, self._engine, self._pages, talk, seat, history, self._engine.waiters.home
        )
        self._enter(
            agent.agent_id, {agent.agent_id: running}, self._accompany_one(running, data), f"agent {agent.agent_id}"
        )
        return True

    async def _accompany_one(self, agent: RunningAgent, init_data: Any) -> None:
        agent_id = agent.agent_id
        try:
            with no_exit("the task's code"):
                await self._runner.run_unit(init_data, agent)
        except Exception as error:
            logger.exception("task code of agent %s failed", agent_id)
            await self._engine.do(partial(_fail, agent_ids=[agent_id], why=_why(error)), retry=True)
        else:
            await self._engine.do(partial(_await_submission, agent_id=agent_id), retry=True)

    # -- those who are together --------------------------------------------------------------------------------------

    def _start_together(self, step: Step, meeting: Meeting) -> list[str]:
        state, assignment = step.state, step.state.assignments[meeting.assignment_id]
        ids = [agent_id for agent_id in meeting.seats if agent_id is not None]
        if meeting.assignment_id in self._companies:
            return []
        if not any(state.agents[agent_id].status is AgentStatus.IN_TASK for agent_id in ids):
            return []
        talk, running, reply = Talk(), {}, self._runner.shared_state.bot
        bot = None if reply is None else Bot.of(reply)
        rules = rules_for(state, meeting.assignment_id)
        understudy = bot if rules is not None and rules.when_left is WhenLeft.BOT else None
        for seat, agent_id in enumerate(meeting.seats):
            if agent_id is not None:
                data = self._init_data(step, state.agents[agent_id])
                beginnings = self._transcripts.count_starts(agent_id)
                about = Seat(self._name(seat, data), _object(data), beginnings, understudy, self._agents.voices)
                running[seat] = RunningAgent(
                    agent_id, self._engine, self._pages, talk, about, home=self._engine.waiters.home
                )
        agents: list[RunningAgent | BotAgent] = []
        first, shared = next(iter(running.values())), self._blueprint.get_init_data(assignment.shared, {})
        for seat, agent_id in enumerate(meeting.seats):
            if agent_id is not None:
                agents.append(running[seat])
            elif bot is not None and (rules is None or rules.when_waited is WhenWaited.BOT):
                agents.append(BotAgent(bot, first, Seat(bot.name, _object(shared)), number=seat))
        turns = self._transcripts.of(ids)
        talk.remember(turns)
        work = self._accompany_all(meeting.assignment_id, Group(agents, talk), shared)
        by_id = {agent.agent_id: agent for agent in running.values()}
        self._enter(meeting.assignment_id, by_id, work, f"assignment {meeting.assignment_id}")
        told = {turn.agent_id for turn in turns if turn.sender == "told"}
        for turn in turns:
            if turn.sender == "left" and turn.data.get("goes_on") and turn.agent_id not in told:
                self._bid_farewell(meeting.assignment_id, by_id[turn.agent_id])
        return ids

    def _bid_farewell(self, assignment_id: str, agent: RunningAgent) -> None:
        """Send the others word that somebody has left, once the code has handed on what that one said last."""
        name = f"farewell of agent {agent.agent_id}"
        if company := self._companies.get(assignment_id):
            work = _tell_others(self._engine, agent.agent_id, agent.talk.heard_out(agent.agent_id))
            company.farewells.append(self._supervisor.spawn(name, work, self._on_failure))

    async def _accompany_all(self, assignment_id: str, agents: Group, init_data: Any) -> None:
        ids = [agent.agent_id for agent in agents if isinstance(agent, RunningAgent)]
        try:
            with no_exit("the task's code"):
                await self._runner.run_assignment(init_data, agents)
        except Exception as error:
            logger.exception("task code of assignment %s failed", assignment_id)
            await self._engine.do(partial(_fail, agent_ids=ids, why=_why(error)), retry=True)
        finally:
            await agents.close()
            if self._is_current(assignment_id):
                await self._engine.do(partial(finish, assignment_id=assignment_id), retry=True)

    def _is_current(self, key: str) -> bool:
        """Return whether the task that asks is the one that accompanies somebody now."""
        company = self._companies.get(key)
        return company is not None and company.task is asyncio.current_task()

    def _enter(self, key: str, agents: dict[str, RunningAgent], work: Any, what: str) -> None:
        company = self._companies[key] = _Company(agents)
        self._agents.add(agents)
        company.task = self._supervisor.spawn(f"task code of {what}", work, self._on_failure)

    def _name(self, seat: int, data: JSON) -> str:
        return self._blueprint.get_agent_name(seat, _object(data))


async def _end_heard_out(task: asyncio.Task[None], heard: Sequence[asyncio.Future[None]]) -> None:
    try:
        async with patience(_LAST_WORDS):
            for future in heard:
                await asyncio.wait({task, future}, return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        pass  # it is busy with something else
    finally:
        task.cancel()


async def _tell_others(engine: RunEngine, agent_id: str, heard_out: asyncio.Future[None]) -> None:
    await heard_out
    await engine.do(partial(tell_who_goes_on, agent_id=agent_id), retry=True)


def _object(data: JSON) -> JSONObject:
    return data if isinstance(data, dict) else {}


#: What to do about code that fails.
_REMEDY = (
    "Let nobody else meet with it until it is mended: await run.steering.pause_launching(). The log has the "
    "traceback, and run.events() each failure; those who were in the middle may send what they have."
)


def _why(error: Exception) -> str:
    return f"the task's code failed: {describe(error)}"


def _note_failure(step: Step, why: str) -> None:
    step.failures.append(("the task's code", f"{why[0].upper()}{why[1:]}. {_REMEDY}"))


def _fail(step: Step, agent_ids: list[str], why: str) -> None:
    """Tell the pages of people whose task's code has failed that they may send what they have."""
    _note_failure(step, why)
    for agent_id in agent_ids:
        step.log("agent", agent_id, None, None, why, "operator")
        if step.state.agents[agent_id].status in AGENT_ACTIVE:
            data = {"update_id": step.new_id(), **_OVER}
            step.add_live_update(agent_id, "notice", data, step.now)
            step.send(PacketType.LIVE_UPDATE_TO_CLIENT, agent_id, data)


def _await_submission(step: Step, agent_id: str) -> None:
    """Set the deadline of a worker whose task's code is done: `submission_timeout` seconds to press "submit"."""
    agent = step.state.agents[agent_id]
    if agent.status in AGENT_ACTIVE:
        step.change_deadline(agent, step.now + step.state.rules.submission_timeout)
