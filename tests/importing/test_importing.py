"""What Mephisto 1.x has left is taken over: every row accounted for, once, and readable as any run of today."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.errors import ConfigError, UsageError, WorldError
from mephisto_nb.importing.importer import Importer
from mephisto_nb.importing.old_mephisto import OldMephisto
from mephisto_nb.importing.run_transfer import REPORT_COLUMNS
from mephisto_nb.model.states import AGENT_OF_DECIDED, AgentStatus, UnitStatus
from mephisto_nb.operator import Operator
from tests.importing.old_directory import AGENT_STATUSES, UNIT_STATUSES, OldDirectory
from tests.inside import frames_of, watch
from tests.kernel.runs import launch


def contents(data_dir: Path) -> dict[str, list[Any]]:
    """All rows of all tables of ours."""
    with closing(sqlite3.connect(data_dir / "mephisto_nb.db")) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(map(repr, database.execute(f"SELECT * FROM {name}"))) for name in names}


def run_of(operator: Operator, task_name: str) -> Any:
    runs = operator.task_runs().set_index("task_name")
    return operator.get_task_run(runs["task_run_id"][task_name])


def numbers(report: pd.DataFrame) -> pd.DataFrame:
    return report.set_index("table")[["found", "imported", "already_there", "left_out"]]


async def test_every_row_is_accounted_for(operator: Operator, old: OldDirectory) -> None:
    report = await operator.import_mephisto(old.root)
    assert tuple(report.columns) == REPORT_COLUMNS
    found = numbers(report)
    assert found.drop("(files)")["found"].to_dict() == old.counts()
    assert (found["found"] == found["imported"] + found["already_there"] + found["left_out"]).all()
    left = found.loc[found["left_out"] > 0, "left_out"].to_dict()
    assert left == {"projects": 1, "imported_data": 1, "migrations": 1}
    assert found["already_there"].sum() == 0


async def test_importing_twice_changes_nothing(operator: Operator, old: OldDirectory, data_dir: Path) -> None:
    await operator.import_mephisto(old.root)
    before = contents(data_dir)
    found = numbers(await operator.import_mephisto(OldMephisto(old.root)))
    assert contents(data_dir) == before
    assert found["imported"].sum() == 0
    assert (found["found"] == found["already_there"] + found["left_out"]).all()


async def test_nothing_is_written_to_the_source(operator: Operator, old: OldDirectory) -> None:
    before = old.bytes()
    await operator.import_mephisto(old.root)
    assert old.bytes() == before


async def test_units_and_agents_of_every_status_are_there(operator: Operator, old: OldDirectory) -> None:
    await operator.import_mephisto(old.root)
    run = run_of(operator, "moods")
    assert {*UNIT_STATUSES} - {*run.units()["status"]} == {"created", "launched", "assigned"}
    assert {*AGENT_STATUSES} - {*run.agents()["status"]} == {"none", "accepted", "onboarding", "waiting", "in task"}
    report = (await operator.import_mephisto(old.root)).set_index("table")
    assert report["remarks"]["units"] == []  # told the first time alone
    units = run.units().merge(run.agents(), on="agent_id", suffixes=("", "_of_agent"))
    for unit, agent in zip(units["status"], units["status_of_agent"], strict=True):
        if unit != "expired":
            assert AGENT_OF_DECIDED[UnitStatus(unit)] is AgentStatus(agent)


async def test_what_was_open_has_expired_and_that_is_told(operator: Operator, old: OldDirectory) -> None:
    report = (await operator.import_mephisto(old.root)).set_index("table")
    assert report["remarks"]["units"][0] == "3 open in 1.x, and expired here: their run is over"
    run = run_of(operator, "moods")
    assert (frames_of(run).task_run.ended_at is not None, operator.find_live_runs()) == (True, [])


async def test_results_are_those_that_1x_had(operator: Operator, old: OldDirectory) -> None:
    opened = OldMephisto(old.root)
    await operator.import_mephisto(opened)
    for task in ("moods", "rozhovor", "funkce"):
        run = run_of(operator, task)
        theirs = opened.results(run.task_run_id).set_index("unit_id").sort_index()
        ours = run.results().set_index("unit_id").sort_index()
        assert {*ours.columns} - {"files"} == {*theirs.columns}
        same = [name for name in theirs.columns if name not in ("answer.(files)", "agent_id", "worker_id")]
        pd.testing.assert_frame_equal(ours[same], theirs[same], check_dtype=False)
    (file,) = run_of(operator, "funkce").results()["answer.(files)"]
    assert Path(file).read_text(encoding="utf-8") == "nahraný soubor"
    assert str(old.root) not in file


async def test_what_was_said_beside_answers_comes_along(operator: Operator, old: OldDirectory) -> None:
    await operator.import_mephisto(old.root)
    said = run_of(operator, "funkce").metadata()
    wanted = [["feedback", "feedback", "díky"], ["tips", "tips", "pomalu"]]
    assert said[["kind", "type", "text"]].to_numpy().tolist() == wanted
    assert len(run_of(operator, "funkce").metadata.feedback()) == 1
    before = OldMephisto(old.root).metadata()
    assert before["text"].value_counts().to_dict() == {"díky": len(before) // 2, "pomalu": len(before) // 2}


async def test_people_and_what_they_hold_come_along(operator: Operator, old: OldDirectory) -> None:
    await operator.import_mephisto(old.root)
    facts = operator._runs.database.people.get_worker_facts("", "link", ["Žofie ✓_sandbox", "bob_sandbox"])
    assert facts["Žofie ✓_sandbox"].grants == {"pečlivý": 3}
    assert facts["bob_sandbox"].worker is not None
    assert facts["bob_sandbox"].worker.blocked


async def test_who_is_known_here_stays_who_they_are(operator: Operator, old: OldDirectory) -> None:
    await operator.qualifications.grant("pečlivý", "Žofie ✓_sandbox", 9)
    facts = operator._runs.database.people.get_worker_facts("", "link", ["Žofie ✓_sandbox"])["Žofie ✓_sandbox"]
    found = numbers(await operator.import_mephisto(old.root))
    assert found["already_there"].loc[["workers", "qualifications", "granted_qualifications"]].tolist() == [1, 1, 1]
    assert operator._runs.database.people.get_worker_facts("", "link", ["Žofie ✓_sandbox"])["Žofie ✓_sandbox"] == facts
    assert facts.worker is not None
    assert facts.worker.worker_id in set(run_of(operator, "moods").agents()["worker_id"])


async def test_a_known_worker_who_was_blocked_in_1x_is_blocked_here(operator: Operator, old: OldDirectory) -> None:
    await operator.qualifications.grant("careful", "bob_sandbox")
    await operator.import_mephisto(old.root)
    workers = operator.workers.frame().set_index("worker_name")
    assert workers["blocked"].to_dict() == {"bob_sandbox": True, "Žofie ✓_sandbox": False}
    history = operator.workers.history()
    assert history.loc[history["action"] == "block", "why"].tolist() == ["blocked in Mephisto 1.x"]


async def test_a_second_import_does_not_revert_what_changed_here_since(operator: Operator, old: OldDirectory) -> None:
    await operator.import_mephisto(old.root)
    await operator.workers.unblock("bob_sandbox")
    await operator.qualifications.revoke("pečlivý", "Žofie ✓_sandbox")
    found = numbers(await operator.import_mephisto(old.root))
    assert found["imported"].sum() == 0
    assert not operator.workers.frame()["blocked"].any()
    assert operator.qualifications.grants().empty


async def test_two_files_of_one_name_are_both_copied(operator: Operator, tmp_path: Path) -> None:
    home = OldDirectory(tmp_path / "old")
    run = home.add_run("moods")
    assignment = run.add_assignment({})
    agent = run.add_agent(assignment, run.add_unit(assignment, "completed"), home.add_worker("ann"), "completed")
    run.answer(assignment, agent, {}, {})
    home.write(run.id, f"{assignment}/{agent}/a.txt", "first")
    home.write(run.id, f"{assignment}/{agent}/uploads/a.txt", "second")
    home.write(run.id, f"{assignment}/{agent}/1 a.txt", "third")
    await operator.import_mephisto(home.root)
    (files,) = run_of(operator, "moods").results()["answer.(files)"]
    assert sorted(Path(file).read_text(encoding="utf-8") for file in files) == ["first", "second", "third"]


async def test_pay_of_1x_is_not_undone_to_be_paid_again(operator: Operator, old: OldDirectory) -> None:
    await operator.import_mephisto(old.root)
    run = run_of(operator, "moods")
    accepted = run.review.decisions().set_index("after").loc[["accepted"], "unit_id"].tolist()
    with operator._runs.database.connections.writer.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE reviews SET bonus_payment_id = NULL, reward_payment_id = NULL")
    undone = await run.review.undo(accepted)
    assert undone["why"].tolist() == ["it was paid for elsewhere, which cannot be taken back"]


async def test_decisions_and_bonuses_come_along(operator: Operator, old: OldDirectory) -> None:
    await operator.import_mephisto(old.root)
    run = run_of(operator, "moods")
    reviews = run.review.decisions().set_index("after")
    assert (reviews["note"]["rejected"], reviews["blocked"]["rejected"]) == ("nedbalé", True)
    assert (reviews["bonus"]["accepted"], reviews["granted"]["accepted"]) == (1.5, {"pečlivý": 3})
    payments = run.payments().set_index("kind")
    assert payments.loc["bonus", ["status", "amount"]].tolist() == ["sent", 1.5]
    events = run.events()
    (about_nothing,) = events.loc[events["why"] == "reviewed in Mephisto 1.x", "detail"]
    assert about_nothing == {"granted": {"pečlivý": 2}}


async def test_a_qualification_revoked_with_a_decision_is_in_the_log(operator: Operator, tmp_path: Path) -> None:
    home = OldDirectory(tmp_path / "old")
    run, ann = home.add_run("moods"), home.add_worker("ann")
    about = {"unit_id": run.add_work(ann, "rejected", "rejected"), "worker_id": ann, "task_id": run.task_id}
    trusted = home.add("qualifications", qualification_name="trusted")
    home.add("worker_review", **about, status="rejected", revoked_qualification_id=trusted)
    await operator.import_mephisto(home.root)
    imported = run_of(operator, "moods")
    assert imported.review.decisions()["after"].tolist() == ["rejected"]
    assert {"revoked": "trusted"} in imported.events()["detail"].tolist()


async def test_onboarding_is_kept_in_the_log(operator: Operator, old: OldDirectory) -> None:
    await operator.import_mephisto(old.root)
    events = run_of(operator, "moods").events()
    onboarding = events[events["subject"] == "onboarding"]
    assert list(onboarding["after"]) == ["approved", "rejected"]
    assert [detail["answer"] for detail in onboarding["detail"]] == [{"ano": True}, {"ano": False}]
    assert onboarding["subject_id"].str.startswith("onboarding_").all()


async def test_an_imported_run_is_reviewed_like_any_other(operator: Operator, old: OldDirectory) -> None:
    await operator.import_mephisto(old.root)
    run = run_of(operator, "rozhovor")
    assert len(run.review.queue("disagreement")) == 2
    outcome = await run.review.approve(worker="bob_sandbox", bonus=0.5, who="eve")
    assert list(outcome["done"]) == [True]
    assert operator.payments.owed()["owed"].tolist() == [0.8, 0.0]


async def test_an_imported_run_is_neither_launched_nor_resumed(operator: Operator, old: OldDirectory) -> None:
    await operator.import_mephisto(old.root)
    run = run_of(operator, "moods")
    with pytest.raises(UsageError, match="cannot be launched"):
        frames_of(run).blueprint.get_initialization_data()
    with pytest.raises(UsageError, match="has no page"):
        frames_of(run).blueprint.build_site(Path())
    with pytest.raises(ConfigError, match="no ended run of 'moods' has units left"):
        await launch(operator, [{"text": "x"}], resume_incomplete_run=True)


async def test_an_import_that_was_interrupted_goes_on(
    operator: Operator, old: OldDirectory, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, runs = operator._runs.writer.commit, []

    async def failing(changes: Any) -> None:
        if changes.task_run_id is not None:
            runs.append(changes.task_run_id)
            if len(runs) == 2:
                raise OSError("the plug was pulled")
        await commit(changes)

    monkeypatch.setattr(operator._runs.writer, "commit", failing)
    with pytest.raises(OSError, match="plug"):
        await operator.import_mephisto(old.root)
    assert list(operator.task_runs()["task_run_id"]) == runs[:1]
    found = numbers(await operator.import_mephisto(old.root))
    assert found.loc["task_runs"].tolist() == [3, 2, 1, 0]
    assert len(operator.task_runs()) == 3


async def test_counted_ids_of_two_databases_do_not_meet(operator: Operator, tmp_path: Path) -> None:
    homes = [OldDirectory(tmp_path / name, is_first_version=True, base=-99_990) for name in ("a", "b")]
    for number, home in enumerate(homes):
        run = home.add_run(f"task {number}")
        run.add_work(home.add_worker(f"worker {number}"), "accepted", "approved", text=f"text {number}")
    for home in homes:
        found = numbers(await operator.import_mephisto(home.root))
        assert found["left_out"].sum() == 0
    assert len(operator.task_runs()) == 2
    assert list(run_of(operator, "task 1").results()["input.text"]) == ["text 1"]
    again = numbers(await operator.import_mephisto(homes[0].root))
    assert again["imported"].sum() == 0


async def test_rows_that_fit_nowhere_are_left_out_for_a_reason(operator: Operator, tmp_path: Path) -> None:
    home = OldDirectory(tmp_path / "old")
    ann = home.add_worker("ann")
    run = home.add_run("moods", config="{: not yaml")
    run.add_work(ann, "completed", "completed")
    run.add_work(ann, "mixed", "completed")
    run.add_work(ann, "completed", "vanished")
    run.add_unit(404, "created")
    home.add("agents", worker_id=ann, unit_id=404, task_run_id=run.id, status="completed")
    home.add(
        "agents",
        worker_id=405,
        unit_id=run.add_unit(run.add_assignment({}), "completed"),
        task_run_id=run.id,
        status="completed",
    )
    home.add("units", assignment_id=1, task_run_id=406, status="created", unit_index=0)
    home.add("granted_qualifications", worker_id=ann, qualification_id=407, value=1)
    home.add("worker_review", worker_id=408, status="approved")
    home.add("tasks", task_name="never launched")
    report = (await operator.import_mephisto(home.root)).set_index("table")
    assert (report["found"] == report["imported"] + report["already_there"] + report["left_out"]).all()
    assert report["remarks"]["units"][:3] == [
        "1 left out: no unit can be 'mixed'",
        "1 left out: their assignment is missing",
        "1 left out: their run is missing",
    ]
    assert sorted(report["remarks"]["agents"])[:4] == [
        "1 left out: no agent can be 'vanished'",
        "1 left out: their worker is missing",
        "2 left out: their unit is missing",
    ]
    assert report["remarks"]["granted_qualifications"] == ["1 left out: their qualification is missing"]
    assert report["remarks"]["worker_review"] == ["1 left out: their run is missing"]
    assert report["remarks"]["tasks"] == ["1 left out: no run is theirs"]
    assert len(run_of(operator, "moods").results()) == 1


async def test_files_that_are_gone_are_told_and_the_rest_is_imported(operator: Operator, old: OldDirectory) -> None:
    for file in (old.root / "data").rglob("*.json"):
        if file.name == "assign_data.json":
            file.unlink()
        elif file.name == "agent_data.json":
            file.write_text("{")
    report = (await operator.import_mephisto(old.root)).set_index("table")
    assert (report["found"] == report["imported"] + report["left_out"]).all()
    assert any("is missing" in remark for remark in report["remarks"]["(files)"])
    assert len(run_of(operator, "moods").units()) == len(
        OldMephisto(old.root).units(run_of(operator, "moods").task_run_id)
    )


async def test_progress_is_shown_by_run(operator: Operator, old: OldDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(operator._runs, "progress", lambda what, done, total: told.append((done, total)))
    await operator.import_mephisto(old.root)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


async def test_an_answer_without_its_file_is_reported_and_has_no_times(operator: Operator, tmp_path: Path) -> None:
    home = OldDirectory(tmp_path / "old")
    run = home.add_run("moods")
    for number in range(6):
        run.add_work(home.add_worker(f"worker {number}"), "completed", "completed")
    lost = run.add_assignment({"text": "lost"})
    agent = run.add_agent(lost, run.add_unit(lost, "completed"), home.add_worker("zoe"), "completed")
    (home.root / "data" / "runs" / "NO_PROJECT" / str(run.id) / str(lost) / str(agent)).mkdir()
    old = OldMephisto(home.root)
    assert old.results()["duration_in_seconds"].isna().sum() == 1
    (trouble,) = old.troubles().to_dict("records")
    assert (trouble["where"].endswith(f"{agent}/agent_data.json"), trouble["why"]) == (True, "is missing")
    report = (await operator.import_mephisto(old)).set_index("table")
    assert report["remarks"]["agents"] == ["1 who answered, but whose answer could not be read"]
    assert report["remarks"]["(files)"] == ["1 left out: is missing"]
    imported = run_of(operator, "moods")
    (zoe,) = imported.results().set_index("worker_name").loc[["zoe"]].to_dict("records")
    assert pd.isna(zoe["submitted_at"])
    assert pd.isna(zoe["duration_in_seconds"])
    queue = imported.review.queue().set_index("worker_name")
    assert "too fast" not in queue["reasons"]["zoe"]
    assert pd.isna(operator.workers.frame().set_index("worker_name")["median_seconds"]["zoe"])
    answer = await watch(imported).submission(zoe["agent_id"])
    assert (answer["at"], answer["seconds"]) == (None, None)


async def test_what_1x_paid_stands_in_the_books(operator: Operator, tmp_path: Path) -> None:
    home = OldDirectory(tmp_path / "old")
    run, ann = home.add_run("moods"), home.add_worker("ann")
    for unit, agent, after, bonus in (
        ("accepted", "approved", "approved", 1.0),
        ("accepted", "approved", "approved", None),
        ("soft_rejected", "soft_rejected", "soft_rejected", None),
        ("rejected", "rejected", "rejected", None),
        ("completed", "completed", None, None),
    ):
        about = {"unit_id": run.add_work(ann, unit, agent), "worker_id": ann, "task_id": run.task_id}
        if after is not None:
            home.add("worker_review", **about, status=after, review_note="for our eyes only", bonus=bonus)
    run.add_work(ann, "accepted", "approved")  # approved without a row of a review
    report = (await operator.import_mephisto(home.root)).set_index("table")
    assert report["remarks"]["units"] == [
        "1 answered, and not decided on in 1.x: a crowd may have approved and paid them by itself (MTurk does after "
        "auto_approve_delay); look there before you approve them here, which pays them again"
    ]
    imported = run_of(operator, "moods")
    payments = imported.payments()
    assert payments["status"].unique().tolist() == ["sent"]
    assert sorted(zip(payments["kind"], payments["amount"], strict=True)) == [("bonus", 1.0), *[("reward", 0.3)] * 4]
    assert not payments["reason"].str.contains("our eyes").any()
    assert payments["reason"].str.contains("paid by Mephisto 1.x").all()
    assert imported.review.decisions()["reward_payment_id"].notna().sum() == 3
    await imported.review.approve(bonus=0.1)
    spent = imported.payments().groupby("status")["amount"].sum()
    assert spent.to_dict() == pytest.approx({"sent": 2.2, "owed": 0.4})
    assert watch(run_of(operator, "moods")).state()["money"]["spent"] == pytest.approx(2.6)


async def test_a_file_that_cannot_be_copied_is_told_and_the_bar_ends(
    operator: Operator, old: OldDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    shown: list[tuple[int, int]] = []
    kept, runs = operator._runs, tmp_path / "runs"
    monkeypatch.setattr("mephisto_nb.utils.foreign._copy", full)
    with pytest.raises(WorldError, match="no space left"):
        await Importer(kept.database, kept.writer, runs, lambda *now: shown.append(now[1:])).import_mephisto(old.root)
    assert shown[-1] == (3, 3)
