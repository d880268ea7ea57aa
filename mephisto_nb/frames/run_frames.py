"""The DataFrames of one run: what it has collected, and what its pages sent beside answers."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError, DataFileError, NotFoundError, UsageError, WorldError
from mephisto_nb.frames import files, frames
from mephisto_nb.frames.columns import make_columns, whole_text
from mephisto_nb.frames.frames import make_frame
from mephisto_nb.frames.uploads import files_frame, save_files
from mephisto_nb.frames.visits import visits_frame
from mephisto_nb.kernel.engine import RunEngine
from mephisto_nb.kernel.launching.spending import SpendingCheck
from mephisto_nb.kernel.live_run import LiveRun, asked_of, describe_files, read_answers, with_files
from mephisto_nb.kernel.writer import DatabaseWriter
from mephisto_nb.model.records import PAGE_ERROR, RunSnapshot, TaskRun
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.crowd_desk import CrowdDesk
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.progress import Progress, no_progress
from mephisto_nb.utils.foreign import as_path
from mephisto_nb.utils.logging import guard_formula, unguard_formula
from mephisto_nb.utils.private_files import write_private

METADATA_COLUMNS = (
    "item_id", "task_run_id", "kind", "type", "worker_name", "worker_id", "unit_id", "agent_id", "at", "header", "text",
    "data", "files",
)  # fmt: skip
REQUEST_COLUMNS = (
    "unit_id", "worker_name", "agent_id", "request_id", "function", "arguments", "response", "error", "asked_at",
    "answered_at", "seconds",
)  # fmt: skip

#: What a page sends at once is so many items at most; the rest is one more.
_MOST_ITEMS = 100
#: The kinds that have names; anything else that a page sends is 'other'.
KINDS = ("tips", "feedback", "worker_opinion")


def metadata_frame(rows: Sequence[JSONObject], path_of: Callable[[str], str]) -> pd.DataFrame:
    """Make a frame of what workers sent beside their answers: one row an item, columns `METADATA_COLUMNS`.

    ``kind`` is tips, feedback, worker_opinion or other, ``type`` what the page called it; ``header`` and ``text`` are
    its words, missing where it has none; ``data`` is all of it, and ``files`` the paths of what was sent along. All is
    workers' own, as it came.

    Parameters
    ----------
    rows
        As `MessageStore.read_metadata` gives them.
    path_of
        Gives the path of an uploaded file, by the name under which it is stored.
    """
    items = [item for row in rows for item in _items(row, path_of)]
    return make_frame(items, METADATA_COLUMNS, ("at",))


def _items(row: JSONObject, path_of: Callable[[str], str]) -> Iterator[JSONObject]:
    # What was imported from Mephisto 1.x once stands without the key, by its kinds.
    sent = row["data"]["metadata"] if "metadata" in row["data"] else row["data"]
    files = [path_of(file["filename"]) for file in row["data"].get("files") or []]
    owner = {name: row[name] for name in ("task_run_id", "worker_name", "worker_id", "unit_id", "agent_id")}
    found = _by_type(sent)
    if len(found) > _MOST_ITEMS:
        found[_MOST_ITEMS:] = [("", [data for _, data in found[_MOST_ITEMS:]])]
    for number, (type_, data) in enumerate(found):
        said = data if isinstance(data, dict) else {"text": data}
        yield {
            **owner,
            "item_id": f"{row['id']}-{number}",
            "kind": type_ if type_ in KINDS else "other",
            "type": whole_text(type_),
            "at": row["received_at"],
            "header": _words(said.get("header")),
            "text": _words(said.get("text")),
            "data": data,
            "files": files,
        }


def _by_type(sent: JSON) -> list[tuple[str, JSON]]:
    """Take apart what came: one item that says its type, or several under theirs."""
    if not isinstance(sent, dict):
        return [("", sent)]
    if isinstance(sent.get("type"), str):
        return [(sent["type"], sent)]
    return [
        (item["type"] if isinstance(item, dict) and isinstance(item.get("type"), str) else key, item)
        for key, items in sent.items()
        for item in (items if _is_list_of_items(items) else [items])
    ]


def _is_list_of_items(value: JSON) -> bool:
    """Return whether this is a list of things said, as Mephisto 1.x keeps what is of one kind."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _words(value: JSON) -> JSON:
    return whole_text(value) if isinstance(value, str) else None


