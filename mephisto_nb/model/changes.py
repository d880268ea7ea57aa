"""What the rules decided, as values: changes that a database commits together, and packets that follow.

A rule returns these; nothing has happened until the database has committed the `Changes` they are part of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.gates import GateUnit, GateVerdict, HeldArrival, OnboardingAgent
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.packets import Packet
from mephisto_nb.model.records import (
    Agent,
    Assignment,
    Event,
    Payment,
    Service,
    Steering,
    Submission,
    TaskRun,
    Unit,
    Worker,
)
from mephisto_nb.model.reviews import Review
from mephisto_nb.model.states import AgentStatus, PaymentStatus, UnitStatus
from mephisto_nb.model.visits import Short, UnvouchedArrival, Visit


@dataclass(frozen=True, slots=True)
class AddRun:
    """A run that is stored together with all that belongs to it; its task and requester are there."""

    run: TaskRun


@dataclass(frozen=True, slots=True)
class AddAssignments:
    """New assignments with their units, which are written as they are when the step is committed."""

    assignments: Sequence[Assignment]
    units: Sequence[Unit]


@dataclass(frozen=True, slots=True)
class ChangeUnit:
    """A unit goes from one status to another; `agent_id` and `worker_id` are who holds it afterwards."""

    unit_id: str
    before: UnitStatus
    after: UnitStatus
    agent_id: str | None
    worker_id: str | None


@dataclass(frozen=True, slots=True)
class AddAgent:
    """A worker takes a unit; the agent is written as it is when the step is committed."""

    agent: Agent


@dataclass(frozen=True, slots=True)
class ChangeAgent:
    """An agent goes from one status to another; `unit_id` is its unit afterwards."""

    agent_id: str
    before: AgentStatus
    after: AgentStatus
    unit_id: str


@dataclass(frozen=True, slots=True)
class AddSubmission:
    """An agent's answer."""

    submission: Submission


@dataclass(frozen=True, slots=True)
class AddWorker:
    """Somebody comes for the first time."""

    worker: Worker
    created_at: float


@dataclass(frozen=True, slots=True)
class SetReal:
    """Somebody comes by a name by which nobody but a program had come; from then on they are a person."""

    worker_id: str


@dataclass(frozen=True, slots=True)
class AddLiveUpdate:
    """One turn of a live task.

    `sender` is 'worker' or 'operator'; or tells what else task code has met with, so that it meets with it again when
    it is taken up: 'start' (people begin together), 'left' (this one has left the others), 'timeout' (nothing was heard
    in time), 'once' (what a function gave). A 'notice' is what a page was told beside.
    """

    agent_id: str
    sender: str
    data: JSONObject
    at: float


@dataclass(frozen=True, slots=True)
class ChangeDeadline:
    """An agent gets more, or less, time."""

    agent_id: str
    deadline: float | None


@dataclass(frozen=True, slots=True)
class AddMetadata:
    """What a worker sent beside the answer: tips, feedback, an opinion."""

    agent_id: str
    data: JSONObject
    received_at: float


@dataclass(frozen=True, slots=True)
class AddPayment:
    """Something is owed to a worker; nothing happens if its key is known already."""

    payment: Payment


@dataclass(frozen=True, slots=True)
class ChangePayment:
    """A payment goes from one status to another; `sent_at` is when it was sent, if it was."""

    payment_id: str
    before: PaymentStatus
    after: PaymentStatus
    sent_at: float | None = None


@dataclass(frozen=True, slots=True)
class AddReview:
    """Somebody has decided on an answer, or has undone such a decision."""

    review: Review


@dataclass(frozen=True, slots=True)
class SetGrant:
    """A worker is granted a value of a qualification, which is made if it is new; None: holds it no longer.

    `at` is when it was granted; None: now.
    """

    worker_id: str
    qualification_name: str
    value: int | None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class SetBlocked:
    """A worker is offered nothing any more, or work again."""

    worker_id: str
    blocked: bool


@dataclass(frozen=True, slots=True)
class AddOnboarding:
    """A worker begins the introduction; the agent is written as it is when the step is committed."""

    agent: OnboardingAgent


@dataclass(frozen=True, slots=True)
class ChangeOnboarding:
    """An onboarding agent goes from one status to another."""

    agent_id: str
    before: AgentStatus
    after: AgentStatus


