"""What an operator can look up: the runs of its database, those of this kernel and all others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from mephisto_nb.config.registry import get_blueprint_from_type, get_crowd_provider_from_type
from mephisto_nb.config.task_run_settings import settings_from_dict
from mephisto_nb.errors import NotFoundError
from mephisto_nb.frames.frames import runs_frame
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.importing.old_files import ImportedBlueprint
from mephisto_nb.kernel.launch.run_lock import find_driver
from mephisto_nb.kernel.writer import DatabaseWriter
from mephisto_nb.model.records import RunPay, TaskRun
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.progress import Progress, no_progress
from mephisto_nb.review.reviewed_run import ReviewedRun

if TYPE_CHECKING:
    from mephisto_nb.kernel.run_tasks import RunKeeper
    from mephisto_nb.run import LiveTaskRun


class PastTaskRun(RunFrames, ReviewedRun):
    """A run that is only looked up: its frames, and what can be decided on its answers."""

    @property
    def provider(self) -> CrowdProvider[Any] | None:
        """The run's crowd; None where it is not known here, as of a run that was imported."""
        if self.task_run.is_imported:
            return None
        settings = settings_from_dict(self.task_run.config)
        return get_crowd_provider_from_type(settings.provider_type)(settings.provider_args)


class Archive:
    """The runs of a database; `Operator` is one of these."""

    #: What a run that is only looked up is handed out as.
    frames_class: ClassVar[type[PastTaskRun]] = PastTaskRun
    _database: Database
    _runs_directory: Path
    _writer: DatabaseWriter
    _clock: Clock
    _keepers: dict[str, RunKeeper]
    #: Shows how far long work is.
    progress: ClassVar[Progress] = staticmethod(no_progress)

    def get_running_task_runs(self) -> list[LiveTaskRun]:
        """Give the runs that this kernel drives now, oldest first."""
        return [keeper.run for keeper in self._keepers.values() if keeper.run.is_running]

    def get_own_task_runs(self) -> list[LiveTaskRun]:
        """Give the runs that this kernel drives, or has driven, oldest first."""
        return [keeper.run for keeper in self._keepers.values()]

    def read_runs(self) -> list[tuple[TaskRun, Mapping[str, int], RunPay]]:
        """Read all task runs, newest first, each with how many units have which status and what it pays; for displays.

        Raises
        ------
        ClosedError
            The operator was shut down.
        """
        runs = self._database.runs.find_runs()
        ids = [run.task_run_id for run in runs]
        counts, pay = self._database.runs.count_units(ids), self._database.reviews.read_pay(ids)
        return [(run, counts[run.task_run_id], pay[run.task_run_id]) for run in runs]

    def find_live_runs(self) -> list[TaskRun]:
        """Give the runs that have not ended and are not driven from here: `reconnect` takes them up.

        Raises
        ------
        ClosedError
            The operator was shut down.
        """
        here = {run.task_run_id for run in self.get_running_task_runs()}
        return [run for run in self._database.runs.find_runs(live=True) if run.task_run_id not in here]

    def find_driver(self, task_run_id: str) -> str | None:
        """Say which other kernel drives a run, such as "another kernel (pid 123)"; None if it waits for `reconnect`."""
        return find_driver(self._runs_directory / task_run_id)

    def task_runs(self) -> pd.DataFrame:
        """Give all task runs of the database, newest first (columns: `export.frames.runs_frame`).

        Raises
        ------
        ClosedError
            The operator was shut down.
        """
        runs = self._database.runs.find_runs()
        return runs_frame(runs, self._database.runs.count_units([run.task_run_id for run in runs]))

    def get_task_run(self, task_run_id: str) -> PastTaskRun | LiveTaskRun:
        """Give a run of any time, to ask it for its frames: ``units()``, ``agents()``, ``results()``, ``events()``.

        Raises
        ------
        NotFoundError
            There is no such run.
        UnknownTypeError
            Its blueprint is not registered: run the cell that defines it first.
        ClosedError
            The operator was shut down.
        """
        if (keeper := self._keepers.get(task_run_id)) is not None:
            return keeper.run
        found = [run for run in self._database.runs.find_runs() if run.task_run_id == task_run_id]
        if not found:
            raise NotFoundError(f"There is no task run {task_run_id!r} in this database. See operator.task_runs().")
        blueprint = _blueprint_of(found[0])
        made_for = (found[0], self._runs_directory / task_run_id, blueprint, self._database, self._writer, self._clock)
        return self.frames_class(*made_for, self.progress)


def _blueprint_of(run: TaskRun) -> Blueprint[Any]:
    if run.is_imported:
        return ImportedBlueprint(None, SharedTaskState())
    settings = settings_from_dict(run.config)
    return get_blueprint_from_type(settings.blueprint_type)(settings.blueprint_args, SharedTaskState())
