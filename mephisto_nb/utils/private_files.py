"""Files and folders that are their owner's alone, whatever the umask, and whatever lay there before.

Others who have an account on this machine are kept out by modes (0700 and 0600), which are set on POSIX systems; on
Windows a file inherits the rights of its folder. What is made here is closed from its first moment. What is found is
closed; and refused where it belongs to somebody else, who could read whatever was written into it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import IO, Any

from mephisto_nb.errors import ConfigError, WorldError
from mephisto_nb.utils.logging import get_logger

if sys.platform != "win32":
    import grp
    import pwd

logger = get_logger(__name__)

#: Modes of what is its owner's alone.
FOLDER, FILE = 0o700, 0o600
_OTHERS, _OTHERS_WRITE = 0o077, 0o022
#: What tells that the files beside it are those of a run that was taken over.
IMPORTED = "imported_run"
#: By what our own directories are known: the one with the database, and that of a run.
OUR_MARKS = ("mephisto_nb.db", "link_secret", IMPORTED)
#: In the folder with the database: the folder of all runs.
_RUNS = "runs"
#: What SQLite, and this package, put beside a database.
_BESIDE = ("-wal", "-shm", "-journal", ".migrating")


def is_own_folder(folder: Path) -> bool:
    """Return whether this package keeps its data in a folder: that with the database, of all runs, or of one."""
    has_runs = folder.name == _RUNS and (folder.parent / OUR_MARKS[0]).exists()
    return has_runs or any((folder / mark).exists() for mark in OUR_MARKS)


def own_folder_around(path: Path) -> Path | None:
    """Return the folder of a run, or of all runs, that a path is or lies below; None: it is in none.

    What lies beside them may be anything: a project's folder may be the data directory as well.
    """
    real = path.resolve()
    around = (folder for folder in (real, *real.parents) if is_own_folder(folder))
    return next((folder for folder in around if not (folder / OUR_MARKS[0]).exists()), None)


def make_private_folder(path: Path) -> None:
    """Make a folder for its owner alone, and those above it that are missing; close one that is there already.

    A folder in which others are at home as well (the home folder, one above it, or one like ``/tmp`` in which nobody
    can take away what is another's) keeps its mode, but for others' right to write; what is made in it is closed.

    Raises
    ------
    ConfigError
        The folder, or a link on the way, belongs to another user; or others may write into it and it is not ours.
    WorldError
        It cannot be made.
    """
    try:
        _refuse_foreign_link(path)
        make_folders(path)
        found = path.stat()
    except OSError as error:
        raise WorldError(f"The folder {path} cannot be made: {error}.") from error
    if sys.platform == "win32":
        return
    if _is_ours(found):
        _close(path, found, _wanted_of_folder(path.resolve(), found))
    elif not _can_be_lent(path, found):
        raise ConfigError(
            f"The folder {path} cannot be used: it belongs to another user ({_name_of(found)}), who could "
            "read or replace all that is written there. Name a folder of your own, which may be a new one inside it."
        )


def make_folders(path: Path) -> None:
    """Make a folder, and those above it that are missing, for its owner alone; leave those that are there.

    Raises
    ------
    OSError
        It cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        folder.mkdir(mode=FOLDER, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Make an empty file for its owner alone, or close the one that is there.

    Raises
    ------
    ConfigError
        The file, or the link that is there, belongs to another user.
    OSError
        It cannot be made.
    """
    close_file(path)
    # One that is there is not opened: to close it would drop the locks that this process has on it. A link counts as
    # there though its file is missing; so that is made where the link leads to.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_RDONLY | os.O_CREAT | os.O_EXCL, FILE))


def make_private_database(path: Path) -> None:
    """Make an SQLite file for its owner alone, before SQLite makes it; or close it, and what is beside it.

    Raises
    ------
    ConfigError
        One of them belongs to another user.
    OSError
        It cannot be made.
    """
    for ending in _BESIDE:
        close_file(path.with_name(path.name + ending))
    if not path.is_dir():  # of which SQLite says what is wrong
        make_private_file(path)
    if _others_may_write(path.resolve().parent.stat()):
        logger.warning(
            "Other users of this machine may write into the folder of the database %s: what they put beside it could "
            "be taken for a part of it. Keep it in a folder of your own.",
            path,
        )


def close_file(path: Path) -> None:
    """Close a file to others, if there is one.

    Raises
    ------
    ConfigError
        It belongs to another user.
    """
    _refuse_foreign_link(path)
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    if not _is_ours(found):
        raise ConfigError(
            f"The file {path} cannot be used: it belongs to another user ({_name_of(found)}), who could read "
            "or replace what is written there. Find out who put it there, and move it away; or name another folder."
        )
    if stat.S_ISREG(found.st_mode):
        _close(path, found, stat.S_IMODE(found.st_mode) & ~_OTHERS)


def close_folder(path: Path) -> None:
    """Close a folder and, if it was open until now, all below it; nothing where there is no folder.

    One that was closed has kept everybody out of what is below.

    Raises
    ------
    ConfigError
        It belongs to another user.
    """
    if path.is_dir():
        was_open = sys.platform != "win32" and path.stat().st_mode & _OTHERS
        make_private_folder(path)
        if was_open:
            close_below(path)


def close_below(folder: Path) -> None:
    """Close everything below a folder that is closed itself. Links, and what is not ours, stay as they are."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue  # taken away meanwhile
            if not stat.S_ISLNK(found.st_mode) and _is_ours(found):
                _close(path, found, stat.S_IMODE(found.st_mode) & ~_OTHERS)


def open_private(path: Path, mode: str, **options: Any) -> IO[Any]:
    """Open a file to write, which is its owner's alone from its first moment, or from now on.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    file: IO[Any] = open(path, mode, opener=partial(os.open, mode=FILE), **options)  # noqa: SIM115 - the caller's
    if sys.platform != "win32":
        found = os.fstat(file.fileno())
        if stat.S_IMODE(found.st_mode) & _OTHERS and _is_ours(found):
            os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode) & ~_OTHERS)
    return file


def copy_private(source: Path, target: Path) -> None:
    """Copy what is in a file to another one, which is its owner's alone.

    Raises
    ------
    OSError
        One of them cannot be opened, or the copy not be written.
    """
    open_private(target, "wb").close()
    shutil.copyfile(source, target)


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read (on POSIX), whole or not at all; ends of lines stay as they are.

    Raises
    ------
    OSError
        It cannot be written; the file is as it was.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def restore_private(path: Path, text: str) -> bool:
    """Write a file again that is not there, or holds another text; return whether it had to be.

    Raises
    ------
    OSError
        It can be neither read nor written.
    """
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = None
    if found == text.encode():
        return False
    write_private(path, text)
    return True


def warn_of_open_parents(path: Path) -> None:
    """Warn if others may take away a folder that is closed itself, because they may write into one above it."""
    for folder in path.resolve().parents:
        found = folder.stat()
        if _others_may_write(found) and not found.st_mode & stat.S_ISVTX:
            logger.warning(
                "Other users of this machine may write into %s, and so take %s away. Nobody else can read what is in "
                "it; but keep it where others cannot write.",
                folder,
                path,
            )
            return


def _others_may_write(found: os.stat_result) -> bool:
    if sys.platform == "win32":
        return False
    return bool(found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and _has_others(found.st_gid)))


def _has_others(group: int) -> bool:
    """Return whether a group may be more people than we are: many systems give everybody one of their own."""
    if sys.platform == "win32":
        return False
    try:
        known, we = grp.getgrgid(group), pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return True
    return known.gr_name != we or not set(known.gr_mem) <= {we}


def _can_be_lent(path: Path, found: os.stat_result) -> bool:
    """Return whether a folder that is not ours is as safe: root's, and nobody can take away what is another's."""
    others_may_replace = found.st_mode & _OTHERS_WRITE and not found.st_mode & stat.S_ISVTX
    return found.st_uid == 0 and not others_may_replace and os.access(path, os.W_OK | os.X_OK)


def _is_ours(found: os.stat_result) -> bool:
    return sys.platform == "win32" or found.st_uid == os.geteuid()


def _close(path: Path, found: os.stat_result, wanted: int) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if sys.platform == "win32" or mode == wanted:
        return
    try:
        path.chmod(wanted)
        is_closed = stat.S_IMODE(path.stat().st_mode) == wanted
    except OSError:
        is_closed = False
    if not is_closed:  # as on file systems that know no modes
        logger.warning(
            "%s is open to other users of this machine (mode %04o), and its file system does not let it be closed. "
            "Keep data of people elsewhere.",
            path,
            mode,
        )


def _wanted_of_folder(path: Path, found: os.stat_result) -> int:
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_ISVTX:
        return mode
    home = Path(os.path.expanduser("~")).resolve()
    return mode & ~(_OTHERS_WRITE if home.is_relative_to(path) else _OTHERS)


def _refuse_foreign_link(path: Path) -> None:
    """Refuse a path on which a link of another user's stands, who decides where it leads to."""
    for place in (path, *path.absolute().parents):
        if not place.is_symlink() or _is_ours(found := place.lstat()) or found.st_uid == 0:
            continue
        raise ConfigError(
            f"{path} cannot be used: {place} is a link of another user's ({_name_of(found)}), who decides where it "
            "leads to. Name the place itself, or one of your own."
        )


def _name_of(found: os.stat_result) -> str:
    if sys.platform == "win32":
        return "unknown"
    try:
        return pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return f"uid {found.st_uid}"
