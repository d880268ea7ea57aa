"""The tasks of live runs: who owns them all, what drives one run until it is over, and the lock that is held meanwhile.

Cells of a notebook are tasks of their own, so a task group may not be entered in one cell and left in another. The
`Supervisor` enters it once, in a task of its own, and starts everything else inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import platform
from collections.abc import Callable, Collection, Coroutine, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ClosedError, LaunchError, RouterError, RouterGoneError, RunBusyError
from mephisto_nb.model.records import TaskRun
from mephisto_nb.rules.departures import leave_introductions
from mephisto_nb.rules.steering import ends_at_once
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.patience import end_all
from mephisto_nb.utils.private_files import FILE, open_private

if TYPE_CHECKING:
    from mephisto_nb.kernel.live_run import LiveRun, RunParts

logger = get_logger(__name__)

#: How long a router may take to hear that its run is over, and what is cancelled may take to end (seconds).
ROUTER_TIMEOUT, END_TIMEOUT = 10.0, 10.0

OnFailure = Callable[[Exception], None]

_LOCK, PID_FILE = "operator.lock", "operator.pid"


class RunHelper:
    """Works beside one run, away from its steps: the task's own code, the researcher's functions, the gates.

    A run has several; `RunTasks` starts and stops them. Each method does nothing unless a helper has something to do.
    """

    async def load(self) -> None:
        """Read what an earlier kernel has left to do. Called before the run's first step."""

    async def start(self) -> None:
        """Begin. Called once the run is driven, before any new work is created."""

    async def finish(self) -> None:
        """Wait for what is still to do. Called when the last unit has ended, before the run does."""

    def stop(self) -> None:
        """Do nothing more: the run is no longer driven from here. Called once; another kernel does the rest."""


