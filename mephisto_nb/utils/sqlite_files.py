"""SQLite files that keep their names: whether the file at a path is still the one that is open, and how it gets back.

On POSIX systems a file that is open outlives its name. Whoever cleans a folder, synchronises it or copies an older
state into it takes the name away, and the process goes on writing into a file that vanishes with it. `FileInPlace`
notices, and `put_back` gives the content, which the open connection still has, its name again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeAlias

from mephisto_nb.errors import ConfigError, DatabaseError
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.machine import GONE, failure_of_folder
from mephisto_nb.utils.private_files import close_file, make_private_database

logger = get_logger(__name__)

#: What SQLite keeps beside a database in WAL mode: what is committed and not yet in the file, and an index to it.
_SIDES = ("-wal", "-shm")

#: Elsewhere nobody can write over a file that SQLite has open, and the file's time changes later than the file.
_HAS_TIMES = os.name == "posix"

#: Numbers that only grow, by what they count: of two states of a database they say which one holds more.
Marks: TypeAlias = Mapping[str, int]
ReadMarks: TypeAlias = Callable[[sqlite3.Connection], Marks]

#: What keeps SQLite from cutting short what is beside a database, as some systems have it do.
KEEP_LONG = "journal_size_limit=-1"
#: What became of a file beside which something has lost its end.
CUT_SHORT = "cut short"

_REMEDY = "Keep programs that clean, synchronise or restore files out of this folder while a run lasts."


class FileInPlace:
    """Knows which file was opened, and looks whether its path still names it: three calls of `stat`.

    Parameters
    ----------
    path
        The database.
    """

    def __init__(self, path: Path) -> None:
        #: Absolute: a notebook may change its directory.
        self.path = path.absolute()
        self._paths = {suffix: f"{self.path}{suffix}" for suffix in ("", *_SIDES)}
        self._known: dict[str, tuple[int, int] | None] = {}
        self._written: tuple[int, int] | None = None
        #: How large those beside it have been: SQLite makes none of them smaller while it has them open.
        self._sizes: dict[str, int] = {}

    def remember(self, db: sqlite3.Connection) -> None:
        """Note what is at the path, which `db` has opened just now."""
        has_sides = db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # opens what is beside it, too
        suffixes = ("", *_SIDES) if has_sides else ("",)
        self._known = {suffix: identity_of(_beside(self.path, suffix)) for suffix in suffixes}
        self.measure()
        self.wrote()

    def measure(self) -> None:
        """Note how large what is beside it is now, which from now on gets no smaller."""
        found = {suffix: _stat(self._paths[suffix]) for suffix in _SIDES}
        self._sizes = {suffix: 0 if stat is None else stat.st_size for suffix, stat in found.items()}

    def wrote(self) -> None:
        """Note that whatever has been written to the file until now was written by those whose it is.

        Nothing is noted while its path does not name it: what is there then is another's, or nothing.
        """
        found = _stat(self._paths[""])
        if found is not None and (found.st_dev, found.st_ino) == self._known.get(""):
            self._written = _written(found)

    def forget(self) -> None:
        """Note that it is not open any more, and that whatever is at the path next time is the right one."""
        self._known = {}

    def look(self) -> str | None:
        """Return what became of it: ``removed``, ``replaced``, ``overwritten`` or ``cut short``; None: nothing."""
        if not self._known:
            return None
        for suffix, path in self._paths.items():
            found = _stat(path)
            now = found and (found.st_dev, found.st_ino)
            if suffix not in self._known:
                if now is not None:  # it comes where the file is brought to WAL mode while it is open
                    self._known[suffix] = now
            elif now is None:
                return "removed"
            elif now != self._known[suffix]:
                return "replaced"
            elif not suffix and _HAS_TIMES and self._written != _written(found):
                return "overwritten"
            elif suffix and found is not None and self._is_short(suffix, found.st_size):
                return CUT_SHORT
        return None

    def _is_short(self, suffix: str, size: int) -> bool:
        """Return whether what is beside it has lost its end; an index that has is made as long as it was."""
        if size >= self._sizes.get(suffix, 0):
            self._sizes[suffix] = size
            return False
        if suffix == "-shm":
            # The system kills whoever reads behind its end. Zeros are no index to SQLite, and it makes a new one.
            with contextlib.suppress(OSError):
                os.truncate(self._paths[suffix], self._sizes[suffix])
            return False
        return True

    @property
    def has_own_main(self) -> bool:
        """Whether the path itself names the open file: what was taken away is beside it."""
        return self._known.get("") is not None and identity_of(self.path) == self._known[""]

    def is_own(self, suffix: str) -> bool:
        """Return whether what is beside it, by this ending, belongs to the open file."""
        known = self._known.get(suffix)
        return known is not None and identity_of(_beside(self.path, suffix)) == known


def put_back(
    db: sqlite3.Connection,
    place: FileInPlace,
    read_marks: ReadMarks,
    alone: AbstractContextManager[object] | None = None,
) -> tuple[str, str] | None:
    """Write the content of an open database to its path again; return what was done, and what to do about it.

    An older copy that stands there now is kept under another name. Where another process was first to put the same
    database back, nothing is written. In either case the caller has to close `db`, and to open the path anew. None is
    returned where nothing is missing, as somebody has put the file itself back with its folder: `db` may be used on.

    Parameters
    ----------
    db
        The connection; in no transaction.
    place
        The file that it has open, which is not in its place.
    read_marks
        Says how far a database has come.
    alone
        Entered meanwhile, to keep out other processes that have it open as well.

    Raises
    ------
    DatabaseError
        The directory is not there, or what stands there now has what this database has not, or nothing can be written.
        Nothing was changed.
    """
    path = place.path
    _check_folder(path)
    if (fate := place.look()) is None:
        return None
    if fate == CUT_SHORT and _is_whole_for_others(path):
        place.measure()  # all that was cut away had been written to the file itself before
        return None
    reason = f"{path} was {fate} while it was in use"
    try:
        with alone or nullcontext():
            aside = None
            if fate in ("overwritten", CUT_SHORT):
                _check_whole(db, path, fate)
            if fate == "overwritten":
                aside = _free_name(path)
            elif identity_of(path) is not None and not place.has_own_main:
                if _is_put_back(db, place, read_marks):
                    return f"{reason}, and has been put back. Nothing was lost.", _REMEDY
                aside = _free_name(path)
            _write_back(db, place, aside)
    except (sqlite3.Error, OSError, ConfigError) as error:
        raise DatabaseError(f"{reason}, and cannot be put back: {error}. It is tried again.") from error
    kept = "" if aside is None else f" The file that had taken its place is kept as {aside.name}."
    return f"{reason}. Its content was put back, and nothing was lost.{kept}", _REMEDY


def _check_folder(path: Path) -> None:
    """Raise `DatabaseError` if the directory of a database is not there, or cannot be looked into."""
    failure = failure_of_folder(path.parent)
    if failure is None:
        return
    if failure == GONE:
        raise DatabaseError(
            f"The directory {path.parent} is not there any more: it was moved or removed. Put it back to where it was; "
            f"or, if it was removed, make an empty one: {path.name}, which is held open, is written into it again."
        )
    raise DatabaseError(
        f"The directory {path.parent} cannot be looked into: {failure}. Look after its disk, or the network that it is "
        "reached by, and after who may open it; then it goes on by itself."
    )


def _check_whole(db: sqlite3.Connection, path: Path, fate: str) -> None:
    """Raise `DatabaseError` unless all that was in a database can still be read by its open connection."""
    if _is_sound(db):
        return
    raise DatabaseError(
        f"{path} was {fate} while it was in use, and is damaged: nothing new is taken. "
        "To go on, let no process have it open any more, and put a whole one in its place, or move an inbox.db away."
    )


def _is_whole_for_others(path: Path) -> bool:
    """Return whether all of a database can be read by who has nothing of it in memory."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as db:
        return _is_sound(db)
    return False


