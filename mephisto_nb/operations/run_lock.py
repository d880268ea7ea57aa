"""The lock of a run, which the one kernel holds that drives it, and which says who that is."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from filelock import FileLock, Timeout

from mephisto_nb.errors import LaunchError, RunBusyError
from mephisto_nb.model.records import TaskRun

_LOCK, _PID = "operator.lock", "operator.pid"


def take_lock(directory: Path, run: TaskRun) -> FileLock:
    """Take the lock of a run.

    Raises
    ------
    LaunchError
        The run's directory is not on this machine.
    RunBusyError
        Another kernel has it.
    """
    if not directory.is_dir():
        raise LaunchError(
            f"Run {run.task_run_id} has no directory {directory} on this machine. Take it up on the machine, and with "
            "the data directory, that it was launched with."
        )
    lock = FileLock(directory / _LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise RunBusyError(
            f"Run {run.task_run_id} of {run.task_name!r} is driven by another kernel{_pid_in(directory)}. "
            "Shut that one down first."
        ) from None
    (directory / _PID).write_text(str(os.getpid()))
    return lock


def find_driver(directory: Path) -> str | None:
    """Say who drives a run, such as "another kernel (pid 123)"; None if nobody does."""
    if not (directory / _LOCK).exists():
        return None
    try:
        with FileLock(directory / _LOCK, blocking=False):
            return None
    except Timeout:
        return f"another kernel{_pid_in(directory)}"


def _pid_in(directory: Path) -> str:
    """Name the process that took the lock last; '' where that is not known."""
    with contextlib.suppress(OSError, ValueError):
        return f" (pid {int((directory / _PID).read_text())})"
    return ""
