"""Excel files: texts of workers that no formula comes of, times without a zone, and nothing that Excel cannot hold."""

from __future__ import annotations

import datetime
import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mephisto_nb.config.whole_frame import ShownFrame
from mephisto_nb.errors import ConfigError
from mephisto_nb.frames.columns import whole_text
from mephisto_nb.model.answers import Unread
from mephisto_nb.utils.extras import needs
from mephisto_nb.utils.logging import get_logger

log = get_logger(__name__)

#: What a sheet of Excel holds at most: rows without the header, columns, and characters a cell (in UTF-16).
MOST_ROWS, MOST_SHEET_COLUMNS, LONGEST_CELL = 1_048_575, 16_384, 32_767
#: Up to so many characters a text fits a cell however much of it has to be escaped, seven characters for one.
_FITS = LONGEST_CELL // 7
#: What XML cannot hold or does not keep, and what reads like its escape.
_ESCAPED = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
#: Excel's numbers are floats, and its days begin with this year.
_EXACT, _FIRST_YEAR = 2**53, 1900
#: How many of the texts that were cut are named.
_NAMED = 20


class _EveryFrame(type(pd.DataFrame)):  # type: ignore[misc]
    """Lets every DataFrame pass for a `Frame`, so that the two compare as equal (`pandas.testing` asks)."""

    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, pd.DataFrame)


class Frame(ShownFrame, metaclass=_EveryFrame):
    """A `ShownFrame` whose `to_excel` writes what Excel can hold: see `write_workbook`.

    What becomes a file or plain data (`to_csv`, `to_dict` ...) has all of big answers: what was set aside is read then.
    """

    @property
    def _constructor(self) -> Callable[..., Frame]:
        return Frame

    def to_excel(self, excel_writer: Any, *args: Any, **kwargs: Any) -> None:  # type: ignore[misc]
        """Write to an Excel file, as pandas does: times in UTC without a zone, and texts that are no formulas."""
        if isinstance(excel_writer, pd.ExcelWriter):
            _write_sheet(self, excel_writer, *args, **kwargs)
            return
        options = {name: kwargs.pop(name) for name in ("engine", "engine_kwargs", "storage_options") if name in kwargs}
        with needs("excel"), pd.ExcelWriter(excel_writer, **options) as writer:
            _write_sheet(self, writer, *args, **kwargs)


#: pandas's own ways out of a frame that would write what was set aside as if it were nothing, or no value.
_WAYS_OUT = (
    *("to_csv", "to_json", "to_dict", "to_parquet", "to_feather", "to_orc", "to_pickle", "to_records", "to_xml"),
    *("to_sql", "to_hdf", "to_stata", "to_clipboard"),
)


def _reading_first(name: str) -> Callable[..., Any]:
    write: Callable[..., Any] = getattr(pd.DataFrame, name)

    @functools.wraps(write)
    def write_whole(self: Frame, *args: Any, **kwargs: Any) -> Any:
        return write(_with_all_read(self), *args, **kwargs)

    return write_whole


