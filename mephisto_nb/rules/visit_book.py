"""What one live run knows of its visits: who is in one, how far it is, and what of them is still to be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.records import Agent
from mephisto_nb.model.states import AGENT_ACTIVE
from mephisto_nb.model.visits import UnvouchedArrival, Visit

#: A visit that ended in one of these ways, with nothing sent, is none that its worker has had.
_UNUSED = frozenset({Outcome.QUOTA_FULL, Outcome.NO_CONSENT, Outcome.TIMED_OUT, Outcome.RETURNED})


@dataclass(slots=True)
class VisitBook:
    """The visits of a run in memory. Changed only by `rules.visit_steps`, and by `RunState` as agents come and send."""

    visits: dict[str, Visit] = field(default_factory=dict)
    #: The newest visit of a worker's registration. Registrations can be guessed, so each worker has their own.
    by_registration: dict[tuple[str, str], str] = field(default_factory=dict)
    of_worker: dict[str, list[str]] = field(default_factory=dict)
    #: The ids of those that have not ended.
    open: dict[str, None] = field(default_factory=dict)
    #: The ids of a visit's agents, in the order in which they came.
    agents: dict[str, list[str]] = field(default_factory=dict)
    #: The newest agent of a visit.
    newest: dict[str, Agent] = field(default_factory=dict)
    #: Those that have ended, and of which the crowd was not told yet.
    untold: dict[str, None] = field(default_factory=dict)
    #: Those whose end no page has heard of since this kernel took the run up.
    unheard: set[str] = field(default_factory=set)
    #: Pages that wait until their crowd was asked about them.
    unvouched: dict[str, UnvouchedArrival] = field(default_factory=dict)
    _deadlines: list[tuple[float, str]] = field(default_factory=list)

    # -- keeping it ------------------------------------------------------------------------------------------

    def add(self, visit: Visit) -> None:
        """Take a visit in, open or ended."""
        self.visits[visit.visit_id] = visit
        self.by_registration[visit.worker_id, visit.registration_id] = visit.visit_id
        self.of_worker.setdefault(visit.worker_id, []).append(visit.visit_id)
        if visit.ended_at is None:
            self.open[visit.visit_id] = None
            self.index_deadline(visit)
        elif visit.told_at is None:
            self.untold[visit.visit_id] = None

    def index_deadline(self, visit: Visit) -> None:
        """Have a visit found by its deadline."""
        heappush(self._deadlines, (visit.deadline, visit.visit_id))

    def close(self, visit: Visit) -> None:
        """Note that a visit has ended."""
        self.open.pop(visit.visit_id, None)
        self.untold[visit.visit_id] = None
        self.unheard.add(visit.visit_id)

    def add_agent(self, agent: Agent) -> None:
        """Take an agent in that belongs to a visit."""
        if agent.visit_id is None or (visit := self.visits.get(agent.visit_id)) is None:
            return
        self.agents.setdefault(visit.visit_id, []).append(agent.agent_id)
        newest = self.newest.get(visit.visit_id, agent)
        if (newest.accepted_at, newest.agent_id) <= (agent.accepted_at, agent.agent_id):
            self.newest[visit.visit_id] = agent
        if agent.submitted_at is not None:
            visit.done += 1

    def load(self, visits: Iterable[Visit], unvouched: Iterable[UnvouchedArrival]) -> None:
        """Take in what is stored; called before any agent is."""
        for visit in visits:
            self.add(visit)
        self.unvouched = {one.request_id: one for one in unvouched}

    # -- asking ----------------------------------------------------------------------------------------------

    def find(self, worker_id: str, registration_id: str, *, by_worker: bool) -> Visit | None:
        """Return the visit of a registration; or (`by_worker`) the open one of its worker, if it has none itself."""
        found = self.visits.get(self.by_registration.get((worker_id, registration_id), ""))
        if found is None and by_worker:
            found = next(self.open_of(worker_id), None)
        return found

    def open_of(self, worker_id: str) -> Iterator[Visit]:
        """Return the visits that a worker is in."""
        return (self.visits[id_] for id_ in list(self.of_worker.get(worker_id, ())) if id_ in self.open)

    def agent_at_work(self, visit: Visit) -> Agent | None:
        """Return the agent of a visit that is at work."""
        agent = self.newest.get(visit.visit_id)
        return agent if agent is not None and agent.status in AGENT_ACTIVE else None

    def num_used(self, worker_id: str) -> int:
        """Count the visits that a worker has had, or is in: those left without anything sent do not count."""
        visits = (self.visits[id_] for id_ in self.of_worker.get(worker_id, ()))
        return sum(1 for visit in visits if visit.done or visit.outcome not in _UNUSED)

    def overdue(self, now: float) -> Iterator[Visit]:
        """Return the open visits whose time is over, earliest first."""
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, id_ = heappop(self._deadlines)
            if self._is_due_at(id_, deadline):
                yield self.visits[id_]

    def next_deadline(self) -> float | None:
        """Return the earliest time at which the time of a visit is over."""
        while self._deadlines and not self._is_due_at(self._deadlines[0][1], self._deadlines[0][0]):
            heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def _is_due_at(self, id_: str, deadline: float) -> bool:
        return id_ in self.open and self.visits[id_].deadline == deadline
