"""Rows as Python sees them, and what is read of them in one go: plain values that know nothing of SQL, HTML or asyncio.

All ids are strings. Times are seconds since the epoch (UTC). Nobody changes an assignment
or an event; they are not frozen because a run makes them by the hundred thousand, and that takes five times as long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.gates import StoredGates
from mephisto_nb.model.money import DEFAULT_CURRENCY, Money
from mephisto_nb.model.packets import Packet
from mephisto_nb.model.states import (
    PAYMENT_COUNTS,
    PAYMENT_OF_WORK,
    AgentStatus,
    PaymentKind,
    PaymentStatus,
    UnitStatus,
)
from mephisto_nb.model.visits import UnvouchedArrival, Visit, VisitStanding

#: The crowd of those who come by a link; and what Mephisto 1.x, and databases up to schema 4, call it.
LINK, LINK_OF_OLD = "link", "mock"


def crowd_of(provider_type: str) -> str:
    """Return the name of a crowd today, given that or its old one."""
    return LINK if provider_type == LINK_OF_OLD else provider_type


@dataclass(frozen=True, slots=True)
class Requester:
    """An account with a crowd provider, in whose name work is offered."""

    requester_id: str
    name: str
    provider_type: str


@dataclass(frozen=True, slots=True)
class Task:
    """What several runs of the same work have in common: its name."""

    task_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Raise:
    """Another reward, and what it costs more, without fees, for so many units, or visits, that nobody has yet.

    Below 0: so much is saved.
    """

    before: Money
    after: Money
    number: int
    noun: str
    cost: Money


@dataclass(frozen=True, slots=True)
class Steering:
    """What a researcher has changed of a run since its launch; None: nothing.

    `paused_at` is since when nothing is handed out, `resumed_at` when it last was again. The limits are those of
    `TaskRunArgs`; one that is set is in force in place of the configuration's. `closing` is why nothing will be handed
    out any more, and `closed_by` who decided that: the operator, or the clock.
    """

    paused_at: float | None = None
    resumed_at: float | None = None
    max_num_concurrent_units: int | None = None
    maximum_units_per_worker: int | None = None
    task_reward: Money | None = None
    closing: str | None = None
    closed_by: str | None = None


#: The run is as it was launched.
AS_LAUNCHED = Steering()


@dataclass(frozen=True, slots=True)
class Service:
    """When people who came to a run could be served; of the times when they could not, nobody's deadline counts.

    `served_until` is when a kernel last drove the run (epoch seconds), as far as is stored; None: it never said.
    `away` is for how many seconds since it was opened nobody was served, `away_until` when that last ended, and
    `quiet_since` from when on patience counts at the earliest.
    """

    served_until: float | None = None
    away: float = 0.0
    away_until: float = 0.0
    quiet_since: float = 0.0


#: Nobody has served the run yet, or failed to.
UNTOLD = Service()


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One launch of a task.

    `config` is the whole resolved configuration. `qualifications` are the requirements that workers have
    to meet. `opened_at` is when work was last put on offer: the launch, or the latest resumption.
    `generator_done` is False while assignments are still to come. `currency` is that of all it pays.
    """

    task_run_id: str
    task_id: str
    task_name: str
    requester_id: str
    blueprint_type: str
    architect_type: str
    provider_type: str
    config: JSONObject
    qualifications: list[JSONObject]
    created_at: float
    opened_at: float
    ended_at: float | None = None
    generator_done: bool = False
    steering: Steering = AS_LAUNCHED
    service: Service = UNTOLD
    currency: str = DEFAULT_CURRENCY

    def __repr__(self) -> str:
        """Say which run it is; its configuration may be long."""
        at = datetime.fromtimestamp(self.created_at, UTC)
        ended = (
            "" if self.ended_at is None else f", ended {datetime.fromtimestamp(self.ended_at, UTC):%Y-%m-%d %H:%M} UTC"
        )
        return f"<TaskRun {self.task_name!r} {self.task_run_id}: launched {at:%Y-%m-%d %H:%M} UTC{ended}>"

    @property
    def is_imported(self) -> bool:
        """Whether the run was never launched here, but taken over from elsewhere."""
        return "imported" in self.config