def _with_all_read(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame in whose cells nothing waits to be read; this one, where nothing does."""
    unread = [
        index
        for index, dtype in enumerate(frame.dtypes)
        if pd.api.types.is_object_dtype(dtype) and any(isinstance(value, Unread) for value in frame.iloc[:, index])
    ]
    if not unread:
        return frame
    read = pd.DataFrame(frame.copy(deep=False))
    for index in unread:
        values = [dict(value) if isinstance(value, Unread) else value for value in read.iloc[:, index]]
        read.isetitem(index, pd.Series(values, dtype=object).array)
    return read


for _name in _WAYS_OUT:
    if hasattr(pd.DataFrame, _name):
        setattr(Frame, _name, _reading_first(_name))


def write_workbook(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame to an Excel file: the sheet ``data``, and a sheet ``about`` that says what is not as it was.

    Each text is a text, also one that begins like a formula. Times are in UTC, as Excel knows no zones; texts that are
    too long are cut; what is no character for XML is written as ``_x0001_``, as Excel does; whole numbers beyond 2**53
    are texts.

    Raises
    ------
    ConfigError
        There are more rows or columns than a sheet has.
    MissingExtraError
        openpyxl is not installed.
    """
    if len(frame) > MOST_ROWS or len(frame.columns) > MOST_SHEET_COLUMNS:
        raise ConfigError(
            f"A sheet of Excel has {MOST_ROWS:,} rows below its header and {MOST_SHEET_COLUMNS:,} columns, but there "
            f"are {len(frame):,} rows and {len(frame.columns):,} columns. Export to .csv or .parquet."
        )
    with needs("excel"):
        import openpyxl  # type: ignore[import-untyped]  # noqa: F401

        with pd.ExcelWriter(path, engine="openpyxl") as writer:
            changed = _write_sheet(frame, writer, sheet_name="data", index=False)
            about = pd.DataFrame({"about this file": changed.notes()})
            _write_sheet(about, writer, sheet_name="about", index=False)  # columns are called as workers like
            writer.sheets["about"].column_dimensions["A"].width = 120


@dataclass(slots=True)
class _Changed:
    """What Excel does not hold as it was."""

    zones: bool = False
    cut: list[str] = field(default_factory=list)
    escaped: int = 0
    as_text: int = 0

    @property
    def named(self) -> str:
        """The texts that were cut, the first of them by name."""
        more = f" and {len(self.cut) - _NAMED} more" if len(self.cut) > _NAMED else ""
        return f"{', '.join(self.cut[:_NAMED])}{more}"

    def notes(self) -> list[str]:
        """Return what whoever opens the file should know, a sentence each."""
        found = {
            "Each text is a text: none is a formula, however it begins.": True,
            "Times are in UTC.": self.zones,
            "Texts that end in '[cut ...]' are longer than a cell can be; other kinds of files hold all of them: "
            f"{self.named}.": self.cut,
            f"Cells with characters that a file cannot hold, written by their codes: {self.escaped}.": self.escaped,
            f"Numbers and days that Excel does not know, written as text: {self.as_text}.": self.as_text,
        }
        return [note for note, holds in found.items() if holds]


def _write_sheet(frame: pd.DataFrame, writer: Any, *args: Any, **kwargs: Any) -> _Changed:
    is_openpyxl, name = writer.engine == "openpyxl", kwargs.get("sheet_name", args[0] if args else "Sheet1")
    if hasattr(writer.book, "strings_to_formulas"):  # XlsxWriter's
        writer.book.strings_to_formulas = writer.book.strings_to_urls = False
    changed = _Changed()
    _for_sheet(frame, changed, is_openpyxl).to_excel(writer, *args, **kwargs)
    for row in writer.sheets[name].iter_rows() if is_openpyxl else ():
        for cell in row:
            if cell.data_type in ("f", "e"):  # taken for a formula, or for an error such as #N/A
                cell.data_type, cell.quotePrefix = "s", True
    if changed.cut:
        log.warning(
            "Texts longer than the %s characters of a cell in Excel are cut there: %s. Export to another kind of file "
            "to have all of them.",
            *(f"{LONGEST_CELL:,}", changed.named),
        )
    return changed


def _for_sheet(frame: pd.DataFrame, changed: _Changed, is_escaped: bool) -> pd.DataFrame:
    columns = [
        [
            _cell(value, changed, is_escaped, f"{name} in row {number}")
            for number, value in enumerate(_values(frame.iloc[:, index], changed), start=2)
        ]
        for index, name in enumerate(frame.columns)
    ]
    cells = pd.DataFrame(dict(enumerate(columns)), index=_plain_index(frame.index, changed), dtype=object)
    cells.columns = frame.columns
    names = {one: _cell(one, changed, is_escaped, "the header") for one in frame.columns if isinstance(one, str)}
    return cells if frame.columns.nlevels > 1 else cells.rename(columns=names)


def _plain_index(index: pd.Index[Any], changed: _Changed) -> pd.Index[Any]:
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        return index
    changed.zones = True
    return index.tz_convert(None)


def _values(column: pd.Series[Any], changed: _Changed) -> Sequence[Any]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        changed.zones = True
        column = column.dt.tz_convert(None)
        return list(column)
    if is_days(column):
        return [None if pd.isna(value) else value.date() for value in column]
    return list(column.astype(object))


def is_days(column: pd.Series[Any]) -> bool:
    """Return whether a column holds days: times without a zone, each of which is a midnight."""
    if column.dtype.kind != "M" or isinstance(column.dtype, pd.DatetimeTZDtype):
        return False
    times = column.dropna()
    return len(times) > 0 and bool((times == times.dt.normalize()).all())


def _cell(value: Any, changed: _Changed, is_escaped: bool, where: str) -> Any:
    if isinstance(value, Mapping | list):
        # What was set aside of a big answer is read here.
        value = json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False, default=str)
    if isinstance(value, str):
        return _text(value, changed, is_escaped, where)
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        changed.zones = True
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    is_early = isinstance(value, datetime.date) and value.year < _FIRST_YEAR
    if is_early or (isinstance(value, int) and abs(value) > _EXACT):
        changed.as_text += 1
        return value.isoformat() if isinstance(value, datetime.date) else str(value)
    return value


def _text(text: str, changed: _Changed, is_escaped: bool, where: str) -> str:
    whole = str(whole_text(text))
    escaped = _ESCAPED.sub(_escape, whole) if is_escaped else whole
    changed.escaped += escaped != whole
    if len(escaped) <= _FITS or _length(escaped) <= LONGEST_CELL:
        return escaped
    changed.cut.append(f"{where} ({len(text):,} characters)")
    end, kept = f" [cut: {len(text):,} characters]", LONGEST_CELL
    while _length(escaped + end) > LONGEST_CELL:
        kept = kept * 9 // 10 if kept < LONGEST_CELL else kept - len(end)
        escaped = _ESCAPED.sub(_escape, whole[:kept]) if is_escaped else whole[:kept]
    return escaped + end


def _escape(match: re.Match[str]) -> str:
    return f"_x{ord(match[0]):04X}_"


def _length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
