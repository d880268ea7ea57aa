"""What tests look at behind the faces: the machinery of a run, whichever way it is held."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from rich.console import Console

from mephisto_nb.display.dashboard.runs import RunList
from mephisto_nb.display.dashboard.runs import run_list as display_run_list
from mephisto_nb.display.dashboard.watch import RunWatch
from mephisto_nb.display.dashboard.watch import watch as dashboard_watch
from mephisto_nb.display.people_panels import PeopleModel
from mephisto_nb.display.people_panels import people_model_of as display_people_model_of
from mephisto_nb.display.progress import showing_runs as show_in_terminal
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.live_run import LiveRun, RunParts
from mephisto_nb.operator import Operator
from mephisto_nb.people.acts import PeopleActs
from mephisto_nb.run import TaskRun


def frames_of(run: TaskRun | RunFrames) -> RunFrames:
    """Return the run behind a face."""
    return run._frames if isinstance(run, TaskRun) else run


def live_of(run: TaskRun | RunFrames | LiveRun) -> LiveRun:
    """Return a run as its kernel drives it."""
    live = run if isinstance(run, LiveRun) else frames_of(run).live
    assert live is not None
    return live


def parts_of(run: TaskRun | RunFrames | LiveRun) -> RunParts:
    """Return what a live run is made of."""
    return live_of(run).parts


def watch(run: TaskRun | RunFrames) -> RunWatch:
    """Return what the dashboard of a run reads."""
    return dashboard_watch(frames_of(run))


def run_list(operator: Operator) -> RunList:
    """Return what the display of an operator reads."""
    return display_run_list(operator._runs)


def acts_of(operator: Operator) -> PeopleActs:
    """Return what does all that is done to an operator's people."""
    return operator.qualifications._acts


def people_model_of(operator: Operator) -> PeopleModel:
    """Return what the panels of an operator's people read."""
    return display_people_model_of(operator._people, operator._runs)


def showing_runs(runs: Sequence[TaskRun], console: Console | None = None) -> AbstractAsyncContextManager[None]:
    """Show runs in a terminal for as long as this is entered."""
    return show_in_terminal([frames_of(run) for run in runs], console)
