"""Frames written to files, whole or not at all: as they are, or on demand as a spreadsheet may open them."""

from __future__ import annotations

import datetime
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mephisto_nb._typing import JSON
from mephisto_nb.errors import ConfigError, WorldError
from mephisto_nb.frames.columns import typed_column, whole_text
from mephisto_nb.frames.spreadsheets import is_days, write_workbook
from mephisto_nb.utils.extras import needs
from mephisto_nb.utils.logging import get_logger, guard_formula

log = get_logger(__name__)

#: What begins so and is none: a number, or a phone number.
_NUMBER = re.compile(r"\s*[+-]?[\d\s.,/()-]*")
#: The column of a CSV file for spreadsheets that names, in a JSON list, the columns whose text got an apostrophe.
APOSTROPHES = "(apostrophes)"


def write_frame(
    frame: pd.DataFrame, path: str | Path, *, for_spreadsheet: bool = False, neutralise_formulas: bool | None = None
) -> Path:
    r"""Write a frame to a file, whose suffix says how; an older file there is replaced, whole or not at all.

    Parameters
    ----------
    frame
        What to write; its index is left out.
    path
        ``.csv`` or ``.tsv`` (UTF-8; nested values as JSON text), ``.json`` (a list of objects), ``.jsonl`` (one object
        a line), ``.parquet`` or ``.feather`` (need ``pip install 'mephisto-nb[parquet]'``; nested values as JSON text),
        ``.xlsx`` (needs ``pip install 'mephisto-nb[excel]'``; see `frames.spreadsheets.write_workbook`). Times are
        written in ISO 8601, each column with the same digits; in the last three they are times.
    for_spreadsheet
        Of ``.csv`` and ``.tsv``: write for Excel, LibreOffice and Google Sheets rather than for programs. A mark at
        the beginning says that it is UTF-8. Text that begins with ``= + - @``, a tab or a line break gets an apostrophe
        before it, as a worker can write such text, and a spreadsheet would run it as a formula; names of columns are
        treated alike. The column ``(apostrophes)``, which is there where any text was changed, names the columns of
        these texts. ``.xlsx`` needs nothing of this: texts stay as they are there, and none is run.
    neutralise_formulas
        An older name of `for_spreadsheet`; None: that one holds.

    Returns
    -------
    pathlib.Path
        Where the file is.

    Raises
    ------
    ConfigError
        The suffix is none of these; `for_spreadsheet` is set for a file that no spreadsheet opens; two columns have one
        name, or there are too many rows, for this kind of file; or a package is not installed.
    WorldError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> frame = pd.DataFrame({"answer": ["calm", "so so"]})
    >>> write_frame(frame, tempfile.mkdtemp() + "/answers.csv").read_text()
    'answer\ncalm\nso so\n'
    """
    target = Path(path).expanduser()
    suffix = target.suffix.lower()
    is_guarded = for_spreadsheet if neutralise_formulas is None else neutralise_formulas
    write_text = _write_guarded if is_guarded else _write_plain
    writers: Mapping[str, Callable[[pd.DataFrame, Path], None]] = {
        ".csv": write_text,
        ".json": _write_json,
        ".jsonl": _write_lines,
        ".parquet": _write_arrow,
        ".tsv": write_text,
        ".feather": _write_arrow,
        ".xlsx": write_workbook,
    }
    writer = writers.get(suffix)
    if writer is None:
        raise ConfigError(f"{str(target)!r} does not say how to write it: its suffix must be {', '.join(writers)}.")
    if for_spreadsheet and suffix not in (".csv", ".tsv", ".xlsx"):
        raise ConfigError(f"{str(target)!r} cannot be written for a spreadsheet: use .xlsx, .csv or .tsv for that.")
    if suffix not in (".csv", ".tsv", ".xlsx") and not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ConfigError(f"{str(target)!r} cannot hold two columns called {twice!r}. Rename one of them.")
    try:
        _replace(target, lambda draft: writer(frame, draft))
    except OSError as error:
        raise WorldError(f"{str(target)!r} cannot be written: {error.strerror or error}.") from error
    return target


