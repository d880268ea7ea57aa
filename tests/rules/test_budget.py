"""What may be spent: sums against budgets, by currency, and what would still fit."""

from __future__ import annotations

import pytest

from mephisto_nb.model.money import Money
from mephisto_nb.rules.budget import Booked, Budget, BudgetScope, Confirmation, Wanted, decide, month_of

EACH = Money.of("0.12")


def budget(limit: object, scope: BudgetScope = BudgetScope.TASK, currency: str = "USD") -> Budget:
    return Budget(scope, "moods", Money.of(limit, currency), "config.yml")


def booked(spent: object = 0, committed: object = 0, currency: str = "USD") -> Booked:
    return Booked(Money.of(spent, currency), Money.of(committed, currency))


def units(number: int) -> Wanted:
    return Wanted(f"Launching {number} units of 'moods'", EACH * number, number, EACH)


def test_what_fits_exactly_is_allowed() -> None:
    assert decide(units(500), [(budget(100), booked(30, 10))]).allowed


def test_a_thousandth_too_much_is_refused() -> None:
    committed = Money(Money.of(10).thousandths + 1)
    decision = decide(units(500), [(budget(100), Booked(Money.of(30), committed))])
    assert not decision.allowed
    assert decision.most == 499


def test_without_a_budget_all_is_allowed() -> None:
    assert decide(units(10**6), []).allowed


def test_what_is_committed_counts_as_what_is_spent() -> None:
    assert not decide(units(100), [(budget(20), booked(0, 10))]).allowed
    assert not decide(units(100), [(budget(20), booked(10, 0))]).allowed


def test_the_tightest_budget_decides() -> None:
    month = budget(1000, BudgetScope.MONTH)
    decision = decide(units(100), [(month, booked(995)), (budget(100), booked(50))])
    assert decision.budget is month
    assert decision.most == 41  # 5.00 / 0.12


def test_a_refusal_says_sums_and_the_mend() -> None:
    words = str(decide(units(500), [(budget(50), booked("10.44", "2.12"))]))
    assert "Launching 500 units of 'moods' comes to $60.00 with fees" in words
    assert "$50.00, of which $10.44 is spent and $2.12 committed, so $37.44 is free" in words
    assert "Lower the number of units to at most 312, or raise the budget (config.yml)." in words


def test_a_refusal_of_visits_says_how_many_units_they_hold() -> None:
    each = Money.of("2.10")
    wanted = Wanted("launching 500 units", each * 25, 25, each, "visit", 20)
    assert "visits to at most 9 (180 units)" in str(decide(wanted, [(budget(20), booked(0))]))


def test_where_not_one_fits_it_says_so() -> None:
    decision = decide(units(5), [(budget(1), booked(2))])
    assert decision.most == 0
    assert "so nothing is free. Not one unit fits: raise the budget" in str(decision)


def test_what_cannot_be_counted_has_no_number_that_fits() -> None:
    decision = decide(Wanted("Giving 2 bonuses", Money.of(9)), [(budget(5), booked())])
    assert decision.most is None
    assert "Want less, or raise the budget" in str(decision)


def test_nothing_wanted_is_allowed_though_all_is_gone() -> None:
    assert decide(Wanted("Lowering the reward", Money(0)), [(budget(5), booked(9))]).allowed


def test_a_budget_of_another_currency_limits_nothing() -> None:
    pounds = budget(1, currency="GBP")
    decision = decide(units(100), [(pounds, booked(currency="GBP"))])
    assert decision.allowed
    assert "is in GBP, and does not limit what is paid in USD" in str(decision)


def test_what_is_spent_in_another_currency_is_told() -> None:
    gone = Booked(Money(0), Money(0), {"GBP": Money.of(7, "GBP")})
    decision = decide(units(1), [(budget(1), gone)])
    assert decision.allowed
    assert "£7.00 in other currencies is not held against the budget of the task 'moods'" in str(decision)


def test_a_month_is_that_of_utc() -> None:
    assert month_of(1_798_761_599.0) == "2026-12"
    assert month_of(1_798_761_600.0) == "2027-01"


@pytest.mark.parametrize(
    ("given", "is_needed"),
    [
        (None, True), (False, True), (True, False), ("$120.00", False), ("120", False), ("120 USD", False),
        ("$200", False), ("$119.99", True), ("£120.00", True), ("120 GBP", True), ("yes", True), ("", True),
        ("1.2.0", True),
    ],
)  # fmt: skip
def test_a_high_sum_is_confirmed_by_itself(given: bool | str | None, is_needed: bool) -> None:
    assert Confirmation(Money.of(120), Money.of(100), given).is_needed is is_needed


def test_what_to_type_is_never_less_than_the_sum() -> None:
    asked = Confirmation(Money.of("120.001"), Money.of(100))
    assert asked.expected == "$120.01"
    assert not Confirmation(Money.of("120.001"), Money.of(100), asked.expected).is_needed


def test_up_to_the_limit_nothing_has_to_be_confirmed() -> None:
    assert not Confirmation(Money.of(100), Money.of(100)).is_needed
    assert not Confirmation(Money.of(100), None).is_needed
    assert not Confirmation(Money.of(100), Money.of(1, "GBP")).is_needed
