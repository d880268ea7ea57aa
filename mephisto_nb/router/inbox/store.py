"""The durable store: one SQLite database, one thread that writes, many waiting requests per COMMIT.

A step handed to `Store.run` is done when its transaction is on the disk (``synchronous=FULL``), in a file that has its
name, and not before. What a step changed is then mirrored in memory, on the loop, so that reading it never waits for
the disk. What fails is told by `Store.troubles` until it is well again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import queue
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from mephisto_nb.errors import ClosedError, ConfigError, DatabaseError
from mephisto_nb.router.inbox import numbers
from mephisto_nb.router.inbox.writes import SCHEMA, SCHEMA_VERSION, UPGRADES, Outgoing, Txn, agent_of, read_marks
from mephisto_nb.router.rules import KnownAgent, UnsureError
from mephisto_nb.utils.machine import MachineTrouble, MachineTroubles, read_troubles, write_troubles
from mephisto_nb.utils.private_files import make_private_database
from mephisto_nb.utils.sqlite_files import KEEP_LONG, FileInPlace, finish_put_back, put_back

_MAX_BATCH = 500
#: How long another program that writes is waited for (seconds): nobody but this process has a reason to.
_BUSY_TIMEOUT = 2.0
#: What fails for all alike, and what may fail for a large step alone, as SQLite calls it.
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DEPENDS_ON_SIZE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
#: The key of what is told when nothing can be stored.
STORE_FAILS = "router store"

log = logging.getLogger(__name__)

T = TypeVar("T")
Step = Callable[[Txn], T]


@dataclass(slots=True)
class Mirror:
    """The agents, and the live updates that no browser has confirmed yet, as they are on the disk.

    `stored` is how many bytes each agent had stored when the database was opened.
    """

    agents: dict[str, KnownAgent] = field(default_factory=dict)
    outbox: dict[str, dict[int, Outgoing]] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)

    def follow(self, txn: Txn) -> None:
        """Take over what a committed step changed."""
        for agent in txn.agents:
            self.agents[agent.agent_id] = agent
        for outgoing in txn.outgoing:
            self.outbox.setdefault(outgoing.agent_id, {})[outgoing.id] = outgoing
        for agent_id, ids in txn.dropped:
            self.drop(agent_id, ids)

    def drop(self, agent_id: str, ids: set[int]) -> None:
        """Forget live updates that a browser has."""
        waiting = self.outbox.get(agent_id, {})
        for id_ in ids:
            waiting.pop(id_, None)
        if not waiting:
            self.outbox.pop(agent_id, None)


@dataclass(slots=True, eq=False)
class _QueuedStep(Generic[T]):
    step: Step[T]
    future: asyncio.Future[T]
    on_commit: Callable[[T], None] | None = None
    txn: Txn | None = None
    result: T | None = None
    error: Exception | None = None
    is_committed: bool = False


class Store:
    """The router's inbox, outbox and agents.

    Use `open`, then `start` on the loop, and `close` at the end.

    Parameters
    ----------
    path
        The database; `open` prepares it.
    on_message
        Called on the loop after a commit that added messages to the inbox.

    Attributes
    ----------
    mirror
        What is on the disk, for reading. Changed on the loop only, before the step's caller goes on.
    troubles
        Why nothing can be stored, if so; and what was mended.
    """

    def __init__(self, path: Path, on_message: Callable[[], None]) -> None:
        self.mirror, self.troubles = Mirror(), MachineTroubles()
        #: The largest step that failed while smaller ones may do well (characters of text); 0: none.
        self.failed_size = 0
        #: When a router of this run was last here (epoch seconds), as far as is written; None: there was none.
        self.last_here: float | None = None
        self._place, self._on_message = FileInPlace(path), on_message
        self._db = self._connect()
        self._jobs: queue.SimpleQueue[_QueuedStep[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="router-store", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._on_trouble: Callable[[], None] = lambda: None
        #: The troubles of which `_on_trouble` knows.
        self._told: tuple[MachineTrouble, ...] = ()
        #: What was committed into a file without a name, and said to have failed. The writer's thread's own.
        self._unsure: list[_QueuedStep[Any]] = []
        self._settled: list[_QueuedStep[Any]] = []

    @classmethod
    def open(cls, path: Path, run_id: str, on_message: Callable[[], None] = lambda: None) -> Store:
        """Open or make the database at `path`.

        Raises
        ------
        ConfigError
            It cannot be opened, belongs to another run, or was written by a newer version.
        """
        try:
            finish_put_back(path)
            store = cls(path, on_message)
            store._prepare(run_id)
            store._place.wrote()
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(f"The router's database {path} cannot be opened: {error}.") from error
        return store

    def start(self, on_trouble: Callable[[], None] = lambda: None) -> None:
        """Start the writer's thread; from now on `run` may be used on the running loop.

        `on_trouble` is called there after each failure, and once all is well again.
        """
        self._on_trouble = on_trouble
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def run(self, step: Step[T], on_commit: Callable[[T], None] | None = None) -> T:
        """Run a step in a transaction, and return its result once that is committed.

        Parameters
        ----------
        step
            What to do.
        on_commit
            Called on the loop with the result, even if the caller was cancelled meanwhile; and, after an
            `UnsureError`, as soon as it is sure.

        Raises
        ------
        DatabaseError
            It could not be committed (the disk is full, say); nothing of the step remains, unless it is an
            `UnsureError`.
        UnsureError
            It was committed, and the file has lost its name meanwhile: the step may come back with it.
        InboxClosed
            The step posts a message, and the run is over.
        """
        if self._closed or self._loop is None:
            raise ClosedError("The router's store is not open: it was closed, or never started.")
        job: _QueuedStep[T] = _QueuedStep(step, self._loop.create_future(), on_commit)
        self._jobs.put(job)
        return await job.future

    @property
    def fails(self) -> bool:
        """Whether it is known, and told, why something cannot be stored."""
        return any(not trouble.is_past for trouble in self.troubles.all())

    def agent(self, agent_id: str) -> KnownAgent | None:
        """Return an agent as it is on the disk; None where there is none of this id."""
        return self.mirror.agents.get(agent_id)

    async def close(self) -> None:
        """Commit what was handed in, then close the database. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)
            self._stay_in_place()  # what was acknowledged is found by the next router
        self._db.close()

    def _connect(self) -> sqlite3.Connection:
        # Made by whoever opens the store, and used by the writer's thread alone from `start` on.
        make_private_database(self._place.path)
        with contextlib.ExitStack() as stack:
            db = sqlite3.connect(self._place.path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT)
            stack.callback(db.close)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA {KEEP_LONG}")
            if sys.platform == "darwin":
                # There, fsync alone leaves the data in the drive's cache.
                db.execute("PRAGMA fullfsync = 1")
            self._place.remember(db)
            stack.pop_all()
        return db

    def _prepare(self, run_id: str) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise ConfigError(f"The router's database has schema {version}; this version knows {SCHEMA_VERSION}.")
        # A new database has none, and is at 0.
        upgrades = " ".join(UPGRADES[step] for step in range(version, SCHEMA_VERSION) if version)
        schema = f"{SCHEMA} {numbers.SCHEMA} {upgrades}"
        self._db.executescript(f"BEGIN; {schema} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('run_id', ?)", (run_id,))
        owner = self._db.execute("SELECT value FROM meta WHERE key = 'run_id'").fetchone()[0]
        if owner != run_id:
            raise ConfigError(f"The router's database belongs to run {owner!r}, not to run {run_id!r}.")
        numbers.open_era(self._db)
        # A run that is over may be gone on with; and what was tried out may be left of a router that was killed.
        self._db.execute("DELETE FROM meta WHERE key IN ('closed', 'trial')")
        self._load()

    def _load(self) -> None:
        txn = Txn(self._db)
        rows = self._db.execute("SELECT agent_id, status, submitted, linked, person FROM agents")
        txn.agents = [agent_of(row) for row in rows]
        rows = self._db.execute("SELECT id, agent_id, update_id, packet FROM outbox ORDER BY id")
        txn.outgoing = [Outgoing(*row) for row in rows]
        self.mirror.follow(txn)
        here = self._db.execute("SELECT value FROM meta WHERE key = 'last_here'").fetchone()
        self.last_here = None if here is None else float(here[0])
        told = self._db.execute("SELECT value FROM meta WHERE key = 'troubles'").fetchone()
        self.troubles.recall(() if told is None else read_troubles(json.loads(told[0])))
        self.mirror.stored = dict(self._db.execute("SELECT owner, bytes FROM stored").fetchall())

    # The writer's thread

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch = [job, *self._more()]
            self._commit(batch)
            settled, self._settled = self._settled, []
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._deliver, batch, settled)

    def _more(self) -> list[_QueuedStep[Any]]:
        batch: list[_QueuedStep[Any]] = []
        while len(batch) < _MAX_BATCH:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            batch.append(job)
        return batch

    def _commit(self, batch: list[_QueuedStep[Any]]) -> None:
        try:
            self._transaction(batch)
        except Exception as error:  # noqa: BLE001 — what a step raises is its caller's; the thread has to live on
            if batch[0].is_committed:  # to do it again would do it twice
                self._be_unsure(batch, error)
                return
            if len(batch) == 1 or _code_of(error) in _LOCKED:  # each of them would wait as long
                for job in batch:
                    job.error = error
                self._note_failure(error, sum(job.txn.size for job in batch if job.txn is not None))
                return
            # One of them spoils it for all: each gets a transaction of its own.
            for job in batch:
                self._commit([job])

    def _transaction(self, batch: list[_QueuedStep[Any]]) -> None:
        moved = self._stay_in_place()
        before = self._db.total_changes
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for job in batch:
                job.txn = Txn(self._db)
                job.result = job.step(job.txn)
            has_written = self._db.total_changes != before
            if moved is not None and (has_written or self._unsure):
                # Reading does no harm in a file without a name, unless it tells of what may vanish with it.
                raise moved
            self._db.execute("COMMIT")
        except Exception as error:
            # After some errors, such as a full disk, SQLite has rolled back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if moved is not None and isinstance(error, sqlite3.Error):
                raise moved from error  # which says why
            raise
        for job in batch:
            job.is_committed = True
        if has_written:
            if moved is None:
                self._place.wrote()
            # Its name may have been taken away since we looked: what is not sure to be found again is not acknowledged.
            self._acknowledge(batch, self._stay_in_place())

    def _acknowledge(self, batch: list[_QueuedStep[Any]], moved: DatabaseError | None) -> None:
        if moved is None:
            if sum(job.txn.size for job in batch if job.txn is not None) >= self.failed_size:
                self.failed_size = 0
                self.troubles.clear(STORE_FAILS)
        else:
            self._be_unsure(batch, moved)

    def _be_unsure(self, batch: list[_QueuedStep[Any]], error: Exception) -> None:
        """Acknowledge nothing of what was committed, until the file is found in its place again."""
        self._unsure += batch
        for job in batch:
            job.error = UnsureError(str(error), job.result)
            job.error.__cause__ = error
        self._note_failure(error if isinstance(error, DatabaseError | sqlite3.Error) else DatabaseError(str(error)))

    def _stay_in_place(self) -> DatabaseError | None:
        """Put the database back to its path, if it is no longer there; return why it could not be."""
        if self._place.look() is None:
            self._be_sure()
            return None
        try:
            if (done := put_back(self._db, self._place, read_marks)) is None:
                self._be_sure()
                return None
            before, self._db = self._db, self._connect()
            before.close()
        except DatabaseError as error:
            return error
        except (sqlite3.Error, OSError, ConfigError) as error:
            return DatabaseError(f"{self._place.path} was put back, and cannot be opened: {error}.")
        self._be_sure()
        self.troubles.remark(STORE_FAILS, *done)
        with contextlib.suppress(sqlite3.Error):  # for an operator who comes when this router is gone
            told = json.dumps(write_troubles(self.troubles.past))
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('troubles', ?)", (told,))
            self._place.wrote()
        log.warning("%s", " ".join(done))
        return None

    def _be_sure(self) -> None:
        self._settled += self._unsure
        self._unsure = []

    def _note_failure(self, error: Exception, size: int = 0) -> None:
        if _code_of(error) in _DEPENDS_ON_SIZE:
            self.failed_size = max(size, self.failed_size)
        if isinstance(error, sqlite3.Error | DatabaseError):
            reason = f"The router cannot store what workers send: {error}".rstrip(".")
            remedy = f"{_remedy(error)} Workers are asked to try again, and their pages keep what they have.".lstrip()
            self.troubles.note(STORE_FAILS, f"{reason}.", remedy)

    # On the loop

    def _deliver(self, batch: list[_QueuedStep[Any]], settled: list[_QueuedStep[Any]]) -> None:
        committed = [job.txn for job in batch if job.is_committed and job.txn is not None]
        for txn in committed:
            self.mirror.follow(txn)
        for job in settled:  # their callers have gone on; what follows from them is still to be done
            _act(job)
        for job in batch:
            if job.is_committed and job.error is None:
                _act(job)
            _resolve(job)
        if any(txn.added for txn in committed):
            self._on_message()
        if (troubles := self.troubles.all()) != self._told:
            self._told = troubles
            self._on_trouble()


