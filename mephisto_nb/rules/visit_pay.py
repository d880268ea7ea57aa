"""What is owed for visits, once all their answers are decided on: a visit is paid once, however often is decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mephisto_nb.errors import UsageError
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.records import Unit
from mephisto_nb.model.states import (
    PAYMENT_COUNTS,
    UNIT_PAID_FOR,
    UNIT_REVIEWED,
    PaymentKind,
    PaymentStatus,
    UnitStatus,
)
from mephisto_nb.model.visits import Share, Short, ShortPay, Visit, VisitBooks, VisitRules, VisitShare, VisitStanding
from mephisto_nb.rules import people

if TYPE_CHECKING:
    from mephisto_nb.rules.run_state import RunState
    from mephisto_nb.rules.step import Step

#: These are no way of stopping: what was sent before them does not make a visit a short one.
_TURNED_AWAY = frozenset({Outcome.SCREENED_OUT, Outcome.QUOTA_FULL, Outcome.FAILED_CHECKS})


def share_due(visit: Visit, rules: VisitRules, accepted: int, decided: int) -> VisitShare:
    """Return which share of a visit's reward is due.

    A whole visit, and a short one that is paid in full, is worth its reward if any answer of it was accepted: it is
    paid as a whole, as crowds do. One that is paid by unit is worth the part of what was accepted. Nothing is due to
    who was turned away, or sent nothing, or whose visit is to be given back. Who has failed checks is owed what was
    accepted all the same.

    Parameters
    ----------
    visit
        A visit that has ended.
    rules
        The run's.
    accepted, decided
        How many of its answers were accepted (soft-rejected ones, which are paid for, among them), and how many were
        decided on at all. Units of gates, which nobody reviews, are to be counted as accepted.

    Raises
    ------
    UsageError
        The visit has not ended.

    Examples
    --------
    >>> visit = Visit("v", "w", "r", {}, 20, 0.0, 60.0, 50.0, Outcome.RETURNED, Short.STOPPED_EARLY, done=5)
    >>> share_due(visit, VisitRules(20), accepted=5, decided=5).fraction
    Fraction(1, 4)
    """
    outcome, short = outcome_of(visit), visit.short
    if short is None and outcome is not Outcome.COMPLETED:
        short = short_of(visit, outcome)  # an answer may have come in late
    is_unpaid = outcome in (Outcome.SCREENED_OUT, Outcome.QUOTA_FULL) or not visit.done
    if is_unpaid or (short is not None and rules.when(short) is ShortPay.RETURN):
        return VisitShare(Share.NONE, 0, visit.asked, is_final=True)
    is_as_whole = visit.done >= visit.asked or (short is not None and rules.when(short) is ShortPay.PAY_FULL)
    of = max(1, visit.asked)
    parts = of if is_as_whole and accepted else max(0, min(accepted, of))
    kind = Share.FULL if parts == of else Share.BY_UNIT if parts else Share.NONE
    return VisitShare(kind, parts, of, is_final=decided >= visit.done)


def short_of(visit: Visit, outcome: Outcome) -> Short | None:
    """Return why a visit that ends in this way holds fewer answers than it was to hold; None: it does not, or none."""
    if outcome in _TURNED_AWAY or not visit.done or visit.done >= visit.asked:
        return None
    return Short.FEWER_UNITS if outcome is Outcome.COMPLETED else Short.STOPPED_EARLY


def outcome_of(visit: Visit) -> Outcome:
    """Return how a visit has ended; raise `UsageError` if it has not."""
    if visit.outcome is None:
        raise UsageError(f"Visit {visit.visit_id!r} has not ended, so it has no outcome yet. Ask once it has.")
    return visit.outcome


def pay_visits(step: Step, books: Iterable[VisitBooks], who: str = "operator") -> dict[str, Money]:
    """Owe what visits are worth now, and owe no longer what they are not; what was paid already stays.

    Nothing is owed for a visit that goes on, or of which an answer is still to be decided on.

    Parameters
    ----------
    step
        Has the visits, and all their units.
    books
        What is booked for each of them.
    who
        Who decides.

    Returns
    -------
    dict
        By how much what is owed has changed, for those visits for which it has.
    """
    changed = {}
    for one in books:
        if change := _settle(step, one, who):
            changed[one.visit_id] = change
    return changed


def _settle(step: Step, books: VisitBooks, who: str) -> Money:
    visit = step.state.visits.visits.get(books.visit_id)
    if visit is None:
        return Money(0, step.state.rules.currency)
    due, nothing = due_for(step, visit), Money(0, visit.reward.currency)
    amount = worth(visit.reward, due) if due is not None and due.is_final else nothing
    booked = [one for one in books.payments if one.status in PAYMENT_COUNTS]
    if any(one.status is not PaymentStatus.OWED for one in booked):
        return nothing  # the money is gone
    if [one.amount for one in booked] == ([amount] if amount else []):
        return nothing
    change = nothing
    for one in booked:
        people.cancel(step, one.payment_id, _key(books.visit_id, one.number))
        change -= one.amount
    if amount and due is not None:
        # Part of a reward is paid beside the visit, which its crowd has seen given back.
        kind = PaymentKind.REWARD if due.kind is Share.FULL else PaymentKind.COMPENSATION
        reason = "your answers" if due.kind is Share.FULL else f"{due.parts} of {due.of} answers"
        key = _key(books.visit_id, len(books.payments))
        people.pay(step, visit.worker_id, kind, amount, reason, key=key, visit_id=books.visit_id, who=who)
        change += amount
    return change


def due_for(step: Step, visit: Visit) -> VisitShare | None:
    """Return which share of its reward a visit is worth as its answers stand; None: it goes on."""
    if visit.outcome is None:
        return None
    accepted, decided = _count_decisions(units_of(step.state, visit))
    return share_due(visit, step.state.rules.visits or VisitRules(), accepted, decided)


def standing_of(state: RunState, visit: Visit, *, is_booked: bool) -> VisitStanding:
    """Return how a visit stands; `is_booked` tells whether it was paid, or is owed something."""
    units = list(units_of(state, visit))
    accepted, decided = _count_decisions(units)
    return VisitStanding(
        reward=visit.reward,
        asked=visit.asked,
        done=visit.done,
        accepted=accepted,
        decided=decided,
        waiting=sum(unit.is_real and unit.status is UnitStatus.COMPLETED for unit in units),
        at_work=sum(unit.status is UnitStatus.ASSIGNED for unit in units),
        outcome=visit.outcome,
        short=visit.short,
        is_booked=is_booked,
    )


def worth_at_most(standing: VisitStanding, rules: VisitRules) -> Money:
    """Return what a visit comes to if all answers of it that nobody has decided on are accepted.

    One that goes on is worth its reward.
    """
    if standing.outcome is None:
        return standing.reward
    accepted, decided = (number + standing.waiting for number in (standing.accepted, standing.decided))
    return worth(standing.reward, share_due(standing.visit, rules, accepted, decided))


def worth_so_far(standing: VisitStanding, rules: VisitRules) -> Money:
    """Return the same, but of a visit that goes on the part that was sent, and was not rejected."""
    if standing.outcome is not None:
        return worth_at_most(standing, rules)
    parts = min(standing.accepted + standing.waiting, standing.asked)
    return worth(standing.reward, VisitShare(Share.BY_UNIT, parts, standing.asked, is_final=False))


def units_of(state: RunState, visit: Visit) -> Iterator[Unit]:
    """Return the units that were done in a visit."""
    for agent_id in state.visits.agents.get(visit.visit_id, ()):
        unit = state.units.get(state.agents[agent_id].unit_id)
        if unit is not None and unit.agent_id == agent_id:
            yield unit


def worth(reward: Money, due: VisitShare) -> Money:
    """Return what a share of a reward comes to: a part of it is rounded up to what can be paid out."""
    if due.kind is Share.FULL:
        return reward
    parts = reward.thousandths * due.fraction.numerator
    return Money(-(-parts // due.fraction.denominator), reward.currency).rounded_up()


def is_accepted(status: UnitStatus, *, is_real: bool) -> bool:
    """Return whether a unit counts as accepted: those of gates, which nobody has to review, until one is rejected."""
    return status in UNIT_PAID_FOR or (not is_real and status is UnitStatus.COMPLETED)


def is_decided(status: UnitStatus, *, is_real: bool) -> bool:
    """Return whether nobody has to decide on a unit any more."""
    return status in UNIT_REVIEWED or not is_real


def _count_decisions(units: Iterable[Unit]) -> tuple[int, int]:
    """Return how many units were accepted, and how many were decided on at all."""
    stands = [(unit.status, unit.is_real) for unit in units]
    accepted = sum(is_accepted(status, is_real=is_real) for status, is_real in stands)
    return accepted, sum(is_decided(status, is_real=is_real) for status, is_real in stands)


def _key(visit_id: str, number: int) -> str:
    return f"visit:{visit_id}:{number}"
