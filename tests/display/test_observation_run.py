"""What a watch says of a real run is what its frames say, at every moment and of every run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mephisto_nb.display.dashboard.statistics import WINDOW
from mephisto_nb.display.dashboard.watch import RunWatch
from mephisto_nb.errors import NotFoundError
from mephisto_nb.model.states import UNIT_ANSWERED
from mephisto_nb.operator import Operator
from mephisto_nb.rules.step import Step
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.simulated_workers import simulate_workers
from tests.inside import frames_of, live_of, parts_of, watch
from tests.kernel.runs import crowd_of, launch, rows, take

ACTIVE = ["accepted", "onboarding", "waiting", "in task"]
GONE = ["returned", "disconnect", "timeout"]


def from_frames(run: Any, now: float) -> dict[str, Any]:
    """Work the numbers out from the frames alone."""
    units, agents, results = run.units(), run.agents(), run.results()
    counts = units["status"].value_counts()
    pay = units.groupby("status")["pay_amount"].sum()
    seconds = results["duration_in_seconds"]
    sent = (results["submitted_at"].astype("int64") / 1e6).sort_values()
    window = sent.iloc[-WINDOW - 1 :]
    begin = window.iloc[0] if len(window) > WINDOW else frames_of(run).task_run.opened_at
    newest = results.sort_values("submitted_at", ascending=False)["agent_id"].head(10)
    ended = agents["status"].isin(GONE).sum() + len(results)
    return {
        "counts": {status: int(count) for status, count in counts.items()},
        "answered": len(results),
        "spent": pay.reindex(["completed", "accepted", "soft_rejected"]).sum(),
        "committed": pay.reindex(["assigned"]).sum(),
        "to_come": pay.reindex(["created", "launched"]).sum(),
        "hourly": (3600 * results["pay_amount"] / seconds).median() if len(results) else None,
        "seconds": seconds.median() if len(results) else None,
        "per_hour": 3600 * min(len(sent), WINDOW) / (now - begin) if len(sent) else None,
        "at_work": set(agents.loc[agents["status"].isin(ACTIVE), "agent_id"]),
        "seen": agents["worker_id"].nunique(),
        "newest": newest.tolist(),
        "returned": (agents["status"] == "returned").sum() / ended if ended else None,
    }


def from_state(state: dict[str, Any]) -> dict[str, Any]:
    """Take the same numbers from what a watch says."""
    by_status = {name: count for name, count in state["units"].items() if name not in ("total", "answered") and count}
    money, pace = state["money"], state["pace"]
    return {
        "counts": by_status,
        "answered": state["units"]["answered"],
        **{name: money[name] for name in ("spent", "committed", "to_come")},
        "hourly": money["per_hour"],
        "seconds": pace["median_seconds"],
        "per_hour": pace["per_hour"],
        "at_work": {row["agent_id"] for row in state["people"]["rows"]},
        "seen": state["people"]["seen"],
        "newest": [one["agent_id"] for one in state["newest"]],
        "returned": state["rates"]["returned"],
    }


def differences(state: dict[str, Any], run: Any) -> dict[str, Any]:
    """Hold a state against the frames, whose times are whole microseconds."""
    said, true = from_state(state), from_frames(run, state["run"]["now"])
    for name in true:
        if isinstance(true[name], float):
            true[name] = pytest.approx(float(true[name]), rel=1e-3)
    return {name: (said[name], true[name]) for name in said if said[name] != true[name]}


class Comparison:
    """Holds a watch against the frames after every so many steps, when nothing is on its way to the database."""

    def __init__(self, run: TaskRun, every: int) -> None:
        self.run, self.every = run, every
        self.steps = self.compared = 0
        self.wrong: list[dict[str, Any]] = []
        self.watch = watch(run)
        parts_of(run).engine.listeners.append(self.on_step)

    def on_step(self, step: Step) -> None:
        self.steps += 1
        if self.steps % self.every == 0:
            self.compared += 1
            state = self.watch.state()
            if found := differences(state, self.run):
                self.wrong.append(found)


async def leave_some(run: TaskRun, count: int) -> None:
    """Let some workers give their units back."""
    async with crowd_of(run) as worker:
        for index in range(count):
            await worker(f"fickle-{index}").give_back(await take(worker(f"fickle-{index}")))


async def test_during_a_run_of_200_units_the_numbers_are_the_frames(operator: Operator) -> None:
    run = await launch(operator, rows(200), max_num_concurrent_units=40)
    comparison = Comparison(run, every=5)
    async with asyncio.TaskGroup() as group:
        group.create_task(leave_some(run, 12))
        group.create_task(simulate_workers(run, lambda data: data, num_workers=8, thinking_time=(0.0, 0.02)))
        await parts_of(run).engine.wait_until(lambda state: sum(state.counts[s] for s in UNIT_ANSWERED) > 60)
        await run.steering.change_limits(task_reward=0.2)
    await run.completed()
    assert comparison.compared >= 10
    assert comparison.wrong == []
    assert differences(comparison.watch.state(), run) == {}


async def test_a_watch_made_late_says_the_same(operator: Operator) -> None:
    run = await launch(operator, rows(12))
    await leave_some(run, 2)
    await simulate_workers(run, lambda data: data, num_workers=2, units_per_worker=4)
    await parts_of(run).engine.wait_until(lambda state: state.counts["completed"] == 8)
    late = watch(run)
    assert differences(late.state(), run) == {}
    assert {one["preview"] for one in late.state()["newest"]} == {""}
    await late.load()
    assert {one["preview"] for one in late.state()["newest"]} == {
        f"text: {text}" for text in run.results()["answer.text"]
    }


async def test_a_past_run_is_watched_from_the_database(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    run = await launch(operator, rows(6))
    await simulate_workers(run, lambda data: {"label": data["text"]}, num_workers=1, units_per_worker=4)
    async with crowd_of(run) as worker:
        await worker("ann").post("/log_error", {"USED_AGENT_ID": await take(worker("ann")), "error_data": {"m": 1}})
    await parts_of(run).engine.wait_until(lambda state: bool(parts_of(run).tally.page_errors))
    await run.force_shutdown()
    await watch(run).load()
    live = watch(run).state()
    await operator.shutdown()
    past = watch(make_operator().get_task_run(run.task_run_id))
    await past.load()
    state = past.state()
    assert (state["run"]["status"], state["run"]["ended_at"]) == ("ended", live["run"]["ended_at"])
    for part in ("units", "limits", "rates", "newest", "money"):
        assert state[part] == live[part], part
    assert state["newest"][0]["preview"] == "label: text 3"
    assert state["rates"]["workers_with_errors"] == 1


async def test_errors_of_an_earlier_kernel_are_counted_once_loaded(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    run = await launch(operator, rows(2))
    async with crowd_of(run) as worker:
        agent_id = await take(worker("ann"))
        report = {"USED_AGENT_ID": agent_id, "error_data": {"message": "x"}}
        await worker("ann").post("/log_error", report)
        await parts_of(run).engine.wait_until(lambda state: bool(parts_of(run).tally.page_errors))
        await operator.detach()
        again = await make_operator().reconnect(run.task_run_id)
        await worker("ann").post("/log_error", {**report, "error_data": {"message": "y"}})
        await parts_of(again).engine.wait_until(lambda state: bool(parts_of(again).tally.page_errors))
    now = watch(again)
    assert now.state()["rates"]["page_errors"] == 1
    await now.load()
    assert (now.state()["rates"]["page_errors"], now.state()["rates"]["workers_with_errors"]) == (2, 1)


async def test_errors_of_a_run_that_another_kernel_drives_are_read_again(
    make_operator: Callable[..., Operator],
) -> None:
    run = await launch(make_operator(), rows(1))
    Operator._open.clear()  # the next one is such as another kernel has
    seen = watch(make_operator().get_task_run(run.task_run_id))
    await seen.load()
    assert seen.state()["rates"]["page_errors"] == 0
    async with crowd_of(run) as worker:
        await worker("ann").post("/log_error", {"USED_AGENT_ID": await take(worker("ann")), "error_data": {"m": 1}})
    await parts_of(run).engine.wait_until(lambda state: bool(parts_of(run).tally.page_errors))
    await seen.load()
    assert seen.state()["rates"]["page_errors"] == 1


async def test_one_answer_is_read_in_full(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    async with crowd_of(run) as worker:
        agent_id = await take(worker("ann"))
        await worker("ann").submit(agent_id, {"label": "<b>cat"})
        await run.completed()
    answer = await watch(run).submission(agent_id)
    assert (answer["worker"], answer["unit"], answer["assignment"], answer["files"]) == ("ann", "#0", 0, [])
    assert (answer["inputs"], answer["answer"]) == ({"text": "text 0"}, {"label": "<b>cat"})
    assert answer["seconds"] == answer["at"] - answer["started_at"]
    with pytest.raises(NotFoundError, match="'nobody' has sent no answer"):
        await watch(run).submission("nobody")


async def test_whoever_looks_is_told_of_steps_pages_and_the_end(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    seen: list[tuple[str, int]] = []
    one = watch(run)
    one.on_change.append(lambda: seen.append((one.state()["run"]["status"], one.state()["people"]["at_work"])))
    async with crowd_of(run) as worker:
        await take(worker("ann"))
        await run.steering.pause_launching()
        await run.force_shutdown()
    assert [one for one in dict.fromkeys(seen) if one != ("live", 0)] == [
        ("live", 1),
        ("paused", 1),
        ("done", 0),
        ("ended", 0),
    ]
    assert watch(run) is one
    json.dumps(one.state())


async def test_whoever_fails_when_told_harms_neither_the_run_nor_the_others(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    told: list[int] = []
    one = watch(run)
    one.on_change += [lambda: 1 // 0, lambda: told.append(1)]
    async with crowd_of(run) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
        await run.completed()
    assert told


async def test_a_watch_of_ones_own_lets_go_of_the_run(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    parts = parts_of(run)
    listeners = [list(one) for one in (parts.engine.listeners, parts.link.listeners, live_of(run).listeners)]
    RunWatch(frames_of(run)).close()
    assert [list(one) for one in (parts.engine.listeners, parts.link.listeners, live_of(run).listeners)] == listeners


async def test_a_watch_that_is_closed_hears_nothing_more(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    told: list[int] = []
    one = watch(run)
    one.on_change.append(lambda: told.append(1))
    for _ in range(2):
        one.close()
    await run.steering.pause_launching()
    assert told == []
    assert watch(run) is not one


async def test_a_state_that_had_to_be_read_again_is_looked_at_anew(operator: Operator) -> None:
    run = await launch(operator, rows(2))
    one = watch(run)
    async with crowd_of(run) as worker:
        await take(worker("ann"))
        await parts_of(run).engine.load()
        assert one.state()["people"]["at_work"] == 1
        await take(worker("ben"))
    assert differences(one.state(), run) == {}


async def test_the_clock_alone_makes_those_who_look_look_again(timed_operator: Operator, clock: Any) -> None:
    run = await launch(timed_operator, rows(1))
    one, told = RunWatch(frames_of(run)), []
    one.on_change.append(lambda: told.append(one.state()["pace"]["per_hour"]))
    one.state()
    clock.advance(20.0)
    assert len(told) == 4
    one.close()
    clock.advance(20.0)
    assert len(told) == 4


async def test_how_a_run_is_is_told_when_that_is_committed(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    told, state = watch(run), parts_of(run).engine.state
    before, state.steering = state.steering, replace(state.steering, paused_at=1.0)  # as a step does before its commit
    assert told.state()["run"]["status"] == "live"
    state.steering = before
