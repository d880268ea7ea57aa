"""The schema's versions: a new database is made, an old one upgraded, a newer one left alone."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from alembic import command
from alembic.config import Config
from filelock import FileLock
from sqlalchemy import Connection, Engine, inspect, text

from mephisto_nb.errors import SchemaVersionError
from mephisto_nb.storage.connect import use_wal
from mephisto_nb.utils.files import uses_wal

#: Every version that this package knows, oldest first; the last is today's.
REVISIONS = ("0001", "0002", "0003", "0004")


def make_alembic_config(connection: Connection | None = None) -> Config:
    """Give Alembic what it needs to find the migrations of this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def read_revision(engine: Engine) -> str | None:
    """Give the version of the schema in a database; None where there is none yet."""
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
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # One process at a time; released with the transaction. The number is this package's own.
            connection.execute(text("SELECT pg_advisory_xact_lock(7263840)"))
        command.upgrade(make_alembic_config(connection), "head")
