"""Where the people of each assignment are who do it together: an index of a run's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mephisto_nb.model.states import AgentStatus

if TYPE_CHECKING:
    from mephisto_nb.model.records import Agent, Unit


@dataclass(frozen=True, slots=True)
class Meeting:
    """Several agents begin an assignment together; `seats` are their ids in order, None where nobody sits."""

    assignment_id: str
    seats: list[str | None]


@dataclass(slots=True)
class Rooms:
    """Seats and waiting people by assignment.

    `seats` are the units of each assignment, and empty in a run whose people work each for themselves. `waiting` are
    the agents who wait for partners, the first to come first; `over` the assignments whose code has come to its end,
    so that nobody is missed any more who leaves.
    """

    seats: dict[str, list[Unit]] = field(default_factory=dict)
    waiting: dict[str, dict[str, None]] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)

    def add_seat(self, unit: Unit) -> None:
        """Note a unit of an assignment; those of no place in the data (gold, screening, late answers) are no seats."""
        if unit.unit_index >= 0:
            self.seats.setdefault(unit.assignment_id, []).append(unit)

    def enter(self, agent: Agent, units: Mapping[str, Unit]) -> None:
        """Note somebody who waits for partners."""
        unit = units.get(agent.unit_id)
        if agent.status is AgentStatus.WAITING and unit is not None and unit.assignment_id in self.seats:
            self.waiting.setdefault(unit.assignment_id, {})[agent.agent_id] = None

    def leave(self, agent: Agent, units: Mapping[str, Unit]) -> None:
        """Undo `enter`, before the agent changes."""
        unit = units.get(agent.unit_id)
        there = self.waiting.get(unit.assignment_id) if unit is not None else None
        if unit is not None and there is not None and there.pop(agent.agent_id, self) is None and not there:
            del self.waiting[unit.assignment_id]
