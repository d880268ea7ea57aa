"""Files that lose their names under live processes: removed, replaced by an older copy, moved with their folder."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

#: Which files of a database somebody takes away: all, or some of them.
_TAKEN = (("", "-wal", "-shm"), ("",), ("-wal", "-shm"), ("-wal",))


def remove(database: Path, chance: float) -> None:
    """Remove the files of a database, or some of them; which, is said by a number between 0 and 1."""
    for suffix in _TAKEN[int(1000 * chance) % len(_TAKEN)]:
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def copy_of(database: Path) -> Path:
    """Copy a database as it is now, as a program for backups does; return where the copy is."""
    copy = database.with_name(f"{database.name}.earlier")
    source, target = sqlite3.connect(database, timeout=10), sqlite3.connect(copy)
    with contextlib.closing(source), contextlib.closing(target):
        source.backup(target)
    return copy


def replace(database: Path, copy: Path, chance: float) -> None:
    """Put an earlier copy in the place of a database; half of the time what is beside it stays there."""
    if int(1000 * chance) % 2:
        for suffix in ("-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
    os.replace(copy, database)
