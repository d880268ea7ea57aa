"""Those in a live task as its code sees them: a worker, a program, and several of them together."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.abstractions.bot import Bot
from mephisto_nb.abstractions.task_runner import LiveAgent, Turn
from mephisto_nb.data_model.packets import Packet, PacketType
from mephisto_nb.errors import ConfigError, PartnerLeftError
from mephisto_nb.operations.talk import Heard, Talk
from mephisto_nb.utils.call_threads import call
from mephisto_nb.utils.ids import new_id

if TYPE_CHECKING:
    from mephisto_nb.lifecycle.step import Step
    from mephisto_nb.operations.run_engine import RunEngine

#: ``send_ahead(after, packet)``: sends a live update to a worker's page before it is committed.
SendAhead: TypeAlias = Callable[[str, Packet], Awaitable[None]]
#: Names of messages longer than this are not taken over from pages.
_LONGEST_ID = 64


@dataclass(frozen=True, slots=True)
class Seat:
    """What task code is told of somebody: their name, what their page shows, and how often they have begun before.

    `understudy` is who goes on in the seat when they leave in the middle.
    """

    name: str = ""
    data: JSONObject = field(default_factory=dict)
    beginnings: int = 0
    understudy: Bot | None = None


class RunningAgent:
    """A worker at work, as task code sees them (see `abstractions.task_runner.LiveAgent`).

    What is said is heard at once, and recorded behind: a message travels ahead of its record, in both directions.
    What is recorded has the order in which it was said.
    """

    def __init__(
        self,
        agent_id: str,
        engine: RunEngine,
        send_ahead: SendAhead,
        talk: Talk | None = None,
        seat: Seat | None = None,
        history: Sequence[Turn] = (),
    ) -> None:
        self.agent_id, self._seat = agent_id, seat or Seat()
        self._engine, self._send_ahead, self._talk = engine, send_ahead, talk or Talk()
        #: All that was said until now, in order.
        self.history: list[Turn] = list(history)
        self.has_left = False
        self._bot: BotAgent | None = None
        #: The ids of the messages that were heard, and said, last; how many were said, and functions called.
        self._heard: str | None = None
        self._said: str | None = None
        self._said_count = self._call_count = 0
        self._recording = asyncio.Lock()

    @property
    def name(self) -> str:
        """What the others call this one."""
        return self._seat.name

    @property
    def data(self) -> JSONObject:
        """What the worker's page was given to work on."""
        return self._seat.data

    @property
    def beginnings(self) -> int:
        """How often this one has begun with others before."""
        return self._seat.beginnings

    @property
    def stand_in(self) -> BotAgent | None:
        """Who goes on in this seat, when its worker has left."""
        return self._bot

    @property
    def is_bot(self) -> bool:
        """Whether a program sits here now."""
        return self._bot is not None

    async def observe(self, data: JSONObject) -> None:
        """Send something to the worker's page; it is kept until the page has it."""
        self._said_count += 1
        data = _checked(data)
        if self._talk.say_again(self.agent_id, data):
            self._note("operator", data)
            return
        if self._bot is not None:
            await self._bot.observe(data)
            return
        self._note("operator", data)
        if self.has_left:
            return
        data = self._with_id(data)
        after, self._said = self._said, _id_of(data)
        if after is not None:
            await self._send_ahead(after, Packet(PacketType.LIVE_UPDATE_TO_CLIENT, self.agent_id, data))
        async with self._recording:
            if self._talk.ahead:
                await asyncio.wait(self._talk.ahead.values())
            await self._engine.do(partial(_send, agent_id=self.agent_id, data=data), patiently=True)

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Wait for the next message from the worker's page; raise `TimeoutError` after `timeout` seconds."""
        if self._bot is not None:
            return await self._bot.get_live_update(timeout)
        if self.has_left:
            raise PartnerLeftError(self.agent_id, self.name)
        try:
            async with asyncio.timeout(timeout):
                heard = await self._talk.get(self.agent_id)
        except TimeoutError:
            await self.record("timeout", {"after": self._talk.taken.get(self.agent_id, 0)})
            raise
        if heard.kind == "timeout":
            raise TimeoutError
        if heard.kind == "left":
            self.step_aside()
            return await self.get_live_update(timeout)  # of the program that goes on, or of nobody
        return self.note_heard(heard)

    async def once(self, function: Callable[..., Any], *args: Any) -> JSON:
        """Call a function, and keep what it gives: after a restart it is not called again."""
        self._call_count += 1
        return await self.keep(f"{self._call_count}", function, *args)

    async def keep(self, name: str, function: Callable[..., Any], *args: Any) -> JSON:
        """Do the same for a call that has a name."""
        key = (self.agent_id, f"{self._seat.beginnings}:{name}")
        if key in self._talk.kept:
            return self._talk.kept[key]
        value = await call(function, *args)
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{getattr(function, '__name__', function)!r} gave {value!r}, which cannot be kept as JSON: {error}. "
                "Give text, numbers, lists and dictionaries of these."
            ) from error
        await self.record("once", {"call": key[1], "value": value})
        return value

    async def record(self, sender: str, data: JSONObject) -> None:
        """Keep something of the agent's record that no page hears of."""
        rule = partial(_keep, agent_id=self.agent_id, sender=sender, data=data)
        await self._engine.do(rule, patiently=True)

    async def report(self, why: str, detail: JSONObject | None = None) -> None:
        """Leave a row in the event log, and tell the researcher by `run.attention`."""
        await self._engine.do(partial(_report, agent_id=self.agent_id, why=why, detail=detail), patiently=True)

    # -- for the keeper ------------------------------------------------------------------------------------------

    def put(self, data: JSONObject) -> None:
        """Hand over what the worker's page sent, and what is recorded, unless it was heard ahead of that."""
        update_id = _id_of(data)
        waiting = None if update_id is None else self._talk.ahead.pop((self.agent_id, update_id), None)
        if waiting is not None:
            _let_go(waiting)
            return
        self._heard = update_id
        self._talk.put(Heard(self.agent_id, "worker", data))

    def put_ahead(self, after: str, data: JSONObject) -> None:
        """Hand over what is not recorded yet, if the message before it was heard last."""
        update_id = _id_of(data)
        if self._heard != after or update_id is None:
            return
        self._heard = update_id
        self._talk.ahead[self.agent_id, update_id] = asyncio.get_running_loop().create_future()
        self._talk.put(Heard(self.agent_id, "worker", data))

    def wait_no_longer(self, update_id: str | None = None) -> None:
        """Let nobody wait for the record of one message, or of all, that went ahead: it may never come."""
        for (agent_id, id_), waiting in self._talk.ahead.items():
            if agent_id == self.agent_id and update_id in (None, id_):
                _let_go(waiting)

    def part(self) -> None:
        """Let task code hear that the worker has left, after all that they have said."""
        self._talk.put(Heard(self.agent_id, "left", {}))

    def step_aside(self) -> None:
        """Note that task code has heard that the worker left; a program goes on in their place, if there is one."""
        bot = self._seat.understudy
        self.has_left = bot is None
        if bot is not None:
            self._bot = BotAgent(bot, self, self._seat, self.history)
            self._bot.owes_answer = bool(self.history) and self.history[-1].sender == "operator"

    def note_heard(self, heard: Heard) -> JSONObject:
        """Note that task code has heard a message, and give it as the others may hear it.

        A page signs with its agent's id; whoever knows that may speak, and submit, as that worker.
        """
        is_signed = heard.data.get("id") == self.agent_id
        data = {**heard.data, "id": self.name} if is_signed else heard.data
        self._note("worker", data)
        return data

    def _note(self, sender: str, data: JSONObject) -> None:
        self.history.append(Turn(sender, data))

    def _with_id(self, data: JSONObject) -> JSONObject:
        # The same after a restart, so that a page that heard it ahead of its record drops it when it is said again.
        own = f"{self.agent_id}-{self._seat.beginnings}-{self._said_count}"
        given = _id_of(data)
        return {**data, "update_id": given if given is not None and len(given) <= _LONGEST_ID else own}


