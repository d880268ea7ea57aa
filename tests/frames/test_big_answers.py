"""Of a big answer only what was asked is read each time; nothing of it is lost, and nothing of it passes for ours."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.frames.columns import make_columns
from mephisto_nb.frames.files import write_frame
from mephisto_nb.frames.spreadsheets import Frame
from mephisto_nb.model.answers import EVERYTHING, StoredFile, Unread, pack, split, unpack, whole
from mephisto_nb.review.queue import closed_questions

ASKED = frozenset({"mood", "(note)"})


def test_only_what_the_page_asks_is_an_answers_own() -> None:
    sent = {"mood": "glad", "(note)": "x", "(problems)": None, "made up": 1}
    assert split(sent, ASKED) == ({"mood": "glad", "(note)": "x"}, {"(problems)": None, "made up": 1})
    assert split(sent, EVERYTHING) == (sent, {})
    assert split("text", ASKED) == ("text", {})


def test_where_nobody_can_tell_parentheses_are_ours_alone() -> None:
    assert split({"mood": "glad", "(problems)": None}, None) == ({"mood": "glad"}, {"(problems)": None})


def test_where_nobody_can_tell_what_was_sent_instead_is_ours() -> None:
    sent = {"day": "2026-01-31", "day (as sent)": "forged"}
    assert split(sent, None) == ({"day": "2026-01-31"}, {"day (as sent)": "forged"})
    assert split(sent, frozenset(sent)) == (sent, {})


@pytest.mark.parametrize("asked", [ASKED, None, EVERYTHING], ids=["asked", "unknown", "everything"])
@pytest.mark.parametrize(
    "data",
    [
        {"mood": "glad", "many": {str(n): "x" * 50 for n in range(10_000)}},
        {"mood": "glad", **{f"f{n}": "x" * 50 for n in range(10_000)}},
        {"mood": list(range(200_000))},
        {"mood": "x" * 3_000_000},
        {"mood": "line\n" * 100_000, "(note)": '"'},
        {"mood": '"' * 3_000_000},
        list(range(200_000)),
        "x" * 3_000_000,
        {"mood": "glad"},
        None,
    ],
    ids=["nested", "fields", "list", "text", "lines", "marks", "a list", "a text", "small", "nothing"],
)
def test_nothing_of_an_answer_is_lost(data: Any, asked: frozenset[str] | None) -> None:
    text, aside = pack(data, asked, json.dumps)
    read, rest = unpack(text, lambda: aside or "")
    assert whole(read, rest) == data
    assert len(text) < 4_000_000
    assert (rest is None) == (aside is None)


def test_a_text_counts_as_long_as_json_writes_it() -> None:
    plain, marks = ({"mood": sign * 3_000_000} for sign in ("x", '"'))
    assert pack(plain, frozenset(["mood"]), json.dumps)[1] is None
    assert pack(marks, frozenset(["mood"]), json.dumps) == ("{}\n6000012", json.dumps(marks))


def test_what_was_set_aside_is_read_when_somebody_asks() -> None:
    loads: list[int] = []

    def load() -> str:
        loads.append(1)
        return '{"a": 1}'

    rest = Unread(8, load).and_({"b": 2})
    assert ("8 characters" in repr(rest), loads) == (True, [])
    assert dict(rest) == {"b": 2, "a": 1} == pickle.loads(pickle.dumps(rest))
    assert loads == [1]


def test_no_text_is_a_stored_file() -> None:
    assert not isinstance("files/0a", StoredFile)
    assert json.dumps(StoredFile("files/0a")) == '"files/0a"'


def test_of_many_answers_one_has_few_columns_of_its_own() -> None:
    answers: list[dict[str, Any]] = [{f"made up {n}": n for n in range(500)}, *({"mood": "glad"} for _ in range(20))]
    frame = make_columns("answer", answers, most=200)
    assert len(frame.columns) == 1 + 20 + 1
    assert len(frame["answer.(more)"][0]) == 480


def test_what_nobody_asked_for_is_no_question() -> None:
    results = pd.DataFrame({"answer.mood": ["glad", "glad", "grim"], "answer.(more)": ["x", "x", "x"]})
    assert closed_questions(results) == ["answer.mood"]


def test_fields_that_a_page_asks_for_have_columns() -> None:
    asked = frozenset(f"q{number}" for number in range(60))
    frame = make_columns("answer", [{f"q{number}": True} for number in range(40)], most=200, asked=asked)
    assert list(frame) == [f"answer.q{number}" for number in range(40)]
    objects: list[dict[str, Any]] = [{"q1": {f"item {number}": 1}} for number in range(40)]
    assert len(make_columns("answer", objects, most=200, asked=asked).columns) == 40


def test_of_what_is_made_up_within_a_question_few_have_columns() -> None:
    answers: list[dict[str, Any]] = [{"mood": {f"{n} {k}": k for k in range(500)}} for n in range(10)]
    assert len(make_columns("answer", answers, most=200, asked=ASKED).columns) == 200 + 1


def test_what_was_taken_over_keeps_two_thousand_columns() -> None:
    answers: list[dict[str, Any]] = [{f"q{number}": number for number in range(2500)} for _ in range(12)]
    assert len(make_columns("answer", answers, most=200, asked=EVERYTHING).columns) == 2000 + 1


BIG = json.dumps({"essay": "long", "n": 1})


def big_frame() -> Frame:
    unread = [Unread(len(BIG), lambda: BIG), None]
    return Frame({"a": [1, 2], "answer.(more)": pd.Series(unread, dtype=object)})


@pytest.mark.parametrize("suffix", ["csv", "tsv", "json", "jsonl", "xlsx", "parquet", "feather"])
def test_a_file_has_all_of_a_big_answer(tmp_path: Path, suffix: str) -> None:
    file = write_frame(big_frame(), tmp_path / f"a.{suffix}")
    read: Any = {"xlsx": pd.read_excel, "parquet": pd.read_parquet, "feather": pd.read_feather}.get(suffix)
    text = file.read_text() if read is None else str(read(file)["answer.(more)"][0])
    assert "essay" in text
    assert "read when asked for" not in text


def test_pandas_own_ways_out_have_all_of_a_big_answer(tmp_path: Path) -> None:
    frame, said = big_frame(), json.loads(BIG)
    assert frame.to_dict("records")[0]["answer.(more)"] == said
    assert frame.to_records()[0]["answer.(more)"] == said
    assert str(said) in frame.to_csv()
    for one in (frame, pd.DataFrame(frame)):
        assert json.loads(one.to_json(orient="records"))[0]["answer.(more)"] == said
    assert json.loads(frame["answer.(more)"].to_json())["0"] == said
    for name in ("pickle", "parquet", "feather"):
        getattr(frame, f"to_{name}")(tmp_path / name)
        assert getattr(pd, f"read_{name}")(tmp_path / name)["answer.(more)"][0] == said
    frame.to_excel(tmp_path / "a.xlsx")
    assert json.loads(pd.read_excel(tmp_path / "a.xlsx")["answer.(more)"][0]) == said


def test_a_frame_of_a_frame_reads_nothing() -> None:
    unread = Unread(1_000, lambda: pytest.fail("It was read."))
    frame = Frame({"a": pd.Series([unread], dtype=object), "b": [1]})
    assert frame.merge(pd.DataFrame({"b": [1]}))["a"][0] is unread
