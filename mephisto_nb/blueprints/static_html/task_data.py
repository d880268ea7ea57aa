"""Where the rows of a run come from, and what each becomes."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.blueprints.static_html.task_data import NotJSONError, Row, read_csv, read_json, read_jsonl, to_json
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.shared_state import InitializationData

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
    """Tell whether the settings name a file of rows."""
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
    """Tell whether rows come one by one, so that they cannot be looked at before launch."""
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


def _listed_rows(args: DataArgs, data: Listed | None) -> Iterator[Row]:
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


def _numbered(values: Iterable[Any]) -> Iterator[Row]:
    for number, value in enumerate(values, start=1):
        yield Row(f"row {number} of {_SHARED}", value)


def draw(values: Drawn) -> Iterator[Row] | AsyncIterator[Row]:
    """Number rows as they come."""
    return _numbered_later(values) if isinstance(values, AsyncIterable) else _numbered(values)


async def _numbered_later(values: AsyncIterable[Any]) -> AsyncIterator[Row]:
    number = 0
    async for value in values:
        number += 1
        yield Row(f"row {number} of {_SHARED}", value)


def to_initialization_data(row: Row, units: int) -> InitializationData:
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
