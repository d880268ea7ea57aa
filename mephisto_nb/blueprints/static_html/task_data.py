"""Where the rows of a run come from, and what each becomes: JSON, from files, lists, frames and generators.

Reads files of task data, and says exactly what is wrong with one that cannot be used.
"""

from __future__ import annotations

import codecs
import json
import re
import reprlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.blueprints.static_html.csv_files import read_table
from mephisto_nb.blueprints.static_html.template import is_blank
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.shared_state import InitializationData, NotJSONError, read_frame, to_json
from mephisto_nb.utils.foreign import named_file, read_bytes


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One row as it was found, and how to call it in an error message."""

    label: str
    value: Any
    #: Columns that say which row it is, and not what is in it.
    index: frozenset[str] = frozenset()


def read_text(path: str, key: str) -> str:
    """Read the text file that the setting `key` names: UTF-8, or UTF-16 as Excel and PowerShell write it."""
    file = named_file(path, f"mephisto.blueprint.{key}")
    try:
        content = read_bytes(file, f"mephisto.blueprint.{key}")
        _refuse_binary(content, path, key)
        return content.decode(_encoding(content)).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        encoding = "UTF-8" if error.encoding.startswith("utf-8") else error.encoding.upper()
        raise DataFileError(
            f"mephisto.blueprint.{key} is {path!r}, which is not {encoding} text (byte {error.start} is "
            f"0x{error.object[error.start]:02x}). Save it as UTF-8 (in Excel: 'CSV UTF-8'). Was it saved by Windows, "
            "as Excel's plain 'CSV' is? Then its encoding is often cp1252, which Python reads by encoding='cp1252'."
        ) from error
    except OSError as error:
        raise DataFileError(
            f"mephisto.blueprint.{key} is {path!r}, which cannot be read: {error.strerror} "
            f"(looked for {file.absolute()}). Correct the path."
        ) from error


#: How files begin that hold rows in another way, and what reads them.
_BINARY = {
    b"PK\x03\x04": ("an Excel workbook, or another archive", "pandas.read_excel(path)"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "pandas.read_excel(path)"),
    b"PAR1": ("a Parquet file", "pandas.read_parquet(path)"),
    b"\x1f\x8b": ("compressed", "pandas.read_csv(path) or pandas.read_json(path)"),
    b"SQLite": ("a database", "pandas.read_sql(...)"),
}


def _refuse_binary(content: bytes, path: str, key: str) -> None:
    for start, (what, how) in _BINARY.items():
        if content.startswith(start):
            raise DataFileError(
                f"mephisto.blueprint.{key} is {path!r}, which is {what}, and no text. Read it first, as by {how}, and "
                "hand over the DataFrame: launch_task_run(config, frame)."
            )


def _encoding(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if 0 in content[:2]:  # Latin letters in UTF-16 without its mark
        return "utf-16-be" if content[0] == 0 else "utf-16-le"
    return "utf-8-sig"


def read_csv(path: str) -> Iterator[TaskRow]:
    """Return the rows of a CSV file with a header line; all values are text."""
    name = Path(path).name
    for number, (line, row) in enumerate(read_table(read_text(path, "data_csv"), name).records()):
        yield TaskRow(f"row {number} (line {line}) of {name}", row)


def read_json(path: str) -> Iterator[TaskRow]:
    """Return the rows of a file that holds one JSON list of objects."""
    name = Path(path).name
    content = _parse(read_text(path, "data_json"), name, first_line=1)
    if not isinstance(content, list):
        raise DataFileError(
            f"{name} holds {_kind(content)}, not a list. Write the rows as [{{...}}, {{...}}]; pandas does so by "
            "df.to_json(path, orient='records')."
        )
    for number, value in enumerate(content):
        yield TaskRow(f"row {number} of {name}", value)


def read_jsonl(path: str) -> Iterator[TaskRow]:
    """Return the rows of a file that holds one JSON object a line."""
    name = Path(path).name
    lines = enumerate(read_text(path, "data_jsonl").split("\n"), start=1)
    filled = ((line, text) for line, text in lines if text.strip())
    for number, (line, text) in enumerate(filled):
        yield TaskRow(f"row {number} (line {line}) of {name}", _parse(text, name, first_line=line))


def _parse(text: str, name: str, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataFileError(
            f"{name} is not JSON: line {first_line + error.lineno - 1}, column {error.colno}: {error.msg}. "
            "Mend that place."
        ) from error
    except RecursionError as error:
        raise DataFileError(f"{name} nests too deeply to be read. Flatten the data.") from error


def _kind(value: Any) -> str:
    return {dict: "one object", str: "text", bool: "true or false", type(None): "null"}.get(type(value), "a number")


#: Rows that are all there, and rows that come one by one.
Listed: TypeAlias = Sequence[Any] | pd.DataFrame
Drawn: TypeAlias = Iterable[Any] | AsyncIterable[Any]


class DataArgs(Protocol):
    """The settings that say where rows come from, and how many workers each needs."""

    data_csv: str | None
    data_json: str | None
    data_jsonl: str | None
    units_per_assignment: int


_FILE_READERS = {"data_csv": read_csv, "data_json": read_json, "data_jsonl": read_jsonl}
_SHARED = "static_task_data"


def names_a_file(args: DataArgs) -> bool:
    """Return whether the settings name a file of rows."""
    return any(given(getattr(args, key)) for key in _FILE_READERS)


def check_one_source(args: DataArgs, static_task_data: Any) -> None:
    """Raise `ConfigError` unless the data comes from exactly one place."""
    found = [key for key in _FILE_READERS if given(getattr(args, key))]
    found += [_SHARED] if static_task_data is not None else []
    if len(found) > 1:
        raise ConfigError(f"The task's data is given {len(found)} times: by {' and '.join(found)}. Keep one of them.")
    if not found:
        raise ConfigError(
            "The task has no data. Set mephisto.blueprint.data_csv, data_json or data_jsonl to a file, or hand the "
            "rows over as SharedTaskState(static_task_data=[...])."
        )
    if static_task_data is not None:
        _check_kind(static_task_data)


def _check_kind(data: Any) -> None:
    if isinstance(data, str | bytes | Mapping | pd.Series) or not isinstance(data, Iterable | AsyncIterable):
        hint = _hint(data)
        raise ConfigError(
            f"static_task_data is a {type(data).__name__}, not rows: a list, a DataFrame, or an iterable, generator or "
            f"async generator of dictionaries. {hint}"
        )


def _hint(data: Any) -> str:
    if isinstance(data, pd.Series):
        return "Make a frame of it: series.to_frame('text'), or df[['text']] in place of df['text']."
    kind = Path(data).suffix.lstrip(".").lower() if isinstance(data, str | PathLike) else ""
    if f"data_{kind}" in _FILE_READERS:
        how = f"blueprint_args={{'data_{kind}': {str(data)!r}}} in place of it"
        return f"Is that a file? Read it first, as by pandas.read_csv; or set {how}."
    if isinstance(data, Mapping):
        return "Hand over a list of dictionaries; of columns by their names, make a frame: pandas.DataFrame(data)."
    return "Call it, and hand over what it returns." if callable(data) else "Hand over a list of dictionaries."


def is_drawn(static_task_data: Any) -> bool:
    """Return whether rows come one by one, so that they cannot be looked at before launch."""
    return static_task_data is not None and not isinstance(static_task_data, Sequence | pd.DataFrame)


def read_listed(
    args: DataArgs, static_task_data: Listed | None, remark: Callable[[str], None]
) -> list[tuple[str, InitializationData]]:
    """Read all rows of a file, list or frame, each with what to call it in an error message.

    Rows that hold nothing at all, as spreadsheets write them below their data, are left out, which `remark` is told.

    Raises
    ------
    DataFileError
        There are no rows, or one of them is not an object that JSON can carry.
    """
    rows = list(_listed_rows(args, static_task_data))
    found = [(row, to_initialization_data(row, args.units_per_assignment)) for row in rows]
    empty = [row.label for row, data in found if is_empty(row, data)]
    if len(empty) == len(rows):
        source = next((getattr(args, key) for key in _FILE_READERS if given(getattr(args, key))), _SHARED)
        but = f" but empty ones ({name_rows(empty)})" if empty else ""
        raise DataFileError(f"{source} holds no rows{but}, so there is nothing to do. Give it at least one.")
    if empty:
        remark(f"Left out as empty: {name_rows(empty)}. None of their columns holds anything.")
    return [(row.label, data) for row, data in found if not is_empty(row, data)]


def is_empty(row: TaskRow, data: InitializationData) -> bool:
    """Return whether a row has columns, and nothing in any of them; one of `InitializationData` is as it is wanted."""
    if isinstance(row.value, InitializationData):
        return False
    values = [value for name, value in data.shared.items() if name not in row.index]
    return bool(values) and all(map(is_blank, values))


def is_left_out(row: TaskRow, data: InitializationData, remark: Callable[[str], None]) -> bool:
    """Return whether a row that was drawn is empty, which `remark` is told."""
    if found := is_empty(row, data):
        remark(f"Left out as empty: {row.label}. None of its columns holds anything.")
    return found


def find_gaps(rows: Sequence[tuple[str, JSONObject]]) -> Iterator[str]:
    """Say of each column in which rows it is empty, unless that is so in most of them, but not in all."""
    for column in dict.fromkeys(name for _, data in rows for name in data):
        empty = list(dict.fromkeys(label for label, data in rows if column in data and is_blank(data[column])))
        if empty and (2 * len(empty) <= len(rows) or len(empty) == len(rows)):
            yield f"{column!r} is empty in {name_rows(empty)}. Fill in what is missing, unless that is meant."


Make: TypeAlias = Callable[[TaskRow], InitializationData | None]


def made(
    rows: Iterator[TaskRow] | AsyncIterator[TaskRow], make: Make
) -> Iterator[InitializationData] | AsyncIterator[InitializationData]:
    """Return what `make` makes of rows, as they come; those of which it makes nothing are left out."""
    return _made_later(rows, make) if isinstance(rows, AsyncIterator) else filter(None, map(make, rows))


async def _made_later(rows: AsyncIterator[TaskRow], make: Make) -> AsyncIterator[InitializationData]:
    async for row in rows:
        if (data := make(row)) is not None:
            yield data


#: How many rows are named.
_NAMED = 5
#: How a row is called: its number, counted from 0 as `preview` and ``assignment_index`` do, and how else it is known.
_LABEL = re.compile(r"row (\d+(?: \((?:line|index) .+?\))?) of (.+)", re.DOTALL)


def name_rows(labels: Sequence[str]) -> str:
    """Name rows by what each is called: ``rows 3, 4 and 7 of data.csv``."""
    found = [_LABEL.fullmatch(label) for label in labels]
    if len(labels) == 1 or not all(found):
        return ", ".join(labels[:_NAMED]) + (f" and {len(labels) - _NAMED:,} more" if len(labels) > _NAMED else "")
    numbers = [match[1] for match in found if match]
    where = found[0][2] if found[0] else ""
    if len(numbers) > _NAMED:
        return f"rows {', '.join(numbers[:_NAMED])} and {len(numbers) - _NAMED:,} more of {where}"
    return f"rows {', '.join(numbers[:-1])} and {numbers[-1]} of {where}"


def _listed_rows(args: DataArgs, data: Listed | None) -> Iterator[TaskRow]:
    if data is None:
        for key, reader in _FILE_READERS.items():
            if given(getattr(args, key)):
                yield from reader(getattr(args, key))
        return
    index: tuple[str, ...] = ()
    if isinstance(data, pd.DataFrame):
        data, index = read_frame(data, _SHARED)
    yield from _numbered(data, frozenset(index))


def _numbered(values: Iterable[Any], index: frozenset[str] = frozenset()) -> Iterator[TaskRow]:
    for number, value in enumerate(values):
        known = ", ".join(reprlib.repr(value[name]) for name in sorted(index, key=str))
        yield TaskRow(f"row {number}{known and f' (index {known})'} of {_SHARED}", value, index)


def draw(values: Drawn) -> Iterator[TaskRow] | AsyncIterator[TaskRow]:
    """Number rows as they come."""
    return _numbered_later(values) if isinstance(values, AsyncIterable) else _numbered(values)


async def _numbered_later(values: AsyncIterable[Any]) -> AsyncIterator[TaskRow]:
    number = 0
    async for value in values:
        yield TaskRow(f"row {number} of {_SHARED}", value)
        number += 1


def to_initialization_data(row: TaskRow, units: int) -> InitializationData:
    """Turn one row into the data of an assignment of `units` units."""
    value = row.value
    if not isinstance(value, InitializationData):
        return InitializationData(shared=_object(row.label, value), unit_data=[{} for _ in range(units)])
    if not isinstance(value.unit_data, list) or not value.unit_data:
        raise DataFileError(
            f"{row.label} has unit_data {value.unit_data!r}. It needs one dictionary a unit, and at least one: [{{}}]."
        )
    return InitializationData(
        shared=_object(f"shared of {row.label}", value.shared),
        unit_data=[_object(f"unit_data[{index}] of {row.label}", one) for index, one in enumerate(value.unit_data)],
    )


def _object(label: str, value: Any) -> JSONObject:
    if not isinstance(value, Mapping):
        raise DataFileError(f"{label} is {_shorten(value)}, not an object. Each row must be a dictionary of fields.")
    try:
        converted: JSONObject = to_json(value)
    except (NotJSONError, RecursionError) as error:
        raise DataFileError(f"{label}: {error}") from error
    return converted


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
