"""Excel files: what people see there is what was sent, and nothing of it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.frames import spreadsheets
from mephisto_nb.frames.files import write_frame
from mephisto_nb.frames.spreadsheets import Frame

openpyxl = pytest.importorskip("openpyxl")


def cells(path: Path, sheet: str = "data") -> list[list[Any]]:
    """Return the values of a sheet, row by row."""
    return [[cell.value for cell in row] for row in openpyxl.load_workbook(path)[sheet].iter_rows()]


def kinds(path: Path) -> set[str]:
    """Return the types of the first sheet's cells, as Excel calls them; ``f`` is a formula."""
    return {cell.data_type for row in openpyxl.load_workbook(path).worksheets[0].iter_rows() for cell in row}


def about(path: Path) -> str:
    """Return what the file says of itself."""
    return "\n".join(note for (note,) in cells(path, "about"))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@u0", "\t=1", "=HYPERLINK(1)", "#N/A", "{=1}", "'=1"])
def test_a_text_that_looks_like_a_formula_stays_a_text(tmp_path: Path, text: str) -> None:
    path = write_frame(pd.DataFrame({text: [text]}), tmp_path / "a.xlsx")
    assert (cells(path), kinds(path)) == ([[text], [text]], {"s"})
    assert "none is a formula" in about(path)


def test_times_are_in_utc_without_a_zone_and_days_are_days(tmp_path: Path) -> None:
    times = pd.to_datetime(["2026-01-31T23:30:00+02:00", None])
    frame = pd.DataFrame({"at": times, "day": pd.to_datetime(["2026-01-31", "1850-01-01"])})
    path = write_frame(frame, tmp_path / "a.xlsx")
    assert cells(path)[1:] == [
        [pd.Timestamp("2026-01-31T21:30:00"), pd.Timestamp("2026-01-31")],
        [None, "1850-01-01"],
    ]
    assert "Times are in UTC." in about(path)


def test_what_no_cell_can_hold_is_written_as_excel_does_and_told(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["\x00\x0b\uffff\ud800", "_x0041_", "two\nlines"]}, dtype=object)
    path = write_frame(frame, tmp_path / "a.xlsx")
    assert cells(path)[1:] == [["_x0000__x000B__xFFFF_?"], ["_x005F_x0041_"], ["two\nlines"]]
    assert "written by their codes: 2." in about(path)


@pytest.mark.parametrize("text", ["x" * 40_000, "\U0001f600" * 20_000, "\x01" * 10_000])
def test_a_text_too_long_for_a_cell_is_cut_and_told(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_frame(pd.DataFrame({"a": ["calm", text]}), tmp_path / "a.xlsx")
    kept = cells(path)[2][0]
    assert kept.endswith(f" [cut: {len(text):,} characters]")
    assert 25_000 < len(kept.encode("utf-16-le")) / 2 <= 32_767
    assert all(f"a in row 3 ({len(text):,} characters)" in said for said in (about(path), caplog.text))


def test_no_name_of_a_column_keeps_a_file_from_being_written(tmp_path: Path) -> None:
    path = write_frame(pd.DataFrame({"\x01=": ["x" * 40_000]}), tmp_path / "a.xlsx")
    assert "_x0001_= in row 2" in about(path).replace("_x005F", "")


def test_values_keep_their_types(tmp_path: Path) -> None:
    columns = {"n": [2**53 + 1, 7], "ok": [True, None], "l": [[1, "é"], {"a": None}], "x": [0.5, float("nan")]}
    path = write_frame(pd.DataFrame(columns, dtype=object), tmp_path / "a.xlsx")
    assert cells(path)[1:] == [["9007199254740993", True, '[1, "é"]', 0.5], [7, None, '{"a": null}', None]]


def test_more_rows_than_a_sheet_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MOST_ROWS", 1)
    with pytest.raises(ConfigError, match=r"there are 2 rows .* Export to \.csv or \.parquet"):
        write_frame(pd.DataFrame({"a": [1, 2]}), tmp_path / "a.xlsx")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def frame() -> Frame:
    """Return a frame that pandas alone cannot write to Excel."""
    times = pd.to_datetime([0, 1], unit="s", utc=True)
    return Frame({"at": times, "text": ["=1+1", "\x01"], "ok": pd.array([True, None], dtype="boolean")})


def test_a_frames_own_to_excel_works_also_for_parts_of_it(tmp_path: Path, frame: Frame) -> None:
    frame[["at", "text"]].iloc[:1].assign(n=1).to_excel(tmp_path / "a.xlsx", index=False, sheet_name="b")
    assert cells(tmp_path / "a.xlsx", "b") == [["at", "text", "n"], [pd.Timestamp(0), "=1+1", 1]]
    assert "f" not in kinds(tmp_path / "a.xlsx")


def test_a_frames_own_to_excel_writes_to_an_open_file(tmp_path: Path, frame: Frame) -> None:
    with pd.ExcelWriter(tmp_path / "a.xlsx") as writer:
        frame.set_index("at").to_excel(writer, sheet_name="one")
        frame.to_excel(writer, sheet_name="two")
    assert cells(tmp_path / "a.xlsx", "one")[1] == [pd.Timestamp(0), "=1+1", True]
    assert cells(tmp_path / "a.xlsx", "two")[2] == [1, pd.Timestamp("1970-01-01T00:00:01"), "_x0001_", None]


def test_a_frame_compares_like_any_other(frame: Frame) -> None:
    plain = pd.DataFrame(frame)
    pd.testing.assert_frame_equal(plain, frame)
    pd.testing.assert_frame_equal(frame, plain)
    assert plain.equals(frame)
    assert frame.equals(plain)
