"""All runs of an operator, those of this kernel and all others."""

from __future__ import annotations

import json
from collections.abc import Callable

from mephisto_nb.operator import Operator
from mephisto_nb.testing.simulated_workers import simulate_workers
from tests.inside import parts_of, run_list
from tests.kernel.runs import crowd_of, launch, rows, take


async def test_runs_are_listed_with_how_far_they_are_and_what_they_cost(operator: Operator) -> None:
    first = await launch(operator, rows(3))
    second = await launch(operator, rows(2), task_name="colours")
    async with crowd_of(second) as worker:
        await take(worker("ann"))
    await simulate_workers(first, lambda data: data, num_workers=1, units_per_worker=1)
    await first.shutdown()
    runs = run_list(operator)
    await runs.load()
    told = [(run["name"], run["status"], run["answered"], run["total"], run["at_work"]) for run in runs.state()["runs"]]
    assert told == [("colours", "live", 0, 2, 1), ("moods", "ended", 1, 3, 0)]
    costs = [(run["spent"], run["whole_cost"]) for run in runs.state()["runs"]]
    assert costs == [(0.0, 0.2), (0.1, 0.1)]
    assert runs.state()["sums"] == [{"currency": "USD", "spent": 0.1, "whole_cost": 0.3}]
    json.dumps(runs.state())


async def test_past_runs_and_those_left_behind_are_listed(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    ended = await launch(operator, rows(2))
    await simulate_workers(ended, lambda data: data, num_workers=1)
    await ended.completed()
    left = await launch(operator, rows(3))
    await operator.detach()
    runs = run_list(later := make_operator())
    (row,) = runs.state()["runs"]
    assert (row["id"], row["status"], row["answered"], row["total"]) == (left.task_run_id, "left", None, None)
    assert (row["spent"], row["whole_cost"]) == (None, None)
    await runs.load()
    told = [(run["id"], run["status"], run["answered"], run["total"]) for run in runs.state()["runs"]]
    assert told == [(left.task_run_id, "left", 0, 3), (ended.task_run_id, "ended", 2, 2)]
    before = [(run["spent"], run["whole_cost"]) for run in runs.state()["runs"]]
    await later.reconnect(left.task_run_id)
    assert [run["status"] for run in runs.state()["runs"]] == ["live", "ended"]
    assert [(run["spent"], run["whole_cost"]) for run in runs.state()["runs"]] == before


async def test_runs_are_sorted_by_attention_then_activity_then_age(operator: Operator) -> None:
    names = ("old", "failed", "live", "new")
    made = {name: await launch(operator, rows(1), task_name=name) for name in names}
    for name in ("old", "new"):
        await made[name].force_shutdown()
    parts_of(made["failed"]).link.trouble = "The router sleeps."
    assert [run["name"] for run in run_list(operator).state()["runs"]] == ["failed", "live", "new", "old"]


async def test_whoever_looks_hears_of_launches_steps_and_the_end(operator: Operator) -> None:
    runs, seen = run_list(operator), []
    runs.on_change.append(lambda: seen.append([run["status"] for run in runs.state()["runs"]]))
    run = await launch(operator, rows(1))
    assert seen[-1] == ["live"]
    await run.steering.pause_launching()
    assert seen[-1] == ["paused"]
    await operator.force_shutdown()
    assert (seen[-1], runs.state()["closed"]) == (["ended"], True)
    await runs.load()
    assert run_list(operator) is runs
    runs.close()
    assert run_list(operator) is not runs
