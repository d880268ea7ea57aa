"""What task code hears and says, of one worker or of several together: once, in order, and again after a restart."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ReplayError

if TYPE_CHECKING:
    from mephisto_nb.operations.transcripts import Entry


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing that task code meets with: a worker's message, a time that was over ('timeout'), somebody's leaving."""

    agent_id: str
    kind: str
    data: JSONObject


@dataclass(slots=True, eq=False)
class _Waiter:
    agent_id: str | None
    future: asyncio.Future[Heard]

    def wants(self, heard: Heard) -> bool:
        """Tell whether this is for whoever waits: for one agent, or for all (who have a clock of their own)."""
        if self.agent_id is None:
            return heard.kind != "timeout" or heard.data.get("of") == "all"
        return heard.agent_id == self.agent_id and heard.data.get("of") != "all"


@dataclass(slots=True)
class Talk:
    """The inbox of one call of task code.

    What was heard and said before a restart is here from the start. `said` holds, by agent, what was said and is not
    said again yet; `kept` what functions gave, by agent and call; `ahead` what was heard ahead of its record;
    `taken` how much task code has heard, of each agent and of all (None).
    """

    said: dict[str, list[JSONObject]] = field(default_factory=dict)
    kept: dict[tuple[str, str], JSON] = field(default_factory=dict)
    ahead: dict[tuple[str, str], asyncio.Future[None]] = field(default_factory=dict)
    taken: dict[str | None, int] = field(default_factory=dict)
    _inbox: deque[Heard] = field(default_factory=deque)
    _waiters: list[_Waiter] = field(default_factory=list)

    def remember(self, turns: Iterable[Entry]) -> None:
        """Take in what was heard and said before a restart."""
        for turn in turns:
            match turn.sender:
                case "operator":
                    self.said.setdefault(turn.agent_id, []).append(turn.data)
                case "once":
                    self.kept[turn.agent_id, turn.data["call"]] = turn.data["value"]
                case "timeout":
                    self._insert_timeout(Heard(turn.agent_id, "timeout", turn.data))
                case "worker" | "left":
                    self._inbox.append(Heard(turn.agent_id, turn.sender, turn.data))

    def put(self, heard: Heard) -> None:
        """Hand something to whoever waits for it, or keep it until somebody does."""
        for waiter in self._waiters:
            if waiter.wants(heard) and not waiter.future.done():
                self._waiters.remove(waiter)
                waiter.future.set_result(heard)
                return
        self._inbox.append(heard)

    async def get(self, agent_id: str | None) -> Heard:
        """Wait for the next thing to hear of one agent, or of any (None)."""
        waiter = _Waiter(agent_id, asyncio.get_running_loop().create_future())
        found = next((heard for heard in self._inbox if waiter.wants(heard)), None)
        if found is not None:
            self._inbox.remove(found)
            return self._note(found)
        self._waiters.append(waiter)
        try:
            return self._note(await waiter.future)
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif waiter.future.done() and not waiter.future.cancelled():
                self._inbox.appendleft(waiter.future.result())
            raise

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

    def _note(self, heard: Heard) -> Heard:
        if heard.kind in ("worker", "left"):
            for key in (heard.agent_id, None):
                self.taken[key] = self.taken.get(key, 0) + 1
        return heard

    def _insert_timeout(self, timeout: Heard) -> None:
        """Put a time that was over behind as many messages as had been heard by then."""
        after, is_all = int(timeout.data.get("after", 0)), timeout.data.get("of") == "all"
        for index, heard in enumerate(self._inbox):
            if heard.kind == "timeout" or not (is_all or heard.agent_id == timeout.agent_id):
                continue
            after -= 1
            if after < 0:
                self._inbox.insert(index, timeout)
                return
        self._inbox.append(timeout)


def _is_same(said: JSONObject, data: JSONObject) -> bool:
    plain = json.loads(json.dumps(data))
    if "update_id" not in plain:
        said = {name: value for name, value in said.items() if name != "update_id"}
    return bool(said == plain)


def _short(data: JSONObject) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
