"""The model behind the panel of review: that a click is a method call, what it reads, and its still form."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.config import registry
from mephisto_nb.display.review_panel import EXTRAS, REVIEW, ReviewModel, ReviewPanel
from mephisto_nb.display.widgets.widget import Subject, WidgetServer
from mephisto_nb.errors import ConfigError, DatabaseError, NotFoundError
from mephisto_nb.operator import Operator
from mephisto_nb.review.decide import VERDICTS
from tests.review.answers import Row, said, stored_page_run, stored_run
from tests.review.test_telling import Generous, register_generous

#: What may come with a decision, and an example of each.
GIVEN: dict[str, Any] = {
    "note": "careful", "message": "Thank you!", "bonus": 0.2, "grant": {"careful": 3}, "block": True, "again": True,
}  # fmt: skip
WORKERS = ("ann", "bob", "eve")


def moods(items: int = 4) -> list[Row]:
    """Three people's answers to each item; eve always says the same, and fast."""
    tones = {"ann": "glad", "bob": "glad", "eve": "grim"}
    return [said(item, name, tones[name], 2.0 if name == "eve" else 20.0) for item in range(items) for name in WORKERS]


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    operator = Operator(data_dir=tmp_path / "one")
    yield operator
    await operator.shutdown()


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Operator]:
    """An operator of another database."""
    operator = Operator(data_dir=tmp_path / "other")
    yield operator
    await operator.shutdown()


async def ask(model: ReviewModel, what: str, args: dict[str, Any]) -> Any:
    """Send what a panel sends, and wait for the reply."""
    replies: asyncio.Queue[Any] = asyncio.Queue()

    async def find(topic: str) -> Subject:
        return Subject(model)

    server = WidgetServer(find, replies.put_nowait, asyncio.get_running_loop())
    server.handle({"type": "ask", "topic": "review", "what": what, "args": args, "view": "v", "request": 1})
    reply = await asyncio.wait_for(replies.get(), 20)
    server.close()
    assert reply["error"] is None, reply
    return reply["result"]


def rows_of(operator: Operator, run: Any) -> dict[str, Any]:
    """Return all that a decision leaves, without ids and times."""
    reviews, payments = run.review.decisions(), operator.payments()
    told = ["worker_name", "before", "after", "note", "message", "who", "bonus"]
    return {
        "status": run.units()["status"].tolist(),
        "reviews": reviews[told].astype(str).to_dict("records"),
        "undone": reviews["undone_by"].notna().tolist(),
        "payments": sorted(zip(payments["worker_name"], payments["amount"], payments["status"], strict=True)),
        "workers": operator.workers.frame()[["worker_name", "blocked", "qualifications"]].to_dict("records"),
    }  # fmt: skip


def counts_of(model: ReviewModel) -> dict[str, int]:
    """Return how many answers have which status; all of them are named, so that none is forgotten on the way."""
    counts = model.state()["counts"]
    assert set(counts) == {"completed", "accepted", "soft_rejected", "rejected"}
    return {status: number for status, number in counts.items() if number}


def decide(verdict: str, unit_id: str, **extras: Any) -> dict[str, Any]:
    """Return the message of a key."""
    return {"action": "decide", "args": {"verdict": verdict, "unit_id": unit_id, "seen": "completed", **extras}}


def test_whatever_may_come_with_a_decision_is_in_this_test() -> None:
    assert set(GIVEN) == set(EXTRAS)


@pytest.mark.parametrize("verdict", VERDICTS)
async def test_a_key_leaves_the_same_rows_as_the_method(operator: Operator, other: Operator, verdict: str) -> None:
    by_key, by_method = stored_run(operator, moods()), stored_run(other, moods())
    extras = {name: value for name, value in GIVEN.items() if verdict != "reject" or name != "bonus"}
    unit_ids = by_key.results()["unit_id"].tolist(), by_method.results()["unit_id"].tolist()
    model = ReviewPanel(by_key.review._reviewing).panel_model
    await ask(model, "act", decide(verdict, unit_ids[0][1], **extras))
    await getattr(by_method.review, verdict)(unit_ids[1][1], **extras)
    assert rows_of(operator, by_key) == rows_of(other, by_method)
    assert by_key.units()["status"].value_counts()["completed"] == 11