def _is_sound(db: sqlite3.Connection) -> bool:
    with contextlib.suppress(sqlite3.DatabaseError):
        return bool(db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    return False


def _free_name(path: Path) -> Path:
    stem, number = f"{path.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}", 1
    while (aside := path.with_name(f"{stem}-{number}")).exists():
        number += 1
    return aside


def finish_put_back(path: Path, alone: AbstractContextManager[object] | None = None) -> None:
    """Name a database that was written back, and whose process was killed just then. Called before one is opened.

    Where there is one of this name it stays, and what was written back is kept under another: it never returns.
    `alone` is entered meanwhile, as in `put_back`: another process may be writing it.

    Raises
    ------
    OSError
        It cannot be named.
    """
    copy = _copy_beside(path)
    if not copy.exists():
        return
    with alone or nullcontext():
        if not copy.exists():
            return
        is_whole, is_there = _is_whole(copy), path.exists()
        if is_whole and is_there:
            kept = _free_name(path)
            os.replace(copy, kept)
            logger.warning("What a process that was killed had written back beside %s is kept as %s.", path, kept.name)
        elif is_whole:
            for suffix in _SIDES:
                _beside(path, suffix).unlink(missing_ok=True)
            os.replace(copy, path)
        elif is_there:
            for suffix in ("", "-journal", *_SIDES):
                _beside(copy, suffix).unlink(missing_ok=True)


def _is_whole(copy: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(copy)) as db:
            # The generation is written last: without it, the copy is not whole.
            return _generation(db) > 0 and _is_sound(db)
    except sqlite3.Error:
        return False


def holds_at_least(marks: Marks, others: Marks) -> bool:
    """Return whether a database with `marks` holds all that one with `others` does."""
    return all(marks.get(key, -1) >= number for key, number in others.items())


def _is_put_back(db: sqlite3.Connection, place: FileInPlace, read_marks: ReadMarks) -> bool:
    """Return whether what stands at the path is this database, as another process has put it back; False: it is older.

    Each time a database is put back it counts as one generation younger.
    """
    ours, theirs = (_generation(db), read_marks(db)), _read_other(place, read_marks)
    if theirs is None:
        return False  # no database, or one without what we know of: an empty one, or a copy that was not finished
    if holds_at_least(theirs[1], ours[1]) and (theirs[0] > ours[0] or not holds_at_least(ours[1], theirs[1])):
        return True
    if holds_at_least(ours[1], theirs[1]):
        return False
    raise DatabaseError(
        f"{place.path} was replaced while it was in use by a database that holds what this one does not. Move that one "
        "away, and this one is put back in its place; until then nothing new is taken."
    )


def _read_other(place: FileInPlace, read_marks: ReadMarks) -> tuple[int, Marks] | None:
    # Beside another's database, what was written beside ours would be taken for its own.
    options = "?mode=ro&immutable=1" if any(map(place.is_own, _SIDES)) else "?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(place.path.absolute().as_uri() + options, uri=True)) as other:
            return _generation(other), read_marks(other)
    except (sqlite3.Error, ValueError, TypeError):
        return None


def _generation(db: sqlite3.Connection) -> int:
    # A number in the head of the file which SQLite leaves to its users.
    return int(db.execute("PRAGMA application_id").fetchone()[0])


def _write_back(db: sqlite3.Connection, place: FileInPlace, aside: Path | None) -> None:
    path = place.path
    temporary = _copy_beside(path)
    try:
        while True:
            before = data_version(db)
            temporary.unlink(missing_ok=True)
            _copy(db, temporary)
            # Whoever else has the nameless file open must commit nothing into it that is not copied.
            db.execute("BEGIN IMMEDIATE")
            if data_version(db) == before:
                break
            db.execute("ROLLBACK")
        if aside is not None:
            os.replace(path, aside)
            _close_ours(aside)
        for suffix in _SIDES:
            _take_away(place, suffix, aside)
        os.replace(temporary, path)
        _sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        if db.in_transaction:
            db.execute("ROLLBACK")


def _take_away(place: FileInPlace, suffix: str, aside: Path | None) -> None:
    side = _beside(place.path, suffix)
    with contextlib.suppress(FileNotFoundError):
        if aside is None or place.is_own(suffix):
            side.unlink()  # its content is in the copy
        else:
            os.replace(side, _beside(aside, suffix))
            _close_ours(_beside(aside, suffix))


def _close_ours(path: Path) -> None:
    with contextlib.suppress(ConfigError):  # another user's, who has it anyway
        close_file(path)


def _copy(db: sqlite3.Connection, target: Path) -> None:
    make_private_database(target)
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
        db.backup(copy)
        copy.execute(f"PRAGMA application_id = {_generation(db) + 1}")
    descriptor = os.open(target, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def data_version(db: sqlite3.Connection) -> int:
    """Return a number that is another one whenever another connection has committed; it is a connection's own."""
    return int(db.execute("PRAGMA data_version").fetchone()[0])


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return  # elsewhere a directory cannot be opened
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.returning")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:  # it is not there, or cannot be reached
        return None


def _written(found: os.stat_result | None) -> tuple[int, int] | None:
    return found and (found.st_mtime_ns, found.st_size)


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at a path from any other; None where there is none, or it cannot be reached."""
    found = _stat(str(path))
    return found and (found.st_dev, found.st_ino)
