"""Two who decide on answers of one visit, each of whom sees not yet what the other has decided: it is paid once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Barrier
from typing import Any

import pytest

from mephisto_nb.kernel.visits import telling
from mephisto_nb.operator import Operator
from mephisto_nb.review import decide
from tests.inside import parts_of
from tests.kernel.conftest import data_dir, make_operator, town
from tests.kernel.test_visits import told
from tests.kernel.visiting import Town, launch_visits, people_of

__all__ = ["data_dir", "make_operator", "town"]
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nobody to ask how their visit ended: their tabs are closed."""
    monkeypatch.setattr(telling, "HEARD_WITHIN", 0.1)


@pytest.fixture
def another_kernel(make_operator: Callable[..., Operator], monkeypatch: pytest.MonkeyPatch) -> Callable[[], Operator]:
    """Make an operator as another kernel has it, rather than find the one of this kernel."""

    def make() -> Operator:
        monkeypatch.setattr(Operator, "_open", {})
        return make_operator()

    return make


async def answered(operator: Operator, town: Town, units: int) -> tuple[Any, Any, Any]:
    """Launch a run in which ann makes a visit of two units; return it, and the units."""
    run = await launch_visits(operator, units, units_per_visit=2)
    async with people_of(run) as person:
        await person("ann").do(2)
        await parts_of(run).link.catch_up()
        await told(town, run)
    one, two = run.units().query("status == 'completed'")["unit_id"]
    return run, one, two


async def test_a_kernel_that_does_not_drive_the_run_decides_too(
    another_kernel: Callable[[], Operator], town: Town
) -> None:
    run, one, two = await answered(another_kernel(), town, 4)
    other = another_kernel().get_task_run(run.task_run_id)
    await other.review.approve([one])
    await run.review.approve([two])
    assert run.payments()["amount"].tolist() == [0.3]
    await run.force_shutdown()


async def test_two_decide_in_the_same_instant(
    another_kernel: Callable[[], Operator], town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, one, two = await answered(another_kernel(), town, 2)
    runs = [another_kernel().get_task_run(run.task_run_id) for _ in range(2)]
    make_step, both, calls = decide.make_step, Barrier(2), list[Any]()

    def at_once(*about: Any) -> Any:
        calls.append(about)
        step = make_step(*about)
        if len(calls) <= 2:
            both.wait(10)
        return step

    monkeypatch.setattr(decide, "make_step", at_once)
    await asyncio.gather(*(own.review.approve([unit]) for own, unit in zip(runs, (one, two), strict=True)))
    assert run.payments()["amount"].tolist() == [0.3]


async def test_what_was_decided_while_a_visit_went_on_is_owed(
    another_kernel: Callable[[], Operator], town: Town
) -> None:
    run = await launch_visits(another_kernel(), 6, units_per_visit=3)
    async with people_of(run) as person:
        await person("ann").do(2)
        await parts_of(run).link.catch_up()
        other = another_kernel().get_task_run(run.task_run_id)
        assert (await other.review.approve())["done"].tolist() == [True, True]
        await run.force_shutdown()
    assert run.payments().empty
    await run.review.tell_crowd()
    await run.review.tell_crowd()
    assert run.payments()["amount"].tolist() == [0.3]  # as a whole: nobody had more for her