class BotAgent:
    """A program in a seat. What it is told is its history; it is asked when it is waited for.

    Parameters
    ----------
    bot
        The program.
    keeper
        Whose record holds what it gives.
    seat
        Its place in the talk.
    history
        What was said in this seat before.
    """

    def __init__(self, bot: Bot, keeper: RunningAgent, seat: Seat, history: list[Turn] | None = None) -> None:
        self._bot, self._keeper, self._seat = bot, keeper, seat
        self.agent_id = f"bot-{seat.name}"
        self.history: list[Turn] = [] if history is None else history
        self.owes_answer = False
        self._calls = 0

    name = property(lambda self: self._seat.name)
    data = property(lambda self: self._seat.data)
    is_bot, has_left = True, False

    async def observe(self, data: JSONObject) -> None:
        """Tell it something."""
        self.history.append(Turn("operator", data))
        self.owes_answer = self.owes_answer or bool(data.get("text"))

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Ask it; raise `TimeoutError` if it gives nothing."""
        self._calls += 1
        self.owes_answer = False
        limit = self._bot.timeout if timeout is None else min(timeout, self._bot.timeout)
        said = await self._keeper.keep(f"{self.agent_id}:{self._calls}", self._ask, limit)
        if not isinstance(said, dict):
            raise TimeoutError(f"{self.name} said nothing.")
        self.history.append(Turn("worker", said))
        return said

    async def once(self, function: Callable[..., Any], *args: Any) -> JSON:
        """Call a function, and keep what it gives."""
        self._calls += 1
        return await self._keeper.keep(f"{self.agent_id}:{self._calls}", function, *args)

    async def report(self, why: str, detail: JSONObject | None = None) -> None:
        """Leave a row in the event log, and tell the researcher by `run.attention`."""
        await self._keeper.report(why, detail)

    async def _ask(self, limit: float) -> JSON:
        try:
            async with asyncio.timeout(limit):
                reply = await call(self._bot.reply, _as_chat(self.history))
        except Exception as error:  # noqa: BLE001 - a researcher's function; its failure must not end the talk
            await self._keeper.report(f"{self.name} gave no answer: {error!r}")
            return None
        if reply is None:
            return None
        message = reply if isinstance(reply, dict) else {"text": str(reply)}
        return {"id": self.name, "update_id": new_id(), **message}


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
        named = {"update_id": hashlib.sha256(own.encode()).hexdigest()[:32], **_checked(data)}
        await asyncio.gather(*(agent.observe(named) for agent in self._agents if agent is not but))

    async def get_live_update(self, timeout: float | None = None) -> tuple[LiveAgent, JSONObject]:
        """Wait for the next message of anybody."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    self._ask_bots()
                    heard = await self._talk.get(None)
                    agent = next(one for one in self._agents if one.agent_id == heard.agent_id)
                    if heard.kind in ("worker", "bot"):
                        is_own = isinstance(agent, RunningAgent) and heard.kind == "worker"
                        return agent, agent.note_heard(heard) if is_own else heard.data
                    if heard.kind == "timeout":
                        break
                    if isinstance(agent, RunningAgent):
                        agent.step_aside()
                    if not agent.is_bot:
                        raise PartnerLeftError(agent.agent_id, agent.name)
        except TimeoutError:
            data: JSONObject = {"of": "all", "after": self._talk.taken.get(None, 0)}
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
            if bot is not None and bot.owes_answer and agent.agent_id not in self._asking:
                task = asyncio.create_task(self._ask(bot, agent.agent_id), name=f"mephisto_nb-{agent.agent_id}")
                self._asking[agent.agent_id] = task

    async def _ask(self, bot: BotAgent, agent_id: str) -> None:
        try:
            said = await bot.get_live_update()
        except TimeoutError:
            return
        else:
            self._talk.put(Heard(agent_id, "bot", said))
        finally:
            del self._asking[agent_id]
            self._ask_bots()  # it was told more meanwhile


