"""Runs a conversation: the researcher's own function, or people who talk freely with each other."""

from __future__ import annotations

import inspect
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.chat.args import ChatBlueprintArgs
from mephisto_nb.blueprints.chat.runner import TurnTaker, TurnTakers
from mephisto_nb.errors import PartnerLeftError
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.ports.bot import Bot
from mephisto_nb.ports.task_runner import LiveAgent, LiveAgents, TaskRunner, Turn

#: ``talk(data, agent)`` or ``talk(data, agents)``.
Conversation: TypeAlias = Callable[[JSONObject, Any], Awaitable[None]]


_EXAMPLE = "Hello! This is an example: so it looks when somebody says something."


class ChatRunner(TaskRunner):
    """Greets the pages, lets people talk, and tells the pages when it is over.

    Parameters
    ----------
    shared_state
        What the researcher handed over.
    args
        The settings.
    """

    def __init__(self, shared_state: SharedTaskState, args: ChatBlueprintArgs) -> None:
        super().__init__(shared_state)
        self._args = args
        given = shared_state.conversation
        self._inner = given(shared_state) if inspect.isclass(given) and issubclass(given, TaskRunner) else None
        self._function: Conversation | None = given if self._inner is None else None

    def get_init_data(self, init_data: JSON, history: Sequence[Turn]) -> JSON:
        """Give a page the row, and what it has to show again, under the name that ``mephisto-task`` looks for."""
        row = init_data if isinstance(init_data, dict) else {}
        return {**row, "past_live_updates": [turn.data for turn in history]}

    def get_example_turns(self) -> Sequence[Turn]:
        """Give a line to be looked at, of a partner or a program; it is the viewer's turn."""
        name = "Interviewer" if self.shared_state.bot is None else Bot.of(self.shared_state.bot).name
        if self._args.units_per_assignment > 1:
            name = self._args.names[1] if self._args.names else "Person 2"
        said: JSONObject = {"text": _EXAMPLE, "id": name, "update_id": "example"}
        return (Turn("operator", {**said, "task_data": {"live_update_requested": True}}),)

    async def run_unit(self, init_data: JSONObject, agent: LiveAgent) -> None:
        """Talk with one person."""
        await self._greet([agent])
        spoken_to = TurnTaker(agent) if self._args.take_turns else agent
        if self._inner is not None:
            await self._inner.run_unit(init_data, spoken_to)
        elif self._function is not None:
            await self._function(init_data, spoken_to)
        else:
            await _talk_with_bot(agent, Bot.of(self.shared_state.bot), self._args)
        await self._end([agent])

    async def run_assignment(self, init_data: JSONObject, agents: LiveAgents) -> None:
        """Let several people talk."""
        await self._greet(agents)
        spoken_to = TurnTakers(agents) if self._args.take_turns else agents
        if self._inner is not None:
            await self._inner.run_assignment(init_data, spoken_to)
        elif self._function is not None:
            await self._function(init_data, spoken_to)
        elif self._args.take_turns:
            await _talk_in_turns(spoken_to, self._args)
        else:
            await _talk_freely(spoken_to, self._args)
        await self._end(agents)

    async def _greet(self, agents: LiveAgents | list[LiveAgent]) -> None:
        for agent in agents:
            state = {"agent_display_name": agent.name, "live_update_requested": not self._args.take_turns}
            await agent.observe({"task_data": state})

    async def _end(self, agents: LiveAgents | list[LiveAgent]) -> None:
        for agent in agents:
            await agent.observe({"task_data": {"task_done": True}})


def as_said_by(agent: LiveAgent, message: JSONObject) -> JSONObject:
    """Give a message as the others hear it: under the name of who said it, and as the one message that it is."""
    heard = {"text": str(message.get("text", "")), "id": agent.name, "task_data": {}}
    return {**heard, "update_id": message["update_id"]} if "update_id" in message else heard


async def _talk_freely(agents: LiveAgents, args: ChatBlueprintArgs) -> None:
    """Let everybody hear everybody, until all people are done, or have said as much as they may."""
    people = {agent.agent_id for agent in agents}
    said: Counter[str] = Counter()
    left = await _clock_of(agents, args)
    # A program that has taken somebody's seat is never done, and nobody waits for that.
    while any(agent.agent_id in people and not agent.is_bot for agent in agents):
        try:
            agent, message = await agents.get_live_update(timeout=left())
        except TimeoutError:
            return
        except PartnerLeftError as error:
            people.discard(error.agent_id)
            continue
        if message.get("text"):
            await agents.observe(as_said_by(agent, message), but=agent)
            said[agent.agent_id] += 1
        if message.get("done") is True or (args.num_turns and said[agent.agent_id] >= args.num_turns):
            people.discard(agent.agent_id)


async def _talk_in_turns(agents: LiveAgents, args: ChatBlueprintArgs) -> None:
    """Let people speak one after the other, until all are done or have said as much as they may."""
    done: set[str] = set()
    turns, left = 0, await _clock_of(agents, args)
    while not args.num_turns or turns < args.num_turns:
        for agent in agents:
            if agent.agent_id in done:
                continue
            try:
                message = await agent.get_live_update(timeout=left())
            except PartnerLeftError:
                done.add(agent.agent_id)
                continue
            except TimeoutError:
                if not agent.is_bot:
                    return
                continue
            if message.get("text"):
                await agents.observe(as_said_by(agent, message), but=agent)
            if message.get("done") is True:
                done.add(agent.agent_id)
        turns += 1
        if all(agent.agent_id in done for agent in agents if not agent.is_bot):
            return


async def _clock_of(agents: LiveAgents, args: ChatBlueprintArgs) -> Callable[[], float | None]:
    """Give how much time is left, from when people began: a restart does not give them more."""
    if not args.talk_seconds:
        return lambda: None
    began = await agents[0].once(time.time)
    end = float(began if isinstance(began, (int, float)) else time.time()) + args.talk_seconds
    return lambda: max(0.0, end - time.time())


async def _talk_with_bot(agent: LiveAgent, bot: Bot, args: ChatBlueprintArgs) -> None:
    """Let one person talk with a program, which answers each message."""
    chat: list[dict[str, str]] = []
    turns = 0
    while not args.num_turns or turns < args.num_turns:
        message = await agent.get_live_update()
        if message.get("text"):
            turns += 1
            chat.append({"role": "user", "content": str(message["text"])})
            reply = await agent.once(_ask, agent, bot, list(chat))
            if isinstance(reply, dict):
                if reply.get("text"):
                    chat.append({"role": "assistant", "content": str(reply["text"])})
                await agent.observe(reply)
        if message.get("done") is True:
            return


async def _ask(agent: LiveAgent, bot: Bot, chat: list[dict[str, str]]) -> JSON:
    """Ask a program; what it cannot answer in time it has not said, and the page is not told why."""
    try:
        reply = await bot.ask_again(chat, agent)
    except Exception:  # noqa: BLE001 - a researcher's function; its failure must not end the talk
        return {"text": "(No answer came. Please write on, or say that you are done.)", "id": ""}
    return None if reply is None else {"id": bot.name, **reply}
