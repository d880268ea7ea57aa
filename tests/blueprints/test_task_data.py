"""Where the rows of a static HTML task may come from, and what is said of rows that cannot be used."""

from __future__ import annotations

import datetime
import enum
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path, PurePosixPath
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
    rows = shared(task(frame, html="${text} ${count} <input name=mood>"))
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


class Colour(enum.Enum):
    """A member of an enumeration is its value."""

    RED = "red"


def test_what_has_a_text_of_its_own_goes_in_as_that_text() -> None:
    row = {
        "price": Decimal("0.10"),
        "length": pd.Timedelta(seconds=90),
        "longer": datetime.timedelta(days=1),
        "id": uuid.UUID(int=5),
        "file": PurePosixPath("a/cat.png"),
        "colour": Colour.RED,
        "month": pd.Period("2024-05"),
        "bin": pd.Interval(0, 5),
        "nested": {"prices": (Decimal("NaN"), pd.Series([1, 2])), "at": datetime.time(12, 30)},
    }
    (made,) = shared(task([row], html="${price} <input name=x>"))
    assert made == {
        "price": "0.10",
        "length": "0 days 00:01:30",
        "longer": "1 days 00:00:00",
        "id": str(uuid.UUID(int=5)),
        "file": "a/cat.png",
        "colour": "red",
        "month": "2024-05",
        "bin": "(0, 5]",
        "nested": {"prices": [None, [1, 2]], "at": "12:30:00"},
    }
    assert pd.Timedelta(made["length"]) == row["length"]


# The index of a DataFrame

TEXTS = pd.DataFrame({"text": ["one", "two"]})
PAIRS = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["book", None])


@pytest.mark.parametrize(
    ("index", "found"),
    [
        (pd.Index(["d1", "d2"], name="doc"), [{"doc": "d1"}, {"doc": "d2"}]),
        (pd.Index(["d1", "d2"]), [{"index": "d1"}, {"index": "d2"}]),
        (pd.Index([7, 9]), [{"index": 7}, {"index": 9}]),
        (pd.RangeIndex(2, name="n"), [{"n": 0}, {"n": 1}]),
        (pd.RangeIndex(2), [{}, {}]),
        (pd.Index([0, 1]), [{}, {}]),
        (PAIRS, [{"book": "a", "level_1": 1}, {"book": "b", "level_1": 2}]),
        (
            pd.DatetimeIndex(["2024-05-01", "2024-05-02"], name="day"),
            [{"day": f"2024-05-0{n}T00:00:00"} for n in (1, 2)],
        ),
        (pd.Index(["one", "two"], name="text"), [{}, {}]),
    ],
)
def test_an_index_goes_in_unless_it_only_counts(index: Any, found: list[dict[str, Any]]) -> None:
    rows = shared(task(TEXTS.set_axis(index)))
    assert rows == [{**one, **row} for one, row in zip(found, ROWS, strict=True)]


def test_an_index_named_like_a_column_of_other_values_is_refused() -> None:
    frame = TEXTS.set_axis(pd.Index(["d1", "d2"], name="text"))
    with pytest.raises(DataFileError, match=r"column 'text', and an index of the same name.*rename_axis"):
        shared(task(frame))


def test_an_unnamed_index_takes_no_columns_name() -> None:
    assert shared(task(TEXTS.assign(index=5).set_axis([3, 4])))[0] == {"level_0": 3, "index": 5, "text": "one"}


def test_blanks_around_the_names_of_a_frames_columns_do_not_count() -> None:
    assert shared(task(TEXTS.rename(columns={"text": " text\u00a0"}))) == ROWS
    with pytest.raises(DataFileError, match=r"Is it the column ' text'. No template can name that"):
        shared(task([{" text": "one"}]))


# Rows in which nothing is


