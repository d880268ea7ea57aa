"""Qualifications and workers by method: acts, what they say, how they are undone, frames."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.blueprints.mock import MockBlueprint
from mephisto_nb.errors import ConfigError, ConflictError, NotFoundError
from mephisto_nb.frames import people_frames
from mephisto_nb.model.money import Money
from mephisto_nb.model.qualifications import Comparator, make_requirement
from mephisto_nb.model.records import TaskRun
from mephisto_nb.operator import Operator
from mephisto_nb.people.people import requires
from mephisto_nb.testing.contracts._samples import grant_to
from tests.inside import parts_of
from tests.kernel.runs import crowd_of, launch, rows, take
from tests.review.answers import said, stored_run

CROWD = ["ann", "bob", "eve", "kim"]


async def test_a_selection_is_granted_in_one_act_and_the_frames_tell(operator: Operator) -> None:
    await operator.qualifications.create("careful", "reads twice")
    outcome = await operator.qualifications.grant("careful", CROWD, 2, why="passed", who="kim")
    assert len(outcome.changes) == 4
    [row] = operator.qualifications.frame().to_dict("records")
    assert (row["description"], row["holders"], row["lowest"], row["highest"]) == ("reads twice", 4, 2, 2)
    assert sorted(operator.qualifications.grants("careful")["worker_name"]) == CROWD
    assert operator.qualifications.history("careful")["why"].tolist() == ["created", *["passed"] * 4]


async def test_acts_carry_the_login_name_or_the_name_that_was_given(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "lena")
    await operator.qualifications.grant("careful", "ann")
    await operator.qualifications.grant("careful", "bob")
    await operator.qualifications.revoke("careful", "bob", who="kim")
    await operator.workers.block("bob", who="kim")
    await operator.workers.unblock("bob")
    await operator.workers.note("ann", "kind")
    await operator.workers.undo()
    assert operator.workers.history()["who"].tolist() == ["lena", "lena", "kim", "kim", *["lena"] * 3]
    run = stored_run(operator, [said(0, "ann", "glad")])
    decided = await run.review.approve(block=True)
    await run.review.undo(decided)
    assert operator.workers.history()["who"].tolist()[-2:] == ["lena", "lena"]


async def test_workers_are_given_as_rows_of_a_frame_with_a_value_each(operator: Operator) -> None:
    await operator.workers.block(CROWD)
    frame = operator.workers.frame()
    await operator.qualifications.grant("score", frame[:3], frame.index[:3] * 10)
    await operator.qualifications.grant("seen", frame["worker_id"])
    await operator.qualifications.grant("named", frame[["worker_name", "provider_type"]])
    wide = frame.merge(operator.qualifications.grants(wide=True), on="worker_id")
    assert wide["qualification.score"].tolist() == [0, 10, 20, pd.NA]
    assert wide["qualification.seen"].tolist() == wide["qualification.named"].tolist() == [1] * 4


@pytest.mark.parametrize(
    ("workers", "value", "words"),
    [
        (pd.DataFrame({"name": ["ann"]}), 1, "neither a column worker_id nor worker_name; it has name"),
        (["ann", None], 1, "None is none"),
        (["ann", "bob"], [1], "1 values were given for 2"),
        (["ann"], 1.5, "'ann' gets 1.5"),
        (["ann"], "high", "'ann' gets 'high'"),
        (["ann", "ann"], [1, 2], "twice, with 1 and 2"),
        (7, 1, "not as 7"),
    ],
)
async def test_what_cannot_be_granted_is_told_before_anything_is_written(
    operator: Operator, workers: Any, value: Any, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        await operator.qualifications.grant("careful", workers, value)
    assert operator.workers.frame().empty
    assert operator.qualifications.frame().empty


async def test_an_id_that_nobody_has_is_refused(operator: Operator) -> None:
    with pytest.raises(NotFoundError, match="no worker with the id 'x'"):
        await operator.qualifications.grant("careful", pd.DataFrame({"worker_id": ["x"]}))


@pytest.mark.parametrize("action", ["delete", "describe", "revoke"])
async def test_what_is_not_there_is_neither_changed_nor_logged(operator: Operator, action: str) -> None:
    arguments: dict[str, Any] = {"describe": {"description": ""}, "revoke": {"workers": "ann"}}.get(action, {})
    with pytest.raises(NotFoundError, match="no qualification 'careful'"):
        await getattr(operator.qualifications, action)("careful", **arguments)
    assert operator.qualifications.history().empty


async def test_a_preview_says_in_numbers_what_an_act_would_do(operator: Operator) -> None:
    await operator.qualifications.grant("careful", "ann", 1)
    await operator.qualifications.grant("careful", ["bob", "eve"], 2)
    say = operator.qualifications.preview
    said = say("grant", name="careful", workers=[*CROWD, "zoe", "yan"], value=2)
    assert said == (
        "ann, kim, zoe, yan will get 'careful' (2), of whom 1 had another value. "
        "2 workers have it so already. Not known here until now: kim, zoe, yan."
    )
    assert say("delete", name="careful") == "'careful' will be deleted. 3 workers will lose it: ann, bob, eve."
    assert (
        say("revoke", name="careful", workers=["ann", "kim"]) == "ann will lose 'careful'. 1 worker does not have it."
    )
    assert operator.workers.preview("block", workers="ann") == "ann will be offered nothing any more, in any run."
    assert len(operator.qualifications.grants()) == 3


async def test_acts_are_undone_one_after_the_other(operator: Operator) -> None:
    await operator.qualifications.grant("careful", CROWD)
    await operator.workers.block("ann")
    await operator.workers.note("bob", "asks good questions")
    assert operator.workers.preview("undo") == "Will be undone: Noted about 1 worker."
    await operator.workers.undo()
    assert operator.workers.notes().empty
    await operator.workers.undo()
    assert not operator.workers.frame()["blocked"].any()
    await operator.qualifications.undo()
    assert operator.qualifications.grants().empty
    with pytest.raises(NotFoundError, match="nothing to undo"):
        await operator.qualifications.undo()
    assert operator.workers.history()["action"].value_counts()["revoke"] == 4


async def test_undo_takes_back_acts_of_its_own_kind_and_names_the_other(operator: Operator) -> None:
    await operator.qualifications.grant("careful", CROWD)
    await operator.workers.block("ann")
    said = operator.qualifications.preview("undo")
    assert said == "Will be undone: Granted 'careful' to 4 workers."
    await operator.qualifications.undo(who="kim")
    assert operator.workers.frame()["blocked"].any()
    with pytest.raises(NotFoundError, match=r"Blocked 1 worker\. .*operator\.workers\.undo\(\)"):
        await operator.qualifications.undo()
    with pytest.raises(NotFoundError, match="one on workers"):
        operator.qualifications.preview("undo")
    await operator.workers.undo()
    history = operator.workers.history()
    assert history["why"].tolist()[-5:] == [*["undid the grant"] * 4, "undid the block"]
    assert set(history.loc[history["why"] == "undid the grant", "who"]) == {"kim"}


async def test_an_act_that_somebody_went_over_is_not_undone(operator: Operator) -> None:
    await operator.qualifications.grant("careful", CROWD)
    grant_to(operator._runs.database, "careful", "bob", 9)
    with pytest.raises(ConflictError, match="'bob'"):
        await operator.qualifications.undo()
    assert sorted(operator.qualifications.grants()["value"]) == [1, 1, 1, 9]


async def test_what_cannot_be_undone_does_not_stand_before_what_can(operator: Operator) -> None:
    await operator.qualifications.grant("other", "ann")
    await operator.qualifications.grant("careful", CROWD)
    grant_to(operator._runs.database, "careful", "bob", 9)
    with pytest.raises(ConflictError, match="the act before it: Granted 'other' to 1 worker"):
        await operator.qualifications.undo()
    await operator.qualifications.undo()
    assert operator.qualifications.grants("other").empty


async def test_two_who_undo_at_once_take_back_two_acts_and_none_twice(operator: Operator) -> None:
    await operator.workers.block("ann")
    await operator.workers.note("ann", "kind")
    three = await asyncio.gather(*(operator.workers.undo() for _ in range(3)), return_exceptions=True)
    assert [getattr(one, "act", one).__class__.__name__ for one in three] == ["Act", "Act", "NotFoundError"]
    assert list(operator.workers.history()["action"]) == ["block", "note", "withdraw", "unblock"]


async def test_who_was_named_by_mistake_is_no_longer_known_after_the_undo(operator: Operator) -> None:
    await operator.workers.note((await _known(operator, "ann"))[0], "kind")
    await operator.qualifications.grant("careful", ["ann", "made up", "made up, too"])
    await operator.qualifications.undo()
    assert operator.workers.frame()["worker_name"].tolist() == ["ann"]
    assert operator.qualifications.who_would_qualify([])["worker_name"].tolist() == ["ann"]
    assert "made up" in operator.workers.history()["worker_name"].tolist()
    await operator.workers.block("made up")
    assert operator.workers.frame()["worker_name"].tolist() == ["ann", "made up"]


async def _known(operator: Operator, *names: str) -> tuple[str, ...]:
    """Make workers known who did and hold nothing."""
    await operator.workers.block(names)
    await operator.workers.unblock(names)
    return names


async def test_what_is_granted_to_nobody_is_not_made_as_the_preview_says(operator: Operator) -> None:
    nobody = operator.workers.frame().head(0)
    assert (
        operator.qualifications.preview("grant", name="new", workers=nobody) == "Nobody is meant: nothing will change."
    )
    assert not (await operator.qualifications.grant("new", nobody)).has_changed
    assert operator.qualifications.frame().empty


async def test_undo_leaves_what_came_with_a_decision_to_the_decisions_own(operator: Operator) -> None:
    run = stored_run(operator, [said(0, "ann", "glad")])
    decided = await run.review.approve(grant="careful", block=True)
    with pytest.raises(NotFoundError, match=r"decision on an answer.*run\.review\.undo"):
        await operator.workers.undo()
    await run.review.undo(decided)
    assert operator.qualifications.grants().empty
    assert not operator.workers.frame()["blocked"].any()


async def test_a_qualification_of_a_live_run_is_deleted_only_by_force(operator: Operator) -> None:
    await operator.qualifications.grant("careful", CROWD)
    needs = [make_requirement("careful", "Exists")]
    run = await launch(operator, rows(1), shared={"qualifications": needs})
    assert f"'moods' ({run.task_run_id})" in operator.qualifications.preview("delete", name="careful")
    with pytest.raises(ConfigError, match=r"'moods'.* asks for it.*force=True"):
        await operator.qualifications.delete("careful")
    await operator.qualifications.delete("careful", force=True)
    assert operator.qualifications.grants().empty


async def test_who_would_qualify_is_what_a_run_then_does(operator: Operator) -> None:
    await operator.qualifications.grant("careful", ["ann", "bob"], [1, 3])
    await operator.workers.block("eve")
    await operator.workers.unblock("kim")
    await operator.qualifications.grant("other", "kim")
    who = operator.qualifications.who_would_qualify([make_requirement("careful", "GreaterThan", 2)])
    assert dict(zip(who["worker_name"], who["reason"].fillna(""), strict=True)) == {
        "ann": "'careful' is 1, and has to be more than 2",
        "bob": "",
        "eve": "is blocked",
        "kim": "does not have 'careful'",
    }
    run = await launch(operator, rows(4), shared={"qualifications": operator.qualifications.composed})
    async with crowd_of(run) as crowd:
        for name, passes in zip(who["worker_name"], who["passes"], strict=True):
            details = await crowd(name).register(None)
            assert (details["agent_id"] is not None) == passes, details


@pytest.mark.parametrize("comparator", list(Comparator))
async def test_each_comparator_is_answered_with_a_reason(operator: Operator, comparator: Comparator) -> None:
    await operator.qualifications.grant("level", ["low", "mid", "high"], [1, 2, 3])
    await operator.qualifications.grant("other", "none")
    value = {"In": [2], "NotIn": [2], "Exists": None, "DoesNotExist": None}.get(comparator, 2)
    requirement = make_requirement("level", comparator, value)
    who = operator.qualifications.who_would_qualify([requirement])
    grants = {"low": {"level": 1}, "mid": {"level": 2}, "high": {"level": 3}, "none": {}}
    for name, passes, reason in zip(who["worker_name"], who["passes"], who["reason"], strict=True):
        assert passes == requirement.is_met_by(grants[name])
        assert (reason is None) == passes


async def test_what_workers_earned_by_the_hour_is_told_across_runs(operator: Operator) -> None:
    await operator.qualifications.grant("careful", "ann", 4)
    names = ("worker_id", "worker_name", "provider_type", "blocked", "created", "simulated")
    workers = [("a", "ann", "link", False, 1e9, False), ("b", "bob", "link", True, 1e9, True)]
    # 60 s and 180 s for 0.10 each, and a rejected one of 120 s: 0.20 + 0.40 of bonus, in 3 units of 120 s.
    work = [
        ("run", "a", "completed", 0.0, 60.0, "accepted", 10_000, "USD", None),
        ("run", "a", "completed", 0.0, 180.0, "completed", 10_000, "USD", None),
        ("else", "a", "rejected", 0.0, 120.0, "rejected", 10_000, "USD", None),
        ("else", "a", "returned", 0.0, None, None, None, "USD", None),
    ]
    paid = [
        {"worker_id": "a", "kind": "bonus", "status": "owed", "amount": Money.of(0.4), "visit_id": None},
        {"worker_id": "a", "kind": "bonus", "status": "failed", "amount": Money.of(9), "visit_id": None},
        {"worker_id": "a", "kind": "waiting", "status": "owed", "amount": Money.of(9), "visit_id": None},
    ]
    notes = operator.workers.notes()
    frame = people_frames.workers_frame(workers, {}, work, paid, notes, {"run": Money.of(8), "else": Money.of(12)})
    ann, bob = frame.to_dict("records")
    assert (ann["runs"], ann["units"], ann["approved"], ann["rejected"], ann["left"]) == (2, 3, 1, 1, 1)
    assert (ann["waiting"], ann["earned"], ann["waiting_pay"], ann["bonuses"]) == (1, 0.1, 0.1, 0.4)
    assert (ann["owed"], ann["sent"]) == (9.4, 0.0)
    assert ann["hourly_pay"] == pytest.approx(3600 * 0.6 / 3 / 120)
    assert (ann["below_minimum"], ann["minimum_hourly_pay"], ann["median_seconds"]) == (True, 12.0, 120.0)
    assert (bob["units"], bob["below_minimum"], bob["blocked"], pd.isna(bob["hourly_pay"])) == (0, False, True, True)
    assert len(names) == len(workers[0])


async def test_soft_rejected_is_not_approved_and_earned_is_owed_or_sent(operator: Operator) -> None:
    run = stored_run(operator, [said(item, "ann", "glad") for item in range(4)])
    units = run.units()["unit_id"].tolist()
    await run.review.approve(units[0], bonus=0.5)
    await operator.payments.mark_paid(worker="ann")
    await run.review.soft_reject(units[1])
    await run.review.reject(units[2])
    [ann] = operator.workers.frame().to_dict("records")
    counted = ("units", "approved", "soft_rejected", "rejected", "waiting")
    assert [ann[name] for name in counted] == [4, 1, 1, 1, 1]
    money = ("earned", "bonuses", "waiting_pay", "owed", "sent")
    assert [ann[name] for name in money] == [0.5, 0.5, 0.25, 0.25, 0.75]


async def test_the_workers_of_a_run_are_in_the_frame_with_what_they_did(operator: Operator) -> None:
    run = await launch(operator, rows(2))
    async with crowd_of(run) as crowd:
        ann = crowd("ann")
        agent_id = await take(ann)
        await ann.submit(agent_id, {"label": "glad"})
        await parts_of(run).engine.wait_until(lambda state: state.agents[agent_id].submitted_at is not None)
    [row] = operator.workers.frame().to_dict("records")
    assert (row["worker_name"], row["units"], row["waiting_pay"], row["qualifications"]) == ("ann", 1, 0.1, {})
    assert row["hourly_pay"] > 0


@pytest.mark.parametrize("method", ["frame", "history", "notes"])
async def test_frames_of_nothing_have_their_columns_and_types(operator: Operator, method: str) -> None:
    empty = getattr(operator.workers, method)()
    await operator.qualifications.grant("careful", "ann")
    await operator.workers.note("ann", "kind")
    full = getattr(operator.workers, method)()
    assert list(empty.columns) == list(full.columns)
    assert empty.empty


async def test_who_is_noted_about_has_to_be_known(operator: Operator) -> None:
    with pytest.raises(NotFoundError, match="no worker 'nobody'"):
        await operator.workers.note("nobody", "strange")
    with pytest.raises(ConfigError, match="note is empty"):
        await operator.workers.note("nobody", " ")
    with pytest.raises(ConfigError, match=r"The note is None\. Give text"):
        await operator.workers.note("nobody", None)  # type: ignore[arg-type]


async def test_space_around_a_name_makes_no_second_worker(operator: Operator) -> None:
    await operator.qualifications.grant("careful", ["ann", "ann "])
    await operator.workers.block(pd.DataFrame({"worker_name": [" ann"]}))
    assert operator.workers.frame()[["worker_name", "blocked"]].values.tolist() == [["ann", True]]


_GRANTS = """
import asyncio, sys
import mephisto_nb as mnb
async def main():
    operator = mnb.Operator(data_dir=sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(20):
        await operator.qualifications.grant("careful", [f"{sys.argv[2]} {number}", "both"], number)
        await operator.qualifications.grant(f"own {sys.argv[2]}", "both", number)
    await operator.shutdown()
asyncio.run(main())
"""


async def test_of_two_kernels_that_grant_at_once_no_act_is_lost(
    make_operator: Callable[..., Operator], data_dir: Path
) -> None:
    command = [sys.executable, "-c", _GRANTS, str(data_dir)]
    operator = make_operator()
    started = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.communicate("go\n", timeout=60)
    assert [process.returncode for process in started] == [0, 0]
    assert len(operator.qualifications.grants("careful")) == 41
    history = operator.qualifications.history("careful")
    of_both = history[history["worker_name"] == "both"]
    # Each act on `both` starts from what the one before left, whoever did it.
    assert of_both["value_before"].tolist()[1:] == of_both["value"].tolist()[:-1]
    assert len(operator.qualifications.history("own one")) == len(operator.qualifications.history("own two")) == 21
    assert json.dumps(sorted(operator.qualifications.frame()["holders"].tolist())) == "[1, 1, 41]"


async def test_a_qualification_is_renamed_with_all_who_hold_it(operator: Operator) -> None:
    qualifications = operator.qualifications
    await qualifications.create("fluent", "speaks it well")
    await qualifications.grant("fluent", ["ann", "bob"], [1, 3])
    await qualifications.rename("fluent", "fluent in French")
    held = qualifications.grants().sort_values("worker_name")
    assert held[["worker_name", "value"]].to_numpy().tolist() == [["ann", 1], ["bob", 3]]
    assert set(held["qualification_name"]) == {"fluent in French"}
    assert list(qualifications.frame()["description"]) == ["speaks it well"]
    with pytest.raises(ConfigError, match="there is one of that name"):
        await qualifications.rename("other", "fluent in French")
    with pytest.raises(NotFoundError):
        await qualifications.rename("fluent", "another")


async def test_a_kind_of_task_may_require_qualifications_itself(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [{"qualification_name": "fluent", "comparator": "Exists"}]
    monkeypatch.setattr(MockBlueprint, "get_required_qualifications", lambda self: wanted)
    run = await launch(operator, rows(1))
    async with crowd_of(run) as worker:
        assert (await worker("ann").register())["failure_code"] == "not_qualified"
        await operator.qualifications.grant("fluent", "ann")
        await take(worker("ann"))
    await run.force_shutdown()


@pytest.mark.parametrize(
    ("name", "is_asked_for"),
    [
        ("careful", True),
        ("trained", True),
        ("trained-failed", True),
        ("moods-screening", True),
        ("moods-wrong-golds", True),
        ("moods", False),
        ("trained well", False),
        ("Careful", False),
    ],
)
def test_a_run_requires_its_qualifications_and_those_of_its_gates(name: str, is_asked_for: bool) -> None:
    config = {"mephisto": {"blueprint": {"onboarding_qualification": "trained", "block_qualification": ""}}}
    needs = [{"qualification_name": "careful", "comparator": "Exists", "value": None}]
    run = TaskRun("r", "t", "moods", "q", "mock", "local", "link", config, needs, 1.0, 1.0)
    assert requires(run, name) == is_asked_for
