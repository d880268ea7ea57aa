"""What Mephisto 1.x has left: its SQLite database, whichever version made it, and the files beside it.

Both are read and never written. A file that is missing or broken is noted, and read as nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import DatabaseError, DataFileError, NotFoundError, UsageError
from mephisto_nb.model.answers import EVERYTHING, is_in_parentheses
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.utils.foreign import below, inside, named_file, read_bytes, refuse_special, why_no_name
from mephisto_nb.utils.sqlite_heads import uses_wal

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "projects": ("project_id", "project_name", "creation_date"),
    "tasks": ("task_id", "task_name", "task_type", "project_id", "parent_task_id", "creation_date"),
    "requesters": ("requester_id", "requester_name", "provider_type", "creation_date"),
    "task_runs": (
        "task_run_id", "task_id", "requester_id", "init_params", "is_completed", "provider_type", "task_type",
        "sandbox", "creation_date",
    ),
    "assignments": (
        "assignment_id", "task_id", "task_run_id", "requester_id", "task_type", "provider_type", "sandbox",
        "creation_date",
    ),
    "units": (
        "unit_id", "assignment_id", "unit_index", "pay_amount", "provider_type", "status", "agent_id", "worker_id",
        "task_type", "task_id", "task_run_id", "sandbox", "requester_id", "creation_date",
    ),
    "workers": ("worker_id", "worker_name", "provider_type", "creation_date"),
    "agents": (
        "agent_id", "worker_id", "unit_id", "task_id", "task_run_id", "assignment_id", "task_type", "provider_type",
        "status", "creation_date",
    ),
    "onboarding_agents": (
        "onboarding_agent_id", "worker_id", "task_id", "task_run_id", "task_type", "status", "creation_date",
    ),
    "qualifications": ("qualification_id", "qualification_name", "description", "creation_date"),
    "granted_qualifications": (
        "granted_qualification_id", "worker_id", "qualification_id", "value", "update_date", "creation_date",
    ),
    "worker_review": (
        "id", "unit_id", "worker_id", "task_id", "status", "review_note", "bonus", "blocked_worker",
        "updated_qualification_id", "updated_qualification_value", "revoked_qualification_id", "creation_date",
    ),
}  # fmt: skip

#: In whose name decisions of 1.x stand: it does not say who made them.
WHO = "Mephisto 1.x"
#: What a decision is called, in one version or another, and what it makes of a unit.
REVIEW_STATUS: Mapping[str, str] = {
    "approved": "accepted",
    "accepted": "accepted",
    "soft_rejected": "soft_rejected",
    "rejected": "rejected",
}
ANSWERED_UNITS = frozenset({"completed", "accepted", "rejected", "soft_rejected"})
#: Units whose status may lag behind their agent's, and what the agent's says.
FOLLOWS_AGENT = frozenset({"assigned", "completed", "accepted", "rejected", "soft_rejected"})
UNIT_OF_AGENT: Mapping[str, str] = {
    "completed": "completed",
    "approved": "accepted",
    "rejected": "rejected",
    "soft_rejected": "soft_rejected",
}


#: Tables that every version has: a file without them is not Mephisto's.
_ALWAYS = {"tasks", "task_runs", "assignments", "units", "agents", "workers"}
#: How long to wait for 1.x's own process, should it be writing (seconds).
_PATIENCE = 30.0
#: So many bytes one value has, and so many characters the values of a table: a default makes long rows of a short file.
_LONGEST, _MOST_TEXT = 50_000_000, 300_000_000

Rows = list[dict[str, Any]]


class OldDatabase:
    """One database of Mephisto 1.x.

    Parameters
    ----------
    path
        Its file, or the data directory that holds it.

    Raises
    ------
    NotFoundError
        There is no such file, or none in the directory.
    DataFileError
        It is no database of Mephisto 1.x.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.file = _find_file(Path(path).expanduser())
        for ending in ("-wal", "-shm", "-journal"):  # SQLite would read them, and may write there
            named_file(f"{self.file}{ending}", "A file of the database of Mephisto 1.x")
        with self.reading() as connection:
            self.tables = _tables_of(connection)
        missing = sorted(_ALWAYS - set(self.tables))
        if missing:
            raise DataFileError(
                f"{str(self.file)!r} is no database of Mephisto 1.x: it has no table {missing[0]!r}. Give the folder "
                "that core.main_data_directory of its config.yml names, or the database.db in there."
            )

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open it to read, all at one moment; nothing beside it is made, either.

        Raises
        ------
        DatabaseError
            It cannot be read.
        DataFileError
            A value in it is longer than any that Mephisto 1.x has written.
        """
        try:
            with closing(sqlite3.connect(self._uri(), uri=True, timeout=_PATIENCE, isolation_level=None)) as connection:
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
                connection.execute("PRAGMA query_only=ON")
                # Nothing that the file itself brings along is run with more rights than it has.
                connection.execute("PRAGMA trusted_schema=OFF")
                connection.execute("BEGIN")
                yield connection
        except sqlite3.DataError as error:
            raise DataFileError(
                f"{str(self.file)!r} holds a value that is too long ({error}): more than {_LONGEST:,} bytes. Mephisto "
                "1.x writes none, so somebody else has written there; take it out."
            ) from error
        except sqlite3.Error as error:
            raise DatabaseError(
                f"{str(self.file)!r} cannot be read: {error}. If Mephisto 1.x is writing there, wait for it; if it was "
                "killed, open its database once more with it."
            ) from error

    def _uri(self) -> str:
        # A reader of a file in WAL mode makes a file beside it unless somebody has it open; immutable makes none.
        write_ahead = Path(f"{self.file}-wal")
        is_quiet = uses_wal(self.file) and not (write_ahead.exists() and write_ahead.stat().st_size)
        return f"file:{quote(str(self.file.resolve()))}?mode=ro{'&immutable=1' if is_quiet else ''}"

    def read(self, connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> Rows:
        """Return one dict a row; ids as strings, and None for columns or tables that this version lacks.

        Raises
        ------
        DataFileError
            The table holds more text than anybody has written.
        """
        known = self.tables.get(table)
        if known is None:
            return []
        wanted = [_column(name) if name in known else f"NULL AS {name}" for name in columns]
        found = connection.execute(f"SELECT {', '.join(wanted)} FROM {table} ORDER BY rowid")
        rows, size = list[dict[str, Any]](), 0
        for row in found:
            size += sum(len(value) for value in row if isinstance(value, str | bytes))
            if size > _MOST_TEXT:
                raise DataFileError(
                    f"The table {table!r} of {str(self.file)!r} holds more than {_MOST_TEXT:,} characters, which "
                    "Mephisto 1.x does not write there: somebody else has. Take them out; no more of it is read."
                )
            rows.append(dict(zip(columns, row, strict=True)))
        return rows

    def count(self, connection: sqlite3.Connection, table: str) -> int:
        """Count the rows of a table."""
        return int(connection.execute(f"SELECT count(*) FROM {_quoted(table)}").fetchone()[0])


def _quoted(name: str) -> str:
    """Return the name of a table, which may hold anything, as SQL."""
    return '"' + name.replace('"', '""') + '"'


def _column(name: str) -> str:
    is_id = name.endswith("_id") or name == "id"
    return f"CAST({name} AS TEXT) AS {name}" if is_id else f'"{name}"'


def _find_file(path: Path) -> Path:
    if path.is_file():
        return named_file(path, "The database of Mephisto 1.x")
    if not path.is_dir():
        raise NotFoundError(f"There is no {str(path)!r}. Give the data directory of Mephisto 1.x, or its database.db.")
    for place in (path, path / "data"):
        if (place / "database.db").is_file():
            return inside(place / "database.db", place, f"The data directory {str(place)!r} of Mephisto 1.x")
    raise NotFoundError(
        f"There is no database.db in {str(path)!r}. Give the folder that core.main_data_directory of Mephisto 1.x's "
        "config.yml names, or the file itself."
    )


def _tables_of(connection: sqlite3.Connection) -> dict[str, set[str]]:
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    own = [name for name in names if not name.startswith("sqlite_")]
    return {name: {row[1] for row in connection.execute(f"PRAGMA table_info({_quoted(name)})")} for name in own}


def to_seconds(moment: object) -> float | None:
    """Read a time as 1.x writes it, in UTC, as seconds since the epoch; None where there is none."""
    if isinstance(moment, int | float):
        # Its browser code counts milliseconds.
        return float(moment) / 1000 if moment > 1e11 else float(moment)
    if not isinstance(moment, str) or not moment.strip():
        return None
    try:
        read = datetime.fromisoformat(moment.strip())
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


#: What an agent's own state is called, the newest way first, and what the rest of its folder is.
_STATES = ("agent_data.json", "state.json")
_META = "agent_meta.json"
#: What of the latter says when somebody was at work; all else is what they said beside the answer.
_TIMES = ("task_start", "task_end")


@dataclass(frozen=True, slots=True)
class OldAnswer:
    """What one agent has left: inputs, outputs, times (epoch seconds), messages, what came beside by kind, and files.

    `has_state` tells whether the file with inputs and outputs could be read.
    """

    has_state: bool = True
    inputs: JSON = None
    outputs: JSON = None
    started_at: float | None = None
    ended_at: float | None = None
    messages: list[JSONObject] = field(default_factory=list)
    metadata: JSONObject = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)


@dataclass(slots=True)
class OldFiles:
    """The files of one data directory; `troubles` are those that could not be read: where, and why."""

    root: Path
    troubles: list[tuple[str, str]] = field(default_factory=list)
    read: int = 0
    _runs: dict[str, Path] | None = None
    #: Why a project's folder is not looked into.
    _refused: DataFileError | None = None

    def run_directory(self, run_id: str) -> Path | None:
        """Return the folder of a run, whatever project it is of.

        Raises
        ------
        DataFileError
            It leads out of the directory; or it is not there, but a project that may hold it leads elsewhere.
        """
        if self._runs is None:
            homes = (self.root / "data" / "runs", self.root / "runs")
            projects = (project for home in homes if home.is_dir() for project in home.iterdir())
            self._runs = {run.name: run for project in projects for run in self._runs_of(project)}
        found = self._runs.get(run_id)
        if found is None and self._refused is not None:
            raise self._refused
        return None if found is None else inside(found, self.root, self._name)

    def _runs_of(self, project: Path) -> list[Path]:
        try:
            return _folders(inside(project, self.root, self._name))
        except DataFileError as error:
            self._refused = error
            return []

    @property
    def _name(self) -> str:
        """What error messages call the directory."""
        return f"The data directory {str(self.root)!r} of Mephisto 1.x"

    def check(self, run_id: str, assignments: Iterable[str], agents: Iterable[tuple[str, str]]) -> None:
        """Refuse a run whose ids or links lead out of its folder, before anything of it is read.

        Parameters
        ----------
        assignments
            Ids of assignments.
        agents
            The folders of agents: the id of an assignment, and that of an agent or ``onboarding_ID``.

        Raises
        ------
        DataFileError
            Naming what leads elsewhere.
        """
        self._refuse("a run", run_id)
        run = self.run_directory(run_id) or self.root / run_id
        if self._refused is not None:
            raise self._refused
        for assignment in assignments:
            self._refuse("an assignment", assignment)
            inside(below(run, assignment, self._name) / "assign_data.json", run, self._name)
        for parts in agents:
            for part in parts:
                self._refuse("an agent", part)
            place = below(run, "/".join(parts), self._name)
            if place.is_dir():
                for name in (*_STATES, _META):
                    inside(place / name, place, self._name)
                uploads_in(place, self._name)

    def _refuse(self, whose: str, id_: str | None) -> None:
        if why := why_no_name(id_ or ""):
            raise DataFileError(
                f"{self._name} has {whose} with the id {id_!r}, which is refused: {why}. Nothing was imported; 1.x "
                "itself makes no such ids, so somebody else has written there."
            )

    def project_of(self, run_id: str) -> str | None:
        """Return the name of a run's project; None where it has none, or its folder is refused."""
        try:
            directory = self.run_directory(run_id)
        except DataFileError:
            return None
        return None if directory is None or directory.parent.name == "NO_PROJECT" else directory.parent.name

    def read_assignment(self, run_id: str, assignment_id: str) -> tuple[JSONObject, list[JSONObject]] | None:
        """Return what all workers of an assignment see, and what each one has; None where it cannot be read."""
        data = self._read(run_id, f"{assignment_id}/assign_data.json")
        if not isinstance(data, dict):
            return None
        shared, own = data.get("shared"), data.get("unit_data")
        return (
            shared if isinstance(shared, dict) else {"shared": shared} if shared else {},
            [one if isinstance(one, dict) else {"unit": one} for one in own] if isinstance(own, list) else [],
        )

    def read_agent(
        self, run_id: str, assignment_id: str, agent_id: str, *, has_answered: bool = False
    ) -> OldAnswer | None:
        """Return what an agent has left; None where there is nothing. Of one who has answered, that is a trouble."""
        return self._read_state(run_id, f"{assignment_id}/{agent_id}", is_expected=has_answered)

    def read_onboarding(self, run_id: str, onboarding_id: str) -> OldAnswer | None:
        """Return what somebody did to be let in; None where there is nothing."""
        return self._read_state(run_id, f"onboarding/onboarding_{onboarding_id}")

    def _read_state(self, run_id: str, folder: str, *, is_expected: bool = False) -> OldAnswer | None:
        try:
            run = self.run_directory(run_id)
            place = None if run is None else below(run, folder, self._name)
            return self._read_folder(run_id, folder, place, is_expected)
        except DataFileError as error:
            self._note(f"run {run_id}", f"is refused: {error}")
            return None

    def _read_folder(self, run_id: str, folder: str, place: Path | None, is_expected: bool) -> OldAnswer | None:
        if place is None or not place.is_dir():
            if is_expected:
                self._note(f"run {run_id}" if place is None else str(place), "its folder is missing")
            return None
        names = [name for name in _STATES if (place / name).is_file()] or [*_STATES[: int(is_expected)]]
        state = self._read(run_id, f"{folder}/{names[0]}") if names else None
        meta = self._read(run_id, f"{folder}/{_META}") if (place / _META).is_file() else None
        return _to_answer(state, meta if isinstance(meta, dict) else {}, uploads_in(place, self._name))

    def _read(self, run_id: str, name: str) -> JSON:
        try:
            run = self.run_directory(run_id)
            if run is None:
                self._note(f"run {run_id}", "its folder is missing")
                return None
            text = read_bytes(below(run, name, self._name), self._name, root=self.root).decode()
            self.read += 1
            return json.loads(text)
        except DataFileError as error:
            self._note(f"run {run_id}", f"is refused: {error}")
        except FileNotFoundError:
            self._note(f"{run}/{name}", "is missing")
        except (OSError, ValueError, RecursionError) as error:
            self._note(f"{run}/{name}", f"cannot be read: {error}")
        return None

    def _note(self, where: str, why: str) -> None:
        if (where, why) not in self.troubles[-1:]:
            self.troubles.append((where, why))


