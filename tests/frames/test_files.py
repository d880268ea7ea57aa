"""Frames in files: what comes back is what went in, and a spreadsheet runs none of it."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from mephisto_nb.errors import ConfigError, WorldError
from mephisto_nb.frames.files import write_frame

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
def test_no_cell_and_no_column_of_a_csv_file_begins_like_a_formula(tmp_path: Path, formula: str) -> None:
    with write_frame(pd.DataFrame({formula: [formula]}), tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [[f"'{formula}"], [f"'{formula}"]]


def test_formulas_stay_as_they_are_where_that_is_wanted(tmp_path: Path) -> None:
    path = write_frame(pd.DataFrame({"a": ["=1+1"]}), tmp_path / "a.csv", neutralise_formulas=False)
    assert path.read_bytes() == b"a\r\n=1+1\r\n"


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_half_a_character_does_not_end_an_export(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"a": pd.Series(["\ud800 ok"], dtype=object), "b": [["\ud800"]]})
    assert " ok" in str(write_frame(frame, tmp_path / f"a{suffix}").read_bytes())


def test_no_line_break_of_a_worker_begins_a_row(tmp_path: Path) -> None:
    """A carriage return alone, unquoted, is a new row to a spreadsheet, and what follows a formula."""
    path = write_frame(pd.DataFrame({"a": ["calm\r=1+1"], "b": ["calm\n=1+1"]}), tmp_path / "a.csv")
    assert path.read_bytes() == b'a,b\r\n"calm\r=1+1","calm\n=1+1"\r\n'


@pytest.mark.parametrize("name", ["answers", "answers.xlsx", "answers.csv.gz", ".csv"])
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
