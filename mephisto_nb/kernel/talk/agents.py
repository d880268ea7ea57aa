"""Those whom task code talks with: workers at work, programs in their place, and groups of both.

They are what `ports.task_runner` describes: a `RunningAgent` or `BotAgent` is a `LiveAgent`, a `Group` is `LiveAgents`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError, PartnerLeftError
from mephisto_nb.kernel.talk.talk import Heard, Talk
from mephisto_nb.kernel.talk.voices import Spoken, Voices, as_heard, as_said, whose_word, without_claims
from mephisto_nb.kernel.writer import wholly
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.states import AGENT_ACTIVE
from mephisto_nb.ports.task_runner import Bot, LiveAgent, Turn
from mephisto_nb.utils.ids import new_id
from mephisto_nb.utils.patience import Patience, patience
from mephisto_nb.utils.run_sync import HomeLoop, at_home
from mephisto_nb.utils.user_code import call

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.rules.step import Step


class WayToPages(Protocol):
    """The way to workers' pages, and from them: `ClientIOHandler`."""

    @property
    def is_connected(self) -> bool:
        """Whether what pages send is heard now."""

    async def send_live_update(self, after: str, packet: Packet) -> None:
        """Send a live update to a worker's page before it is committed."""

    async def catch_up(self) -> None:
        """Wait until all is heard that pages have sent until now."""

    def served_time(self) -> float:
        """Return the time of the run, which stands still while nobody can be served."""


#: So many messages of a conversation go ahead of their record at once.
_MOST_AHEAD = 100
#: Names of messages longer than this are not taken over from pages.
_LONGEST_ID = 64


@dataclass(frozen=True, slots=True)
class Seat:
    """What task code knows of somebody: their name, what their page shows, and how often they have begun before.

    `understudy` is who goes on in the seat when they leave in the middle; `voices` gives what is said here its ids.
    """

    name: str = ""
    data: JSONObject = field(default_factory=dict)
    beginnings: int = 0
    understudy: Bot | None = None
    voices: Voices | None = None

    def as_heard(self, agent_id: str, data: JSONObject) -> JSONObject:
        """Return what this one's page has sent as other pages may hear it."""
        return as_heard(data, self.name, self._id_of(agent_id, data), self.given)

    def as_said(self, agent_id: str, data: JSONObject, talk: Talk) -> JSONObject:
        """Return what this one's page has sent as the task's code hears it, and note in the talk whose word it is."""
        known, said = self._id_of(agent_id, data), _id_of(data)
        if known is None or said is None:
            return self.as_heard(agent_id, data)
        talk.spoken[known] = Spoken(agent_id, said, self.given)
        return as_said(data, self.name, known)

    @property
    def given(self) -> frozenset[str]:
        """Names of what the page was handed to work on, which no worker changes for another."""
        state = self.data.get("task_data", self.data)
        return frozenset(state if isinstance(state, dict) else ())

    def _id_of(self, agent_id: str, data: JSONObject) -> str | None:
        said = _id_of(data)
        return said if said is None or self.voices is None else self.voices.id_of(agent_id, said)


def _while_heard(pages: WayToPages, seconds: float | None) -> AbstractAsyncContextManager[Patience]:
    """Raise `TimeoutError` after so many seconds in which a page that sent something would have been heard."""
    return patience(seconds, lambda: pages.is_connected)


async def _has_news(pages: WayToPages, talk: Talk, agent_id: str | None) -> bool:
    """Return whether an agent, or any (None), had sent something by now, as the router knows."""
    await pages.catch_up()
    return talk.has_next(agent_id)


