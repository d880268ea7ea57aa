"""The operator and its runs, as a notebook shows them: live where it can be, and still everywhere."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from weakref import WeakMethod, WeakSet

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.actions._base import DrivenRun
from mephisto_nb.display.dashboard.runs import RunList, run_list
from mephisto_nb.display.dashboard.watch import RunWatch, watch
from mephisto_nb.display.summary import ELSEWHERE, STATES, SavedDisplays, cost_of, show_saved, summarize, templates
from mephisto_nb.display.widgets.widget import Subject, make_model, still_or_live
from mephisto_nb.display.words import moment, plain
from mephisto_nb.errors import MephistoError
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.steering import RunSteering
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import Changes
from mephisto_nb.runs import Runs
from mephisto_nb.utils.logging import get_logger, listen_weakly

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
            "state_name": ELSEWHERE if run.get("driver") else STATES.get(run["status"], run["status"]),
            "cost": cost_of(run),
        }
        for run in state["runs"]
    ]
    page = templates.get_template("operator.html")
    return page.render(
        runs=runs, cost="; ".join(map(cost_of, state["sums"])), closed=state["closed"], taken_at=moment(state["now"])
    )


class RunDisplay:
    """A run in a notebook: its live display, what notebooks keep of it, and its still forms.

    Parameters
    ----------
    run
        Which run.
    """

    def __init__(self, run: RunFrames) -> None:
        self._run = run
        self._saved = SavedDisplays()
        if run.live is not None:
            run.live.listeners.append(self._renew_at_the_end)
        listen_weakly(run.writer.listeners, WeakMethod(self._hear))

    @cached_property
    def model(self) -> Any:
        """The live display, an anywidget."""
        return make_model(self._run.task_run_id, self._find_subject)

    def bundle(self) -> dict[str, Any]:
        """Return what a notebook shows, by MIME type."""
        _refresh(watch(self._run), self._run)
        still = draw_run(watch(self._run).state())
        return still_or_live(still, lambda: self.model)

    def show(self) -> None:
        """Put the run out so that it can be put out anew; raise `NotImplementedError` where IPython does."""
        show_saved(self._saved, self.bundle, self._what_is_shown)

    def renew(self) -> None:
        """Have notebooks keep how the run is now, if they keep anything of it."""
        self._saved.renew(self.bundle, self._what_is_shown)

    async def _find_subject(self, topic: str) -> Subject:
        return _subject(self._run)

    def _hear(self, changes: Changes) -> None:
        if changes.task_run_id in (self._run.task_run_id, None):
            self._saved.renew_soon(self._draw_anew)

    async def _draw_anew(self) -> dict[str, Any]:
        if self._run.live is None or not self._run.live.is_running:
            await watch(self._run).load()
        return still_or_live(draw_run(watch(self._run).state()), lambda: self.model)

    def _renew_at_the_end(self) -> None:
        if self._run.live is not None and not self._run.live.is_running:
            self.renew()

    def _what_is_shown(self) -> object:
        _refresh(watch(self._run), self._run)
        state = watch(self._run).state()
        return {**state, "run": {**state["run"], "now": None}}


class OperatorDisplay:
    """An operator in a notebook: the live list of its runs, each of which opens, and its still form.

    Parameters
    ----------
    runs
        The operator's runs.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._saved = SavedDisplays()
        self._followed: WeakSet[RunDisplay] = WeakSet()
        runs.listeners.append(self._renew_at_the_end)
        listen_weakly(runs.writer.listeners, WeakMethod(self._hear))

    def follow(self, display: RunDisplay) -> None:
        """Renew the display of a run, too, when the operator is closed."""
        self._followed.add(display)

    def bundle(self) -> dict[str, Any]:
        """Return what a notebook shows, by MIME type."""
        _refresh(run_list(self._runs))
        return self._draw()

    def _draw(self) -> dict[str, Any]:
        still = {"text/plain": repr(self._runs), "text/html": draw_operator(run_list(self._runs).state())}
        return still_or_live(still, lambda: self._model)

    def _hear(self, changes: Changes) -> None:
        self._saved.renew_soon(self._draw_anew)

    async def _draw_anew(self) -> dict[str, Any]:
        await run_list(self._runs).load()
        return self._draw()

    def show(self) -> None:
        """Put the list out so that it can be put out anew; raise `NotImplementedError` where IPython does."""
        show_saved(self._saved, self.bundle, self._what_is_shown)

    @cached_property
    def _model(self) -> Any:
        return make_model(ALL_RUNS, self._find_subject)

    async def _find_subject(self, topic: str) -> Subject:
        if topic == ALL_RUNS:
            return Subject(run_list(self._runs))
        own = [run for run in self._runs.own() if run.task_run_id == topic]
        return _subject(own[0] if own else await in_thread(self._look_up, topic))

    def _look_up(self, task_run_id: str) -> RunFrames:
        """Read a run from the database, which takes a while, and what its watch needs."""
        run = self._runs.find(task_run_id)
        watch(run)
        return run

    def _renew_at_the_end(self) -> None:
        if self._runs.is_closed:
            self._saved.renew(self.bundle, self._what_is_shown)
            for display in self._followed:
                display.renew()

    def _what_is_shown(self) -> object:
        return {**run_list(self._runs).state(), "now": None}


def _refresh(source: RunWatch | RunList, run: RunFrames | None = None) -> None:
    """Read what no step tells: of a run that is driven from here, steps tell all. What cannot be read stays."""
    if run is not None and run.live is not None and run.live.is_running:
        return
    try:
        source.refresh()
    except MephistoError:
        logger.exception("a display shows what was known before: the database could not be read")


def _subject(run: RunFrames) -> Subject:
    live = run.live
    return Subject(watch(run), None if live is None else DrivenRun(live, RunSteering(run.task_run_id, live), run))
