"""A task run as a researcher holds it: its frames, its numbers, and what can be done with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from mephisto_nb.display.actions import preview
from mephisto_nb.display.actions._base import DrivenRun
from mephisto_nb.display.charts import RunCharts
from mephisto_nb.display.notebook import RunDisplay
from mephisto_nb.display.progress import showing_runs, what_goes_on
from mephisto_nb.display.review_panel import ReviewPanel
from mephisto_nb.errors import ConfigError
from mephisto_nb.frames.run_frames import MetadataFrames, RunFrames
from mephisto_nb.kernel.live_run import LiveRun
from mephisto_nb.kernel.steering import RunSteering, not_driven
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.money.reconciliation import RunReconciliation
from mephisto_nb.people.acts import make_worker_urls
from mephisto_nb.review.payments import RunPayments
from mephisto_nb.review.reviewing import RunReview
from mephisto_nb.runs import repr_of
from mephisto_nb.utils.calling import face, quiet_interrupts


@face
class TaskRun:
    """A task run of any time: one that this kernel drives, or one that is looked up.

    Frames can be asked for before, during and after the run. What changes something is a coroutine, to be awaited. On a
    line of its own a run shows its dashboard.
    """

    #: Reviewing: ``run.review()`` is a panel; ``run.review.approve()``, ``soft_reject``, ``reject``, ``undo`` ...
    review: RunReview
    #: Payments: ``run.payments()`` is a frame; ``run.payments.owed()`` is by worker.
    payments: RunPayments
    #: Comparing with the crowd's books: ``await run.reconcile()`` is a frame; ``await run.reconcile.repair()`` ...
    reconcile: RunReconciliation
    #: What pages sent beside answers: ``run.metadata()`` is a frame; ``feedback``, ``files``, ``requests`` ...
    metadata: MetadataFrames
    #: What can be changed while the run lasts: ``pause_launching``, ``change_limits``, ``expire_units`` ...
    steering: RunSteering

    def __init__(self, frames: RunFrames) -> None:
        self._frames = frames
        self._home = frames.writer.home
        self._display = RunDisplay(frames)
        self.review = RunReview([frames], ReviewPanel)
        self.payments = RunPayments(frames)
        self.reconcile = RunReconciliation(frames)
        self.metadata = MetadataFrames(frames)
        self.steering = RunSteering(frames.task_run_id, frames.live, frames.task_run.ended_at)

    # -- what it is ------------------------------------------------------------------------------------------

    @property
    def task_run_id(self) -> str:
        """The run's id."""
        return self._frames.task_run_id

    @property
    def task_name(self) -> str:
        """The name of the task."""
        return self._frames.task_name

    @property
    def url(self) -> str:
        """Where the router serves the task. Who opens it gets a preview, and takes no unit.

        Where names are believed (``mephisto.provider.signed_links=false``), they are asked for one, and may take part.

        Raises
        ------
        ClosedError
            This kernel does not drive the run.
        """
        return self._driven().url

    @property
    def status(self) -> str:
        """How the run is.

        ``live``, ``paused``, ``closing`` (nothing more is handed out), ``done`` (every unit has come to its end, and
        the router is about to), ``ended``, ``detached`` (it lives, but is not driven from here) or ``failed``.
        """
        if self._frames.live is not None:
            return self._frames.live.status
        return "detached" if self._frames.task_run.ended_at is None else "ended"

    @property
    def attention(self) -> list[str]:
        """What somebody should know of, each with its reason; empty when all is well."""
        return self._frames.live.attention if self._frames.live is not None else []

    @property
    def counts(self) -> dict[str, int]:
        """How many units have which status, in the order of a unit's life; statuses that no unit has are left out."""
        live = self._frames.live
        counts = live.parts.engine.state.counts if live is not None and live.is_running else _count_stored(self._frames)
        return {status.value: counts[status] for status in UnitStatus if counts[status]}

    def __repr__(self) -> str:
        return repr_of(self._frames)

    # -- links -----------------------------------------------------------------------------------------------

    def get_worker_url(self, worker_name: str | None = None) -> str:
        """Return the link by which one worker comes to the task: for them alone, as it shows who they are.

        Without a name, it is the one address by which all come: where a crowd puts its people's ids into it, what to
        paste into the crowd's form, with the crowd's own words for the ids as they are.

        A link that begins with ``http://127.0.0.1`` works on this computer alone: `LocalArchitectArgs` says how to let
        people in from others, by its `hostname` and `url`. Space around the name does not count; capital letters do.

        Raises
        ------
        ConfigError
            It is no name, too long, or holds what nobody can read; or there is none, and each person has a link of
            their own.
        ClosedError
            This kernel does not drive the run.
        """
        live = self._driven()
        if worker_name is not None:
            return live.get_worker_url(worker_name)
        provider = live.parts.provider
        entry = provider.get_entry_url(live.url)
        if entry is None and live.has_own_links and provider.name_parameter is None:
            raise ConfigError("Each person of this crowd has a link of their own. Name one: run.get_worker_url('ann').")
        return entry or live.url

    def get_worker_urls(self, names: Iterable[str]) -> pd.DataFrame:
        """Return the links of several workers, one row a name (columns: ``worker_name``, ``url``).

        Parameters
        ----------
        names
            Who is to get one: a list, or a column of a DataFrame. Of a whole DataFrame, its column ``worker_name``, or
            its only one.

        Raises
        ------
        ConfigError
            One is no name, too long, or holds what nobody can read; two are the same, but for capital letters, spaces
            and marks that nobody sees; or it cannot be told which column is meant.
        ClosedError
            This kernel does not drive the run.

        Examples
        --------
        ``run.get_worker_urls(["ann", "bob"]).to_csv("links.csv")``
        """
        return make_worker_urls(self._driven(), names)

    # -- frames ----------------------------------------------------------------------------------------------

    def units(self) -> pd.DataFrame:
        """Return one row a unit (columns: `frames.frames.units_frame`)."""
        return self._frames.units()

    def agents(self) -> pd.DataFrame:
        """Return one row a worker at a unit (columns: `frames.frames.agents_frame`)."""
        return self._frames.agents()

    def visits(self) -> pd.DataFrame:
        """Return one row a visit: who came, and how it ended (columns: `frames.visits.visits_frame`).

        There are visits where `units_per_visit` is more than 1, and where a crowd sends each person once.

        Examples
        --------
        ``run.results().merge(run.visits()[["visit_id", "outcome", "short"]], on="visit_id")``
        """
        return self._frames.visits()

    def results(self, *, gates: bool = False) -> pd.DataFrame:
        """Return one row an answer, with the data it answers (columns: `frames.frames.results_frame`).

        Before there are answers, the columns are there that the page's inputs or the form's fields will make.

        A file that a worker sent stands as the path of where it is stored, or a list of those; what it was called, and
        its type, is in ``files``, a list of ``{field, name, type, size, path}`` (see `metadata.files`). One that a
        worker sent this very moment is in the router's inbox and appears as soon as the kernel has taken it in;
        after ``await run.completed()`` all are there. Of conversations, ``messages`` is all that was said in the
        assignment: a list of ``{speaker, text}``.

        Parameters
        ----------
        gates
            Return the answers to screening and gold units as well, whose ``unit_index`` is -1 and -2.
        """
        return self._frames.results(gates=gates)

    def messages(self, *, everything: bool = False) -> pd.DataFrame:
        """Return what was said in conversations, by conversation and then in the order in which it was said.

        One row is what a worker, a program or the task's code said (columns: `frames.frames.messages_frame`), whoever
        heard it; ``heard_by`` says who did. What broken conversations hold is there as well.

        Parameters
        ----------
        everything
            Return each hearing as a row of its own as well: what was sent to whose page, and when.

        Examples
        --------
        ``run.messages()[["assignment_index", "shown_name", "text"]]``
        """
        return self._frames.messages(everything=everything)

    def events(self) -> pd.DataFrame:
        """Return the event log, one row a change (columns: `frames.frames.events_frame`)."""
        return self._frames.events()

    def gates(self) -> pd.DataFrame:
        """Return one row for each time that a worker was looked at (columns: `frames.frames.gates_frame`)."""
        return self._frames.gates()

    def export(
        self, path: str | Path, *, for_spreadsheet: bool = False, neutralise_formulas: bool | None = None
    ) -> Path:
        """Write `results` to a ``.csv``, ``.tsv``, ``.json``, ``.jsonl``, ``.parquet``, ``.feather`` or ``.xlsx`` file.

        What is written is what was answered, for programs to read. Worker's text can be a formula to a spreadsheet: for
        people who open the file in one, write ``.xlsx``, or ask for it.

        Parameters
        ----------
        path
            The file; one that is there is replaced, whole or not at all. The method returns its path.
        for_spreadsheet
            Of ``.csv`` and ``.tsv``: mark the file as UTF-8, so that Excel shows an é as such, and put an apostrophe
            before each text that a spreadsheet would run; the column ``(apostrophes)`` says where (see
            `frames.files.write_frame`).
        neutralise_formulas
            An older name of `for_spreadsheet`.

        Raises
        ------
        ConfigError
            The suffix is none of these, `for_spreadsheet` does not fit it, or a package that it needs is not installed.
        WorldError
            The file cannot be written.

        Examples
        --------
        ``run.export("answers.csv")`` for pandas, R and other programs, ``run.export("answers.xlsx")`` for Excel
        """
        with quiet_interrupts("TaskRun.export", self._what_goes_on):
            return self._frames.export(path, for_spreadsheet=for_spreadsheet, neutralise_formulas=neutralise_formulas)

    # -- displays --------------------------------------------------------------------------------------------

    def dashboard(self) -> Any:
        """Return the live display itself, an anywidget, to put into a layout of your own, or into marimo.

        Examples
        --------
        ``ipywidgets.VBox([run.dashboard(), my_notes])``; in marimo, ``mo.ui.anywidget(run.dashboard())``
        """
        return self._display.model

    def charts(self) -> RunCharts:
        """Return charts of the answers so far, which follow the run: progress, time per unit, choices, agreement.

        Raises
        ------
        MissingExtraError
            Altair or vl-convert is not installed.
        """
        return RunCharts(self._frames)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return self._display.bundle()

    def _ipython_display_(self) -> None:
        self._display.show()

    def preview(self, action: str, **arguments: Any) -> str:
        """Say what a button of the dashboard would do now, in numbers; nothing is done.

        Parameters
        ----------
        action
            The name of one, such as ``pause``, ``limits`` or ``shutdown``; for any other, the error lists them all.
        arguments
            What it asks for: those of ``steering.change_limits``, for ``limits``.

        Raises
        ------
        ConfigError
            There is no such action, or a value cannot be.
        ClosedError
            This kernel does not drive the run.

        Examples
        --------
        ``run.preview("limits", task_reward=0.20)``
        """
        return preview(DrivenRun(self._driven(), self.steering, self._frames), action, arguments)

    # -- waiting and ending ----------------------------------------------------------------------------------

    async def completed(self) -> None:
        """Wait until no unit is open any more; how far the run is is shown meanwhile.

        Raises
        ------
        RunFailedError
            The run stopped working; the cause is chained.
        ClosedError
            The run was let go of before it was over, or is not driven from here.
        """
        if self.status == "ended" and self._frames.live is None:
            return
        live = self._driven()
        async with showing_runs([self._frames]):
            await live.completed()

    async def shutdown(self) -> None:
        """End gently: take back what nobody is working on, wait for those who are at work, end the router."""
        await self.steering.shutdown()

    async def force_shutdown(self) -> None:
        """End at once: workers who are at work are told that their unit has expired."""
        await self.steering.force_shutdown()

    def _what_goes_on(self) -> str:
        is_running = self._frames.live is not None and self._frames.live.is_running
        return what_goes_on([self._frames] if is_running else [])

    def _driven(self) -> LiveRun:
        if self._frames.live is None:
            raise not_driven(self.task_run_id, self._frames.task_run.ended_at)
        return self._frames.live


def _count_stored(run: RunFrames) -> Counter[UnitStatus]:
    """Count the units of a run that is driven from here no longer: what is decided on them is no step of it."""
    counts = run.database.runs.count_units([run.task_run_id])[run.task_run_id]
    return Counter({UnitStatus(status): count for status, count in counts.items()})