@dataclass(frozen=True, slots=True)
class AddOnboardingAnswer:
    """What was handed in at the end of an introduction."""

    agent_id: str
    data: JSON
    received_at: float


@dataclass(frozen=True, slots=True)
class AddGateUnit:
    """A unit, which comes with the same step, is there to look at a worker."""

    unit: GateUnit


@dataclass(frozen=True, slots=True)
class AddVerdict:
    """What was found at a gate."""

    verdict: GateVerdict


@dataclass(frozen=True, slots=True)
class HoldArrival:
    """A page has to wait for its answer."""

    arrival: HeldArrival


@dataclass(frozen=True, slots=True)
class ReleaseArrivals:
    """Pages that had to wait are answered."""

    request_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class AddVisit:
    """A worker begins a visit; it is written as it is when the step is committed."""

    visit: Visit


@dataclass(frozen=True, slots=True)
class EndVisit:
    """A visit has come to its end."""

    visit_id: str
    ended_at: float
    outcome: Outcome
    short: Short | None
    why: str


@dataclass(frozen=True, slots=True)
class ChangeVisitDeadline:
    """A visit gets more, or less, time."""

    visit_id: str
    deadline: float


@dataclass(frozen=True, slots=True)
class NoteVisitTold:
    """The crowd was told how a visit has ended."""

    visit_id: str
    told_at: float


@dataclass(frozen=True, slots=True)
class AwaitVouching:
    """A page has to wait until its crowd was asked about it."""

    arrival: UnvouchedArrival


@dataclass(frozen=True, slots=True)
class EndVouching:
    """The crowd was asked about pages, which are answered."""

    request_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChangePay:
    """Units that nobody has yet are paid for otherwise from now on."""

    unit_ids: Sequence[str]
    pay_amount: Money


@dataclass(frozen=True, slots=True)
class Steer:
    """The run is paused, resumed, or limited otherwise; `steering` holds all of it."""

    steering: Steering


@dataclass(frozen=True, slots=True)
class Serve:
    """People were, or could not be, served until now; `service` holds all that is known of that."""

    service: Service


@dataclass(frozen=True, slots=True)
class EndRun:
    """The run is over."""

    ended_at: float


@dataclass(frozen=True, slots=True)
class ReopenRun:
    """A run that was over is worked on again; `budget` is its own from now on (None: what it was)."""

    opened_at: float
    budget: float | None = None


@dataclass(frozen=True, slots=True)
class GeneratorDone:
    """All assignments of the run have been created."""


Change: TypeAlias = (
    AddRun
    | AddAssignments
    | AddWorker
    | SetReal
    | ChangeUnit
    | AddAgent
    | ChangeDeadline
    | AddLiveUpdate
    | ChangeAgent
    | AddSubmission
    | AddMetadata
    | AddPayment
    | ChangePayment
    | AddReview
    | SetGrant
    | SetBlocked
    | AddOnboarding
    | ChangeOnboarding
    | AddOnboardingAnswer
    | AddGateUnit
    | AddVerdict
    | HoldArrival
    | ReleaseArrivals
    | AddVisit
    | EndVisit
    | ChangeVisitDeadline
    | NoteVisitTold
    | AwaitVouching
    | EndVouching
    | ChangePay
    | Steer
    | Serve
    | EndRun
    | ReopenRun
    | GeneratorDone
)


#: Asked within the transaction, before anything of it is written: what it raises, nothing of it is. It reads the
#: database, and nobody else who is asked so commits meanwhile.
Guard: TypeAlias = Callable[[], object]


@dataclass(slots=True)
class Changes:
    """All that one step of one run commits in one transaction; without a run, what concerns none.

    `last_seq` is the number of the last inbox message whose effect is in here (None: no message was handled), and `era`
    what the router calls its numbers now (None: as before).
    `packets` become rows of the outbox, numbered from `first_n`; those up to `delivered_n` are dropped from it,
    because the router has them. `guard` may refuse all of it; None: nobody has to be asked.
    """

    task_run_id: str | None
    changes: list[Change] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    packets: list[Packet] = field(default_factory=list)
    last_seq: int | None = None
    era: str | None = None
    first_n: int = 1
    delivered_n: int | None = None
    guard: Guard | None = None

    def __bool__(self) -> bool:
        """Return whether there is anything to commit."""
        return bool(self.changes or self.events or self.packets or self.last_seq is not None)
