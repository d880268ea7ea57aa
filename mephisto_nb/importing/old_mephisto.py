"""A data directory of Mephisto 1.x, as DataFrames like those of today's runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.frames import frames, people_frames
from mephisto_nb.frames.run_frames import metadata_frame
from mephisto_nb.frames.spreadsheets import Frame
from mephisto_nb.importing import old_data as t
from mephisto_nb.importing.old_data import OldAnswer, OldDatabase, OldFiles, read_answer, to_seconds
from mephisto_nb.model.answers import EVERYTHING
from mephisto_nb.model.money import DEFAULT_CURRENCY
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.model.yaml_text import MOST_SETTINGS, load_yaml
from mephisto_nb.ports.progress import Progress, no_progress

QUALIFICATION_COLUMNS = ("qualification_id", "qualification_name", "description")
WORKER_COLUMNS = ("worker_id", "worker_name", "provider_type", "blocked", "units", "first_seen_at")
ONBOARDING_COLUMNS = ("onboarding_agent_id", "task_run_id", "worker_id", "worker_name", "status", "at", "answer")
TROUBLE_COLUMNS = ("where", "why")
_ANSWERED = ("completed", "approved", "soft_rejected", "rejected")

#: How often progress is told while files are read.
_EVERY = 200


class OldMephisto:
    """What Mephisto 1.x has collected: read from its SQLite file and JSON files, and never written.

    Everything is read anew each time it is asked for, so that 1.x may go on meanwhile. Columns are those of the frames
    of today's runs, with nothing where 1.x knows nothing. Only `results`, `messages`, `metadata` and `onboardings` read
    files.

    Parameters
    ----------
    path
        Its data directory (``core.main_data_directory`` of its ``config.yml``), or the ``database.db`` in there.
    progress
        Shows how far long work is.

    Raises
    ------
    NotFoundError
        There is no such directory, or no database in it.
    DataFileError
        It is no database of Mephisto 1.x.
    DatabaseError
        It cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], progress: Progress = no_progress) -> None:
        self.database = OldDatabase(path)
        self.files = OldFiles(self.database.file.parent)
        self._progress = progress

    def __repr__(self) -> str:
        with self.database.reading() as connection:
            runs, units = (self.database.count(connection, table) for table in ("task_runs", "units"))
        return f"<Mephisto 1.x in {str(self.database.file.parent)!r}: {runs:,} task runs, {units:,} units>"

    # -- frames from the database alone ----------------------------------------------------------------------

    def task_runs(self) -> pd.DataFrame:
        """Return one row a task run, newest first (columns: `frames.frames.runs_frame`); its end is not known."""
        runs, units = self.read("task_runs"), self.read("units")
        names = {task["task_id"]: task["task_name"] for task in self.read("tasks")}
        count, done = dict[str, int](), dict[str, int]()
        for unit in units:
            count[unit["task_run_id"]] = count.get(unit["task_run_id"], 0) + 1
            done[unit["task_run_id"]] = done.get(unit["task_run_id"], 0) + (unit["status"] in t.ANSWERED_UNITS)
        rows = [
            {
                **run,
                "task_name": names.get(run["task_id"]),
                "blueprint_type": run["task_type"],
                "created_at": to_seconds(run["creation_date"]),
                "is_live": not run["is_completed"],
                "units": count.get(run["task_run_id"], 0),
                "completed": done.get(run["task_run_id"], 0),
            }
            for run in runs
        ]
        rows.sort(key=lambda run: run["created_at"] or 0.0, reverse=True)
        return frames.make_frame(rows, frames.RUN_COLUMNS, ("created_at", "ended_at"))

    def units(self, task_run_id: str | None = None) -> pd.DataFrame:
        """Return one row a unit (columns: `frames.frames.units_frame`), of all runs or one."""
        return frames.units_frame(self._units(task_run_id))

    def agents(self, task_run_id: str | None = None) -> pd.DataFrame:
        """Return one row a worker at a unit (columns: `frames.frames.agents_frame`), of all runs or one."""
        names = self._worker_names()
        agents = [{**one, "accepted_at": to_seconds(one["creation_date"])} for one in self._of("agents", task_run_id)]
        return frames.agents_frame([{**one, "worker_name": names.get(one["worker_id"])} for one in agents])

    def workers(self) -> pd.DataFrame:
        """Return one row a worker: ``blocked`` is what reviewers did; what is in a crowd's own list is not known."""
        held: dict[str, int] = {}
        for unit in self.read("units"):
            held[unit["worker_id"]] = held.get(unit["worker_id"], 0) + 1
        blocked = find_blocked(self.read("worker_review"))
        rows = [
            {
                **one,
                "blocked": one["worker_id"] in blocked,
                "units": held.get(one["worker_id"], 0),
                "first_seen_at": to_seconds(one["creation_date"]),
            }
            for one in self.read("workers")
        ]
        return frames.make_frame(rows, WORKER_COLUMNS, ("first_seen_at",))

    def qualifications(self) -> pd.DataFrame:
        """Return one row a qualification."""
        return Frame(self.read("qualifications"), columns=list(QUALIFICATION_COLUMNS))

    def grants(self) -> pd.DataFrame:
        """Return one row a grant: what a worker holds, its ``value``, and when it became that."""
        workers = {one["worker_id"]: one for one in self.read("workers")}
        names = {one["qualification_id"]: one["qualification_name"] for one in self.read("qualifications")}
        rows = [
            {
                **workers.get(one["worker_id"], {}),
                **one,
                "qualification_name": names.get(one["qualification_id"]),
                "granted_at": to_seconds(one["update_date"]) or to_seconds(one["creation_date"]),
            }
            for one in self.read("granted_qualifications")
        ]
        return frames.make_frame(rows, people_frames.GRANT_COLUMNS, ("granted_at",))

    def reviews(self) -> pd.DataFrame:
        """Return one row a decision (columns: `frames.frames.reviews_frame`), those about no unit among them."""
        return frames.reviews_frame(self.read_reviews())

    # -- frames that need files ------------------------------------------------------------------------------

    def results(self, task_run_id: str | None = None) -> pd.DataFrame:
        """Return one row an answer (columns: `frames.frames.results_frame`), of all runs or one.

        Files that workers sent stand as their paths in ``answer.(files)``. What could not be read is in `troubles`.
        """
        rows = list(self._answers(task_run_id))
        return frames.results_frame(rows, lambda shared, own: {**shared, **own}, read_answer, asked=EVERYTHING)

    def messages(self, task_run_id: str | None = None) -> pd.DataFrame:
        """Return one row a message of a chat, in the order in which they were said, each once.

        ``speaker`` is what the speaker was called in the chat; which worker that was, 1.x does not say.
        """
        rows, seen = [], set[tuple[str, str]]()
        for row in self._answers(task_run_id):
            for message in row["messages"]:
                key = (row["assignment_id"], message_key(message))
                if key not in seen:
                    seen.add(key)
                    said = {"speaker": message.get("id"), "text": message.get("text"), "data": message}
                    about = {name: row[name] for name in ("task_run_id", "assignment_index", "assignment_id")}
                    rows.append({**about, **said, "at": to_seconds(message.get("timestamp"))})
        return frames.make_frame(rows, frames.MESSAGE_COLUMNS, ("at",))

    def metadata(self, task_run_id: str | None = None) -> pd.DataFrame:
        """Return one row a tip, feedback, opinion or other thing that a worker sent beside an answer.

        The columns are those of `frames.run_frames.metadata_frame`.
        """
        names = self._worker_names()
        rows = []
        for agent in self._of("agents", task_run_id):
            found = self.files.read_agent(agent["task_run_id"], agent["assignment_id"], agent["agent_id"])
            if found is not None and found.metadata:
                at = found.ended_at or found.started_at or to_seconds(agent["creation_date"])
                about = {name: agent[name] for name in ("task_run_id", "agent_id", "unit_id", "worker_id")}
                about |= {"id": agent["agent_id"], "worker_name": names.get(agent["worker_id"]), "received_at": at}
                rows.append({**about, "data": {"metadata": found.metadata}})
        return metadata_frame(rows, str)

    def onboardings(self) -> pd.DataFrame:
        """Return one row an attempt to be let in, with what was answered, as 1.x's files have it."""
        names = self._worker_names()
        rows = [
            {
                **one,
                "worker_name": names.get(one["worker_id"]),
                "at": to_seconds(one["creation_date"]),
                "answer": found.outputs if found is not None else None,
            }
            for one in self.read("onboarding_agents")
            for found in [self.files.read_onboarding(one["task_run_id"], one["onboarding_agent_id"])]
        ]
        return frames.make_frame(rows, ONBOARDING_COLUMNS, ("at",))

    def troubles(self) -> pd.DataFrame:
        """Return one row a file that could not be read so far: ``where``, and ``why``."""
        return Frame(self.files.troubles, columns=list(TROUBLE_COLUMNS))

    # -- rows, for the import --------------------------------------------------------------------------------

    def read(self, table: str) -> list[JSONObject]:
        """Read a table, one dict a row, in the order in which the rows came."""
        with self.database.reading() as connection:
            rows = self.database.read(connection, table, t.COLUMNS[table])
        # Their ids are random, and say nothing of their order.
        return sorted(rows, key=lambda row: str(row.get("creation_date") or ""))

    def read_reviews(self) -> list[JSONObject]:
        """Read the decisions, as rows for `frames.frames.reviews_frame`, oldest first."""
        units = {one["unit_id"]: one for one in self.read("units")}
        names = self._worker_names()
        qualifications = {one["qualification_id"]: one["qualification_name"] for one in self.read("qualifications")}
        last: dict[str, str] = {}
        found = []
        for one in self.read("worker_review"):
            unit, after = units.get(one["unit_id"] or ""), t.REVIEW_STATUS.get(one["status"] or "")
            before = last.get(one["unit_id"], UnitStatus.COMPLETED.value) if unit else None
            name, value = qualifications.get(one["updated_qualification_id"]), one["updated_qualification_value"]
            found.append(
                {
                    "review_id": one["id"],
                    "task_run_id": unit["task_run_id"] if unit else None,
                    "agent_id": unit["agent_id"] if unit else None,
                    "worker_name": names.get(one["worker_id"]),
                    **{name: one[name] for name in ("unit_id", "worker_id", "task_id")},
                    "before": before,
                    "after": after,
                    "note": one["review_note"] or "",
                    "message": "",
                    "bonus": one["bonus"],
                    "currency": DEFAULT_CURRENCY,
                    "granted": {name: value} if name else None,
                    "revoked": qualifications.get(one["revoked_qualification_id"]),
                    "blocked": bool(one["blocked_worker"]),
                    "who": t.WHO,
                    "at": to_seconds(one["creation_date"]),
                }
            )
            if unit and after:
                last[one["unit_id"]] = after
        return found

    # -- within ----------------------------------------------------------------------------------------------

    def _of(self, table: str, task_run_id: str | None) -> list[JSONObject]:
        rows = self.read(table)
        if task_run_id is None:
            return rows
        if task_run_id not in {run["task_run_id"] for run in self.read("task_runs")}:
            raise NotFoundError(f"There is no task run {task_run_id!r} in {self!r}. See its task_runs().")
        return [row for row in rows if row["task_run_id"] == task_run_id]

    def _worker_names(self) -> dict[str, str]:
        return {one["worker_id"]: one["worker_name"] for one in self.read("workers")}

    def _units(self, task_run_id: str | None) -> list[JSONObject]:
        indexes, names = index_assignments(self.read("assignments")), self._worker_names()
        rows = [
            {
                **one,
                "assignment_index": indexes.get(one["assignment_id"]),
                "worker_name": names.get(one["worker_id"]),
                "currency": DEFAULT_CURRENCY,
            }
            for one in self._of("units", task_run_id)
        ]
        rows.sort(key=lambda row: (row["task_run_id"], row["assignment_index"] or 0, row["unit_index"]))
        return rows

    def _answers(self, task_run_id: str | None) -> Iterator[JSONObject]:
        """Read the answers, one by one, as `frames.frames.results_frame` wants them."""
        self.files.troubles.clear()
        states = {one["agent_id"]: one for one in self.read("agents")}
        units = [
            unit
            for unit in self._units(task_run_id)
            if (agent := states.get(unit["agent_id"])) and agent["status"] in _ANSWERED
        ]
        what, shared = "Reading answers of Mephisto 1.x", dict[str, Any]()
        for number, unit in enumerate(units):
            if number % _EVERY == 0:
                self._progress(what, number, len(units))
            assignment, agent = unit["assignment_id"], states[unit["agent_id"]]
            if assignment not in shared:
                shared = {assignment: self.files.read_assignment(unit["task_run_id"], assignment)}
            place = (unit["task_run_id"], assignment, agent["agent_id"])
            found = self.files.read_agent(*place, has_answered=True)
            if found is None:
                continue
            yield {
                **unit,
                "status": unit_status(unit, agent),
                "accepted_at": found.started_at or to_seconds(agent["creation_date"]),
                "submitted_at": found.ended_at,
                **inputs_of(shared[assignment], found),
                "data": with_files(found.outputs, [str(file) for file in found.files]),
                "messages": found.messages,
            }
        self._progress(what, len(units), len(units))


