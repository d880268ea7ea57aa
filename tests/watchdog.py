"""Ends a test process that hangs, so that the other tests go on and the run says where it hung.

pytest-timeout raises in the main thread, once. Where that is swallowed (by a background task of the event loop, say),
or where clearing up hangs after it, the process would hang for ever. This writes the stacks of all threads and ends
it; pytest-xdist counts the test as failed, and starts another process for the rest.
"""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Iterator

import pytest

#: How much longer than its timeout a test may take, with all its clearing up.
_GRACE = 180.0
_EXIT_STATUS = 70


class Watchdog:
    """A plugin of pytest; to be registered while nothing is captured, for it keeps the true stderr."""

    def __init__(self) -> None:
        self._stderr = os.fdopen(os.dup(2), "w")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Return a test, with its fixtures, its timeout and the grace, and no more."""
        marked = item.get_closest_marker("timeout")
        timeout = marked.args[0] if marked else float(item.config.getini("timeout"))
        timer = threading.Timer(timeout + _GRACE, self._end, [item.nodeid])
        timer.daemon = True
        timer.start()
        try:
            return (yield)
        finally:
            timer.cancel()

    def _end(self, name: str) -> None:
        self._stderr.write(f"\n{name} hangs: this process ends. Its threads:\n")
        self._stderr.flush()
        faulthandler.dump_traceback(self._stderr, all_threads=True)
        os._exit(_EXIT_STATUS)
