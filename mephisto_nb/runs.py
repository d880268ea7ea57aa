"""The runs of one operator: those that this kernel drives, and all others of its database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from mephisto_nb.config.registry import get_blueprint_from_type, get_crowd_provider_from_type
from mephisto_nb.config.task_run_settings import TaskRunSettings, resolve_config, settings_from_dict
from mephisto_nb.errors import ClosedError, ConfigError, NotFoundError
from mephisto_nb.frames.run_frames import RunCrowd, RunFrames
from mephisto_nb.importing.old_data import ImportedBlueprint
from mephisto_nb.kernel.launch import RunStarter
from mephisto_nb.kernel.launching.launch_input import read_launch_input
from mephisto_nb.kernel.live_run import LiveRun
from mephisto_nb.kernel.run_tasks import RunHelper, RunTasks, Supervisor, find_driver
from mephisto_nb.kernel.steering import RunSteering
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import RunPay, TaskRun
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.money.bookkeeping import bookkeepers_of
from mephisto_nb.money.budget import BudgetAtLaunch, Spending, with_budget
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.progress import Progress
from mephisto_nb.utils.logging import get_logger, set_mephisto_log_level, tell

logger = get_logger(__name__)


class Runs:
    """Launches, takes up, finds and ends the runs of one database; `Operator` is its face.

    Parameters
    ----------
    directory
        Where the runs' own directories are.
    url
        The database's.
    clock
        What time it is.
    progress
        Shows how far long work is.
    """

    def __init__(self, directory: Path, url: str, clock: Clock, progress: Progress) -> None:
        self.directory, self.clock, self.progress, self._url = directory, clock, progress, url
        self.database = _open_database(url)
        self.writer = DatabaseWriter(self.database)
        self._supervisor = Supervisor()
        self._spending = Spending(self.database, clock)
        parts = (self.database, self.writer, self._supervisor, clock, progress, self._spending)

        def start_frames(live: LiveRun) -> Sequence[RunHelper]:
            """Make the frames of a run that is being started, and return what works beside it and needs them."""
            found = self._make_frames(live.task_run, live.parts.blueprint, lambda: live.parts.provider, live)
            self._new[live.task_run_id] = found
            return bookkeepers_of(found, live, self._supervisor)

        self._starter = RunStarter(directory, *parts, start_frames)
        self._tasks: dict[str, RunTasks] = {}
        self._frames: dict[str, RunFrames] = {}
        #: Those of runs that are being started.
        self._new: dict[str, RunFrames] = {}
        #: What crowds are being asked for now, by key (see `RunCrowd`).
        self._in_flight: set[str] = set()
        self.is_closed = False
        #: Called when a run is launched or taken up, and when the operator is closed.
        self.listeners: list[Callable[[], None]] = []
        #: What a display knows of these runs, kept with them.
        self.watched_by: object | None = None
        #: Runs of an earlier kernel that were found at the start and not taken up since; a repr must not look.
        self.left_behind = self.database.runs.find_runs(live=True)
        #: Which other kernels drive them, as it was last looked up.
        self.drivers: dict[str, str | None] = {}
        self.drivers = {run.task_run_id: self.find_driver(run.task_run_id) for run in self.left_behind}

    # -- starting --------------------------------------------------------------------------------------------

    async def launch(
        self,
        config: DictConfig | Mapping[str, Any] | Iterable[Any],
        shared_state: SharedTaskState | pd.DataFrame | list[Any] | None,
        *,
        budget: Money | float | str | None = None,
        confirm: bool | str | None = None,
    ) -> RunFrames:
        """Launch a task run (see `Operator.launch_task_run`)."""
        await self.ready()
        config, state = read_launch_input(config, shared_state)
        settings = resolve_config(config)
        _check_database(settings, self._url)
        set_mephisto_log_level(settings.log_level)
        if budget is not None:
            settings = with_budget(settings, budget)
        check = BudgetAtLaunch(self.database, self.clock.now(), confirm)
        name = settings.task.task_name
        twins = await in_thread(self.database.runs.find_runs, task_name=name, live=True)
        tasks = await self._starter.launch(settings, state, check)
        _warn_of_twins(twins, self._tasks, name)
        return self._keep(tasks)

    async def reconnect(self, task_run_id: str, shared_state: SharedTaskState | None) -> RunFrames:
        """Take up a run that still lives after its kernel was restarted (see `Operator.reconnect`)."""
        await self.ready()
        known = self._tasks.get(task_run_id)
        if known is not None and known.run.is_running:
            return self._frames[task_run_id]
        return self._keep(await self._starter.reconnect(task_run_id, shared_state))

    # -- finding ---------------------------------------------------------------------------------------------

    def own(self) -> list[RunFrames]:
        """Return the runs that this kernel drives, or has driven, oldest first."""
        return list(self._frames.values())

    def running(self) -> list[RunFrames]:
        """Return the runs that this kernel drives now, oldest first."""
        return [self._frames[id_] for id_, tasks in self._tasks.items() if tasks.run.is_running]

    def find(self, task_run_id: str) -> RunFrames:
        """Return a run of any time.

        Raises
        ------
        NotFoundError
            There is no such run.
        UnknownTypeError
            Its blueprint is not registered: run the cell that defines it first.
        """
        if (known := self._frames.get(task_run_id)) is not None:
            return known
        found = [run for run in self.database.runs.find_runs() if run.task_run_id == task_run_id]
        if not found:
            raise NotFoundError(f"There is no task run {task_run_id!r} in this database. See operator.task_runs().")
        return self._make_frames(found[0], _blueprint_of(found[0]), partial(_provider_of, found[0]))

    def find_live(self) -> list[TaskRun]:
        """Return the runs that have not ended and are not driven from here."""
        here = {run.task_run_id for run in self.running()}
        return [run for run in self.database.runs.find_runs(live=True) if run.task_run_id not in here]

    def find_driver(self, task_run_id: str) -> str | None:
        """Return which other kernel drives a run, such as "another kernel (pid 123)"; None if none does."""
        if (own := self._tasks.get(task_run_id)) is not None and own.has_lock:
            return None
        return find_driver(self.directory / task_run_id)

    def find_drivers(self) -> dict[str, str | None]:
        """Return who drives the runs that live and are not driven from here; blocks."""
        return {run.task_run_id: self.find_driver(run.task_run_id) for run in self.find_live()}

    def read(self) -> list[tuple[TaskRun, Mapping[str, int], RunPay]]:
        """Read all task runs, newest first, each with how many units have which status, and what it pays."""
        runs = self.database.runs.find_runs()
        ids = [run.task_run_id for run in runs]
        counts, pay = self.database.runs.count_units(ids), self.database.reviews.read_pay(ids)
        return [(run, counts[run.task_run_id], pay[run.task_run_id]) for run in runs]

    def __repr__(self) -> str:
        if self.is_closed:
            return "<Operator: shut down>"
        running = [repr_of(run) for run in self.running()]
        waiting = [_describe_left(run, self.drivers.get(run.task_run_id)) for run in self.left_behind]
        return f"<Operator: {'; '.join(running + waiting) or 'no task runs under way'}>"

    # -- ending ----------------------------------------------------------------------------------------------

    async def wait_then_end(self) -> None:
        """Wait until every run has ended, then close (see `Operator.wait_for_runs_then_shutdown`)."""
        self.writer.home.enter()
        waiting = (tasks.run.completed() for tasks in self._tasks.values() if tasks.run.is_running)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        await self.end(force=any(isinstance(outcome, BaseException) for outcome in outcomes))
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def end(self, *, force: bool) -> None:
        """End every run, gently or at once, then close. May be called twice."""
        self.writer.home.enter()
        if self.is_closed:
            return
        steered = {id_: RunSteering(id_, tasks.run) for id_, tasks in self._tasks.items()}
        endings = (run.force_shutdown() if force else run.shutdown() for run in steered.values())
        outcomes = await asyncio.gather(*endings, return_exceptions=True)
        for task_run_id, outcome in zip(steered, outcomes, strict=True):
            if isinstance(outcome, Exception):
                _tell_not_ended(task_run_id, outcome)
        await self._close()
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not force:
                raise outcome

    async def detach(self) -> None:
        """Close, but leave the runs alive: their routers go on, and `reconnect` takes them up later."""
        self.writer.home.enter()
        for tasks in list(self._tasks.values()):
            if tasks.run.is_driven and not tasks.run.over.is_set():
                await tasks.let_go()
        await self._close()

    async def _close(self) -> None:
        self.is_closed = True
        await self._supervisor.close()
        await self.writer.aclose()
        self.database.release()  # the frames of its runs can still be asked for
        tell(self.listeners)

    def abandon(self) -> None:
        """Let go of what is still held after the loop, and with it all tasks on it, has ended."""
        self.is_closed = True
        for tasks in self._tasks.values():
            tasks.abandon()
        self.writer.close()
        self.database.close()

    @property
    def is_usable(self) -> bool:
        """Whether these runs can be used from here: neither closed, nor on a loop that has ended."""
        return not self.is_closed and not self.writer.home.has_ended

    # -- within ----------------------------------------------------------------------------------------------

    async def ready(self) -> None:
        """Raise `ClosedError` if closed, `LoopError` if used on another loop than before; start what supervises."""
        if self.is_closed:
            raise ClosedError("This operator was shut down. Make a new one: operator = mephisto_nb.Operator().")
        self.writer.home.settle()
        await self._supervisor.start()

    def _keep(self, tasks: RunTasks) -> RunFrames:
        live = tasks.run
        self._tasks[live.task_run_id] = tasks
        self._frames[live.task_run_id] = self._new.pop(live.task_run_id)
        self.left_behind = [run for run in self.left_behind if run.task_run_id != live.task_run_id]
        tell(self.listeners)
        return self._frames[live.task_run_id]

    def _make_frames(
        self,
        run: TaskRun,
        blueprint: Blueprint[Any],
        find_provider: Callable[[], CrowdProvider[Any] | None],
        live: LiveRun | None = None,
    ) -> RunFrames:
        kept = (self.database, self.writer, self.clock, self.progress)
        crowd = RunCrowd(find_provider, self._in_flight, self._spending)
        return RunFrames(run, self.directory / run.task_run_id, blueprint, *kept, live, crowd)


def _warn_of_twins(twins: Sequence[TaskRun], own: Mapping[str, RunTasks], task_name: str) -> None:
    """Warn of other runs of a task that go on beside a new one."""
    for twin in twins:
        tasks = own.get(twin.task_run_id)
        if tasks is None or tasks.run.is_running:
            where = f" at {tasks.run.url}" if tasks else ""
            logger.warning(
                "Another run of %r is live: %s%s. It goes on beside the new one; to end it: "
                "await operator.get_task_run(%r).shutdown()%s.",
                *(task_name, twin.task_run_id, where, twin.task_run_id),
                "" if tasks else ", once it is taken up by operator.reconnect(...)",
            )


def _tell_not_ended(task_run_id: str, error: Exception) -> None:
    """Log why a run did not end with its operator, and what to do: who ends by force hears it nowhere else."""
    logger.warning(
        "Run %s did not end: %r. Its router may go on, and keep what workers send. To end it: make an operator, then "
        "run = await operator.reconnect(%r) and await run.force_shutdown().",
        *(task_run_id, error, task_run_id),
    )


def repr_of(run: RunFrames) -> str:
    """Return how a run looks in one line."""
    live = run.live
    if live is None:
        return f"<TaskRun {run.task_name!r} {run.task_run_id}: units(), agents(), results(), events(), review>"
    answered, total, expired = live.progress
    units = f"{answered} of {total} units answered" + (f"; {expired} expired" if expired else "")
    return f"<TaskRun {run.task_name!r} {run.task_run_id} {live.status}: {units}>"


def _describe_left(run: TaskRun, driver: str | None) -> str:
    what = f"run {run.task_run_id} of {run.task_name!r}"
    if driver is not None:
        return f"{what} is driven by {driver}"
    return f"{what} still lives: await operator.reconnect({run.task_run_id!r})"


def _blueprint_of(run: TaskRun) -> Blueprint[Any]:
    if run.is_imported:
        return ImportedBlueprint(None, SharedTaskState())
    settings = settings_from_dict(run.config)
    return get_blueprint_from_type(settings.blueprint_type)(settings.blueprint_args, SharedTaskState())


def _provider_of(run: TaskRun) -> CrowdProvider[Any] | None:
    if run.is_imported:
        return None
    settings = settings_from_dict(run.config)
    return get_crowd_provider_from_type(settings.provider_type)(settings.provider_args)


def _check_database(settings: TaskRunSettings, url: str) -> None:
    asked = settings.database.url
    if asked is not None and asked != url:
        raise ConfigError(
            "mephisto.database.url names another database than this operator uses. "
            "Give it to the operator: mephisto_nb.Operator(database=...)."
        )


def _open_database(url: str) -> Database:
    scheme = url.partition(":")[0].partition("+")[0]
    for entry in entry_points(group="mephisto_nb.databases", name=scheme):
        database: Database = entry.load()(url)
        return database
    raise ConfigError(
        f"There is no database for URLs that start with {scheme!r}. Use sqlite:///FILE or "
        "postgresql://USER:PASSWORD@HOST/NAME."
    )
