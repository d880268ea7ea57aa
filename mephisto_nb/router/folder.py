"""The run's directory beside the store: what a router puts back there when somebody has cleaned it, and what it cannot.

Without its lock a living router would be taken for a dead one, and a second one would be started beside it; without
``router.json`` nobody would find it; without ``router_config.json`` it could not be started again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
import threading
from pathlib import Path

from filelock import FileLock, Timeout

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.router.config import RunFiles
from mephisto_nb.utils.machine import failure_of_folder, is_proven_alive, say_little_room, say_missing
from mephisto_nb.utils.private_files import FILE, FOLDER, restore_private, write_private
from mephisto_nb.utils.sqlite_files import identity_of

#: After so many looks in a row that find another router, this one gives way.
_LOOKS = 2
#: So many bytes take some room in every file system.
_BLOCK = 4096
#: So many files of a page are looked for, and so many are named.
_MOST_FILES, _MOST_NAMED = 500, 3

log = logging.getLogger(__name__)


class RunFolder:
    """Keeps the directory of one run as its router needs it.

    Parameters
    ----------
    files
        The files of the directory.
    lock
        The router's lock, held.

    Raises
    ------
    ConfigError
        The configuration cannot be read.
    """

    def __init__(self, files: RunFiles, lock: FileLock) -> None:
        self.files = files
        self._locks, self._locked = [lock], identity_of(files.lock)
        #: Whether no router was here before.
        self.is_new = not files.state.exists()
        try:
            self._config = files.config.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The router's configuration {files.config} cannot be read: {error}.") from error
        #: The files of the page, by their names below it.
        self._page = _names_below(files.site)[:_MOST_FILES]
        #: What ``router.json`` says of this router, and whether it is put back where it is missing.
        self._state: JSONObject = {}
        self._is_kept = False
        #: One at a time decides what ``router.json`` says; it is looked after beside the loop.
        self._writing = threading.Lock()
        self._seen_another = 0

    @property
    def is_lost(self) -> bool:
        """Whether another router has the lock of this directory, and keeps it: this one is not needed any more."""
        return self._seen_another >= _LOOKS

    def announce(self, state: JSONObject) -> None:
        """Write where the router is found, and keep it there. Raises `ConfigError`."""
        with self._writing:
            self._state, self._is_kept = state, True
            write_state(self.files.state, state)

    def leave(self, closed_at: float) -> None:
        """Write since when the run is over, and keep it there no longer: who removes it now wants the router to end.

        What another router has written stays. May be called in any thread. Raises `ConfigError`.
        """
        with self._writing:
            self._is_kept = False
            if not names_another(self.files.state):
                self._state = {"closed_at": closed_at, **self._state}
                write_state(self.files.state, self._state)

    def tend(self) -> tuple[str, str] | None:
        """Put back what is missing, or was replaced; return what to say of the rest, as its reason and its remedy.

        May be called in any thread, by one at a time.
        """
        if missing := say_missing(self.files.directory, "the run"):
            return missing
        found = self._look_at_lock()
        self._seen_another = self._seen_another + 1 if found else 0
        if found:
            return found  # what is there is that other one's
        with contextlib.suppress(OSError):  # told by `try_uploads`
            self.files.uploads.mkdir(mode=FOLDER, exist_ok=True)
        with contextlib.suppress(ConfigError, OSError):  # a disk that is full is told by itself
            self._restore(self.files.config, self._config)
            with self._writing:
                if self._is_kept:
                    self._restore(self.files.state, json.dumps(self._state))
        return self._look_at_page()

    def try_uploads(self) -> tuple[str, str] | None:
        """Store a small file as an upload is stored, which nobody sees; return what to say where that fails.

        May be called in any thread.
        """
        if failure_of_folder(self.files.directory) is not None:
            return None  # told by `tend`
        try:
            with tempfile.TemporaryFile(dir=self.files.uploads) as file:
                file.write(bytes(_BLOCK))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return say_no_uploads(self.files.uploads, error)
        return None

    def say_little_room(self, least: int) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
        """Return what to say where the disk of the directory, and that of uploads, have less than `least` bytes left.

        Of uploads only where they have a disk of their own.
        """
        directory, uploads = self.files.directory, self.files.uploads
        own, theirs = identity_of(directory), identity_of(uploads)
        is_other = own is not None and theirs is not None and own[0] != theirs[0]
        about_uploads = say_little_room(uploads, "files that workers upload", least) if is_other else None
        return say_little_room(directory, "the router", least), about_uploads

    def release(self) -> None:
        """Let go of the lock, and say before that this process is about to end: nobody need wait for it."""
        with self._writing, contextlib.suppress(ConfigError):
            self._is_kept = False
            state = read_state(self.files.state)
            if state.get("pid") == os.getpid():
                write_state(self.files.state, {**state, "born": ""})
        for lock in self._locks:
            lock.release()

    def _look_at_page(self) -> tuple[str, str] | None:
        site, remedy = self.files.site, "Pages that are open go on; who comes now gets none."
        if not os.path.isdir(site):
            reason = f"The page of the run, {site}, is not there any more: it was moved or removed."
            return reason, f"Put it back to where it was. {remedy}"
        missing = [name for name in self._page if not os.path.isfile(os.path.join(site, name))]
        if not missing:
            return None
        named = ", ".join(missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        reason = f"Files of the page of the run are not there any more: {named}{more}, of {site}."
        return reason, f"Put them back to where they were. {remedy}"

    def _look_at_lock(self) -> tuple[str, str] | None:
        if self._locked is not None and identity_of(self.files.lock) == self._locked:
            return None
        if not self.files.directory.is_dir():
            return None  # moved just now: a lock would make it anew, and nobody could move it back
        lock = FileLock(self.files.lock, mode=FILE, thread_local=False)  # another thread lets go of it
        try:
            lock.acquire(timeout=0)
        except Timeout:
            reason = f"Another router serves {self.files.directory} as well, since the lock of this one was removed."
            return reason, (
                f"This one, whose process is {os.getpid()}, ends by itself in a few seconds. Nothing of what it has "
                "acknowledged is lost."
            )
        except OSError:
            return None
        self._locks.append(lock)
        self._locked = identity_of(self.files.lock)
        log.warning("%s was taken away, and is held again.", self.files.lock)
        return None

    def _restore(self, path: Path, text: str) -> None:
        # A file of an earlier state of this folder names a process that may be a stranger's by now.
        if restore_private(path, text):
            log.warning("%s was taken away or replaced, and is written again.", path)


def say_no_uploads(folder: Path, error: OSError) -> tuple[str, str]:
    """Return what to say where the files that workers send cannot be stored, as its reason and its remedy."""
    why = (error.strerror or str(error)).rstrip(".")
    return f"The router cannot store the files that workers upload, in {folder}: {why}.", (
        "Look whether that folder is there and may be written to, and after its disk, quotas and limits. Workers are "
        "asked to try again, and their pages keep what they have; answers without files are taken."
    )


def _names_below(site: Path) -> list[str]:
    """Return the names of the files of a page, those first without which there is none."""
    found = [os.path.relpath(os.path.join(place, name), site) for place, _, names in os.walk(site) for name in names]
    return sorted(found, key=lambda name: (name != "index.html", name.count(os.sep), name))


def read_state(path: Path) -> JSONObject:
    """Return what a ``router.json`` says; nothing where there is none, or none that makes sense."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_state(path: Path, state: JSONObject) -> None:
    """Write a ``router.json``. Raises `ConfigError`."""
    try:
        write_private(path, json.dumps(state))
    except OSError as error:
        raise ConfigError(f"The router cannot write {path}: {error}.") from error


def names_another(path: Path) -> bool:
    """Return whether a ``router.json`` names another process, which lives for sure."""
    found = read_state(path)
    return found.get("pid") != os.getpid() and is_proven_alive(found)
