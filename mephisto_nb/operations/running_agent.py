"""A worker at work in a live task, as its code sees them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError, PartnerLeftError
from mephisto_nb.kernel.talk.bot_agent import BotAgent, Seat
from mephisto_nb.kernel.talk.talk import Heard, Talk
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.ports.task_runner import Turn
from mephisto_nb.utils.user_code import call

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.rules.step import Step

#: ``send_ahead(after, packet)``: sends a live update to a worker's page before it is committed.
SendAhead: TypeAlias = Callable[[str, Packet], Awaitable[None]]
#: Names of messages longer than this are not taken over from pages.
_LONGEST_ID = 64


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
        self._engine, self._send_ahead, self.talk = engine, send_ahead, talk or Talk()
        #: All that was said until now, in order.
        self.history: list[Turn] = list(history)
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

    async def observe(self, data: JSONObject) -> None:
        """Send something to the worker's page; it is kept until the page has it."""
        self._said_count += 1
        data = checked(data)
        if self.talk.say_again(self.agent_id, data):
            self.history.append(Turn("operator", data))
            return
        if self._bot is not None:
            await self._bot.observe(data)
            return
        self.history.append(Turn("operator", data))
        if self.has_left:
            return
        data = self._with_id(data)
        after, self.last_said = self.last_said, _id_of(data)
        if after is not None:
            await self._send_ahead(after, Packet(PacketType.LIVE_UPDATE_TO_CLIENT, self.agent_id, data))
        await self._record(_send, data=data)

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Wait for the next message from the worker's page; raise `TimeoutError` after `timeout` seconds."""
        if self._bot is not None:
            return await self._bot.get_live_update(timeout)
        if self.has_left:
            raise PartnerLeftError(self.agent_id, self.name)
        try:
            async with asyncio.timeout(timeout):
                heard = await self.talk.get(self.agent_id)
        except TimeoutError:
            await self.record("timeout", {"after": self.talk.taken.get(self.agent_id, 0)})
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

    async def keep(self, name: str, function: Callable[..., Any], *args: Any, after: int = 0) -> JSON:
        """Do the same for a call that has a name; `after` is how much a program had been told by then."""
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
        """Give how much a program had been told when it was asked before a restart; 0: it was not."""
        return self.talk.asked_after.get(_key_of(self, name), 0)

    async def record(self, sender: str, data: JSONObject) -> None:
        """Keep something of the agent's record that no page hears of."""
        await self._record(_keep, sender=sender, data=data)

    async def report(self, why: str, detail: JSONObject | None = None, *, of: str = "") -> None:
        """Leave a row in the event log, and tell the researcher by `run.attention`."""
        what = partial(_report, agent_id=self.agent_id, why=why, detail=detail, of=of or why)
        await self._engine.do(what, patiently=True)

    # -- for the keeper ------------------------------------------------------------------------------------------

    def put(self, data: JSONObject) -> None:
        """Hand over what the worker's page sent, and what is recorded, unless it was heard ahead of that."""
        update_id = _id_of(data)
        if self.talk.is_known(self.agent_id, update_id):
            return
        self._heard = update_id
        self.talk.put(Heard(self.agent_id, "worker", data))

    def put_ahead(self, after: str, data: JSONObject) -> None:
        """Hand over what is not recorded yet, if the message before it was heard last."""
        update_id = _id_of(data)
        if self._heard != after or update_id is None:
            return
        self._heard = update_id
        self.talk.put_ahead(Heard(self.agent_id, "worker", data), update_id)

    def wait_no_longer(self, update_id: str | None = None) -> None:
        """Let nobody wait for the record of one message, or of all, that went ahead: it may never come."""
        self.talk.wait_no_longer(self.agent_id, update_id)

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
        self.history.append(Turn("worker", data))
        return data

    async def _record(self, rule: Callable[..., None], **what: Any) -> None:
        """Write down what was said or kept, behind all that was heard before; and in which order that was heard."""
        async with self._recording:
            await self.talk.all_recorded()
            notes = self.talk.take_notes()
            await self._engine.do(partial(rule, agent_id=self.agent_id, notes=notes, **what), patiently=True)

    def _with_id(self, data: JSONObject) -> JSONObject:
        # The same after a restart, so that a page that heard it ahead of its record drops it when it is said again.
        own = f"{self.agent_id}-{self._seat.beginnings}-{self._said_count}"
        given = _id_of(data)
        return {**data, "update_id": given if given is not None and len(given) <= _LONGEST_ID else own}


def _key_of(agent: RunningAgent, name: str) -> tuple[str, str]:
    return agent.agent_id, f"{agent.beginnings}:{name}"


def checked(data: JSONObject) -> JSONObject:
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


def _send(step: Step, agent_id: str, data: JSONObject, notes: Sequence[JSONObject]) -> None:
    _keep(step, agent_id, "operator", data, notes)
    step.send(PacketType.LIVE_UPDATE_TO_CLIENT, agent_id, data)


def _keep(step: Step, agent_id: str, sender: str, data: JSONObject, notes: Sequence[JSONObject]) -> None:
    for note in notes:
        step.add_live_update(agent_id, "heard", note, step.now)
    step.add_live_update(agent_id, sender, data, step.now)


def _report(step: Step, agent_id: str, why: str, detail: JSONObject | None, of: str) -> None:
    step.log("agent", agent_id, None, None, why, "operator", detail)
    step.failures.append((of, why))