class RunTasks:
    """Owns the tasks of one run, ends the run when its last unit has ended, and gives back what it held.

    Parameters
    ----------
    run
        The run.
    supervisor
        The owner of its tasks.
    lock
        Held for as long as this kernel drives the run.
    helpers
        What works beside the run, in the order in which it is started.
    """

    def __init__(self, run: LiveRun, supervisor: Supervisor, lock: FileLock, helpers: Sequence[RunHelper] = ()) -> None:
        self.run = run
        self._supervisor, self._lock, self._helpers = supervisor, lock, tuple(helpers)
        #: The engine and the link, which another kernel must not meet; and what makes the work.
        self._tasks: list[asyncio.Task[None]] = []
        self._creating: asyncio.Task[None] | None = None
        self._is_stopped = False

    async def start(self) -> None:
        """Start the engine and the link, and what works beside them."""
        parts = self.run.parts
        for helper in self._helpers:
            await helper.load()
        self._tasks.append(self._spawn("engine", parts.engine.run(parts.link, parts.launcher.launch_limited_units)))
        self._tasks.append(self._spawn("link", parts.link.run()))
        for helper in self._helpers:
            await helper.start()

    def keep(self) -> None:
        """Start what creates the remaining work, and what ends the run when all is done."""
        if not self.run.parts.launcher.get_assignments_are_all_created():
            self._creating = self._spawn("launcher", self._create_assignments())
        self._spawn("keeper", self._wind_up())

    @property
    def has_lock(self) -> bool:
        """Whether the run's lock is held here, so that no other kernel drives it."""
        return self._lock.is_locked

    async def let_go(self) -> None:
        """Stop driving the run, which stays as it is; its router goes on."""
        self._stop()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._creating is not None:
            _leave_behind(await end_all([self._creating], END_TIMEOUT))  # the data may come from anybody's code
        try:
            await self.run.parts.provider.let_go_of_task_run(self.run.task_run_id)
        finally:
            self._lock.release()
            self.run.let_go()

    def abandon(self) -> None:
        """Note that the loop has ended that drove the run: nothing can be stopped any more that was on it."""
        self.run.parts.watch.release()
        self._lock.release()
        self.run.is_driven = False

    def _spawn(self, what: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._supervisor.spawn(f"{what} of run {self.run.task_run_id}", work, self._failed)

    def _stop(self) -> None:
        """Stop the parts; who lets a run go that has failed comes here twice."""
        if self._is_stopped:
            return
        self._is_stopped = True
        for helper in self._helpers:
            helper.stop()
        for task in (*self._tasks, self._creating):
            if task is not None:
                task.cancel()

    async def _create_assignments(self) -> None:
        launcher = self.run.parts.launcher
        try:
            await launcher.run()
        except ClosedError:
            return  # the run is no longer driven from here
        except Exception as error:
            self.run.launch_failure = error
            why = f"the task's data failed: {error!r}"
            await self.run.parts.engine.do(partial(_stop_launching, why=why), retry=True)
            raise
        finally:
            await launcher.shutdown()

    async def _wind_up(self) -> None:
        try:
            await self._end_when_complete()
        except asyncio.CancelledError:
            # The loop ends, and all that is on it: whoever waits for this run must not wait for ever.
            self._stop()
            self._lock.release()
            self.run.let_go()
            raise

    async def _end_when_complete(self) -> None:
        engine = self.run.parts.engine
        try:
            await engine.wait_until(lambda state: state.is_complete)
        except ClosedError:
            return  # let go of, or failed: told already
        await self._finish_helpers()  # who awaits the end wants the bonuses, too
        self.run.done.set()
        try:
            if engine.state.gates.at_onboarding():
                await engine.do(partial(leave_introductions, why="all units are done", who="operator"), retry=True)
            # Ended last: a kernel that is killed before leaves a run to take up, whose inbox is still read.
            await self._settle()
            await self._finish_helpers()
            try:
                await self._end_offer()
            finally:
                await engine.do(lambda step: step.end_run(step.state.closing or "all units are done"), retry=True)
                self.run.over.set()
        except Exception as error:
            self.run.fail(error)
            raise
        finally:
            await self.let_go()

    async def _settle(self) -> None:
        """Take in the last that the router has; end without it where that is for sure impossible, and was asked for."""
        parts = self.run.parts
        try:
            await parts.link.settle(ROUTER_TIMEOUT, _late_exit_of(parts))
        except RouterError:
            if not ends_at_once(parts.engine.state):
                raise
            try:
                await parts.architect.revive()
            except RouterGoneError as error:
                _tell_ended_without(parts, error)
            else:
                raise

    async def _finish_helpers(self) -> None:
        for helper in self._helpers:
            await helper.finish()

    async def _end_offer(self) -> None:
        """Take the offer back from the crowd, and let the router end; it does so even if the crowd fails."""
        parts = self.run.parts
        try:
            await parts.provider.cleanup_resources_from_task_run(self.run.task_run_id)
        finally:
            try:
                await parts.link.finish(parts.architect.closed_notice)
            except RouterError as error:
                logger.info("the router of run %s is ended by force: %s", self.run.task_run_id, error)
                await parts.architect.shutdown()

    def _failed(self, error: Exception) -> None:
        if error is self.run.launch_failure:
            return  # told when the rest of the run is done
        self.run.fail(error)
        self._stop()
        self._lock.release()


def _late_exit_of(parts: RunParts) -> JSONObject | None:
    """Return how those go back to their crowd who come when the run is over; None: they are told that it is."""
    try:
        found = None if parts.provider.exits is None else parts.provider.exits.get_exit_if_over()
    except Exception:
        logger.exception("the provider could not say how those go back who come too late")
        return None
    return None if found is None else found.to_dict()


class Supervisor:
    """Starts tasks, notices when one fails, and ends them all when it is closed.

    It is no task group, which would wait for ever for a researcher's code that does not end when it is cancelled.
    """

    def __init__(self) -> None:
        self._owner: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start to own tasks. May be called again."""
        if self._owner is None:
            # A context of its own: what tasks print must not land under the cell that happened to start them.
            self._owner = asyncio.get_running_loop().create_task(
                self._serve(), name="mephisto_nb-supervisor", context=contextvars.Context()
            )
        await self._ready.wait()

    def spawn(self, name: str, work: Coroutine[Any, Any, None], on_failure: OnFailure) -> asyncio.Task[None]:
        """Start a task. What it raises goes to `on_failure`, and harms no other task.

        Raises
        ------
        ClosedError
            The supervisor is not running.
        """
        if not self._ready.is_set() or self._stop.is_set():
            work.close()
            raise ClosedError(f"{name} cannot be started: the operator was shut down.")
        watched = _watched(name, work, on_failure)
        task = asyncio.get_running_loop().create_task(watched, name=name, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # matters where the task was cancelled before its first step
        return task

    async def close(self) -> None:
        """End every task, and wait for them, but not for ever. May be called twice, and from one of them."""
        self._stop.set()
        if self._owner is not None:
            await asyncio.wait({self._owner})

    async def _serve(self) -> None:
        self._ready.set()
        try:
            await self._stop.wait()
        finally:
            _leave_behind(await end_all(self._tasks, END_TIMEOUT))


def _leave_behind(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Say which tasks do not end: whoever wrote their code can mend that, and nobody else."""
    for task in tasks:
        name = task.get_name() if isinstance(task, asyncio.Task) else "something"
        logger.warning("%s did not end within %g s of being cancelled, and is left behind.", name, END_TIMEOUT)


def take_lock(directory: Path, run: TaskRun) -> FileLock:
    """Return the lock of a run, taken. Called before the run is driven.

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
    lock = FileLock(directory / _LOCK, blocking=False, mode=FILE)
    try:
        lock.acquire()
    except Timeout:
        raise RunBusyError(
            f"Run {run.task_run_id} of {run.task_name!r} is driven by another kernel{_driver_in(directory)}: what "
            f"workers send is taken in there. To look at it: operator.get_task_run({run.task_run_id!r}). "
            "To drive it from here, let go of it there first: await operator.detach() in that notebook."
        ) from None
    with open_private(directory / PID_FILE, "w", encoding="utf-8", errors="replace") as file:
        file.write(f"{os.getpid()} {platform.node()}")
    return lock


def find_driver(directory: Path) -> str | None:
    """Return who drives a run, as "another kernel (pid 123, since 2026-11-29 14:05)"; None if nobody does."""
    if not (directory / _LOCK).exists():
        return None
    try:
        with FileLock(directory / _LOCK, blocking=False, mode=FILE):
            return None
    except Timeout:
        return f"another kernel{_driver_in(directory)}"


def _driver_in(directory: Path) -> str:
    """Return which process took the lock last, on which machine if it was another, and when; '' if it is not known."""
    with contextlib.suppress(OSError, ValueError):
        pid, _, host = (directory / PID_FILE).read_text("utf-8").partition(" ")
        on = f" on {host}" if host not in ("", platform.node()) else ""
        since = datetime.fromtimestamp((directory / PID_FILE).stat().st_mtime)
        return f" (pid {int(pid)}{on}, since {since:%Y-%m-%d %H:%M})"
    return ""


def _tell_ended_without(parts: RunParts, error: RouterGoneError) -> None:
    """Say that a run was ended though its router could not be asked for the last, and where that is."""
    reason = f"The run was ended without its router, which cannot be started: {error}"
    remedy = (
        f"What workers sent that had not come here is kept in {parts.directory / 'inbox.db'}. Once the router can be "
        "started again, launch the task with resume_incomplete_run=true: it is taken in then."
    )
    parts.architect.troubles.remark("router gone", reason, remedy)
    parts.engine.do_soon(partial(_log_ended_without, why=reason))


def _log_ended_without(step: Step, why: str) -> None:
    step.log("run", step.state.task_run_id, None, None, why, "operator")


def _stop_launching(step: Step, why: str) -> None:
    step.log("run", step.state.task_run_id, None, None, why, "operator")
    step.finish_generator()


async def _watched(name: str, work: Coroutine[Any, Any, None], on_failure: OnFailure) -> None:
    try:
        await work
    except Exception as error:
        logger.exception("%s failed", name)
        try:
            on_failure(error)
        except Exception:
            logger.exception("nor could this be told of %s", name)  # the group would end every other run's tasks
