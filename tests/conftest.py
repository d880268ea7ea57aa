"""What all tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.watchdog import Watchdog

pytest.register_assert_rewrite("mephisto_nb.testing.contracts")

# The same examples on every machine and in every run; slow machines are no failures.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """Let no test hang for ever, whatever it swallows."""
    config.pluginmanager.register(Watchdog())


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
