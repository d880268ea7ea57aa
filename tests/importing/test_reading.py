"""What Mephisto 1.x has left is read as it is, and nothing of it is touched."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import mephisto_nb as mnb
from mephisto_nb.errors import DatabaseError, DataFileError, NotFoundError
from mephisto_nb.frames import frames
from mephisto_nb.importing.old_data import read_answer, to_seconds
from mephisto_nb.importing.old_mephisto import OldMephisto, parse_config
from tests.importing.old_directory import OldDirectory


def test_frames_have_the_columns_of_todays(old: OldDirectory) -> None:
    opened = mnb.open_mephisto(old.root)
    assert tuple(opened.task_runs().columns) == frames.RUN_COLUMNS
    assert tuple(opened.units().columns) == frames.UNIT_COLUMNS
    assert tuple(opened.agents().columns) == frames.AGENT_COLUMNS
    assert tuple(opened.reviews().columns) == frames.REVIEW_COLUMNS
    assert tuple(opened.results().columns[: len(frames.RESULT_COLUMNS)]) == frames.RESULT_COLUMNS


def test_every_row_is_in_its_frame(old: OldDirectory) -> None:
    opened, counts = OldMephisto(old.root), old.counts()
    found = {
        "task_runs": opened.task_runs(),
        "units": opened.units(),
        "agents": opened.agents(),
        "workers": opened.workers(),
        "qualifications": opened.qualifications(),
        "granted_qualifications": opened.grants(),
        "worker_review": opened.reviews(),
        "onboarding_agents": opened.onboardings(),
    }
    assert {name: len(frame) for name, frame in found.items()} == {name: counts[name] for name in found}


def test_answers_are_read_whatever_kind_of_task_they_are_of(old: OldDirectory) -> None:
    opened = OldMephisto(old.root)
    results = opened.results().set_index("input.text")
    moods = results.loc["soft_rejected – 日本"]
    assert (moods["answer.mood"], moods["status"], moods["duration_in_seconds"]) == ("glad", "soft_rejected", 60.0)
    runs = opened.task_runs().set_index("task_name")["task_run_id"]
    assert list(opened.results(runs["rozhovor"])["answer.rating"]) == [4, 5]
    called = opened.results(runs["funkce"]).iloc[0]
    assert (called["answer.sum"], called["answer.(requests)"][0]["target"]) == (2, "add")
    assert Path(called["answer.(files)"][0]).read_text(encoding="utf-8") == "nahraný soubor"


def test_what_was_said_in_a_chat_is_there_once(old: OldDirectory) -> None:
    messages = OldMephisto(old.root).messages()
    assert messages[["speaker", "text"]].to_numpy().tolist() == [["Chat Agent 1", "Prší."], ["Chat Agent 2", "Zase?"]]


def test_people_and_decisions_are_read(old: OldDirectory) -> None:
    opened = OldMephisto(old.root)
    assert opened.workers().set_index("worker_name")["blocked"].to_dict() == {
        "Žofie ✓_sandbox": False,
        "bob_sandbox": True,
    }
    (grant,) = opened.grants().to_dict("records")
    assert (grant["worker_name"], grant["qualification_name"], grant["value"]) == ("Žofie ✓_sandbox", "pečlivý", 3)
    assert str(grant["granted_at"]) == "2024-05-02 08:00:00+00:00"
    reviews = opened.reviews()
    assert list(reviews["after"].fillna("")) == ["rejected", "accepted", ""]
    assert (reviews["bonus"].iloc[1], reviews["granted"].iloc[1], reviews["note"].iloc[0]) == (
        1.5,
        {"pečlivý": 3},
        "nedbalé",
    )


def test_nothing_is_written_there(old: OldDirectory) -> None:
    before = old.bytes()
    opened = OldMephisto(old.root / "database.db")
    assert len(opened.results()) + len(opened.messages()) + len(opened.onboardings()) > 0
    assert old.bytes() == before


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_it_is_read_while_1x_holds_it(old: OldDirectory, mode: str) -> None:
    with closing(old.connect()) as theirs:
        theirs.execute(f"PRAGMA journal_mode={mode}")
        theirs.execute("INSERT INTO projects (project_name) VALUES ('new')")
        theirs.commit()
        theirs.execute("SELECT * FROM units").fetchone()
        assert len(OldMephisto(old.root).units()) == old.counts()["units"]


def test_reading_a_closed_file_in_wal_mode_adds_no_file_beside_it(old: OldDirectory) -> None:
    with closing(old.connect()) as theirs:
        theirs.execute("PRAGMA journal_mode=wal")
    before = old.bytes()
    assert len(OldMephisto(old.root).units()) == old.counts()["units"]
    assert old.bytes() == before


def test_a_database_that_is_being_written_is_told(old: OldDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mephisto_nb.importing.old_data._PATIENCE", 0.0)
    opened = OldMephisto(old.root)
    with closing(old.connect()) as theirs:
        theirs.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseError, match="cannot be read: database is locked"):
            opened.units()


def test_the_first_version_is_read_too(tmp_path: Path) -> None:
    first = OldDirectory(tmp_path / "first", is_first_version=True, base=0)
    run = first.add_run("moods")
    run.add_work(first.add_worker("ann"), "accepted", "approved")
    qualification = first.add("qualifications", qualification_name="careful")
    first.add("granted_qualifications", worker_id=1, qualification_id=qualification, value=1)
    opened = OldMephisto(first.root)
    assert (len(opened.units()), len(opened.results()), opened.reviews().empty) == (1, 1, True)
    assert opened.qualifications()["description"].isna().all()
    assert opened.grants()["granted_at"].notna().all()


def test_missing_or_broken_files_are_reported_and_stop_nothing(old: OldDirectory) -> None:
    opened = OldMephisto(old.root)
    whole = len(opened.results())
    run = opened.task_runs().set_index("task_name")["task_run_id"]["rozhovor"]
    first, second = opened.results(run)[["assignment_id", "agent_id"]].to_numpy().tolist()
    home = old.root / "data" / "runs" / "NO_PROJECT" / run / first[0]
    (home / first[1] / "state.json").write_text('{"inputs": {"text": "x', encoding="utf-8")
    (home / "assign_data.json").unlink()
    found = opened.results()
    assert len(found) == whole
    assert set(found.loc[found["agent_id"] == second[1], "input.topic"]) == {"počasí"}  # as the agent's own file says
    assert sorted(opened.troubles()["why"].str.partition(":")[0]) == ["cannot be read", "is missing"]


def test_a_folder_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"There is no .*nowhere"):
        OldMephisto(tmp_path / "nowhere")
    with pytest.raises(NotFoundError, match=r"no database\.db"):
        OldMephisto(tmp_path)
    (tmp_path / "database.db").write_text("hello " * 100)
    with pytest.raises(DatabaseError, match="file is not a database"):
        OldMephisto(tmp_path)
    (tmp_path / "database.db").unlink()
    with closing(sqlite3.connect(tmp_path / "database.db")) as other:
        other.execute("CREATE TABLE x (y)")
    with pytest.raises(DataFileError, match=r"no database of Mephisto 1\.x"):
        OldMephisto(tmp_path)


def test_a_run_that_is_not_there_is_refused(old: OldDirectory) -> None:
    with pytest.raises(NotFoundError, match="no task run '5'"):
        OldMephisto(old.root).units("5")


def test_progress_is_shown_while_files_are_read(old: OldDirectory) -> None:
    told: list[tuple[int, int]] = []
    opened = OldMephisto(old.root, lambda what, done, total: told.append((done, total)))
    number = len(opened.results())
    assert (told[0], told[-1]) == ((0, number), (number, number))


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("2024-05-01 12:00:00.250", 1714564800.25),
        (1714564800.25, 1714564800.25),
        (1714564800250, 1714564800.25),
        (None, None),
        ("", None),
        ("soon", None),
    ],
)
def test_times_of_all_versions_are_read(moment: object, seconds: float | None) -> None:
    assert to_seconds(moment) == seconds


@pytest.mark.parametrize("text", ["", "null", "[1]", "{: not yaml", None])
def test_a_configuration_that_cannot_be_read_is_none(text: str | None) -> None:
    assert parse_config(text) == {}


def test_configurations_are_read_as_yaml_in_json_or_alone() -> None:
    assert (
        parse_config('"task:\\n  task_name: x\\n"')
        == parse_config("task:\n  task_name: x")
        == {"task": {"task_name": "x"}}
    )
    assert parse_config('{"mephisto": {"task": {}}}') == {"task": {}}


@pytest.mark.parametrize(
    ("outputs", "columns"),
    [
        (None, {}),
        ("text", {"answer": "text"}),
        ({"a": 1}, {"a": 1}),
        ({"final_submission": None, "requests": []}, {}),
        ({"final_submission": 3, "requests": [1]}, {"answer": 3, "(requests)": [1]}),
    ],
)
def test_answers_of_any_shape_have_columns(outputs: object, columns: dict[str, object]) -> None:
    assert read_answer(outputs) == columns
