"""What we believe of visits and payments, held against what their crowd says; each difference has a name and a repair.

A crowd is slow, and tells of things late and out of order: what may still settle by itself is no difference yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mephisto_nb.model.crowd import CrowdVisit, CrowdVisitStatus
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.states import PaymentStatus

#: For so long after something was asked of a crowd, or done there, its books may lack it (seconds).
SETTLES_IN = 900.0

_C, _P = CrowdVisitStatus, PaymentStatus
_LEFT = {_C.RETURNED: Outcome.RETURNED, _C.TIMED_OUT: Outcome.TIMED_OUT}
_PAID = {_C.APPROVED, _C.PARTLY_PAID, _C.SCREENED_OUT}
#: Where a crowd still has somebody at work.
_THERE = {_C.RESERVED, _C.ACTIVE}


class Repair(StrEnum):
    """What can be done about a difference; a person has to decide on those that `NEEDS_PERSON` holds."""

    #: End the visit here as it ended there: its units are free again.
    END_VISIT = "end visit"
    #: Tell the crowd again how the visit has ended.
    TELL = "tell"
    #: Note what the crowd's books say of a payment: it was made.
    CONFIRM = "confirm"
    #: Put a payment in the ledger that was made there by somebody else.
    BOOK = "book"
    #: Pay as a bonus what cannot be paid for the visit any more, as its person has given it back there.
    PAY_BY_BONUS = "pay by bonus"
    #: Ask the person to give the visit back.
    ASK_TO_RETURN = "ask to return"
    #: Say whether a payment was made: settle it.
    SETTLE = "settle"
    #: Look at both sides.
    LOOK = "look"


NEEDS_PERSON = frozenset({Repair.PAY_BY_BONUS, Repair.ASK_TO_RETURN, Repair.SETTLE, Repair.LOOK})


class DifferenceKind(StrEnum):
    """What is different."""

    LEFT_THERE = "left there"
    NOT_TOLD = "finished here alone"
    NO_ANSWER = "handed in there alone"
    STRANGER = "unknown there"
    NEVER_CAME = "never came here"
    PAID_THERE = "paid there"
    UNPAID_THERE = "not paid there"
    REJECTED_THERE = "rejected there"
    BONUS_THERE = "bonus there alone"
    BONUS_MISSING = "bonus not there"


@dataclass(frozen=True, slots=True)
class OurPayment:
    """A payment as the ledger has it; `at` is when it was last asked for, or noted."""

    payment_id: str
    amount: Money
    status: PaymentStatus
    at: float


@dataclass(frozen=True, slots=True)
class OurVisit:
    """A visit as we have it: `done` units of it were sent, and its `outcome` is None where it goes on."""

    visit_id: str
    registration_id: str
    worker_name: str
    outcome: Outcome | None
    done: int
    began_at: float
    ended_at: float | None = None
    reward: OurPayment | None = None
    bonuses: tuple[OurPayment, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is believed here and not there, or the other way round, and what can be done about it.

    `ours` and `theirs` say both sides in words; `payment_id` and `amount` are of the payment that it is about.
    """

    kind: DifferenceKind
    repair: Repair
    registration_id: str
    worker_name: str
    ours: str
    theirs: str
    visit_id: str | None = None
    payment_id: str | None = None
    amount: Money | None = None
    outcome: Outcome | None = None

    @property
    def needs_person(self) -> bool:
        """Whether a person has to decide what is done about it."""
        return self.repair in NEEDS_PERSON


def compare(ours: Iterable[OurVisit], theirs: Iterable[CrowdVisit], now: float) -> list[Difference]:
    """Return all differences between what we have and what the crowd says, in the order of our visits, then theirs.

    Parameters
    ----------
    ours, theirs
        All visits of one run, and of its study.
    now
        What time it is (epoch seconds).
    """
    there = {visit.registration_id: visit for visit in theirs}
    found: list[Difference] = []
    for visit in ours:
        other = there.pop(visit.registration_id, None)
        if other is None:
            found += _strangers(visit, now)
        else:
            found += _differences(visit, other, now)
    for other in there.values():
        found += _never_came(other, now)
    return found


def _strangers(visit: OurVisit, now: float) -> Iterator[Difference]:
    if now - visit.began_at > SETTLES_IN:
        yield _difference(DifferenceKind.STRANGER, Repair.LOOK, visit, _said(visit), "knows no such visit")


def _never_came(other: CrowdVisit, now: float) -> Iterator[Difference]:
    about = (other.registration_id, other.worker_name, "nobody came by this id", _there(other))
    if other.status is _C.SUBMITTED:
        yield Difference(DifferenceKind.NO_ANSWER, Repair.ASK_TO_RETURN, *about)
    elif other.status in _PAID:
        yield Difference(DifferenceKind.NO_ANSWER, Repair.LOOK, *about, amount=other.paid)
    elif other.status is _C.ACTIVE and other.began_at is not None and now - other.began_at > SETTLES_IN:
        yield Difference(DifferenceKind.NEVER_CAME, Repair.LOOK, *about)


def _differences(visit: OurVisit, other: CrowdVisit, now: float) -> Iterator[Difference]:
    if visit.outcome is None:
        yield from _of_open(visit, other)
    else:
        yield from _of_ended(visit, other, now)
    yield from _of_reward(visit, other, now)
    yield from _of_bonuses(visit, other, now)


