"""What is asked of one budget in the same instant: the check and what it allows are one step, also for two kernels."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mephisto_nb.errors import BudgetExceededError
from mephisto_nb.money.budget import Spending
from mephisto_nb.operator import Operator
from tests.kernel.runs import crowd_of, launch, mock_config, rows

pytestmark = pytest.mark.slow
WriteConfig = Callable[[str], None]


class Together:
    """Lets the first checks of so many who ask pass, and only then lets any of them go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, *names: str) -> None:
        self._left, self._all = number, asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for name in names:
            monkeypatch.setattr(Spending, name, self._waiting(getattr(Spending, name)))

    def _waiting(self, real: Callable[..., None]) -> Callable[..., None]:
        def check(spending: Spending, *args: Any) -> None:
            real(spending, *args)
            if self._left > 0:
                self._left -= 1
                asyncio.run_coroutine_threadsafe(self._meet(), self._loop).result(10)

        return check

    async def _meet(self) -> None:
        if self._left <= 0:
            self._all.set()
        await self._all.wait()


async def people_answer(run: Any, *names: str) -> None:
    """Let people answer, rather than programs, which are owed nothing."""
    async with crowd_of(run.url) as worker:
        for name in names:
            about = {"worker_name": name, "agent_registration_id": f"{name}-1", "assignment_id": name}
            told = await worker(name).post("/request_agent", {"provider_data": {**about, "provider_type": "link"}})
            await worker(name).submit(told["data"]["agent_id"], {"mood": "glad"})


async def refused(*acts: Awaitable[Any]) -> list[str]:
    """Do things at once; return what was refused, in words."""
    outcomes = await asyncio.gather(*acts, return_exceptions=True)
    failures = [one for one in outcomes if isinstance(one, BaseException)]
    assert all(isinstance(one, BudgetExceededError) for one in failures), failures
    return [str(one) for one in failures]


async def test_two_bonuses_do_not_share_what_is_free(
    operator: Operator, write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config("budget: {month: 1 USD}")
    run = await launch(operator, rows(2))
    await people_answer(run, "ann", "bob")
    await run.completed()
    Together(monkeypatch, 2, "check_bonuses")
    one, two = run.units()["unit_id"]
    (words,) = await refused(run.review.approve([one], bonus=0.6), run.review.approve([two], bonus=0.6))
    assert "$0.80 committed, so $0.20 is free" in words
    assert run.payments()["amount"].tolist().count(0.6) == 1
    assert sorted(run.units()["status"]) == ["accepted", "completed"]


async def test_a_raise_and_a_hooks_bonus_do_not_share(
    operator: Operator, write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome: list[str] = []

    async def reward(unit: Any) -> None:
        outcome.extend(await refused(unit.bonus(0.4, "for care")))

    run = await launch(operator, rows(5), shared={"on_unit_submitted": reward}, budget=1.0)
    Together(monkeypatch, 2, "check_bonuses", "check_raise")
    await people_answer(run, "ann")
    outcome += await refused(run.steering.change_limits(task_reward=0.2))  # 0.40 more for 4 units
    await run.steering.expire_units()
    await run.completed()
    assert (len(outcome), len(run.payments()) + (run.units()["pay_amount"].max() == 0.2)) == (1, 1)


async def test_two_launches_do_not_share_what_is_free(
    operator: Operator, write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config("budget: {month: 1 USD}")
    one, two = (operator.launch_task_run(mock_config(task_name=name), rows(6)) for name in ("moods", "colours"))
    (words,) = await refused(one, two)
    assert "$0.60 committed, so $0.40 is free" in words
    assert len(operator.get_running_task_runs()) == 1
    assert len(operator.task_runs()) == 1


async def test_two_kernels_do_not_share_what_is_free(
    make_operator: Callable[..., Operator], write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config("budget: {month: 1 USD}")
    first = make_operator()
    monkeypatch.setattr(Operator, "_open", {})  # as another kernel, which does not find this one's
    second = make_operator()
    assert first is not second
    run = await launch(first, rows(2))
    await people_answer(run, "ann", "bob")
    await run.completed()
    await run.shutdown()
    other = second.get_task_run(run.task_run_id)
    Together(monkeypatch, 2, "check_bonuses")
    one, two = run.units()["unit_id"]
    words = await refused(run.review.approve([one], bonus=0.6), other.review.approve([two], bonus=0.6))
    assert len(words) == 1
    assert run.payments()["amount"].tolist().count(0.6) == 1