def _to_answer(read: JSON, meta: JSONObject, files: list[Path]) -> OldAnswer:
    has_state = isinstance(read, dict)
    state: JSONObject = read if isinstance(read, dict) else {}
    outputs, messages = state.get("outputs"), []
    if isinstance(outputs, dict) and isinstance(outputs.get("messages"), list):
        messages = [one if isinstance(one, dict) else {"text": one} for one in outputs["messages"]]
        outputs = {name: value for name, value in outputs.items() if name != "messages"}
    outputs = _as_sent(outputs)
    # Where times are has changed from version to version.
    inside = [state.get("metadata"), state.get("times"), state]
    places: list[Mapping[str, JSON]] = [meta, *(one for one in inside if isinstance(one, dict))]
    return OldAnswer(
        has_state=has_state,
        inputs=state.get("inputs"),
        outputs=outputs,
        started_at=_first_time(places, "task_start", "start_time"),
        ended_at=_first_time(places, "task_end", "end_time"),
        messages=messages,
        metadata={name: said for name, said in meta.items() if name not in _TIMES and said},
        files=files,
    )


def _as_sent(outputs: JSON) -> JSON:
    """Return what a worker sent, where no field is called like what the import itself puts beside it: ``(files)``."""
    if not isinstance(outputs, dict):
        return outputs
    own = {f"sent {name}" if is_in_parentheses(name) else name: value for name, value in outputs.items()}
    last = own.get("final_submission")
    if isinstance(last, dict):
        own["final_submission"] = {f"sent {name}" if is_in_parentheses(name) else name: last[name] for name in last}
    return own


