"""What is said in live tasks: the record of each agent, and what task code has yet to hear of it.

`Transcripts` follows the record of those who are at work. A `Talk` hands it to one call of task code: each thing once,
in order, and again after a restart. Task code may have heard things in another order than they are recorded in: ahead
of their record, or a program's words between. That is noted with what is said next, so that a replay is exact.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ReplayError
from mephisto_nb.kernel.talk.voices import HEARD_AS, Spoken, without_mark
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import AddLiveUpdate
from mephisto_nb.model.states import AGENT_ACTIVE
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.task_runner import Turn
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.seating import seats_of
from mephisto_nb.rules.step import Step

#: Of how many agents the records are read together.
_AT_A_TIME = 200
#: Of an agent's record, these turns are for its page.
SEEN = frozenset({"worker", "operator", "notice"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of an agent's record; `order` counts over all agents."""

    order: int
    agent_id: str
    sender: str
    data: JSONObject


class Transcripts:
    """The records of the agents at work, and of those who sat with them.

    Parameters
    ----------
    task_run_id, database
        The run, and where it is kept.
    """

    def __init__(self, task_run_id: str, database: Database) -> None:
        self._task_run_id, self._database = task_run_id, database
        self._turns: dict[str, list[Entry]] = {}
        self._count = count(1)

    async def load(self, state: RunState) -> None:
        """Read the records of those who are at work, before anything new happens."""
        wanted, newest = _active_and_partners(state), 0
        for start in range(0, len(wanted), _AT_A_TIME):
            async for row in self._read(wanted[start : start + _AT_A_TIME]):
                turn = Entry(row["id"], row["agent_id"], row["sender"], row["data"])
                self._turns.setdefault(turn.agent_id, []).append(turn)
                newest = max(newest, turn.order)
        self._count = count(newest + 1)

    def follow(self, step: Step) -> None:
        """Add what a committed step says, and forget those who are done. Called by `TaskCode` for each step."""
        for change in step.changes.changes:
            if isinstance(change, AddLiveUpdate):
                self._add(change.agent_id, change.sender, change.data)
        for agent in step.ended:
            unit = step.state.units.get(agent.unit_id)
            seats = seats_of(step.state, unit.assignment_id) if unit is not None else []
            partners = {seat.agent_id for seat in seats} | {agent.agent_id}
            held = [step.state.agents.get(agent_id or "") for agent_id in partners]
            if not any(one is not None and one.status in AGENT_ACTIVE for one in held):
                for agent_id in partners:
                    self._turns.pop(agent_id or "", None)

    def of(self, agent_ids: Iterable[str]) -> list[Entry]:
        """Return the turns of some agents since they began, or began anew, in the order in which they were recorded."""
        found = [turn for agent_id in agent_ids for turn in self._since_start(agent_id)]
        return sorted(found, key=lambda turn: turn.order)

    def count_starts(self, agent_id: str) -> int:
        """Return how often an agent has begun with others."""
        return sum(turn.sender == "start" for turn in self._turns.get(agent_id, ()))

    def last_start(self, agent_id: str) -> JSONObject | None:
        """Return with whom an agent began last, if with anybody."""
        starts = [turn.data for turn in self._turns.get(agent_id, ()) if turn.sender == "start"]
        return starts[-1] if starts else None

    def history(self, agent_id: str, step: Step | None = None) -> list[Turn]:
        """Return what was said to an agent's page and by it; with `step`, what that is about to commit as well."""
        new = step.changes.changes if step is not None else ()
        added = [one for one in new if isinstance(one, AddLiveUpdate) and one.agent_id == agent_id]
        all_said: list[Entry | AddLiveUpdate] = [*self._since_start(agent_id), *added]
        said = [(one.sender, one.data) for one in all_said if one.sender in SEEN]
        own = {data[HEARD_AS] for sender, data in said if sender == "worker" and HEARD_AS in data}
        # A page that was sent its own word back dropped it, so it is not shown twice later.
        return [
            Turn(sender, without_mark(data))
            for sender, data in said
            if sender == "worker" or data.get("update_id") not in own
        ]

    async def _read(self, agent_ids: Sequence[str]) -> AsyncIterator[JSONObject]:
        """Yield the records of some agents page by page: all together may be more than can be held twice."""
        read, last = partial(self._database.messages.read_history, self._task_run_id, agent_ids), 0
        while page := await in_thread(read, after=last):
            for row in page:
                yield row
            last = page[-1]["id"]

    def _since_start(self, agent_id: str) -> list[Entry]:
        turns = self._turns.get(agent_id, [])
        first = max((index for index, turn in enumerate(turns) if turn.sender == "start"), default=0)
        return turns[first:]

    def _add(self, agent_id: str, sender: str, data: JSONObject) -> None:
        self._turns.setdefault(agent_id, []).append(Entry(next(self._count), agent_id, sender, data))


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
        """Return whether this is for whoever waits: for one agent, or for all (who have a clock of their own)."""
        if self.agent_id is None:
            return heard.kind != "timeout" and self.noted in (None, heard.agent_id)
        return heard.agent_id == self.agent_id


