"""The operator: launches task runs, watches them, takes them up again, and shuts them down."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import pandas as pd
from omegaconf import DictConfig

from mephisto_nb.config.config_handler import get_data_directory
from mephisto_nb.config.task_run_settings import resolve_config
from mephisto_nb.display.forecast import ShownForecast
from mephisto_nb.display.notebook import OperatorDisplay
from mephisto_nb.display.people_panels import PeoplePanel
from mephisto_nb.display.progress import in_notebook, show_progress, showing_runs, what_goes_on
from mephisto_nb.display.review_panel import ReviewPanel
from mephisto_nb.errors import ConfigError
from mephisto_nb.frames.frames import runs_frame
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.importing.importer import Importer
from mephisto_nb.importing.old_mephisto import OldMephisto
from mephisto_nb.kernel.launching.launch_input import read_launch_input
from mephisto_nb.model import records
from mephisto_nb.model.money import Money
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.money.budget import budgets_frame
from mephisto_nb.money.forecast import Forecast
from mephisto_nb.money.forecast_input import ForecastOptions, forecast_of
from mephisto_nb.money.ledger import Ledger
from mephisto_nb.money.paying import GIVEN_UP_AFTER
from mephisto_nb.people.people import People, Qualifications, Workers
from mephisto_nb.ports.clock import Clock, SystemClock
from mephisto_nb.review.payments import Payments
from mephisto_nb.review.reviewing import OperatorReview
from mephisto_nb.run import TaskRun
from mephisto_nb.runs import Runs
from mephisto_nb.utils.calling import face, known_options
from mephisto_nb.utils.private_files import close_folder


@face
class Operator:
    """Runs tasks from this kernel, on the event loop that its cells run on.

    In a notebook, await its coroutines. In a script, `asyncio.run` a coroutine of your own, or use `run_sync`.
    Asking for the operator of a database a second time in one kernel gives the one that is there already, so that
    the cell may be run again.

    Parameters
    ----------
    data_dir
        Where everything is kept: a folder of its own, which is closed to other users of the machine. None: the
        environment's ``MEPHISTO_DATA_DIR``, ``core.main_data_directory`` of ``~/.mephisto/config.yml``, or
        ``~/.mephisto/data``.
    database
        A database's URL; None: an SQLite file ``mephisto_nb.db`` in the data directory.
    clock
        What time it is; for tests.

    Raises
    ------
    ConfigError
        The database's URL cannot be used; or the data directory, or something in it, belongs to another user.
    DatabaseError
        The database cannot be opened, or (`SchemaVersionError`) was written by a newer version.

    Examples
    --------
    >>> import tempfile
    >>> operator = Operator(data_dir=tempfile.mkdtemp())
    >>> operator
    <Operator: no task runs under way>
    """

    _open: ClassVar[WeakValueDictionary[str, Operator]] = WeakValueDictionary()
    #: Qualifications: acts, frames, and in a notebook a panel.
    qualifications: Qualifications
    #: Workers: acts, frames, and in a notebook a panel.
    workers: Workers
    #: The ledger: every payment of all runs, sums, and what is in doubt; ``operator.ledger()`` is a frame.
    ledger: Ledger
    #: Payments of all runs: ``operator.payments()`` is a frame; ``owed``, ``preview_paid``, ``mark_paid`` ...
    payments: Payments
    #: Reviewing over several runs: ``operator.review("task")`` is a panel; ``operator.review.of("task")`` decides.
    review: OperatorReview

    @known_options
    def __new__(
        cls, data_dir: str | os.PathLike[str] | None = None, database: str | None = None, clock: Clock | None = None
    ) -> Operator:
        """Find the open operator of this database in this kernel, or make one."""
        directory = get_data_directory(data_dir)
        url = database or f"sqlite:///{directory / 'mephisto_nb.db'}"
        known = cls._open.get(f"{directory} {url}")
        if known is not None and known._runs.is_usable:
            return known
        if known is not None and not known._runs.is_closed:
            known._runs.abandon()
        self = super().__new__(cls)
        runs_directory = get_data_directory(data_dir, create=True) / "runs"
        close_folder(runs_directory)  # earlier versions left it open
        self._set_up(Runs(runs_directory, url, clock or SystemClock(), show_progress))
        cls._open[f"{directory} {url}"] = self
        return self

    def _set_up(self, runs: Runs) -> None:
        keep_words_of_frames()
        self._what_goes_on = lambda: "" if runs.is_closed else what_goes_on(runs.running())
        self._runs, self._faces = runs, dict[str, TaskRun]()
        self._home = runs.writer.home
        self._display = OperatorDisplay(runs)
        people = People(runs.database, runs.writer, runs.clock, lambda people, topic: PeoplePanel(people, runs, topic))
        self._people, self.qualifications, self.workers = people, people.qualifications, people.workers
        self.ledger = Ledger(runs.database, runs.writer, runs.clock, GIVEN_UP_AFTER)
        self.payments = Payments(runs.database, runs.writer, runs.clock)
        self.review = OperatorReview(runs.database, runs.find, ReviewPanel)

    # -- launching -------------------------------------------------------------------------------------------

    async def launch_task_run(
        self,
        config: DictConfig | Mapping[str, Any] | Iterable[Any],
        shared_state: SharedTaskState | pd.DataFrame | list[Any] | None = None,
        *,
        budget: Money | float | str | None = None,
        confirm: bool | str | None = None,
    ) -> TaskRun:
        """Launch a task run.

        Whatever is wrong with the configuration or the data is told before anything is written or started. A
        launch that fails later takes back what it had started.

        Parameters
        ----------
        config
            From `compose`; or what `form_task` or `chat_task` made, which has its data.
        shared_state
            The data and functions of the run; or its rows alone, as a DataFrame or a list.
        budget
            What the run may cost at most, with the crowd's fees, in its currency; None: ``mephisto.task.budget``.
        confirm
            True, or the sum that you were asked to confirm (above ``ask_above`` in ``~/.mephisto/config.yml``). True
            also says that a second study of a task is meant, beside one of it that is live on the same crowd.

        Raises
        ------
        UsageError
            The configuration, or the data, cannot be used (`ConfigError`, `UnknownTypeError`); it does not fit in a
            budget (`BudgetExceededError`); what it may cost, or that it is a second study beside a live one, has to
            be confirmed (`ConfirmationNeededError`).
        LaunchError
            The router did not start (`PortInUseError`: its port belongs to another program).
        DatabaseError
            The database cannot be written.
        """
        return self._face(await self._runs.launch(config, shared_state, budget=budget, confirm=confirm))

    async def reconnect(self, task_run_id: str, shared_state: SharedTaskState | None = None) -> TaskRun:
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
        return self._face(await self._runs.reconnect(task_run_id, shared_state))

    # -- looking ---------------------------------------------------------------------------------------------

    def get_running_task_runs(self) -> list[TaskRun]:
        """Return the runs that this kernel drives now, oldest first."""
        return [self._face(run) for run in self._runs.running()]

    def get_task_run(self, task_run_id: str) -> TaskRun:
        """Return a run of any time, to ask it for its frames: ``units()``, ``agents()``, ``results()``, ``events()``.

        Raises
        ------
        NotFoundError
            There is no such run.
        UnknownTypeError
            Its blueprint is not registered: run the cell that defines it first.
        """
        return self._face(self._runs.find(task_run_id))

    def find_live_runs(self) -> list[records.TaskRun]:
        """Return the records of runs that have not ended and are not driven from here: `reconnect` takes them up."""
        return self._runs.find_live()

    def find_driver(self, task_run_id: str) -> str | None:
        """Return which other kernel drives a run, as "another kernel (pid 123)"; None if it waits for `reconnect`."""
        return self._runs.find_driver(task_run_id)

    def task_runs(self) -> pd.DataFrame:
        """Return all task runs of the database, newest first (columns: `frames.frames.runs_frame`)."""
        database = self._runs.database
        runs = database.runs.find_runs()
        return runs_frame(runs, database.runs.count_units([run.task_run_id for run in runs]))

    def __repr__(self) -> str:
        return repr(self._runs)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return self._display.bundle()

    def _ipython_display_(self) -> None:
        self._display.show()

    # -- taking over -----------------------------------------------------------------------------------------

    async def import_mephisto(self, old: OldMephisto | str | os.PathLike[str]) -> pd.DataFrame:
        """Take over what Mephisto 1.x has collected: runs, workers, qualifications, decisions. It is only read.

        A run that is there already, from an earlier import, is left as it is; each is imported whole or not at all, so
        that an import that was interrupted goes on where it was when it is called again. Units that were open in 1.x
        have expired here; files that workers sent are copied. Who is known here by name and provider stays who they
        are, and what they hold here, or somebody here took from them, stays as it is; whom a reviewer of 1.x blocked is
        blocked here, too, unless somebody here has unblocked them. What 1.x has paid, rewards of approved and
        soft-rejected answers and bonuses, stands in `operator.payments()` as sent. Answers that were left
        open there may have been paid by the crowd itself: look there before you approve them here.

        Parameters
        ----------
        old
            From `open_mephisto`, or the data directory.

        Returns
        -------
        pandas.DataFrame
            What became of each row: one row a table, columns `importing.run_transfer.REPORT_COLUMNS`.

        Raises
        ------
        NotFoundError, DataFileError
            There is no database of Mephisto 1.x there.
        DatabaseError
            One of the two databases cannot be used; runs that were imported before that stay.
        WorldError
            A file cannot be copied.

        Examples
        --------
        ``await operator.import_mephisto("~/mephisto/data")``
        """
        runs = self._runs
        return await Importer(runs.database, runs.writer, runs.directory, runs.progress).import_mephisto(old)

    # -- ending ----------------------------------------------------------------------------------------------

    async def wait_for_runs_then_shutdown(self) -> None:
        """Wait until every run has ended, then shut down; how far they are is shown meanwhile.

        Raises
        ------
        RunFailedError
            A run stopped working; the others were waited for.
        """
        async with showing_runs(self._runs.running()):
            await self._runs.ready()
            await self._runs.wait_then_end()

    async def shutdown(self) -> None:
        """End every run gently (nobody at work is disturbed), then close the operator. May be called twice."""
        await self._runs.end(force=False)

    async def force_shutdown(self) -> None:
        """End every run at once, then close the operator. May be called twice."""
        await self._runs.end(force=True)

    async def detach(self) -> None:
        """Close the operator but leave its runs alive: their routers go on, and `reconnect` takes them up later."""
        await self._runs.detach()

    async def __aenter__(self) -> Operator:
        await self._runs.ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await (self.shutdown() if error is None else self.force_shutdown())

    def _face(self, run: RunFrames) -> TaskRun:
        """Return a run as its researcher holds it; the same object each time for a run of this kernel."""
        known = self._faces.get(run.task_run_id)
        if known is not None and known._frames is run:
            return known
        face = TaskRun(run)
        self._display.follow(face._display)
        if run.live is not None:
            self._faces[run.task_run_id] = face
        return face


def keep_words_of_frames() -> None:
    """Have notebooks show what stands in frames as it is: what workers write between dollar signs is no formula."""
    if in_notebook():
        pd.set_option("display.html.use_mathjax", False)


# -- before a launch


@known_options
def forecast(
    config: DictConfig | Mapping[str, Any] | Iterable[Any],
    data: SharedTaskState | pd.DataFrame | list[Any] | int | None = None,
    *,
    units: int | None = None,
    operator: Operator | None = None,
    fee_rate: float | tuple[float, float] | None = None,
    tax_rate: float | tuple[float, float] | None = None,
    redo_rejected: bool = False,
    seed: int = 0,
) -> Forecast:
    """Foretell what a run will cost, how long it will last, and what people will earn by the hour.

    Nothing is launched, written or sent. Earlier runs of the task (of its name) in the operator's database say how
    people are: a pilot of 50 answers makes the intervals narrow. Where there are none, they are wide, and what is
    assumed is listed.

    Parameters
    ----------
    config
        A task's configuration, as for `Operator.launch_task_run`; or what `form_task` or `chat_task` made.
    data
        The task's data and hooks, as for a launch; or how many rows there will be.
    units
        How many units, where the data come one by one, or are not there yet.
    operator
        Whose database knows of earlier runs; None: that of the default data directory.
    fee_rate, tax_rate
        What the crowd takes on top of pay (0.3 for 30 %), and taxes on that, as shares, or two that each lies between.
        None: what the provider says.
    redo_rejected
        Whether answers that you reject are asked for again.
    seed
        Which random numbers: the same seed and database make the same forecast.

    Raises
    ------
    ConfigError
        Whatever a launch would refuse; or nobody can tell how many units there are.

    Examples
    --------
    >>> import tempfile
    >>> from mephisto_nb.config.hydra_config import compose
    >>> about = {"task_name": "moods", "task_title": "Moods", "task_description": "", "task_tags": ""}
    >>> config = compose("mock", task={**about, "task_reward": 0.10})
    >>> forecast(config, 100, operator=Operator(data_dir=tempfile.mkdtemp())).lines[0].amount.point
    Money('10', 'USD')
    """
    if isinstance(data, int) and units is not None:
        raise ConfigError("data is a number of rows, and units a number of units. Give one of them.")
    given, state = read_launch_input(config, None if isinstance(data, int) else data)
    settings = resolve_config(given)
    rows = data if isinstance(data, int) else None
    options = ForecastOptions(units, rows, fee_rate, tax_rate, redo_rejected, seed)
    runs = (operator or Operator())._runs
    found = forecast_of(settings, state, runs.database, runs.clock.now(), options)
    return ShownForecast.of(found)


@known_options
def budgets(operator: Operator | None = None) -> pd.DataFrame:
    """Return all budgets, and what of each is spent, committed and free, one row a budget (columns: `budgets_frame`).

    They are those of ``~/.mephisto/config.yml``, and of runs that go on.

    Parameters
    ----------
    operator
        Whose runs; None: those of the default data directory.

    Raises
    ------
    ConfigError
        The file holds what is no budget.

    Examples
    --------
    ``mnb.budgets()``
    """
    runs = (operator or Operator())._runs
    return budgets_frame(runs.database, runs.clock.now())