def _first_time(places: list[Mapping[str, JSON]], *names: str) -> float | None:
    found = (to_seconds(place.get(name)) for place in places for name in names)
    return next((moment for moment in found if moment), None)


def uploads_in(place: Path, what: str) -> list[Path]:
    """Return the files that a worker sent, from an agent's own folder.

    Raises
    ------
    DataFileError
        One is a link out of that folder; or a pipe, a socket or a device.
    """
    folders = [place / "uploads", place]
    found = [file for folder in folders if folder.is_dir() for file in sorted(folder.iterdir())]
    own = {*_STATES, _META}
    for file in (place / "uploads", *found):
        inside(file, place, what)  # whatever kind of link Windows has
        refuse_special(file, what)
    return [file for file in found if file.is_file() and not file.is_symlink() and file.name not in own]


def _folders(place: Path) -> list[Path]:
    return [one for one in place.iterdir() if one.is_dir()] if place.is_dir() else []


def read_answer(outputs: JSON) -> JSONObject:
    """Return the columns of ``results()`` for what somebody answered, whatever kind of task it was.

    What was submitted at the end of a task with functions or of a chat stands by its own fields, and all else that was
    kept beside it in ``(NAME)``.
    """
    if not isinstance(outputs, dict):
        return {} if outputs is None else {"answer": outputs}
    if "final_submission" not in outputs:
        return outputs
    last = outputs["final_submission"]
    answer = last if isinstance(last, dict) else {} if last is None else {"answer": last}
    others = ((name, value) for name, value in outputs.items() if name != "final_submission" and value)
    return {**answer, **{name if name.startswith("(") else f"({name})": value for name, value in others}}


class ImportedBlueprint(Blueprint[None]):
    """A plain reading of what tasks of Mephisto 1.x have collected, whatever their kind; nothing can be launched."""

    BLUEPRINT_TYPE: ClassVar[str] = "imported"
    ArgsClass: ClassVar[type[Any]] = type(None)

    def get_initialization_data(self) -> Iterable[InitializationData]:
        """Refuse: an imported run is over.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError("An imported run cannot be launched. Make a configuration of its task's YAML: compose(...).")

    def build_site(self, directory: Path) -> None:
        """Refuse: an imported run has no page.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError("An imported run has no page. Make a configuration of its task's YAML: compose(...).")

    def get_asked_fields(self) -> frozenset[str] | None:
        """Return that all was asked for: who took it over has named what stands beside the answer."""
        return EVERYTHING

    def get_answer(self, data: JSON) -> JSONObject:
        """Return what was submitted by its own fields, and what was kept beside it in ``(NAME)``."""
        return read_answer(data)
