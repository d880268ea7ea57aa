"""Data directories as Mephisto 1.x leaves them, made from what is documented of its tables and files."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

#: Ids are random, and large.
BASE = 7_000_000_000_000

_ID = "INTEGER PRIMARY KEY"
_DATE = "creation_date DATETIME DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))"
#: Each table with its columns, as it is after all migrations.
SCHEMA = {
    "projects": f"project_id {_ID}, project_name TEXT UNIQUE, {_DATE}",
    "tasks": (
        f"task_id {_ID}, task_name TEXT UNIQUE, task_type TEXT, project_id INTEGER, parent_task_id INTEGER, {_DATE}"
    ),
    "requesters": f"requester_id {_ID}, requester_name TEXT UNIQUE, provider_type TEXT, {_DATE}",
    "task_runs": (
        f"task_run_id {_ID}, task_id INTEGER, requester_id INTEGER, init_params TEXT, is_completed BOOLEAN, "
        f"provider_type TEXT, task_type TEXT, sandbox BOOLEAN, {_DATE}"
    ),
    "assignments": (
        f"assignment_id {_ID}, task_id INTEGER, task_run_id INTEGER, requester_id INTEGER, task_type TEXT, "
        f"provider_type TEXT, sandbox BOOLEAN, {_DATE}"
    ),
    "units": (
        f"unit_id {_ID}, assignment_id INTEGER, unit_index INTEGER, pay_amount FLOAT, provider_type TEXT, status TEXT, "
        "agent_id INTEGER, worker_id INTEGER, task_type TEXT, task_id INTEGER, task_run_id INTEGER, sandbox BOOLEAN, "
        f"requester_id INTEGER, {_DATE}, UNIQUE (assignment_id, unit_index)"
    ),
    "workers": f"worker_id {_ID}, worker_name TEXT UNIQUE, provider_type TEXT, {_DATE}",
    "agents": (
        f"agent_id {_ID}, worker_id INTEGER, unit_id INTEGER, task_id INTEGER, task_run_id INTEGER, "
        f"assignment_id INTEGER, task_type TEXT, provider_type TEXT, status TEXT, {_DATE}"
    ),
    "onboarding_agents": (
        f"onboarding_agent_id {_ID}, worker_id INTEGER, task_id INTEGER, task_run_id INTEGER, task_type TEXT, "
        f"status TEXT, {_DATE}"
    ),
    "qualifications": f"qualification_id {_ID}, qualification_name TEXT UNIQUE, description CHAR(500), {_DATE}",
    "granted_qualifications": (
        f"granted_qualification_id {_ID}, worker_id INTEGER, qualification_id INTEGER, value INTEGER, "
        f"update_date DATETIME, {_DATE}, UNIQUE (worker_id, qualification_id)"
    ),
    "worker_review": (
        f"id {_ID}, unit_id INTEGER, worker_id INTEGER, task_id INTEGER, status TEXT, review_note TEXT, bonus INTEGER, "
        "blocked_worker BOOLEAN, updated_qualification_id INTEGER, updated_qualification_value INTEGER, "
        f"revoked_qualification_id INTEGER, {_DATE}"
    ),
    "imported_data": f"id {_ID}, source_file_name TEXT, data_labels TEXT, table_name TEXT, {_DATE}",
    "migrations": f"id {_ID}, name TEXT, status TEXT, error_message TEXT, {_DATE}",
}
#: What the first version had no idea of: tables, and columns.
LATER_TABLES = ("projects", "worker_review", "imported_data", "migrations")
LATER_COLUMNS = {"granted_qualifications": "update_date", "qualifications": "description"}

CONFIG = {
    "blueprint": {"_blueprint_type": "static_task", "block_qualification": "blocked here"},
    "architect": {"_architect_type": "local"},
    "provider": {"_provider_type": "mock", "requester_name": "lab"},
    "task": {"task_name": "moods", "task_title": "Náladový úkol", "task_reward": 0.3},
}


class OldDirectory:
    """A directory with an empty database of 1.x, and what fills it."""

    def __init__(self, root: Path, *, is_first_version: bool = False, base: int = BASE) -> None:
        self.root, self.base, self._number = root, base, 0
        if root.exists():
            return
        root.mkdir(parents=True)
        left_out = LATER_TABLES if is_first_version else ()
        with closing(self.connect()) as connection:
            for table, columns in SCHEMA.items():
                if table not in left_out:
                    connection.execute(f"CREATE TABLE {table} ({columns})")
            for table, column in LATER_COLUMNS.items() if is_first_version else ():
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
            connection.commit()

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.root / "database.db")
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    def add(self, table: str, **values: Any) -> int:
        """Add a row a second after the one before; give its id."""
        self._number += 1
        with closing(self.connect()) as connection:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            moment = f"2024-05-01 12:{self._number // 60:02}:{self._number % 60:02}.250"
            # Random ids say nothing of their order: here they even count down.
            row = {columns[0]: self.base + 100_000 - self._number, "creation_date": moment, **values}
            kept = {name: value for name, value in row.items() if name in columns}
            marks = ", ".join("?" * len(kept))
            connection.execute(f"INSERT INTO {table} ({', '.join(kept)}) VALUES ({marks})", list(kept.values()))
            connection.commit()
        return int(row[columns[0]])

    def write(self, run: int, name: str, content: Any, project: str = "NO_PROJECT") -> Path:
        """Write a file below a run's folder: JSON, or text as it is."""
        file = self.root / "data" / "runs" / project / str(run) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        file.write_text(text, encoding="utf-8")
        return file

    def add_run(self, task: str, task_type: str = "static_task", *, config: Any = None, **values: Any) -> OldRun:
        task_id = self.add("tasks", task_name=task, task_type=task_type)
        lab = self.add("requesters", requester_name=f"lab of {task}", provider_type="mock")
        params = json.dumps(yaml.safe_dump(config or CONFIG, allow_unicode=True))
        about = {"task_id": task_id, "requester_id": lab, "init_params": params, "task_type": task_type}
        given = {"is_completed": 1, "provider_type": "mock", "sandbox": 1, **values}
        return OldRun(self, self.add("task_runs", **about, **given), task_id, task_type)

    def add_worker(self, name: str) -> int:
        return self.add("workers", worker_name=name, provider_type="mock")

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        with closing(self.connect()) as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}

    def bytes(self) -> dict[str, bytes]:
        """All that is in the directory."""
        return {str(file): file.read_bytes() for file in self.root.rglob("*") if file.is_file()}


