"""Frames written to files: whole or not at all, and harmless for the spreadsheet that opens them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from mephisto_nb._typing import JSON
from mephisto_nb.errors import ConfigError, WorldError
from mephisto_nb.frames.frames import whole_text
from mephisto_nb.utils.extras import needs

#: What makes a spreadsheet read a cell as a formula. Excel also takes the wide forms of the first four.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_frame(frame: pd.DataFrame, path: str | Path, *, neutralise_formulas: bool = True) -> Path:
    r"""Write a frame to a file, whose suffix says how; an older file there is replaced, whole or not at all.

    Parameters
    ----------
    frame
        What to write; its index is left out.
    path
        ``.csv`` (UTF-8, nested values as JSON text), ``.json`` (a list of objects), ``.jsonl`` (one object a line)
        or ``.parquet`` (needs ``pip install 'mephisto-nb[parquet]'``; nested values as JSON text). Times are written
        in ISO 8601, in Parquet as timestamps.
    neutralise_formulas
        In ``.csv`` alone: put an apostrophe before text that begins with ``= + - @``, a tab or a line break. A
        worker can write such text, and Excel, LibreOffice and Google Sheets would run it as a formula. Column
        names are treated alike; numbers stay as they are. Other programs see the apostrophe: pass False for them.

    Returns
    -------
    pathlib.Path
        Where the file is.

    Raises
    ------
    ConfigError
        The suffix is none of these, or pyarrow is not installed.
    WorldError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> frame = pd.DataFrame({"answer": ["=1+1", "calm"]})
    >>> write_frame(frame, tempfile.mkdtemp() + "/answers.csv").read_text()
    "answer\n'=1+1\ncalm\n"
    """
    target = Path(path).expanduser()
    writers: Mapping[str, Callable[[pd.DataFrame, Path], None]] = {
        ".csv": _write_safe_csv if neutralise_formulas else _write_csv,
        ".json": _write_json,
        ".jsonl": _write_lines,
        ".parquet": _write_parquet,
    }
    writer = writers.get(target.suffix.lower())
    if writer is None:
        raise ConfigError(f"{str(target)!r} does not say how to write it: its suffix must be {', '.join(writers)}.")
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


def _write_safe_csv(frame: pd.DataFrame, path: Path) -> None:
    _write_csv(_each(_as_text(frame), _neutral).rename(columns=_neutral), path)


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    # With this end of line alone both its characters are quoted wherever a worker has written one of them.
    _as_text(frame).to_csv(path, index=False, encoding="utf-8", errors="replace", lineterminator="\r\n")


def _write_json(frame: pd.DataFrame, path: Path) -> None:
    # ASCII alone, so that nothing in it can steer a terminal or turn text around, and surrogates stay.
    path.write_text(json.dumps(_records(frame), indent=1) + "\n", encoding="utf-8")


def _write_lines(frame: pd.DataFrame, path: Path) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in _records(frame)), encoding="utf-8")


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    columns = {name: _even(column) for name, column in frame.items()}
    with needs("parquet"):
        import pyarrow  # noqa: F401

        pd.DataFrame(columns, index=frame.index).to_parquet(path, engine="pyarrow", index=False)


def _records(frame: pd.DataFrame) -> list[dict[str, JSON]]:
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: JSON) -> JSON:
    """Return what JSON can hold: no NaN, times as text, and numpy's numbers as Python's."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Write nested values as JSON and times in ISO 8601."""
    return _each(frame.astype(object), _cell)


def _each(frame: pd.DataFrame, change: Callable[[JSON], JSON]) -> pd.DataFrame:
    """Change each cell, and leave it what it is then: pandas's own map makes floats of numbers beside missing ones."""
    columns = [[change(value) for value in frame.iloc[:, index]] for index in range(frame.shape[1])]
    changed = {index: pd.Series(values, index=frame.index, dtype=object) for index, values in enumerate(columns)}
    return pd.DataFrame(changed, index=frame.index).set_axis(frame.columns, axis="columns")


def _cell(value: JSON) -> JSON:
    plain = json.dumps(_plain(value), ensure_ascii=False) if isinstance(value, dict | list) else _plain(value)
    return whole_text(plain)


def _neutral(value: JSON) -> JSON:
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA_STARTS) else value


def _even(column: pd.Series[JSON]) -> pd.Series[JSON]:
    """Return a column of one type: what workers wrote may be a number here and a list there."""
    if column.dtype != object:
        return column
    values = [_plain(value) for value in column]
    if {type(value) for value in values} - {str, type(None)}:
        values = [value if isinstance(value, str | None) else json.dumps(value) for value in values]
    return pd.Series([whole_text(value) for value in values], index=column.index, dtype=object)
