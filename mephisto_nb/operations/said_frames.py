"""What a run was told beside answers, as frames; and what may be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mephisto_nb.errors import ConfigError
from mephisto_nb.frames import said
from mephisto_nb.model.records import TaskRun
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.database import Database


class SaidFrames:
    """The frames of metadata and of calls; `RunFrames` is one of these."""

    _run: TaskRun
    _directory: Path
    _blueprint: Blueprint[Any]
    _database: Database

    def metadata(self) -> pd.DataFrame:
        """Give one row a tip, feedback, opinion or other thing that a worker sent beside an answer.

        The columns are those of `export.said.metadata_frame`.
        """
        folder = self._directory / "files"
        return said.metadata_frame(
            self._database.read_metadata([self._run.task_run_id]), lambda name: str(folder / name)
        )

    def feedback(self) -> pd.DataFrame:
        """Give the rows of `metadata` that are feedback."""
        found = self.metadata()
        return found[found["kind"] == "feedback"].reset_index(drop=True)

    def requests(self) -> pd.DataFrame:
        """Give one row a call that a page made of a function (columns: `export.said.requests_frame`)."""
        agents = {row["agent_id"]: row for row in self._database.read_agents([self._run.task_run_id])}
        return said.requests_frame(self._database.read_live_updates([self._run.task_run_id]), agents)

    def accept_tips(self, item_ids: Sequence[str], path: str | Path | None = None) -> Path:
        """Offer workers' tips to the workers of the next launch: write them to a CSV file, and give its path.

        Parameters
        ----------
        item_ids
            Which rows of `metadata`, by their ``item_id``.
        path
            The file, which gets them beside those it has; None: the one of ``mephisto.blueprint.tips_location``.

        Raises
        ------
        NotFoundError
            There is no such tip.
        ConfigError
            There is no file to write to.

        Examples
        --------
        ``run.accept_tips(run.metadata().query("kind == 'tips'")["item_id"], "tips.csv")``
        """
        place = path or getattr(self._blueprint.args, "tips_location", None)
        if not place:
            raise ConfigError(
                "Accepted tips have no file to go to. Name one, as in run.accept_tips(ids, 'tips.csv'), and launch the "
                "next run with mephisto.blueprint.tips_location=tips.csv."
            )
        file = Path(place).expanduser()
        said.add_tips(file, self.metadata(), list(item_ids))
        return file
