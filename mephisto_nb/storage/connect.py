"""Connections to SQLite and PostgreSQL: how they are opened, brought to today's schema, and how errors are told."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

from alembic import command
from alembic.config import Config
from filelock import FileLock
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from mephisto_nb.errors import ClosedError, ConfigError, ConflictError, DatabaseError, SchemaVersionError
from mephisto_nb.model.changes import Guard
from mephisto_nb.utils.extras import needs
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.machine import MachineTroubles
from mephisto_nb.utils.private_files import FILE, make_private_database
from mephisto_nb.utils.sqlite_files import CUT_SHORT, KEEP_LONG, FileInPlace, data_version, holds_at_least, put_back
from mephisto_nb.utils.sqlite_heads import count_in_file, count_in_part, uses_wal

#: How long SQLite waits for another process that is writing, in seconds.
BUSY_TIMEOUT = 30.0
#: The key of what is told when nothing can be stored.
_FAILS = "database"
#: How long after a commit of another process what it has committed is written to the file itself (seconds).
_OTHERS_WRITE = 60.0
#: When a server that does not answer is given up: settings of libpq, in seconds (the last: milliseconds).
_SERVER_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
#: By which number those take turns on a server whose commits have a guard.
_TURN = 0x6D6E625F67
#: Commits are counted from 0 to this, and then from 0 again.
_MOST_COUNTED = 2**31

logger = get_logger(__name__)


class Connections:
    """The connections to one database, shared by its parts: one that writes, from one thread, and some that read.

    Parameters
    ----------
    url
        As `SQLDatabase` takes it.

    Raises
    ------
    ConfigError
        The URL cannot be read, or its driver is missing.
    """

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self.writer = make_engine(self.url, for_writing=True)
        self.reader = make_engine(self.url, for_writing=False)
        #: Why nothing can be stored, if so; and what was mended.
        self.troubles = MachineTroubles()
        self._place = _place_of(self.url)
        #: What tells that other processes have committed something, and when that was last seen (monotonic seconds).
        self._version: int | None = None
        self._others_wrote = -math.inf
        #: How many commits the file itself held when it was last ours, and how far it had come then.
        self._count: int | None = None
        self._marks: dict[str, int] | None = None
        if self._place is not None:
            event.listen(self.writer, "connect", self._remember_place)
        self._is_closed = False

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    @property
    def directory(self) -> Path | None:
        """The folder of an SQLite file; None of a server."""
        return None if self._place is None else self._place.path.parent

    @contextmanager
    def writing(self, what: str, guard: Guard | None = None) -> Iterator[Connection]:
        """Open a transaction that writes; `what` is for errors, which are ours (`told_plainly`).

        A `guard` is asked before anything is written. What it reads is all that others have committed, and of those who
        have a guard nobody commits until this transaction has: an SQLite file has one writer at a time, and on a server
        they take turns. What is written there without a guard may be committed while the guard reads.

        What it has written is in a file that has its name, or it raises `DatabaseError`. That is no proof that nothing
        was stored: a commit may be found again with its file, or have reached a server that could not say so. So what
        is written again after an error has to be something that may be there already.
        """
        self._check_open(what)
        with told_plainly(what, self.url):
            self._stay_in_place()
            with self.writer.begin() as connection:
                # Here nobody else can put the file back, and what follows is in it if it was put back before.
                if self._place is not None and (fate := self._fate(connection)):
                    raise DatabaseError(f"{what} failed: {self._place.path} was {fate} just now. Try again.")
                if guard is not None:
                    if self._place is None:
                        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")
                    guard()
                self._count_commit(connection)
                yield connection
            self.wrote()
            self._stay_in_place()

    @contextmanager
    def reading(self, what: str) -> Iterator[Connection]:
        """Open a connection to read from; `what` is for errors, which are ours (`told_plainly`)."""
        self._check_open(what)
        with told_plainly(what, self.url), self.reader.connect() as connection:
            yield connection

    def try_out(self) -> None:
        """See whether an SQLite file can be written, or a server answers. Raises `DatabaseError`."""
        if self._is_closed:
            return
        try:
            with self.writing("Looking after the database") as connection:
                if self._place is None:
                    connection.exec_driver_sql("SELECT 1")  # to a file it is written that there was a commit
        except DatabaseError as error:
            verb, remedy = ("used", "Look after the server, and the network that it is reached by")
            if self._place is not None:
                verb, remedy = "written", "Make it writable"
            self.troubles.note(
                _FAILS,
                f"The database cannot be {verb}: {str(error).rstrip('.')}.",
                f"{remedy}: the run goes on by itself. Workers' answers wait in the router until then.",
            )
            raise
        self.troubles.clear(_FAILS)

    def _remember_place(self, connection: Any, _record: object) -> None:
        if self._place is not None:
            self._place.remember(connection)
            self._version = data_version(connection)
            self._count = self._marks = None

    def _count_commit(self, connection: Connection) -> None:
        """Let the head of an SQLite file say that it has come further, which an older state of it does not."""
        if self._place is not None:
            count = connection.exec_driver_sql("PRAGMA user_version").scalar() or 0
            connection.exec_driver_sql(f"PRAGMA user_version = {(count + 1) % _MOST_COUNTED}")

    def wrote(self) -> None:
        """Note that what was written to an SQLite file until now was written by those whose it is.

        Where the file has come less far than before, it was not, and nothing is noted.
        """
        if self._place is not None and (self._marks is None or self._place.look() == "overwritten"):
            with self.writer.connect() as connection:
                connection.begin()  # nobody else writes meanwhile
                if self._marks is None:
                    self._version = data_version(_driver_of(connection))  # it may have been brought to WAL mode since
                self._take(self._place, connection)

    def _take(self, place: FileInPlace, connection: Connection) -> bool:
        """Note that the file is as it should be, and how far it has come; return False if it has come less far."""
        count = count_in_file(place.path)
        if count is None and _is_whole(connection):  # a full disk cuts short what SQLite writes to it after a commit
            count = count_in_part(place.path)
        if count is None or (self._count is not None and _is_earlier(count, self._count)):
            return False
        marks = _marks_of(connection)
        if marks is None:
            return False
        self._count, self._marks = count, marks
        place.wrote()
        return True

    def _fate(self, connection: Connection) -> str | None:
        """Return what has become of the file, to which others may write as well: soon after a commit of theirs."""
        if self._place is None:
            return None
        version = data_version(_driver_of(connection))
        if self._version != version:
            self._others_wrote = time.monotonic()
        self._version = version
        fate = self._place.look()
        is_recent = time.monotonic() < self._others_wrote + _OTHERS_WRITE
        if fate == "overwritten" and is_recent and self._take(self._place, connection):
            return self._place.look()  # at what is beside it, too
        return fate

    def _stay_in_place(self) -> None:
        """Put the file back to its path, if it is no longer there. Raises `DatabaseError`."""
        if self._place is not None and self._place.look() is not None:
            with told_plainly(f"Putting {self._place.path} back", self.url):
                self._put_back(self._place)

    def _put_back(self, place: FileInPlace) -> None:
        if place.look() != CUT_SHORT:  # of which nothing may be left to read, and who puts it back says so
            with self.writer.connect() as connection:
                connection.begin()  # nobody else writes meanwhile
                fate = self._fate(connection)
                if fate is None:
                    return
                if fate == "overwritten":
                    self._check_complete(place, connection)
        alone = returning_lock(place.path)
        held = self.writer.raw_connection()
        try:
            done = put_back(held.driver_connection, place, _read_marks, alone)  # type: ignore[arg-type]
        finally:
            held.close()
        if done is None:
            return
        # Readers may have opened whatever stood there meanwhile.
        self._dispose()
        self.writer.raw_connection().close()  # opened at once, to know which file is ours
        self.troubles.remark(_FAILS, *done)
        logger.warning("%s", " ".join(done))

    def _check_complete(self, place: FileInPlace, connection: Connection) -> None:
        """Raise `DatabaseError` if what is beside an overwritten file does not hold all that the file held."""
        marks = _marks_of(connection)
        if marks is None or self._marks is None or holds_at_least(marks, self._marks):
            return  # of one that is damaged, who puts it back says more
        raise DatabaseError(
            f"{place.path} was overwritten by an earlier state of it while it was in use, and not all that it held "
            "since is there any more: nothing new is taken. To go on, let no process have it open any more, and put a "
            "newer copy in its place, or go on with what is there."
        )

    def _check_open(self, what: str) -> None:
        if self._is_closed:
            raise ClosedError(
                f"{what} failed: SQLDatabase({self.shown_url!r}) was closed before. Open the database again."
            )

    def release(self) -> None:
        """Close all connections; reading and writing open new ones."""
        # What was committed last must be found, too. Why it cannot, is among the troubles.
        with contextlib.suppress(DatabaseError):
            self._stay_in_place()
        self._dispose()

    def _dispose(self) -> None:
        self.writer.dispose()
        self.reader.dispose()
        if self._place is not None:
            self._place.forget()

    def close(self) -> None:
        """Close all connections for good. May be called twice."""
        self._is_closed = True
        self.release()


def _place_of(url: URL) -> FileInPlace | None:
    path = str(url.database)
    return FileInPlace(Path(path)) if url.get_backend_name() == "sqlite" else None


def returning_lock(path: Path) -> FileLock:
    """Return what is held while a database is put back to its path."""
    return FileLock(f"{path}.returning", mode=FILE)


def _is_earlier(count: int, known: int) -> bool:
    return (count - known) % _MOST_COUNTED > _MOST_COUNTED // 2


def _read_marks(db: sqlite3.Connection) -> dict[str, int]:
    """Return numbers that only grow, by what they count: they say how far a database has come."""
    marks = {f"seq {run}": seq for run, seq in db.execute("SELECT task_run_id, last_seq FROM task_runs")}
    marks |= {f"n {run}": n for run, n in db.execute("SELECT task_run_id, last_n FROM task_runs")}
    for table, number in (("events", "event_id"), ("live_updates", "id"), ("agent_metadata", "id")):
        marks[table] = db.execute(f"SELECT coalesce(max({number}), 0) FROM {table}").fetchone()[0]
    for table in ("submissions", "reviews", "payments", "workers", "tasks", "requesters", "units", "agents"):
        marks[table] = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return marks


def _is_whole(connection: Connection) -> bool:
    """Return whether a database can be read to its end, the file together with what is beside it."""
    try:
        return connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok"
    except (sqlite3.DatabaseError, SQLAlchemyError):
        return False


def _driver_of(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.driver_connection)


def _marks_of(connection: Connection) -> dict[str, int] | None:
    """Return how far a database has come; None: it is damaged, or cannot be read just now."""
    try:
        if not inspect(connection).has_table("task_runs"):
            return {}  # what could not be brought to today's schema is closed as it is
        return _read_marks(_driver_of(connection))
    except (sqlite3.DatabaseError, SQLAlchemyError):
        return None


def parse_url(url: str) -> URL:
    """Read a database URL.

    Raises
    ------
    ConfigError
        It is not a URL, or not one of SQLite or PostgreSQL; or it says how SQLite opens its file.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: the port is no number
        # Where the user and the password end cannot be told, so nothing of it is shown.
        raise ConfigError(
            "The database URL cannot be read. Use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME."
        ) from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and (parsed.query or str(parsed.database).startswith("file:")):
        # Elsewhere the file would be neither closed to others nor looked after.
        raise ConfigError(
            f"The database URL {parsed.render_as_string(hide_password=True)!r} says how SQLite opens its file, which "
            "mephisto_nb decides itself. Use sqlite:///FILE, with the plain path and nothing behind it."
        )
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite")
    shown = parsed.render_as_string(hide_password=True)
    raise ConfigError(
        f"The database URL {shown!r} names neither an SQLite file nor a PostgreSQL database. "
        "Use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME."
    )