def requests_frame(updates: Sequence[JSONObject], agents: Mapping[str, JSONObject]) -> pd.DataFrame:
    """Make a frame of the calls of pages' functions: one row a call, in the order asked, columns `REQUEST_COLUMNS`.

    ``arguments`` and ``response`` are as Python saw them; ``response`` is missing, and ``error`` says why (as
    ``type: message``), where the function failed; all three, with ``answered_at``, while there is no answer.

    Parameters
    ----------
    updates
        As `MessageStore.read_live_updates` gives them.
    agents
        The run's agents, as `RunStore.read_agents` gives them, by their ids.
    """
    answers: dict[tuple[str, JSON], JSONObject] = {}
    for row in updates:
        if row["sender"] == "operator" and isinstance(row["data"].get("handles"), str):
            answers.setdefault((row["agent_id"], row["data"]["handles"]), row)
    found: dict[tuple[str, JSON], JSONObject] = {}
    for row in updates:
        key = (row["agent_id"], row["data"].get("request_id"))
        if row["sender"] == "worker" and isinstance(key[1], str) and key not in found:
            found[key] = _request(row, answers.get(key), agents.get(row["agent_id"], {}))
    return make_frame(list(found.values()), REQUEST_COLUMNS, ("asked_at", "answered_at"))


def _request(row: JSONObject, answer: JSONObject | None, agent: JSONObject) -> JSONObject:
    said = answer["data"] if answer else {}
    error = said.get("error")
    return {
        "unit_id": agent.get("unit_id"),
        "worker_name": agent.get("worker_name"),
        "agent_id": row["agent_id"],
        "request_id": whole_text(row["data"]["request_id"]),
        "function": _words(row["data"].get("target")),
        "arguments": _read(row["data"].get("args")),
        "response": None if error else _read(said.get("response")),
        "error": f"{error.get('type')}: {error.get('message')}" if isinstance(error, dict) else None,
        "asked_at": row["at"],
        "answered_at": answer["at"] if answer else None,
        "seconds": answer["at"] - row["at"] if answer else None,
    }


def _read(text: JSON) -> JSON:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return whole_text(text)


def add_tips(path: Path, metadata: pd.DataFrame, item_ids: Sequence[str]) -> list[JSONObject]:
    """Add tips to a CSV file with the columns ``header`` and ``text``; give all that are in it then.

    Raises
    ------
    NotFoundError
        No tip has such an id; nothing is written.
    DataFileError
        The file is no UTF-8 text.
    WorldError
        The file cannot be read or written; what was in it stays.
    """
    tips = metadata[metadata["kind"] == "tips"].set_index("item_id")
    if unknown := [item_id for item_id in item_ids if item_id not in tips.index]:
        raise NotFoundError(f"There is no tip {unknown[0]!r} in this run. run.metadata() has the ids, in 'item_id'.")
    chosen = tips.loc[list(item_ids), ["header", "text"]].fillna("")
    new: list[JSONObject] = [{"header": header, "text": text} for header, text in chosen.values.tolist()]
    known = _read_tips(path)
    every = [(tip.get("header") or "", tip.get("text") or "") for tip in [*known, *new]]
    distinct: list[JSONObject] = [{"header": header, "text": words} for header, words in dict.fromkeys(every)]
    text = io.StringIO()
    # With this end of line both its characters are quoted wherever a worker has written one of them.
    writer = csv.DictWriter(text, ["header", "text"], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: guard_formula(one[name]) for name in one} for one in distinct)
    try:
        _replace(path.resolve(), text.getvalue())  # a link to a file elsewhere stays a link
    except OSError as error:
        raise WorldError(f"The tips cannot be written to {path}: {error}. Name another file.") from error
    return distinct