@dataclass(slots=True)
class Assignment:
    """One piece of work, of which each unit is done by a different worker.

    `index` counts the assignments of a run from 0. `shared` is what all its workers see.
    """

    assignment_id: str
    task_run_id: str
    index: int
    shared: JSONObject
    unit_data: list[JSONObject]

    @property
    def num_parts(self) -> int:
        """How many units the data has."""
        return len(self.unit_data)

    def place_of(self, unit_index: int) -> int:
        """Return the index of a unit in the data; of an extra unit, that of the unit that it was made for."""
        return unit_index % max(1, self.num_parts)

    def own_data(self, unit_index: int) -> JSONObject:
        """Return what the data holds for one unit alone (see `own_data_of`)."""
        return own_data_of(self.unit_data, unit_index)


def place_in(unit_data: list[JSONObject], unit_index: int) -> int:
    """Return which part of the data a unit has: an extra unit's index is that, and a multiple of how many there are."""
    return unit_index % max(1, len(unit_data))


def own_data_of(unit_data: list[JSONObject], unit_index: int) -> JSONObject:
    """Return what an assignment's data holds for one unit alone; a gate's unit, whose index is below 0, has nothing."""
    return unit_data[place_in(unit_data, unit_index)] if unit_data and unit_index >= 0 else {}


@dataclass(slots=True)
class Unit:
    """What one worker does of an assignment. Units that pay the same share one amount: there are many."""

    unit_id: str
    assignment_id: str
    unit_index: int
    pay_amount: Money
    status: UnitStatus = UnitStatus.CREATED
    agent_id: str | None = None
    worker_id: str | None = None

    @property
    def is_real(self) -> bool:
        """Whether this is a part of the work, rather than a gate's unit, which is there to look at a worker."""
        return self.unit_index >= 0


@dataclass(frozen=True, slots=True)
class Worker:
    """A person, as a crowd provider knows them; `is_simulated`: nobody but a program has come by this name."""

    worker_id: str
    worker_name: str
    provider_type: str
    blocked: bool = False
    is_simulated: bool = False


@dataclass(slots=True)
class Agent:
    """One worker at one unit.

    `registration_id` is what the worker's page calls itself: the same one finds the same agent again.
    `deadline` is the time by which the work has to be sent.
    """

    agent_id: str
    unit_id: str
    worker_id: str
    registration_id: str
    status: AgentStatus
    accepted_at: float
    deadline: float | None = None
    submitted_at: float | None = None
    #: The visit that it is a part of, in runs that have such.
    visit_id: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """What an agent sent: the answer, the files that came with it, and when the router received it.

    `received_at` is None only where nobody knows: of an answer that was imported. `asked` names the fields that its
    page asks for; None: nobody can tell.
    """

    agent_id: str
    data: JSON
    received_at: float | None
    files: list[JSONObject] = field(default_factory=list)
    asked: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """What a worker is paid.

    `key` says what it is for: of two payments with one key, the second changes nothing. `unit_id` is the unit that
    it belongs to, `visit_id` the visit, if any; `reason` is shown to the worker where the crowd can show it. `fees`
    are what the crowd takes on top, taxes included (None: not known), and `reference` what it calls the payment, as the
    id of a submission or of a batch of bonuses. `asked_at` is when the crowd was last asked, `sent_at` when it took it
    or somebody has paid, and `confirmed_at` when it was seen in the crowd's books.
    """

    payment_id: str
    key: str
    worker_id: str
    kind: PaymentKind
    amount: Money
    reason: str
    created_at: float
    task_run_id: str | None = None
    unit_id: str | None = None
    status: PaymentStatus = PaymentStatus.OWED
    sent_at: float | None = None
    fees: Money | None = None
    visit_id: str | None = None
    reference: str | None = None
    asked_at: float | None = None
    confirmed_at: float | None = None


