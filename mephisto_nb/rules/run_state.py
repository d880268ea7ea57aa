"""One live run in memory: what the rules look at, and change, before the database hears of it.

`state_from_snapshot` brings a stored run back to memory.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from mephisto_nb.model.gates import OnboardingAgent, StoredGates
from mephisto_nb.model.money import Money
from mephisto_nb.model.qualifications import Requirement
from mephisto_nb.model.records import (
    AS_LAUNCHED,
    UNTOLD,
    Agent,
    Assignment,
    KnownPayment,
    RunSnapshot,
    Service,
    Steering,
    Unit,
    Worker,
)
from mephisto_nb.model.states import AGENT_ACTIVE, AGENT_LEFT, UNIT_ANSWERED, UNIT_OPEN, AgentStatus, UnitStatus
from mephisto_nb.model.task_run_args import PartnerRules, unit_share
from mephisto_nb.model.visits import VisitRules
from mephisto_nb.rules.gates._base import NO_GATES, GateRules
from mephisto_nb.rules.gates.state import GateBook, gate_of
from mephisto_nb.rules.shares import Hearing
from mephisto_nb.rules.visit_book import VisitBook


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
        """Note a unit of an assignment; those of no place in the data (of gates, late answers) are no seats."""
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


#: A run that expires is no worker's doing.
_OWN_WAYS_TO_LEAVE = AGENT_LEFT - {AgentStatus.EXPIRED}

CanDoUnit = Callable[[Worker, Unit, Assignment], bool]


@dataclass(frozen=True, slots=True)
class RunRules:
    """The limits of one run; the durations are in seconds (see `TaskRunArgs`)."""

    provider_type: str
    #: What one unit pays: where there are visits, its part of `task_reward`, to a thousandth of the smallest unit.
    pay_amount: Money = Money(0)
    #: What those are owed who have waited for partners in vain.
    waiting_pay: Money = Money(0)
    assignment_duration: float = 1800.0
    submission_timeout: float = 600.0
    #: Of the run itself, where its researcher has set one; 0: it ends when all is done, or somebody ends it.
    lifetime: float = 0.0
    patience: float = 0.0
    allowed_concurrent: int = 0
    #: Where that is 0: one person holds such a part of the open units at once, as 10 for a tenth; 0: any number.
    part_of_open: int = 0
    maximum_units_per_worker: int = 0
    max_num_concurrent_units: int = 0
    requirements: tuple[Requirement, ...] = ()
    can_do_unit: CanDoUnit | None = None
    #: How several people do an assignment together; None: each works alone.
    partners: PartnerRules | None = None
    gates: GateRules = NO_GATES
    #: Whether a page that is opened again after its answer says so; if not, whether its registration gets another unit.
    page_knows_its_end: bool = True
    serves_again: bool = False
    #: Whether each worker comes by a link that nobody else has, so that they are the same person on any device.
    has_own_links: bool = False
    #: The fields that the page asks for; None: nobody can tell.
    asked: frozenset[str] | None = None
    #: What a visit pays; None: what a unit does.
    task_reward: Money | None = None
    #: What visits are; None: there are none, each unit is taken by itself.
    visits: VisitRules | None = None
    #: Tells, by a worker's name, whether too little is known yet for their decision; None: it never is.
    is_undecided: Callable[[str], bool] | None = None

    def unit_pay(self, task_reward: Money) -> Money:
        """Return what one unit pays: its part of what a visit does."""
        return task_reward if self.visits is None else unit_share(task_reward, self.visits.units)

    @property
    def currency(self) -> str:
        """The currency of all that the run pays."""
        return self.pay_amount.currency

    @property
    def visit_pay(self) -> Money:
        """What a visit pays, where there are such; else what a unit does."""
        return self.pay_amount if self.task_reward is None else self.task_reward

    def steered(self, steering: Steering) -> RunRules:
        """Return these rules with the limits that were changed since the launch."""
        concurrent, per_worker = steering.max_num_concurrent_units, steering.maximum_units_per_worker
        return replace(
            self,
            pay_amount=self.pay_amount if steering.task_reward is None else self.unit_pay(steering.task_reward),
            task_reward=self.task_reward if steering.task_reward is None else steering.task_reward,
            max_num_concurrent_units=self.max_num_concurrent_units if concurrent is None else concurrent,
            maximum_units_per_worker=self.maximum_units_per_worker if per_worker is None else per_worker,
        )


class PayCounts(Counter[tuple[UnitStatus, Money]]):
    """How many units of a status are paid how much."""

    def enter(self, unit: Unit) -> None:
        """Count a unit."""
        self[unit.status, unit.pay_amount] += 1

    def remove(self, unit: Unit) -> None:
        """Count a unit no longer, before its status or its pay changes."""
        self[unit.status, unit.pay_amount] -= 1


@dataclass(slots=True)
class RunState:
    """Assignments, units and agents of one run, with the indexes that keep each rule's cost flat.

    Change units and agents only through `Step`, which keeps the indexes, the event log and the database in
    step with them. `rules` are those in force: what `steering` says, and for the rest those of the launch.
    Units of gates are in `units` as well, but counted in `gates` and `pay` alone.
    """

    task_run_id: str
    rules: RunRules
    opened_at: float
    generator_done: bool = False
    last_seq: int = 0
    last_n: int = 0
    last_submission_at: float | None = None
    ended_at: float | None = None
    steering: Steering = AS_LAUNCHED
    service: Service = UNTOLD
    assignments: dict[str, Assignment] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    #: Workers who came for the first time since the run was read, by name.
    new_workers: dict[str, Worker] = field(default_factory=dict)
    #: The newest agent of a worker's registration. Registrations can be guessed, so each worker has their own.
    by_registration: dict[tuple[str, str], str] = field(default_factory=dict)
    #: Units waiting to be launched, in order; ids of units that were not expired since.
    created: deque[str] = field(default_factory=deque)
    #: Launched units by assignment, oldest first: what an arriving worker can get.
    launched: dict[str, list[str]] = field(default_factory=dict)
    #: The names of those who ever took a unit, by worker.
    worker_names: dict[str, str] = field(default_factory=dict)
    #: Who holds, or has answered, how many units of an assignment: two, after a late answer.
    workers_of: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    active_agents: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    units_of_worker: Counter[str] = field(default_factory=Counter)
    #: How many units a worker has given back, or left in another way of their own.
    left_by_worker: Counter[str] = field(default_factory=Counter)
    #: What each worker may still say; it begins anew when the run is read.
    hearing: dict[str, Hearing] = field(default_factory=dict)
    counts: Counter[UnitStatus] = field(default_factory=Counter)
    pay: PayCounts = field(default_factory=PayCounts)
    rooms: Rooms = field(default_factory=Rooms)
    #: What was booked for workers, by the payment's key; how it stands is as of when the run was read, or of its steps.
    payments: dict[str, KnownPayment] = field(default_factory=dict)
    gates: GateBook = field(default_factory=GateBook)
    visits: VisitBook = field(default_factory=VisitBook)
    _deadlines: list[tuple[float, str]] = field(default_factory=list)
    _launch_rules: RunRules = field(init=False)

    def __post_init__(self) -> None:
        self._launch_rules = self.rules
        self.steer(self.steering)

    def steer(self, steering: Steering) -> None:
        """Put what was changed since the launch in force."""
        self.steering, self.rules = steering, self._launch_rules.steered(steering)

    @property
    def closing(self) -> str | None:
        """Why nothing more is handed out; None: it is."""
        return self.steering.closing

    # -- filling ---------------------------------------------------------------------------------------------

    def add_unit(self, unit: Unit) -> None:
        """Take a unit in, in whatever status it is."""
        self.units[unit.unit_id] = unit
        if self.rules.partners is not None:
            self.rooms.add_seat(unit)
        self.index_unit(unit)

    def add_agent(self, agent: Agent) -> None:
        """Take an agent in; the newest of a registration is the one that its page finds."""
        self.agents[agent.agent_id] = agent
        self.by_registration[agent.worker_id, agent.registration_id] = agent.agent_id
        self.visits.add_agent(agent)
        self.index_agent(agent)

    # -- keeping the indexes ---------------------------------------------------------------------------------

    def index_unit(self, unit: Unit) -> None:
        """Enter a unit where its status says that it is to be found."""
        self.pay.enter(unit)
        if not unit.is_real:
            self.gates.index_unit(unit, 1)
            return
        self.counts[unit.status] += 1
        if unit.status is UnitStatus.CREATED:
            self.created.append(unit.unit_id)
        elif unit.status is UnitStatus.LAUNCHED:
            self.launched.setdefault(unit.assignment_id, []).append(unit.unit_id)
        if unit.worker_id is not None and _holds(unit):
            self.workers_of[unit.assignment_id][unit.worker_id] += 1
            self.units_of_worker[unit.worker_id] += 1

    def unindex_unit(self, unit: Unit) -> None:
        """Undo `index_unit`, before the unit changes."""
        self.pay.remove(unit)
        if not unit.is_real:
            self.gates.index_unit(unit, -1)
            return
        self.counts[unit.status] -= 1
        if unit.status is UnitStatus.LAUNCHED:
            siblings = self.launched[unit.assignment_id]
            siblings.remove(unit.unit_id)
            if not siblings:
                del self.launched[unit.assignment_id]
        if unit.worker_id is not None and _holds(unit):
            self.workers_of[unit.assignment_id][unit.worker_id] -= 1
            self.units_of_worker[unit.worker_id] -= 1

    def index_agent(self, agent: Agent) -> None:
        """Enter an agent where its status says that it is to be found."""
        if agent.status in AGENT_ACTIVE:
            self.active_agents[agent.worker_id].add(agent.agent_id)
            self.rooms.enter(agent, self.units)
            if agent.deadline is not None:
                heappush(self._deadlines, (agent.deadline, agent.agent_id))
        elif agent.status in _OWN_WAYS_TO_LEAVE:
            self.left_by_worker[agent.worker_id] += 1

    def unindex_agent(self, agent: Agent) -> None:
        """Undo `index_agent`, before the agent changes."""
        self.rooms.leave(agent, self.units)
        active = self.active_agents.get(agent.worker_id)
        if active is not None:
            active.discard(agent.agent_id)
            if not active:
                del self.active_agents[agent.worker_id]
        if agent.status in _OWN_WAYS_TO_LEAVE:
            self.left_by_worker[agent.worker_id] -= 1

    # -- asking ----------------------------------------------------------------------------------------------

    @property
    def num_open(self) -> int:
        """How many units of the work may still be worked on."""
        return sum(self.counts[status] for status in UNIT_OPEN)

    @property
    def num_out(self) -> int:
        """How many units are with workers, or on offer to them."""
        return self.counts[UnitStatus.LAUNCHED] + self.counts[UnitStatus.ASSIGNED]

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing left to wait for."""
        no_more = self.generator_done or self.closing is not None
        return no_more and self.num_open == 0 and not self.gates.is_busy

    @property
    def num_assignments(self) -> int:
        """How many assignments the data has become so far."""
        return len(self.assignments) - len(self.gates.units)

    def holds_one_of(self, assignment_id: str, worker_id: str) -> bool:
        """Return whether a worker holds, or has answered, a unit of an assignment."""
        held = self.workers_of.get(assignment_id)
        return held is not None and held[worker_id] > 0

    @property
    def is_paused(self) -> bool:
        """Whether nothing is handed out for the time being."""
        return self.steering.paused_at is not None

    @property
    def quiet_since(self) -> float:
        """When something was last submitted, or work last put on offer: patience counts from here."""
        times = (self.last_submission_at, self.steering.resumed_at, self.service.quiet_since)
        return max(opening_of(self), *(time or 0.0 for time in times))

    def next_created(self) -> Unit | None:
        """Return the next unit to launch."""
        while self.created:
            unit = self.units[self.created[0]]
            if unit.status is UnitStatus.CREATED:
                return unit
            self.created.popleft()
        return None

    def units_in(self, *statuses: UnitStatus) -> list[Unit]:
        """Return the units in one of these statuses."""
        return [unit for unit in self.units.values() if unit.status in statuses]

    def overdue_agents(self, now: float) -> Iterator[Agent]:
        """Return the active agents whose deadline has passed, earliest first."""
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, agent_id = heappop(self._deadlines)
            agent = self.agents[agent_id]
            if agent.status in AGENT_ACTIVE and agent.deadline == deadline:
                yield agent

    def next_deadline(self) -> float | None:
        """Return the earliest time at which the clock alone will change something."""
        while self._deadlines:
            deadline, agent_id = self._deadlines[0]
            agent = self.agents[agent_id]
            if agent.status in AGENT_ACTIVE and agent.deadline == deadline:
                break
            heappop(self._deadlines)
        times = [self._deadlines[0][0]] if self._deadlines else []
        if (onboarding_ends := self.gates.next_deadline()) is not None:
            times.append(onboarding_ends)
        if (visit_ends := self.visits.next_deadline()) is not None:
            times.append(visit_ends)
        if self.closing is None:
            times += [end[0] for end in (ends_by_itself(self),) if end is not None]
        return min(times, default=None)


