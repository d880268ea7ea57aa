"""Task code that runs beside workers: started when they take a unit, stopped when they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.abstractions.database import Database
from mephisto_nb.abstractions.task_runner import TaskRunner, Turn
from mephisto_nb.data_model.packets import Packet, PacketType
from mephisto_nb.data_model.records import Agent
from mephisto_nb.data_model.states import AGENT_ACTIVE, AgentStatus
from mephisto_nb.lifecycle.departures import leave
from mephisto_nb.lifecycle.step import Step
from mephisto_nb.operations.run_engine import RunEngine
from mephisto_nb.operations.supervisor import Supervisor
from mephisto_nb.operations.threads import in_thread
from mephisto_nb.utils.ids import new_id

#: Databases limit how many ids one statement may hold.
_CHUNK = 500
#: ``send_ahead(after, packet)``: sends a live update to a worker's page before it is committed.
SendAhead: TypeAlias = Callable[[str, Packet], Awaitable[None]]


class RunningAgent:
    """A worker at work, as task code sees them (see `abstractions.task_runner.LiveAgent`).

    What is said is heard at once, and recorded behind: a message travels ahead of its record, in both directions.
    What is recorded has the order in which it was said.
    """

    def __init__(self, agent_id: str, engine: RunEngine, send_ahead: SendAhead, history: Sequence[Turn] = ()) -> None:
        self.agent_id = agent_id
        #: All that was said until now, in order.
        self.history = list(history)
        self._engine, self._send_ahead = engine, send_ahead
        self._updates: asyncio.Queue[JSONObject] = asyncio.Queue()
        #: The ids of the messages that were heard, and said, last.
        self._heard: str | None = None
        self._said: str | None = None
        #: What was heard ahead of its record, and who waits for that.
        self._ahead: dict[str, asyncio.Future[None]] = {}
        self._recording = asyncio.Lock()

    async def observe(self, data: JSONObject) -> None:
        """Send something to the worker's page; it is kept until the page has it."""
        data = {"update_id": new_id(), **data}
        after, self._said = self._said, _id_of(data)
        self.history.append(Turn("operator", data))
        if after is not None:
            await self._send_ahead(after, Packet(PacketType.LIVE_UPDATE_TO_CLIENT, self.agent_id, data))
        async with self._recording:
            if self._ahead:
                await asyncio.wait(self._ahead.values())
            await self._engine.do(partial(_send, agent_id=self.agent_id, data=data), patiently=True)

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Wait for the next message from the worker's page; raise `TimeoutError` after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            return await self._updates.get()

    async def report(self, why: str, detail: JSONObject | None = None) -> None:
        """Leave a row in the event log, and tell the researcher by `run.attention`."""
        await self._engine.do(partial(_report, agent_id=self.agent_id, why=why, detail=detail), patiently=True)

    def put(self, data: JSONObject) -> None:
        """Hand over what the worker's page sent, and what is recorded, unless it was heard ahead of that."""
        update_id = _id_of(data)
        if update_id in self._ahead:
            _let_go(self._ahead.pop(update_id))
            return
        self._heard = update_id
        self._hear(data)

    def put_ahead(self, after: str, data: JSONObject) -> None:
        """Hand over what is not recorded yet, if the message before it was heard last."""
        update_id = _id_of(data)
        if self._heard != after or update_id is None:
            return
        self._heard = update_id
        self._ahead[update_id] = asyncio.get_running_loop().create_future()
        self._hear(data)

    def _hear(self, data: JSONObject) -> None:
        self.history.append(Turn("worker", data))
        self._updates.put_nowait(data)

    def wait_no_longer(self, update_id: str | None = None) -> None:
        """Let nobody wait for the record of one message, or of all, that went ahead: it may never come."""
        for waiting in self._ahead.values() if update_id is None else filter(None, [self._ahead.get(update_id)]):
            _let_go(waiting)


def _id_of(data: JSONObject) -> str | None:
    update_id = data.get("update_id")  # a page may send anything
    return update_id if isinstance(update_id, str) else None


