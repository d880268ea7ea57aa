"""The database on SQLAlchemy Core: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mephisto_nb.model.changes import Changes
from mephisto_nb.ports.database import Database
from mephisto_nb.storage.apply import apply_changes
from mephisto_nb.storage.connect import Connections, migrate, returning_lock, told_plainly
from mephisto_nb.storage.messages import SQLMessages
from mephisto_nb.storage.people import SQLPeople
from mephisto_nb.storage.reviews import SQLReviews
from mephisto_nb.storage.runs import SQLRuns
from mephisto_nb.utils.machine import MachineTrouble
from mephisto_nb.utils.private_files import make_folders
from mephisto_nb.utils.sqlite_files import finish_put_back


class SQLDatabase(Database):
    """A database behind a URL: ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``.

    Opening it makes its schema, or upgrades it. Its parts share its connections.

    Raises
    ------
    ConfigError
        The URL cannot be read, its driver is missing, or its file belongs to another user.
    DatabaseError
        The database does not answer; `SchemaVersionError` where it was written by a newer version.
    """

    def __init__(self, url: str) -> None:
        #: For tests and tools that look at the tables themselves.
        self.connections = Connections(url)
        try:
            _open(self.connections)
        except BaseException:
            self.close()
            raise
        super().__init__(
            SQLRuns(self.connections),
            SQLPeople(self.connections),
            SQLReviews(self.connections),
            SQLMessages(self.connections),
        )

    def __repr__(self) -> str:
        return f"SQLDatabase({self.connections.shown_url!r})"

    def apply(self, group: Sequence[Changes]) -> list[Exception | None]:
        """Commit several runs' changes together; each stands or falls alone, and what has a guard is written alone."""
        is_free = all(changes.guard is None for changes in group)
        if is_free and len(group) > 1 and self._try(group) is None:
            return [None] * len(group)
        return [self._try([changes]) for changes in group]

    def _try(self, group: Sequence[Changes]) -> Exception | None:
        try:
            guard = group[0].guard if len(group) == 1 else None
            with self.connections.writing("Storing a step of a run", guard) as connection:
                for changes in group:
                    apply_changes(connection, changes)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for this commit
            return error
        return None

    @property
    def troubles(self) -> tuple[MachineTrouble, ...]:
        """What is wrong with an SQLite file or a server, or was."""
        return self.connections.troubles.all()

    @property
    def directory(self) -> Path | None:
        """The folder of an SQLite file."""
        return self.connections.directory

    def stay_in_place(self) -> None:
        """Put an SQLite file back to its path, if it is no longer there; see whether it, or a server, can be used."""
        self.connections.try_out()

    def release(self) -> None:
        """Close all connections; reading and writing open new ones."""
        self.connections.release()

    def close(self) -> None:
        """Close all connections for good."""
        self.connections.close()


def _open(connections: Connections) -> None:
    with told_plainly("Opening the database", connections.url):
        if connections.url.get_backend_name() == "sqlite":
            path = Path(str(connections.url.database))
            make_folders(path.absolute().parent)
            finish_put_back(path, returning_lock(path))
        migrate(connections.writer)
        connections.wrote()
