"""What a run is made of, and the DataFrames of what it has collected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.abstractions.architect import Architect
from mephisto_nb.abstractions.blueprint import Blueprint
from mephisto_nb.abstractions.crowd_provider import CrowdProvider
from mephisto_nb.abstractions.database import Database
from mephisto_nb.data_model.records import TaskRun
from mephisto_nb.export import frames

if TYPE_CHECKING:
    from mephisto_nb.operations.client_io_handler import ClientIOHandler
    from mephisto_nb.operations.run_engine import RunEngine


@dataclass(slots=True)
class RunParts:
    """What a live run is made of, and who it was made for."""

    run: TaskRun
    directory: Path
    blueprint: Blueprint[Any]
    provider: CrowdProvider[Any]
    architect: Architect[Any]
    database: Database
    engine: RunEngine
    link: ClientIOHandler


class RunFrames:
    """The frames of one run, which can be asked for at any time, before, during and after it."""

    def __init__(self, parts: RunParts) -> None:
        self._parts = parts

    @property
    def parts(self) -> RunParts:
        """What the run is made of; for the operator, and for tests."""
        return self._parts

    @property
    def task_run_id(self) -> str:
        """The run's id."""
        return self._parts.run.task_run_id

    @property
    def task_name(self) -> str:
        """The name of the task."""
        return self._parts.run.task_name

    @property
    def task_run(self) -> TaskRun:
        """The run's record."""
        return self._parts.run

    def units(self) -> pd.DataFrame:
        """Give one row a unit (columns: `export.frames.units_frame`)."""
        return frames.units_frame(self._parts.database.read_units([self.task_run_id]))

    def agents(self) -> pd.DataFrame:
        """Give one row a worker at a unit (columns: `export.frames.agents_frame`)."""
        return frames.agents_frame(self._parts.database.read_agents([self.task_run_id]))

    def events(self) -> pd.DataFrame:
        """Give the event log, one row a change (columns: `export.frames.events_frame`)."""
        return frames.events_frame(self._parts.database.read_events([self.task_run_id]))

    def results(self) -> pd.DataFrame:
        """Give one row an answer, with the data it answers (columns: `export.frames.results_frame`).

        A file that a worker sent stands as the path of where it is stored, or a list of those.
        """
        rows = self._parts.database.read_results([self.task_run_id])
        for row in rows:
            row["data"] = self._with_files(row["data"], row["files"])
        blueprint = self._parts.blueprint
        return frames.results_frame(rows, blueprint.get_inputs, blueprint.get_answer)

    def _with_files(self, data: JSON, files: list[JSONObject]) -> JSON:
        if not files or not isinstance(data, dict):
            return data
        folder = self._parts.directory / "files"
        paths: dict[str, list[str]] = {}
        for file in files:
            paths.setdefault(file["fieldname"], []).append(str(folder / file["filename"]))
        return {**data, **{name: found[0] if len(found) == 1 else found for name, found in paths.items()}}
