"""The contract, on both databases that ship."""

from __future__ import annotations

import pytest
from mephisto_nb.storage.sql_database import SQLDatabase

from mephisto_nb.testing.contracts._samples import OpenDatabase
from mephisto_nb.testing.contracts.database import DatabaseContract


class TestSQLite(DatabaseContract):
    @pytest.fixture
    def open_database(self, migrated_sqlite_url: str) -> OpenDatabase:
        return lambda: SQLDatabase(migrated_sqlite_url)


@pytest.mark.postgresql
class TestPostgreSQL(DatabaseContract):
    @pytest.fixture
    def open_database(self, postgresql_url: str) -> OpenDatabase:
        return lambda: SQLDatabase(postgresql_url)