class OldRun:
    """One run of 1.x, to add work to."""

    def __init__(self, home: OldDirectory, run_id: int, task_id: int, task_type: str) -> None:
        self.home, self.id, self.task_id, self.task_type = home, run_id, task_id, task_type

    def add_assignment(self, shared: Any, unit_data: list[Any] | None = None) -> int:
        id_ = self.home.add("assignments", task_id=self.task_id, task_run_id=self.id, task_type=self.task_type)
        self.home.write(self.id, f"{id_}/assign_data.json", {"shared": shared, "unit_data": unit_data or [{}]})
        return id_

    def add_unit(self, assignment: int, status: str, index: int = 0) -> int:
        about = {"task_id": self.task_id, "task_run_id": self.id, "task_type": self.task_type}
        money = {"pay_amount": 0.3, "unit_index": index, "status": status}
        return self.home.add("units", assignment_id=assignment, provider_type="mock", **about, **money)

    def add_agent(self, assignment: int, unit: int, worker: int, status: str) -> int:
        about = {"task_id": self.task_id, "task_run_id": self.id, "assignment_id": assignment, "unit_id": unit}
        agent = self.home.add("agents", worker_id=worker, status=status, **about)
        with closing(self.home.connect()) as connection:
            connection.execute("UPDATE units SET agent_id = ?, worker_id = ? WHERE unit_id = ?", (agent, worker, unit))
            connection.commit()
        return agent

    def add_work(self, worker: int, unit_status: str, agent_status: str, text: str = "Ahoj", **answer: Any) -> int:
        """Add an assignment of one unit that a worker has, and their answer; give the unit."""
        assignment = self.add_assignment({"text": text})
        unit = self.add_unit(assignment, unit_status)
        agent = self.add_agent(assignment, unit, worker, agent_status)
        self.answer(assignment, agent, {"text": text}, {"mood": "glad"} | answer)
        return unit

    def answer(self, assignment: int, agent: int, inputs: Any, outputs: Any, name: str = "agent_data.json") -> None:
        self.home.write(self.id, f"{assignment}/{agent}/{name}", {"inputs": inputs, "outputs": outputs})
        meta = {"task_start": 1714564800.5, "task_end": 1714564860.5, "tips": [], "feedback": [{"text": "díky"}],
                "default": {"type": "tips", "header": "rada", "text": "pomalu"}}  # fmt: skip
        self.home.write(self.id, f"{assignment}/{agent}/agent_meta.json", meta)


