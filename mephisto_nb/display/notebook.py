"""The operator and its runs, as a notebook shows them: live where it can be, and still everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pandas as pd

from mephisto_nb import operator
from mephisto_nb._typing import JSONObject
from mephisto_nb.archive import PastTaskRun
from mephisto_nb.display.charts import RunCharts
from mephisto_nb.display.dashboard.runs import RunList, run_list
from mephisto_nb.display.dashboard.watch import RunWatch, watch
from mephisto_nb.display.people_panels import QualificationsPanel, WorkersPanel
from mephisto_nb.display.progress import show_progress, showing_runs
from mephisto_nb.display.review_panel import ReviewPanel
from mephisto_nb.display.summary import STATES, SavedDisplays, cost_of, summarize, templates
from mephisto_nb.display.widgets.widget import can_be_live, make_model
from mephisto_nb.display.widgets.widget_server import Subject
from mephisto_nb.display.words import moment, plain
from mephisto_nb.errors import MephistoError
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.run_parts import RunParts
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.ports.clock import Clock
from mephisto_nb.review.reviewed_run import ReviewedRun
from mephisto_nb.review.selection import Units
from mephisto_nb.run import LiveTaskRun
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

#: The topic of the list of all runs; that of a run is its id.
ALL_RUNS = "runs"


def draw_run(state: JSONObject) -> dict[str, str]:
    """Draw a run as it was: by type, a page that reads well even where its styles are stripped, and plain text."""
    run = summarize(state)
    return {
        "text/plain": templates.get_template("run.txt").render(run=run),
        "text/html": templates.get_template("run.html").render(run=run),
    }


def draw_operator(state: JSONObject) -> str:
    """Draw an operator as a page: its runs, and how to take up again those that wait for it."""
    runs = [
        {
            **run,
            "name": plain(run["name"]),
            "state_name": STATES.get(run["status"], run["status"]),
            "cost": cost_of(run),
        }
        for run in state["runs"]
    ]
    page = templates.get_template("operator.html")
    return page.render(runs=runs, cost=cost_of(state), closed=state["closed"], taken_at=moment(state["now"]))


class Shown(RunFrames, ReviewedRun):
    """A run that shows how it is when it is the last value of a cell."""

    @cached_property
    def _saved(self) -> SavedDisplays:
        return SavedDisplays()

    @cached_property
    def _model(self) -> Any:
        return make_model(self.task_run_id, self._find_subject)

    async def _find_subject(self, topic: str) -> Subject:
        return _subject(self)

    def dashboard(self) -> Any:
        """Give the live display itself, an anywidget, to put into a layout of your own, or into marimo.

        Raises
        ------
        ConfigError
            anywidget is not installed.

        Examples
        --------
        ``ipywidgets.VBox([run.dashboard(), my_notes])``; in marimo, ``mo.ui.anywidget(run.dashboard())``
        """
        return self._model

    def charts(self) -> RunCharts:
        """Give charts of the answers so far, which follow the run: progress, time per unit, choices, agreement.

        Raises
        ------
        ConfigError
            Altair or vl-convert is not installed.
        """
        return RunCharts(self)

    def review(self, answers: Units = None, *, order: str = "worker") -> ReviewPanel:
        """Give a panel in which answers are reviewed, by keyboard alone if you like; its keys are told in it.

        Parameters
        ----------
        answers
            Which: unit ids, rows of a frame, a mask over ``results()``, or a function of ``results()``, which is asked
            again as answers come; None: all.
        order
            In which order they are looked at first: ``worker``, ``disagreement`` or ``suspicion`` (see
            `review_queue`).

        Raises
        ------
        ConfigError
            There is no such order, or it cannot be told which answers are meant.

        Examples
        --------
        ``run.review(lambda results: results["duration_in_seconds"] < 5, order="suspicion")``
        """
        return ReviewPanel(self.reviewing, answers, order)

    def renew_what_was_saved(self) -> None:
        """Have notebooks keep how the run is now, if they keep anything of it."""
        self._saved.renew(self._repr_mimebundle_, self._what_is_shown)

    def _what_is_shown(self) -> object:
        _refresh(watch(self), self)
        state = watch(self).state()
        return {**state, "run": {**state["run"], "now": None}}

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        _refresh(watch(self), self)
        still = draw_run(watch(self).state())
        return {**_view_of(self._model), **still} if can_be_live() else still

    def _ipython_display_(self) -> None:
        _show(self._saved, self)


class TaskRun(Shown, LiveTaskRun):
    """A task run that this kernel drives, or has driven, with its dashboard."""

    def __init__(self, parts: RunParts) -> None:
        super().__init__(parts)
        self.listeners.append(self._renew_what_was_saved)

    def _renew_what_was_saved(self) -> None:
        if not self.is_running:
            self.renew_what_was_saved()


class PastRun(Shown, PastTaskRun):
    """A task run that this kernel does not drive, with a dashboard that follows what is decided on it."""


class Operator(operator.Operator):  # noqa: D101 - the same docstring as its base, on the next line
    __doc__ = operator.Operator.__doc__
    run_class = TaskRun
    frames_class = PastRun
    progress = staticmethod(show_progress)

    async def wait_for_runs_then_shutdown(self) -> None:  # noqa: D102 - as its base says; a terminal shows how far it is
        async with showing_runs(self.get_running_task_runs()):
            await super().wait_for_runs_then_shutdown()

    def _set_up(self, directory: Path, url: str, clock: Clock) -> None:
        super()._set_up(directory, url, clock)
        self.listeners.append(self._renew_what_was_saved)

    @cached_property
    def _saved(self) -> SavedDisplays:
        return SavedDisplays()

    @cached_property
    def qualifications(self) -> QualificationsPanel:
        """Everything about qualifications: acts, frames, and a panel."""
        return QualificationsPanel(self.people_acts, self)

    @cached_property
    def workers(self) -> WorkersPanel:
        """Everything about workers: acts, frames, and a panel."""
        return WorkersPanel(self.people_acts, self)

    def review(
        self, task_name: str | Iterable[str] | pd.DataFrame, answers: Units = None, *, order: str = "worker"
    ) -> ReviewPanel:
        """Give a panel in which the answers of several runs are reviewed (see `TaskRun.review`).

        Parameters
        ----------
        task_name
            The name of a task, for all of its runs; ids of runs; or rows with the column ``task_run_id``.
        answers, order
            As for one run.

        Raises
        ------
        NotFoundError
            There is no such run, or no run of such a task.
        ConfigError
            There is no such order, or it cannot be told which answers are meant.

        Examples
        --------
        ``operator.review("moods", order="disagreement")``
        """
        return ReviewPanel(self.reviewing(task_name), answers, order)

    @cached_property
    def _model(self) -> Any:
        return make_model(ALL_RUNS, self._find_subject)

    async def _find_subject(self, topic: str) -> Subject:
        if topic == ALL_RUNS:
            return Subject(run_list(self))
        own = [run for run in self.get_own_task_runs() if run.task_run_id == topic]
        run = own[0] if own else await in_thread(self._look_up, topic)
        return _subject(run)

    def _look_up(self, task_run_id: str) -> RunFrames:
        """Read a run from the database, which takes a while, and what its watch needs."""
        run = self.get_task_run(task_run_id)
        watch(run)
        return run

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        _refresh(run_list(self))
        still = {"text/plain": repr(self), "text/html": draw_operator(run_list(self).state())}
        return {**_view_of(self._model), **still} if can_be_live() else still

    def _ipython_display_(self) -> None:
        _show(self._saved, self)

    def get_task_run(self, task_run_id: str) -> PastTaskRun | LiveTaskRun:  # noqa: D102 - as its base says
        run = super().get_task_run(task_run_id)
        self._looked_up.add(run)
        return run

    @cached_property
    def _looked_up(self) -> WeakSet[RunFrames]:
        return WeakSet()

    def _renew_what_was_saved(self) -> None:
        if self.is_closed:
            self._saved.renew(self._repr_mimebundle_, self._what_is_shown)
            for run in {*self.get_own_task_runs(), *self._looked_up}:
                if isinstance(run, Shown):
                    run.renew_what_was_saved()

    def _what_is_shown(self) -> object:
        return {**run_list(self).state(), "now": None}


def _refresh(source: RunWatch | RunList, run: RunFrames | None = None) -> None:
    """Read what no step tells: of a run that is driven from here, steps tell all. What cannot be read stays."""
    if isinstance(run, LiveTaskRun) and run.is_running:
        return
    try:
        source.refresh()
    except MephistoError:
        logger.exception("a display shows what was known before: the database could not be read")


def _show(saved: SavedDisplays, shown: Shown | Operator) -> None:
    """Put something out so that it can be put out anew; where there is no kernel, IPython shows it by itself."""
    if not can_be_live():
        raise NotImplementedError
    saved.show(shown._repr_mimebundle_(), shown._what_is_shown())


def _subject(run: RunFrames) -> Subject:
    return Subject(watch(run), run if isinstance(run, LiveTaskRun) else None)


def _view_of(model: Any) -> dict[str, Any]:
    """Give what makes a front end show the widget. It comes first: the others are for where no kernel is."""
    bundle: dict[str, Any] = model._repr_mimebundle_()[0]
    return {name: content for name, content in bundle.items() if name.startswith("application/")}
