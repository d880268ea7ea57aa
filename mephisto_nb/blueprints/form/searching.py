"""Searches what strangers wrote with expressions that may never come to an end: in a process that can be stopped.

Python's own search holds the whole kernel until it is done, and a short text can keep some expressions busy for years.
"""

from __future__ import annotations

import atexit
import json
import logging
import re
import subprocess
import sys
import threading
from functools import lru_cache
from typing import IO

logger = logging.getLogger(__name__)

#: How long one search may take (seconds), until nothing is taken to be found. No browser would have ended either.
PATIENCE = 1.0
#: Texts up to this length are searched here, by whatever expression.
_SHORT = 12
#: What may repeat, or be read in two ways; one alone cannot take long.
_CHOICES = re.compile(r"[*+?{|]")
_ESCAPES_AND_CLASSES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?", re.DOTALL)
_SERVE = """
import json, re, sys
print(flush=True)
for line in sys.stdin:
    pattern, flags, text = json.loads(line)
    print(int(re.search(pattern, text, flags) is not None), flush=True)
"""


def search(compiled: re.Pattern[str], text: str) -> bool:
    """Tell whether an expression finds something in a text; False where it does not come to an end."""
    if len(text) <= _SHORT or len(_CHOICES.findall(_ESCAPES_AND_CLASSES.sub("", compiled.pattern))) <= 1:
        return compiled.search(text) is not None
    return _search_apart(compiled.pattern, compiled.flags & ~re.UNICODE, text)


@lru_cache(maxsize=10_000)
def _search_apart(pattern: str, flags: int, text: str) -> bool:
    return _SEARCHER.search(pattern, flags, text)


class _Searcher:
    """A process that searches, started when it is needed first, and again after one that had to be stopped."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        atexit.register(self.stop)

    def search(self, pattern: str, flags: int, text: str) -> bool:
        """Search, for a while."""
        with self._lock:
            trouble: Exception | None = None
            for _ in range(2):  # it may have died since
                try:
                    return self._ask(json.dumps([pattern, flags, text]))
                except (OSError, ValueError) as error:
                    self.stop()
                    trouble = error
        logger.error("no process could search, so %r counts as not found in an answer: %r", pattern, trouble)
        return False

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _ask(self, question: str) -> bool:
        process = self._process = self._process or _started()
        said, told = _pipes_of(process)
        said.write(f"{question}\n")
        said.flush()
        is_late = threading.Event()

        def stop() -> None:
            is_late.set()
            process.kill()

        timer = threading.Timer(PATIENCE, stop)
        timer.start()
        line = told.readline()
        timer.cancel()
        if is_late.is_set():
            self.stop()
            return False
        return bool(int(line))


def _started() -> subprocess.Popen[str]:
    """Start a process and wait until it is there: a busy machine's time is not the search's."""
    command, pipe = [sys.executable, "-I", "-c", _SERVE], subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
    _pipes_of(process)[1].readline()
    return process


def _pipes_of(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise OSError("the process has no pipes")
    return process.stdin, process.stdout


_SEARCHER = _Searcher()
