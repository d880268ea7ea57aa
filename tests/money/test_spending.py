"""A run that lasts commits no more than its budgets hold: not by a raise, by a hook's bonus, nor by a reviewer's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb.errors import BudgetExceededError
from mephisto_nb.operator import Operator
from tests.kernel.runs import crowd_of, launch, rows, take

pytestmark = pytest.mark.slow
WriteConfig = Callable[[str], None]


async def answer(run: Any, name: str = "ann") -> None:
    """Let a program answer: its answer costs nobody anything."""
    async with crowd_of(run.url) as worker:
        await worker(name).submit(await take(worker(name)), {"mood": "glad"})


async def test_a_raise_beyond_the_budget_changes_nothing(operator: Operator, write_config: WriteConfig) -> None:
    run = await launch(operator, rows(10), budget=1.5)  # 1.00 is committed
    with pytest.raises(BudgetExceededError, match="for 10 units, comes to"):
        await run.steering.change_limits(task_reward=0.16)
    assert set(run.units()["pay_amount"]) == {0.1}
    await run.steering.change_limits(task_reward=0.15)
    assert set(run.units()["pay_amount"]) == {0.15}


async def test_a_hook_pays_no_bonus_beyond_the_budget(operator: Operator, write_config: WriteConfig) -> None:
    failures: list[Exception] = []

    async def reward(unit: Any) -> None:
        await unit.bonus(0.3, "for care")
        await unit.bonus(0.3, "for care")  # the same once more, which costs nothing
        try:
            await unit.bonus(0.6, "for more care")
        except BudgetExceededError as error:
            failures.append(error)

    run = await launch(operator, rows(1), shared={"on_unit_submitted": reward}, budget=0.5)
    await answer(run)
    await run.completed()
    assert run.payments()["amount"].tolist() == [0.3]
    (failure,) = failures
    assert "Giving 1 bonus in 'moods' comes to $0.60" in str(failure)


async def test_a_plain_hook_is_told_at_once(operator: Operator, write_config: WriteConfig) -> None:
    failures: list[Exception] = []

    def reward(unit: Any) -> None:
        try:
            unit.bonus(0.6, "for care")
        except BudgetExceededError as error:
            failures.append(error)

    run = await launch(operator, rows(1), shared={"on_unit_submitted": reward}, budget=0.5)
    await answer(run)
    await run.completed()
    assert len(failures) == 1
    assert run.payments().empty


async def test_a_reviewer_gives_no_bonus_beyond_the_budget(operator: Operator, write_config: WriteConfig) -> None:
    run = await launch(operator, rows(1), budget=0.5)
    await answer(run)
    await run.completed()
    with pytest.raises(BudgetExceededError, match="comes to"):
        await run.review.approve(bonus=0.51)
    assert run.payments().empty
    decided = await run.review.approve(bonus=0.5)
    assert decided["done"].all()
