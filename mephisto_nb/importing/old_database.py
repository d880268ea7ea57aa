"""The SQLite file of Mephisto 1.x, read and never written, whichever of its versions made it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mephisto_nb.errors import DatabaseError, DataFileError, NotFoundError
from mephisto_nb.utils.files import uses_wal

#: Tables that every version has: a file without them is not Mephisto's.
_ALWAYS = {"tasks", "task_runs", "assignments", "units", "agents", "workers"}
#: How long to wait for 1.x's own process, should it be writing (seconds).
_PATIENCE = 30.0

Rows = list[dict[str, Any]]


class OldDatabase:
    """One database of Mephisto 1.x.

    Parameters
    ----------
    path
        Its file, or the data directory that holds it.

    Raises
    ------
    NotFoundError
        There is no such file, or none in the directory.
    DataFileError
        It is no database of Mephisto 1.x.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.file = _find_file(Path(path).expanduser())
        with self.reading() as connection:
            self.tables = _tables_of(connection)
        missing = sorted(_ALWAYS - set(self.tables))
        if missing:
            raise DataFileError(
                f"{str(self.file)!r} is no database of Mephisto 1.x: it has no table {missing[0]!r}. Give the folder "
                "that core.main_data_directory of its config.yml names, or the database.db in there."
            )

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open it to read, all at one moment; nothing beside it is made, either.

        Raises
        ------
        DatabaseError
            It cannot be read.
        """
        try:
            with closing(sqlite3.connect(self._uri(), uri=True, timeout=_PATIENCE, isolation_level=None)) as connection:
                connection.execute("PRAGMA query_only=ON")
                connection.execute("BEGIN")
                yield connection
        except sqlite3.Error as error:
            raise DatabaseError(
                f"{str(self.file)!r} cannot be read: {error}. If Mephisto 1.x is writing there, wait for it; if it was "
                "killed, open its database once more with it."
            ) from error

    def _uri(self) -> str:
        # A reader of a file in WAL mode makes a file beside it unless somebody has it open; immutable makes none.
        write_ahead = Path(f"{self.file}-wal")
        is_quiet = uses_wal(str(self.file)) and not (write_ahead.exists() and write_ahead.stat().st_size)
        return f"file:{quote(str(self.file.resolve()))}?mode=ro{'&immutable=1' if is_quiet else ''}"

    def read(self, connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> Rows:
        """Give one dict a row; ids as strings, and None for columns or tables that this version lacks."""
        known = self.tables.get(table)
        if known is None:
            return []
        wanted = [_column(name) if name in known else f"NULL AS {name}" for name in columns]
        found = connection.execute(f"SELECT {', '.join(wanted)} FROM {table} ORDER BY rowid")
        return [dict(zip(columns, row, strict=True)) for row in found]

    def count(self, connection: sqlite3.Connection, table: str) -> int:
        """Count the rows of a table."""
        return int(connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])


def _column(name: str) -> str:
    is_id = name.endswith("_id") or name == "id"
    return f"CAST({name} AS TEXT) AS {name}" if is_id else f'"{name}"'


def _find_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise NotFoundError(f"There is no {str(path)!r}. Give the data directory of Mephisto 1.x, or its database.db.")
    for place in (path, path / "data"):
        if (place / "database.db").is_file():
            return place / "database.db"
    raise NotFoundError(
        f"There is no database.db in {str(path)!r}. Give the folder that core.main_data_directory of Mephisto 1.x's "
        "config.yml names, or the file itself."
    )


def _tables_of(connection: sqlite3.Connection) -> dict[str, set[str]]:
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    own = [name for name in names if not name.startswith("sqlite_")]
    return {name: {row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')} for name in own}


def to_seconds(moment: object) -> float | None:
    """Read a time as 1.x writes it, in UTC, as seconds since the epoch; None where there is none."""
    if isinstance(moment, int | float):
        # Its browser code counts milliseconds.
        return float(moment) / 1000 if moment > 1e11 else float(moment)
    if not isinstance(moment, str) or not moment.strip():
        return None
    try:
        read = datetime.fromisoformat(moment.strip())
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
