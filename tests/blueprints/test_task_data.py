"""Where the rows of a static HTML task may come from, and what is said of rows that cannot be used."""

from __future__ import annotations

import datetime
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.shared_state import InitializationData
from tests.blueprints.tasks import assignments, shared, task

ROWS = [{"text": "one"}, {"text": "two"}]


def test_a_list_of_dictionaries_gives_one_assignment_a_row() -> None:
    assert shared(task(ROWS)) == ROWS


def test_each_row_has_as_many_units_as_asked_for() -> None:
    (row,) = assignments(task([{"text": "a"}], units_per_assignment=3))
    assert row.unit_data == [{}, {}, {}]


def test_initialization_data_decides_its_units_itself() -> None:
    row = InitializationData(shared={"text": "a"}, unit_data=[{"side": "left"}, {"side": "right"}])
    blueprint = task([row], html="${text} ${side} <input name=x>", units_per_assignment=5)
    blueprint.assert_task_args()
    assert [one.unit_data for one in assignments(blueprint)] == [row.unit_data]


def test_a_frame_goes_in_with_its_gaps_as_null_and_its_times_as_text() -> None:
    frame = pd.DataFrame(
        {
            "text": ["a", None],
            "score": [0.5, np.nan],
            "count": np.array([1, 2], dtype="int64"),
            "when": [pd.Timestamp("2024-05-01 12:00"), pd.NaT],
            "maybe": pd.array([1, None], dtype="Int64"),
        }
    )
    rows = shared(task(frame))
    assert json.loads(json.dumps(rows, allow_nan=False)) == [
        {"text": "a", "score": 0.5, "count": 1, "when": "2024-05-01T12:00:00", "maybe": 1},
        {"text": None, "score": None, "count": 2, "when": None, "maybe": None},
    ]


def test_numpy_dates_and_nested_values_become_what_json_carries() -> None:
    row = {
        "text": np.float32(0.5),
        "box": np.arange(4).reshape(2, 2),
        "day": datetime.date(2024, 5, 1),
        "instant": np.datetime64("2024-05-01T12:00", "ns"),
        "ok": np.True_,
    }
    assert shared(task([row])) == [
        {"text": 0.5, "box": [[0, 1], [2, 3]], "day": "2024-05-01", "instant": "2024-05-01T12:00:00", "ok": True}
    ]


def test_a_generator_is_not_touched_before_it_is_drawn() -> None:
    def rows() -> Iterator[dict[str, str]]:
        yield from ROWS

    generator = rows()
    blueprint = task(generator)
    blueprint.assert_task_args()
    assert next(generator) == ROWS[0]
    assert [row.shared for row in assignments(blueprint)] == ROWS[1:]


async def test_an_async_generator_is_drawn_row_by_row() -> None:
    async def rows() -> AsyncIterator[dict[str, str]]:
        for row in ROWS:
            yield row

    blueprint = task(rows())
    blueprint.assert_task_args()
    data = blueprint.get_initialization_data()
    assert isinstance(data, AsyncIterator)
    assert [row.shared async for row in data] == ROWS


def test_a_generators_bad_row_is_refused_by_number_when_drawn() -> None:
    drawn = iter(task(iter([{"text": "a"}, {"txt": "b"}])).get_initialization_data())  # type: ignore[arg-type]
    assert next(drawn).shared == {"text": "a"}
    with pytest.raises(DataFileError, match=r"row 2 of static_task_data lacks 'text'.* has: txt\. Did you mean"):
        next(drawn)


def test_a_missing_field_is_named_with_the_columns_and_the_nearest() -> None:
    with pytest.raises(DataFileError, match=r"\$\{text\} on line 1.*columns are: Texts, id\. Did you mean \$\{Texts\}"):
        task([{"Texts": "a", "id": 1}]).assert_task_args()


def test_a_field_that_one_row_lacks_is_told_with_the_rows_number() -> None:
    with pytest.raises(DataFileError, match="row 2 of static_task_data lacks 'text'"):
        task([{"text": "a"}, {"other": "b"}]).assert_task_args()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("text", "row 2 of static_task_data is 'text', not an object"),
        ({"text": b"x"}, "text is a bytes, which JSON cannot carry"),
        ({"text": {"a": [1, {2, 3}]}}, r"text\.a\[1\] is a set"),
        ({"text": float("inf")}, "text is inf"),
        ({"text": "\ud83d"}, "half of a character"),
        ({"text": "a", 7: "b"}, "key 7; keys must be text"),
        (InitializationData({"text": "a"}, []), r"unit_data \[\]"),
    ],
)
def test_rows_that_json_cannot_carry_are_refused_with_the_place(row: Any, told: str) -> None:
    with pytest.raises(DataFileError, match=told):
        task([{"text": "fine"}, row]).assert_task_args()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"text": "a"}, "is a dict, not rows"),
        ("rows.csv", "is a str, not rows"),
        (lambda: ROWS, "Call it"),
        (7, "is a int, not rows"),
    ],
)
def test_what_is_no_rows_at_all_is_refused(data: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        task(data).assert_task_args()


def test_data_must_come_from_one_place() -> None:
    with pytest.raises(ConfigError, match="has no data"):
        task(None).assert_task_args()
    with pytest.raises(ConfigError, match="given 2 times: by data_csv and static_task_data"):
        task(ROWS, data_csv="rows.csv").assert_task_args()


@pytest.mark.parametrize("empty", [[], pd.DataFrame({"text": []})])
def test_no_rows_are_refused(empty: Any) -> None:
    with pytest.raises(DataFileError, match="holds no rows"):
        task(empty).assert_task_args()


def test_files_of_each_kind_give_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('\ufefftext\none\n"two"\n', encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n\n{"text": "two"}\n')
    for kind in ("csv", "json", "jsonl"):
        assert shared(task(**{f"data_{kind}": str(tmp_path / f"a.{kind}")})) == ROWS


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        ("csv", b"text,b\n1,2\n3\n", r"row 2 \(line 3\) of data.csv has 1 values, but the header names 2 columns"),
        ("csv", b"text,text\n1,2\n", "more than one column named 'text'"),
        ("csv", b"text,\n1,2\n", "column without a name"),
        ("csv", b'text\n"open\n', "data.csv, line 2"),
        ("csv", b"", "has no header line"),
        ("csv", b"text\n", "holds no rows"),
        ("csv", b"text\n\xff\n", "not UTF-8 text .byte 5 is 0xff."),
        ("json", b'[{"text": 1},\n {"text" 2}]', "data.json is not JSON: line 2, column 10"),
        ("json", b'{"text": 1}', "holds one object, not a list"),
        ("jsonl", b'{"text": 1}\n\n{"text": }\n', "data.jsonl is not JSON: line 3"),
        ("jsonl", b'{"text": 1}\n[2]\n', r"row 2 \(line 2\) of data.jsonl is \[2\], not an object"),
        ("json", b'[{"text": Infinity}]', "row 1 of data.json: text is inf"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_the_line(tmp_path: Path, kind: str, content: bytes, told: str) -> None:
    path = tmp_path / f"data.{kind}"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=told):
        task(**{f"data_{kind}": str(path)}).assert_task_args()


def test_a_missing_file_is_named_with_its_setting_and_place(tmp_path: Path) -> None:
    path = str(tmp_path / "none.csv")
    with pytest.raises(DataFileError, match=r"mephisto.blueprint.data_csv is .*none.csv.*No such file.*looked for"):
        task(data_csv=path).assert_task_args()
