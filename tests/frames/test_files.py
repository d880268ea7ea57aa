"""Frames in files: what comes back is what went in, and a spreadsheet that a file is meant for runs none of it."""

import csv
import datetime
import json
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mephisto_nb.errors import ConfigError, WorldError
from mephisto_nb.frames.files import APOSTROPHES, write_frame

FORMULAS = [
    "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1+1", "＝1+1", '=HYPERLINK("x")',
]  # fmt: skip


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "at": pd.to_datetime([0, None], unit="s", utc=True),
            "answer.mood": ["calm, \"very\"\nso", None],
            "answer.boxes": [[[1, 2]], {"a": float("nan")}],
            "answer.mixed": [7, "seven"],
            "pay": [-0.15, float("nan")],
        }
    )  # fmt: skip


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_json_holds_every_value_as_it_was(tmp_path: Path, frame: pd.DataFrame, suffix: str) -> None:
    text = write_frame(frame, tmp_path / f"answers{suffix}").read_text()
    records = json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    assert records[0] == {
        "at": "1970-01-01T00:00:00+00:00", "answer.mood": 'calm, "very"\nso', "answer.boxes": [[1, 2]],
        "answer.mixed": 7, "pay": -0.15,
    }  # fmt: skip
    assert records[1] == {
        "at": None, "answer.mood": None, "answer.boxes": {"a": None}, "answer.mixed": "seven", "pay": None,
    }  # fmt: skip


def test_a_csv_file_keeps_numbers_and_has_nested_values_as_json(tmp_path: Path, frame: pd.DataFrame) -> None:
    with write_frame(frame, tmp_path / "answers.CSV").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first["answer.mood"] == 'calm, "very"\nso'
    assert (first["answer.boxes"], first["pay"], second["pay"]) == ("[[1, 2]]", "-0.15", "")


def test_a_parquet_file_keeps_times_and_has_mixed_columns_as_json(tmp_path: Path, frame: pd.DataFrame) -> None:
    pytest.importorskip("pyarrow")
    back = pd.read_parquet(write_frame(frame, tmp_path / "answers.parquet"))
    assert back["at"][0] == frame["at"][0]
    assert list(back["answer.boxes"]) == ["[[1, 2]]", '{"a": null}']
    assert list(back["answer.mixed"]) == ["7", "seven"]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_a_file_for_spreadsheets_holds_no_formula(tmp_path: Path, formula: str, suffix: str, separator: str) -> None:
    path = write_frame(pd.DataFrame({formula: [formula, "calm"]}), tmp_path / f"a{suffix}", for_spreadsheet=True)
    with path.open(newline="", encoding="utf-8-sig") as file:
        header, first, second = csv.reader(file, delimiter=separator)
    assert (header, first[0], second) == ([f"'{formula}", APOSTROPHES], f"'{formula}", ["calm", ""])
    assert json.loads(first[1]) == [formula]


def test_a_file_for_spreadsheets_says_that_it_is_utf_8(tmp_path: Path) -> None:
    path = write_frame(pd.DataFrame({"a": ["é"]}), tmp_path / "a.csv", for_spreadsheet=True)
    assert path.read_bytes() == b"\xef\xbb\xbfa\r\n\xc3\xa9\r\n"


def test_who_exports_formulas_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = pd.DataFrame({"n": ["-1", "+49 170 1"], "who": ["@u0", "ann"]})
    write_frame(frame, tmp_path / "a.csv")
    write_frame(frame, tmp_path / "a.csv", for_spreadsheet=True)
    plain, guarded = (record.getMessage() for record in caplog.records)
    assert plain.startswith("Texts in who begin like formulas")
    assert ": 3. Its column '(apostrophes)'" in guarded


@pytest.mark.parametrize("text", [*FORMULAS, "'=1", "@u0", "-", "'", '"', "\tx"])
@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_a_plain_file_is_the_data_itself(tmp_path: Path, text: str, suffix: str, separator: str) -> None:
    with write_frame(pd.DataFrame({text: [text]}), tmp_path / f"a{suffix}").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file, delimiter=separator)) == [[text], [text]]


def test_formulas_stay_as_they_are_where_nobody_guards_them(tmp_path: Path) -> None:
    path = write_frame(pd.DataFrame({"a": ["=1+1"]}), tmp_path / "a.csv", neutralise_formulas=False)
    assert path.read_bytes() == b"a\r\n=1+1\r\n"


