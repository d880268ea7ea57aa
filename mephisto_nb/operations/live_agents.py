"""Task code that runs beside workers: started when they take a unit, stopped when they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.abstractions.task_runner import TaskRunner
from mephisto_nb.data_model.packets import PacketType
from mephisto_nb.data_model.records import Agent
from mephisto_nb.data_model.states import AGENT_ACTIVE, AgentStatus
from mephisto_nb.lifecycle.departures import leave
from mephisto_nb.lifecycle.step import Step
from mephisto_nb.operations.run_engine import RunEngine
from mephisto_nb.operations.supervisor import Supervisor
from mephisto_nb.utils.ids import new_id


class RunningAgent:
    """A worker at work, as task code sees them (see `abstractions.task_runner.LiveAgent`)."""

    def __init__(self, agent_id: str, engine: RunEngine) -> None:
        self.agent_id = agent_id
        self._engine = engine
        self._updates: asyncio.Queue[JSONObject] = asyncio.Queue()

    async def observe(self, data: JSONObject) -> None:
        """Send something to the worker's page; it is kept until the page has it."""
        await self._engine.do(partial(_send, agent_id=self.agent_id, data={"update_id": new_id(), **data}))

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Wait for the next message from the worker's page; raise `TimeoutError` after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            return await self._updates.get()

    def put(self, data: JSONObject) -> None:
        """Hand over what the worker's page sent."""
        self._updates.put_nowait(data)


class AgentKeeper:
    """Runs a blueprint's `TaskRunner` for each worker of a run who is at work.

    Parameters
    ----------
    engine, supervisor
        The run, and the owner of its tasks.
    runner
        The task's code.
    init_data
        Gives what an agent works on.
    """

    def __init__(
        self, engine: RunEngine, supervisor: Supervisor, runner: TaskRunner, init_data: Callable[[Step, Agent], JSON]
    ) -> None:
        self._engine, self._supervisor, self._runner, self._init_data = engine, supervisor, runner, init_data
        self._agents: dict[str, tuple[RunningAgent, asyncio.Task[None]]] = {}
        engine.listeners.append(self._on_step)

    async def start(self) -> None:
        """Start the code of those who are at work already, when a run is taken up again."""
        await self._engine.do(self._start_all, patiently=True)

    def stop(self) -> None:
        """Stop all task code, when the run is no longer driven from here."""
        while self._agents:
            self._agents.popitem()[1][1].cancel()

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
        running = RunningAgent(agent.agent_id, self._engine)
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


def _send(step: Step, agent_id: str, data: JSONObject) -> None:
    step.add_live_update(agent_id, "operator", data, step.now)
    step.send(PacketType.LIVE_UPDATE_TO_CLIENT, agent_id, data)


def _await_submission(step: Step, agent_id: str) -> None:
    """Give a worker whose task's code is done `submission_timeout` seconds to press "submit"."""
    agent = step.state.agents[agent_id]
    if agent.status in AGENT_ACTIVE:
        step.change_deadline(agent, step.now + step.state.rules.submission_timeout)
