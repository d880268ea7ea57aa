"""Values on their way into SQL and out of it: JSON, text of any kind, and many rows at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Select, Table, Text, TypeDecorator, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from mephisto_nb._typing import JSON

# -- JSON

#: One for all: `json.dumps` would make a new encoder for each of many small values.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def dump(value: JSON) -> str:
    """Write JSON compactly. A NUL, which PostgreSQL's text cannot hold, stays escaped.

    NaN and infinity, which are no JSON, are refused: a packet that holds one could never be sent.
    """
    return _encode(value)


# -- text that workers had a hand in; JSON needs none of this, being stored with everything but ASCII escaped

#: PostgreSQL cannot index values of more than about 2700 bytes; a character takes up to 4.
MAX_KEY_LENGTH = 500
_KEPT = MAX_KEY_LENGTH - 70


def make_storable(text: str) -> str:
    """Put U+FFFD in the place of what no database takes: NUL (PostgreSQL), and halves of surrogate pairs (all)."""
    if text.isascii() and "\0" not in text:
        return text
    return "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in text)


def make_key(text: str) -> str:
    """Make a text storable and, where it is too long for an index, short: two long ones stay two."""
    storable = make_storable(text)
    if len(storable) <= MAX_KEY_LENGTH:
        return storable
    return f"{storable[:_KEPT]} {hashlib.sha256(storable.encode()).hexdigest()}"


class PlainText(TypeDecorator[str]):
    """A column of text that takes any Python string."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Make what is written, or looked for, storable."""
        return None if value is None else make_storable(value)


class KeyText(PlainText):
    """A column of text that takes any Python string and can be indexed."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Make what is written, or looked for, storable and short."""
        return None if value is None else make_key(value)


# -- many rows, and rows that are there once

#: Databases limit how many values one statement may hold.
_CHUNK = 500
#: How each database says INSERT ... ON CONFLICT.
INSERT: dict[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class BulkInsert:
    """Inserts rows of values that are fit for the database as they are: numbers, ids, JSON, storable text.

    SQLAlchemy's look at every single value of many rows costs more than the database does.

    Parameters
    ----------
    table, columns
        Where the values of each row go, in this order.
    """

    def __init__(self, table: Table, *columns: str) -> None:
        self._table, self._columns = table, columns
        self._statements: dict[str, tuple[str, bool]] = {}

    def __call__(self, connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Insert the rows."""
        found = list(rows)
        if not found:
            return
        statement, is_positional = self._statement(connection)
        if is_positional:
            connection.exec_driver_sql(statement, [tuple(row) for row in found])
        else:
            connection.exec_driver_sql(statement, [dict(zip(self._columns, row, strict=True)) for row in found])

    def _statement(self, connection: Connection) -> tuple[str, bool]:
        known = self._statements.get(connection.dialect.name)
        if known is None:
            compiled = insert(self._table).compile(dialect=connection.dialect, column_keys=list(self._columns))
            order = compiled.positiontup
            if order is not None and tuple(order) != self._columns:
                raise ValueError(f"BulkInsert({self._table.name}): name the columns in the table's order, {order}")
            known = self._statements[connection.dialect.name] = str(compiled), order is not None
        return known


def fetch_rows(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a query as the driver has them: plain tuples, in which SQLite says 0 and 1 for no and yes."""
    result: Any = connection.execute(query)
    rows: list[tuple[Any, ...]] = result.cursor.fetchall()
    result.close()
    return rows


def in_chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the values in parts, each of which fits in one statement."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def find_or_add(connection: Connection, table: Table, key: dict[str, Any], new: dict[str, Any]) -> Any:
    """Return the row with these values, or insert it with the `new` ones beside them."""
    query = select(table)
    for name, value in key.items():
        query = query.where(table.c[name] == value)
    found = connection.execute(query).first()
    if found is not None:
        return found
    # Two processes may be here at once; on PostgreSQL, the second waits for the first and finds its row.
    connection.execute(INSERT[connection.dialect.name](table).values(**key, **new).on_conflict_do_nothing())
    return connection.execute(query).one()
