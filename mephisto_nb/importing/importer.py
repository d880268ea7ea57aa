"""A database of Mephisto 1.x is taken over: people first, then one run after the other, each whole or not at all."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import WorldError
from mephisto_nb.importing.old_data import COLUMNS, WHO, to_seconds
from mephisto_nb.importing.old_mephisto import OldMephisto, find_blocked, index_assignments, parse_config
from mephisto_nb.importing.run_transfer import ImportReport, OldRun, RunTransfer, digest, own_id, run_id_of
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread
from mephisto_nb.model import changes as c
from mephisto_nb.model.records import Event, TaskRun, Worker, WorkerFacts, crowd_of
from mephisto_nb.model.task_run_args import MISSING, TaskRunArgs
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.progress import Progress
from mephisto_nb.utils.foreign import below, copy_file
from mephisto_nb.utils.private_files import IMPORTED, close_below, make_private_folder, write_private

#: Tables that hold nothing that anybody has collected, and why they stay behind.
_ABOUT_ITSELF = {
    "imported_data": "what 1.x itself has imported, as it was told",
    "migrations": "which versions 1.x's own schema went through",
}
#: Tables whose rows belong to runs.
_OF_RUNS = ("assignments", "units", "agents", "onboarding_agents", "worker_review")
_IN_THE_RUNS = {"projects": "the name of a run's project is kept in its configuration"}


class Importer:
    """Takes databases of Mephisto 1.x over.

    Parameters
    ----------
    database, writer
        Where what is taken over goes, and who writes there.
    runs_directory
        Where the runs' own directories are.
    progress
        Shows how far it is.
    """

    def __init__(self, database: Database, writer: DatabaseWriter, runs_directory: Path, progress: Progress) -> None:
        self._database, self._writer = database, writer
        self._runs_directory, self.progress = runs_directory, progress

    async def import_mephisto(self, old: OldMephisto | str | os.PathLike[str]) -> pd.DataFrame:
        """Take over what Mephisto 1.x has collected: `Operator.import_mephisto`, which says more."""
        source = old if isinstance(old, OldMephisto) else await in_thread(OldMephisto, old)
        tables = await in_thread(_read_all, source)
        report = ImportReport(found=tables.counts)
        people = _People(tables, self._database, report)
        new_people = await in_thread(people.make)
        runs = list(_runs_of(tables, people, source))
        for old_run in runs:
            await in_thread(RunTransfer(old_run, source.files).check, source.files)
        await self._import_people(people, new_people)
        known = {run.task_run_id for run in await in_thread(self._database.runs.find_runs)}
        what = "Importing runs of Mephisto 1.x"
        try:
            for number, old_run in enumerate(runs):
                self.progress(what, number, len(runs))
                await self._import_run(old_run, source, report, is_new=old_run.run.task_run_id not in known)
        finally:
            self.progress(what, len(runs), len(runs))
        _account_for_the_rest(tables, runs, known, report)
        troubles = source.files.troubles
        report.found["(files)"] = source.files.read + len(troubles)
        report.imported["(files)"] = source.files.read
        for _, why in troubles:
            report.leave_out("(files)", why.partition(":")[0])
        return report.to_frame()

    async def _import_people(self, people: _People, changes: c.Changes) -> None:
        for name, description in await in_thread(people.new_qualifications):
            await self._writer.call(self._database.people.create_qualification, name, description)
        if changes:
            await self._writer.commit(changes)

    async def _import_run(self, old: OldRun, source: OldMephisto, report: ImportReport, *, is_new: bool) -> None:
        transfer = RunTransfer(old, source.files if is_new else None)
        changes = await in_thread(transfer.make)
        if is_new:
            task = await self._writer.call(self._database.runs.get_or_create_task, old.run.task_name)
            about = (old.run.config["imported"]["requester"], old.run.provider_type)
            requester = await self._writer.call(self._database.people.get_or_create_requester, *about)
            home = self._runs_directory / old.run.task_run_id / "files"
            await in_thread(_copy_for_owner, transfer.copies, home, source.files.root)
            ids = {"task_id": task.task_id, "requester_id": requester.requester_id}
            await self._writer.commit(_with_ids(changes, ids))
        report.add(transfer.report, is_new=is_new)
        (report.imported if is_new else report.already_there)["task_runs"] += 1


def _with_ids(changes: c.Changes, ids: dict[str, str]) -> c.Changes:
    first = changes.changes[0]
    if isinstance(first, c.AddRun):
        fields = {name: getattr(first.run, name) for name in TaskRun.__slots__}
        changes.changes[0] = c.AddRun(TaskRun(**fields | ids))
    return changes


def _copy_for_owner(copies: Sequence[tuple[Path, str]], home: Path, root: Path) -> None:
    """Copy files that workers sent, which are their owner's alone from the first moment. Raises `WorldError`."""
    if copies:
        make_private_folder(home)
        write_private(home.parent / IMPORTED, "Files that workers sent, of a run of Mephisto 1.x.\n")
        _copy_files(copies, home, root)
        close_below(home)


