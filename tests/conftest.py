"""What all tests share."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine

from mephisto_nb.architects import local
from mephisto_nb.architects.local import spawn
from mephisto_nb.config import registry
from mephisto_nb.storage import sql_database
from mephisto_nb.storage.connect import migrate
from mephisto_nb.storage.sql_database import SQLDatabase
from tests.kinds import Kinds
from tests.router.harness import RouterProcess
from tests.router_forks import RouterForks, are_wanted
from tests.watchdog import Watchdog

pytest.register_assert_rewrite("mephisto_nb.testing.contracts")

# The same examples on every machine and in every run; slow machines are no failures.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


#: Where files lie in memory, on Linux; and how much has to be free there, in bytes.
_MEMORY, _PLENTY = Path("/dev/shm"), 4 * 1024**3


def pytest_configure(config: pytest.Config) -> None:
    """Let no test hang for ever, whatever it swallows; and sort the tests by what they start.

    Their files lie in memory where there is plenty: what is written to them need not outlast a power cut, and a disk
    takes milliseconds for each of the many thousand promises that it would.
    """
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _PLENTY:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
    config.pluginmanager.register(Watchdog())
    config.pluginmanager.register(Kinds())


@pytest.fixture(scope="session", autouse=True)
def router_forks() -> Iterator[RouterForks | None]:
    """Start routers as forks of one process that has imported all they need; None where that cannot be."""
    if not are_wanted():
        yield None
        return
    forks = RouterForks()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "spawn", forks.spawn)
        patch.setattr(RouterProcess, "forks", forks)
        yield forks
    forks.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with today's schema and no rows, to copy."""
    file = tmp_path_factory.mktemp("migrated") / "mephisto.db"
    SQLDatabase(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session", autouse=True)
def new_files_are_copies(migrated_file: Path) -> Iterator[None]:
    """Copy a file that has today's schema where a test's first step would be to migrate an empty one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql_database, "migrate", lambda engine: migrate_copy(engine, migrated_file))
        yield


def migrate_copy(engine: Engine, migrated: Path) -> None:
    """Migrate as ever, a copy where there is no file yet."""
    if engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).exists():
        shutil.copyfile(migrated, str(engine.url.database))
    migrate(engine)


@pytest.fixture
def routers_by_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start routers as they are in life; for tests of just that."""
    monkeypatch.setattr(local, "spawn", spawn)
    monkeypatch.setattr(RouterProcess, "forks", None)


@pytest.fixture(scope="session", autouse=True)
def no_notices() -> Iterator[None]:
    """Have routers end with their runs, rather than say for days that the task is closed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local.LocalArchitect, "closed_notice", 0.0)
        yield


@pytest.fixture(autouse=True)
def no_left_plugins() -> Iterator[None]:
    """Take back what a test has registered: the next one knows the package's own plugins alone."""
    yield
    for shelf in (registry.BLUEPRINTS, registry.ARCHITECTS, registry.PROVIDERS):
        for name, plugin in list(shelf._classes.items()):
            home = sys.modules.get(plugin.__module__)  # of an example in a docstring, the module that has it
            if not (plugin.__module__.startswith("mephisto_nb.") and hasattr(home, plugin.__name__)):
                del shelf._classes[name]


class _Forgotten(logging.Handler):
    """What asyncio says of failures that nobody was told of."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "never retrieved" in record.getMessage():
            self.records.append(record)


_forgotten = _Forgotten()


@pytest.fixture(autouse=True)
def no_forgotten_failure() -> Iterator[None]:
    """Fail where a task failed and nobody was told; perhaps in a test before this one: the collector decides when."""
    logger = logging.getLogger("asyncio")
    logger.addHandler(_forgotten)
    yield
    logger.removeHandler(_forgotten)
    records, _forgotten.records = _forgotten.records, []
    assert [record.getMessage() for record in records] == []