def _of_open(visit: OurVisit, other: CrowdVisit) -> Iterator[Difference]:
    """Differences of a visit that goes on here."""
    if other.status in _LEFT:
        outcome = _LEFT[other.status]
        yield _difference(
            DifferenceKind.LEFT_THERE, Repair.END_VISIT, visit, _said(visit), _there(other), outcome=outcome
        )
    elif other.status is _C.SUBMITTED:
        yield _difference(DifferenceKind.NO_ANSWER, Repair.ASK_TO_RETURN, visit, _said(visit), _there(other))


def _of_ended(visit: OurVisit, other: CrowdVisit, now: float) -> Iterator[Difference]:
    """Differences of a visit that is over here."""
    is_long_ago = visit.ended_at is not None and now - visit.ended_at > SETTLES_IN
    if visit.outcome is Outcome.COMPLETED:
        if other.status in _THERE and is_long_ago:
            yield _difference(DifferenceKind.NOT_TOLD, Repair.TELL, visit, _said(visit), _there(other))
        elif other.status in _LEFT and visit.done and visit.reward is None:
            # They did the work, and get nothing for it there: a bonus is the only way left.
            yield _difference(DifferenceKind.LEFT_THERE, Repair.LOOK, visit, _said(visit), _there(other))
    elif other.status is _C.SUBMITTED and is_long_ago and visit.outcome in _UNPAID:
        yield _difference(DifferenceKind.NO_ANSWER, Repair.ASK_TO_RETURN, visit, _said(visit), _there(other))


#: Ends after which a person was asked to go back without handing in anything.
_UNPAID = {Outcome.NO_CONSENT, Outcome.RETURNED, Outcome.TIMED_OUT, Outcome.QUOTA_FULL}


def _of_reward(visit: OurVisit, other: CrowdVisit, now: float) -> Iterator[Difference]:
    reward = visit.reward
    if reward is None:
        if other.status is _C.APPROVED:
            about = (_said(visit), _there(other))
            yield _difference(DifferenceKind.PAID_THERE, Repair.BOOK, visit, *about, amount=other.paid)
        return
    ours, is_settled = f"{reward.amount} is {reward.status.value}", now - reward.at > SETTLES_IN

    def found(kind: DifferenceKind, repair: Repair) -> Difference:
        return _difference(kind, repair, visit, ours, _there(other), payment=reward)

    if other.status in _PAID:
        if reward.status in (_P.OWED, _P.SENDING, _P.SENT):
            yield found(DifferenceKind.PAID_THERE, Repair.CONFIRM)
        elif reward.status in (_P.CANCELLED, _P.FAILED):
            yield found(DifferenceKind.PAID_THERE, Repair.LOOK)
    elif other.status is _C.REJECTED and reward.status is not _P.CANCELLED:
        yield found(DifferenceKind.REJECTED_THERE, Repair.LOOK)
    elif other.status in _LEFT and reward.status is _P.OWED:
        yield found(DifferenceKind.LEFT_THERE, Repair.PAY_BY_BONUS)
    elif reward.status in (_P.SENT, _P.CONFIRMED) and is_settled:
        yield found(DifferenceKind.UNPAID_THERE, Repair.SETTLE)


def _of_bonuses(visit: OurVisit, other: CrowdVisit, now: float) -> Iterator[Difference]:
    """Hold bonuses against each other by their amounts: a crowd keeps no other mark of them."""
    left = Counter(other.bonuses)
    # Those that are known to be there first, or one of the same amount would be taken for them.
    for status in (_P.CONFIRMED, _P.SENT, _P.SENDING, _P.OWED):
        for bonus in visit.bonuses:
            if bonus.status is not status:
                continue
            ours = f"a bonus of {bonus.amount} is {bonus.status.value}"
            if left[bonus.amount]:
                left[bonus.amount] -= 1
                if status in (_P.SENT, _P.SENDING):
                    kind, repair = DifferenceKind.PAID_THERE, Repair.CONFIRM
                    yield _difference(kind, repair, visit, ours, "has paid it", payment=bonus)
                elif status is _P.OWED:
                    # It may be this one, paid by hand; or another one of the same amount.
                    kind, repair = DifferenceKind.BONUS_THERE, Repair.SETTLE
                    yield _difference(kind, repair, visit, ours, f"has paid a bonus of {bonus.amount}", payment=bonus)
            elif status is not _P.OWED and now - bonus.at > SETTLES_IN:
                yield _difference(
                    DifferenceKind.BONUS_MISSING, Repair.SETTLE, visit, ours, "has no such bonus", payment=bonus
                )
    for amount, number in sorted(left.items()):
        for _ in range(number):
            words = f"has paid a bonus of {amount}"
            kind = DifferenceKind.BONUS_THERE
            yield _difference(kind, Repair.BOOK, visit, "knows nothing of it", words, amount=amount)


def _difference(
    kind: DifferenceKind,
    repair: Repair,
    visit: OurVisit,
    ours: str,
    theirs: str,
    *,
    payment: OurPayment | None = None,
    amount: Money | None = None,
    outcome: Outcome | None = None,
) -> Difference:
    return Difference(
        kind=kind,
        repair=repair,
        registration_id=visit.registration_id,
        worker_name=visit.worker_name,
        ours=ours,
        theirs=theirs,
        visit_id=visit.visit_id,
        payment_id=None if payment is None else payment.payment_id,
        amount=amount if payment is None else payment.amount,
        outcome=outcome,
    )


def _said(visit: OurVisit) -> str:
    return "goes on" if visit.outcome is None else visit.outcome.value.replace("_", " ")


def _there(other: CrowdVisit) -> str:
    code = f" with the code {other.code[:40]!r}" if other.code else ""
    return f"is {other.status.value}{code}"
