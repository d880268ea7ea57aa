"""Routers in a moment: a process that has imported the router's program forks one for each order.

A fork does all that ``python -m mephisto_nb.router`` does once its imports are done, in a session, a log and an
environment of its own. The imports are more than nine tenths of a router's start, and tests start many hundreds.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from mephisto_nb.architects.local import ROUTER_COMMAND, RouterProcess, spawn

_ROOT = Path(__file__).resolve().parent.parent
#: How a router is started by itself.
_COMMAND = list(ROUTER_COMMAND)
#: The exit code of a router that outlives the process that it was forked from.
_NOBODY_KNOWS = 255
_FIRST_DESCRIPTOR, _DESCRIPTORS = 3, 4096


class ForkedRouter:
    """The process of a router, with what the tests and the architect use of `subprocess.Popen`."""

    def __init__(self, line: socket.socket) -> None:
        # Unbuffered, or the end would be known already where nothing is left to be read.
        self._line, self._answers = line, line.makefile("rb", buffering=0)
        self._reading = threading.Lock()
        self.returncode: int | None = None
        self.pid = int(self._answers.readline())

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit code; minus the signal's number if one ended it."""
        if not self._reading.acquire(timeout=-1 if timeout is None else timeout):
            raise subprocess.TimeoutExpired("router", timeout or 0)
        try:
            if self.returncode is None:
                # A file that was once read from in vain within a time cannot be read from again.
                if not select.select([self._line], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired("router", timeout or 0)
                status = self._answers.readline()  # nothing, if the process that forks has ended before it
                self.returncode = os.waitstatus_to_exitcode(int(status)) if status else _NOBODY_KNOWS
                self._answers.close()
                self._line.close()
        finally:
            self._reading.release()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def are_wanted() -> bool:
    """Return whether forks can be had here and are wanted: MEPHISTO_TEST_FORKS=0 starts every router by its command."""
    return sys.platform == "linux" and os.environ.get("MEPHISTO_TEST_FORKS") != "0"


class RouterForks:
    """The process that routers are forked from; started with the first order."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ordering = threading.Lock()

    def start(self, arguments: Sequence[str], log: IO[bytes]) -> ForkedRouter:
        """Start a router with these arguments of its command line."""
        order = {"arguments": list(arguments), "environment": dict(os.environ), "directory": os.getcwd()}
        ours, theirs = socket.socketpair()
        with self._ordering, theirs:
            if self._process is None:
                self._begin()
            socket.send_fds(self._orders, [b"!"], [theirs.fileno(), log.fileno()])
        ours.sendall(json.dumps(order).encode() + b"\n")
        return ForkedRouter(ours)

    def spawn(self, command: list[str], log: IO[bytes]) -> RouterProcess:
        """Do what `mephisto_nb.architects.local.spawn` does, faster where the command is a router's own."""
        if command[: len(_COMMAND)] == _COMMAND:
            return self.start(command[len(_COMMAND) :], log)
        return spawn(command, log)

    def close(self) -> None:
        """End the process that forks; routers live on, as they do without their kernel."""
        if self._process is not None:
            self._orders.close()
            self._process.wait()

    def _begin(self) -> None:
        self._orders, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.router_forks", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                cwd=_ROOT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )


#: What a fork is to become, the socket that is told of it, and the log.
Order = tuple[dict[str, Any], int, int]


def fork_for_ever(orders: socket.socket) -> Order | None:
    """Fork a router for each order: return the order in the fork, and None here once nobody orders any more."""
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not orders:
                    selector.unregister(key.fileobj)
                    _report_end(key.fd, *key.data)
                    continue
                _, descriptors, _, _ = socket.recv_fds(orders, 1, 2)
                if not descriptors:
                    return None
                line, log = descriptors
                with socket.socket(fileno=os.dup(line)) as connection, connection.makefile("rb") as lines:
                    order = json.loads(lines.readline())
                if (pid := os.fork()) == 0:
                    return order, line, log
                os.close(log)
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, line))


def _report_end(descriptor: int, pid: int, line: int) -> None:
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
        os.write(line, f"{status}\n".encode())
    os.close(line)
    os.close(descriptor)


def become_router(order: dict[str, Any], line: int, log: int) -> list[str]:
    """Take over what a process is started with."""
    os.setsid()
    for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(log, descriptor)
    os.chdir(order["directory"])
    os.environ.clear()
    os.environ.update(order["environment"])
    random.seed()
    os.write(line, f"{os.getpid()}\n".encode())  # once its log can be seen to be its own
    os.closerange(_FIRST_DESCRIPTOR, _DESCRIPTORS)
    arguments: list[str] = order["arguments"]
    return arguments


def main() -> None:
    import uvloop  # noqa: F401 - imported by the router only once it runs

    from mephisto_nb.router.__main__ import main as run_router

    with socket.socket(fileno=int(sys.argv[1])) as orders:
        gc.freeze()
        order = fork_for_ever(orders)
    if order is not None:
        sys.exit(run_router(become_router(*order)))


if __name__ == "__main__":
    main()