def _copy_files(copies: Iterable[tuple[Path, str]], home: Path, root: Path) -> None:
    """Copy files that workers sent, none of which may lead out of `root`. Raises `WorldError`."""
    for source, name in copies:
        target = below(home, name, "An import of Mephisto 1.x")
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            target.unlink(missing_ok=True)  # of an import that came to no end
            copy_file(source, target, "The data directory of Mephisto 1.x", root=root)
        except OSError as error:
            raise WorldError(
                f"{source} cannot be copied to {target}: {error}. Mend that, and import again: what is there stays."
            ) from error


@dataclass(frozen=True, slots=True)
class _Tables:
    """All rows of a database of 1.x, by table, and how many there are of each; other tables are only counted."""

    rows: Mapping[str, list[JSONObject]]
    counts: dict[str, int]
    reviews: list[JSONObject]


def _read_all(old: OldMephisto) -> _Tables:
    rows = {name: old.read(name) for name in COLUMNS}
    with old.database.reading() as connection:
        counts = {name: old.database.count(connection, name) for name in old.database.tables}
    # Rows that came in between are for the next import to see.
    counts |= {name: len(found) for name, found in rows.items() if name in counts}
    old.files.troubles.clear()
    old.files.read = 0
    return _Tables(rows, counts, old.read_reviews())