@given(st.lists(st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]))] * 2), min_size=1))
def test_any_text_comes_back_from_any_file(rows: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["a", "b"], dtype=object)
    with tempfile.TemporaryDirectory() as folder:
        files = {kind: write_frame(frame, f"{folder}/a.{kind}") for kind in ("csv", "tsv", "json", "jsonl", "parquet")}
        with files["csv"].open(newline="") as one, files["tsv"].open(newline="") as other:
            assert (
                list(csv.reader(one))[1:] == list(csv.reader(other, delimiter="\t"))[1:] == [list(row) for row in rows]
            )
        lines = [json.loads(line) for line in files["jsonl"].read_text().splitlines()]
        assert json.loads(files["json"].read_text()) == lines == frame.to_dict("records")
        assert pd.read_parquet(files["parquet"]).to_dict("records") == lines


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_types_come_back_over_gaps(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("pyarrow")
    day = datetime.date(2026, 1, 31)
    columns = {"ok": [True, None], "n": [2**53 + 1, None], "day": [None, day], "at": [datetime.time(9, 30), None]}
    path = write_frame(pd.DataFrame(columns, dtype=object), tmp_path / f"a{suffix}")
    back = pd.read_parquet(path) if suffix == ".parquet" else pd.read_feather(path)
    assert (str(back["ok"].dtype), str(back["n"].dtype), back["n"][0]) == ("boolean", "Int64", 2**53 + 1)
    assert (back["ok"][0], back["ok"].isna().tolist(), back["day"][1]) == (True, [False, True], day)
    assert back["at"][0] == datetime.time(9, 30)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_times_of_a_column_have_as_many_digits(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"at": pd.to_datetime([0, 0.25], unit="s"), "day": pd.to_datetime(["2026-01-31", None])})
    path = write_frame(frame, tmp_path / f"a{suffix}")
    back = pd.read_csv(path) if suffix == ".csv" else pd.DataFrame(json.loads(path.read_text()))
    assert back["at"].tolist() == ["1970-01-01T00:00:00.000000", "1970-01-01T00:00:00.250000"]
    assert back["day"][0] == "2026-01-31"


def test_big_numbers_with_a_gap_are_whole_in_a_csv_file(tmp_path: Path) -> None:
    path = write_frame(pd.DataFrame({"n": pd.array([2**53 + 1, None], dtype="Int64")}), tmp_path / "a.csv")
    assert path.read_text() == 'n\n9007199254740993\n""\n'


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.parquet"])
def test_columns_of_one_name_are_refused_rather_than_lost(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="two columns called 'a'"):
        write_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]), tmp_path / name)


def test_what_no_spreadsheet_opens_is_not_written_for_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"use \.xlsx, \.csv or \.tsv"):
        write_frame(pd.DataFrame({"a": [1]}), tmp_path / "a.json", for_spreadsheet=True)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_half_a_character_does_not_end_an_export(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"a": pd.Series(["\ud800 ok"], dtype=object), "b": [["\ud800"]]})
    assert " ok" in str(write_frame(frame, tmp_path / f"a{suffix}").read_bytes())


def test_no_line_break_of_a_worker_begins_a_row(tmp_path: Path) -> None:
    """A carriage return alone, unquoted, is a new row to a spreadsheet, and what follows a formula."""
    path = write_frame(pd.DataFrame({"a": ["calm\r=1+1"], "b": ["calm\n=1+1"]}), tmp_path / "a.csv")
    assert path.read_bytes() == b'a,b\r\n"calm\r=1+1","calm\n=1+1"\r\n'


@pytest.mark.parametrize("name", ["answers", "answers.xls", "answers.csv.gz", ".csv"])
def test_an_unknown_suffix_is_refused_with_those_that_there_are(tmp_path: Path, frame: pd.DataFrame, name: str) -> None:
    with pytest.raises(ConfigError, match=r"\.csv, \.json, \.jsonl, \.parquet"):
        write_frame(frame, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, frame: pd.DataFrame) -> None:
    with pytest.raises(WorldError, match=r"nowhere.*cannot be written: No such file"):
        write_frame(frame, tmp_path / "nowhere" / "answers.csv")


def test_what_fails_half_way_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text("older")
    with pytest.raises(TypeError):
        write_frame(pd.DataFrame({"a": [object()]}), path)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("answers.json", "older")]


def test_without_pyarrow_parquet_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", missing)
    with pytest.raises(ConfigError, match=r"pip install 'mephisto-nb\[parquet\]'"):
        write_frame(pd.DataFrame({"a": [1]}), tmp_path / "a.parquet")
