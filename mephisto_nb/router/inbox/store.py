"""The durable store: one SQLite database, one thread that writes, many waiting requests per COMMIT.

A step handed to `Store.run` is done when its transaction is on the disk (``synchronous=FULL``), and not before.
What a step changed is then mirrored in memory, on the loop, so that reading it never waits for the disk.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from mephisto_nb.errors import ClosedError, ConfigError, DatabaseError
from mephisto_nb.router.inbox.writes import SCHEMA, SCHEMA_VERSION, UPGRADES, Outgoing, Txn, agent_of
from mephisto_nb.router.rules import KnownAgent

_MAX_BATCH = 500

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


class Store:
    """The router's inbox, outbox and agents.

    Use `open`, then `start` on the loop, and `close` at the end.

    Parameters
    ----------
    db
        The database; `open` prepares it.
    on_message
        Called on the loop after a commit that added messages to the inbox.

    Attributes
    ----------
    mirror
        What is on the disk, for reading. Changed on the loop only, before the step's caller goes on.
    """

    def __init__(self, db: sqlite3.Connection, on_message: Callable[[], None]) -> None:
        self.mirror = Mirror()
        #: When a router of this run was last here (epoch seconds), as far as is written; None: there was none.
        self.last_here: float | None = None
        self._db, self._on_message = db, on_message
        self._jobs: queue.SimpleQueue[_QueuedStep[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="router-store", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @classmethod
    def open(cls, path: Path, run_id: str, on_message: Callable[[], None] = lambda: None) -> Store:
        """Open or make the database at `path`.

        Raises
        ------
        ConfigError
            It cannot be opened, belongs to another run, or was written by a newer version.
        """
        try:
            # The connection is made here and used by the writer's thread alone from `start` on.
            store = cls(sqlite3.connect(path, isolation_level=None, check_same_thread=False), on_message)
            store._prepare(run_id)
        except sqlite3.Error as error:
            raise ConfigError(f"The router's database {path} cannot be opened: {error}.") from error
        return store

    def start(self) -> None:
        """Start the writer's thread; from now on `run` may be used on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def run(self, step: Step[T], on_commit: Callable[[T], None] | None = None) -> T:
        """Run a step in a transaction, and return its result once that is committed.

        Parameters
        ----------
        step
            What to do.
        on_commit
            Called on the loop with the result, even if the caller was cancelled meanwhile.

        Raises
        ------
        DatabaseError
            It could not be committed (the disk is full, say); nothing of the step remains.
        InboxClosed
            The step posts a message, and the run is over.
        """
        if self._closed or self._loop is None:
            raise ClosedError("The router's store is not open: it was closed, or never started.")
        job: _QueuedStep[T] = _QueuedStep(step, self._loop.create_future(), on_commit)
        self._jobs.put(job)
        return await job.future

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
        self._db.close()

    def _prepare(self, run_id: str) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if sys.platform == "darwin":
            # There, fsync alone leaves the data in the drive's cache.
            self._db.execute("PRAGMA fullfsync = 1")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise ConfigError(f"The router's database has schema {version}; this version knows {SCHEMA_VERSION}.")
        # A new database has none, and is at 0.
        upgrades = " ".join(UPGRADES[step] for step in range(version, SCHEMA_VERSION) if version)
        self._db.executescript(f"BEGIN; {SCHEMA} {upgrades} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('run_id', ?)", (run_id,))
        owner = self._db.execute("SELECT value FROM meta WHERE key = 'run_id'").fetchone()[0]
        if owner != run_id:
            raise ConfigError(f"The router's database belongs to run {owner!r}, not to run {run_id!r}.")
        # Those who asked for an agent went away with the router that they asked; their pages ask again.
        self._db.execute("DELETE FROM inbox WHERE packet_type = 'register_agent'")
        self._db.execute("DELETE FROM meta WHERE key = 'closed'")  # a run that is over may be gone on with
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
        self.mirror.stored = dict(self._db.execute("SELECT owner, bytes FROM stored").fetchall())

    # The writer's thread

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch = [job, *self._more()]
            self._commit(batch)
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._deliver, batch)

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
            if len(batch) == 1:
                batch[0].error = error
                return
            # One of them spoils it for all: each gets a transaction of its own.
            for job in batch:
                self._commit([job])

    def _transaction(self, batch: list[_QueuedStep[Any]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for job in batch:
                job.txn = Txn(self._db)
                job.result = job.step(job.txn)
            self._db.execute("COMMIT")
        except Exception:
            # After some errors, such as a full disk, SQLite has rolled back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # On the loop

    def _deliver(self, batch: list[_QueuedStep[Any]]) -> None:
        committed = [job.txn for job in batch if job.error is None and job.txn is not None]
        for txn in committed:
            self.mirror.follow(txn)
        for job in batch:
            if job.error is None and job.on_commit is not None:
                job.on_commit(job.result)
            _resolve(job)
        if any(txn.added for txn in committed):
            self._on_message()


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
