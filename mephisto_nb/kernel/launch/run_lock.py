"""The lock of a run, which the one kernel holds that drives it, and which says who that is.

A run's own secret, by which its crowd can tell what the run has signed.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

from filelock import FileLock, Timeout

from mephisto_nb.errors import LaunchError, RunBusyError
from mephisto_nb.model.records import TaskRun
from mephisto_nb.utils.files import write_private
from mephisto_nb.utils.proofs import Secret

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


_FILE = "link_secret"
_SECRET = re.compile("[0-9a-f]{64}")


def keep_run_secret(directory: Path) -> Secret:
    """Give the secret of the run of this directory; blocks.

    It is made at the launch, and the same ever after: links that were sent go on to work once the kernel was
    restarted, or the run resumed.
    """
    path = directory / _FILE
    # Anything else than what is written here would be a secret that others can guess.
    if path.exists() and _SECRET.fullmatch(text := path.read_text("ascii", "replace")):
        return Secret(text)
    secret = secrets.token_hex(32)
    write_private(path, secret)
    return Secret(secret)
