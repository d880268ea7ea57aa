"""Columns of answers: no field takes another's place, and what is in them keeps its type."""

from __future__ import annotations

import datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mephisto_nb.frames.columns import make_columns, typed_column

NAMES = st.text(st.sampled_from('ab."[] ('), max_size=3)
OBJECTS = st.dictionaries(NAMES, st.recursive(st.integers(), lambda inner: st.dictionaries(NAMES, inner), max_leaves=4))


def count(value: dict[str, Any]) -> int:
    """Return how many values there are within an object; an empty one is a value."""
    return sum(count(one) if isinstance(one, dict) and one else 1 for one in value.values())


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"a.b": 1, "a": {"b": 2}}, ["answer.a.b", 'answer.a["b"]']),
        ({"a": {"b": 2}, "a.b": 1}, ['answer.a["b"]', "answer.a.b"]),
        ({"a.b": {"c": 1}, "a": {"b.c": 2, "b": {"c": 3}}}, ["answer.a.b.c", 'answer.a["b.c"]', 'answer.a["b"]["c"]']),
        ({'a["b"]': 1, "a.b": 2, "a": {"b": 3}}, ['answer.a["b"]', "answer.a.b", 'answer.a["b"] (2)']),
        ({"Photo": 1, "photo": 2}, ["answer.Photo", "answer.photo"]),
        ({"\ud800": 1, "?": 2}, ["answer.? (2)", "answer.?"]),
    ],
)
def test_fields_whose_names_would_meet_are_two_columns(value: dict[str, Any], names: list[str]) -> None:
    assert list(make_columns("answer", [value])) == names


def test_fields_of_several_answers_do_not_meet_either() -> None:
    frame = make_columns("answer", [{"a": {"b": 2}}, {"a.b": 1}])
    assert frame["answer.a.b"].tolist()[1:] == [1]
    assert frame['answer.a["b"]'].tolist()[:1] == [2]


@given(st.lists(OBJECTS, max_size=3), st.sampled_from([None, 2]))
def test_no_value_is_ever_lost(values: list[dict[str, Any]], most: int | None) -> None:
    frame = make_columns("answer", values, most)
    rest = frame.pop("answer.(more)").dropna().map(len).sum() if most and "answer.(more)" in frame else 0
    assert frame.columns.is_unique
    assert frame.notna().sum().sum() + rest == sum(map(count, values))


def test_a_field_called_more_stays_beside_the_rest() -> None:
    frame = make_columns("answer", [{"(more)": 1, "a": 2}, {"(more)": 3, "b": 4}], most=1)
    assert frame.to_dict("list") == {"answer.(more) (2)": [1, 3], "answer.(more)": [{"a": 2}, {"b": 4}]}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([True, False], "bool"),
        ([True, None], "boolean"),
        ([1, 2], "int64"),
        ([None, 2**53 + 1], "Int64"),
        ([2**64, None], "object"),
        ([2**53 + 1, 0.5], "object"),
        ([1, 0.5, None], "float64"),
        ([True, 1], "object"),
        ([None], "object"),
        ([[1], None], "object"),
    ],
)
def test_values_keep_their_type_over_gaps(values: list[Any], dtype: str) -> None:
    column = typed_column(values)
    assert str(column.dtype) == dtype
    assert [None if one is pd.NA or one != one else one for one in column] == values


def test_days_and_times_are_what_they_are_called() -> None:
    sent = {"day": "2026-01-31", "at": "2026-01-31T09:30", "time": "09:30", "late": "9999-12-31"}
    kinds = {"day": "date", "at": "datetime64[us]", "time": "time", "late": "date"}
    frame = make_columns("answer", [sent, {"day": "", "at": None}], times=kinds)
    assert frame.iloc[0].tolist()[:3] == [
        pd.Timestamp("2026-01-31"),
        pd.Timestamp("2026-01-31T09:30"),
        datetime.time(9, 30),
    ]
    assert frame["answer.late"].dt.year.tolist()[0] == 9999
    assert frame.iloc[1].isna().all()


def test_what_is_no_time_is_kept_beside_the_times() -> None:
    values: list[Any] = [{"day": "2026-01-31"}, {"day": "tomorrow"}, {"day": ["2026-01-31"]}, {}]
    frame = make_columns("answer", values, times={"day": "date"})
    assert frame["answer.day"].isna().tolist() == [False, True, True, True]
    assert frame["answer.day (as sent)"].tolist()[1:3] == ["tomorrow", ["2026-01-31"]]


def test_a_field_called_as_sent_keeps_its_place() -> None:
    frame = make_columns("answer", [{"day": "x", "day (as sent)": 1}], times={"day": "date"})
    assert list(frame) == ["answer.day", "answer.day (as sent) (2)", "answer.day (as sent)"]


@pytest.mark.parametrize("kind", ["datetime64[ns, Europe/Berlin]", "datetime64[us, UTC]", "datetime64[s, UTC+02:00]"])
def test_times_come_back_in_their_zone(kind: str) -> None:
    given = pd.Series(pd.to_datetime(["2026-07-01T12:00:00+00:00", None])).astype(kind)
    texts = [{"at": None if pd.isna(time) else time.isoformat()} for time in given]
    pd.testing.assert_series_equal(
        make_columns("input", texts, times={"at": kind})["input.at"], given.rename("input.at")
    )


@pytest.mark.parametrize(
    ("honest", "made_up", "asked", "column"),
    [
        ({"trust": {"score": 1}}, {"trust.score": 99}, None, "answer.trust.score"),
        ({"trust.score": 1}, {"trust": {"score": 99}}, None, "answer.trust.score"),
        ({"agree?": 1}, {"agree\ud800": 99}, None, "answer.agree?"),
        ({"a": {"b": 1}}, {"a.b": 99}, ["a"], "answer.a.b"),
    ],
)
@pytest.mark.parametrize("comes", ["first", "last"])
def test_a_made_up_field_takes_nobodys_column(
    honest: dict[str, Any], made_up: dict[str, Any], asked: Any, column: str, comes: str
) -> None:
    rows = [honest] if asked else [honest, honest, honest]
    rows = [made_up, *rows] if comes == "first" else [*rows, made_up]
    found = make_columns("answer", rows, asked=asked)[column]
    assert found.dropna().tolist() == [1] * (len(rows) - 1)