class RunningAgent:
    """A worker at work, as task code sees them (see `ports.task_runner.LiveAgent`).

    What is said is heard at once, and recorded behind: a message travels ahead of its record, in both directions.
    What is recorded has the order in which it was said.
    """

    def __init__(
        self,
        agent_id: str,
        engine: RunEngine,
        pages: WayToPages,
        talk: Talk | None = None,
        seat: Seat | None = None,
        history: Sequence[Turn] = (),
        home: HomeLoop | None = None,
    ) -> None:
        self.agent_id, self._seat = agent_id, seat or Seat()
        self._engine, self.pages, self.talk = engine, pages, talk or Talk()
        self._home = home or HomeLoop()
        #: All that was said until now, in order.
        self.history: list[Turn] = [
            Turn("worker", self._seat.as_said(agent_id, one.data, self.talk)) if one.sender == "worker" else one
            for one in history
        ]
        self.has_left = False
        self._bot: BotAgent | None = None
        #: The ids of the messages that were heard, and said, last; how many were said, and functions called.
        self._heard: str | None = None
        self.last_said: str | None = None
        self._said_count, self._call_count = sum(turn.sender == "operator" for turn in history), 0
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

    @property
    def pending_actions(self) -> list[JSONObject]:
        """What the worker's page has sent and `get_live_update` has not returned yet, oldest first."""
        own = [one for one in self.talk.pending_actions if one.agent_id == self.agent_id and one.kind == "worker"]
        return [self._seat.as_said(self.agent_id, heard.data, self.talk) for heard in own]

    @at_home
    async def observe(self, data: JSONObject) -> None:
        """Send something to the worker's page; it is kept until the page has it."""
        self._said_count += 1
        data = checked(data)
        spoken = whose_word(self.talk.spoken, _id_of(data), self._seat.voices, self._seat.given)
        data = without_claims(data, self._seat.given) if spoken is None else spoken.handed_on(data, self.agent_id)
        if self.talk.say_again(self.agent_id, data):
            self.history.append(Turn("operator", data))
            return
        if self._bot is not None:
            await self._bot.observe(data)
            return
        self.history.append(Turn("operator", data))
        if self.has_left:
            return
        # The same after a restart, so that a page that heard it ahead of its record drops it when it is said again.
        data = _with_id(data, f"{self.agent_id}-{self._seat.beginnings}-{self._said_count}")
        sent = data if spoken is None else _with_id(spoken.sent(data, self.agent_id), str(data["update_id"]))
        after, self.last_said = self.last_said, _id_of(sent)

        async def say() -> None:
            if after is not None:
                await self.pages.send_live_update(after, Packet(PacketType.LIVE_UPDATE_TO_CLIENT, self.agent_id, sent))
            await _write_down(self, _send, data=data, sent=sent)

        await wholly(say())  # the page may have heard it when its task's code is ended

    @at_home
    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Return the next of the `pending_actions`, once there is one; raise `TimeoutError` after `timeout` seconds."""
        if self._bot is not None:
            return await self._bot.get_live_update(timeout)
        if self.has_left:
            raise PartnerLeftError(self.agent_id, self.name)
        try:
            async with _while_heard(self.pages, timeout):
                heard = await self.talk.get(self.agent_id)
        except TimeoutError:
            if await _has_news(self.pages, self.talk, self.agent_id):
                return await self.get_live_update(timeout)
            await self.record("timeout", {"after": self.talk.taken.get(self.agent_id, 0)})
            raise
        if heard.kind == "timeout":
            raise TimeoutError
        if heard.kind == "left":
            self.step_aside()
            return await self.get_live_update(timeout)  # of the program that goes on, or of nobody
        return self.note_heard(heard)

    def time(self) -> float:
        """Return what time it is for the run: it stands still while nobody can be served."""
        return self.pages.served_time()

    @at_home
    async def once(self, function: Callable[..., Any], *args: Any) -> JSON:
        """Return what a function returns, and keep it: after a restart it is not called again."""
        self._call_count += 1
        return await self.keep(f"{self._call_count}", function, *args)

    @at_home
    async def keep(self, name: str, function: Callable[..., Any], *args: Any, after: int = 0) -> JSON:
        """Return the same for a call that has a name; `after` is how many messages a program had got by then."""
        key = _key_of(self, name)
        if key in self.talk.kept:
            return self.talk.kept[key]
        value = await call(function, *args)
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{getattr(function, '__name__', function)!r} gave {value!r}, which cannot be kept as JSON: {error}. "
                "Give text, numbers, lists and dictionaries of these."
            ) from error
        await self.record("once", {"call": key[1], "value": value, **({"after": after} if after else {})})
        return value

    def asked_after(self, name: str) -> int:
        """Return how many messages a program had got when it was asked before a restart; 0: it was not."""
        return self.talk.asked_after.get(_key_of(self, name), 0)

    @at_home
    async def record(self, sender: str, data: JSONObject) -> None:
        """Keep something of the agent's record that no page hears of."""
        await _write_down(self, _keep, sender=sender, data=data)

    @at_home
    async def report(self, why: str, detail: JSONObject | None = None, *, of: str = "") -> None:
        """Leave a row in the event log, and a line for the researcher in `run.attention`."""
        what = partial(_report, agent_id=self.agent_id, why=why, detail=detail, of=of or why)
        await self._engine.do(what, retry=True)

    # -- what comes in -------------------------------------------------------------------------------------------

    def put(self, data: JSONObject) -> None:
        """Add what the worker's page sent to the pending actions, unless it came ahead. Called once it is recorded."""
        update_id = _id_of(data)
        if self.talk.is_known(self.agent_id, update_id):
            return
        self._heard = update_id
        self.talk.put(Heard(self.agent_id, "worker", data))

    def put_ahead(self, after: str, data: JSONObject, is_sure: Callable[[], bool] = lambda: True) -> None:
        """Add what is not recorded yet to the pending actions, if the message before it was the last to come.

        `is_sure` is asked at last, and once: whether it will be recorded.
        """
        update_id = _id_of(data)
        if self._heard != after or update_id is None or self.talk.num_ahead >= _MOST_AHEAD or not is_sure():
            return
        self._heard = update_id
        self.talk.put_ahead(Heard(self.agent_id, "worker", data), update_id)

    def wait_no_longer(self, update_id: str | None = None) -> None:
        """Wait no longer for the record of one message, or of all, that came ahead: it may never come."""
        self.talk.wait_no_longer(self.agent_id, update_id)

    def step_aside(self) -> None:
        """Note that task code has heard that the worker left; a program goes on in their place, if there is one."""
        bot = self._seat.understudy
        self.has_left = bot is None
        if bot is not None:
            self._bot = BotAgent(bot, self, self._seat, self.history)
            self._bot.owes_answer = bool(self.history) and self.history[-1].sender == "operator"

    def note_heard(self, heard: Heard) -> JSONObject:
        """Note that task code has heard a message, and return it: under this one's name, whatever its page signs by."""
        data = self._seat.as_said(self.agent_id, heard.data, self.talk)
        self.history.append(Turn("worker", data))
        return data


