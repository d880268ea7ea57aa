"""Kernels in a moment: a process that has imported everything forks one for each order (a line of JSON)."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Any


class Zygote:
    """The process that kernels are forked from; a context manager.

    Parameters
    ----------
    kernel
        The module of which `run` is given each order.
    """

    def __init__(self, kernel: str = "tests.faults.kernel") -> None:
        self._kernel = kernel

    def __enter__(self) -> Zygote:
        # One thread only: what has threads cannot be forked safely.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.faults.zygote", self._kernel]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()

    def fork(self, order: dict[str, Any]) -> None:
        """Start a kernel, which reports to the socket that the order names."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()


def main() -> None:
    kernel = importlib.import_module(sys.argv[1])  # here, because kernels alone need what it imports

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for kernels: their end is seen in other ways
    while line := sys.stdin.readline():
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            kernel.run(json.loads(line))


if __name__ == "__main__":
    main()