def _as_chat(history: Sequence[Turn]) -> list[dict[str, str]]:
    """Give what was said in a seat as chat APIs take it; where several others speak, each message is given a name."""
    said = [turn for turn in history if turn.data.get("text")]
    others = {str(turn.data.get("id", "")) for turn in said if turn.sender != "worker"}
    chat = []
    for turn in said:
        is_own, speaker, text = turn.sender == "worker", str(turn.data.get("id", "")), str(turn.data["text"])
        text = f"{speaker}: {text}" if len(others) > 1 and not is_own and speaker else text
        chat.append({"role": "assistant" if is_own else "user", "content": text})
    return chat


def _checked(data: JSONObject) -> JSONObject:
    """Give what task code says, if it can be said. Raises `ConfigError`."""
    try:
        if isinstance(data, dict):
            json.dumps(data, allow_nan=False)
            return data
        why = f"it is a {type(data).__name__}"
    except (TypeError, ValueError, RecursionError) as error:
        why = str(error)
    raise ConfigError(
        f"The task's code says {data!r:.200}, which no page can be sent: {why}. Say a dictionary of text, numbers, "
        "lists and dictionaries, such as {'text': 'Hello'}."
    )


def _id_of(data: JSONObject) -> str | None:
    update_id = data.get("update_id")  # a page may send anything
    return update_id if isinstance(update_id, str) else None


def _let_go(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _send(step: Step, agent_id: str, data: JSONObject) -> None:
    step.add_live_update(agent_id, "operator", data, step.now)
    step.send(PacketType.LIVE_UPDATE_TO_CLIENT, agent_id, data)


def _keep(step: Step, agent_id: str, sender: str, data: JSONObject) -> None:
    step.add_live_update(agent_id, sender, data, step.now)


def _report(step: Step, agent_id: str, why: str, detail: JSONObject | None) -> None:
    step.log("agent", agent_id, None, None, why, "operator", detail)
    step.troubles.append(why)