async def test_undo_leaves_the_same_rows_as_the_method(operator: Operator, other: Operator) -> None:
    by_key, by_method = stored_run(operator, moods()), stored_run(other, moods())
    model = ReviewPanel(by_key.review._reviewing).panel_model
    await ask(model, "act", decide("approve", by_key.results()["unit_id"][0], bonus=1.0, block=True))
    undone = await ask(model, "undo", {})
    decided = await by_method.review.approve(by_method.results()["unit_id"][0], bonus=1.0, block=True)
    await by_method.review.undo(decided)
    assert rows_of(operator, by_key) == rows_of(other, by_method)
    said = "Undone: the decision on 1 answer. $1.25 is owed no longer. 1 worker: unblocked."
    assert undone == {"said": said, "unit_ids": [by_key.results()["unit_id"][0]]}
    with pytest.raises(NotFoundError, match="nothing was decided in this panel"):
        await model.answer("undo", {})


async def test_what_the_crowd_did_not_do_is_told_in_the_panel(operator: Operator, monkeypatch: Any) -> None:
    register_generous(monkeypatch, is_broke=True)
    run = stored_run(operator, moods(), crowd="generous")
    model = run.review().panel_model
    answer = await ask(model, "act", decide("approve", run.results()["unit_id"][0]))
    assert answer["said"] == (
        "Approved 1 answer. It comes to $0.25. Trouble with the crowd: approve for ann: The account holds 0.00 USD. "
        "Put more in."
    )


