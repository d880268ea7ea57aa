"""What was said to and by those who are at work: read when a run is taken up, and followed from then on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from mephisto_nb._typing import JSONObject
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import AddLiveUpdate
from mephisto_nb.model.states import AGENT_ACTIVE
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.task_runner import Turn
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.seating import seats_of
from mephisto_nb.rules.step import Step

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
        wanted = _active_and_partners(state)
        if wanted:
            for row in await in_thread(
                self._database.messages.read_live_updates, [self._task_run_id], agent_ids=wanted
            ):
                self._add(row["agent_id"], row["sender"], row["data"])

    def follow(self, step: Step) -> None:
        """Add what a committed step says, and forget those who are done."""
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
        """Give the turns of some agents since they began, or began anew, in the order in which they were recorded."""
        found = [turn for agent_id in agent_ids for turn in self._since_start(agent_id)]
        return sorted(found, key=lambda turn: turn.order)

    def count_starts(self, agent_id: str) -> int:
        """Tell how often an agent has begun with others."""
        return sum(turn.sender == "start" for turn in self._turns.get(agent_id, ()))

    def last_start(self, agent_id: str) -> JSONObject | None:
        """Give with whom an agent began last, if with anybody."""
        starts = [turn.data for turn in self._turns.get(agent_id, ()) if turn.sender == "start"]
        return starts[-1] if starts else None

    def history(self, agent_id: str, step: Step | None = None) -> list[Turn]:
        """Give what was said to an agent's page and by it; with `step`, what that is about to commit as well."""
        turns = [Turn(one.sender, one.data) for one in self._since_start(agent_id) if one.sender in SEEN]
        new = step.changes.changes if step is not None else ()
        added = (one for one in new if isinstance(one, AddLiveUpdate) and one.agent_id == agent_id)
        return turns + [Turn(one.sender, one.data) for one in added if one.sender in SEEN]

    def _since_start(self, agent_id: str) -> list[Entry]:
        turns = self._turns.get(agent_id, [])
        first = max((index for index, turn in enumerate(turns) if turn.sender == "start"), default=0)
        return turns[first:]

    def _add(self, agent_id: str, sender: str, data: JSONObject) -> None:
        self._turns.setdefault(agent_id, []).append(Entry(next(self._count), agent_id, sender, data))


def _active_and_partners(state: RunState) -> list[str]:
    active = [agent for agent in state.agents.values() if agent.status in AGENT_ACTIVE]
    wanted = {agent.agent_id for agent in active}
    rooms = {state.units[agent.unit_id].assignment_id for agent in active if agent.unit_id in state.units}
    if state.rules.partners is not None:
        units = {unit.unit_id for room in rooms for unit in seats_of(state, room)}
        wanted |= {agent.agent_id for agent in state.agents.values() if agent.unit_id in units}
    return sorted(wanted)
