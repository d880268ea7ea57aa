"""Turns: people whose pages let them write only when the task's code waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.ports.task_runner import LiveAgent, LiveAgents, Turn

_YOUR_TURN: JSONObject = {"task_data": {"live_update_requested": True}}


class TurnTaker:
    """Somebody who is told that it is their turn whenever the code waits for them."""

    def __init__(self, agent: LiveAgent) -> None:
        self.agent = agent

    @property
    def agent_id(self) -> str:
        """The agent's id."""
        return self.agent.agent_id

    @property
    def name(self) -> str:
        """What the others call this one."""
        return self.agent.name

    @property
    def data(self) -> JSONObject:
        """What this one's page was given to work on."""
        return self.agent.data

    @property
    def is_bot(self) -> bool:
        """Whether a program sits here."""
        return self.agent.is_bot

    @property
    def has_left(self) -> bool:
        """Whether this one has left the others."""
        return self.agent.has_left

    @property
    def history(self) -> Sequence[Turn]:
        """All that was said until now, in order."""
        return self.agent.history

    async def observe(self, data: JSONObject) -> None:
        """Send something to the worker's page."""
        await self.agent.observe(data)

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Tell the page that it is its turn, and wait for what comes."""
        await self.agent.observe(_YOUR_TURN)
        return await self.agent.get_live_update(timeout)

    async def once(self, function: Callable[..., Any], *args: Any) -> JSON:
        """Call a function, and keep what it gives."""
        return await self.agent.once(function, *args)

    async def report(self, why: str, detail: JSONObject | None = None, *, of: str = "") -> None:
        """Leave a row in the event log, and tell the researcher by `run.attention`."""
        await self.agent.report(why, detail, of=of)


class TurnTakers:
    """Several of them; where the code waits for whoever speaks first, it is everybody's turn."""

    def __init__(self, agents: LiveAgents) -> None:
        self._agents = agents
        self._takers = [TurnTaker(agent) for agent in agents]

    def __len__(self) -> int:
        return len(self._takers)

    def __iter__(self) -> Iterator[LiveAgent]:
        return iter(self._takers)

    def __getitem__(self, seat: int) -> LiveAgent:
        return self._takers[seat]

    async def observe(self, data: JSONObject, *, but: LiveAgent | None = None) -> None:
        """Send something to everybody, or to everybody but one."""
        await self._agents.observe(data, but=but.agent if isinstance(but, TurnTaker) else but)

    async def get_live_update(self, timeout: float | None = None) -> tuple[LiveAgent, JSONObject]:
        """Wait for the next message of anybody."""
        await self._agents.observe(_YOUR_TURN)
        agent, message = await self._agents.get_live_update(timeout)
        return next(taker for taker in self._takers if taker.agent is agent), message