def _act(job: _QueuedStep[Any]) -> None:
    if job.on_commit is not None:
        job.on_commit(job.result)


def _code_of(error: Exception) -> int | None:
    """Return which kind of failure SQLite has met; None: it is not SQLite's."""
    code = getattr(error, "sqlite_errorcode", None) if isinstance(error, sqlite3.Error) else None
    return None if code is None else int(code) & 0xFF  # without what it says of the details


def _remedy(error: Exception) -> str:
    if isinstance(error, DatabaseError):
        return ""  # it says so itself
    if _code_of(error) in _LOCKED:
        culprit = "Another program, a viewer of databases perhaps, has locked inbox.db in the run's directory"
        return f"{culprit}: close it, and it goes on by itself."
    if "full" in str(error):
        return "Make room on its disk: it goes on by itself."
    if "readonly" in str(error):
        return "Let its directory be written to again: it goes on by itself."
    if _code_of(error) == sqlite3.SQLITE_IOERR:
        return "Look after its disk, its quotas, and how large its files may be: it goes on by itself."
    return "The router's log says more. It goes on by itself once it can."


def _resolve(job: _QueuedStep[Any]) -> None:
    if job.future.done():
        return
    if isinstance(job.error, sqlite3.Error):
        error = DatabaseError(f"The router's database could not be written: {job.error}.")
        error.__cause__ = job.error
        job.future.set_exception(error)
    elif job.error is not None:
        job.future.set_exception(job.error)
    else:
        job.future.set_result(job.result)
