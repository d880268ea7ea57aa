"""A run is steered from its kernel, and stays as it was steered."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.errors import ClosedError, ConfigError
from mephisto_nb.model.money import Money
from mephisto_nb.operator import Operator
from mephisto_nb.providers.link import LinkProvider
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.fake_clock import FakeClock
from tests.inside import parts_of, watch
from tests.kernel.runs import crowd_of, launch, rows, take

HOUR = 3600.0


def stored(data_dir: Path, column: str) -> Any:
    """Look into the database file itself."""
    with closing(sqlite3.connect(data_dir / "mephisto_nb.db")) as database:
        return database.execute(f"SELECT {column} FROM task_runs").fetchone()[0]


def acts(run: TaskRun) -> list[str]:
    """Return why each row is in the log that somebody left who steered the run."""
    events = run.events()
    return list(events[(events["subject"] == "run") & (events["who"] == "operator")]["why"])


async def test_a_run_is_paused_and_resumed(operator: Operator, data_dir: Path) -> None:
    run = await launch(operator, rows(2))
    async with crowd_of(run) as worker:
        agent_id = await take(worker("ann"))
        await run.steering.pause_launching()
        await run.steering.pause_launching()
        assert (run.status, stored(data_dir, "paused_at") is not None) == ("paused", True)
        refused = await worker("bob").register()
        assert (refused["failure_code"], "come back later" in refused["failure_reason"]) == ("paused", True)
        await worker("ann").submit(agent_id, {})
        await parts_of(run).engine.wait_until(lambda state: state.counts["completed"] == 1)
        await run.steering.resume_launching()
        assert (run.status, stored(data_dir, "paused_at")) == ("live", None)
        await take(worker("bob"))
    assert acts(run) == ["paused by the researcher", "resumed by the researcher"]


async def test_a_pause_and_limits_outlive_the_kernel(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    run = await launch(operator, rows(3))
    await run.steering.change_limits(task_reward=0.25, maximum_units_per_worker=1, max_num_concurrent_units=2)
    await run.steering.pause_launching()
    await operator.detach()
    assert run.status == "detached"
    again = await make_operator().reconnect(run.task_run_id)
    assert (again.status, again.counts) == ("paused", {"created": 1, "launched": 2})
    rules = parts_of(again).engine.state.rules
    assert (rules.pay_amount, rules.maximum_units_per_worker, rules.max_num_concurrent_units) == (Money.of(0.25), 1, 2)
    async with crowd_of(again) as worker:
        assert (await worker("ann").register())["failure_code"] == "paused"
        await again.steering.resume_launching()
        await worker("ann").submit(await take(worker("ann")), {})
        assert (await worker("ann").register())["failure_code"] == "max_for_task"


async def test_a_paused_run_is_not_shut_down_for_lack_of_submissions(
    timed_operator: Operator, clock: FakeClock
) -> None:
    run = await launch(timed_operator, rows(1), no_submission_patience=HOUR)
    await run.steering.pause_launching()
    clock.advance(5 * HOUR)
    await parts_of(run).engine.do(lambda step: None)
    await run.steering.resume_launching()
    assert run.status == "live"
    clock.advance(HOUR)
    await run.completed()


async def test_pay_changes_in_the_frames_for_those_who_come_later(operator: Operator) -> None:
    run = await launch(operator, rows(3))
    async with crowd_of(run) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
        await take(worker("ben"))
        await run.steering.change_limits(task_reward=0.2)
        assert list(run.units()["pay_amount"]) == [0.1, 0.1, 0.2]
        await worker("cid").submit(await take(worker("cid")), {})
        await parts_of(run).engine.wait_until(lambda state: state.counts["completed"] == 2)
    assert list(run.results()["pay_amount"]) == [0.1, 0.2]
    (row,) = (detail for detail in run.events()["detail"] if detail and "after" in detail)
    assert row == {name: {"task_reward": pay, "currency": "USD"} for name, pay in (("before", 0.1), ("after", 0.2))}


async def test_units_drawn_after_a_change_of_the_reward_get_the_new_one(operator: Operator) -> None:
    run = await launch(operator, ({"n": n} for n in range(4)), max_num_concurrent_units=1)
    assert len(run.units()) == 2
    await run.steering.change_limits(task_reward=0.5)
    await run.steering.change_limits(max_num_concurrent_units=4)
    await parts_of(run).engine.wait_until(lambda state: len(state.units) == 4)
    assert list(run.units()["pay_amount"]) == [0.5] * 4
    assert run.counts == {"launched": 4}


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, "none was given"),
        ({"task_reward": -0.1}, "task_reward cannot become -0.1"),
        ({"task_reward": float("nan")}, "task_reward cannot be nan"),
        ({"task_reward": 0.000001}, "task_reward cannot be 1e-06: amounts of USD have at most 5"),
        ({"task_reward": Money.of(1, "GBP")}, "task_reward is in GBP, but here USD is paid"),
        ({"max_num_concurrent_units": 1.5}, "max_num_concurrent_units cannot become 1.5. Give a whole number"),
        ({"maximum_units_per_worker": True}, "maximum_units_per_worker cannot become True"),
    ],
)
async def test_a_limit_that_cannot_be_is_refused_before_anything_is_written(
    operator: Operator, limits: dict[str, Any], said: str
) -> None:
    run = await launch(operator, rows(1))
    with pytest.raises(ConfigError, match=said):
        await run.steering.change_limits(task_reward=limits.pop("task_reward", None), **limits)
    assert acts(run) == []


async def test_each_way_to_end_leaves_its_row(operator: Operator) -> None:
    run = await launch(operator, rows(2))
    async with crowd_of(run) as worker:
        await take(worker("ann"))
        assert await run.steering.expire_units() == 1
        await run.force_shutdown()
    whys = ["expired by the researcher", "shut down at once by the researcher"]
    assert acts(run)[:2] == whys
    with pytest.raises(ClosedError, match="cannot be paused: it has ended"):
        await run.steering.pause_launching()


async def test_a_preview_counts_whom_an_act_concerns(operator: Operator) -> None:
    run = await launch(operator, rows(10))
    async with crowd_of(run) as worker:
        for name in ("ann", "ben"):
            await take(worker(name))
        assert run.preview("pause").startswith("Nothing is handed out until you resume: 8 units will wait. 2 workers")
        assert "8 units that nobody is working on are taken back. 2 workers" in run.preview("expire")
        assert run.preview("shutdown").endswith("The run ends when they are done.")
        assert "interrupted, and told that their unit has expired: ann, ben." in run.preview("force_shutdown")
        assert run.preview("limits", task_reward=0.15) == (
            "Pay for a unit: $0.15 instead of $0.10, for 8 units that nobody has yet: adds $0.40."
        )
        assert "7 units on offer will wait again" in run.preview("limits", max_num_concurrent_units=3)
        assert run.preview("resume") == "The run is not paused: nothing changes."
    assert json.dumps(run.counts) == '{"launched": 8, "assigned": 2}'


async def test_a_preview_of_higher_pay_counts_the_fees(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await launch(operator, rows(10))
    monkeypatch.setattr(LinkProvider, "FEE_RATE", Decimal("0.2"))
    assert run.preview("limits", task_reward=0.2).endswith("adds $1.20, fees included.")
    assert run.preview("limits", task_reward=0.05).endswith("saves $0.60, fees included.")
    assert watch(run).state()["money"]["to_come"] == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("action", "arguments", "said"),
    [
        ("explode", {}, "There is no action 'explode'. Name one of pause, resume"),
        ("pause", {"task_reward": 1.0}, "takes no argument task_reward"),
        ("limits", {"colour": 1}, "'colour' is none of them"),
    ],
)
async def test_a_preview_of_what_cannot_be_says_so(
    operator: Operator, action: str, arguments: dict[str, Any], said: str
) -> None:
    run = await launch(operator, rows(1))
    with pytest.raises(ConfigError, match=said):
        run.preview(action, **arguments)


async def test_a_run_whose_kernel_was_killed_is_as_it_was_steered(
    make_operator: Callable[..., Operator], data_dir: Path
) -> None:
    command = (sys.executable, "-m", "tests.kernel.kernel", str(data_dir), "3", "steered")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    about = json.loads(await process.stdout.readline())
    process.kill()
    await process.communicate()
    run = await make_operator().reconnect(about["run_id"])
    assert (run.status, set(run.units()["pay_amount"])) == ("paused", {0.5})
    async with crowd_of(run) as worker:
        assert (await worker("ann").register())["failure_code"] == "paused"
        await run.steering.resume_launching()
        await take(worker("ann"))


async def test_a_resumed_run_takes_the_limits_of_its_new_configuration(operator: Operator) -> None:
    run = await launch(operator, rows(2))
    await run.steering.change_limits(maximum_units_per_worker=1)
    await run.steering.pause_launching()
    await run.shutdown()
    again = await launch(operator, rows(2), resume_incomplete_run=True, maximum_units_per_worker=5)
    assert (again.task_run_id, again.status) == (run.task_run_id, "live")
    assert parts_of(again).engine.state.rules.maximum_units_per_worker == 5
