"""What the head of an SQLite file says, asked of SQLite itself.

On POSIX systems a process that closes a file loses every lock that it holds on it, by whatever it was opened: a file
that SQLite has open is not read beside SQLite. SQLite knows what it has open, and closes that later. The format is that
of https://sqlite.org/fileformat2.html, section 1.3.

Stands alone because importing old data asks as well, which puts nothing back.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path


def uses_wal(path: Path) -> bool:
    """Return whether a file is an SQLite database whose readers and writer go on side by side. Nothing is made."""
    try:
        # Without locks nobody can go on side by side, and SQLite refuses.
        _ask(path, "mode=ro&nolock=1", "schema_version")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN and path.is_file()
    except sqlite3.Error:  # no database, of which SQLite will say more
        pass
    return False


def count_in_file(path: Path) -> int | None:
    """Return the number that `user_version` has in the file itself, whatever is beside it; None: it has none."""
    with contextlib.suppress(sqlite3.Error):
        return _ask(path, "mode=ro&immutable=1", "user_version")
    return None


def count_in_part(path: Path) -> int | None:
    """Return the same of a file that is shorter than its head says: of what is beside it, not all could be written."""
    with contextlib.suppress(sqlite3.Error):
        return _ask(path, "mode=ro&immutable=1", "user_version", "PRAGMA writable_schema = ON")
    return None


def _ask(path: Path, options: str, what: str, before: str = "") -> int:
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True)) as db:
        db.execute(before)
        return int(db.execute(f"PRAGMA {what}").fetchone()[0])
