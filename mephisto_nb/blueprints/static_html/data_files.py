"""Reads files of task data, and says exactly what is wrong with one that cannot be used."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mephisto_nb.errors import DataFileError


@dataclass(frozen=True, slots=True)
class Row:
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


def read_csv(path: str) -> Iterator[Row]:
    """Give the rows of a CSV file with a header line; all values are text."""
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
            yield Row(label, dict(zip(header, cells, strict=True)))
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


def read_json(path: str) -> Iterator[Row]:
    """Give the rows of a file that holds one JSON list of objects."""
    name = Path(path).name
    content = _parse(read_text(path, "data_json"), name, first_line=1)
    if not isinstance(content, list):
        raise DataFileError(f"{name} holds {_kind(content)}, not a list. Write the rows as [{{...}}, {{...}}].")
    for number, value in enumerate(content, start=1):
        yield Row(f"row {number} of {name}", value)


def read_jsonl(path: str) -> Iterator[Row]:
    """Give the rows of a file that holds one JSON object a line."""
    name = Path(path).name
    lines = enumerate(read_text(path, "data_jsonl").split("\n"), start=1)
    filled = ((line, text) for line, text in lines if text.strip())
    for number, (line, text) in enumerate(filled, start=1):
        yield Row(f"row {number} (line {line}) of {name}", _parse(text, name, first_line=line))


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