async def test_an_undo_that_failed_can_be_tried_again(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored_run(operator, moods())
    model = run.review().panel_model
    await ask(model, "act", decide("approve", run.results()["unit_id"][0]))
    seen: list[Any] = []
    model.on_change.append(lambda: seen.append(model.state()["undo"]))
    with monkeypatch.context() as broken:
        broken.setattr(model.reviewing, "undo", refuse_to_write)
        with pytest.raises(DatabaseError):
            await model.answer("undo", {})
    assert seen == [None, "Approved 1 answer. It comes to $0.25."]


async def refuse_to_write(units: Any) -> None:
    raise DatabaseError("The disk is full.")


async def test_a_decision_on_a_worker_or_a_filter_matches_its_preview(operator: Operator) -> None:
    run = stored_run(operator, moods())
    model = run.review().panel_model
    ann = run.results().set_index("worker_name")["worker_id"]["ann"].iloc[0]
    chosen = await ask(model, "choose", {"worker_id": ann, "filter": "`answer.tone` == 'grim' and time_ratio < 0.5"})
    assert (chosen["worker"], chosen["list"]) == (4, 4)
    act = {
        "action": "decide",
        "args": {"verdict": "approve", "which": "worker", "choice": chosen["choice"], "bonus": 0.1},
    }
    assert await ask(model, "preview", act) == (
        "4 answers of 1 worker will be approved. $1.40 will be owed: $1.00 of pay, $0.40 of bonuses. "
        "The provider 'link' pays nobody: the sum stays owed until operator.payments.mark_paid()."
    )
    assert (await ask(model, "act", act))["done"] == 4
    again = await ask(model, "act", act)
    assert (again["done"], "was approved by" in again["said"]) == (0, True)
    act["args"] |= {"verdict": "reject", "which": "list", "bonus": 0}
    await ask(model, "act", act)
    assert set(run.results().groupby("worker_name")["status"].first().items()) == {
        ("ann", "accepted"), ("bob", "completed"), ("eve", "rejected"),
    }  # fmt: skip


async def test_parts_of_a_cent_are_told_as_they_are(operator: Operator) -> None:
    run = stored_run(operator, moods(1))
    model, unit_id = run.review().panel_model, run.results()["unit_id"][0]
    reply = await ask(model, "act", decide("approve", unit_id, bonus=0.004))
    assert reply["said"] == "Approved 1 answer. It comes to $0.2540, with a bonus of $0.0040 for each."


async def test_what_was_said_after_a_decision_is_all_that_it_did(operator: Operator) -> None:
    run = stored_run(operator, moods())
    model = run.review().panel_model
    ann = run.results().set_index("worker_name")["worker_id"]["ann"].iloc[0]
    chosen = await ask(model, "choose", {"worker_id": ann})
    args = {"verdict": "approve", "which": "worker", "choice": chosen["choice"], "grant": {"careful": 2}, "block": True}
    reply = await ask(model, "act", {"action": "decide", "args": args})
    assert reply["said"] == "Approved 4 answers. It comes to $1.00. 1 worker: granted 'careful', blocked."
    undone = await ask(model, "undo", {})
    assert undone["said"] == (
        "Undone: the decision on 4 answers. $1.00 is owed no longer. 1 worker: revoked 'careful', unblocked."
    )
    reply = await ask(model, "act", decide("reject", run.results()["unit_id"][0]))
    assert reply["said"] == "Rejected 1 answer."


async def test_the_price_of_an_answer_is_told_as_it_is(operator: Operator) -> None:
    run = stored_run(operator, moods(1))
    with operator._runs.database.connections.writer.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE units SET pay_amount = 3500")
    assert (await ask(run.review().panel_model, "show", {}))["pays"] == "$0.0350"


async def test_a_new_query_of_the_waiting_list_drops_what_was_decided(operator: Operator) -> None:
    run = stored_run(operator, moods(1))
    model = run.review().panel_model
    await ask(model, "rows", {"only": "open"})
    await ask(model, "act", decide("approve", run.results()["unit_id"][0]))
    walked = await ask(model, "rows", {"only": "open"})
    anew = await ask(model, "rows", {"only": "open", "anew": True})
    assert [(found["total"], found["waiting"]) for found in (walked, anew)] == [(3, 2), (2, 2)]


async def test_what_somebody_else_decided_first_is_told_and_stays(operator: Operator) -> None:
    run = stored_run(operator, moods())
    model, unit_id = run.review().panel_model, run.results()["unit_id"][0]
    await ask(model, "rows", {})
    await run.review.reject(unit_id, who="bob")
    reply = await ask(model, "act", decide("approve", unit_id))
    assert reply["said"].startswith("The answer was rejected by bob at ")
    assert operator.payments().empty
    assert (await ask(model, "show", {"unit_id": unit_id}))["status"] == "rejected"


async def test_a_decision_of_a_cell_is_in_the_panel_at_once(operator: Operator) -> None:
    run = stored_run(operator, moods())
    model = run.review().panel_model
    await model.load()
    told: list[int] = []
    model.on_change.append(lambda: told.append(model.state()["rev"]))
    await run.review.approve(worker="eve", note="kind")
    found = await ask(model, "show", {"unit_id": run.results()["unit_id"][2]})
    assert told
    assert counts_of(model) == {"completed": 8, "accepted": 4}
    assert (found["record"]["approval_rate"], found["record"]["waiting"]) == (1.0, 0)
    assert [one["note"] for one in found["history"]] == ["kind"]


async def test_whoever_looks_is_told_that_the_operator_was_shut_down(operator: Operator) -> None:
    model = stored_run(operator, moods()).review().panel_model
    told: list[object] = []
    model.on_change.append(lambda: told.append(model.state()["closed"]))
    await operator.shutdown()
    assert told == [True]


async def test_another_kernels_decision_is_seen_when_somebody_looks(operator: Operator) -> None:
    run = stored_run(operator, moods())
    model = run.review().panel_model
    await model.load()
    await ask(model, "look", {})
    assert model.state()["rev"] == 0
    model._writer.listeners.clear()  # so that this kernel hears of nothing, as of another's
    await run.review.approve(worker="eve")
    await ask(model, "look", {})
    assert (await ask(model, "rows", {"only": "decided"}))["total"] == 4


async def test_decisions_changed_elsewhere_are_seen_even_at_equal_count(operator: Operator) -> None:
    run = stored_run(operator, moods(1))
    await run.review.approve(worker="ann")
    model = run.review().panel_model
    await model.load()
    model._writer.listeners.clear()  # as of another kernel
    await run.review.undo(None, worker="ann")
    await run.review.approve(worker="bob")
    await ask(model, "look", {})
    found = await ask(model, "rows", {"only": "decided"})
    assert [row["worker_name"] for row in found["rows"]] == ["bob"]


async def test_a_reading_that_failed_is_made_up_for(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored_run(operator, moods(1))
    broken: list[Exception] = []

    def of_bob(results: Any) -> Any:
        if broken:
            raise broken.pop()
        return results["worker_name"] == "bob"

    model = run.review(of_bob).panel_model
    await model.load()
    model.forget()
    broken.append(DatabaseError("The database is locked."))
    with pytest.raises(DatabaseError):
        await model.load()
    await run.review.approve(who="mia")
    found = await ask(model, "rows", {})
    assert [row["worker_name"] for row in found["rows"]] == ["bob"]
    assert not broken


async def test_all_of_a_worker_are_not_those_of_a_namesake_in_another_crowd(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.PROVIDERS, "_classes", dict(registry.PROVIDERS._classes))
    registry.PROVIDERS.register(Generous, replace=True)
    ours, theirs = stored_run(operator, moods(2)), stored_run(operator, moods(2), crowd="generous")
    model = operator.review([ours.task_run_id, theirs.task_run_id]).panel_model
    mine = ours.results().set_index("worker_name").loc["ann"]
    chosen = await ask(model, "choose", {"worker_id": mine["worker_id"].iloc[0]})
    assert chosen["worker"] == 2
    act = {"action": "decide", "args": {"verdict": "approve", "which": "worker", "choice": chosen["choice"]}}
    await ask(model, "act", act)
    assert set(ours.units().set_index("unit_id").loc[mine["unit_id"], "status"]) == {"accepted"}
    assert set(theirs.units()["status"]) == {"completed"}


async def test_an_answer_that_comes_while_somebody_reviews_goes_to_the_end(operator: Operator) -> None:
    run = stored_run(operator, moods(2))
    model = run.review(order="suspicion").panel_model
    before = await ask(model, "rows", {"order": "suspicion"})
    model.forget()
    await run.review.approve(run.results()["unit_id"][0])
    after = await ask(model, "rows", {"order": "suspicion", "only": "open"})
    assert [row["unit_id"] for row in after["rows"]] == [row["unit_id"] for row in before["rows"]]


@pytest.mark.parametrize("selection", ["frame", "mask", "function"])
async def test_a_review_may_be_of_some_answers_alone(operator: Operator, selection: str) -> None:
    run = stored_run(operator, moods())
    results = run.results()
    chosen = {
        "frame": results[results["worker_name"] == "eve"],
        "mask": results["worker_name"] == "eve",
        "function": lambda frame: frame["worker_name"] == "eve",
    }
    model = run.review(chosen[selection]).panel_model
    await model.load()
    assert counts_of(model) == {"completed": 4}


async def test_all_runs_of_a_task_are_reviewed_together(operator: Operator) -> None:
    first, _ = stored_run(operator, moods(1)), stored_run(operator, moods(2))
    model = operator.review("moods").panel_model
    await ask(model, "act", decide("approve", first.results()["unit_id"][0]))
    await model.load()
    assert counts_of(model) == {"completed": 8, "accepted": 1}


async def test_next_is_what_waits_and_begins_again_at_the_end(operator: Operator) -> None:
    run = stored_run(operator, moods(1))
    model = run.review().panel_model
    ids = [row["unit_id"] for row in (await ask(model, "rows", {}))["rows"]]
    step = {"step": 1, "waiting": True, "only": "open"}
    await ask(model, "act", decide("approve", ids[1]))
    assert (await ask(model, "show", {"unit_id": ids[0], **step}))["unit_id"] == ids[2]
    assert (await ask(model, "show", {"unit_id": ids[2], **step}))["unit_id"] == ids[0]
    await ask(model, "act", decide("approve", ids[0]))
    await ask(model, "act", decide("approve", ids[2]))
    assert await ask(model, "show", {"unit_id": ids[2], **step}) is None


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"filter": "nonsense ("}, "The filter 'nonsense (' cannot be understood"),
        ({"filter": "@pd"}, "cannot be understood"),
        ({"filter": "suspicion"}, "it is neither true nor false of an answer"),
        ({"filter": "worker_name.str.len()"}, "it is neither true nor false of an answer"),
        ({"filter": "['unit_id']"}, "it is neither true nor false of an answer"),
        ({"order": "luck"}, "There is no order 'luck'"),
        ({"sort": "salary"}, "has no column 'salary'"),
    ],
)
async def test_what_cannot_be_asked_is_told(operator: Operator, args: dict[str, Any], told: str) -> None:
    model = stored_run(operator, moods(1)).review().panel_model
    with pytest.raises(ConfigError, match=told.replace("(", r"\(")):
        await model.answer("rows", args)