@dataclass(slots=True)
class _People:
    """The workers of 1.x, who they are here, and what they hold."""

    tables: _Tables
    database: Database
    report: ImportReport
    #: Ours by theirs.
    worker_ids: dict[str, str] = field(default_factory=dict)
    facts: dict[str, WorkerFacts] = field(default_factory=dict)
    #: Of which workers, by our ids, somebody here has changed what: whether they are blocked, or what they are granted.
    touched: set[tuple[str, str]] = field(default_factory=set)

    def new_qualifications(self) -> list[tuple[str, str]]:
        """Return the qualifications that are not known here, each with its description."""
        known = {row["qualification_name"] for row in self.database.people.read_qualifications()}
        theirs = self.tables.rows["qualifications"]
        new = [one for one in theirs if one["qualification_name"] not in known]
        self.report.imported["qualifications"] += len(new)
        self.report.already_there["qualifications"] += len(theirs) - len(new)
        return [(one["qualification_name"], one["description"] or "") for one in new]

    def make(self) -> c.Changes:
        """Make the changes that store new workers, with their blocks, and new grants."""
        changes = c.Changes(None)
        self._find_workers()
        self._find_touched()
        blocked = find_blocked(self.tables.rows["worker_review"])
        for one in self.tables.rows["workers"]:
            id_, worker_id, at = one["worker_id"], self.worker_ids[one["worker_id"]], to_seconds(one["creation_date"])
            if id_ in self.facts:
                self.report.already_there["workers"] += 1
            else:
                worker = Worker(worker_id, one["worker_name"], crowd_of(one["provider_type"]))
                changes.changes.append(c.AddWorker(worker, at or 0.0))
                self.report.imported["workers"] += 1
            if id_ in blocked and not self._is_blocked(id_) and (worker_id, "blocked") not in self.touched:
                changes.changes.append(c.SetBlocked(worker_id, True))
                changes.events.append(_event(worker_id, at, "blocked"))
        for grant in self._grants():
            changes.changes.append(grant)
            detail = {"qualification": grant.qualification_name, "value": grant.value}
            changes.events.append(_event(grant.worker_id, grant.at, "granted", detail))
        return changes

    def _is_blocked(self, old_id: str) -> bool:
        known = self.facts.get(old_id, WorkerFacts()).worker
        return known is not None and known.blocked

    def _find_touched(self) -> None:
        """Find what was changed here, which no import changes back."""
        for event in self.database.people.read_people_events():
            states = (event["before"], event["after"])
            if "blocked" in states:
                self.touched.add((event["subject_id"], "blocked"))
            elif "granted" in states:
                self.touched.add((event["subject_id"], f"granted {event['detail'].get('qualification')}"))

    def _held(self, old_id: str) -> Mapping[str, int]:
        return self.facts.get(old_id, WorkerFacts()).grants

    def _find_workers(self) -> None:
        by_provider = defaultdict[str, list[JSONObject]](list)
        for one in self.tables.rows["workers"]:
            by_provider[crowd_of(one["provider_type"])].append(one)
        for provider, workers in by_provider.items():
            found = self.database.people.get_worker_facts("", provider, [one["worker_name"] for one in workers])
            for one in workers:
                facts = found.get(one["worker_name"])
                if facts is not None and facts.worker is not None:
                    self.facts[one["worker_id"]] = facts
                    self.worker_ids[one["worker_id"]] = facts.worker.worker_id
                else:
                    self.worker_ids[one["worker_id"]] = own_id(
                        one["worker_id"], digest(one["provider_type"], one["worker_name"])
                    )

    def _grants(self) -> Iterable[c.SetGrant]:
        names = {one["qualification_id"]: one["qualification_name"] for one in self.tables.rows["qualifications"]}
        table = "granted_qualifications"
        for one in self.tables.rows[table]:
            worker, name = self.worker_ids.get(one["worker_id"]), names.get(one["qualification_id"])
            if worker is None or name is None:
                self.report.leave_out(table, f"their {'worker' if worker is None else 'qualification'} is missing")
            elif (worker, f"granted {name}") in self.touched or name in self._held(one["worker_id"]):
                self.report.already_there[table] += 1
            else:
                self.report.imported[table] += 1
                at = to_seconds(one["update_date"]) or to_seconds(one["creation_date"])
                yield c.SetGrant(worker, name, int(one["value"] or 0), at)


def _event(worker_id: str, at: float | None, state: str, detail: JSONObject | None = None) -> Event:
    return Event(at or 0.0, "worker", worker_id, None, state, f"{state} in Mephisto 1.x", WHO, detail)


def _runs_of(tables: _Tables, people: _People, old: OldMephisto) -> Iterable[OldRun]:
    """Put together what belongs to each run, the oldest first."""
    rows, by_run = tables.rows, dict[str, dict[str, list[JSONObject]]]()
    for name in ("assignments", "units", "agents", "onboarding_agents"):
        parts = by_run.setdefault(name, defaultdict(list))
        for row in rows[name]:
            parts[row["task_run_id"]].append(row)
    reviews = _reviews_by_run(tables)
    indexes = index_assignments(rows["assignments"])
    tasks = {one["task_id"]: one["task_name"] for one in rows["tasks"]}
    requesters = {one["requester_id"]: one["requester_name"] for one in rows["requesters"]}
    for run in rows["task_runs"]:
        id_ = run["task_run_id"]
        task_name = str(tasks.get(run["task_id"]) or "unknown task of Mephisto 1.x")
        about = {"project": old.files.project_of(id_), "requester": requesters.get(run["requester_id"]) or "unknown"}
        yield OldRun(
            run=_to_run(run, task_name, about),
            old_id=id_,
            assignments=by_run["assignments"].get(id_, []),
            units=by_run["units"].get(id_, []),
            agents=by_run["agents"].get(id_, []),
            onboardings=by_run["onboarding_agents"].get(id_, []),
            reviews=reviews.get(id_, []),
            worker_ids=people.worker_ids,
            indexes=indexes,
        )