def opening_of(state: RunState) -> float:
    """Return when a run was opened, by the clock that it goes by now: it may have been set back since."""
    return state.opened_at + min(0.0, state.service.away)


def patience_ends(state: RunState) -> float | None:
    """Return when patience is over; None: never, or not while the run is paused."""
    return state.quiet_since + state.rules.patience if state.rules.patience and not state.is_paused else None


def lifetime_ends(state: RunState) -> float | None:
    """Return when the run's life is over; None: never. Time in which nobody could be served is no part of it."""
    lifetime = state.rules.lifetime
    return state.opened_at + state.service.away + lifetime if lifetime else None


def ends_by_itself(state: RunState) -> tuple[float, str] | None:
    """Return when the run ends by itself, though there is work left, and by which setting; None: it does not."""
    times = ((lifetime_ends(state), "task_lifetime_in_seconds"), (patience_ends(state), "no_submission_patience"))
    return min(((time, setting) for time, setting in times if time is not None), default=None)


def _holds(unit: Unit) -> bool:
    return unit.status is UnitStatus.ASSIGNED or unit.status in UNIT_ANSWERED


def stage_of(state: RunState) -> str:
    """Return how far a run is that is driven: ``live``, ``paused``, ``closing``, or ``done``."""
    if state.is_complete:
        return "done"
    return "closing" if state.closing else "paused" if state.is_paused else "live"


