"""A run at one moment: what the parts of its state are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mephisto_nb.display.dashboard.statistics import RunStatistics
from mephisto_nb.model.records import Agent
from mephisto_nb.model.states import AGENT_LEFT, GATE_INDEXES, UNIT_ANSWERED, UNIT_OPEN, AgentStatus, UnitStatus

if TYPE_CHECKING:
    from mephisto_nb.run import LiveTaskRun

#: Who takes so many times as long as half of all others do is called slow; but nobody before so many seconds.
SLOW, NEVER_SLOW = 3.0, 60.0
#: How long a link may be away before that is told (seconds).
LINK_AWAY = 10.0
#: From how many answers on somebody can be called slow.
_ENOUGH = 5
_GATES = {index: gate.value for gate, index in GATE_INDEXES.items()}


@dataclass(slots=True)
class Moment:
    """A run at `now` (epoch seconds). `live` is None for a run that is only looked up."""

    now: float
    status: str
    statistics: RunStatistics
    live: LiveTaskRun | None
    page_errors: Counter[str]

    @property
    def task_run_id(self) -> str:
        """The run's id."""
        return self.statistics.state.task_run_id

    @property
    def counts(self) -> Mapping[UnitStatus, int]:
        """How many units have which status."""
        return self.statistics.counts

    def count(self, *statuses: UnitStatus) -> int:
        """Count the units in these statuses."""
        return sum(self.statistics.counts.get(status, 0) for status in statuses)

    @property
    def num_answered(self) -> int:
        """How many units have an answer."""
        return self.count(*UNIT_ANSWERED)

    @property
    def num_open(self) -> int:
        """How many units may still be answered."""
        return self.count(UnitStatus.CREATED, UnitStatus.LAUNCHED, UnitStatus.ASSIGNED)

    @property
    def hands_out(self) -> bool:
        """Whether workers who come can get work now."""
        return self.status == "live"

    @property
    def away_since(self) -> float | None:
        """Since when the router has not been reached, long enough to be told; None: it is, or is not needed."""
        run = self.live
        if run is None or not run.is_running or run.done.is_set():
            return None  # a run whose units are done lets its router go
        since = run.parts.link.away_since
        return since if since is not None and self.now - since > LINK_AWAY else None

    @property
    def slow_after(self) -> float | None:
        """After how many seconds at work somebody is slow; None while that cannot be told."""
        median, known = self.statistics.seconds.value, len(self.statistics.seconds)
        return None if median is None or known < _ENOUGH else max(SLOW * median, NEVER_SLOW)

    def share_left(self, status: AgentStatus) -> float | None:
        """Tell the share of those who left in this way, among all who answered or left by themselves."""
        left = self.statistics.left
        ended = self.num_ended
        return left[status] / ended if ended else None

    @property
    def num_ended(self) -> int:
        """How many workers have answered, or left of their own: those whom the researcher sent home do not count."""
        left = self.statistics.left
        return self.statistics.num_answered + sum(left[status] for status in AGENT_LEFT - {AgentStatus.EXPIRED})

    @property
    def num_waiting(self) -> int:
        """How many workers wait for a partner."""
        return sum(agent.status is AgentStatus.WAITING for agent in self.statistics.at_work.values())

    @property
    def num_with_errors(self) -> int:
        """How many workers met an error in their page."""
        agents = self.statistics.state.agents
        return len({agents[id_].worker_id if id_ in agents else id_ for id_ in self.page_errors})

    def is_open(self, unit_id: str) -> bool:
        """Tell whether a unit may still be answered."""
        return self.statistics.state.units[unit_id].status in UNIT_OPEN

    def name_of(self, agent: Agent) -> str:
        """Give the name of an agent's worker."""
        return self.statistics.state.worker_names.get(agent.worker_id, agent.worker_id)

    def label_of(self, unit_id: str) -> str:
        """Give the short name of a unit: the index of its assignment, and its own where there are several."""
        state = self.statistics.state
        unit = state.units[unit_id]
        if not unit.is_real:
            return _GATES.get(unit.unit_index, "extra")
        assignment = state.assignments[unit.assignment_id]
        several = len(assignment.unit_data) > 1 or unit.unit_index
        return f"#{assignment.index}.{unit.unit_index}" if several else f"#{assignment.index}"
