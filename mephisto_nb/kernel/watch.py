"""What a kernel sees of its own machine while it drives a run: the database's file, the run's directory, the disk.

It looks every few seconds, so that what fails is known although nobody comes just then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mephisto_nb.errors import ClosedError, DatabaseError
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread
from mephisto_nb.ports.database import Database
from mephisto_nb.utils.logging import get_logger, tell
from mephisto_nb.utils.machine import (
    MachineTrouble,
    MachineTroubles,
    device_of,
    say_few_files,
    say_little_room,
    say_missing,
)
from mephisto_nb.utils.private_files import restore_private
from mephisto_nb.utils.sqlite_files import identity_of

logger = get_logger(__name__)

#: How often we look (seconds).
LOOK_EVERY = 4.0
#: How long the database may take to answer before that is told (seconds).
_PATIENCE = 4.0


class MachineWatch:
    """Looks after what one run stands on in this kernel.

    Parameters
    ----------
    directory
        The run's own directory.
    lock
        The run's lock, held: without it another kernel would take up the run as well.
    kept
        Small files that are written again when they are gone, or hold something else.
    database, writer
        Where the run is kept; the writer's thread tries it out.
    spawn
        Starts a task beside the run.
    """

    def __init__(
        self,
        directory: Path,
        lock: FileLock,
        kept: Sequence[Path],
        database: Database,
        writer: DatabaseWriter,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._directory, self._database, self._writer = directory, database, writer
        self._spawn = spawn
        self._locks, self._locked = [lock], identity_of(Path(lock.lock_file))
        self._kept = {path: path.read_text("utf-8", "replace") for path in kept if path.exists()}
        self._own = MachineTroubles()
        self._told: tuple[MachineTrouble, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        #: What is being done now, of `look` and `try_database`.
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: Called when something else is wrong than before.
        self.listeners: list[Callable[[], None]] = []

    @property
    def troubles(self) -> tuple[MachineTrouble, ...]:
        """What is wrong on this machine, and what was."""
        return (*self._database.troubles, *self._own.all())

    def begin(self) -> None:
        """Begin to look."""
        # Two tasks: the database may take long (another process is writing, say), and the rest is looked at meanwhile.
        for name, work in (("look", self.look), ("database", self.try_database)):
            if name not in self._tasks or self._tasks[name].done():
                with contextlib.suppress(ClosedError):
                    self._tasks[name] = self._spawn(work())
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self.begin)

    def end(self) -> None:
        """Look no longer."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks.values():
            task.cancel()
        self.release()

    def release(self) -> None:
        """Let go of the locks that were taken again here. Called alone once the loop has ended."""
        for lock in self._locks[1:]:  # the first is another's
            lock.release()
        del self._locks[1:]

    async def look(self) -> None:
        """Look once at everything but the database, and tell what has changed."""
        self._own.say("kernel files", say_few_files("This kernel"))
        missing = await in_thread(say_missing, self._directory, "the run")
        self._own.say("kernel directory", missing)
        if missing is None:
            other = self._look_at_lock()
            self._own.say("kernel lock", other)
            if other is None:  # else what is there is that other one's
                await in_thread(self._restore)
        self._own.say("kernel disk", await in_thread(say_little_room, self._directory, "the run"))
        self._own.say("database disk", await in_thread(_say_little_room_for, self._database.directory, self._directory))
        self._tell()

    async def try_database(self) -> None:
        """See once whether the database can be written, and tell what has changed."""
        with contextlib.suppress(DatabaseError, ClosedError):  # the database tells of the one, the other is no trouble
            await self._look_at_database()
        self._tell()

    async def _look_at_database(self) -> None:
        looking = asyncio.ensure_future(self._writer.look_after())
        try:
            if not (await asyncio.wait({looking}, timeout=_PATIENCE))[0]:
                reason = f"The database has not answered for {_PATIENCE:g} seconds: nothing new is stored."
                remedy = "Look whether a program keeps it, and after its disk or server: the run goes on by itself."
                self._own.note("database answers", reason, remedy)
                self._tell()
            await looking
        finally:
            looking.cancel()
            self._own.clear("database answers")

    def _look_at_lock(self) -> tuple[str, str] | None:
        path = Path(self._locks[0].lock_file)
        if not self._locks[0].is_locked or identity_of(path) == self._locked:
            return None
        if not path.parent.is_dir():
            return None  # moved just now: a lock would make it anew, and nobody could move it back
        lock = FileLock(path, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            reason = "Another kernel drives this run as well, since the lock of this one was removed."
            return reason, "Let go of it in one of the two: await operator.detach()."
        except OSError:
            return None  # a disk that is full is told by itself
        self._locks.append(lock)
        self._locked = identity_of(path)
        logger.warning("%s was taken away, and is held again.", path)
        return None

    def _restore(self) -> None:
        for path, text in self._kept.items():
            with contextlib.suppress(OSError):
                if restore_private(path, text):
                    logger.warning("%s was taken away or replaced, and is written again.", path)

    def _tell(self) -> None:
        now = self.troubles
        if now == self._told:
            return
        known = {(trouble.what, trouble.since) for trouble in self._told}
        self._told = now
        for trouble in now:
            if (trouble.what, trouble.since) not in known:
                logger.warning("%s", trouble)
        tell(self.listeners)


def _say_little_room_for(database: Path | None, directory: Path) -> tuple[str, str] | None:
    """Return what to say where a database has another disk than the run's directory, which is nearly full."""
    if database is None:
        return None
    if device_of(database) in (None, device_of(directory)):  # one that is not there is told by itself
        return None
    found = say_little_room(database, "the database")
    remedy = "Make room there. Once it is full nothing new is stored, and what workers send waits in the router."
    return found and (found[0], remedy)
