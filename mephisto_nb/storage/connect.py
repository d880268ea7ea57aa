"""Connections to SQLite and PostgreSQL: how they are opened, brought to today's schema, and how errors are told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from filelock import FileLock
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from mephisto_nb.errors import ClosedError, ConfigError, ConflictError, DatabaseError, SchemaVersionError
from mephisto_nb.utils.extras import needs
from mephisto_nb.utils.proofs import uses_wal

#: How long SQLite waits for another process that is writing, in seconds.
BUSY_TIMEOUT = 30.0


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
        self._is_closed = False

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def writing(self, what: str) -> Iterator[Connection]:
        """Open a transaction that writes; `what` is for errors, which are ours (`told_plainly`)."""
        self._check_open(what)
        with told_plainly(what, self.url), self.writer.begin() as connection:
            yield connection

    @contextmanager
    def reading(self, what: str) -> Iterator[Connection]:
        """Open a connection to read from; `what` is for errors, which are ours (`told_plainly`)."""
        self._check_open(what)
        with told_plainly(what, self.url), self.reader.connect() as connection:
            yield connection

    def _check_open(self, what: str) -> None:
        if self._is_closed:
            raise ClosedError(
                f"{what} failed: SQLDatabase({self.shown_url!r}) was closed before. Open the database again."
            )

    def release(self) -> None:
        """Close all connections; reading and writing open new ones."""
        self.writer.dispose()
        self.reader.dispose()

    def close(self) -> None:
        """Close all connections for good. May be called twice."""
        self._is_closed = True
        self.release()


def parse_url(url: str) -> URL:
    """Read a database URL.

    Raises
    ------
    ConfigError
        It is not a URL, or not one of SQLite or PostgreSQL.
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
        # What several queries read together has to be of one moment; SQLite knows nothing else.
        isolation_level="READ COMMITTED" if for_writing else "REPEATABLE READ",
    )


def _sqlite_engine(url: URL, *, for_writing: bool) -> Engine:
    engine = create_engine(
        url,
        pool_size=1 if for_writing else 4,
        max_overflow=0 if for_writing else 8,
        hide_parameters=True,  # workers' answers belong in no traceback
        connect_args={"timeout": BUSY_TIMEOUT, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below, not the driver's
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
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
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")


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
    """
    if engine.dialect.name != "sqlite":
        _migrate(engine, nullcontext())
        return
    path = str(engine.url.database)
    alone = FileLock(f"{path}.migrating")
    if uses_wal(path):
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
