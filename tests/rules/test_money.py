"""Amounts are exact, have a currency, and are read as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.money import Money, Sums, apportion, check_currency, total, totals


@pytest.mark.parametrize(
    ("value", "currency", "thousandths", "written"),
    [
        (0.15, "USD", 15_000, "$0.15"),
        ("0.1", "GBP", 10_000, "£0.10"),
        (Decimal("0.005"), "USD", 500, "$0.0050"),
        (0.00001, "USD", 1, "$0.00001"),
        (1234.5, "EUR", 123_450_000, "€1,234.50"),
        (7, "JPY", 7_000, "7 JPY"),
        (1.5, "KWD", 1_500_000, "1.500 KWD"),
        (-2, "USD", -200_000, "-$2.00"),
    ],
)
def test_amounts_are_read_and_written_exactly(value: object, currency: str, thousandths: int, written: str) -> None:
    amount = Money.of(value, currency)
    assert amount.thousandths == thousandths
    assert str(amount) == written
    assert Money.of(str(amount.decimal), currency) == amount


@pytest.mark.parametrize("text", ["1000.5 GBP", "gbp 1,000.50", " £1,000.5 ", "£1000.50 GBP", "1_000.5", "1,000.5"])
def test_text_may_name_its_currency(text: str) -> None:
    assert Money.of(text, "GBP") == Money(100_050_000, "GBP")
    assert Money.of("-.5 GBP", "GBP") == Money(-50_000, "GBP")


@pytest.mark.parametrize("text", ["5 USD", "$5", "USD 5"])
def test_text_of_another_currency_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="budget= is in USD, but here GBP is paid"):
        Money.of(text, "GBP", "budget=")


@pytest.mark.parametrize("text", ["1,5", "10,00 GBP", "1,0000", "1000,000"])
def test_a_comma_is_for_thousands_alone(text: str) -> None:
    with pytest.raises(ConfigError, match="Write decimals with a point"):
        Money.of(text, "GBP")


@pytest.mark.parametrize(
    "value", ["", "much", None, True, float("nan"), float("inf"), 10**10, 0.000001, [1], "£5 USD", "1.5.2"]
)
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="task_reward cannot be"):
        Money.of(value, "USD", "task_reward")


def test_what_floats_add_up_to_is_what_was_meant() -> None:
    assert Money.of(0.1 * 3) == Money.of("0.3")
    with pytest.raises(ConfigError, match="Round it"):
        Money.of(1 / 3)


def test_ten_dimes_are_a_dollar() -> None:
    assert total([Money.of(0.1)] * 10, "USD") == Money.of(1)


def test_two_currencies_are_never_added_up() -> None:
    with pytest.raises(ValueError, match="two currencies"):
        _ = Money.of(1) + Money.of(1, "GBP")
    with pytest.raises(ConfigError, match="in GBP, but here USD"):
        Money.of(Money.of(1, "GBP"), "USD", "bonus")
    assert totals([Money.of(1), Money.of(2, "GBP"), Money.of(3)]) == {"GBP": Money.of(2, "GBP"), "USD": Money.of(4)}


def test_what_is_paid_out_is_rounded_up() -> None:
    assert Money.of("0.011").rounded_up() == Money.of("0.02")
    assert Money.of("0.02").rounded_up().units == 2
    with pytest.raises(ValueError, match="not a whole number"):
        _ = Money.of("0.011").units


def test_a_share_is_rounded_to_a_thousandth() -> None:
    assert Money.of("1.00").share("0.333333") == Money(33_333)
    assert Money.of_units(150, "GBP").share(Decimal("0.2")) == Money.of("0.30", "GBP")


def test_a_currency_has_a_code() -> None:
    assert check_currency("CHF", "mephisto.task.currency") == "CHF"
    with pytest.raises(ConfigError, match="three capital letters"):
        check_currency("dollars", "mephisto.task.currency")


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**7), min_size=1, max_size=20))
def test_the_parts_of_an_amount_add_up_to_it(amount: int, weights: list[int]) -> None:
    parts = apportion(Money(amount), [Money(one) for one in weights])
    assert total(parts, "USD") == Money(amount)
    if any(weights):
        exact = [amount * one / sum(weights) for one in weights]
        assert all(abs(part.thousandths - one) <= 1 for part, one in zip(parts, exact, strict=True))


def test_a_float_of_an_amount_is_the_nearest_there_is() -> None:
    assert [float(Money(parts, code)) for parts, code in ((15_000, "USD"), (1, "USD"), (1, "JPY"), (1, "KWD"))] == [
        0.15, 0.00001, 0.001, 0.000001
    ]  # fmt: skip
    assert all(Money.of(float(Money(parts))) == Money(parts) for parts in range(1, 100_000, 7))


def test_a_part_of_an_amount_is_no_product_of_it() -> None:
    assert Money.of("0.05") * 3 == 3 * Money.of("0.05") == Money.of("0.15")
    with pytest.raises(TypeError):
        _ = Money.of(1) * 0.5  # type: ignore[operator]


def test_what_need_not_be_exact_is_rounded() -> None:
    assert Money.nearest(1 / 3) == Money(33_333)
    assert Money.nearest(-0.005, "GBP") == Money(-500, "GBP")


def test_sums_are_by_currency_and_hold_nothing_that_is_zero() -> None:
    sums = Sums.of([Money.of(1), Money.of(2, "GBP"), Money.of(3), Money(0, "EUR")])
    assert (str(sums), repr(sums), str(Sums())) == ("£2.00 and $4.00", "<Sums: £2.00 and $4.00>", "nothing")
    assert sums + Sums.of([Money.of(-4)]) == Sums.of([Money.of(2, "GBP")])
    assert sums.share(Decimal("0.25")) == Sums.of([Money.of(1), Money.of("0.5", "GBP")])
    assert (bool(sums), bool(Sums.of([Money(0)]))) == (True, False)


def test_what_is_left_over_goes_to_the_largest_remainders() -> None:
    parts = apportion(Money(10), [Money(1), Money(2), Money(4)])  # exactly 1 3/7, 2 6/7 and 5 5/7
    assert [part.thousandths for part in parts] == [1, 3, 6]
