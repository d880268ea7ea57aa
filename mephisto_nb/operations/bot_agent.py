"""A program in a seat of a live task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.ports.bot import Bot
from mephisto_nb.ports.task_runner import Turn
from mephisto_nb.utils.ids import new_id


@dataclass(frozen=True, slots=True)
class Seat:
    """What task code is told of somebody: their name, what their page shows, and how often they have begun before.

    `understudy` is who goes on in the seat when they leave in the middle.
    """

    name: str = ""
    data: JSONObject = field(default_factory=dict)
    beginnings: int = 0
    understudy: Bot | None = None


class Keeper(Protocol):
    """Whose record holds what a program gives: `running_agent.RunningAgent`."""

    async def keep(self, name: str, function: Callable[..., Any], *args: Any, after: int = 0) -> JSON:
        """Call a function, and keep what it gives under a name."""

    def asked_after(self, name: str) -> int:
        """Give how much a program had been told when it was asked before a restart; 0: it was not."""

    async def report(self, why: str, detail: JSONObject | None = None, *, of: str = "") -> None:
        """Leave a row in the event log, and tell the researcher by `run.attention`."""


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
    number
        Tells it from the other programs whose words the keeper holds.
    """

    def __init__(
        self, bot: Bot, keeper: Keeper, seat: Seat, history: list[Turn] | None = None, number: int | None = None
    ) -> None:
        self._bot, self._keeper, self._seat = bot, keeper, seat
        self.agent_id = f"bot-{seat.name}" if number is None else f"bot-{number}-{seat.name}"
        self.history: list[Turn] = [] if history is None else history
        self.owes_answer = False
        self._calls = self._told = 0

    name = property(lambda self: self._seat.name)
    data = property(lambda self: self._seat.data)
    is_bot, has_left = True, False

    @property
    def is_due(self) -> bool:
        """Whether it is to be asked now: it was told something, and after a restart as much as it was then."""
        return self.owes_answer and self._told >= self._keeper.asked_after(self._name_of(self._calls + 1))

    async def observe(self, data: JSONObject) -> None:
        """Tell it something."""
        self.history.append(Turn("operator", data))
        self._told += 1
        self.owes_answer = self.owes_answer or bool(data.get("text"))

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Ask it; raise `TimeoutError` if it gives nothing."""
        return await self.begin(timeout)

    def begin(self, timeout: float | None = None) -> Awaitable[JSONObject]:
        """Ask it for an answer to what it was told until this very moment."""
        self._calls += 1
        self.owes_answer = False
        return self._answer(self._name_of(self._calls), _as_chat(self.history), timeout, self._told)

    async def once(self, function: Callable[..., Any], *args: Any) -> JSON:
        """Call a function, and keep what it gives."""
        self._calls += 1
        return await self._keeper.keep(self._name_of(self._calls), function, *args)

    async def report(self, why: str, detail: JSONObject | None = None, *, of: str = "") -> None:
        """Leave a row in the event log, and tell the researcher by `run.attention`."""
        await self._keeper.report(why, detail, of=of)

    def _name_of(self, number: int) -> str:
        return f"{self.agent_id}:{number}"

    async def _answer(self, name: str, chat: list[dict[str, str]], timeout: float | None, told: int) -> JSONObject:
        said = await self._keeper.keep(name, self._ask, chat, timeout, after=told)
        if not isinstance(said, dict):
            raise TimeoutError(f"{self.name} said nothing.")
        self.history.append(Turn("worker", said))
        return said

    async def _ask(self, chat: list[dict[str, str]], timeout: float | None) -> JSON:
        try:
            reply = await self._bot.ask_again(chat, self._keeper, timeout)
        except Exception:  # noqa: BLE001 - a researcher's function; its failure must not end the talk
            return None
        return None if reply is None else {"id": self.name, "update_id": new_id(), **reply}


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
