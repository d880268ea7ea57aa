"""A run is paid in one currency; what is owed in several is never added up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.money import Money
from mephisto_nb.operator import Operator
from tests.review.answers import said, stored_run

ROWS = [said(0, "ann", "glad"), said(0, "bob", "grim")]


@pytest.fixture
def pounds(operator: Operator) -> Any:
    return stored_run(operator, ROWS, currency="GBP")


@pytest.fixture
def both(operator: Operator, pounds: Any) -> Any:
    """The review of two runs, of which one is paid in US dollars."""
    stored_run(operator, ROWS[:1])
    return operator.review.of("moods")


async def test_all_frames_of_a_run_name_its_currency(operator: Operator, pounds: Any) -> None:
    decided = await pounds.review.approve(bonus=0.5)
    assert decided[["owed", "currency"]].to_numpy().tolist() == [[0.75, "GBP"]] * 2
    frames = [pounds.units(), pounds.results(), pounds.payments(), pounds.review.decisions(), operator.task_runs()]
    frames += [pounds.review.queue(decided=True), operator.workers.frame()]
    assert [set(frame["currency"]) for frame in frames] == [{"GBP"}] * len(frames)
    assert list(pounds.events()["why"].str.extract("(£.*):")[0].dropna()) == ["£0.25", "£0.50"] * 2


@pytest.mark.parametrize("bonus", [0.5, "0.5", Decimal("0.50"), Money.of("0.5", "GBP")])
async def test_a_bonus_is_given_in_any_way_that_is_exact(pounds: Any, bonus: Any) -> None:
    assert str(pounds.review.preview("approve", worker="ann", bonus=bonus).bonus) == "£0.50"
    await pounds.review.approve(worker="ann", bonus=bonus, maximum_bonus=bonus)
    assert pounds.payments().query("kind == 'bonus'")["amount"].tolist() == [0.5]


@pytest.mark.parametrize("bonus", [Money.of("0.5"), 0.000001, "five"])
async def test_a_bonus_that_cannot_be_paid_is_refused(pounds: Any, bonus: Any) -> None:
    with pytest.raises(ConfigError, match=r"The bonus (is in USD|cannot be)"):
        await pounds.review.approve(bonus=bonus)
    assert pounds.payments().empty


async def test_a_bonus_is_for_answers_of_one_currency(operator: Operator, both: Any) -> None:
    with pytest.raises(ConfigError, match="that pay in GBP and USD"):
        await both.approve(bonus=0.5)
    assert operator.payments().empty
    assert sorted((await both.approve())["currency"]) == ["GBP", "GBP", "USD"]


async def test_sums_in_two_currencies_stand_side_by_side(operator: Operator, both: Any) -> None:
    assert str(both.preview("approve")).startswith(
        "3 answers of 3 workers will be approved. £0.50 and $0.25 will be owed: £0.50 and $0.25 of pay."
    )
    await both.approve()
    assert "3 payments to 2 workers (of 'moods'), £0.50 and $0.25 in all" in str(
        operator.payments.preview_paid(operator.payments())
    )
    owed = operator.payments.owed()[["worker_name", "owed", "currency"]].to_numpy().tolist()
    assert owed == [["ann", 0.25, "GBP"], ["bob", 0.25, "GBP"], ["ann", 0.25, "USD"]]


async def test_who_was_paid_in_two_currencies_has_no_sum(operator: Operator, both: Any) -> None:
    await both.approve()
    workers = operator.workers.frame().set_index("worker_name")
    assert workers["currency"].to_dict() == {"ann": "GBP, USD", "bob": "GBP"}
    assert workers.loc["ann", ["earned", "owed", "hourly_pay", "minimum_hourly_pay"]].isna().all()
    assert (workers["owed"]["bob"], workers["minimum_hourly_pay"]["bob"]) == (0.25, 6.0)