def _replace(target: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make the file beside `target`, and put it there once it is whole and on the disk."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=target.suffix)
    draft = Path(name)
    try:
        os.close(descriptor)
        write(draft)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _write_plain(frame: pd.DataFrame, path: Path) -> None:
    text = _as_text(frame)
    _write_separated(text, path, "utf-8")
    found = [name for index, name in enumerate(text.columns) if any(map(_runs, text.iloc[:, index]))]
    if found:
        log.warning(
            "Texts in %s%s begin like formulas, which a spreadsheet would run. Export to .xlsx for a spreadsheet, or "
            "with for_spreadsheet=True; to programs these are texts like any other.",
            *(found[0], f" (and {len(found) - 1} more columns)" if len(found) > 1 else ""),
        )


def _write_guarded(frame: pd.DataFrame, path: Path) -> None:
    text = _as_text(frame)
    changed: list[list[str]] = [[] for _ in range(len(text))]
    columns = []
    for index, name in enumerate(text.columns):
        was = text.iloc[:, index].tolist()
        columns.append([_neutral(value) for value in was])
        for names, before, after in zip(changed, was, columns[-1], strict=True):
            names += [str(name)] if after is not before else []
    safe = _table(columns, [_neutral(name) for name in text.columns])
    if count := sum(map(len, changed)):
        marks = [json.dumps(names, ensure_ascii=False) if names else None for names in changed]
        safe.insert(len(safe.columns), APOSTROPHES, pd.Series(marks, dtype=object), allow_duplicates=True)
        log.warning(
            "Texts that begin like formulas have an apostrophe before them in the file: %d. Its column %r names their "
            "columns. Export to .xlsx, or without for_spreadsheet, to have them as they are.",
            *(count, APOSTROPHES),
        )
    _write_separated(safe, path, "utf-8-sig")


def _write_separated(frame: pd.DataFrame, path: Path, encoding: str) -> None:
    # With this end of line alone both its characters are quoted wherever a worker has written one of them.
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    frame.to_csv(path, sep=separator, index=False, encoding=encoding, errors="replace", lineterminator="\r\n")


def _write_json(frame: pd.DataFrame, path: Path) -> None:
    # ASCII alone, so that nothing in it can steer a terminal or turn text around, and surrogates stay.
    path.write_text(json.dumps(_records(frame), indent=1) + "\n", encoding="utf-8")


def _write_lines(frame: pd.DataFrame, path: Path) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in _records(frame)), encoding="utf-8")


def _write_arrow(frame: pd.DataFrame, path: Path) -> None:
    columns = {str(whole_text(name)): _even(column) for name, column in frame.reset_index(drop=True).items()}
    with needs("parquet"):
        import pyarrow  # noqa: F401

        if path.suffix.lower() == ".parquet":
            pd.DataFrame(columns).to_parquet(path, engine="pyarrow", index=False)
        else:
            pd.DataFrame(columns).to_feather(path)


def _records(frame: pd.DataFrame) -> list[dict[str, JSON]]:
    names = [str(name) for name in frame.columns]
    columns = [[_plain(value) for value in column] for column in _values(frame)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(value: JSON) -> JSON:
    """Return what JSON can hold: no NaN, times as text, and numpy's numbers as Python's."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def _values(frame: pd.DataFrame) -> list[list[Any]]:
    """Return the values of each column; times are text, in each with as many digits, so that one format reads it."""
    return [_with_times_as_text(frame.iloc[:, index]) for index in range(len(frame.columns))]


def _with_times_as_text(column: pd.Series[Any]) -> list[Any]:
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        return column.astype(object).tolist()
    times = column.dropna()
    if is_days(column):
        return [None if time is pd.NaT else time.date().isoformat() for time in column]
    digits = "nanoseconds" if (times.dt.nanosecond != 0).any() else "microseconds"
    digits = digits if (times != times.dt.floor("s")).any() else "seconds"
    return [None if time is pd.NaT else time.isoformat(timespec=digits) for time in column]


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Write nested values as JSON and times in ISO 8601."""
    return _table([[_cell(value) for value in column] for column in _values(frame)], list(frame.columns))


def _table(columns: list[list[Any]], names: list[Any]) -> pd.DataFrame:
    """Put columns together whose values stay what they are: pandas would make floats of whole numbers with a gap."""
    made = [pd.Series(column, dtype=object) for column in columns]
    table = pd.concat(made, axis="columns") if made else pd.DataFrame()
    return table.set_axis(names, axis="columns")


def _cell(value: JSON) -> JSON:
    plain = json.dumps(_plain(value), ensure_ascii=False) if isinstance(value, Mapping | list) else _plain(value)
    return whole_text(plain)


def _neutral(value: JSON) -> JSON:
    return guard_formula(value) if isinstance(value, str) else value


def _runs(value: JSON) -> bool:
    """Return whether a spreadsheet would run a text, or may do."""
    return _neutral(value) is not value and _NUMBER.fullmatch(value) is None


def _even(column: pd.Series[JSON]) -> pd.Series[Any]:
    """Return a column of one type: what workers wrote may be a number here and a list there."""
    if column.dtype != object:
        return column
    values = [None if _plain(value) is None else value for value in column]
    kinds = {type(value) for value in values} - {type(None)}
    if len(kinds) == 1 and kinds <= {datetime.date, datetime.time}:
        return pd.Series(values, index=column.index, dtype=object)
    even = typed_column([_plain(value) for value in values]).set_axis(column.index)
    if even.dtype != object or not kinds:
        return even
    texts = [value if isinstance(value, str | None) else json.dumps(value) for value in even]
    return pd.Series([whole_text(value) for value in texts], index=column.index, dtype=object)
