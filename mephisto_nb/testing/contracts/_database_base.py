"""What the parts of the database contract share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import SampleRun

OpenDatabase = Callable[[], Database]


class DatabaseFixtures:
    """A database, another one on the same data, and a run."""

    @pytest.fixture
    def open_database(self) -> OpenDatabase:
        """Supplied by the subclass: a function that opens the same database each time it is called."""
        raise NotImplementedError(f"{type(self).__name__} has to supply the fixture 'open_database'.")

    @pytest.fixture
    def database(self, open_database: OpenDatabase) -> Iterator[Database]:
        """The database under test, empty at the start."""
        database = open_database()
        yield database
        database.close()

    @pytest.fixture
    def another(self, database: Database, open_database: OpenDatabase) -> Iterator[Database]:
        """The same database once more, as another kernel would open it."""
        database = open_database()
        yield database
        database.close()

    @pytest.fixture
    def run(self, database: Database) -> SampleRun:
        """A run without work."""
        return SampleRun(database)