@pytest.mark.parametrize(
    ("act", "told"),
    [
        ({"action": "delete", "args": {}}, "A panel cannot"),
        (decide("approve", "x", who="somebody else"), "'who' cannot come with a decision"),
        (decide("approve", "x", which="list", choice="long ago"), "too long ago"),
    ],
)
async def test_what_cannot_be_done_is_told(operator: Operator, act: dict[str, Any], told: str) -> None:
    model = stored_run(operator, moods(1)).review().panel_model
    with pytest.raises(ConfigError, match=told):
        await model.answer("act", act)


async def test_without_a_kernel_it_is_a_table(operator: Operator) -> None:
    run = stored_run(operator, [*moods(8), said(8, "<script>alert(1)</script>", "<img src=x onerror=alert(1)>")])
    await run.review.approve(worker="ann")
    shown = run.review()._repr_mimebundle_()
    assert "25 answers: 17 waiting, 8 approved" in shown["text/plain"]
    assert "5 more: run.review.queue(decided=True)" in shown["text/plain"]
    assert "&lt;script&gt;" in shown["text/html"]
    assert "<script" not in shown["text/html"]
    assert "<img" not in shown["text/html"]
    empty = stored_run(operator, [], "empty").review()._repr_mimebundle_()
    assert "Nothing to review yet; answers appear as they come." in empty["text/html"]