def state_from_snapshot(snapshot: RunSnapshot, rules: RunRules) -> RunState:
    """Build the state of a run from its rows, as it was after the last step that was committed.

    Parameters
    ----------
    snapshot
        The run as a database gives it.
    rules
        The limits of the run at its launch, which are not stored in this form.

    Returns
    -------
    RunState
        Its units are in the order of the data, and registrations find the agents that are at work.
    """
    run = snapshot.run
    state = RunState(
        task_run_id=run.task_run_id,
        rules=rules,
        opened_at=run.opened_at,
        generator_done=run.generator_done,
        last_seq=snapshot.last_seq,
        last_n=snapshot.last_n,
        last_submission_at=snapshot.last_submission_at,
        ended_at=run.ended_at,
        steering=run.steering,
        service=run.service,
        worker_names=snapshot.worker_names,
        payments=dict(snapshot.payments),
        assignments={a.assignment_id: a for a in sorted(snapshot.assignments, key=lambda a: a.index)},
    )
    index_of = {a.assignment_id: a.index for a in snapshot.assignments}
    for unit in sorted(snapshot.units, key=lambda u: (index_of[u.assignment_id], u.unit_index)):
        state.add_unit(unit)
    state.visits.load(snapshot.visits, snapshot.unvouched)
    for agent in sorted(snapshot.agents, key=_arrival_order):
        state.add_agent(agent)
    _load_gates(state, snapshot.gates)
    return state