def _reviews_by_run(tables: _Tables) -> dict[str, list[JSONObject]]:
    """Return the decisions of each run: by their units, or else in the last run of their task, or of their worker."""
    run_of = dict[tuple[str, str], str]()
    for run in tables.rows["task_runs"]:
        run_of["task", run["task_id"]] = run["task_run_id"]
    known = set(run_of.values()) | {run["task_run_id"] for run in tables.rows["task_runs"]}
    for agent in tables.rows["agents"]:
        if agent["task_run_id"] in known:
            run_of["worker", agent["worker_id"]] = agent["task_run_id"]
    found = defaultdict[str, list[JSONObject]](list)
    for one in tables.reviews:
        places = (("task", one["task_id"] or ""), ("worker", one["worker_id"] or ""))
        home = one["task_run_id"] or next((run_of[place] for place in places if place in run_of), None)
        if home in known:
            found[str(home)].append(one)
    return found


def _to_run(run: JSONObject, task_name: str, about: JSONObject) -> TaskRun:
    config = parse_config(run["init_params"])
    given = config.get("task")
    defaults = {name: "" if value == MISSING else value for name, value in asdict(TaskRunArgs()).items()}
    task = {**defaults, "task_reward": 0.0, **(given if isinstance(given, dict) else {}), "task_name": task_name}
    task["preview_sources"] = []  # which a researcher alone says, and not what comes from elsewhere
    created_at = to_seconds(run["creation_date"]) or 0.0
    imported = {"from": "Mephisto 1.x", "sandbox": bool(run["sandbox"]), "was_live": not run["is_completed"], **about}
    return TaskRun(
        task_run_id=run_id_of(run, task_name),
        task_id="",
        task_name=task_name,
        requester_id="",
        blueprint_type=str(run["task_type"] or "unknown"),
        architect_type=str((config.get("architect") or {}).get("_architect_type") or "unknown"),
        provider_type=crowd_of(str(run["provider_type"] or "unknown")),
        config={"mephisto": {**config, "task": task}, "imported": imported},
        qualifications=[],
        created_at=created_at,
        opened_at=created_at,
        ended_at=created_at,
        generator_done=True,
    )


def _account_for_the_rest(tables: _Tables, runs: Iterable[OldRun], known: set[str], report: ImportReport) -> None:
    """Say what became of the rows that belong to no run, and of tables that nobody reads."""
    placed, new = Counter[str](), set[str]()
    for run in runs:
        new |= set() if run.run.task_run_id in known else {run.old_id}
        parts = (run.assignments, run.units, run.agents, run.onboardings, run.reviews)
        placed.update({name: len(rows) for name, rows in zip(_OF_RUNS, parts, strict=True)})
    for name in _OF_RUNS:
        report.leave_out(name, "their run is missing", tables.counts.get(name, 0) - placed[name])
    for table, column in (("tasks", "task_id"), ("requesters", "requester_id")):
        used = {run[column] for run in tables.rows["task_runs"]}
        used_anew = {run[column] for run in tables.rows["task_runs"] if run["task_run_id"] in new}
        for row in tables.rows[table]:
            if row[column] not in used:
                report.leave_out(table, "no run is theirs")
            else:
                (report.imported if row[column] in used_anew else report.already_there)[table] += 1
    for table, why in {**_IN_THE_RUNS, **_ABOUT_ITSELF}.items():
        report.leave_out(table, why, tables.counts.get(table, 0))
    for table in tables.counts.keys() - COLUMNS.keys() - _ABOUT_ITSELF.keys():
        report.leave_out(table, "not a table of Mephisto 1.x that is known", tables.counts[table])
