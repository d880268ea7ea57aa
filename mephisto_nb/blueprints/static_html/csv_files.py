"""Reads tables of text as spreadsheets, R and pandas write them: CSV, whatever separates its values.

What a file means is found out before anything is read of it: which character separates values, whether there are
blanks behind it, which columns are only there because of how the file was written. What cannot be told is refused.
"""

from __future__ import annotations

import csv
import io
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

from mephisto_nb.errors import DataFileError

#: What may separate values, the usual one first, and how to call it.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars (|)"}
#: The first line by which Excel is told what separates values.
_SEP_LINE = re.compile(r'\A"?sep=(.)"?[ \t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
#: A value may be as long as a book.
_LONGEST = 1_000_000_000
_limit_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class TextTable:
    """A file as it was read: the names of its columns, and its rows with the number of the line that each ends on."""

    header: list[str]
    rows: list[tuple[int, list[str]]]

    def records(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Return each row by the names of its columns, with its line."""
        for line, cells in self.rows:
            yield line, dict(zip(self.header, cells, strict=True))


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A file as it reads with one separator, as far as it could be read."""

    separator: str
    lines: list[tuple[int, list[str]]]
    error: str = ""
    #: Whether the first line holds several values, which need not all be names.
    is_separated: bool = False

    @property
    def header(self) -> list[str]:
        return self.lines[0][1] if self.lines else []

    @property
    def fits(self) -> bool:
        """Whether all rows have as many values as there are columns, of which there are several."""
        width = len(self.header)
        rows = (_trimmed(cells, width) for _, cells in self.lines)
        return not self.error and self.is_separated and all(len(cells) == width for cells in rows if any(cells))


def read_table(text: str, name: str) -> TextTable:
    """Read the text of a file, which error messages call `name`.

    Columns' names are taken without the blanks around them. A column without a name and without values is left out. So
    is the first one, if it has no name and numbers the rows, as pandas and R write it; if it holds something else, it
    is called ``index``.

    Raises
    ------
    DataFileError
        It has no header, two columns of one name, or a row with too many or too few values.
    """
    parsed = _parse_somehow(text.lstrip("\ufeff"))
    if parsed.error and len(parsed.lines) < 1:
        raise DataFileError(f"{name}, {parsed.error}. Mend the line, or save the data as JSON.")
    header = [_name(column) for column in parsed.header]
    if not any(header):
        raise DataFileError(f"{name} has no header line. Its first line must name the columns.")
    rows = list(_checked(parsed, header, name))
    if parsed.error:
        raise DataFileError(f"{name}, {parsed.error}. Mend the line, or save the data as JSON.")
    table = _without_empty_columns(TextTable(header, rows))
    _check_header(name, table.header, parsed)
    return table


def _parse_somehow(text: str) -> _Parsed:
    """Return the text as it reads with the first separator that fits all of it; else with that of its first line."""
    if told := _SEP_LINE.match(text):
        return _parse(text[told.end() :], told[1], skips_blanks=False, first_line=2)
    readings = [_parse(text, one, skips_blanks=skips) for one, skips in product(SEPARATORS, (False, True))]
    readings = [*readings[::2], *readings[1::2]] if not _is_padded(readings) else [*readings[1::2], *readings[::2]]
    usual = readings[0]
    most = max(readings, key=lambda one: (len(one.header), one.separator == usual.separator))
    return next((one for one in readings if one.fits), most if len(most.header) > 1 else usual)


def _is_padded(readings: Sequence[_Parsed]) -> bool:
    """Return whether there are blanks before the names of columns."""
    return any(name.startswith(" ") for one in readings for name in one.header[1:])


def _parse(text: str, separator: str, *, skips_blanks: bool, first_line: int = 1) -> _Parsed:
    lines: list[tuple[int, list[str]]] = []
    with _long_values():
        stream = io.StringIO(text, newline="")
        reader = csv.reader(stream, delimiter=separator, skipinitialspace=skips_blanks, strict=True)
        try:
            for cells in reader:
                if cells:
                    cells = [cell.strip(" ") for cell in cells] if skips_blanks else cells
                    lines.append((reader.line_num + first_line - 1, cells))
        except csv.Error as error:
            return _Parsed(separator, lines, f"line {reader.line_num + first_line - 1}: {error}")
    is_separated = bool(lines) and len(lines[0][1]) > 1
    if lines and any(lines[0][1]):
        lines[0] = lines[0][0], _without_empty_end(lines)
    return _Parsed(separator, lines, is_separated=is_separated)


def _without_empty_end(lines: Sequence[tuple[int, list[str]]]) -> list[str]:
    """Return the header without the last columns of a file that have neither names nor values."""
    header = lines[0][1]
    named = max(number for number, column in enumerate(header, start=1) if column.strip())
    widest = max(
        (number for _, cells in lines for number, cell in enumerate(cells, start=1) if cell.strip()), default=0
    )
    return header[: max(named, min(widest, len(header)))]


@contextmanager
def _long_values() -> Iterator[None]:
    """Let values be longer than the standard library allows, which has one limit for all."""
    with _limit_lock:
        before = csv.field_size_limit(_LONGEST)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _name(column: str) -> str:
    """Return a column's name as a template can write it: on one line, without blanks around it."""
    return " ".join(re.split(r"\s*[\r\n]+\s*", column.strip()))


def _trimmed(cells: list[str], width: int) -> list[str]:
    """Return a row without the empty values that spreadsheets write beyond the last column."""
    return cells[:width] if not any(cells[width:]) else cells


def _checked(parsed: _Parsed, header: list[str], name: str) -> Iterator[tuple[int, list[str]]]:
    width = len(header)
    for number, (line, given) in enumerate(parsed.lines[1:]):
        cells = _trimmed(given, width)
        if len(cells) != width and not any(cell.strip() for cell in cells):
            cells = [""] * width
        if len(cells) != width:
            held = SEPARATORS.get(parsed.separator, f"the character {parsed.separator!r}")
            columns = "1 column" if width == 1 else f"{width} columns"
            raise DataFileError(
                f"row {number} (line {line}) of {name} has {len(cells)} values, but the header names {columns} "
                f"({', '.join(header)}), read as separated by {held}. Put values that hold {held} into quotes."
            )
        yield line, cells


def _without_empty_columns(table: TextTable) -> TextTable:
    header, columns = list(table.header), list(zip(*(cells for _, cells in table.rows), strict=True))
    if columns and not header[0] and len(header) > 1 and any(columns[0]) and all(header[1:]):
        numbers = [[str(number + first) for number in range(len(table.rows))] for first in (0, 1)]
        header[0] = "" if list(columns[0]) in numbers else "index"
        columns[0] = columns[0] if header[0] else ("",) * len(table.rows)
    kept = [index for index, column in enumerate(header) if column or (columns and any(columns[index]))]
    return TextTable(
        [header[index] for index in kept], [(line, [cells[i] for i in kept]) for line, cells in table.rows]
    )


def _check_header(name: str, header: list[str], parsed: _Parsed) -> None:
    for column in header:
        if not column:
            raise DataFileError(f"{name} has a column without a name (header: {', '.join(header)}). Name every column.")
        if header.count(column) > 1:
            raise DataFileError(f"{name} has more than one column named {column!r}. Give each its own name.")
