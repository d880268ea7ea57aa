"""Of a big answer only what was asked is read each time; nothing of it is lost, and nothing of it passes for ours."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.frames.columns import make_columns
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


@pytest.mark.parametrize("asked", [ASKED, None, EVERYTHING], ids=["asked", "unknown", "everything"])
@pytest.mark.parametrize(
    "data",
    [
        {"mood": "glad", "many": {str(n): "x" * 50 for n in range(10_000)}},
        {"mood": "glad", **{f"f{n}": "x" * 50 for n in range(10_000)}},
        {"mood": list(range(200_000))},
        {"mood": "x" * 3_000_000},
        {"mood": "line\n" * 100_000, "(note)": '"'},
        list(range(200_000)),
        "x" * 3_000_000,
        {"mood": "glad"},
        None,
    ],
    ids=["nested", "fields", "list", "text", "lines", "a list", "a text", "small", "nothing"],
)
def test_nothing_of_an_answer_is_lost(data: Any, asked: frozenset[str] | None) -> None:
    text, aside = pack(data, asked, json.dumps)
    read, rest = unpack(text, lambda: aside or "")
    assert whole(read, rest) == data
    assert len(text) < 4_000_000
    assert (rest is None) == (aside is None)


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