def _let_go(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class AgentKeeper:
    """Runs a blueprint's `TaskRunner` for each worker of a run who is at work.

    Parameters
    ----------
    engine, send_ahead, supervisor
        The run, what sends its live updates before they are committed, and the owner of its tasks.
    runner
        The task's code.
    init_data
        Gives what an agent works on.
    """

    def __init__(
        self,
        engine: RunEngine,
        send_ahead: SendAhead,
        supervisor: Supervisor,
        runner: TaskRunner,
        init_data: Callable[[Step, Agent], JSON],
    ) -> None:
        self._engine, self._send_ahead, self._supervisor = engine, send_ahead, supervisor
        self._runner, self._init_data = runner, init_data
        self._agents: dict[str, tuple[RunningAgent, asyncio.Task[None]]] = {}
        #: What an earlier kernel has recorded of those who are still at work, until their code is started again.
        self._earlier: dict[str, list[Turn]] = {}
        engine.listeners.append(self._on_step)

    async def load(self, database: Database) -> None:
        """Read what was said to, and by, those who are at work already; before the run's first step."""
        active = [agent.agent_id for agent in self._engine.state.agents.values() if agent.status in AGENT_ACTIVE]
        for start in range(0, len(active), _CHUNK):
            ids = active[start : start + _CHUNK]
            for row in await in_thread(database.read_live_updates, [self._engine.task_run_id], agent_ids=ids):
                self._earlier.setdefault(row["agent_id"], []).append(Turn(row["sender"], row["data"]))

    def page_data(self, agent: Agent, init_data: JSON) -> JSON:
        """Give what an agent's page is handed: what it works on, and what was said until now."""
        found = self._agents.get(agent.agent_id)
        history = found[0].history if found else self._earlier.get(agent.agent_id, [])
        return self._runner.get_init_data(init_data, history)

    async def start(self) -> None:
        """Start the code of those who are at work already, when a run is taken up again."""
        await self._engine.do(self._start_all, patiently=True)

    def stop(self) -> None:
        """Stop all task code, when the run is no longer driven from here."""
        while self._agents:
            self._agents.popitem()[1][1].cancel()

    # -- what the link hears before it is recorded ---------------------------------------------------------------

    def heard_ahead(self, after: str, packet: Packet) -> None:
        """Hand on a live message, if the one called `after` was handed on last."""
        if found := self._agents.get(packet.subject_id):
            found[0].put_ahead(after, packet.data)

    def missed(self, agent_id: str, update_id: str) -> None:
        """Wait no longer for the record of a message that went ahead."""
        if found := self._agents.get(agent_id):
            found[0].wait_no_longer(update_id)

    def link_lost(self) -> None:
        """Wait no longer for the record of any message that went ahead; it comes by the next link."""
        for running, _ in self._agents.values():
            running.wait_no_longer()

    # -- steps -----------------------------------------------------------------------------------------------------

    def _start_all(self, step: Step) -> None:
        step.started += [agent for agent in step.state.agents.values() if agent.status in AGENT_ACTIVE]

    def _on_step(self, step: Step) -> None:
        for agent in step.started:
            self._start(step, agent)
        for agent_id, data in step.live_updates:
            if found := self._agents.get(agent_id):
                found[0].put(data)
        for agent in step.ended:
            if found := self._agents.pop(agent.agent_id, None):
                found[1].cancel()

    def _start(self, step: Step, agent: Agent) -> None:
        if agent.agent_id in self._agents:
            return
        history = self._earlier.pop(agent.agent_id, [])
        running = RunningAgent(agent.agent_id, self._engine, self._send_ahead, history)
        work = self._accompany(running, self._init_data(step, agent))
        task = self._supervisor.spawn(f"task code of agent {agent.agent_id}", work, lambda error: None)
        self._agents[agent.agent_id] = (running, task)

    async def _accompany(self, agent: RunningAgent, init_data: Any) -> None:
        try:
            await self._runner.run_unit(init_data, agent)
        except Exception as error:
            self._agents.pop(agent.agent_id, None)  # or else the agent's end would cancel this very task
            why = f"the task's code failed: {error!r}"
            how = partial(leave, agent_id=agent.agent_id, how=AgentStatus.DISCONNECT, why=why, who="operator")
            await self._engine.do(how, patiently=True)
            raise
        else:
            await self._engine.do(partial(_await_submission, agent_id=agent.agent_id), patiently=True)


def _report(step: Step, agent_id: str, why: str, detail: JSONObject | None) -> None:
    step.log("agent", agent_id, None, None, why, "operator", detail)
    step.troubles.append(why)


def _send(step: Step, agent_id: str, data: JSONObject) -> None:
    step.add_live_update(agent_id, "operator", data, step.now)
    step.send(PacketType.LIVE_UPDATE_TO_CLIENT, agent_id, data)


def _await_submission(step: Step, agent_id: str) -> None:
    """Give a worker whose task's code is done `submission_timeout` seconds to press "submit"."""
    agent = step.state.agents[agent_id]
    if agent.status in AGENT_ACTIVE:
        step.change_deadline(agent, step.now + step.state.rules.submission_timeout)
