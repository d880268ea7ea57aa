"""The DataFrames of what a run has collected.

What a run was told beside answers, as frames; and what may be done with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError, UsageError
from mephisto_nb.frames import files, frames, said
from mephisto_nb.kernel.writer import DatabaseWriter
from mephisto_nb.model.records import PAGE_ERROR, RunSnapshot, TaskRun
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.progress import Progress, no_progress

if TYPE_CHECKING:
    from mephisto_nb.kernel.run_parts import RunParts


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
            self._database.messages.read_metadata([self._run.task_run_id]), lambda name: str(folder / name)
        )

    def feedback(self) -> pd.DataFrame:
        """Give the rows of `metadata` that are feedback."""
        found = self.metadata()
        return found[found["kind"] == "feedback"].reset_index(drop=True)

    def requests(self) -> pd.DataFrame:
        """Give one row a call that a page made of a function (columns: `export.said.requests_frame`)."""
        agents = {row["agent_id"]: row for row in self._database.runs.read_agents([self._run.task_run_id])}
        return said.requests_frame(self._database.messages.read_live_updates([self._run.task_run_id]), agents)

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


class RunFrames(SaidFrames):
    """The frames of one run, which can be asked for at any time, before, during and after it."""

    def __init__(
        self,
        run: TaskRun,
        directory: Path,
        blueprint: Blueprint[Any],
        database: Database,
        writer: DatabaseWriter,
        clock: Clock,
        progress: Progress = no_progress,
    ) -> None:
        self._run, self._directory, self._blueprint, self._database = run, directory, blueprint, database
        self._writer, self._clock, self._progress = writer, clock, progress
        #: What a display knows of this run, kept with it.
        self.watched_by: object | None = None

    def __repr__(self) -> str:
        return f"<TaskRun {self.task_name!r} {self.task_run_id}: units(), agents(), results(), reviews(), events()>"

    @property
    def task_run_id(self) -> str:
        """The run's id."""
        return self._run.task_run_id

    @property
    def task_name(self) -> str:
        """The name of the task."""
        return self._run.task_name

    @property
    def task_run(self) -> TaskRun:
        """The run's record."""
        return self._run

    def units(self) -> pd.DataFrame:
        """Give one row a unit (columns: `export.frames.units_frame`)."""
        return frames.units_frame(self._database.runs.read_units([self.task_run_id]))

    def agents(self) -> pd.DataFrame:
        """Give one row a worker at a unit (columns: `export.frames.agents_frame`)."""
        return frames.agents_frame(self._database.runs.read_agents([self.task_run_id]))

    def messages(self, *, everything: bool = False) -> pd.DataFrame:
        """Give what was said in conversations, by conversation and then in the order in which it was said.

        One row is what a worker, a program or the task's code said (columns: `export.frames.messages_frame`), whoever
        heard it; ``heard_by`` tells who did. What broken conversations hold is there as well.

        Parameters
        ----------
        everything
            Give each hearing a row of its own as well: what was sent to whose page, and when.

        Examples
        --------
        ``run.messages()[["assignment_index", "shown_name", "text"]]``
        """
        rows = self._database.messages.read_live_updates([self.task_run_id])
        return frames.messages_frame(rows, everything=everything)

    def payments(self) -> pd.DataFrame:
        """Give one row a payment: pay of approved units, bonuses ... (columns: `export.frames.payments_frame`)."""
        return frames.payments_frame(self._database.reviews.read_payments([self.task_run_id]))

    def events(self) -> pd.DataFrame:
        """Give the event log, one row a change (columns: `export.frames.events_frame`)."""
        return frames.events_frame(self._database.runs.read_events([self.task_run_id]))

    def gates(self) -> pd.DataFrame:
        """Give one row for each time that a worker was looked at (columns: `export.frames.gates_frame`)."""
        return frames.gates_frame(self._database.runs.read_gates([self.task_run_id]))

    def results(self, *, gates: bool = False) -> pd.DataFrame:
        """Give one row an answer, with the data it answers (columns: `export.frames.results_frame`).

        Before there are answers, the columns are there that the page's inputs or the form's fields will make.

        A file that a worker sent stands as the path of where it is stored, or a list of those. An answer that a
        worker sent this very moment is in the router's inbox and appears as soon as the kernel has taken it in;
        after ``await run.completed()`` all are there. Of conversations, ``messages`` is all that was said in the
        assignment: a list of ``{speaker, text}``.

        Parameters
        ----------
        gates
            Give the answers to screening and gold units as well, whose ``unit_index`` is -1 and -2.
        """
        rows = self._database.runs.read_results([self.task_run_id])
        rows = [row for row in rows if gates or row["unit_index"] >= 0]
        for row in rows:
            row["data"] = _with_files(self._directory, row["data"], row["files"])
        results = frames.results_frame(rows, self._blueprint.get_inputs, self._blueprint.get_answer)
        if results.empty:
            results = results.assign(**{f"answer.{name}": pd.Series(dtype=object) for name in self._answer_names()})
        return frames.with_messages(results, self.messages()) if self._blueprint.has_conversations else results

    def _answer_names(self) -> list[str]:
        try:
            return self._blueprint.get_answer_names()
        except UsageError:
            return []  # a file of the page is gone since the launch

    def read_snapshot(self) -> RunSnapshot:
        """Read the rows of the run from the database, as records; for displays."""
        return self._database.runs.load_run(self.task_run_id)

    def read_answers(self, agent_ids: Sequence[str]) -> list[JSONObject]:
        """Read a few answers, as rows with ``inputs``, ``answer`` and the ``paths`` of files; for displays."""
        rows = self._database.runs.read_results([self.task_run_id], agent_ids=agent_ids)
        for row in rows:
            row["inputs"] = self._blueprint.get_inputs(row["shared"], frames.own_data(row))
            row["paths"] = [str(self._directory / "files" / file["filename"]) for file in row["files"]]
            row["answer"] = self._blueprint.get_answer(_with_files(self._directory, row["data"], row["files"]))
        return rows

    def read_page_errors(self, before: float | None = None) -> Counter[str]:
        """Count the errors that workers' pages reported, by agent; with `before`, those until then (epoch seconds)."""
        found = self._database.runs.read_events([self.task_run_id], why=PAGE_ERROR)
        return Counter(event.subject_id for event in found if before is None or event.at < before)

    @property
    def parts(self) -> RunParts | None:
        """What drives the run, where this kernel does or did; None for one that is only looked up."""
        return None

    @property
    def database(self) -> Database:
        """Where the run is kept."""
        return self._database

    @property
    def blueprint(self) -> Blueprint[Any]:
        """The kind of task."""
        return self._blueprint

    def export(self, path: str | Path, *, neutralise_formulas: bool = True) -> Path:
        """Write `results` to a ``.csv``, ``.json``, ``.jsonl`` or ``.parquet`` file, and give its path.

        Parameters
        ----------
        path
            The file; one that is there is replaced, whole or not at all.
        neutralise_formulas
            In a ``.csv``, put an apostrophe before text that a spreadsheet would run (see `export.files.write_frame`).

        Raises
        ------
        ConfigError
            The suffix is none of these, or pyarrow is not installed.
        WorldError
            The file cannot be written.

        Examples
        --------
        ``run.export("answers.csv")``
        """
        what = f"Exporting answers to {Path(path).name}"
        self._progress(what, 0, 2)
        try:
            results = self.results()
            self._progress(what, 1, 2)
            return files.write_frame(results, path, neutralise_formulas=neutralise_formulas)
        finally:
            self._progress(what, 2, 2)


def _with_files(directory: Path, data: JSON, sent: list[JSONObject]) -> JSON:
    if not sent or not isinstance(data, dict):
        return data
    paths: dict[str, list[str]] = {}
    for file in sent:
        paths.setdefault(file["fieldname"], []).append(str(directory / "files" / file["filename"]))
    return {**data, **{name: found[0] if len(found) == 1 else found for name, found in paths.items()}}