async def test_a_page_is_filled_from_the_files_that_its_worker_had(operator: Operator) -> None:
    run = stored_page_run(operator, "<p>${text}</p><input name=tone>", [said(0, "ann", "</script><b>")])
    found = await ask(run.review().panel_model, "show", {})
    assert "</script><b>" not in found["page"]
    assert "\\u003c/script>\\u003cb>" in found["page"]
    assert "connect-src 'none'; form-action 'none'" in unescape(found["page"])
    assert found["inputs"]["text"] == "Is this a cat?"


async def test_numbers_and_text_that_json_cannot_hold_do_not_stop_a_review(operator: Operator) -> None:
    answer = {"tone": "half \ud83d", "many": list(range(3)), "none": None}
    run = stored_run(operator, [(0, "ann", answer, 1.0), (1, "bob", ["bare"], 1.0), (2, "eve", None, 1.0)])
    for row in (await ask(run.review().panel_model, "rows", {}))["rows"]:
        await ask(run.review().panel_model, "show", {"unit_id": row["unit_id"]})


def test_modules_do_not_share_names() -> None:
    script = REVIEW.script
    assert "import {" not in script
    assert "\nexport default { initialize" in script
    names = re.findall(r"^(?:async )?(?:const|let|function|class) (\w+)", script, re.MULTILINE)
    assert sorted(names) == sorted(set(names))