def test_rows_of_empty_cells_are_left_out_and_named() -> None:
    frame = pd.DataFrame({"text": ["one", None, "two", " "], "n": [1, np.nan, 2, None]}, index=list("abcd"))
    blueprint = task(frame)
    assert [row["text"] for row in shared(blueprint)] == ["one", "two"]
    assert "rows 1 (index 'b') and 3 (index 'd') of static_task_data" in blueprint.remarks[0]
    long = task(frame.set_axis([name * 999 for name in "abcd"]))
    assert len(list(shared(long))) == 2
    assert len(long.remarks[0]) < 300


@pytest.mark.parametrize("empty", [None, float("nan"), "", " \n", [], pd.NA])
def test_a_page_that_would_be_empty_is_refused_unless_that_is_meant(empty: Any) -> None:
    rows = [{"text": "one", "n": 1}, {"text": empty, "n": 2}]
    with pytest.raises(DataFileError, match=r"empty page: .* shows 'text' alone.*empty in row 1 of static_task_data"):
        shared(task(rows))
    meant = task(rows, allow_empty=True)
    assert len(shared(meant)) == 2
    assert "row 1 of" in meant.remarks[0]


def test_a_part_of_a_page_that_would_be_empty_is_remarked() -> None:
    blueprint = task([{"text": None, "n": n} for n in range(8)], html="${n} ${text} <input name=x>")
    blueprint.assert_task_args()
    (remark,) = blueprint.remarks
    assert "'text' should stand: it is empty in rows 0, 1, 2, 3, 4 and 3 more of static_task_data" in remark


def test_rows_that_come_one_by_one_give_few_remarks() -> None:
    blueprint = task(({"text": None, "n": n} for n in range(99)), html="${n} ${text}<input name=x>")
    assert len(shared(blueprint)) == 99
    assert len(blueprint.remarks) == 20


def test_a_generators_empty_rows_are_left_out_as_they_are_drawn() -> None:
    blueprint = task(iter([{"text": "one"}, {"text": None}, {"text": "two"}]))
    assert shared(blueprint) == ROWS
    assert blueprint.remarks == ["Left out as empty: row 1 of static_task_data. None of its columns holds anything."]
    with pytest.raises(DataFileError, match="empty page"):
        shared(task(iter([{"text": None, "n": 1}])))


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
    with pytest.raises(DataFileError, match=r"row 1 of static_task_data lacks 'text'.* has: txt\. Did you mean"):
        next(drawn)


def test_a_missing_field_is_named_with_the_columns_and_the_nearest() -> None:
    with pytest.raises(DataFileError, match=r"\$\{text\} on line 1.*columns are: Texts, id\. Did you mean \$\{Texts\}"):
        task([{"Texts": "a", "id": 1}]).assert_task_args()


