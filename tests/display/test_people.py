"""The models behind the panels of people: that a click is a method call, what they read, and their still form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.display.people_panels import (
    ON_QUALIFICATIONS,
    ON_WORKERS,
    PEOPLE,
    PeopleModel,
    draw_qualifications,
    draw_workers,
)
from mephisto_nb.display.table import Query, Table
from mephisto_nb.display.widgets.widget import Subject, WidgetServer
from mephisto_nb.errors import ConfigError, ConflictError, NotFoundError
from mephisto_nb.operator import Operator
from mephisto_nb.testing.contracts._samples import grant_to
from tests.inside import people_model_of
from tests.review.answers import said, stored_run

#: What each action is given in this test; the workers it is about are chosen by id, or named.
ACTIONS: dict[str, dict[str, Any]] = {
    "create": {"name": "new", "description": "not seen before"},
    "describe": {"name": "careful", "description": "reads twice"},
    "delete": {"name": "careful"},
    "grant": {"name": "careful", "value": 7, "why": "trained", "workers": ["ann", "bob", "zoe"]},
    "revoke": {"name": "careful", "workers": ["ann"]},
    "block": {"workers": ["ann", "bob"], "why": "copies"},
    "unblock": {"workers": ["eve"]},
    "note": {"workers": ["ann"], "text": "kind"},
}


async def make_people(folder: Path) -> Operator:
    operator = Operator(data_dir=folder)
    await operator.qualifications.grant("careful", ["ann", "eve"], [1, 2])
    await operator.workers.block(["bob", "eve"])
    await operator.workers.unblock("bob")
    return operator


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[Callable[[str], Any]]:
    """Make operators of databases of their own."""
    made: list[Operator] = []

    async def make(name: str) -> Operator:
        made.append(await make_people(tmp_path / name))
        return made[-1]

    yield make
    for operator in made:
        await operator.shutdown()


@pytest.fixture
async def operator(people: Callable[[str], Any]) -> Operator:
    found: Operator = await people("one")
    return found


@pytest.fixture
def model(operator: Operator) -> PeopleModel:
    return people_model_of(operator)


def rows_of(operator: Operator) -> dict[str, Any]:
    """Return all that is about people, without ids and times."""
    grants, history = operator.qualifications.grants(), operator.workers.history()
    about = operator.qualifications.history()
    told = pd.concat([history, about])[["worker_name", "action", "qualification_name", "value_before", "value", "why"]]
    return {
        "qualifications": operator.qualifications.frame()[["qualification_name", "description"]].to_dict("records"),
        "grants": sorted(map(tuple, grants[["worker_name", "qualification_name", "value"]].itertuples(index=False))),
        "workers": operator.workers.frame()[["worker_name", "blocked", "notes"]].to_dict("records"),
        "log": told.astype(str).to_dict("records"),
        "notes": operator.workers.notes()[["worker_name", "text", "who"]].to_dict("records"),
    }


async def click(operator: Operator, what: str, args: dict[str, Any]) -> Any:
    """Send what a panel sends, and wait for the reply."""
    replies: asyncio.Queue[Any] = asyncio.Queue()

    async def find(topic: str) -> Subject:
        return Subject(people_model_of(operator))

    server = WidgetServer(find, replies.put_nowait, asyncio.get_running_loop())
    server.handle({"type": "ask", "topic": "workers", "what": what, "args": args, "view": "v", "request": 1})
    reply = await asyncio.wait_for(replies.get(), 20)
    server.close()
    assert reply["error"] is None, reply
    return reply["result"]


def test_each_action_of_a_panel_is_in_this_test() -> None:
    assert set(ACTIONS) == {*ON_QUALIFICATIONS, *ON_WORKERS}
    front_end = PEOPLE.script
    assert [action for action in ACTIONS if f'"{action}"' not in front_end] == []


@pytest.mark.parametrize("undone", [False, True], ids=["done", "undone"])
@pytest.mark.parametrize("action", ACTIONS)
async def test_a_click_and_a_method_leave_the_same_rows(
    people: Callable[[str], Any], action: str, undone: bool
) -> None:
    clicked, called = await people("clicked"), await people("called")
    before = rows_of(clicked)
    await click(clicked, "act", {"action": action, "args": ACTIONS[action]})
    owner = called.workers if action in ON_WORKERS else called.qualifications
    await getattr(owner, action)(**ACTIONS[action])
    if undone:
        await click(clicked, "undo", {})
        await owner.undo()
    assert rows_of(clicked) == rows_of(called)
    assert rows_of(clicked) != before  # the log at least


async def test_counts_and_rows_are_of_one_reading_and_follow_an_action(
    people: Callable[[str], Any],
) -> None:
    operator = await people("one")
    rows = await click(operator, "rows", {"table": "workers", "search": "ann"})
    assert (rows["all"], rows["counts"]["workers"], rows["counts"]["blocked"]) == (3, 3, 1)
    await click(operator, "act", {"action": "block", "args": {"workers": ["ann", "new"]}})
    assert [people_model_of(operator).state()[name] for name in ("workers", "blocked")] == [4, 3]


async def test_which_runs_ask_for_a_qualification_is_told_as_it_is_now(people: Callable[[str], Any]) -> None:
    operator = await people("one")
    assert await click(operator, "required", {"name": "careful"}) == ""
    needs = [{"qualification_name": "careful", "comparator": "Exists", "value": None}]
    stored_run(operator, [said(0, "ann", "glad")], ended_at=None, qualifications=needs)
    assert "'moods'" in await click(operator, "required", {"name": "careful"})
    with pytest.raises(AssertionError, match="force=True"):
        await click(operator, "act", {"action": "delete", "args": {"name": "careful"}})
    args = {"name": "careful", "force": True}
    assert await click(operator, "act", {"action": "delete", "args": args}) == "Deleted 'careful'; 2 workers held it."


async def test_those_who_are_chosen_are_meant_by_their_ids(people: Callable[[str], Any]) -> None:
    operator = await people("one")
    ids = await click(operator, "ids", {"table": "workers", "search": "CAREFUL"})
    assert len(ids) == 2
    said = await click(operator, "preview", {"action": "revoke", "args": {"name": "careful", "worker_ids": ids}})
    assert said == "ann, eve will lose 'careful'."
    assert await click(operator, "act", {"action": "block", "args": {"worker_ids": ids}}) == "Blocked 1 worker."


async def test_what_no_panel_may_do_is_refused(model: PeopleModel) -> None:
    with pytest.raises(ConfigError, match="cannot ask for 'shutdown'"):
        await model.answer("shutdown", {})
    with pytest.raises(ConfigError, match="cannot 'undo'"):
        await model.answer("act", {"action": "undo", "args": {}})
    with pytest.raises(ConfigError, match="no table 'events'"):
        await model.answer("rows", {"table": "events"})
    with pytest.raises(ConfigError, match="no column '__class__'"):
        await model.answer("rows", {"table": "workers", "sort": "__class__"})


async def test_the_database_is_read_again_only_after_a_change(model: PeopleModel, operator: Operator) -> None:
    reads: list[str] = []
    read = operator.workers.frame
    operator.workers.frame = lambda: (reads.append("workers"), read())[1]  # type: ignore[method-assign]
    for search in ("", "ann", "b", ""):
        await model.answer("rows", {"table": "workers", "search": search})
    assert len(reads) == 1
    await operator.qualifications.grant("careful", "bob")
    found = await model.answer("rows", {"table": "workers", "search": "careful", "sort": "worker_name", "down": True})
    assert isinstance(found, dict)
    assert [row["worker_name"] for row in found["rows"]] == ["eve", "bob", "ann"]
    assert len(reads) == 2


async def test_a_look_notices_what_another_kernel_has_done_and_nothing_else(model: PeopleModel) -> None:
    told: list[int] = []
    await model.load()
    model.on_change.append(lambda: told.append(1))
    await model.answer("look", {})
    assert told == []
    grant_to(model._people.acts.database, "careful", "kim", 1)
    await model.answer("look", {})
    await model.answer("look", {})
    assert len(told) == 1


async def test_the_panels_of_people_show_a_decision_at_once(model: PeopleModel, operator: Operator) -> None:
    run = stored_run(operator, [said(0, "ann", "glad")])
    await model.load()
    told: list[int] = []
    model.on_change.append(lambda: told.append(1))
    await run.review.reject(block=True)
    assert told
    found: Any = await model.answer("rows", {"table": "workers", "only": "blocked"})
    assert [row["worker_name"] for row in found["rows"]] == ["ann", "eve"]


async def test_there_is_one_model_for_all_panels_of_an_operator(model: PeopleModel, operator: Operator) -> None:
    assert operator.qualifications() is operator.qualifications
    assert operator.qualifications._panel.panel_model is operator.workers._panel.panel_model is model  # type: ignore[attr-defined]


async def test_state_says_what_would_be_undone(model: PeopleModel) -> None:
    await model.load()
    assert (model.state()["undo"], model.state()["workers"], model.state()["blocked"]) == ("Unblocked 1 worker.", 3, 1)
    with pytest.raises(ConflictError, match="another act came in between"):
        await model.answer("undo", {"act_id": "of an act before"})
    assert await model.answer("undo", {"act_id": model.state()["undo_id"]}) == "Undone: unblocked 1 worker."
    assert (model.state()["undo"], model.state()["blocked"]) == ("Blocked 2 workers.", 2)
    for _ in range(2):
        await model.answer("undo", {})
    assert model.state()["undo"] is None
    with pytest.raises(NotFoundError):
        await model.answer("undo", {})


async def test_a_still_table_says_what_a_panel_does_and_escapes_it(model: PeopleModel, operator: Operator) -> None:
    await operator.qualifications.grant("<script>", ["<b>eve\x07", *(f"w{n:02}" for n in range(30))])
    for draw in (draw_qualifications, draw_workers):
        bundle = draw(model)
        assert "<script>" not in bundle["text/html"].replace("&lt;script&gt;", "")
        assert "<b>eve" not in bundle["text/html"]
    workers = draw_workers(model)
    assert "34 workers" in workers["text/html"]
    assert "14 more: <code>operator.workers.frame()</code>" in workers["text/html"]
    assert "14 more: operator.workers.frame()" in workers["text/plain"]
    assert "\x07" not in workers["text/plain"]


async def test_a_still_table_of_nobody_says_what_to_do_first(tmp_path: Path) -> None:
    operator = Operator(data_dir=tmp_path)
    assert "operator.qualifications.create(" in draw_qualifications(people_model_of(operator))["text/plain"]
    assert "operator.launch_task_run(" in draw_workers(people_model_of(operator))["text/html"]
    await operator.shutdown()


async def test_without_a_kernel_a_panel_is_its_still_table(operator: Operator) -> None:
    bundle = operator.qualifications._repr_mimebundle_()  # type: ignore[attr-defined]
    assert set(bundle) == {"text/plain", "text/html"}
    assert "careful" in bundle["text/plain"]


def test_each_top_level_name_of_the_front_end_is_there_once() -> None:
    script = PEOPLE.script
    names = [line.split()[1].split("(")[0].strip("{};") for line in script.splitlines() if line.startswith("function ")]
    assert len(names) == len(set(names))
    assert script.count("export default") == 1
    assert len(PEOPLE.modules) == len(set(PEOPLE.modules))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (Query(), ["Bob", "ann", "Éva"]),
        (Query(sort="name"), ["ann", "Bob", "Éva"]),
        (Query(sort="name", down=True), ["Éva", "Bob", "ann"]),
        (Query(sort="paid"), ["ann", "Bob", "Éva"]),
        (Query(sort="paid", down=True), ["Bob", "ann", "Éva"]),
        (Query(search=" BO "), ["Bob"]),
        (Query(search="held"), ["ann"]),
        (Query(search="[a"), []),
        (Query(only="blocked"), ["Éva"]),
        (Query(only="blocked", search="bob"), []),
    ],
)
def test_a_table_is_searched_sorted_and_narrowed(query: Query, names: list[str]) -> None:
    frame = pd.DataFrame(
        {
            "name": ["Bob", "ann", "Éva"],
            "held": [{}, {"HELD": 1}, {}],
            "paid": [3.5, 1.0, None],
            "blocked": [False, False, True],
        }
    )
    table = Table(frame, ("name", "held"))
    assert table.find(query)["name"].tolist() == names
    window = table.window(query, 1, 1)
    assert (window["total"], window["all"]) == (len(names), 3)
    assert [row["name"] for row in window["rows"]] == names[1:2]
