"""Decisions on answers, from what is typed to what is kept."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mephisto_nb.config import registry
from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.model.money import Money
from mephisto_nb.operator import Operator
from mephisto_nb.review.reviewing import OUTCOME_COLUMNS
from tests.inside import frames_of
from tests.review.answers import said, stored_run
from tests.review.test_telling import Generous

ROWS = [said(0, "ann", "glad"), said(0, "bob", "grim"), said(1, "ann", "grim")]


@pytest.fixture
def run(operator: Operator) -> Any:
    """Two answers of ann and one of bob, of an ended run."""
    return stored_run(operator, ROWS)


def statuses(run: Any) -> list[str]:
    return list(run.results()["status"])


async def test_all_that_wait_are_approved(run: Any) -> None:
    outcome = await run.review.approve(note="fine", who="eve")
    assert tuple(outcome.columns) == OUTCOME_COLUMNS
    assert list(outcome["done"]) == [True] * 3
    assert statuses(run) == ["accepted"] * 3
    assert list(run.agents()["status"]) == ["approved"] * 3
    assert list(run.review.decisions()["note"]) == ["fine"] * 3


@pytest.mark.parametrize(
    "choose",
    [
        lambda run: run.units()["unit_id"].iloc[1],
        lambda run: [run.units()["unit_id"].iloc[1]],
        lambda run: run.units()["unit_id"].iloc[[1]],
        lambda run: run.units().iloc[[1]],
        lambda run: run.results()["worker_name"] == "bob",
        lambda run: lambda results: results["worker_name"] == "bob",
        lambda run: lambda results: (results["worker_name"] == "bob").astype("boolean").replace(False, pd.NA),
        lambda run: lambda results: results[results["worker_name"] == "bob"],
        lambda run: lambda results: results.loc[results["worker_name"] == "bob", "unit_id"],
    ],
)
async def test_answers_are_chosen_as_pandas_users_do(run: Any, choose: Any) -> None:
    await run.review.reject(choose(run))
    assert statuses(run) == ["completed", "rejected", "completed"]


async def test_all_of_a_workers_answers(run: Any) -> None:
    await run.review.soft_reject(worker="ann")
    assert statuses(run) == ["soft_rejected", "completed", "soft_rejected"]
    await run.review.approve(lambda results: results["answer.tone"] == "grim", worker=["bob", "nobody"])
    assert statuses(run) == ["soft_rejected", "accepted", "soft_rejected"]


async def test_pressing_twice_is_pressing_once(run: Any) -> None:
    rows = run.results()
    await run.review.approve(rows, bonus=0.5, who="eve")
    again = await run.review.approve(rows, bonus=0.5, who="eve")
    assert list(again["done"]) == [False] * 3
    assert again["why"].str.fullmatch(r"was approved by eve at \d{4}-\d\d-\d\d \d\d:\d\d UTC").all()
    assert sorted(run.payments()["amount"]) == [0.25] * 3 + [0.5] * 3
    assert len(run.review.decisions()) == 3


async def test_what_was_decided_is_decided_anew_only_if_asked(run: Any) -> None:
    await run.review.reject(worker="ann")
    assert not (await run.review.approve(run.results()))["done"].iloc[0]
    outcome = await run.review.approve(run.results(), again=True)
    assert list(outcome["done"]) == [True, False, True]  # bob's was approved the first time
    assert statuses(run) == ["accepted"] * 3


async def test_rows_that_show_another_status_are_left_alone(run: Any) -> None:
    seen = run.units()
    await run.review.reject(worker="bob", who="mia")
    outcome = await run.review.approve(seen, again=True)
    assert list(outcome["done"]) == [True, False, True]
    assert outcome["why"].iloc[1].startswith("was rejected by mia at ")


async def test_a_decision_is_undone_with_what_came_with_it(run: Any, operator: Operator) -> None:
    decided = await run.review.approve(worker="ann", bonus=1.0, grant={"careful": 3}, block=True)
    assert standing(run) == ({"careful": 3}, True)
    undone = await run.review.undo(decided, note="a slip")
    assert list(undone["done"]) == [True, True]
    assert statuses(run) == ["completed"] * 3
    assert standing(run) == ({}, False)
    assert set(run.payments()["status"]) == {"cancelled"}
    reviews = run.review.decisions()
    assert list(reviews["undone_by"].notna()) == [True, True, False, False]
    assert list(reviews["undoes"].notna()) == [False, False, True, True]


def standing(run: Any) -> tuple[dict[str, int], bool]:
    facts = frames_of(run).database.people.get_worker_facts(run.task_run_id, "link", ["ann"])["ann"]
    return facts.grants, facts.worker.blocked


async def test_decisions_are_undone_one_after_the_other(run: Any) -> None:
    await run.review.reject(worker="bob")
    await run.review.soft_reject(worker="bob", units=run.units().iloc[[1]], again=True)
    after = []
    for _ in range(3):
        outcome = await run.review.undo(None, worker="bob")
        after.append((statuses(run)[1], list(outcome["done"])))
    assert after == [("rejected", [True]), ("completed", [True]), ("completed", [])]


async def test_undoing_reaches_all_that_a_decision_reached_golds_too(run: Any, operator: Operator) -> None:
    gold = run.units()["unit_id"].iloc[0]
    with operator._runs.database.connections.writer.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql(f"UPDATE units SET unit_index = -2 WHERE unit_id = '{gold}'")
    assert gold not in set(run.results()["unit_id"])
    assert (await run.review.approve(worker="ann"))["done"].sum() == 2
    assert str(run.review.preview("undo", worker="ann")).startswith("2 answers of 1 worker will be undone.")
    assert (await run.review.undo(None, worker="ann"))["done"].sum() == 2
    assert set(run.payments()["status"]) == {"cancelled"}


async def test_undoing_spares_what_somebody_else_has_decided(run: Any) -> None:
    rows = run.results()
    await run.review.reject(worker="bob", who="mia")
    decided = await run.review.approve(rows, who="eve")
    undone = await run.review.undo(decided)
    assert len(undone) == 2
    assert statuses(run) == ["completed", "rejected", "completed"]


async def test_what_is_paid_is_not_undone(run: Any, operator: Operator) -> None:
    decided = await run.review.approve(worker="bob")
    await operator.payments.mark_paid(worker="bob")
    undone = await run.review.undo(decided)
    assert list(undone["why"]) == ["its payment is sent, and cannot be taken back"]
    assert statuses(run)[1] == "accepted"


async def test_a_name_in_two_crowds_is_nobodys(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
    registry.PROVIDERS.register(Generous, replace=True)
    ours, theirs = stored_run(operator, ROWS), stored_run(operator, ROWS[:1], crowd="generous")
    both = operator.review.of([ours.task_run_id, theirs.task_run_id])
    for choose in (None, lambda results: results["status"] == "completed", ours.units()):
        with pytest.raises(ConfigError, match="'ann' is the name of 2 workers, in different crowds"):
            await both._reviewing.decide("approve", choose, worker="ann")
    assert (await both._reviewing.decide("approve", worker="bob"))["done"].sum() == 1
    assert statuses(theirs) == ["completed"]


async def test_several_runs_are_decided_on_at_once(operator: Operator) -> None:
    first, second = stored_run(operator, ROWS), stored_run(operator, ROWS[:1])
    other = stored_run(operator, ROWS, "other")
    outcome = await operator.review.of("moods").approve(worker="ann")
    assert set(outcome["task_run_id"]) == {first.task_run_id, second.task_run_id}
    assert len(outcome) == 3
    rows = pd.concat([second.units(), other.units().tail(1)])
    await operator.review.of(rows).soft_reject(rows, again=True)
    assert (statuses(second), statuses(other)) == (["soft_rejected"], ["completed", "completed", "soft_rejected"])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"bonus": -1.0}, "The bonus cannot be -1.0"),
        ({"bonus": float("nan")}, "The bonus cannot be nan"),
        ({"bonus": True}, "The bonus cannot be True"),
        ({"grant": {"careful": "much"}}, "grant holds 'careful': 'much'"),
        ({"grant": 3}, "grant is 3"),
        ({"note": None}, "note is None"),
        ({"units": 3}, "Answers cannot be chosen by 3"),
        ({"units": [3]}, "Answers cannot be chosen by 3"),
        ({"units": pd.DataFrame({"x": [1]})}, "no column unit_id"),
        ({"units": pd.Series([True])}, "The mask has 1 values, and results.. has 3 rows"),
        ({"units": lambda results: None}, "Answers cannot be chosen by"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_written(run: Any, wrong: Any, told: str) -> None:
    units = wrong.pop("units", None)
    with pytest.raises(ConfigError, match=told):
        await run.review.approve(units, **wrong)
    assert statuses(run) == ["completed"] * 3


async def test_a_unit_of_nobody_is_refused_before_anything_is_written(run: Any) -> None:
    with pytest.raises(NotFoundError, match="has no unit 'nobody'"):
        await run.review.approve([*run.units()["unit_id"], "nobody"])
    assert statuses(run) == ["completed"] * 3


async def test_a_rejected_answer_gets_no_bonus(run: Any) -> None:
    with pytest.raises(ConfigError, match="gets no bonus"):
        await run.review._reviewing.decide("reject", bonus=1.0)
    with pytest.raises(ConfigError, match="Say which units"):
        await run.review.undo(None)


async def test_notes_that_are_no_text_for_a_database_are_kept(run: Any) -> None:
    await run.review.approve(worker="bob", note="kůň \0 \ud800", who="Zoë")
    assert list(run.review.decisions()["note"]) == ["kůň \ufffd \ufffd"]


async def test_a_run_without_answers_has_nothing_to_decide(operator: Operator) -> None:
    run = stored_run(operator, [])
    assert (await run.review.approve()).empty
    assert (run.review.decisions().empty, run.review.queue().empty, run.review.records().empty) == (
        True,
        True,
        True,
    )
    assert run.review.preview("approve").units == 0


@pytest.fixture
def thrifty(operator: Operator) -> Any:
    """A run in which a bonus may be 1 US dollar at most."""
    run = stored_run(operator, ROWS, "thrifty")
    frames_of(run).task_run.config["mephisto"]["task"]["maximum_bonus"] = 1.0
    return run


@pytest.mark.parametrize("act", ["approve", "soft_reject"])
async def test_a_bonus_above_the_tasks_maximum_is_refused(thrifty: Any, act: str) -> None:
    told = r"A bonus of \$50\.00 is more than mephisto\.task\.maximum_bonus of 'thrifty', \$1\.00\. .*maximum_bonus=50"
    with pytest.raises(ConfigError, match=told):
        await getattr(thrifty.review, act)(bonus=50)
    with pytest.raises(ConfigError, match=told):
        thrifty.review.preview(act, bonus=50)
    assert thrifty.review.decisions().empty
    await getattr(thrifty.review, act)(thrifty.units().iloc[[0]], bonus=1.0)
    await getattr(thrifty.review, act)(thrifty.units().iloc[[1]], bonus=50, maximum_bonus=50)
    assert thrifty.payments().query("kind == 'bonus'")["amount"].tolist() == [1.0, 50.0]


async def test_the_lowest_maximum_bonus_of_several_runs_is_checked_first(
    operator: Operator, run: Any, thrifty: Any
) -> None:
    both = operator.review.of([run.task_run_id, thrifty.task_run_id])
    for reviewed in both._reviewing.runs:
        frames_of(reviewed).task_run.config["mephisto"]["task"]["maximum_bonus"] = (
            1.0 if reviewed.task_name == "thrifty" else 9.0
        )
    with pytest.raises(ConfigError, match="of 'thrifty'"):
        await both._reviewing.decide("approve", bonus=5)
    assert operator.review.decisions().empty


async def test_a_bonus_without_an_own_maximum_is_held_against_the_usual_one(run: Any) -> None:
    frames_of(run).task_run.config["mephisto"]["task"].pop("maximum_bonus", None)
    with pytest.raises(ConfigError, match=r"\$20\.00"):
        await run.review.approve(bonus=25)


@pytest.mark.parametrize("maximum", ["much", -1, float("nan"), True, "0.000001", Money.of(5, "GBP")])
async def test_a_maximum_that_is_no_amount_is_refused(thrifty: Any, maximum: Any) -> None:
    with pytest.raises(ConfigError, match="maximum_bonus"):
        await thrifty.review.approve(bonus=2, maximum_bonus=maximum)
