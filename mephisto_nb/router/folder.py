"""The run's directory beside the store: what a router puts back there when somebody has cleaned it, and what it cannot.

Without its lock a living router would be taken for a dead one, and a second one would be started beside it; without
``router.json`` nobody would find it; without ``router_config.json`` it could not be started again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from pathlib import Path

from filelock import FileLock, Timeout

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.router.config import RunFiles
from mephisto_nb.utils.machine import say_missing
from mephisto_nb.utils.private_files import restore_private, write_private
from mephisto_nb.utils.sqlite_files import identity_of

#: After so many looks in a row that find another router, this one gives way.
_LOOKS = 2

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
        try:
            self._config = files.config.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The router's configuration {files.config} cannot be read: {error}.") from error
        self._state: str | None = None
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
            self._state = json.dumps(state)
            self._write(self.files.state, self._state)

    def leave(self, state: JSONObject) -> None:
        """Write it for the last time: who removes it from now on wants the router to end. Raises `ConfigError`."""
        with self._writing:
            self._state = None
            self._write(self.files.state, json.dumps(state))

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
        with contextlib.suppress(ConfigError, OSError):  # a disk that is full is told by itself
            self.files.uploads.mkdir(mode=0o700, exist_ok=True)
            self._restore(self.files.config, self._config)
            with self._writing:
                if self._state is not None:
                    self._restore(self.files.state, self._state)
        if not os.path.isdir(self.files.site):
            reason = f"The page of the run, {self.files.site}, is not there any more: it was moved or removed."
            return reason, "Put it back to where it was. Pages that are open go on; who comes now gets none."
        return None

    def release(self) -> None:
        """Let go of the lock, and say before that this process is about to end: nobody need wait for it."""
        with self._writing, contextlib.suppress(OSError, ValueError):
            state = json.loads(self.files.state.read_bytes())
            if isinstance(state, dict) and state.get("pid") == os.getpid():
                write_private(self.files.state, json.dumps({**state, "born": ""}))
        self._state = None
        for lock in self._locks:
            lock.release()

    def _look_at_lock(self) -> tuple[str, str] | None:
        if self._locked is not None and identity_of(self.files.lock) == self._locked:
            return None
        if not self.files.directory.is_dir():
            return None  # moved just now: a lock would make it anew, and nobody could move it back
        lock = FileLock(self.files.lock, mode=0o600, thread_local=False)  # another thread lets go of it
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

    @staticmethod
    def _write(path: Path, text: str) -> None:
        try:
            write_private(path, text)
        except OSError as error:
            raise ConfigError(f"The router cannot write {path}: {error}.") from error
