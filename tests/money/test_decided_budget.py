"""What a decision comes to owe that nobody has counted on is held against budgets: bonuses, and pay after all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb.errors import BudgetExceededError
from mephisto_nb.operator import Operator
from tests.review.answers import said, stored_run

WriteConfig = Callable[[str], None]


@pytest.fixture
def run(operator: Operator) -> Any:
    """An ended run with an answer of ann and one of bob, each worth 0.25."""
    return stored_run(operator, [said(0, "ann", "glad"), said(0, "bob", "grim")])


async def test_bonuses_are_counted_for_what_is_decided_alone(run: Any, write_config: WriteConfig) -> None:
    await run.review.approve(worker="ann")
    write_config("budget: {month: 1 USD}")  # 0.50 is committed
    decided = await run.review.approve(run.results(), bonus=0.5)
    assert decided["done"].tolist() == [False, True]
    assert run.payments()["amount"].sum() == 1.0


async def test_who_was_rejected_is_paid_after_all_if_it_fits(run: Any, write_config: WriteConfig) -> None:
    rejected = await run.review.reject(worker="ann")
    write_config("budget: {month: 0.4 USD}")  # bob's 0.25 are committed
    with pytest.raises(BudgetExceededError, match=r"comes to \$0.25 with fees, but .* \$0.15 is free"):
        await run.review.approve(rejected["unit_id"], again=True)
    assert run.payments().empty
    write_config("budget: {month: 0.5 USD}")
    assert (await run.review.approve(rejected["unit_id"], again=True))["done"].all()


async def test_plain_approvals_need_no_more_than_is_committed(run: Any, write_config: WriteConfig) -> None:
    write_config("budget: {month: 0.01 USD}")
    assert (await run.review.approve())["done"].all()
    assert run.payments()["amount"].tolist() == [0.25, 0.25]


async def test_a_refusal_for_one_run_decides_in_none(operator: Operator, run: Any, write_config: WriteConfig) -> None:
    other = stored_run(operator, [said(0, "ann", "glad")], task_name="colours")
    write_config("budget: {month: 1.5 USD}")  # 0.75 is committed, and three bonuses of 0.30 come to 0.90
    chosen = [run.task_run_id, other.task_run_id]
    with pytest.raises(BudgetExceededError, match=r"is free"):
        await operator.review.of(chosen).approve(bonus=0.3)
    assert operator.payments().empty
    assert set(run.units()["status"]) | set(other.units()["status"]) == {"completed"}
