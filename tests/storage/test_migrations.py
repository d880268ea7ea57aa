"""The schema: made, upgraded, left alone where it is newer, and the same by migrations as by tables."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from mephisto_nb.errors import DatabaseError, SchemaVersionError
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import AS_LAUNCHED, LINK
from mephisto_nb.model.states import PaymentStatus as P
from mephisto_nb.storage.connect import REVISIONS, make_alembic_config, parse_url
from mephisto_nb.storage.sql_database import SQLDatabase
from mephisto_nb.storage.tables import metadata
from tests.assets.make_database import STEERING

_ASSETS = Path(__file__).parent.parent / "assets"


@pytest.fixture
def engine(empty_url: str) -> Iterator[Engine]:
    """A connection of the test's own, beside the database's."""
    engine = create_engine(parse_url(empty_url))
    yield engine
    engine.dispose()


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _describe(engine: Engine) -> dict[str, Any]:
    look = inspect(engine)

    def names(rows: list[Any]) -> list[tuple[str, str]]:
        return sorted((str(row["name"]), str(row.get("column_names", row.get("sqltext")))) for row in rows)

    return {
        table: {
            "columns": {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in look.get_columns(table)},
            "key": look.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted((f["constrained_columns"], f["referred_table"]) for f in look.get_foreign_keys(table)),
            "indexes": names(look.get_indexes(table)),
            "unique": names(look.get_unique_constraints(table)),
            "checks": names(look.get_check_constraints(table)),
        }
        for table in sorted(metadata.tables)
    }


def test_the_last_revision_is_the_head_of_the_migrations() -> None:
    script = ScriptDirectory.from_config(make_alembic_config())
    assert script.get_heads() == [REVISIONS[-1]]
    assert tuple(reversed([one.revision for one in script.walk_revisions()])) == REVISIONS


def test_a_new_database_has_todays_schema(empty_url: str, engine: Engine) -> None:
    SQLDatabase(empty_url).close()
    assert _revision(engine) == REVISIONS[-1]
    assert inspect(engine).get_table_names() != []


def test_autogenerate_finds_nothing_to_do(empty_url: str, engine: Engine) -> None:
    SQLDatabase(empty_url).close()
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrations_make_what_the_tables_say(empty_url: str, engine: Engine) -> None:
    SQLDatabase(empty_url).close()
    migrated = _describe(engine)
    metadata.drop_all(engine)
    metadata.create_all(engine)
    assert _describe(engine) == migrated  # with checks and defaults, which autogenerate does not look at


def test_a_database_is_opened_again_as_it_is(empty_url: str) -> None:
    for _ in range(3):
        database = SQLDatabase(empty_url)
        task = database.runs.get_or_create_task("survey")
        assert database.runs.get_or_create_task("survey") == task
        database.close()


def test_a_newer_schema_is_refused_before_anything_is_written(empty_url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('9999')"))
    with pytest.raises(SchemaVersionError, match=r"'9999'.*knows up to.*Update mephisto_nb"):
        SQLDatabase(empty_url)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert _revision(engine) == "9999"


def test_a_migration_that_fails_leaves_nothing_half_done(empty_url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE submissions (in_the_way INTEGER)"))  # the last that the first one makes
    with pytest.raises(DatabaseError, match="submissions"):
        SQLDatabase(empty_url)
    assert set(inspect(engine).get_table_names()) <= {"submissions"}


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_each_old_schema_opens(revision: str, tmp_path: Path) -> None:
    file = shutil.copy(_ASSETS / f"schema-{revision}.db", tmp_path)
    database = SQLDatabase(f"sqlite:///{file}")
    (run,) = database.runs.find_runs(task_name="old survey")
    found = database.runs.load_run(run.task_run_id)
    assert (len(found.assignments), len(found.units), found.last_seq) == (2, 3, 3)
    assert found.run.steering == run.steering == (AS_LAUNCHED if revision == "0001" else STEERING)
    assert [row["data"] for row in database.runs.read_results([run.task_run_id])] == [{"label": "kůň"}]
    payments = [row["reason"] for row in database.reviews.read_payments([run.task_run_id])]
    assert payments == (["Well done!"] if revision >= "0003" else [])
    reviews = [(row["after"], row["note"]) for row in database.reviews.read_reviews([run.task_run_id])]
    assert reviews == ([("accepted", "clear")] if revision >= "0003" else [])
    assert database.people.get_worker_facts(run.task_run_id, LINK, ["ann"])["ann"].grants == {"careful": 5}
    gates = [(row["gate"], row["worker_name"], row["passed"]) for row in database.runs.read_gates([run.task_run_id])]
    assert gates == ([("onboarding", "bob", None), ("time", "ann", True)] if revision >= "0004" else [])
    visits = [
        (row["worker_name"], row["outcome"], row["captured"]) for row in database.runs.read_visits([run.task_run_id])
    ]
    assert visits == ([("cyd", "returned", {"STUDY_ID": "s1"})] if revision >= "0009" else [])
    assert [one.visit_id for one in found.agents] == [None] * len(found.agents)
    kept = database.runs.read_crowd_memory(run.task_run_id)
    assert kept == ({"study_id": "s1"} if revision >= "0010" else {})
    database.close()


def _make_old(engine: Engine, amounts: list[float]) -> None:
    """Make a database as it was before amounts had a currency, with a unit and a payment of each amount."""
    run = "'run', 't', 'r', 'mock', 'local', 'link', '{}', '[]', 1, 1, :done, :reward"
    columns = "task_run_id, task_id, requester_id, blueprint_type, architect_type, provider_type, config"
    columns += ", qualifications, created_at, opened_at, generator_done, task_reward"
    with engine.begin() as connection:
        command.upgrade(make_alembic_config(connection), "0007")
        connection.execute(text("INSERT INTO tasks VALUES ('t', 'old', 1)"))
        connection.execute(text("INSERT INTO requesters VALUES ('r', 'lab', 'link')"))
        connection.execute(text("INSERT INTO workers VALUES ('w', 'ann', 'link', :no, 1, :no)"), {"no": False})
        connection.execute(text(f"INSERT INTO task_runs ({columns}) VALUES ({run})"), {"done": True, "reward": 0.07})
        connection.execute(text("INSERT INTO assignments VALUES ('a', 'run', 0, '{}', '[]')"))
        for n, amount in enumerate(amounts):
            unit = text("INSERT INTO units VALUES (:id, 'a', 'run', :n, :pay, 'created', NULL, 'w')")
            connection.execute(unit, {"id": f"u{n}", "n": n, "pay": amount})
            about = "key, task_run_id, worker_id, unit_id, kind, amount, reason, status, created_at, sent_at"
            values = ":key, 'run', 'w', :id, 'bonus', :pay, '', 'owed', :n, NULL"
            payment = text(f"INSERT INTO payments (payment_id, {about}) VALUES (:payment, {values})")
            connection.execute(payment, {"payment": f"u{n}", "key": f"u{n}", "id": f"u{n}", "pay": amount, "n": n})


def test_old_amounts_become_exact(empty_url: str, engine: Engine) -> None:
    amounts = [0.07, 1.005, 0.00001, 0.1 + 0.2, 123_456.78, 0.0, 1 / 3]
    _make_old(engine, amounts)
    database = SQLDatabase(empty_url)
    exact = [7_000, 100_500, 1, 30_000, 12_345_678_000, 0, 33_333]
    assert [row["pay_amount"].thousandths for row in database.runs.read_units(["run"])] == exact
    payments = database.reviews.read_payments(["run"])
    assert [(row["amount"].thousandths, row["currency"]) for row in payments] == [(one, "USD") for one in exact]
    run = database.runs.load_run("run").run
    assert (run.currency, run.steering.task_reward) == ("USD", Money.of("0.07"))
    assert database.reviews.settle_payments(["u0"], P.OWED, P.SENDING, 2.0, "eve") == {"u0"}
    database.close()


@pytest.mark.parametrize("revision", REVISIONS)
def test_readers_and_the_writer_of_a_file_go_on_side_by_side(revision: str, tmp_path: Path) -> None:
    file = shutil.copy(_ASSETS / f"schema-{revision}.db", tmp_path)  # which is not made so
    SQLDatabase(f"sqlite:///{file}").close()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("_again", range(8))
def test_threads_that_open_a_new_database_at_once_all_get_it(empty_url: str, _again: int) -> None:
    def open_and_use(number: int) -> str:
        database = SQLDatabase(empty_url)
        try:
            return database.runs.get_or_create_task("survey").task_id
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(open_and_use, range(4)))) == 1


_OPEN = """
import sys
from mephisto_nb.storage.sql_database import SQLDatabase
print("ready", flush=True)
sys.stdin.readline()
database = SQLDatabase(sys.argv[1])
print(database.runs.get_or_create_task("survey").task_id, flush=True)
database.close()
"""


@pytest.mark.slow
def test_processes_that_open_a_new_database_at_once_all_get_it(empty_url: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN, empty_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert told[0] == told[1]