def test_a_field_that_one_row_lacks_is_told_with_the_rows_number() -> None:
    with pytest.raises(DataFileError, match="row 1 of static_task_data lacks 'text'"):
        task([{"text": "a"}, {"other": "b"}]).assert_task_args()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("text", "row 1 of static_task_data is 'text', not an object"),
        ({"text": b"x"}, "text is a bytes, which JSON cannot carry"),
        ({"text": {"a": [1, {2, 3}]}}, r"text\.a\[1\] is a set, .*sorted"),
        ({"text": frozenset("a")}, "text is a frozenset"),
        ({"text": 1j}, "text is a complex, .*real and"),
        ({"text": Decimal("inf")}, "text is inf"),
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
    ("content", "rows"),
    [
        ("id;text\n1;a, b\n2;c\n", [("1", "a, b"), ("2", "c")]),
        ("id\ttext\n1\ta, b\n", [("1", "a, b")]),
        ("id|text\n1|a\n", [("1", "a")]),
        ("id;text;\n1;a;\n", [("1", "a")]),
        ("sep=;\nid;text\n1;2,5\n", [("1", "2,5")]),
        ('id, text\n1, "a, b"\n2, c\n', [("1", "a, b"), ("2", "c")]),
        ("id , text \n1 , a\n", [("1", "a")]),
        ('id;text\n1;"two\nlines; and more"\n', [("1", "two\nlines; and more")]),
        ('"id","text"\r\n"1","say ""hi"""\r\n', [("1", 'say "hi"')]),
        ('"id";"te\nxt "\n1;a\n', [("1", "a")]),
        ("\ufeff\ufeffid,text\n1,a\n", [("1", "a")]),
        ("id,text,,\n1,a,,\n2,b\n", [("1", "a"), ("2", "b")]),
        ("id,text\n1,a\n,\n , \n,,,\n", [("1", "a")]),
        (",id,text\n0,1,a\n1,2,b\n", [("1", "a"), ("2", "b")]),
        ('"","id","text"\n"1",1,"a"\n', [("1", "a")]),
        ("id,text\n1," + "x" * 200_000 + "\n", [("1", "x" * 200_000)]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_as_programs_write_it(tmp_path: Path, content: str, rows: Any, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes(content.encode(encoding))
    names = ("id", "te xt" if "te\nxt" in content else "text")
    html = f"${{{names[1]}}}<input name=x>"
    found = shared(task(html=html, data_csv=str(tmp_path / "a.csv")))
    assert found == [dict(zip(names, row, strict=True)) for row in rows]


def test_the_first_column_without_a_name_is_the_index(tmp_path: Path) -> None:
    pd.DataFrame({"text": ["one", "two"]}, index=["x", "y"]).to_csv(tmp_path / "a.csv")
    found = shared(task(data_csv=str(tmp_path / "a.csv")))
    assert found == [{"index": "x", "text": "one"}, {"index": "y", "text": "two"}]


def test_empty_rows_of_a_table_are_named_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id;text\n1;"a\nb"\n;\n;\n')
    blueprint = task(data_csv=str(tmp_path / "a.csv"))
    assert len(shared(blueprint)) == 1
    assert "rows 1 (line 4) and 2 (line 5) of a.csv" in blueprint.remarks[0]
    (tmp_path / "a.csv").write_text("text;n\n;\n;\n")
    with pytest.raises(DataFileError, match=r"no rows but empty ones .rows 0 .line 2. and 1 .line 3. of a.csv"):
        shared(task(data_csv=str(tmp_path / "a.csv")))


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        ("csv", b"text,b\n1,2\n3\n", r"row 1 \(line 3\) of data.csv has 1 values, but the header names 2 columns"),
        ("csv", b"text,text\n1,2\n", "more than one column named 'text'"),
        ("csv", b"text,\n1,2\n", "column without a name"),
        ("csv", b'text\n"open\n', "data.csv, line 2"),
        ("csv", b"", "has no header line"),
        ("csv", b"text\n", "holds no rows"),
        ("csv", b"text\n\xff\n", "not UTF-8 text .byte 5 is 0xff."),
        ("csv", "text\nfür\n".encode("cp1252"), "Save it as UTF-8 .in Excel: 'CSV UTF-8'.*encoding='cp1252'"),
        ("csv", b"\xff\xfet\x00e", "is not UTF-16-LE text"),
        ("csv", b"PK\x03\x04 and more", r"an Excel workbook, .* Read it first, as by pandas.read_excel"),
        ("csv", b"PAR1", "a Parquet file, and no text"),
        ("csv", b"text;b\na;b;c\n", "has 3 values, but .* 2 columns .text, b., read as separated by semicolons"),
        ("csv", b"text;text\n1;2\n", "more than one column named 'text'"),
        ("csv", b"text, text\n1, 2\n", "more than one column named 'text'"),
        ("json", b'[{"text": 1},\n {"text" 2}]', "data.json is not JSON: line 2, column 10"),
        ("json", b'{"text": 1}', "holds one object, not a list"),
        ("jsonl", b'{"text": 1}\n\n{"text": }\n', "data.jsonl is not JSON: line 3"),
        ("jsonl", b'{"text": 1}\n[2]\n', r"row 1 \(line 2\) of data.jsonl is \[2\], not an object"),
        ("json", b'[{"text": Infinity}]', "row 0 of data.json: text is inf"),
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
