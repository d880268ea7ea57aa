"""What is decided on, and paid, once a run is over is on its dashboard, in its list and in its stills."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mephisto_nb.model.money import Money
from mephisto_nb.model.task_run_args import stored_task_pay
from mephisto_nb.operator import Operator
from mephisto_nb.testing.simulated_workers import simulate_workers
from tests.inside import frames_of, live_of, parts_of, run_list, watch
from tests.kernel.runs import crowd_of, end_routers, launch, rows, take
from tests.review.answers import said, stored_run

MakeOperator = Callable[[], Operator]


@pytest.fixture
async def ended(operator: Any) -> Any:
    """A run that is over, with 4 answers to decide on."""
    run = await launch(operator, rows(4), task_reward=0.035)
    await simulate_workers(run, lambda data: data, num_workers=1)
    gone = asyncio.Event()
    live_of(run).listeners.append(lambda: None if live_of(run).is_driven else gone.set())
    await run.completed()
    if live_of(run).is_driven:
        await gone.wait()
    return run


@pytest.fixture
async def make_operator(data_dir: Path) -> AsyncIterator[MakeOperator]:
    made: list[Operator] = []

    def make() -> Operator:
        Operator._open.clear()  # each is one such as another kernel has on the same data
        made.append(Operator(data_dir))
        return made[-1]

    yield make
    for one in made:
        await one.force_shutdown()
    await end_routers(data_dir)


@pytest.fixture
def operator(make_operator: MakeOperator) -> Operator:
    return make_operator()


def told_by(run: Any) -> tuple[dict[str, int], float]:
    """Return what a display would say now: units by status, and the cost."""
    state = watch(run).state()
    return {name: state["units"][name] for name in ("completed", "accepted", "rejected")}, state["money"]["spent"]


AFTER = {"completed": 1, "accepted": 2, "rejected": 1}


async def decide(run: Any) -> None:
    units = run.units()["unit_id"]
    await run.review.approve(units[:2], bonus=0.5)
    await run.review.reject(units[2:3])


async def test_golds_are_counted_neither_live_nor_once_a_run_is_over(operator: Operator) -> None:
    golds = {"golds": [{"text": "I could sing!", "mood": "glad"}], "gold_answer": "mood"}
    run = await launch(operator, rows(1), shared=golds)
    async with crowd_of(run) as worker:
        await worker("ann").submit(await take(worker("ann"), "1"), {"mood": "glad"})
        await worker("ann").submit(await take(worker("ann"), "2"), {"mood": "glad"})
        await parts_of(run).engine.wait_until(lambda state: not state.num_open)
    live = run.counts, watch(run).state()["units"]
    await run.force_shutdown()
    await watch(run).load()
    assert len(run.results(gates=True)) == 2
    assert (run.counts, watch(run).state()["units"]) == live == ({"completed": 1}, {**live[1], "total": 1})


async def test_golds_are_left_out_of_the_median_time(operator: Operator) -> None:
    run = stored_run(operator, [said(0, "ann", "glad", 10.0), said(0, "bob", "glad", 90.0)])
    gold = run.results().set_index("worker_name")["unit_id"]["bob"]
    with operator._runs.database.connections.writer.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql(f"UPDATE units SET unit_index = -2 WHERE unit_id = '{gold}'")
    assert watch(run).state()["pace"]["median_seconds"] == 10.0


async def test_a_blueprint_that_cannot_read_answers_is_named_once(operator: Operator, caplog: Any) -> None:
    def cannot_read(data: Any) -> Any:
        raise KeyError("mood")

    run = stored_run(operator, [said(0, "ann", "glad"), said(0, "bob", "grim")])
    frames_of(run).blueprint = SimpleNamespace(get_answer=cannot_read, get_asked_fields=lambda: None)  # type: ignore[assignment]
    await watch(run).load()
    assert [one["preview"] for one in watch(run).state()["newest"]] == ["tone: grim", "tone: glad"]
    (record,) = caplog.records
    assert "cannot_read raised KeyError for an answer" in record.message


async def test_whoever_looks_hears_of_decisions_in_this_kernel(operator: Operator, ended: Any) -> None:
    one, listed = watch(ended), run_list(operator)
    told, changes = asyncio.Event(), []
    assert told_by(ended)[0] == {"completed": 4, "accepted": 0, "rejected": 0}
    one.on_change += [lambda: changes.append(told_by(ended)), told.set]
    await decide(ended)
    while (AFTER, 1.105) not in changes:
        told.clear()
        await told.wait()
    (row,) = listed.state()["runs"]
    assert row["spent"] == 1.105


async def test_a_redrawn_still_shows_decisions_made_without_a_message(operator: Operator, ended: Any) -> None:
    assert "to review: 4" in ended._repr_mimebundle_()["text/plain"]
    await decide(ended)
    assert ended.counts == AFTER
    text = ended._repr_mimebundle_()["text/plain"]
    assert "to review: 1, accepted: 2, rejected: 1" in text
    assert "$1.1050 in all" in text
    assert "$1.1050" in operator._repr_mimebundle_()["text/html"]


async def test_another_kernels_decisions_are_shown_to_whoever_looks_again(
    make_operator: MakeOperator, ended: Any
) -> None:
    await watch(ended).load()
    other = make_operator()
    past: Any = other.get_task_run(ended.task_run_id)
    seen = watch(past)
    assert told_by(past)[0]["completed"] == 4
    await decide(past)
    await watch(ended).load()
    await seen.load()
    assert told_by(ended) == told_by(past) == (AFTER, 1.105)


async def test_a_payment_that_was_made_is_told(operator: Operator, ended: Any) -> None:
    await decide(ended)
    one, told = watch(ended), asyncio.Event()
    await one.load()
    assert [one.state()["money"][name] for name in ("undecided", "beside", "owed", "paid")] == [0.035, 1.0, 1.07, 0.0]
    one.on_change.append(told.set)
    await operator.payments.mark_paid(ended.payments().query("status == 'owed'"))
    await told.wait()
    assert [one.state()["money"][name] for name in ("owed", "paid")] == [0.0, 1.07]


async def test_a_run_that_another_kernel_drives_is_read_again_as_it_goes_on(
    make_operator: MakeOperator, operator: Operator
) -> None:
    run = await launch(operator, rows(3))
    other = make_operator()
    past = watch(other.get_task_run(run.task_run_id))
    assert (past.state()["run"]["status"], past.state()["units"]["answered"]) == ("detached", 0)
    await simulate_workers(run, lambda data: data, num_workers=1)
    await run.completed()
    await live_of(run).over.wait()
    await past.load()
    state = past.state()
    assert (state["run"]["status"], state["units"]["answered"], len(state["newest"])) == ("ended", 3, 3)
    assert state["newest"][0]["preview"]


async def test_what_a_notebook_saved_follows_until_the_operator_is_closed(
    operator: Operator, ended: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[str] = []
    monkeypatch.setattr(
        "mephisto_nb.display.summary._publish", lambda bundle, _, update: published.append(bundle["text/plain"])
    )
    display = ended._display
    display._saved.show(display.bundle(), display._what_is_shown())
    display.renew()
    assert len(published) == 1  # nothing has changed: the widget is left alone
    await decide(ended)
    await operator.shutdown()
    assert ["accepted: 2" in text for text in published] == [False, True]


async def test_a_list_drawn_in_a_new_kernel_has_every_run_with_its_cost(
    make_operator: MakeOperator, ended: Any
) -> None:
    other = make_operator()
    drawn = other._repr_mimebundle_()["text/html"]
    assert ended.task_run_id in drawn
    assert "finished" in drawn
    assert "$0.14" in drawn


async def test_ages_of_old_answers_count_to_now_and_their_pace_to_then(make_operator: MakeOperator, ended: Any) -> None:
    past: Any = make_operator().get_task_run(ended.task_run_id)
    frames_of(past).clock = Later()
    state = watch(past).state()
    await watch(past).load()
    assert state["run"]["now"] == Later.NOW
    assert state["pace"]["per_hour"] > 1000
    drawn = past._repr_mimebundle_()
    assert "As it was on 2100-01-01" in drawn["text/plain"]
    assert re.search(r"text: text 3</bdi> .*, [\d,]+\sd(\s\d+\sh)? ago\)", drawn["text/html"])


class Later:
    NOW = 4_102_444_800.0

    def now(self) -> float:
        return self.NOW


async def test_a_run_that_is_found_to_be_live_is_told_in_a_line(make_operator: MakeOperator) -> None:
    run = await launch(make_operator(), rows(1))
    (found,) = make_operator().find_live_runs()
    assert re.fullmatch(rf"<TaskRun 'moods' {run.task_run_id}: launched \d{{4}}-\d\d-\d\d \d\d:\d\d UTC>", repr(found))


def test_nobody_has_set_a_minimum_for_a_run_that_was_imported() -> None:
    config = {"mephisto": {"task": {"minimum_hourly_pay": 8.0}}}
    found = [stored_task_pay(one).minimum_hourly_pay for one in (config, {}, {**config, "imported": {}})]
    assert found == [Money.of(8), Money.of(8), Money(0)]
