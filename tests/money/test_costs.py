"""What a run costs: a table of how visits, answers and payments may stand, each with what is said of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.records import KnownPayment, RunPay
from mephisto_nb.model.states import PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.model.visits import Short, ShortPay, VisitRules, VisitStanding
from mephisto_nb.money.costs import CostTerms, RunCosts, book, run_costs, visits_to_come

REWARD = Money.of(20)
K, P, U = PaymentKind, PaymentStatus, UnitStatus
NOTHING: dict[str, float] = dict.fromkeys(("paid", "asked", "owed", "undecided", "running", "open", "beside"), 0.0)


def visit(asked: int = 20, **how: Any) -> VisitStanding:
    return VisitStanding(REWARD, asked, **how)


def payment(amount: float, status: PaymentStatus, kind: PaymentKind = K.REWARD, fees: Any = None) -> KnownPayment:
    return KnownPayment("id", kind, Money.of(amount), status, fees)


def costs(
    visits: list[VisitStanding] | None = None,
    units: dict[Any, int] | None = None,
    booked: list[KnownPayment] | None = None,
    fee_rate: str = "0",
    **rules: Any,
) -> RunCosts:
    counts = {one: (visits or []).count(one) for one in visits or []}
    pays = {(status, Money.of(1)): number for status, number in (units or {}).items()}
    terms = CostTerms(REWARD, Decimal(fee_rate), VisitRules(rules.pop("per_visit", 20), **rules))
    return run_costs(RunPay(pays, counts, book(booked or [])), terms)


def shown(found: RunCosts) -> dict[str, float]:
    said = {name: float(getattr(found, name)) for name in NOTHING}
    return {name: amount for name, amount in said.items() if amount}


DONE: dict[str, Any] = {"done": 20, "outcome": Outcome.COMPLETED}
SHORT: dict[str, Any] = {"done": 5, "outcome": Outcome.RETURNED, "short": Short.STOPPED_EARLY}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(visit(**DONE, waiting=20), {"undecided": 20}, id="whole, nothing decided"),
        pytest.param(visit(**DONE, accepted=12, decided=13, waiting=7), {"undecided": 20}, id="partly decided"),
        pytest.param(visit(**DONE, accepted=19, decided=20, is_booked=True), {}, id="booked: the ledger says it"),
        pytest.param(visit(**DONE, decided=19, waiting=1), {"undecided": 20}, id="one may still be accepted"),
        pytest.param(visit(**DONE, decided=20), {}, id="all rejected"),
        pytest.param(visit(**SHORT, waiting=5), {"undecided": 5}, id="short, by unit"),
        pytest.param(visit(**SHORT, decided=2, waiting=3), {"undecided": 3}, id="short, two rejected"),
        pytest.param(visit(done=0, outcome=Outcome.RETURNED), {}, id="given back with nothing sent"),
        pytest.param(visit(done=1, outcome=Outcome.SCREENED_OUT, accepted=1, decided=1), {}, id="screened out"),
        pytest.param(visit(done=3, waiting=3, at_work=1), {"running": 20}, id="goes on"),
        pytest.param(visit(done=3, accepted=3, decided=3), {"running": 20}, id="goes on, decided so far"),
        pytest.param(visit(), {"running": 20}, id="has just begun"),
    ],
)
def test_a_visit_counts_as_a_whole(one: VisitStanding, expected: dict[str, float]) -> None:
    assert shown(costs([one])) == expected
    assert shown(costs([one, one])) == {name: 2 * amount for name, amount in expected.items()}


@pytest.mark.parametrize(("how", "amount"), [(ShortPay.PAY_FULL, 20), (ShortPay.PAY_BY_UNIT, 5), (ShortPay.RETURN, 0)])
def test_a_short_visit_counts_as_its_rule_says(how: ShortPay, amount: float) -> None:
    assert float(costs([visit(**SHORT, waiting=5)], when_stopped_early=how).undecided) == amount


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (P.OWED, {"owed": 20}), (P.SENDING, {"asked": 20}), (P.SENT, {"paid": 20}), (P.CONFIRMED, {"paid": 20}),
        (P.FAILED, {}), (P.CANCELLED, {}),
    ],
)  # fmt: skip
def test_what_is_booked_stands_where_the_ledger_has_it(status: P, expected: dict[str, float]) -> None:
    found = costs([visit(**DONE, accepted=1, decided=20, is_booked=True)], booked=[payment(20, status)])
    assert (shown(found), float(found.spent)) == (expected, sum(expected.values()))


def test_bonuses_and_pay_for_waiting_are_told_apart_from_work() -> None:
    sums = [
        (20.0, P.SENT, K.REWARD),
        (3.0, P.OWED, K.BONUS),
        (0.5, P.SENDING, K.WAITING),
        (4.0, P.OWED, K.COMPENSATION),
    ]
    found = costs(booked=[payment(*one) for one in sums])
    assert shown(found) == {"paid": 20, "asked": 0.5, "owed": 7, "beside": 3.5}


def test_units_of_no_visit_count_one_by_one() -> None:
    units = {U.CREATED: 1, U.LAUNCHED: 2, U.ASSIGNED: 4, U.COMPLETED: 8, U.ACCEPTED: 16, U.REJECTED: 32, U.EXPIRED: 64}
    assert shown(costs(units=units, per_visit=1)) == {"open": 3, "running": 4, "undecided": 8}


@pytest.mark.parametrize(
    ("free", "going_on", "number"),
    [(0, [], 0), (1, [], 1), (20, [], 1), (21, [], 2), (30, [visit(done=5, at_work=1)], 1), (10, [visit()], 0)],
)
def test_open_units_fill_visits_beside_those_that_go_on(free: int, going_on: list[Any], number: int) -> None:
    pay = RunPay({(U.LAUNCHED, Money.of(1)): free}, dict.fromkeys(going_on, 1))
    assert visits_to_come(pay, VisitRules(20)) == number
    assert run_costs(pay, CostTerms(REWARD, visits=VisitRules(20))).open == REWARD * number


def test_fees_are_those_that_were_told_else_an_estimate() -> None:
    booked = [payment(10, P.SENT, fees=Money.of(3)), payment(10, P.OWED)]
    found = costs([visit(**DONE, waiting=20), visit()], {U.LAUNCHED: 39}, booked, fee_rate="0.25")
    assert (found.spent_fees.known, found.spent_fees.estimated) == (Money.of(3), Money.of("7.50"))
    assert (found.running_fees, found.open_fees) == (Money.of(5), Money.of(5))


def test_fees_of_what_nobody_is_paid_do_not_count() -> None:
    found = costs(booked=[payment(10, P.CANCELLED, fees=Money.of(3))], fee_rate="0.25")
    assert not found.spent_fees.total
