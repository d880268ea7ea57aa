"""What dashboards, lists, stills, previews and frames say of money is what the ledger holds, to the cent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mephisto_nb as mnb
from mephisto_nb.config.config_handler import CONFIG_VARIABLE
from mephisto_nb.display.summary import summarize
from mephisto_nb.display.words import price
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from tests.inside import frames_of, parts_of, run_list, watch
from tests.kernel.runs import crowd_of, launch, rows, take
from tests.kernel.visiting import launch_visits, people_of

SENT = ("sent", "confirmed")


def totals(operator: Operator, run: TaskRun) -> dict[str, float]:
    """Return what the ledger says of a run."""
    found = operator.ledger.totals(by="task_run_id")
    found = found[found["task_run_id"] == run.task_run_id]
    (row,) = found.to_dict("records") or [dict.fromkeys(("owed", "sending", "sent", "confirmed", "total"), 0.0)]
    return {"paid": row["sent"] + row["confirmed"], "asked": row["sending"], "owed": row["owed"]}


async def shown(operator: Operator, run: TaskRun) -> dict[str, float]:
    """Return what all that shows it says of a run, if it says the same, and says what the ledger does."""
    await watch(run).load()
    await run_list(operator).load()
    state, ledger = watch(run).state(), totals(operator, run)
    money = state["money"]
    assert money["fees_estimated"] <= money["fees"]["spent"] + money["fees"]["committed"] + money["fees"]["to_come"]
    assert {name: money[name] for name in ledger} == pytest.approx(ledger, abs=1e-9)
    assert money["spent"] == pytest.approx(sum(ledger.values()) + money["undecided"] + money["fees"]["spent"])
    (row,) = [one for one in run_list(operator).state()["runs"] if one["id"] == run.task_run_id]
    assert (row["spent"], row["whole_cost"]) == (money["spent"], money["total"])
    still = dict(summarize(state).facts)["Cost"]
    words = {"paid": "paid", "asked": "being asked for", "owed": "owed"}
    assert all(
        f"{price(amount, money['currency'])} {words[name]}" in still for name, amount in ledger.items() if amount
    )
    read = frames_of(run).database.reviews.read_pay([run.task_run_id])[run.task_run_id]
    assert watch(run)._statistics.pay == read
    _check_frames(operator, run, ledger)
    return {name: round(money[name], 6) for name in ("paid", "owed", "undecided", "committed", "to_come")}


def _check_frames(operator: Operator, run: TaskRun, ledger: dict[str, float]) -> None:
    """Hold the frames of payments and workers against the ledger."""
    payments, workers = run.payments(), operator.workers.frame()
    by_status = payments.groupby("status")["amount"].sum()
    assert by_status.get("owed", 0.0) == pytest.approx(ledger["owed"])
    assert by_status.reindex(SENT).fillna(0.0).sum() == pytest.approx(ledger["paid"])
    for frame in (run.payments.owed(), operator.payments.owed([run.task_run_id]), workers):
        assert frame["owed"].sum() == pytest.approx(ledger["owed"])
        assert frame["sent"].sum() == pytest.approx(ledger["paid"] + ledger["asked"])


def answers_of(run: TaskRun, name: str) -> pd.Series[Any]:
    return run.results().query("worker_name == @name")["unit_id"]


async def test_visits_are_shown_as_the_ledger_has_them(operator: Operator) -> None:
    """Visits of 20.00: ann's is whole, ben stops after one of four answers, cid's goes on."""
    run = await launch_visits(operator, 14, provider="link", units_per_visit=4, task_reward=20)
    async with people_of(run) as person:
        await person("ann").do(4)
        await person("ben").do(1)
        await person("ben").give_back(await person("ben").take())
        await person("cid").do(2)
        await parts_of(run).engine.wait_until(lambda state: state.counts["completed"] == 7)
        nothing = {"paid": 0.0, "owed": 0.0}
        # Of 7 open units, cid's visit takes 2; the other 5 are two visits more.
        open_work = {"committed": 20.0, "to_come": 40.0}
        assert await shown(operator, run) == {**nothing, "undecided": 25.0, **open_work}
        first, *others = answers_of(run, "ann")
        await run.review.reject([first])
        assert await shown(operator, run) == {**nothing, "undecided": 25.0, **open_work}
        preview = run.review.preview("approve", others)
        assert "$20.00 will be owed" in str(preview)
        await run.review.approve(others)
        assert await shown(operator, run) == {"paid": 0.0, "owed": 20.0, "undecided": 5.0, **open_work}
        await run.review.approve(worker="ben", bonus=1.5)
        assert await shown(operator, run) == {"paid": 0.0, "owed": 26.5, "undecided": 0.0, **open_work}
        await operator.payments.mark_paid(worker="ben")
        assert await shown(operator, run) == {"paid": 6.5, "owed": 20.0, "undecided": 0.0, **open_work}
        await run.review.undo(others[:1])
        assert await shown(operator, run) == {"paid": 6.5, "owed": 0.0, "undecided": 20.0, **open_work}
    workers = operator.workers.frame().set_index("worker_name")
    assert workers["earned"].to_dict() == {"ann": 0.0, "ben": 5.0, "cid": 0.0}
    assert workers["waiting_pay"].to_dict() == {"ann": 20.0, "ben": 0.0, "cid": 10.0}
    await run.force_shutdown()
    ended = await shown(operator, run)
    assert (ended["paid"], ended["committed"], ended["to_come"]) == (6.5, 0.0, 0.0)
    assert await shown(operator, operator.get_task_run(run.task_run_id)) == ended


async def test_answers_of_no_visit_are_shown_as_the_ledger_has_them(operator: Operator) -> None:
    run = await launch(operator, rows(5), task_reward=0.35)
    async with crowd_of(run) as worker:
        for name in ("ann", "bob", "cid"):
            await worker(name).submit(await take(worker(name)), {"label": "x"})
        await take(worker("dan"))
        await parts_of(run).engine.wait_until(lambda state: state.counts["completed"] == 3)
        await run.review.approve(worker="ann", bonus=0.05)
        await run.review.reject(worker="bob")
        open_work = {"undecided": 0.35, "committed": 0.35, "to_come": 0.35}
        assert await shown(operator, run) == {"paid": 0.0, "owed": 0.4, **open_work}
        await operator.payments.mark_paid(worker="ann")
        assert await shown(operator, run) == {"paid": 0.4, "owed": 0.0, **open_work}


async def test_sums_of_several_currencies_are_those_of_the_ledger(operator: Operator) -> None:
    for currency in ("GBP", "USD"):
        run = await launch(operator, rows(1), task_reward=0.35, currency=currency, task_name=currency)
        async with crowd_of(run) as worker:
            await worker("ann").submit(await take(worker("ann")), {"label": "x"})
            await parts_of(run).engine.wait_until(lambda state: state.counts["completed"] == 1)
            await run.review.approve(worker="ann", bonus=0.5)
    await run_list(operator).load()
    sums = {one["currency"]: one["spent"] for one in run_list(operator).state()["sums"]}
    ledger = operator.ledger.totals().set_index("currency")["total"].to_dict()
    assert sums == ledger == {"GBP": 0.85, "USD": 0.85}


async def test_budgets_are_shown_where_there_are_any(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yml"
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    run = await launch(operator, rows(4), task_reward=0.5)
    await watch(run).load()
    assert watch(run).state()["budgets"] == []
    assert "Budget" not in dict(summarize(watch(run).state()).facts)
    path.write_text("budget: {month: 30 USD, tasks: {moods: 1.50 USD, others: 5 USD}}\n", encoding="utf-8")
    await watch(run).load()
    state, frame = watch(run).state(), operator_budgets(operator)
    assert dict(summarize(state).facts)["Budgets"].startswith("task moods: $1.50 (USD), $0.00 spent, $2.00 committed")
    assert [(one["scope"], one["limit"], one["committed"], one["free"]) for one in state["budgets"]] == [
        ("task", 1.5, 2.0, -0.5), ("month", 30.0, 2.0, 28.0)
    ]  # fmt: skip
    assert all(one["free"] == frame[one["scope"], one["name"]] for one in state["budgets"])
    (notice,) = [one for one in state["attention"] if one["key"].startswith("budget")]
    assert "The budget of the task 'moods' is $1.50; $0.00 of it is spent, which leaves $1.50" in notice["reason"]
    assert "may come to $2.00" in notice["reason"]
    assert "budget.tasks in" in notice["remedy"]
    path.write_text("budget: {month: nothing}\n", encoding="utf-8")
    await watch(run).load()
    assert "budget.month" in watch(run).state()["attention"][0]["remedy"]


def operator_budgets(operator: Operator) -> dict[tuple[str, str], float]:
    """Return what is free of each budget, as its frame says it."""
    found = mnb.budgets(operator)
    return {(scope, name): free for scope, name, free in zip(found["scope"], found["name"], found["free"], strict=True)}
