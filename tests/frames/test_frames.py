"""Frames have the same columns and types, whether a run is full or empty."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from mephisto_nb.frames import frames
from mephisto_nb.frames.files import write_frame
from mephisto_nb.kernel.live_run import own_data
from mephisto_nb.model.records import Event
from mephisto_nb.operator import Operator
from tests.inside import live_of, parts_of
from tests.kernel.runs import crowd_of, launch, take

TIMES = {"accepted_at", "submitted_at", "deadline", "at", "created_at", "ended_at"}


def has_types(frame: pd.DataFrame) -> bool:
    """Return whether all times are UTC timestamps."""
    found = {str(frame[name].dtype) for name in TIMES & set(frame.columns)}
    assert found <= {"datetime64[us, UTC]"}, found
    return True


async def test_a_run_without_answers_has_all_its_columns(operator: Operator) -> None:
    run = await launch(operator, [{"text": "a"}])
    assert tuple(run.results().columns) == frames.RESULT_COLUMNS
    assert tuple(run.agents().columns) == frames.AGENT_COLUMNS
    assert tuple(run.units().columns) == frames.UNIT_COLUMNS
    assert tuple(run.events().columns) == frames.EVENT_COLUMNS
    assert tuple(operator.task_runs().columns) == frames.RUN_COLUMNS
    assert [len(frame) for frame in (run.results(), run.agents(), run.units())] == [0, 0, 1]
    assert all(map(has_types, (run.results(), run.agents(), run.events(), operator.task_runs())))
    assert run.results()["duration_in_seconds"].dtype == "float64"


async def test_answers_are_apart_from_data_and_nested_ones_are_flattened(operator: Operator) -> None:
    run = await launch(operator, [{"text": "a", "more": {"n": 1}}])
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {"text": "b", "mood": {"joy": {"level": 2}}, "none": {}})
    await run.completed()
    (row,) = run.results().to_dict("records")
    assert (row["input.text"], row["input.more.n"]) == ("a", 1)
    assert (row["answer.text"], row["answer.mood.joy.level"], row["answer.none"]) == ("b", 2, {})
    assert (row["worker_name"], row["status"], row["pay_amount"]) == ("ann", "completed", 0.1)
    seconds = (row["submitted_at"] - row["accepted_at"]).total_seconds()
    assert row["duration_in_seconds"] == pytest.approx(seconds)
    assert all(map(has_types, (run.results(), run.agents(), run.events())))
    assert tuple(run.results().columns[: len(frames.RESULT_COLUMNS)]) == frames.RESULT_COLUMNS
    assert set(run.units().iloc[0][["worker_name", "status"]]) == {"ann", "completed"}


def test_one_workers_made_up_fields_cost_no_columns_for_everybody() -> None:
    about = dict.fromkeys(frames.RESULT_COLUMNS) | {"shared": {}, "unit_data": [], "unit_index": 0}
    answers = [{f"made up {n}": n for n in range(20_000)}, {"mood": "calm", "why": 1}, {"mood": "glad", "why": 2}]
    rows = [{**about, "data": answer} for answer in answers]
    frame = frames.results_frame(rows, lambda shared, own: {}, lambda data: data)
    assert len(frame.columns) == len(frames.RESULT_COLUMNS) + frames.MOST_COLUMNS + 1
    assert list(frame["answer.mood"].dropna()) == ["calm", "glad"]
    assert [len(rest) for rest in frame["answer.(more)"].dropna()] == [20_000 - frames.MOST_COLUMNS + 2]


BIG = 1234567890123456789


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([BIG, None, 3], "Int64"),
        ([3, None, None], "Int64"),
        ([BIG, 3, 4], "int64"),
        ([2**64, None, 1], "object"),
        ([BIG, 0.5, None], "object"),
        ([1, 0.5, None], "float64"),
        ([True, None, 1], "object"),
    ],
)
def test_whole_numbers_stay_whole_where_some_are_missing(tmp_path: Path, values: list[object], dtype: str) -> None:
    about = dict.fromkeys(frames.RESULT_COLUMNS) | {"unit_data": [], "unit_index": 0}
    rows = [{**about, "shared": {"id": one}, "data": {"id": one} if one is not None else {}} for one in values]
    frame = frames.results_frame(rows, lambda shared, own: shared, lambda data: data)
    there = [one for one in values if one is not None]
    for name in ("input.id", "answer.id"):
        assert (str(frame[name].dtype), frame[name].dropna().tolist()) == (dtype, there)
    lines = write_frame(frame, tmp_path / "answers.csv").read_text().splitlines()
    assert lines[1].endswith(f"{values[0]},{values[0]}") or dtype == "float64"
    records = json.loads(write_frame(frame, tmp_path / "answers.json").read_text())
    assert [record["answer.id"] for record in records] == values


def test_whole_numbers_stay_whole_where_a_run_has_none() -> None:
    one = pd.DataFrame({"answer.id": [BIG, 1], "answer.n": [BIG, 2], "answer.word": ["a", None]})
    other = pd.DataFrame({"answer.n": pd.array([None, 3], dtype="Int64"), "answer.word": ["b", "c"]})
    joined = frames.join_results([one, other])
    assert joined["answer.id"].tolist() == [BIG, 1, pd.NA, pd.NA]
    assert joined["answer.n"].tolist() == [BIG, 2, pd.NA, 3]
    assert joined["answer.word"].dropna().tolist() == ["a", "b", "c"]


def test_a_derived_column_is_worked_out_of_the_stored_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    by_the_hour = {"hourly_pay": lambda results: results["pay_amount"] * 3600 / results["duration_in_seconds"]}
    monkeypatch.setattr(frames, "DERIVED_COLUMNS", frames.DERIVED_COLUMNS | by_the_hour)
    row = dict.fromkeys(frames.RESULT_COLUMNS) | {"shared": {}, "unit_data": [], "unit_index": 0, "data": {}}
    row |= {"accepted_at": 1000.0, "submitted_at": 1060.0, "pay_amount": 0.1}
    frame = frames.results_frame([row], lambda shared, own: {}, lambda data: data)
    assert frame["hourly_pay"].tolist() == pytest.approx([6.0])
    assert frames.results_frame([], lambda shared, own: {}, lambda data: data)["hourly_pay"].empty


def test_answers_of_a_worker_are_numbered_as_they_came_in() -> None:
    about = dict.fromkeys(frames.RESULT_COLUMNS) | {"shared": {}, "unit_data": [], "unit_index": 0, "data": {}}
    known = [("run", "ann", 30.0), ("run", "bob", 20.0), ("run", "ann", None), ("run", "ann", 10.0), ("2", "ann", 5.0)]
    rows = [{**about, "task_run_id": run, "worker_id": who, "submitted_at": at} for run, who, at in known]
    gate = {**rows[0], "unit_index": -1, "submitted_at": 1.0}
    numbers = [frames.results_frame(some, lambda shared, own: {}, lambda data: data)["worker_unit_number"]
               for some in (rows, [gate, *rows], [])]  # fmt: skip
    assert [one.tolist() for one in numbers] == [[2, 1, 3, 1, 1], [0, 2, 1, 3, 1, 1], []]
    assert {str(one.dtype) for one in numbers} == {"int64"}


async def test_files_are_paths_to_what_was_sent(operator: Operator) -> None:
    run = await launch(operator, [{"text": "a"}])
    async with crowd_of(run.url) as worker:
        await worker("ann").submit_form(await take(worker("ann")), {"n": 1}, {"photo": b"jpeg", "sound": b"wav"})
    await run.completed()
    (row,) = run.results().to_dict("records")
    assert row["answer.n"] == 1
    assert Path(row["answer.photo"]).read_bytes() == b"jpeg"
    assert Path(row["answer.sound"]).read_bytes() == b"wav"
    assert Path(row["answer.photo"]).parent == parts_of(run).directory / "files"
    assert await parts_of(run).architect.fetch_file(Path(row["answer.photo"]).name) == Path(row["answer.photo"])


async def test_the_event_log_tells_each_change_with_its_reason(operator: Operator) -> None:
    run = await launch(operator, [{"text": "a"}])
    async with crowd_of(run.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {})
    await live_of(run).over.wait()
    events = run.events()
    units = events[events["subject"] == "unit"]
    assert list(units["after"]) == ["created", "launched", "assigned", "completed"]
    assert events["at"].is_monotonic_increasing
    assert events.iloc[-1][["subject", "after", "why"]].to_list() == ["run", "ended", "all units are done"]


def test_an_extra_unit_has_the_part_of_its_unit_and_a_gates_none() -> None:
    about = {"shared": {"a": 1}, "unit_data": [{"b": 2}, {"b": 3}], "data": {}, "files": []}
    rows = [{**about, "unit_index": index} for index in (3, 4, -1)]
    frame = frames.results_frame(rows, lambda shared, own: {**shared, **own}, lambda data: data)
    assert frame["input.b"].fillna(0).tolist() == [3, 2, 0]


def test_an_assignment_whose_data_is_missing_has_no_parts() -> None:
    row = {"shared": {}, "unit_data": [], "unit_index": 0}
    assert own_data(row) == {}


def test_events_without_detail_hold_none() -> None:
    frame = frames.events_frame([Event(0.5, "run", "r", None, "ended", "done", "operator")])
    assert frame.iloc[0]["at"] == pd.Timestamp("1970-01-01T00:00:00.5Z")
    assert json.loads(frame.drop(columns="at").to_json(orient="records"))[0]["detail"] is None


def test_half_a_character_of_one_worker_spares_all_other_answers() -> None:
    data = {"shared": {}, "unit_data": [{}], "unit_index": 0}
    rows = [{**data, "data": {"mood": "\ud800"}}, {**data, "data": {"mood": "calm", "\udfff": "odd"}}]
    frame = frames.results_frame(rows, lambda shared, own: shared, lambda answer: answer)
    assert list(frame["answer.mood"]) == ["?", "calm"]