UNIT_STATUSES = ["created", "launched", "assigned", "completed", "accepted", "rejected", "soft_rejected", "expired"]
AGENT_STATUSES = [
    "none", "accepted", "onboarding", "waiting", "in task", "completed", "disconnect", "timeout", "partner disconnect",
    "expired", "returned", "approved", "soft_rejected", "rejected",
]  # fmt: skip
_AGENT_OF = {"assigned": "in task", "completed": "completed", "accepted": "approved", "expired": "expired"}


def fill(home: OldDirectory) -> OldDirectory:
    """Put something of everything into a directory."""
    ann, bob = home.add_worker("Žofie ✓_sandbox"), home.add_worker("bob_sandbox")
    run = home.add_run("moods", sandbox=1, is_completed=0)
    for status in UNIT_STATUSES:
        if status in ("created", "launched"):
            run.add_unit(run.add_assignment({"text": status}), status)
        else:
            run.add_work(ann, status, _AGENT_OF.get(status, status), text=f"{status} – 日本")
    for status in AGENT_STATUSES:
        run.add_work(bob, "completed" if status in ("completed", "approved") else "expired", status)
    _review(home, run, ann, bob)
    _onboard(home, run, ann, bob)
    _chat(home, ann, bob)
    _call_functions(home, ann)
    home.add("projects", project_name="Projekt Č")
    home.add("imported_data", source_file_name="x.zip", table_name="units")
    home.add("migrations", name="20240325_data_porter_feature", status="completed")
    return home


def _review(home: OldDirectory, run: OldRun, ann: int, bob: int) -> None:
    careful = home.add("qualifications", qualification_name="pečlivý", description="Čte pozorně")
    home.add(
        "granted_qualifications", worker_id=ann, qualification_id=careful, value=3, update_date="2024-05-02 08:00:00"
    )
    rejected = run.add_work(bob, "rejected", "rejected", text="odmítnuto")
    about = {"unit_id": rejected, "worker_id": bob, "task_id": run.task_id}
    home.add("worker_review", **about, status="rejected", review_note="nedbalé", blocked_worker=1)
    paid = run.add_work(ann, "accepted", "approved", text="schváleno")
    about = {"unit_id": paid, "worker_id": ann, "task_id": run.task_id, "status": "approved", "bonus": 1.5}
    home.add("worker_review", **about, updated_qualification_id=careful, updated_qualification_value=3)
    home.add(
        "worker_review",
        worker_id=ann,
        task_id=run.task_id,
        updated_qualification_id=careful,
        updated_qualification_value=2,
    )


def _onboard(home: OldDirectory, run: OldRun, ann: int, bob: int) -> None:
    for worker, status in ((ann, "approved"), (bob, "rejected")):
        about = {"task_id": run.task_id, "task_run_id": run.id, "task_type": "static_task"}
        id_ = home.add("onboarding_agents", worker_id=worker, status=status, **about)
        state = {"inputs": {}, "outputs": {"ano": status == "approved"}}
        home.write(run.id, f"onboarding/onboarding_{id_}/agent_data.json", state)


def _chat(home: OldDirectory, ann: int, bob: int) -> None:
    run = home.add_run("rozhovor", "parlai_chat")
    assignment = run.add_assignment({"topic": "počasí"}, [{}, {}])
    said = [
        {"id": "Chat Agent 1", "text": "Prší.", "timestamp": 1714564801.0},
        {"id": "Chat Agent 2", "text": "Zase?", "timestamp": 1714564802.0},
    ]
    for index, worker in enumerate((ann, bob)):
        unit = run.add_unit(assignment, "completed", index)
        agent = run.add_agent(assignment, unit, worker, "completed")
        outputs = {"messages": said, "final_submission": {"rating": 4 + index}}
        run.answer(assignment, agent, {"topic": "počasí"}, outputs, "state.json")


def _call_functions(home: OldDirectory, ann: int) -> None:
    run = home.add_run("funkce", "remote_procedure", provider_type="mock")
    assignment = run.add_assignment({"start": 1})
    agent = run.add_agent(assignment, run.add_unit(assignment, "completed"), ann, "completed")
    call = {"uuid": "u1", "target": "add", "args_json": "[1]", "response_json": "2", "timestamp": 1714564801.0}
    run.answer(assignment, agent, {"start": 1}, {"final_submission": {"sum": 2}, "requests": [call]}, "state.json")
    home.write(run.id, f"{assignment}/{agent}/uploads/obrázek.txt", "nahraný soubor")
