"""Many rows at once, for which SQLAlchemy's look at every single value costs more than the database does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, insert


class BulkInsert:
    """Inserts rows of values that are fit for the database as they are: numbers, ids, JSON, storable text.

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
    """Give the rows of a query as the driver has them: plain tuples, in which SQLite says 0 and 1 for no and yes."""
    result: Any = connection.execute(query)
    rows: list[tuple[Any, ...]] = result.cursor.fetchall()
    result.close()
    return rows
