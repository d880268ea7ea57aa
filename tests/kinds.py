"""Which tests are quick, which stay together, and which begin.

A quick test starts no process, no server and no browser, and is held to it: one that tries fails. What a test starts is
known by its fixtures and marks; one that starts something by itself is marked ``slow``.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

#: Fixtures that start a process, a server or a browser, or are there for tests that do.
_STARTERS = {
    "browser",
    "built",
    "chromium",
    "data_dir",
    "either_router",
    "jupyter_lab",
    "make_operator",
    "postgresql_server",
    "prolific",
    "router",
    "routers_by_command",
    "serve_blueprint",
    "start_router",
    "target",
}
_SLOW_MARKS = ("slow", "browser", "postgresql", "faults", "load")
#: Fixtures of the tests that take longest for what they prove, longest first: they begin, so that none of
#: them is left when everything else is done.
_FIRST = ("jupyter_lab", "notebook_file", "kernel", "chromium", "browser")
#: Whose tests are run by one process: a JupyterLab with a browser and kernels, and a PostgreSQL server, are started
#: once; all the sources are read once. Two JupyterLabs side by side are more than two cores can do in the seconds
#: that the tests allow.
_TOGETHER = {
    "jupyter_lab": ("tests/browser/lab/",),
    "postgresql": ("tests/storage/",),
    "sources": (
        "tests/blueprints/test_form_types.py",
        "tests/docs/test_docstring_names.py",
        "tests/kernel/test_assembly.py",
        "tests/rules/test_gate_table.py",
        "tests/security/test_token.py",
        "tests/test_house_rules.py",
    ),
}
_STARTS = {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system", "socket.bind"}
#: It lists the files of the repository, in no time.
_HARMLESS = "git"
_WHAT_TO_DO = "Mark it: pytest.mark.slow; or, if a fixture does, name that in _STARTERS of tests/kinds.py."


class Kinds:
    """A plugin of pytest that sorts tests by what they start."""

    def __init__(self) -> None:
        self._watches = False
        self._started: list[str] = []

    def pytest_configure(self) -> None:
        """Begin to listen to what is started."""
        sys.addaudithook(self._audit)  # for good: nothing takes one away

    @pytest.hookimpl(tryfirst=True)  # before -m chooses
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Mark the quick ones, and let the longest begin; what shares a server stays together."""
        for item in items:
            if is_quick(item):
                item.add_marker(pytest.mark.quick)
        groups = [group_of(item.nodeid) for item in items]
        places: dict[str, int] = {}
        for group, item in zip(groups, items, strict=True):
            places[group] = min(place_of(item), places.get(group, len(_FIRST) + 1))
        order = {name: index for index, name in enumerate(dict.fromkeys(groups))}
        items.sort(key=lambda item: (places[group := group_of(item.nodeid)], order[group]))

    def pytest_collection_finish(self) -> None:
        """Keep what was imported and collected from being looked through at each collection of garbage."""
        gc.collect()
        gc.freeze()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> ByGroup:
        """Hand out tests by what they share."""
        return ByGroup(config, log)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Fail a quick test whose fixtures start something."""
        return (yield from self._watched(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Fail a quick test that starts something."""
        return (yield from self._watched(item))

    def _watched(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Watch a quick test, and fail it if it starts something, whatever becomes of the exception in it."""
        self._watches, self._started = item.get_closest_marker("quick") is not None, []
        try:
            result = yield
        finally:
            self._watches = False
        if self._started:
            pytest.fail(f"not quick: {', '.join(self._started)}. {_WHAT_TO_DO}")
        return result

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watches or event not in _STARTS:
            return
        if event == "subprocess.Popen" and Path(os.fsdecode(arguments[0])).name == _HARMLESS:
            return
        self._started.append(event)
        raise RuntimeError(f"A quick test starts no process and no server ({event}). {_WHAT_TO_DO}")


def is_quick(item: pytest.Item) -> bool:
    """Return whether a test starts nothing, by its fixtures and marks."""
    return not _STARTERS.intersection(fixtures_of(item)) and not any(map(item.get_closest_marker, _SLOW_MARKS))


class ByGroup(LoadScopeScheduling):
    """Gives a test process all tests that share what takes long, one such group after the other."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """Return what is run in one process: tests that share what takes long, else one file."""
    file = nodeid.partition("::")[0]
    return next((group for group, paths in _TOGETHER.items() if file.startswith(paths)), file)


def place_of(item: pytest.Item) -> int:
    """Return how early a test is wanted: those that start most begin, the quick ones fill up at the end."""
    names = fixtures_of(item)
    wanted = [place for place, name in enumerate(_FIRST) if name in names]
    return min(wanted, default=len(_FIRST) + is_quick(item))


def fixtures_of(item: pytest.Item) -> list[str]:
    """Return the names of all fixtures that a test uses."""
    return list(getattr(item, "fixturenames", ()))