@dataclass(frozen=True, slots=True)
class KnownPayment:
    """What is to be known of a payment to add it up: see `Payment`."""

    payment_id: str
    kind: PaymentKind
    amount: Money
    status: PaymentStatus = PaymentStatus.OWED
    fees: Money | None = None
    unit_id: str | None = None
    visit_id: str | None = None
    asked_at: float | None = None

    @property
    def counts(self) -> bool:
        """Whether it was made, or is to be."""
        return self.status in PAYMENT_COUNTS

    @property
    def is_of_work(self) -> bool:
        """Whether it pays for answers themselves; if not, it comes beside."""
        return self.kind in PAYMENT_OF_WORK


#: Why an event is in the log that a worker's page reported.
PAGE_ERROR = "the worker's page reported an error"


@dataclass(slots=True)
class Event:
    """One row of the append-only event log.

    `subject` says what kind of thing `subject_id` names ('unit', 'agent', 'run' ...); `before` and `after`
    are its states; `why` is a sentence; `who` is 'operator', 'worker', 'router', 'clock' or a person's name.
    """

    at: float
    subject: str
    subject_id: str
    before: str | None
    after: str | None
    why: str
    who: str
    detail: JSONObject | None = None


@dataclass(frozen=True, slots=True)
class Qualification:
    """Something that workers can be granted, with a whole number as its value."""

    qualification_id: str
    name: str
    description: str


@dataclass(slots=True)
class RunSnapshot:
    """All that is needed to go on with a run: its rows, and how far its link had come."""

    run: TaskRun
    assignments: list[Assignment]
    units: list[Unit]
    agents: list[Agent]
    last_seq: int
    last_n: int
    outbox: list[tuple[int, Packet]]
    last_submission_at: float | None = None
    #: The names of all workers who ever took a unit of the run, by id.
    worker_names: dict[str, str] = field(default_factory=dict)
    #: What was ever booked for anybody, by the payment's key.
    payments: dict[str, KnownPayment] = field(default_factory=dict)
    gates: StoredGates = field(default_factory=StoredGates)
    #: What the router calls the numbers of which `last_seq` is one; None: nobody knows.
    era: str | None = None
    visits: list[Visit] = field(default_factory=list)
    #: Pages that wait until their crowd was asked about them.
    unvouched: list[UnvouchedArrival] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BookedSum:
    """What payments come to: their `amount`, the `fees` that are known of them, and for how much of it none are."""

    amount: Money
    fees: Money
    without_fees: Money

    def __add__(self, other: BookedSum) -> BookedSum:
        return BookedSum(self.amount + other.amount, self.fees + other.fees, self.without_fees + other.without_fees)


@dataclass(slots=True)
class RunPay:
    """What a run pays, as far as it is to be told from the database.

    Parameters
    ----------
    units
        How many units, those of gates too, of a status are paid how much. Left out are those that were done in visits,
        and answers that nobody has decided on but that are paid for all the same.
    visits
        How many visits stand how.
    booked
        What payments of a kind and a status come to.
    """

    units: dict[tuple[UnitStatus, Money], int] = field(default_factory=dict)
    visits: dict[VisitStanding, int] = field(default_factory=dict)
    booked: dict[tuple[PaymentKind, PaymentStatus], BookedSum] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What the rules need to know of a worker who arrives.

    `worker` is None for somebody never seen before; `units_elsewhere` counts the units that they hold or have
    answered in other runs of the same task, gates' units left out. `rows_seen` are the keys of the screening and gold
    rows that they were ever shown in this task.
    """

    worker: Worker | None = None
    grants: dict[str, int] = field(default_factory=dict)
    units_elsewhere: int = 0
    rows_seen: frozenset[str] = frozenset()
