"""The gate for files and names from elsewhere: what leads out of its folder is refused by its name.

Folders of tasks, forms, bundles and old data come from other people. Within such a folder, names in files and
databases, and symbolic links, may lead anywhere on this computer. Whoever reads or copies any of it asks here first,
reads what was looked at and not what has taken its place since, and reads no more than a bound.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from mephisto_nb.errors import DataFileError
from mephisto_nb.utils.logging import HARMFUL

#: So many files and folders, and folders within folders, a folder from elsewhere has at most.
MOST_FILES, DEEPEST = 100_000, 40
#: So many bytes are read of one file that is read whole.
MOST_BYTES = 1_000_000_000
#: So many characters of what is no path are shown.
_SHOWN = 200
#: Names that Windows has given away.
GIVEN_AWAY = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


#: Paths that configurations from elsewhere have named, each with the folder which it may not lead out of.
_KEPT: dict[Path, Path] = {}


def keep_below(path: Path, root: Path) -> None:
    """Let nobody read this path, or what is below it, where it leads out of a folder by then; both are as they resolve.

    It is remembered here, since a setting is a text by the time it is read.
    """
    _KEPT[path] = root


def _kept_below(path: Path) -> Path | None:
    return next((_KEPT[one] for one in (path, *path.parents) if one in _KEPT), None)


def why_no_name(name: str) -> str:
    r"""Say why a text is no name of one file within its folder, on any system; '' where it is one.

    Examples
    --------
    >>> why_no_name("../a"), why_no_name("1234"), why_no_name("C:a"), why_no_name(".env")
    ('it leads to another folder', '', 'it holds a colon, as drives of Windows do', 'it is hidden')
    """
    if not name or name.strip(" .") == "" or any(mark in name for mark in "/\\"):
        return "it leads to another folder" if name else "it is empty"
    if HARMFUL.search(name):
        return "it holds control characters"
    if ":" in name:
        return "it holds a colon, as drives of Windows do"
    if GIVEN_AWAY.fullmatch(name) or name != name.rstrip(" ."):
        return "Windows takes it for something else"
    return "it is hidden" if name.startswith(".") else ""


def below(root: Path, name: str, what: str) -> Path:
    """Return the path of what a text from elsewhere names below a folder: a file, or a file in a folder there.

    Parameters
    ----------
    root
        The folder.
    name
        The text; its parts are divided by ``/``, and ``.`` is none.
    what
        What holds the text, for an error message.

    Raises
    ------
    DataFileError
        The text, or a link on the way, leads out of the folder; or to something hidden.
    """
    for part in [part for part in name.split("/") if part != "."] or [name]:
        if why := why_no_name(part):
            raise DataFileError(
                f"{what} names {name!r}, which is refused: {why}. What a file from elsewhere names has to lie below "
                f"{str(root)!r}. Put it there, and name it as it is called there."
            )
    return inside(root / name, root, what)


def inside(path: Path, root: Path, what: str, *, may_be_hidden: bool = False) -> Path:
    """Return where a path below a folder really leads, if that is below the folder, too.

    Parameters
    ----------
    path, root
        The path, and the folder.
    what
        What is read, for an error message.
    may_be_hidden
        It may lead to something hidden: whoever calls decides what becomes of it.

    Raises
    ------
    DataFileError
        It leads elsewhere, to something hidden by another name, or round in a circle.
    """
    try:
        real, home = path.resolve(), root.resolve()
        if real.is_symlink():  # Python 3.13 and later leave a circle as it is
            raise RuntimeError(f"{str(real)!r} is a link that leads round in a circle")
    except (OSError, RuntimeError, ValueError) as error:
        raise DataFileError(
            f"{what} holds {_shown(path, root)!r}, which leads nowhere: {error}. Take it out."
        ) from error
    if not real.is_relative_to(home):
        raise DataFileError(
            f"{what} holds {_shown(path, root)!r}, which leads to {str(real)!r}, out of {str(home)!r}. It is refused, "
            "so that nothing but that folder is read or published. Put the file itself there, or take the link out."
        )
    named = _parts_below(path, root, home)
    hidden = [part for part in real.relative_to(home).parts if part.startswith(".") and part not in named]
    if hidden and not may_be_hidden:
        raise DataFileError(
            f"{what} holds {_shown(path, root)!r}, which leads to what is hidden: {hidden[0]!r}. It is refused, for "
            "such files hold passwords. Put the file itself there, or take the link out."
        )
    return real


def _parts_below(path: Path, *roots: Path) -> tuple[str, ...]:
    """Return the names by which somebody has named what lies below a folder, without those of the folder."""
    whole, places = path.absolute(), [root.absolute() for root in roots]
    return next((whole.relative_to(place).parts for place in places if whole.is_relative_to(place)), ())


def holds_everything(folder: Path) -> bool:
    """Return whether a folder is nobody's task: the home folder, or that of the whole disk."""
    real = folder.resolve()
    return real in (Path.home().resolve(), Path(real.anchor))


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def refuse_special(path: Path, what: str) -> None:
    """Raise `DataFileError` for what is there and no file or folder: a pipe, a socket, a device."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):
        return  # that it is not there is said by whoever reads it
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise DataFileError(
            f"{what} holds {path.name!r}, which is {_KINDS.get(kind, 'no file')}: nobody knows what it gives when it "
            f"is read (looked at {str(path)!r}). Put a file there, or take it out."
        )


def named_file(path: str | os.PathLike[str], what: str) -> Path:
    """Return the file that a setting names, where it is one, and no link that leads out of the folder it lies in.

    What is not there is left for whoever reads it to tell.

    Raises
    ------
    DataFileError
        It is no path; a link out of its folder; or a pipe, a socket or a device.
    """
    file = as_path(path, what)
    if file.is_symlink():
        inside(file, file.parent, f"{what} is {str(path)!r}: {str(file.parent)!r}", may_be_hidden=True)
    refuse_special(file, what)
    return file


def as_path(path: str | os.PathLike[str], what: str) -> Path:
    """Return what a setting names as a path, whether it is there or not.

    Raises
    ------
    DataFileError
        No file can be called so on this computer, or nobody with the name behind ``~`` has a home here; or it has been
        named by a configuration from elsewhere, and leads out of its folder by now.
    """
    try:
        file = Path(path).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            file.lstat()
    except (OSError, RuntimeError, ValueError) as error:
        shown = f"{str(path)[:_SHOWN]!r}{' ...' if len(str(path)) > _SHOWN else ''}"
        raise DataFileError(f"{what} is {shown}, which cannot be looked up: {error}. Correct it.") from error
    if kept := _kept_below(file):
        inside(file, kept, what)
    return file


def read_bytes(path: Path, what: str, *, root: Path | None = None, most: int = MOST_BYTES) -> bytes:
    """Read a file whole: the one that was looked at, and no link that has taken its place since.

    Parameters
    ----------
    root
        The folder that it may not lead out of. None: whoever calls has named the file.
    most
        More bytes are not read.

    Raises
    ------
    DataFileError
        It leads out of `root`, is no file, or is too large.
    OSError
        It cannot be read.
    """
    with os.fdopen(_open(path, what, root), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise DataFileError(
            f"{what} holds {path.name!r}, which has more than {most:,} bytes: it is not read whole. Make it smaller."
        )
    return content


def _open(path: Path, what: str, root: Path | None) -> int:
    """Open a file: the one that was looked at below `root`, whatever becomes of links and folders meanwhile."""
    roots = [one for one in (root, _kept_below(root or path)) if one is not None]
    if not roots:
        return _open_file(path, path, what)
    real, home = [inside(path, one, what) for one in roots][-1], roots[-1].resolve()
    changed = f"{what} holds {path.name!r}, which has changed while it was read. Try again."
    try:
        if _OPENS_BELOW and real != home:
            return _open_below(real, home, what)
        descriptor = _open_file(real, real, what, _NO_LINK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise DataFileError(changed) from error
        raise
    if path.resolve() != real:
        os.close(descriptor)
        raise DataFileError(changed)
    return descriptor


#: Windows has neither of these.
_NO_LINK, _FOLDER = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0)
#: Whether a file can be opened from the folder that it lies in, and a link refused there.
_OPENS_BELOW = os.open in os.supports_dir_fd and bool(_NO_LINK and _FOLDER)


def _open_below(real: Path, home: Path, what: str) -> int:
    """Open what lies below a folder, one folder after the other from there on, none of which may be a link by now."""
    *folders, name = real.relative_to(home).parts
    folder = os.open(home, _FOLDER | os.O_CLOEXEC)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER | _NO_LINK | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        return _open_file(name, real, what, _NO_LINK, folder)
    finally:
        os.close(folder)


def _open_file(name: str | Path, path: Path, what: str, more_flags: int = 0, folder: int | None = None) -> int:
    # A pipe that nobody writes to would be waited for without O_NONBLOCK; Windows has neither of these.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(name, flags | more_flags, dir_fd=folder)
    try:
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind == stat.S_IFDIR:
            raise IsADirectoryError(errno.EISDIR, "Is a directory", str(path))
        if kind != stat.S_IFREG:
            raise DataFileError(f"{what} holds {path.name!r}, which is {_KINDS.get(kind, 'no file')}. Take it out.")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def copy_file(source: Path, target: Path, what: str, *, root: Path | None = None) -> None:
    """Copy a file, as `read_bytes` reads one, to a name that nothing has yet, neither with other capital letters.

    Raises
    ------
    DataFileError
        It leads out of `root`, or is no file; or the name is taken.
    OSError
        It cannot be read or written.
    """
    descriptor = _open(source, what, root)
    try:
        try:
            copy = target.open("xb")
        except FileExistsError as error:
            raise DataFileError(
                f"{what} holds {source.name!r}, and another file of that name, at most with other capital letters: "
                f"{str(target)!r} would be both. Rename one of them."
            ) from error
        try:
            with copy, os.fdopen(descriptor, "rb", closefd=False) as file:
                _copy(file, copy, os.fstat(descriptor).st_size)
        except _Changed as error:
            target.unlink()
            raise DataFileError(
                f"{what} holds {source.name!r}, which has changed while it was copied. Try again."
            ) from error
        except BaseException:
            target.unlink()
            raise
    finally:
        os.close(descriptor)


class _Changed(Exception):
    """What is copied has grown, or shrunk."""


def _copy(file: BinaryIO, target: BinaryIO, size: int) -> None:
    # What is written to all the while would fill the disk.
    while size > 0 and (piece := file.read(min(size, 1024 * 1024))):
        if piece.count(0) == len(piece):
            target.seek(len(piece), os.SEEK_CUR)  # a file with holes is a small one, and so is its copy
        else:
            target.write(piece)
        size -= len(piece)
    target.truncate()
    if size or file.read(1):
        raise _Changed


def files_below(folder: Path, what: str, endings: Collection[str]) -> Iterator[Path]:
    """Return the files of a folder whose names end so, without hidden ones, in order.

    Raises
    ------
    DataFileError
        One leads out of the folder, or is no file; or there are too many.
    """
    yield from _files_below(folder, folder, what, tuple(endings), Bound(what))


def _files_below(folder: Path, root: Path, what: str, endings: tuple[str, ...], bound: Bound) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        bound.count(path.relative_to(root))
        if entry.name.startswith("."):
            continue
        # A folder may be a link of another kind, as on Windows.
        is_folder = (entry.is_symlink() or entry.is_dir()) and inside(path, root, what).is_dir()
        if entry.is_symlink() and is_folder:
            continue  # all that is in there is found where it is
        if entry.is_dir():
            yield from _files_below(path, root, what, endings, bound)
        elif entry.name.lower().endswith(endings):
            refuse_special(path, what)
            yield path


class Bound:
    """Counts what is in a folder from elsewhere. Raises `DataFileError` where that is more than anybody can mean."""

    def __init__(self, what: str) -> None:
        self._what, self._found = what, 0

    def count(self, path: Path) -> None:
        """Count one more file or folder, of this path below the folder."""
        self._found += 1
        if self._found > MOST_FILES or len(path.parts) > DEEPEST:
            much = (
                f"more than {MOST_FILES:,} files" if self._found > MOST_FILES else f"over {DEEPEST} folders in folders"
            )
            raise DataFileError(
                f"{self._what} is a folder with {much} (at {path.as_posix()!r}). Set it to a folder that holds nothing "
                "but what is needed."
            )
