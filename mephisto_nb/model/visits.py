"""A visit: all that one person does when a crowd sends them once, and what is to become of one that is short."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.states import PaymentStatus


class ShortPay(StrEnum):
    """What becomes of a visit that holds fewer answers than it was to hold."""

    #: It is paid as if it were whole.
    PAY_FULL = "pay_full"
    #: Each unit that was sent is paid its part of the reward.
    PAY_BY_UNIT = "pay_by_unit"
    #: It is given back to the crowd, and not paid.
    RETURN = "return"


class Short(StrEnum):
    """Why a visit holds fewer answers than it was to hold."""

    #: The worker has stopped, or their time was over, with at least one answer sent.
    STOPPED_EARLY = "stopped_early"
    #: There was nothing left for them.
    FEWER_UNITS = "fewer_units"


class Share(StrEnum):
    """How much of a visit's reward is due."""

    FULL = "full"
    BY_UNIT = "by_unit"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class VisitRules:
    """What the visits of a run are: see `TaskRunArgs`.

    Parameters
    ----------
    units
        How many units one holds, those of screening left out.
    when_stopped_early, when_fewer_units
        What becomes of one that is short.
    most_per_worker
        How many one worker may make in the run; 0: any number.
    serves_again
        Whether who has come to the end of one may begin another by the same link. If not, the crowd's registration is
        the visit.
    """

    units: int = 1
    when_stopped_early: ShortPay = ShortPay.PAY_BY_UNIT
    when_fewer_units: ShortPay = ShortPay.PAY_FULL
    most_per_worker: int = 0
    serves_again: bool = False

    def when(self, short: Short) -> ShortPay:
        """Return what becomes of a visit that is short for this reason."""
        return self.when_stopped_early if short is Short.STOPPED_EARLY else self.when_fewer_units


@dataclass(slots=True)
class Visit:
    """One visit. `outcome` is None until it has ended.

    `registration_id` is what the worker's page, or the crowd, calls it, and `captured` what the crowd gave along. Of
    `asked` units `done` were sent. `deadline` is when its time is over; `why` says how it ended, as the worker was
    told; `told_at` is when the crowd was told of that by `VisitExits.finish`. Times are in epoch seconds.
    """

    visit_id: str
    worker_id: str
    registration_id: str
    captured: JSONObject
    asked: int
    begun_at: float
    deadline: float
    ended_at: float | None = None
    outcome: Outcome | None = None
    short: Short | None = None
    why: str = ""
    told_at: float | None = None
    #: What it is paid if it is whole: the reward that was in force when it began.
    reward: Money = Money(0)
    #: Counted from its agents; not stored with it.
    done: int = 0


@dataclass(frozen=True, slots=True)
class UnvouchedArrival:
    """A page that waits until its crowd has been asked whether it is who it says it is.

    `data` is what it sent, as ``provider_data``.
    """

    request_id: str
    data: JSONObject
    asked_at: float


@dataclass(frozen=True, slots=True)
class VisitShare:
    """How much of a visit's reward is due: `kind`, and how many of how many parts.

    `is_final` tells whether all its answers are decided on, so that it will not change any more.
    """

    kind: Share
    parts: int
    of: int
    is_final: bool
    fraction: Fraction = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", Fraction(self.parts, self.of) if self.of else Fraction(0))


@dataclass(frozen=True, slots=True)
class BookedPay:
    """A payment of a visit's reward, or of part of it: the how manyth of the visit (from 0), and how it stands."""

    payment_id: str
    number: int
    amount: Money
    status: PaymentStatus


@dataclass(frozen=True, slots=True)
class VisitBooks:
    """All that was ever booked for a visit: its reward, or part of it."""

    visit_id: str
    payments: tuple[BookedPay, ...] = ()


@dataclass(frozen=True, slots=True)
class VisitStanding:
    """How a visit stands, as far as what it costs follows from it.

    Of `asked` units `done` were sent; `accepted`, `decided` and `waiting` are how many of them were accepted, decided
    on at all (units of gates, which nobody reviews, among both), and neither; `at_work` is how many its worker holds.
    `is_booked` tells whether it was paid, or is owed something.
    """

    reward: Money
    asked: int
    done: int = 0
    accepted: int = 0
    decided: int = 0
    waiting: int = 0
    at_work: int = 0
    outcome: Outcome | None = None
    short: Short | None = None
    is_booked: bool = False

    @property
    def visit(self) -> Visit:
        """A visit that stands so, without what makes it a certain one."""
        ended_at = None if self.outcome is None else 0.0
        how = (ended_at, self.outcome, self.short)
        return Visit("", "", "", {}, self.asked, 0.0, 0.0, *how, reward=self.reward, done=self.done)