async def _write_down(agent: RunningAgent, rule: Callable[..., None], **what: Any) -> None:
    """Write down what was said or kept, behind all that was heard before; and in which order that was heard."""
    async with agent._recording:
        await agent.talk.all_recorded()
        notes = agent.talk.take_notes()
        await agent._engine.do(partial(rule, agent_id=agent.agent_id, notes=notes, **what), retry=True)


class BotAgent:
    """A program in a seat. What it is sent is its history; it is asked when it is waited for.

    Parameters
    ----------
    bot
        The program.
    recorder
        Whose record holds what it gives.
    seat
        Its place in the talk.
    history
        What was said in this seat before.
    number
        Tells it from the other programs whose words the recorder holds.
    """

    def __init__(
        self, bot: Bot, recorder: Recorder, seat: Seat, history: list[Turn] | None = None, number: int | None = None
    ) -> None:
        self._bot, self._recorder, self._seat, self._home = bot, recorder, seat, recorder._home
        self.agent_id = f"bot-{seat.name}" if number is None else f"bot-{number}-{seat.name}"
        self.history: list[Turn] = [] if history is None else history
        self.owes_answer = False
        self._calls = self._told = 0

    name = property(lambda self: self._seat.name)
    data = property(lambda self: self._seat.data)
    is_bot, has_left = True, False

    @property
    def is_due(self) -> bool:
        """Whether it is to be asked now: it was sent something, and after a restart as much as it was then."""
        return self.owes_answer and self._told >= self._recorder.asked_after(self._name_of(self._calls + 1))

    @at_home
    async def observe(self, data: JSONObject) -> None:
        """Add a message to its history."""
        self.history.append(Turn("operator", data))
        self._told += 1
        self.owes_answer = self.owes_answer or bool(data.get("text"))

    @at_home
    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Return what it says when it is asked; raise `TimeoutError` if it says nothing."""
        return await self.begin(timeout)

    def begin(self, timeout: float | None = None) -> Awaitable[JSONObject]:
        """Ask it for an answer to what it was sent until this very moment."""
        self._calls += 1
        self.owes_answer = False
        return self._answer(self._name_of(self._calls), _as_chat(self.history), timeout, self._told)

    def time(self) -> float:
        """Return what time it is for the run: it stands still while nobody can be served."""
        return self._recorder.time()

    @at_home
    async def once(self, function: Callable[..., Any], *args: Any) -> JSON:
        """Return what a function returns, and keep it."""
        self._calls += 1
        return await self._recorder.keep(self._name_of(self._calls), function, *args)

    @at_home
    async def report(self, why: str, detail: JSONObject | None = None, *, of: str = "") -> None:
        """Leave a row in the event log, and a line for the researcher in `run.attention`."""
        await self._recorder.report(why, detail, of=of)

    def _name_of(self, number: int) -> str:
        return f"{self.agent_id}:{number}"

    async def _answer(self, name: str, chat: list[dict[str, str]], timeout: float | None, told: int) -> JSONObject:
        said = await self._recorder.keep(name, self._ask, chat, timeout, after=told)
        if not isinstance(said, dict):
            raise TimeoutError(f"{self.name} said nothing.")
        self.history.append(Turn("worker", said))
        return said

    async def _ask(self, chat: list[dict[str, str]], timeout: float | None) -> JSON:
        try:
            reply = await self._bot.ask_again(chat, self._recorder, timeout)
        except Exception:  # noqa: BLE001 - a researcher's function; its failure must not end the talk
            return None
        return None if reply is None else {"id": self.name, "update_id": new_id(), **reply}


class Recorder(Protocol):
    """Whose record holds what a program says: a `RunningAgent`."""

    _home: HomeLoop

    async def keep(self, name: str, function: Callable[..., Any], *args: Any, after: int = 0) -> JSON:
        """Return what a function returns, and keep it under a name."""

    def asked_after(self, name: str) -> int:
        """Return how many messages a program had got when it was asked before a restart; 0: it was not."""

    async def report(self, why: str, detail: JSONObject | None = None, *, of: str = "") -> None:
        """Leave a row in the event log, and a line for the researcher in `run.attention`."""

    def time(self) -> float:
        """Return what time it is for the run."""


class Group:
    """Those who do an assignment together (see `ports.task_runner.LiveAgents`)."""

    def __init__(self, agents: Sequence[RunningAgent | BotAgent], talk: Talk) -> None:
        self._agents, self._talk = list(agents), talk
        self._home = self._agents[0]._home
        self._count = 0
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._agents)

    def __iter__(self) -> Iterator[LiveAgent]:
        return iter(self._agents)

    def __getitem__(self, seat: int) -> LiveAgent:
        return self._agents[seat]

    @at_home
    async def observe(self, data: JSONObject, *, but: LiveAgent | None = None) -> None:
        """Send something to everybody, or to everybody but one; it is one message, whoever hears it."""
        self._count += 1
        # The same after a restart; no page gets to know another's agent by it, nor which one comes next.
        named = {"update_id": _name_for_all(self._first, self._count), **checked(data)}
        await asyncio.gather(*(agent.observe(named) for agent in self._agents if agent is not but))

    @at_home
    async def get_live_update(self, timeout: float | None = None) -> tuple[LiveAgent, JSONObject]:
        """Wait for the next message of anybody."""
        try:
            async with _while_heard(self._first.pages, None if self._talk.is_noted else timeout):
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
            if await _has_news(self._first.pages, self._talk, None):
                return await self.get_live_update(timeout)
            data: JSONObject = {"of": "all", "number": self._talk.count_timeout()}
            await self._first.record("timeout", data)
            raise
        raise TimeoutError

    @at_home
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


class AgentsAtWork:
    """The agents whose task code runs now, by id: where `ClientIOHandler` finds those whom messages are from.

    Parameters
    ----------
    voices
        Gives what they say its ids.
    """

    def __init__(self, voices: Voices) -> None:
        self.voices = voices
        self._agents: dict[str, RunningAgent] = {}

    def get(self, agent_id: str) -> RunningAgent | None:
        """Return an agent, if its task code runs."""
        return self._agents.get(agent_id)

    def add(self, agents: Mapping[str, RunningAgent]) -> None:
        """Add agents, by their ids. Called by `TaskCode` when their code begins."""
        self._agents.update(agents)

    def remove(self, agent_id: str) -> None:
        """Remove an agent, if it is there. Called by `TaskCode` when its code has ended."""
        self._agents.pop(agent_id, None)

    def heard_ahead(self, after: str, packet: Packet, is_sure: Callable[[], bool] = lambda: True) -> None:
        """Hand on a message before it is recorded, if the one called `after` came last, and it will be (`is_sure`)."""
        if found := self._agents.get(packet.subject_id):
            found.put_ahead(after, packet.data, is_sure)

    def missed(self, agent_id: str, update_id: str | None) -> None:
        """Wait no longer for the record of a message that came ahead: the router could not keep it."""
        if update_id is not None and (found := self._agents.get(agent_id)):
            found.wait_no_longer(update_id)

    def link_lost(self) -> None:
        """Wait no longer for the record of any message that came ahead; it comes by the next channel."""
        for agent in self._agents.values():
            agent.wait_no_longer()


def _name_for_all(agent: RunningAgent, number: int) -> str:
    """Return the id of a thing that is said to all, of whom this is the first; `number` counts these things."""
    own, voices = f"{agent.agent_id}-all-{agent.beginnings}-{number}", agent._seat.voices
    return hashlib.sha256(own.encode()).hexdigest()[:32] if voices is None else voices.id_of("", own)


def _key_of(agent: RunningAgent, name: str) -> tuple[str, str]:
    return agent.agent_id, f"{agent.beginnings}:{name}"


def checked(data: JSONObject) -> JSONObject:
    """Return what task code says; raise `ConfigError` if no page can be sent it."""
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


def _with_id(data: JSONObject, own: str) -> JSONObject:
    given = _id_of(data)
    return {**data, "update_id": given if given is not None and len(given) <= _LONGEST_ID else own}


def _id_of(data: JSONObject) -> str | None:
    update_id = data.get("update_id")  # a page may send anything
    return update_id if isinstance(update_id, str) else None


def _send(step: Step, agent_id: str, data: JSONObject, sent: JSONObject, notes: Sequence[JSONObject]) -> None:
    _keep(step, agent_id, "operator", data, notes)
    if step.state.agents[agent_id].status in AGENT_ACTIVE:
        step.send(PacketType.LIVE_UPDATE_TO_CLIENT, agent_id, sent)


def _keep(step: Step, agent_id: str, sender: str, data: JSONObject, notes: Sequence[JSONObject]) -> None:
    for note in notes:
        step.add_live_update(agent_id, "heard", note, step.now)
    step.add_live_update(agent_id, sender, data, step.now)


def _report(step: Step, agent_id: str, why: str, detail: JSONObject | None, of: str) -> None:
    step.log("agent", agent_id, None, None, why, "operator", detail)
    step.failures.append((of, why))


def _as_chat(history: Sequence[Turn]) -> list[dict[str, str]]:
    """Return what was said in a seat as chat APIs take it; where several others speak, messages begin with a name."""
    said = [turn for turn in history if turn.data.get("text")]
    others = {str(turn.data.get("id", "")) for turn in said if turn.sender != "worker"}
    chat = []
    for turn in said:
        is_own, speaker, text = turn.sender == "worker", str(turn.data.get("id", "")), str(turn.data["text"])
        text = f"{speaker}: {text}" if len(others) > 1 and not is_own and speaker else text
        chat.append({"role": "assistant" if is_own else "user", "content": text})
    return chat