def _read_tips(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")  # as it is: the ends of lines within a tip are its own
        # The standard library's reader has a limit for the length of a value, which a tip may go beyond.
        rows = (
            pd.read_csv(io.StringIO(text, newline=""), dtype=str, keep_default_na=False)
            if text.strip()
            else pd.DataFrame()
        )
        return [
            {name: unguard_formula(row.get(name, "")) for name in ("header", "text")} for row in rows.to_dict("records")
        ]
    except FileNotFoundError:
        return []
    except pd.errors.ParserError as error:
        raise DataFileError(f"The tips in {path} are no table: {error}. Mend the file, or name another.") from error
    except UnicodeDecodeError as error:
        raise DataFileError(f"The tips in {path} are no UTF-8 text: {error}. Save the file as UTF-8.") from error
    except OSError as error:
        raise WorldError(f"The tips in {path} cannot be read: {error}. Name another file.") from error


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all; it keeps the rights that it has."""
    rights = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    write_private(path, text)
    if rights is not None:
        path.chmod(rights)


def _no_provider() -> None:
    return None


@dataclass(slots=True, eq=False)
class RunCrowd:
    """A run's crowd, found when it is first needed, and what is being asked of it.

    Attributes
    ----------
    find
        Finds the crowd; gives None where it is not known here, as of a run that was imported.
    in_flight
        The keys of what the crowd is being asked for now, so that nobody asks for it as well; one set for all runs of
        a kernel, however often one of them is looked up.
    spending
        Asked before more money is committed; None: nobody has to be.
    """

    find: Callable[[], CrowdProvider[Any] | None] = _no_provider
    in_flight: set[str] = field(default_factory=set)
    spending: SpendingCheck | None = None
    _found: CrowdProvider[Any] | None = None
    _desk: CrowdDesk | None = None

    @property
    def provider(self) -> CrowdProvider[Any] | None:
        """The crowd, the same at each call; None where it is not known here."""
        if self._found is None:
            self._found = self.find()
        return self._found

    @property
    def desk(self) -> CrowdDesk | None:
        """What does for this run what its crowd does itself; None where the crowd is not known here."""
        if self._desk is None and self.provider is not None:
            self._desk = self.provider.make_desk()
        return self._desk


@dataclass(slots=True, eq=False, weakref_slot=True)
class RunFrames:
    """One run of a database: its frames, and what reviews, displays and exports read of it.

    Frames can be asked for at any time, before, during and after the run.

    Attributes
    ----------
    task_run
        The run's record.
    directory
        Where the run's page and the files of its workers lie.
    blueprint
        The kind of task.
    database, writer, clock, progress
        Where the run is kept, who writes there, what time it is, and what shows how far long work is.
    live
        The run as this kernel drives it, or drove it until it ended; None: it is only looked up.
    crowd
        Whom the run is offered to, and what is being asked of them.
    watched_by
        What a display knows of this run, kept with it.
    """

    task_run: TaskRun
    directory: Path
    blueprint: Blueprint[Any]
    database: Database
    writer: DatabaseWriter
    clock: Clock
    progress: Progress = no_progress
    live: LiveRun | None = None
    crowd: RunCrowd = field(default_factory=RunCrowd)
    watched_by: object | None = None

    def __repr__(self) -> str:
        return f"<RunFrames of {self.task_name!r} {self.task_run_id}>"

    @property
    def task_run_id(self) -> str:
        """The run's id."""
        return self.task_run.task_run_id

    @property
    def task_name(self) -> str:
        """The name of the task."""
        return self.task_run.task_name

    @property
    def engine(self) -> RunEngine | None:
        """What drives the run, while this kernel does: what changes its units goes through it."""
        return self.live.engine if self.live is not None else None

    def units(self) -> pd.DataFrame:
        """Return one row a unit (columns: `frames.frames.units_frame`)."""
        return frames.units_frame(self.database.runs.read_units([self.task_run_id]))

    def agents(self) -> pd.DataFrame:
        """Return one row a worker at a unit (columns: `frames.frames.agents_frame`)."""
        return frames.agents_frame(self.database.runs.read_agents([self.task_run_id]))

    def visits(self) -> pd.DataFrame:
        """Return one row a visit (columns: `frames.visits.visits_frame`)."""
        return visits_frame(self.database.runs.read_visits([self.task_run_id]))

    def messages(self, *, everything: bool = False) -> pd.DataFrame:
        """Return what was said in conversations: `TaskRun.messages`, which says more."""
        rows = self.database.messages.read_live_updates([self.task_run_id])
        return frames.messages_frame(rows, everything=everything)

    def payments(self) -> pd.DataFrame:
        """Return one row a payment: pay of approved units, bonuses ... (columns: `frames.frames.payments_frame`)."""
        return frames.payments_frame(self.database.reviews.read_payments([self.task_run_id]))

    def events(self) -> pd.DataFrame:
        """Return the event log, one row a change (columns: `frames.frames.events_frame`)."""
        return frames.events_frame(self.database.runs.read_events([self.task_run_id]))

    def gates(self) -> pd.DataFrame:
        """Return one row for each time that a worker was looked at (columns: `frames.frames.gates_frame`)."""
        return frames.gates_frame(self.database.runs.read_gates([self.task_run_id]))

    def results(self, *, gates: bool = False) -> pd.DataFrame:
        """Return one row an answer: `TaskRun.results`, which says more."""
        rows = self.database.runs.read_results([self.task_run_id])
        rows = [row for row in rows if gates or row["unit_index"] >= 0]
        for row in rows:
            row["data"] = with_files(self.directory, row["data"], row["files"])
        times = self.blueprint.get_input_times(), self._answer_times()
        made_of = (self.blueprint.get_inputs, self.blueprint.get_answer, *times)
        results = frames.results_frame(rows, *made_of, asked_of(self.blueprint))
        if results.empty:
            nothing = make_columns("answer", [dict.fromkeys(self._answer_names())], times=times[1]).iloc[:0]
            results = results.assign(**{str(name): column for name, column in nothing.items()})
        results = frames.with_files_sent(results, [describe_files(self.directory, row["files"]) for row in rows])
        return frames.with_messages(results, self.messages()) if self.blueprint.has_conversations else results

    def _answer_names(self) -> list[str]:
        try:
            return self.blueprint.get_answer_names()
        except UsageError:
            return []  # a file of the page is gone since the launch

    def _answer_times(self) -> dict[str, str]:
        try:
            return self.blueprint.get_answer_times()
        except UsageError:
            return {}  # a file of the page is gone since the launch

    def read_snapshot(self) -> RunSnapshot:
        """Read the rows of the run from the database, as records; for displays."""
        return self.database.runs.load_run(self.task_run_id)

    def read_answers(self, agent_ids: Sequence[str]) -> list[JSONObject]:
        """Read a few answers, as rows with ``inputs``, ``answer`` and the ``paths`` of files; for displays."""
        return read_answers(self.database, self.task_run_id, self.blueprint, self.directory, agent_ids)

    def read_page_errors(self, before: float | None = None) -> Counter[str]:
        """Count the errors that workers' pages reported, by agent; with `before`, those until then (epoch seconds)."""
        found = self.database.runs.read_events([self.task_run_id], why=PAGE_ERROR)
        return Counter(event.subject_id for event in found if before is None or event.at < before)

    def export(
        self, path: str | Path, *, for_spreadsheet: bool = False, neutralise_formulas: bool | None = None
    ) -> Path:
        """Write `results` to a file: `TaskRun.export`, which says more."""
        what = f"Exporting answers to {Path(path).name}"
        self.progress(what, 0, 2)
        try:
            results = self.results()
            self.progress(what, 1, 2)
            return files.write_frame(
                results, path, for_spreadsheet=for_spreadsheet, neutralise_formulas=neutralise_formulas
            )
        finally:
            self.progress(what, 2, 2)


class MetadataFrames:
    """What workers' pages sent beside answers: tips, feedback, opinions, files, and calls of functions.

    Call it for all of it: ``run.metadata()``.

    Parameters
    ----------
    run
        Of which run.
    """

    def __init__(self, run: RunFrames) -> None:
        self._run = run

    def __call__(self) -> pd.DataFrame:
        """Return one row a tip, feedback, opinion or other thing that a worker sent beside an answer.

        The columns are those of `frames.run_frames.metadata_frame`.
        """
        folder = self._run.directory / "files"
        return metadata_frame(
            self._run.database.messages.read_metadata([self._run.task_run_id]), lambda name: str(folder / name)
        )

    def feedback(self) -> pd.DataFrame:
        """Return the rows of it that are feedback."""
        found = self()
        return found[found["kind"] == "feedback"].reset_index(drop=True)

    def files(self, save_to: str | Path | None = None) -> pd.DataFrame:
        """Return one row a file that a worker sent, with or beside an answer (columns: `frames.uploads.files_frame`).

        Parameters
        ----------
        save_to
            A folder, to which all of them are copied under their own names, for each answer in a folder of its own; the
            column ``saved_as`` then tells where each is.

        Raises
        ------
        WorldError
            The folder cannot be written.

        Examples
        --------
        ``run.metadata.files("uploads")[["worker_name", "name", "type", "saved_as"]]``
        """
        database, run_id = self._run.database, self._run.task_run_id
        results, metadata = database.runs.read_results([run_id]), database.messages.read_metadata([run_id])
        found = files_frame(results, metadata, self._run.directory)
        return found if save_to is None else save_files(found, Path(save_to).expanduser())

    def requests(self) -> pd.DataFrame:
        """Return one row a call that a page made of a function (columns: `frames.run_frames.requests_frame`)."""
        agents = {row["agent_id"]: row for row in self._run.database.runs.read_agents([self._run.task_run_id])}
        return requests_frame(self._run.database.messages.read_live_updates([self._run.task_run_id]), agents)

    def accept_tips(self, item_ids: Sequence[str], path: str | Path | None = None) -> Path:
        """Offer workers' tips to the workers of the next launch: write them to a CSV file, and return its path.

        Parameters
        ----------
        item_ids
            Which rows, by their ``item_id``.
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
        ``run.metadata.accept_tips(run.metadata().query("kind == 'tips'")["item_id"], "tips.csv")``
        """
        place = path or getattr(self._run.blueprint.args, "tips_location", None)
        if not place:
            raise ConfigError(
                "Accepted tips have no file to go to. Name one, as in run.metadata.accept_tips(ids, 'tips.csv'), and "
                "launch the next run with mephisto.blueprint.tips_location=tips.csv."
            )
        file = as_path(place, "mephisto.blueprint.tips_location")
        add_tips(file, self(), list(item_ids))
        return file


def has_ended(run: RunFrames) -> bool:
    """Return whether a run has ended, as its record or this kernel has it."""
    return run.task_run.ended_at is not None or (run.live is not None and run.live.over.is_set())