def make_engine(url: URL, *, for_writing: bool) -> Engine:
    """Open a database. One engine writes, from one thread; another reads, from any.

    Raises
    ------
    MissingExtraError
        The driver for PostgreSQL is not installed.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, for_writing=for_writing)
    with needs("postgresql"):
        import psycopg  # noqa: F401
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=1 if for_writing else 4,
        max_overflow=0 if for_writing else 8,
        pool_pre_ping=True,
        connect_args={name: value for name, value in _SERVER_PATIENCE.items() if name not in url.query},
        # What several queries read together has to be of one moment; SQLite knows nothing else.
        isolation_level="READ COMMITTED" if for_writing else "REPEATABLE READ",
    )


def _sqlite_engine(url: URL, *, for_writing: bool) -> Engine:
    # Absolute: a notebook may change its directory, and connections that are opened later mean the same file.
    path = str(url.database)
    engine = create_engine(
        url.set(database=str(Path(path).absolute())),
        pool_size=1 if for_writing else 4,
        max_overflow=0 if for_writing else 8,
        hide_parameters=True,  # workers' answers belong in no traceback
        connect_args={"timeout": BUSY_TIMEOUT, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below, not the driver's
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", KEEP_LONG):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # A transaction that reads first and writes later can fail half-way when another process writes between.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if for_writing else "BEGIN")

    return engine


def use_wal(engine: Engine) -> None:
    """Let the readers and the writer of an SQLite file go on side by side; the file remembers it.

    It fails, and does not wait, where somebody else is at the file: let nobody be.
    """
    with closing(engine.raw_connection()) as connection:
        connection.cursor().execute("PRAGMA journal_mode=WAL")


@contextmanager
def told_plainly(what: str, url: URL) -> Iterator[None]:
    """Turn whatever SQLAlchemy raises into one of our errors, without the password of the URL."""
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(f"{what}: another writer was first, or a row is missing ({error.orig}).") from error
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise DatabaseError(f"{what} failed in {url.render_as_string(hide_password=True)}: {cause}") from error
    except (
        sqlite3.Error,
        OSError,
        OverflowError,
        UnicodeError,
    ) as error:  # the drivers' own checks, which SQLAlchemy does not wrap
        raise DatabaseError(f"{what} failed in {url.render_as_string(hide_password=True)}: {error}") from error


# -- the schema

#: Every version that this package knows, oldest first; the last is today's.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")


def make_alembic_config(connection: Connection | None = None) -> Config:
    """Return what Alembic needs to find the migrations of this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def read_revision(engine: Engine) -> str | None:
    """Return the version of the schema in a database; None where there is none yet."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def migrate(engine: Engine) -> None:
    """Bring a database to today's schema.

    Raises
    ------
    SchemaVersionError
        It was written by a newer version of the package. Nothing is changed.
    ConfigError
        The file belongs to another user.
    """
    if engine.dialect.name != "sqlite":
        _migrate(engine, nullcontext())
        return
    path = str(engine.url.database)
    make_private_database(Path(path))
    alone = FileLock(f"{path}.migrating", mode=FILE)
    if uses_wal(Path(path)):
        _migrate(engine, alone)
        return
    with alone:
        use_wal(engine)
        _migrate(engine, alone)


def _migrate(engine: Engine, alone: AbstractContextManager[object]) -> None:
    revision = read_revision(engine)
    if revision == REVISIONS[-1]:
        return
    if revision is not None and revision not in REVISIONS:
        shown = engine.url.render_as_string(hide_password=True)
        raise SchemaVersionError(
            f"The database {shown} has schema {revision!r}; this version of mephisto_nb knows up to "
            f"{REVISIONS[-1]!r}. Update mephisto_nb, or use another database; nothing was changed."
        )
    with alone:
        _upgrade(engine)


def _upgrade(engine: Engine) -> None:
    with engine.connect() as connection, _foreign_keys_unlooked_at(connection), connection.begin():
        if engine.dialect.name == "postgresql":
            # One process at a time; released with the transaction. The number is this package's own.
            connection.execute(text("SELECT pg_advisory_xact_lock(7263840)"))
        command.upgrade(make_alembic_config(connection), "head")


@contextmanager
def _foreign_keys_unlooked_at(connection: Connection) -> Iterator[None]:
    """Let a table of SQLite be made anew to which others point; only between transactions can this be said."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name != "sqlite":
        yield
        return
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")
