"""A launch that does not fit is refused before anything of it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mephisto_nb as mnb
from mephisto_nb.config.task_run_settings import settings_from_dict
from mephisto_nb.errors import BudgetExceededError, ConfigError, ConfirmationNeededError
from mephisto_nb.model.money import Money
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from tests.inside import frames_of
from tests.kernel.runs import mock_config, nothing_is_left

WriteConfig = Callable[[str], None]
ROWS: list[Any] = [{"text": "a"}] * 30


async def refused(operator: Operator, kind: type[Exception], words: str, rows: Any = None, **options: Any) -> None:
    """Launch 30 units at 0.10, and see it refused with nothing left behind."""
    rows = ROWS if rows is None else rows
    with pytest.raises(kind, match=words):
        await operator.launch_task_run(mock_config(), SharedTaskState(static_task_data=rows), **options)
    assert operator.task_runs().empty
    assert nothing_is_left(operator._runs.directory.parent)


async def test_a_budget_of_the_task_refuses(operator: Operator, write_config: WriteConfig) -> None:
    write_config("budget: {tasks: {moods: 2 USD}}")
    words = r"Launching 30 units of 'moods' comes to \$3.00 with fees.*at most 20, or raise the budget \(budget.tasks"
    await refused(operator, BudgetExceededError, words)


@pytest.mark.parametrize("budget", [1.5, "1.5", "1.50 USD", "$1.50", Money.of("1.5")])
async def test_a_budget_in_the_call_refuses(operator: Operator, write_config: WriteConfig, budget: Any) -> None:
    words = r"comes to \$3.00 with fees, but .* is \$1.50.*at most 15, or .* \(mephisto.task.budget\)"
    await refused(operator, BudgetExceededError, words, budget=budget)


@pytest.mark.parametrize("budget", [0, -1, "much", Money.of(5, "GBP"), "5 GBP", "£5", "1,5", "1,50 USD"])
async def test_a_budget_that_cannot_be_is_refused(operator: Operator, write_config: WriteConfig, budget: Any) -> None:
    await refused(operator, ConfigError, "budget=", budget=budget)


async def test_a_generator_does_not_fit_in_any_budget(operator: Operator, write_config: WriteConfig) -> None:
    drawn = []

    def rows() -> Iterator[Any]:
        drawn.append(1)
        yield {"text": "a"}

    await refused(operator, BudgetExceededError, "come one by one", rows(), budget=1.5)
    assert not drawn


async def test_a_high_sum_has_to_be_confirmed(operator: Operator, write_config: WriteConfig) -> None:
    write_config("budget: {ask_above: 2 USD}")
    words = r"may cost up to \$3.00 .*asked above \$2.00. If that is meant, launch it with confirm='\$3.00'"
    await refused(operator, ConfirmationNeededError, words)
    await refused(operator, ConfirmationNeededError, words, confirm="$2.00")


async def test_a_budget_of_the_configuration_refuses(operator: Operator, write_config: WriteConfig) -> None:
    with pytest.raises(BudgetExceededError, match="at most 15"):
        await operator.launch_task_run(mock_config(budget=1.5), ROWS)
    with pytest.raises(ConfigError, match=r"mephisto\.task\.budget is -1"):
        await operator.launch_task_run(mock_config(budget=-1), ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("confirm", [True, "$3.00"])
async def test_what_is_confirmed_is_launched(operator: Operator, write_config: WriteConfig, confirm: Any) -> None:
    write_config("budget: {ask_above: 2 USD, month: 3 USD}")
    run = await operator.launch_task_run(mock_config(), ROWS, confirm=confirm)
    assert len(run.units()) == 30
    with pytest.raises(BudgetExceededError, match=r"\$3.00 committed, so nothing is free"):
        await operator.launch_task_run(mock_config(task_name="colours"), ROWS[:1])


@pytest.mark.slow
async def test_a_budget_of_the_call_stays_with_the_run(operator: Operator, write_config: WriteConfig) -> None:
    run = await operator.launch_task_run(mock_config(), ROWS, budget="3.00")
    assert frames_of(run).task_run.config["mephisto"]["task"]["budget"] == 3.0


@pytest.mark.slow
async def test_what_is_resumed_is_checked_for_what_is_left(operator: Operator, write_config: WriteConfig) -> None:
    run = await operator.launch_task_run(mock_config(), ROWS)
    await run.shutdown()
    write_config("budget: {month: 2 USD}")
    with pytest.raises(BudgetExceededError, match="Launching 30 units"):
        await operator.launch_task_run(mock_config(resume_incomplete_run=True), ROWS)
    assert operator.get_running_task_runs() == []


@pytest.mark.slow
async def test_a_budget_stays_until_a_resumption_gives_another(operator: Operator, write_config: WriteConfig) -> None:
    run = await operator.launch_task_run(mock_config(), ROWS, budget=3)
    await run.shutdown()
    again = await operator.launch_task_run(mock_config(resume_incomplete_run=True), ROWS)
    words = r"the run .* is \$3.00.* Want less, or end the run, and resume it with a higher one \(resume_inc"
    with pytest.raises(BudgetExceededError, match=words):
        await again.steering.change_limits(task_reward=0.11)
    await again.shutdown()
    with pytest.raises(BudgetExceededError, match=r"Launching 30 units .* is \$2.90"):
        await operator.launch_task_run(mock_config(resume_incomplete_run=True), ROWS, budget=2.9)
    assert operator.get_running_task_runs() == []
    third = await operator.launch_task_run(mock_config(resume_incomplete_run=True), ROWS, budget="3.30 USD")
    await third.steering.change_limits(task_reward=0.11)
    with pytest.raises(BudgetExceededError, match=r"the run .* is \$3.30"):
        await third.steering.change_limits(task_reward=0.12)
    (row,) = mnb.budgets(operator).to_dict("records")
    assert (row["limit"], row["free"]) == (3.3, 0)


@pytest.mark.slow
async def test_a_budget_of_another_currency_is_no_hindrance(operator: Operator, write_config: WriteConfig) -> None:
    write_config("budget: {month: 1 GBP, ask_above: 1 GBP}")
    run = await operator.launch_task_run(mock_config(), SharedTaskState(static_task_data=(row for row in ROWS)))
    assert len(run.units()) == 30


@pytest.mark.slow
async def test_what_a_launch_may_come_to_is_no_setting(
    operator: Operator, write_config: WriteConfig, caplog: pytest.LogCaptureFixture
) -> None:
    run = await operator.launch_task_run(mock_config(), ROWS, budget=3)
    config = frames_of(run).task_run.config
    assert config["reserved"] == Money.of(3).thousandths
    assert settings_from_dict(config).task.budget == 3
    assert "reserved" not in caplog.text
