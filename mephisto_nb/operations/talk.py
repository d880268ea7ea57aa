"""What task code hears and says, of one worker or of several together: once, in order, and again after a restart.

What is recorded has the order of the record, and task code may have heard it otherwise: ahead of its record, or a
program's words between. Where it did, that is noted with what is said next, so that a replay is exact.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ReplayError

if TYPE_CHECKING:
    from mephisto_nb.kernel.talk.transcripts import Entry

#: Of whom a time that was over for all is noted.
_NOBODY = ""


@dataclass(slots=True, eq=False)
class Heard:
    """One thing that task code meets with: a worker's message, a time that was over ('timeout'), somebody's leaving.

    `order` is its place in the record; infinite for what is not recorded, or not yet.
    """

    agent_id: str
    kind: str
    data: JSONObject
    order: float = math.inf


@dataclass(slots=True, eq=False)
class _Waiter:
    """Who waits for one agent, or for any (None); after a restart, for the one that was heard then."""

    agent_id: str | None
    future: asyncio.Future[Heard]
    noted: str | None = None

    def wants(self, heard: Heard) -> bool:
        """Tell whether this is for whoever waits: for one agent, or for all (who have a clock of their own)."""
        if self.agent_id is None:
            return heard.kind != "timeout" and self.noted in (None, heard.agent_id)
        return heard.agent_id == self.agent_id


@dataclass(slots=True)
class Talk:
    """The inbox of one call of task code.

    What was heard and said before a restart is here from the start. `said` holds, by agent, what was said and is not
    said again yet; `kept` what functions gave, by agent and call, and `asked_after` how much a program had been told
    when it was asked; `taken` how much task code has heard of each agent.
    """

    said: dict[str, list[JSONObject]] = field(default_factory=dict)
    kept: dict[tuple[str, str], JSON] = field(default_factory=dict)
    asked_after: dict[tuple[str, str], int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    _inbox: deque[Heard] = field(default_factory=deque)
    _waiters: list[_Waiter] = field(default_factory=list)
    #: What was heard ahead of its record, and what to wait for until it is there.
    _ahead: dict[tuple[str, str], tuple[Heard, asyncio.Future[None]]] = field(default_factory=dict)
    #: Who leaves, and whoever waits until all that they said was heard.
    _leaving: list[tuple[str, asyncio.Future[None]]] = field(default_factory=list)
    #: How many things are recorded, and heard of all; of whom, by that number, where the record says otherwise.
    _recorded: int = 0
    _number: int = 0
    _noted: dict[int, str] = field(default_factory=dict)
    #: What was heard since the last notes, with its number (0: of one agent).
    _fresh: list[tuple[int, Heard]] = field(default_factory=list)

    def remember(self, turns: Iterable[Entry]) -> None:
        """Take in what was heard and said before a restart."""
        for turn in turns:
            match turn.sender:
                case "operator":
                    self.said.setdefault(turn.agent_id, []).append(turn.data)
                case "once":
                    key = turn.agent_id, turn.data["call"]
                    self.kept[key] = turn.data["value"]
                    self.asked_after[key] = turn.data.get("after", 0)
                case "heard":
                    self._noted[turn.data["number"]] = turn.data["of"]
                case "timeout" if turn.data.get("of") == "all":
                    self._noted[turn.data["number"]] = _NOBODY
                case "timeout":
                    self._insert_timeout(Heard(turn.agent_id, "timeout", turn.data))
                case "worker" | "left":
                    self._inbox.append(Heard(turn.agent_id, turn.sender, turn.data, self._next_order()))

    # -- what comes ----------------------------------------------------------------------------------------------

    def put(self, heard: Heard) -> None:
        """Take in what is recorded, or what a program says."""
        if heard.kind != "bot":
            heard.order = self._next_order()
        self._hand_over(heard)

    def put_ahead(self, heard: Heard, update_id: str) -> None:
        """Take in what is not recorded yet."""
        self._ahead[heard.agent_id, update_id] = heard, asyncio.get_running_loop().create_future()
        self._hand_over(heard)

    def is_known(self, agent_id: str, update_id: str | None) -> bool:
        """Note that a message is recorded; tell whether it was heard ahead of that."""
        heard, waiting = self._ahead.pop((agent_id, update_id or ""), (None, None))
        if heard is None or waiting is None:
            return False
        heard.order = self._next_order()
        _let_go(waiting)
        return True

    def wait_no_longer(self, agent_id: str, update_id: str | None = None) -> None:
        """Let nobody wait for the record of one message, or of all, that went ahead: it may never come."""
        for (id_, named), (_, waiting) in self._ahead.items():
            if id_ == agent_id and update_id in (None, named):
                _let_go(waiting)

    async def all_recorded(self) -> None:
        """Wait until what went ahead is recorded."""
        if self._ahead:
            await asyncio.wait([waiting for _, waiting in self._ahead.values()])

    def heard_out(self, agent_id: str) -> asyncio.Future[None]:
        """Give what is done once task code has heard all that somebody said, and waits for more: now, or later."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiters and not self._owes(agent_id):
            future.set_result(None)
        else:
            self._leaving.append((agent_id, future))
        return future

    # -- what is heard -------------------------------------------------------------------------------------------

    async def get(self, agent_id: str | None) -> Heard:
        """Wait for the next thing to hear of one agent, or of any (None)."""
        for leaving, future in self._leaving:
            if not self._owes(leaving):
                _let_go(future)
        noted = self._noted.get(self._number + 1) if agent_id is None else None
        if noted == _NOBODY:
            self.count_timeout()
            return Heard(_NOBODY, "timeout", {})
        waiter = _Waiter(agent_id, asyncio.get_running_loop().create_future(), noted)
        found = next((heard for heard in self._inbox if waiter.wants(heard)), None)
        if found is not None:
            self._inbox.remove(found)
            return self._note(found, agent_id)
        self._waiters.append(waiter)
        try:
            return self._note(await waiter.future, agent_id)
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif waiter.future.done() and not waiter.future.cancelled():
                self._inbox.appendleft(waiter.future.result())
            raise

    @property
    def is_noted(self) -> bool:
        """Whether it is known what is heard next of all, so that no time may be over before."""
        return self._number + 1 in self._noted

    def count_timeout(self) -> int:
        """Count a time that was over for all among what was heard of all; give its number."""
        self._number += 1
        return self._number

    def take_notes(self) -> list[JSONObject]:
        """Give what has to be known, besides the record, of what was heard since this was last asked for."""
        fresh, self._fresh = self._fresh, []
        notes: list[JSONObject] = []
        for place, (number, heard) in enumerate(fresh):
            later = [*(one for _, one in fresh[place + 1 :]), *self._inbox]
            is_early = heard.kind == "bot" or any(one.order < heard.order for one in later)
            if number and number not in self._noted and is_early:
                notes.append({"number": number, "of": heard.agent_id})
        return notes

    # -- what is said --------------------------------------------------------------------------------------------

    def say_again(self, agent_id: str, data: JSONObject) -> bool:
        """Tell whether something was said before the restart, so that it must not be said once more.

        Raises
        ------
        ReplayError
            Something else was said then.
        """
        left = self.said.get(agent_id)
        if not left:
            return False
        for index, said in enumerate(left):
            if _is_same(said, data):
                del left[index]
                return True
        raise ReplayError(
            f"The task's code was started again after a restart, and says {_short(data)} where it had said "
            f"{_short(left[0])}. Reconnect with the code that the conversation began with; what depends on chance, on "
            "the time or on the outside goes through `await agent.once(function)`."
        )

    def _hand_over(self, heard: Heard) -> None:
        for waiter in self._waiters:
            if waiter.wants(heard) and not waiter.future.done():
                self._waiters.remove(waiter)
                waiter.future.set_result(heard)
                return
        self._inbox.append(heard)

    def _next_order(self) -> int:
        self._recorded += 1
        return self._recorded

    def _owes(self, agent_id: str) -> bool:
        return any(heard.agent_id == agent_id and heard.kind == "worker" for heard in self._inbox)

    def _note(self, heard: Heard, agent_id: str | None) -> Heard:
        if heard.kind in ("worker", "left"):
            self.taken[heard.agent_id] = self.taken.get(heard.agent_id, 0) + 1
        if agent_id is None:
            self._number += 1
        self._fresh.append((self._number if agent_id is None else 0, heard))
        return heard

    def _insert_timeout(self, timeout: Heard) -> None:
        """Put a time that was over for one behind as many of their messages as had been heard by then."""
        after = int(timeout.data.get("after", 0))
        for index, heard in enumerate(self._inbox):
            if heard.kind == "timeout" or heard.agent_id != timeout.agent_id:
                continue
            after -= 1
            if after < 0:
                self._inbox.insert(index, timeout)
                return
        self._inbox.append(timeout)


def _let_go(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _is_same(said: JSONObject, data: JSONObject) -> bool:
    plain = json.loads(json.dumps(data))
    if "update_id" not in plain:
        said = {name: value for name, value in said.items() if name != "update_id"}
    return bool(said == plain)


def _short(data: JSONObject) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