def _load_gates(state: RunState, stored: StoredGates) -> None:
    """Take in what is known of gates, and find the answers that no verdict was come to yet."""
    book = state.gates
    for onboarding in stored.onboarding:
        book.add_onboarding(onboarding)
        if onboarding.submitted_at is not None:
            state.last_submission_at = max(onboarding.submitted_at, state.last_submission_at or 0.0)
    book.units.update((unit.unit_id, unit) for unit in stored.units)
    for held in stored.held:
        book.held.setdefault(held.worker_id, {})[held.request_id] = held
        state.worker_names.setdefault(held.worker_id, held.worker_name)  # they may never have had an agent
    agents: list[Agent | OnboardingAgent] = [*state.agents.values(), *stored.onboarding]
    by_id = {agent.agent_id: agent for agent in agents}
    for verdict in stored.verdicts:
        book.note_verdict(by_id[verdict.agent_id], verdict)
    judged = {(verdict.agent_id, verdict.gate) for verdict in stored.verdicts}
    failed = {verdict.agent_id for verdict in stored.verdicts if verdict.passed is False}
    for agent in agents:
        if agent.submitted_at is None or (agent.agent_id, gate_of(book, agent)) in judged:
            continue
        if book.is_at_entry(agent) or (state.rules.gates.later_checks and agent.agent_id not in failed):
            book.await_verdict(agent.worker_id, agent.agent_id)


def _arrival_order(agent: Agent) -> tuple[bool, bool, float, str]:
    # Who left and came again must be found by the agent that is at work, or else by the one that answered: whatever
    # the clock said meanwhile, which somebody may have put right.
    return agent.status in AGENT_ACTIVE, agent.status not in AGENT_LEFT, agent.accepted_at, agent.agent_id