@dataclass(slots=True)
class Talk:
    """The inbox of one call of task code.

    What was heard and said before a restart is here from the start. `pending_actions` is what came in and was not heard
    yet; `said` holds, by agent, what was said and is not said again yet; `kept` what functions gave, by agent and call,
    and `asked_after` how much a program had been told when it was asked; `taken` how much task code has heard of each
    agent.
    """

    pending_actions: deque[Heard] = field(default_factory=deque)
    said: dict[str, list[JSONObject]] = field(default_factory=dict)
    kept: dict[tuple[str, str], JSON] = field(default_factory=dict)
    asked_after: dict[tuple[str, str], int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    #: Whose word the messages are that were heard, by the ids that they have here.
    spoken: dict[str, Spoken] = field(default_factory=dict)
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
                    self.pending_actions.append(Heard(turn.agent_id, turn.sender, turn.data, self._next_order()))

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

    @property
    def num_ahead(self) -> int:
        """How many messages went ahead of their record, which is not there yet, and is waited for."""
        return sum(not waiting.done() for _, waiting in self._ahead.values())

    def is_known(self, agent_id: str, update_id: str | None) -> bool:
        """Note that a message is recorded; return whether it was heard ahead of that."""
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
        """Return a future that is done once task code has heard all that somebody said, and waits for more."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiters and not self._owes(agent_id):
            future.set_result(None)
        else:
            self._leaving.append((agent_id, future))
        return future

    # -- what is heard -------------------------------------------------------------------------------------------

    async def get(self, agent_id: str | None) -> Heard:
        """Wait for the next thing to hear of one agent, or of any (None), and take it out of `pending_actions`."""
        for leaving, future in self._leaving:
            if not self._owes(leaving):
                _let_go(future)
        noted = self._noted.get(self._number + 1) if agent_id is None else None
        if noted == _NOBODY:
            self.count_timeout()
            return Heard(_NOBODY, "timeout", {})
        waiter = _Waiter(agent_id, asyncio.get_running_loop().create_future(), noted)
        found = next((heard for heard in self.pending_actions if waiter.wants(heard)), None)
        if found is not None:
            self.pending_actions.remove(found)
            return self._note(found, agent_id)
        self._waiters.append(waiter)
        try:
            return self._note(await waiter.future, agent_id)
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif waiter.future.done() and not waiter.future.cancelled():
                self.pending_actions.appendleft(waiter.future.result())
            raise

    def has_next(self, agent_id: str | None) -> bool:
        """Return whether there is something to hear of one agent, or of any (None)."""
        return any(heard.agent_id == agent_id or agent_id is None for heard in self.pending_actions)

    @property
    def is_noted(self) -> bool:
        """Whether it is known what is heard next of all, so that no time may be over before."""
        return self._number + 1 in self._noted

    def count_timeout(self) -> int:
        """Count a time that was over for all among what was heard of all; return its number."""
        self._number += 1
        return self._number

    def take_notes(self) -> list[JSONObject]:
        """Return what has to be known, besides the record, of what was heard since this was last asked for."""
        fresh, self._fresh = self._fresh, []
        notes: list[JSONObject] = []
        for place, (number, heard) in enumerate(fresh):
            later = [*(one for _, one in fresh[place + 1 :]), *self.pending_actions]
            is_early = heard.kind == "bot" or any(one.order < heard.order for one in later)
            if number and number not in self._noted and is_early:
                notes.append({"number": number, "of": heard.agent_id})
        return notes

    # -- what is said --------------------------------------------------------------------------------------------

    def say_again(self, agent_id: str, data: JSONObject) -> bool:
        """Return whether something was said before the restart, so that it must not be said once more.

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
        self.pending_actions.append(heard)

    def _next_order(self) -> int:
        self._recorded += 1
        return self._recorded

    def _owes(self, agent_id: str) -> bool:
        return any(heard.agent_id == agent_id and heard.kind == "worker" for heard in self.pending_actions)

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
        for index, heard in enumerate(self.pending_actions):
            if heard.kind == "timeout" or heard.agent_id != timeout.agent_id:
                continue
            after -= 1
            if after < 0:
                self.pending_actions.insert(index, timeout)
                return
        self.pending_actions.append(timeout)


def _active_and_partners(state: RunState) -> list[str]:
    active = [agent for agent in state.agents.values() if agent.status in AGENT_ACTIVE]
    wanted = {agent.agent_id for agent in active}
    rooms = {state.units[agent.unit_id].assignment_id for agent in active if agent.unit_id in state.units}
    if state.rules.partners is not None:
        units = {unit.unit_id for room in rooms for unit in seats_of(state, room)}
        wanted |= {agent.agent_id for agent in state.agents.values() if agent.unit_id in units}
    return sorted(wanted)


def _let_go(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _is_same(said: JSONObject, data: JSONObject) -> bool:
    # What a message is called is no part of what was said; an earlier version may have called it otherwise.
    now, then = ({**one, "update_id": None} for one in (json.loads(json.dumps(data)), said))
    return bool(now == then)


def _short(data: JSONObject) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
