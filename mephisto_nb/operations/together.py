"""Those who do an assignment together, as task code sees them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Iterator, Sequence

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import PartnerLeftError
from mephisto_nb.kernel.talk.agents import RunningAgent, checked
from mephisto_nb.kernel.talk.bot_agent import BotAgent
from mephisto_nb.kernel.talk.talk import Heard, Talk
from mephisto_nb.ports.task_runner import LiveAgent


class Together:
    """Those who do an assignment together (see `abstractions.task_runner.LiveAgents`)."""

    def __init__(self, agents: Sequence[RunningAgent | BotAgent], talk: Talk) -> None:
        self._agents, self._talk = list(agents), talk
        self._count = 0
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._agents)

    def __iter__(self) -> Iterator[LiveAgent]:
        return iter(self._agents)

    def __getitem__(self, seat: int) -> LiveAgent:
        return self._agents[seat]

    async def observe(self, data: JSONObject, *, but: LiveAgent | None = None) -> None:
        """Send something to everybody, or to everybody but one; it is one message, whoever hears it."""
        self._count += 1
        # The same after a restart; and no page gets to know another's agent by it.
        own = f"{self._first.agent_id}-all-{self._first.beginnings}-{self._count}"
        named = {"update_id": hashlib.sha256(own.encode()).hexdigest()[:32], **checked(data)}
        await asyncio.gather(*(agent.observe(named) for agent in self._agents if agent is not but))

    async def get_live_update(self, timeout: float | None = None) -> tuple[LiveAgent, JSONObject]:
        """Wait for the next message of anybody."""
        try:
            async with asyncio.timeout(None if self._talk.is_noted else timeout):
                while True:
                    self._ask_bots()
                    heard = await self._talk.get(None)
                    if heard.kind == "timeout":
                        break
                    agent = next(one for one in self._agents if one.agent_id == heard.agent_id)
                    if heard.kind in ("worker", "bot"):
                        if isinstance(agent, RunningAgent) and heard.kind == "worker":
                            return agent, agent.note_heard(heard)
                        return agent, heard.data
                    if isinstance(agent, RunningAgent):
                        agent.step_aside()
                    if not agent.is_bot:
                        raise PartnerLeftError(agent.agent_id, agent.name)
        except TimeoutError:
            data: JSONObject = {"of": "all", "number": self._talk.count_timeout()}
            await self._first.record("timeout", data)
            raise
        raise TimeoutError

    async def close(self) -> None:
        """Ask nobody any more."""
        self._is_closed = True
        for task in list(self._asking.values()):
            task.cancel()
        await asyncio.gather(*list(self._asking.values()), return_exceptions=True)

    @property
    def _first(self) -> RunningAgent:
        return next(agent for agent in self._agents if isinstance(agent, RunningAgent))

    def _ask_bots(self) -> None:
        for agent in self._agents if not self._is_closed else ():
            bot = agent.stand_in if isinstance(agent, RunningAgent) else agent
            if bot is not None and bot.is_due and agent.agent_id not in self._asking:
                task = asyncio.create_task(self._ask(bot.begin(), agent.agent_id), name=f"mephisto_nb-{agent.agent_id}")
                self._asking[agent.agent_id] = task

    async def _ask(self, answer: Awaitable[JSONObject], agent_id: str) -> None:
        try:
            said = await answer
        except TimeoutError:
            return
        else:
            self._talk.put(Heard(agent_id, "bot", said))
        finally:
            del self._asking[agent_id]
            self._ask_bots()  # it was told more meanwhile
