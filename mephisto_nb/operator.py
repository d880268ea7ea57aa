"""The operator: launches task runs, watches them, takes them up again, and shuts them down."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import pandas as pd
from omegaconf import DictConfig

from mephisto_nb.archive import Archive
from mephisto_nb.config.config_handler import get_data_directory
from mephisto_nb.config.task_run_settings import TaskRunSettings, resolve_config
from mephisto_nb.errors import ConfigError, LoopError
from mephisto_nb.importing.importer import Importing
from mephisto_nb.kernel.launch.launch_input import read_handed_over
from mephisto_nb.kernel.launch.starter import RunStarter
from mephisto_nb.kernel.run_tasks import RunKeeper
from mephisto_nb.kernel.supervisor import Supervisor
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread
from mephisto_nb.model.records import TaskRun
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.people.operator_people import People
from mephisto_nb.ports.clock import Clock, SystemClock
from mephisto_nb.ports.database import Database
from mephisto_nb.review.payments import Books
from mephisto_nb.run import LiveTaskRun
from mephisto_nb.utils.logging import get_logger, set_mephisto_log_level

logger = get_logger(__name__)


class Operator(People, Archive, Books, Importing):
    """Runs tasks from this kernel, on the event loop that its cells run on.

    In a notebook, await its coroutines. In a script, `asyncio.run` a coroutine of your own, or use `run_sync`.
    Asking for the operator of a database a second time in one kernel gives the one that is there already, so that
    the cell may be run again.

    Parameters
    ----------
    data_dir
        Where everything is kept. None: the environment's ``MEPHISTO_DATA_DIR``, ``core.main_data_directory`` of
        ``~/.mephisto/config.yml``, or ``~/.mephisto/data``.
    database
        A database's URL; None: an SQLite file ``mephisto_nb.db`` in the data directory.
    clock
        What time it is; for tests.

    Raises
    ------
    ConfigError
        The database's URL cannot be used.
    DatabaseError
        The database cannot be opened, or (`SchemaVersionError`) was written by a newer version.

    Examples
    --------
    >>> import tempfile
    >>> operator = Operator(data_dir=tempfile.mkdtemp())
    >>> operator
    <Operator: no task runs>
    """

    #: What launched runs are handed out as.
    run_class: ClassVar[type[LiveTaskRun]] = LiveTaskRun
    _open: ClassVar[WeakValueDictionary[str, Operator]] = WeakValueDictionary()

    def __new__(
        cls, data_dir: str | os.PathLike[str] | None = None, database: str | None = None, clock: Clock | None = None
    ) -> Operator:
        """Find the open operator of this database in this kernel, or make one."""
        directory = get_data_directory(data_dir)
        url = database or f"sqlite:///{directory / 'mephisto_nb.db'}"
        known = cls._open.get(f"{directory} {url}")
        if known is not None and not known._closed and not (known._loop and known._loop.is_closed()):
            return known
        if known is not None:
            known._abandon()
        self = super().__new__(cls)
        self._set_up(get_data_directory(data_dir, create=True), url, clock or SystemClock())
        cls._open[f"{directory} {url}"] = self
        return self

    def _set_up(self, directory: Path, url: str, clock: Clock) -> None:
        self._runs_directory, self._url = directory / "runs", url
        self._database = _open_database(url)
        self._writer, self._clock = DatabaseWriter(self._database), clock
        self._supervisor = Supervisor()
        self._keepers: dict[str, RunKeeper] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        #: Who is told when a run is launched or taken up, and when the operator is closed.
        self.listeners: list[Callable[[], None]] = []
        #: What a display knows of this operator's runs, kept with it.
        self.watched_by: object | None = None
        #: Runs of an earlier kernel that were found at the start and not taken up since; a repr must not look.
        self.left_behind = self._database.runs.find_runs(live=True)
        self._drivers = {run.task_run_id: self.find_driver(run.task_run_id) for run in self.left_behind}
        self._starter = RunStarter(
            self._runs_directory, self._database, self._writer, self._supervisor, clock, self.run_class, self.progress
        )

    # -- launching -------------------------------------------------------------------------------------------

    async def launch_task_run(
        self,
        config: DictConfig | Mapping[str, Any] | Iterable[Any],
        shared_state: SharedTaskState | pd.DataFrame | list[Any] | None = None,
    ) -> LiveTaskRun:
        """Launch a task run.

        Whatever is wrong with the configuration or the data is told before anything is written or started. A
        launch that fails later takes back what it had started.

        Parameters
        ----------
        config
            From `compose`; or what `form_task` or `chat_task` made, which has its data.
        shared_state
            The data and functions of the run; or its rows alone, as a DataFrame or a list.

        Raises
        ------
        UsageError
            The configuration, or the data, cannot be used (`ConfigError`, `UnknownTypeError`).
        LaunchError
            The router did not start (`PortInUseError`: its port belongs to another program).
        DatabaseError
            The database cannot be written.
        """
        await self._ready()
        config, state = read_handed_over(config, shared_state)
        settings = resolve_config(config)
        _check_database(settings, self._url)
        set_mephisto_log_level(settings.log_level)
        await self._tell_twins(settings.task.task_name)
        keeper = await self._starter.launch(settings, state)
        return self._keep(keeper)

    async def reconnect(self, task_run_id: str, shared_state: SharedTaskState | None = None) -> LiveTaskRun:
        """Take up a run that still lives after its kernel was restarted: same router, same URL, same agents.

        Everything that workers sent in the meantime is handled first.

        Parameters
        ----------
        task_run_id
            One of `find_live_runs`.
        shared_state
            The functions of the run, which went with the old kernel; and its generator, from the start, if not all
            of its work had been created.

        Raises
        ------
        NotFoundError
            There is no such run, or it has ended.
        RunBusyError
            Another kernel drives it.
        RouterError
            Its router cannot be found, nor started again.
        """
        await self._ready()
        known = self._keepers.get(task_run_id)
        if known is not None and known.run.is_running:
            return known.run
        return self._keep(await self._starter.reconnect(task_run_id, shared_state))

    # -- looking ---------------------------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether the operator was shut down."""
        return self._closed

    def __repr__(self) -> str:
        if self._closed:
            return "<Operator: shut down>"
        running = [repr(run) for run in self.get_running_task_runs()]
        waiting = [_tell_left(run, self._drivers.get(run.task_run_id)) for run in self.left_behind]
        return f"<Operator: {'; '.join(running + waiting) or 'no task runs'}>"

    # -- ending ----------------------------------------------------------------------------------------------

    async def wait_for_runs_then_shutdown(self) -> None:
        """Wait until every run has ended, then shut down.

        Raises
        ------
        RunFailedError
            A run stopped working; the others were waited for.
        """
        await self._ready()
        outcomes = await asyncio.gather(
            *(run.completed() for run in self.get_running_task_runs()), return_exceptions=True
        )
        await self._end_all(force=any(isinstance(outcome, BaseException) for outcome in outcomes))
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def shutdown(self) -> None:
        """End every run gently (nobody at work is disturbed), then close the operator. May be called twice."""
        await self._end_all(force=False)

    async def force_shutdown(self) -> None:
        """End every run at once, then close the operator. May be called twice."""
        await self._end_all(force=True)

    async def detach(self) -> None:
        """Close the operator but leave its runs alive: their routers go on, and `reconnect` takes them up later."""
        for keeper in list(self._keepers.values()):
            if keeper.run.is_driven and not keeper.run.over.is_set():
                await keeper.let_go()
        await self._close()

    async def _end_all(self, *, force: bool) -> None:
        if self._closed:
            return
        runs = [keeper.run for keeper in self._keepers.values()]
        endings = (run.force_shutdown() if force else run.shutdown() for run in runs)
        outcomes = await asyncio.gather(*endings, return_exceptions=True)
        await self._close()
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not force:
                raise outcome

    async def _close(self) -> None:
        self._closed = True
        await self._supervisor.close()
        await in_thread(self._writer.close)
        self._database.release()  # the frames of its runs can still be asked for
        self._tell_listeners()

    async def __aenter__(self) -> Operator:
        await self._ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await (self.shutdown() if error is None else self.force_shutdown())

    # -- within ----------------------------------------------------------------------------------------------

    def _keep(self, keeper: RunKeeper) -> LiveTaskRun:
        self._keepers[keeper.run.task_run_id] = keeper
        self.left_behind = [run for run in self.left_behind if run.task_run_id != keeper.run.task_run_id]
        self._tell_listeners()
        return keeper.run

    async def _tell_twins(self, task_name: str) -> None:
        """Warn of other runs of the same task that go on beside a new one."""
        for twin in await in_thread(self._database.runs.find_runs, task_name=task_name, live=True):
            keeper = self._keepers.get(twin.task_run_id)
            if keeper is None or keeper.run.is_running:
                where = f" at {keeper.run.url}" if keeper else ""
                logger.warning(
                    "Another run of %r is live: %s%s. It goes on beside the new one; to end it: "
                    "await operator.get_task_run(%r).shutdown()%s.",
                    *(task_name, twin.task_run_id, where, twin.task_run_id),
                    "" if keeper else ", once it is taken up by operator.reconnect(...)",
                )

    async def _ready(self) -> None:
        self._check_open()
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise LoopError(
                "This operator lives on another event loop. Use it on that one: always through `await` in one loop, "
                "or always through run_sync()."
            )
        await self._supervisor.start()

    def _tell_listeners(self) -> None:
        for listener in self.listeners:
            listener()

    def _abandon(self) -> None:
        """Give back what an operator still holds whose loop has ended, and with it all its tasks."""
        self._closed = True
        for keeper in self._keepers.values():
            keeper.abandon()
        self._writer.close()
        self._database.close()


def _tell_left(run: TaskRun, driver: str | None) -> str:
    what = f"run {run.task_run_id} of {run.task_name!r}"
    if driver is not None:
        return f"{what} is driven by {driver}"
    return f"{what} still lives: await operator.reconnect({run.task_run_id!r})"


def _check_database(settings: TaskRunSettings, url: str) -> None:
    asked = settings.database.url
    if asked is not None and asked != url:
        raise ConfigError(
            "mephisto.database.url names another database than this operator uses. "
            "Give it to the operator: mephisto_nb.Operator(database=...)."
        )


def _open_database(url: str) -> Database:
    scheme = url.partition(":")[0].partition("+")[0]
    for entry in entry_points(group="mephisto_nb.storage", name=scheme):
        database: Database = entry.load()(url)
        return database
    raise ConfigError(
        f"There is no database for URLs that start with {scheme!r}. Use sqlite:///FILE or "
        "postgresql://USER:PASSWORD@HOST/NAME."
    )
