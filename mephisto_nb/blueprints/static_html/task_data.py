"""Where the rows of a run come from, and what each becomes: JSON, from files, lists, frames and generators.

Reads files of task data, and says exactly what is wrong with one that cannot be used.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.shared_state import InitializationData, NotJSONError, to_json


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One row as it was found, and how to call it in an error message."""

    label: str
    value: Any


def read_text(path: str, key: str) -> str:
    """Read a UTF-8 file that the setting `key` names."""
    file = Path(path).expanduser()
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataFileError(
            f"mephisto.blueprint.{key} is {path!r}, which is not UTF-8 text (byte {error.start} is "
            f"0x{error.object[error.start]:02x}). Save it as UTF-8."
        ) from error
    except OSError as error:
        raise DataFileError(
            f"mephisto.blueprint.{key} is {path!r}, which cannot be read: {error.strerror} "
            f"(looked for {file.absolute()}). Correct the path."
        ) from error


def read_csv(path: str) -> Iterator[TaskRow]:
    """Return the rows of a CSV file with a header line; all values are text."""
    name = Path(path).name
    reader = csv.reader(io.StringIO(read_text(path, "data_csv"), newline=""), strict=True)
    try:
        header = next(reader, None)
        if not header:
            raise DataFileError(f"{name} has no header line. Its first line must name the columns.")
        _check_header(name, header)
        for number, cells in enumerate((cells for cells in reader if cells), start=1):
            label = f"row {number} (line {reader.line_num}) of {name}"
            if len(cells) != len(header):
                raise DataFileError(
                    f"{label} has {len(cells)} values, but the header names {len(header)} columns "
                    f"({', '.join(header)}). Put values that hold commas into quotes."
                )
            yield TaskRow(label, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise DataFileError(
            f"{name}, line {reader.line_num}: {error}. Mend the line, or save the data as JSON."
        ) from error


def _check_header(name: str, header: list[str]) -> None:
    for column in header:
        if not column.strip():
            raise DataFileError(f"{name} has a column without a name (header: {', '.join(header)}). Name every column.")
        if header.count(column) > 1:
            raise DataFileError(f"{name} has more than one column named {column!r}. Give each its own name.")


def read_json(path: str) -> Iterator[TaskRow]:
    """Return the rows of a file that holds one JSON list of objects."""
    name = Path(path).name
    content = _parse(read_text(path, "data_json"), name, first_line=1)
    if not isinstance(content, list):
        raise DataFileError(f"{name} holds {_kind(content)}, not a list. Write the rows as [{{...}}, {{...}}].")
    for number, value in enumerate(content, start=1):
        yield TaskRow(f"row {number} of {name}", value)


def read_jsonl(path: str) -> Iterator[TaskRow]:
    """Return the rows of a file that holds one JSON object a line."""
    name = Path(path).name
    lines = enumerate(read_text(path, "data_jsonl").split("\n"), start=1)
    filled = ((line, text) for line, text in lines if text.strip())
    for number, (line, text) in enumerate(filled, start=1):
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
    return "Call it, and hand over what it returns." if callable(data) else "Hand over a list of dictionaries."


def is_drawn(static_task_data: Any) -> bool:
    """Return whether rows come one by one, so that they cannot be looked at before launch."""
    return static_task_data is not None and not isinstance(static_task_data, Sequence | pd.DataFrame)


def read_listed(args: DataArgs, static_task_data: Listed | None) -> list[tuple[str, InitializationData]]:
    """Read all rows of a file, list or frame, each with what to call it in an error message.

    Raises
    ------
    DataFileError
        There are no rows, or one of them is not an object that JSON can carry.
    """
    rows = list(_listed_rows(args, static_task_data))
    if not rows:
        source = next((getattr(args, key) for key in _FILE_READERS if given(getattr(args, key))), _SHARED)
        raise DataFileError(f"{source} holds no rows, so there is nothing to do. Give it at least one.")
    return [(row.label, to_initialization_data(row, args.units_per_assignment)) for row in rows]


def _listed_rows(args: DataArgs, data: Listed | None) -> Iterator[TaskRow]:
    if data is None:
        for key, reader in _FILE_READERS.items():
            if given(getattr(args, key)):
                yield from reader(getattr(args, key))
        return
    if isinstance(data, pd.DataFrame):
        if not data.columns.is_unique:
            twice = data.columns[data.columns.duplicated()][0]
            raise DataFileError(f"static_task_data has more than one column {twice!r}. Give each column its own name.")
        data = data.to_dict("records")
    yield from _numbered(data)


def _numbered(values: Iterable[Any]) -> Iterator[TaskRow]:
    for number, value in enumerate(values, start=1):
        yield TaskRow(f"row {number} of {_SHARED}", value)


def draw(values: Drawn) -> Iterator[TaskRow] | AsyncIterator[TaskRow]:
    """Number rows as they come."""
    return _numbered_later(values) if isinstance(values, AsyncIterable) else _numbered(values)


async def _numbered_later(values: AsyncIterable[Any]) -> AsyncIterator[TaskRow]:
    number = 0
    async for value in values:
        number += 1
        yield TaskRow(f"row {number} of {_SHARED}", value)


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