def find_blocked(reviews: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the workers whom a reviewer has blocked."""
    return {one["worker_id"] for one in reviews if one["blocked_worker"]}


def inputs_of(assignment: tuple[JSONObject, list[JSONObject]] | None, found: OldAnswer) -> JSONObject:
    """Return ``shared`` and ``unit_data``; where the assignment's file is missing, what the agent's own says."""
    if assignment is None:
        return {"shared": found.inputs if isinstance(found.inputs, dict) else {}, "unit_data": []}
    return {"shared": assignment[0], "unit_data": assignment[1]}


def with_files(outputs: JSON, files: Sequence[str]) -> JSON:
    """Add the files that were sent to an answer."""
    if not files:
        return outputs
    return {**(outputs if isinstance(outputs, dict) else {"answer": outputs}), "(files)": list(files)}


def unit_status(unit: Mapping[str, Any], agent: Mapping[str, Any] | None) -> str:
    """Return the status that a unit of 1.x is in: it follows its agent's only when somebody asks."""
    status = str(unit["status"])
    if agent is None or status not in t.FOLLOWS_AGENT:
        return status
    return t.UNIT_OF_AGENT.get(agent["status"], status)


def index_assignments(assignments: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count the assignments of each run from 0, in the order in which they were made."""
    counts: dict[str, int] = {}
    indexes = {}
    for one in assignments:
        indexes[one["assignment_id"]] = counts.get(one["task_run_id"], 0)
        counts[one["task_run_id"]] = indexes[one["assignment_id"]] + 1
    return indexes


def parse_config(text: object) -> JSONObject:
    """Read a configuration as 1.x stores it: YAML, in a JSON string in later versions; {}: it cannot be read."""
    try:
        value = json.loads(str(text))
    except ValueError:
        value = text
    try:
        tree = load_yaml(value, MOST_SETTINGS) if isinstance(value, str) else value
    except ConfigError:
        return {}
    if not isinstance(tree, dict):
        return {}
    inner = tree.get("mephisto")
    # Dates and the like are YAML's, not JSON's.
    plain: JSONObject = json.loads(json.dumps(inner if isinstance(inner, dict) else tree, default=str))
    return plain


def message_key(message: JSONObject) -> str:
    """Tell one message of a chat from another: those who heard it have it each."""
    if isinstance(message.get("update_id"), str):
        return str(message["update_id"])
    about = [message.get(name) for name in ("timestamp", "id", "text")]
    return sha256(json.dumps(about, default=str).encode()).hexdigest()[:26]


_KNOWN_AGENTS = {status.value for status in AgentStatus}


def agent_status(agent: Mapping[str, Any]) -> AgentStatus | None:
    """Return the status of an agent; None: there is no such status."""
    return AgentStatus(agent["status"]) if agent["status"] in _KNOWN_AGENTS else None
