"""What a run costs: what the ledger holds, what is still to be decided on, and what open work may come to.

One function says it for all that shows it: dashboards, lists of runs, stills, and budgets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from mephisto_nb.model.money import Money, total
from mephisto_nb.model.records import BookedSum, KnownPayment, RunPay, TaskRun
from mephisto_nb.model.states import PAYMENT_COUNTS, PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.model.task_run_args import stored_task_pay, stored_visit_rules
from mephisto_nb.model.visits import VisitRules, VisitStanding
from mephisto_nb.money.fees import crowd_fees
from mephisto_nb.rules.visit_pay import worth_at_most

_PAID = frozenset({PaymentStatus.SENT, PaymentStatus.CONFIRMED})
_BESIDE = frozenset({PaymentKind.BONUS, PaymentKind.WAITING})
_OPEN = frozenset({UnitStatus.CREATED, UnitStatus.LAUNCHED})


@dataclass(frozen=True, slots=True)
class CostTerms:
    """By what a run pays.

    Parameters
    ----------
    reward
        What a visit pays that begins now; where there are none, a unit that is made now.
    fee_rate
        What the crowd takes on top, as a share of what people are paid, where it has not told.
    visits
        What visits are.
    """

    reward: Money
    fee_rate: Decimal = Decimal(0)
    visits: VisitRules = field(default_factory=VisitRules)


def terms_of(run: TaskRun) -> CostTerms:
    """Return by what a stored run pays, with what was changed since its launch."""
    pay = stored_task_pay(run.config).task_reward if run.config else Money(0, run.currency)
    changed = run.steering.task_reward
    return CostTerms(
        pay if changed is None else changed, crowd_fees(run.provider_type).most, stored_visit_rules(run.config)
    )


@dataclass(frozen=True, slots=True)
class Fees:
    """What the crowd takes on top: `known` is what it has told, `estimated` its rate on all else."""

    known: Money
    estimated: Money

    @property
    def total(self) -> Money:
        """Both together."""
        return self.known + self.estimated


@dataclass(frozen=True, slots=True)
class RunCosts:
    """What a run costs, without fees; each amount stands in one place.

    Parameters
    ----------
    paid
        What was sent, or was seen in the crowd's books.
    asked
        What the crowd is being asked for, and of which nobody has heard yet.
    owed
        What is owed.
    undecided
        What answers and visits that have come to their end are worth if all that waits for a decision is accepted,
        where nothing is booked for them.
    running
        The same of visits that go on, as if they became whole, and of units that somebody is working on.
    open
        What units come to that nobody has yet; where there are visits, as many as these units fill.
    beside
        What of `paid`, `asked` and `owed` are bonuses, and pay for waiting in vain.
    spent_fees, running_fees, open_fees
        What the crowd takes of `spent`, of `running` and of `open`.
    """

    paid: Money
    asked: Money
    owed: Money
    undecided: Money
    running: Money
    open: Money
    beside: Money
    spent_fees: Fees
    running_fees: Money
    open_fees: Money

    @property
    def booked(self) -> Money:
        """What the ledger holds: paid, being asked for, and owed."""
        return self.paid + self.asked + self.owed

    @property
    def spent(self) -> Money:
        """What the run costs so far, whether it was paid, is owed, or will be once it is approved."""
        return self.booked + self.undecided


def run_costs(pay: RunPay, terms: CostTerms) -> RunCosts:
    """Return what a run costs.

    What is booked is what the ledger says, whatever the answers look like by now. A visit, or an answer, for which
    nothing is booked counts at most: as if all that waits for a decision were accepted.

    Examples
    --------
    >>> costs = run_costs(RunPay({(UnitStatus.COMPLETED, Money.of("0.15")): 2}), CostTerms(Money.of("0.15")))
    >>> str(costs.undecided), str(costs.spent), str(costs.paid)
    ('$0.30', '$0.30', '$0.00')
    """
    currency, rate = terms.reward.currency, terms.fee_rate
    booked = _add_up(pay, PAYMENT_COUNTS, currency)
    unbooked = [(one, number) for one, number in pay.visits.items() if number and not one.is_booked]

    def visits(*, is_over: bool) -> Money:
        return total(
            (worth_at_most(one, terms.visits) * n for one, n in unbooked if (one.outcome is not None) is is_over),
            currency,
        )

    undecided = _units(pay, {UnitStatus.COMPLETED}, currency) + visits(is_over=True)
    running = _units(pay, {UnitStatus.ASSIGNED}, currency) + visits(is_over=False)
    to_come = _to_come(pay, terms)
    estimated = (booked.without_fees + undecided).share(rate)
    return RunCosts(
        paid=_add_up(pay, _PAID, currency).amount,
        asked=_add_up(pay, {PaymentStatus.SENDING}, currency).amount,
        owed=_add_up(pay, {PaymentStatus.OWED}, currency).amount,
        undecided=undecided,
        running=running,
        open=to_come,
        beside=_add_up(pay, PAYMENT_COUNTS, currency, _BESIDE).amount,
        spent_fees=Fees(booked.fees, estimated),
        running_fees=running.share(rate),
        open_fees=to_come.share(rate),
    )


def visits_to_come(pay: RunPay, rules: VisitRules) -> int:
    """Return how many visits those units fill that nobody has yet, and that visits that go on leave over."""
    free = sum(number for (status, _), number in pay.units.items() if status in _OPEN)
    return -(-max(0, free - _room(pay.visits.items())) // rules.units)


def _to_come(pay: RunPay, terms: CostTerms) -> Money:
    if terms.visits.units == 1 and not _room(pay.visits.items()):
        return _units(pay, _OPEN, terms.reward.currency)
    return terms.reward * visits_to_come(pay, terms.visits)


def _room(visits: Iterable[tuple[VisitStanding, int]]) -> int:
    """Return how many more units visits that go on may still take."""
    going_on = ((one, number) for one, number in visits if one.outcome is None)
    return sum(max(0, one.asked - one.done - one.at_work) * number for one, number in going_on)


def _units(pay: RunPay, statuses: Collection[UnitStatus], currency: str) -> Money:
    return total((amount * n for (status, amount), n in pay.units.items() if status in statuses), currency)


def _add_up(
    pay: RunPay,
    statuses: Collection[PaymentStatus],
    currency: str,
    kinds: Collection[PaymentKind] = frozenset(PaymentKind),
) -> BookedSum:
    nothing = Money(0, currency)
    found = (one for (kind, status), one in pay.booked.items() if kind in kinds and status in statuses)
    return sum(found, BookedSum(nothing, nothing, nothing))


def book(payments: Iterable[KnownPayment]) -> dict[tuple[PaymentKind, PaymentStatus], BookedSum]:
    """Add payments up by kind and status, as `RunPay` holds them."""
    found: dict[tuple[PaymentKind, PaymentStatus], BookedSum] = {}
    for one in payments:
        nothing = Money(0, one.amount.currency)
        fees, unknown = (nothing, one.amount) if one.fees is None else (one.fees, nothing)
        new, key = BookedSum(one.amount, fees, unknown), (one.kind, one.status)
        found[key] = found[key] + new if key in found else new
    return found
