"""A run at work is paid in its own currency, from its configuration to what a notebook shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.config.task_run_settings import resolve_config
from mephisto_nb.display.dashboard.runs import run_list
from mephisto_nb.errors import ConfigError
from mephisto_nb.kernel.hooks import SubmittedUnit
from mephisto_nb.model.money import Money
from mephisto_nb.operator import Operator
from mephisto_nb.testing.simulated_workers import simulate_workers
from tests.inside import parts_of, watch
from tests.kernel.runs import ABOUT, crowd_of, launch, rows, take

POUNDS: dict[str, Any] = {"currency": "GBP", "task_reward": 0.05}


async def test_a_run_pays_in_its_currency_wherever_it_is_told(operator: Operator) -> None:
    async def reward(unit: SubmittedUnit) -> None:
        await unit.bonus(unit.pay_amount * 2, "for care")

    run = await launch(operator, rows(2), shared={"on_unit_submitted": reward}, **POUNDS)
    await simulate_workers(run, lambda data: data, num_workers=1, units_per_worker=1)
    assert run.preview("limits", task_reward=0.06) == (
        "Pay for a unit: £0.06 instead of £0.05, for 1 unit that nobody has yet: adds £0.01."
    )
    await run.steering.change_limits(task_reward=Money.of("0.06", "GBP"))
    await run.shutdown()
    (paid,) = run.payments().to_dict("records")
    assert (paid["amount"], paid["currency"]) == (0.1, "GBP")
    assert set(run.units()["currency"]) == {"GBP"}
    assert "is owed £0.10: for care" in set(run.events()["why"])
    money = watch(run).state()["money"]
    assert (money["currency"], money["spent"], money["minimum_per_hour"]) == ("GBP", 0.15, 6.0)
    assert "£0.15 in all" in run._repr_mimebundle_()["text/plain"]


async def test_a_run_that_is_taken_up_again_keeps_its_currency(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    run = await launch(operator, rows(2), **POUNDS)
    await run.steering.change_limits(task_reward=0.25)
    await operator.detach()
    again = await make_operator().reconnect(run.task_run_id)
    async with crowd_of(again) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
    state = parts_of(again).engine.state
    assert {unit.pay_amount for unit in state.units.values()} == {state.rules.pay_amount} == {Money.of("0.25", "GBP")}


async def test_a_run_is_not_resumed_in_another_currency(operator: Operator) -> None:
    run = await launch(operator, rows(2), **POUNDS)
    await run.force_shutdown()
    with pytest.raises(ConfigError, match=r"currency is USD, but run \w+ of 'moods', .* pays in GBP"):
        await launch(operator, rows(2), resume_incomplete_run=True)
    again = await launch(operator, rows(2), resume_incomplete_run=True, **POUNDS)
    assert again.task_run_id == run.task_run_id


async def test_runs_of_two_currencies_have_two_sums(operator: Operator) -> None:
    for currency in ("GBP", "USD"):
        run = await launch(operator, rows(3), **{**POUNDS, "currency": currency, "task_name": currency})
        await run.force_shutdown()
    await launch(operator, rows(2), task_name="more", **POUNDS)
    runs = run_list(operator._runs)
    await runs.load()
    costs = [(one["currency"], one["spent"], one["whole_cost"]) for one in runs.state()["sums"]]
    assert costs == [("GBP", 0.0, 0.1), ("USD", 0.0, 0.0)]
    assert [row["currency"] for row in runs.state()["runs"]] == ["GBP", "USD", "GBP"]


@pytest.mark.parametrize("budget", ["30 GBP", "£30.00", Money.of(30, "GBP"), 30])
def test_amounts_of_a_configuration_may_name_their_currency(budget: Any) -> None:
    task = {**ABOUT, "currency": "GBP", "task_reward": "GBP 0.15", "maximum_bonus": "1,000 GBP", "budget": budget}
    read = resolve_config(compose("mock", task=task)).task
    assert (read.task_reward, read.maximum_bonus, read.budget) == (0.15, 1000, 30)
    overrides = ["mephisto.task.currency=GBP", "mephisto.task.task_reward=0.1", "mephisto.task.budget=30 GBP"]
    assert resolve_config(compose("mock", task=ABOUT, overrides=overrides)).task.budget == 30


def test_an_amount_of_another_currency_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mephisto.task.budget is in GBP, but here USD is paid"):
        compose("mock", task={**ABOUT, "task_reward": 0.1, "budget": "30 GBP"})
