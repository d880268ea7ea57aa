"""The file of an SQLite database is taken away, replaced or moved while it is open: nothing committed is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from mephisto_nb.errors import DatabaseError
from mephisto_nb.storage.sql_database import SQLDatabase
from mephisto_nb.testing.contracts._samples import SampleRun, make_event
from tests.storage.conftest import PostgreSQLServer

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere a file that is open cannot be taken away")


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@pytest.fixture
def database(migrated_sqlite_url: str) -> Iterator[SQLDatabase]:
    database = SQLDatabase(migrated_sqlite_url)
    yield database
    database.close()


@pytest.fixture
def run(database: SQLDatabase) -> SampleRun:
    return SampleRun(database)


def take_away(path: Path, *suffixes: str) -> None:
    for suffix in suffixes or ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def found_after_a_kill(path: Path) -> list[str]:
    """Return what another process finds at the path."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return [why for (why,) in database.execute("SELECT why FROM events ORDER BY event_id")]


def copy_of(path: Path) -> Path:
    copy = path.with_name("earlier")
    source, target = sqlite3.connect(path), sqlite3.connect(copy)
    with contextlib.closing(source), contextlib.closing(target):
        source.backup(target)
    return copy


def checkpoint(database: SQLDatabase) -> None:
    """Write to the file what is beside it, as SQLite does by itself from time to time."""
    with contextlib.closing(database.connections.writer.raw_connection()) as connection:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    database.connections.wrote()


def forget_pages(database: SQLDatabase) -> None:
    """Have nothing of the file in memory, as little of a large one is."""
    with contextlib.closing(database.connections.writer.raw_connection()) as connection:
        connection.cursor().execute("PRAGMA shrink_memory")


def set_read_only(database: SQLDatabase, on: int) -> None:
    with contextlib.closing(database.connections.writer.raw_connection()) as connection:
        connection.cursor().execute(f"PRAGMA query_only = {on}")


@pytest.mark.parametrize("suffixes", [(), ("",), ("-wal", "-shm"), ("-wal",), ("-shm",)])
def test_what_is_committed_is_found(
    database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str, suffixes: tuple[str, ...]
) -> None:
    path = file_of(migrated_sqlite_url)
    run.commit(events=[make_event("before")])
    take_away(path, *suffixes)
    run.commit(events=[make_event("after")])
    assert found_after_a_kill(path) == ["before", "after"]
    assert [event.why for event in database.runs.read_events([run.id])] == ["before", "after"]
    (told,) = database.troubles
    assert told.is_past
    assert "was removed while it was in use" in told.reason


def test_a_disk_that_fails_is_told_plainly(
    database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real = str(file_of(migrated_sqlite_url).parent), os.stat

    def stat(path: Any, **options: Any) -> os.stat_result:
        if str(path).startswith(folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(DatabaseError, match="cannot be looked into: Input/output error"):
        run.commit(events=[make_event("not taken")])
    database.close()  # what has happened is among the troubles


def test_what_a_full_disk_cuts_short_is_no_strangers(
    database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str
) -> None:
    path = file_of(migrated_sqlite_url)
    run.commit(events=[make_event("y" * 500_000)])  # which is beside the file until there is room for it in there
    whole = copy_of(path).read_bytes()
    with path.open("r+b") as file:
        file.write(whole[: len(whole) // 2])
    database.connections.wrote()
    database.stay_in_place()
    run.commit(events=[make_event("after")])
    assert database.troubles == ()
    assert found_after_a_kill(path)[-1] == "after"


def test_half_a_file_is_not_ours_where_the_rest_is_lost(
    database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str
) -> None:
    path = file_of(migrated_sqlite_url)
    run.commit(events=[make_event("y" * 500_000)])
    checkpoint(database)
    forget_pages(database)
    os.truncate(path, path.stat().st_size // 2)
    database.connections.wrote()
    with pytest.raises(DatabaseError, match="was overwritten while it was in use, and is damaged"):
        database.stay_in_place()


def test_an_older_copy_makes_place_and_is_kept(database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str) -> None:
    path = file_of(migrated_sqlite_url)
    run.commit(events=[make_event("before the copy")])
    copy = copy_of(path)
    run.commit(events=[make_event("after the copy")])
    os.replace(copy, path)
    database.stay_in_place()
    assert found_after_a_kill(path) == ["before the copy", "after the copy"]
    (kept,) = path.parent.glob(f"{path.name}.replaced-*-1")
    assert found_after_a_kill(kept) == ["before the copy"]
    assert kept.name in database.troubles[0].reason


def test_what_is_kept_of_a_stranger_is_closed_too(
    database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str
) -> None:
    path = file_of(migrated_sqlite_url)
    copy = copy_of(path)
    take_away(path, "-wal", "-shm")
    for name in (copy, path.with_name(f"{path.name}-wal")):
        name.touch()
        name.chmod(0o644)
    os.replace(copy, path)
    database.stay_in_place()
    kept = list(path.parent.glob("*.replaced-*"))
    assert len(kept) >= 2
    assert {one.stat().st_mode & 0o777 for one in kept} == {0o600}


def test_what_is_written_over_a_database_is_undone(sqlite_url: str) -> None:
    database, path = SQLDatabase(sqlite_url), file_of(sqlite_url)
    run = SampleRun(database)
    copy = copy_of(path)
    run.commit(events=[make_event("after the copy")])
    shutil.copyfile(copy, path)
    run.commit(events=[make_event("whole again")])
    assert found_after_a_kill(path) == ["after the copy", "whole again"]
    assert "was overwritten" in database.troubles[0].reason
    database.close()


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_what_is_beside_a_database_may_not_be_cut_short(
    database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str, suffix: str
) -> None:
    path = file_of(migrated_sqlite_url)
    run.commit(events=[make_event("before")])
    os.truncate(f"{path}{suffix}", 0)
    run.commit(events=[make_event("after")])
    assert found_after_a_kill(path) == ["before", "after"]
    assert [told.is_past for told in database.troubles] == [True] * (suffix == "-wal")


def test_what_was_cut_away_for_good_is_told(database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str) -> None:
    run.commit(events=[make_event("lost")])
    forget_pages(database)
    os.truncate(f"{file_of(migrated_sqlite_url)}-wal", 0)
    assert "nothing new is taken" in str(run.refusal(events=[make_event("not taken")]))


def test_who_comes_and_goes_cuts_nothing_short(database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str) -> None:
    run.commit(events=[make_event("ours")])
    size = os.path.getsize(f"{file_of(migrated_sqlite_url)}-wal")
    other = SQLDatabase(migrated_sqlite_url)
    SampleRun(other).commit(events=[make_event("theirs")])
    other.close()
    assert os.path.getsize(f"{file_of(migrated_sqlite_url)}-wal") >= size
    run.commit(events=[make_event("ours again")])
    assert database.troubles == ()


def test_what_another_operator_writes_is_no_harm(
    database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str
) -> None:
    other = SQLDatabase(migrated_sqlite_url)
    for turn in range(3):
        SampleRun(other).commit(events=[make_event(f"theirs {turn}")])
        with contextlib.closing(other.connections.writer.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        run.commit(events=[make_event(f"ours {turn}")])
    other.close()
    database.stay_in_place()
    assert database.troubles == ()


@pytest.fixture
def overwritten(database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str) -> Iterator[SQLDatabase]:
    """Another operator of a file that was written over by a state of it before its last event."""
    path = file_of(migrated_sqlite_url)
    other = SQLDatabase(migrated_sqlite_url)
    checkpoint(database)
    shutil.copyfile(path, path.with_name("old"))
    run.commit(events=[make_event("acknowledged")])
    checkpoint(database)
    for one in (other, database):
        one.stay_in_place()
    checkpoint(database)
    shutil.copyfile(path.with_name("old"), path)
    yield other
    other.close()


@pytest.mark.parametrize("is_first", [True, False])
def test_an_older_state_is_undone_though_others_write(
    database: SQLDatabase, overwritten: SQLDatabase, run: SampleRun, migrated_sqlite_url: str, *, is_first: bool
) -> None:
    for one in (database, overwritten) if is_first else (overwritten, database):
        with contextlib.suppress(DatabaseError):  # who has it in memory puts it back
            one.stay_in_place()
    run.commit(events=[make_event("after")])
    assert found_after_a_kill(file_of(migrated_sqlite_url)) == ["acknowledged", "after"]


def test_what_an_older_state_has_lost_is_told(
    database: SQLDatabase, overwritten: SQLDatabase, run: SampleRun, migrated_sqlite_url: str
) -> None:
    for one in (database, overwritten):
        forget_pages(one)
        with pytest.raises(DatabaseError):
            one.stay_in_place()
        assert "overwritten by an earlier state" in one.troubles[0].reason
    assert "nothing new is taken" in str(run.refusal(events=[make_event("not taken")]))
    assert not list(file_of(migrated_sqlite_url).parent.glob("*.replaced-*"))


def test_a_file_that_is_damaged_in_place_is_told(
    database: SQLDatabase, overwritten: SQLDatabase, migrated_sqlite_url: str
) -> None:
    path = file_of(migrated_sqlite_url)
    path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096))
    for one in (database, overwritten):
        forget_pages(one)
        with pytest.raises(DatabaseError):
            one.stay_in_place()
        assert "is damaged: nothing new is taken" in one.troubles[0].reason


@pytest.mark.slow
def test_a_second_opening_keeps_the_locks_of_the_first(sqlite_url: str) -> None:
    databases, path = [SQLDatabase(sqlite_url) for _ in range(2)], file_of(sqlite_url)
    read = f"import sqlite3; db = sqlite3.connect({str(path)!r}); db.execute('SELECT * FROM tasks'); db.close()"
    subprocess.run([sys.executable, "-c", read], check=True)
    assert path.with_name(f"{path.name}-wal").exists()  # the last to close takes it away
    for database in databases:
        database.close()


def test_a_notebook_that_changes_its_directory_keeps_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    database = SQLDatabase("sqlite:///runs.db")
    run = SampleRun(database)
    monkeypatch.chdir(tmp_path / "elsewhere")
    database.release()
    run.commit(events=[make_event("after")])
    assert database.troubles == ()
    assert found_after_a_kill(tmp_path / "runs.db") == ["after"]
    assert not list((tmp_path / "elsewhere").iterdir())
    database.close()


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_was_put_back_but_for_its_name_gets_it(sqlite_url: str, *, is_whole: bool) -> None:
    database, path = SQLDatabase(sqlite_url), file_of(sqlite_url)
    SampleRun(database).commit(events=[make_event("before the kill")])
    database.close()
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA application_id = {int(is_whole)}")
    os.replace(path, path.with_name(f".{path.name}.returning"))
    database = SQLDatabase(sqlite_url)
    database.close()
    assert found_after_a_kill(path) == (["before the kill"] if is_whole else [])


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_was_put_back_beside_another_never_returns(sqlite_url: str, *, is_whole: bool) -> None:
    database, path = SQLDatabase(sqlite_url), file_of(sqlite_url)
    SampleRun(database).commit(events=[make_event("before the kill")])
    database.close()
    copy = copy_of(path)
    with contextlib.closing(sqlite3.connect(copy)) as file:
        file.execute(f"PRAGMA application_id = {int(is_whole)}")
    os.replace(copy, path.with_name(f".{path.name}.returning"))
    SQLDatabase(sqlite_url).close()
    take_away(path)
    SQLDatabase(sqlite_url).close()
    assert found_after_a_kill(path) == []
    assert [found_after_a_kill(kept) for kept in path.parent.glob("*.replaced-*")] == [["before the kill"]] * is_whole


def test_a_second_operator_of_the_same_file_goes_on(
    database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str
) -> None:
    path = file_of(migrated_sqlite_url)
    other = SQLDatabase(migrated_sqlite_url)
    others_run = SampleRun(other)
    take_away(path)
    for turn in range(3):
        run.commit(events=[make_event(f"ours {turn}")])
        others_run.commit(events=[make_event(f"theirs {turn}")])
    assert found_after_a_kill(path) == [f"{whose} {turn}" for turn in range(3) for whose in ("ours", "theirs")]
    assert not list(path.parent.glob("*.replaced-*"))
    other.close()


def test_an_operator_who_begins_anew_there_gets_the_old_one(
    database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str
) -> None:
    path = file_of(migrated_sqlite_url)
    run.commit(events=[make_event("before")])
    take_away(path)
    newcomer = SQLDatabase(migrated_sqlite_url)
    database.stay_in_place()
    newcomers_run = SampleRun(newcomer)
    newcomers_run.commit(events=[make_event("after")])
    assert found_after_a_kill(path) == ["before", "after"]
    newcomer.close()


def test_a_database_with_work_of_its_own_is_left_alone(
    database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str
) -> None:
    path = file_of(migrated_sqlite_url)
    run.commit(events=[make_event("ours")])
    take_away(path)
    other = SQLDatabase(migrated_sqlite_url)
    SampleRun(other).commit(events=[make_event("theirs")])
    assert "Move that one away" in str(run.refusal(events=[make_event("not taken")]))
    assert found_after_a_kill(path) == ["theirs"]
    other.close()
    take_away(path)
    run.commit(events=[make_event("taken again")])
    assert found_after_a_kill(path) == ["ours", "taken again"]


def test_without_its_folder_nothing_is_committed(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    database = SQLDatabase(f"sqlite:///{folder / 'runs.db'}")
    run = SampleRun(database)
    os.rename(folder, elsewhere)
    assert "was moved or removed" in str(run.refusal(events=[make_event("not taken")]))
    with pytest.raises(DatabaseError):
        database.stay_in_place()
    assert "cannot be written" in database.troubles[0].reason
    os.rename(elsewhere, folder)
    run.commit(events=[make_event("after")])
    database.stay_in_place()
    assert database.troubles == ()
    database.close()
    assert found_after_a_kill(folder / "runs.db") == ["after"]


@pytest.mark.parametrize("end", ["close", "release"])
def test_what_was_committed_last_is_put_back_at_the_end(
    database: SQLDatabase, run: SampleRun, migrated_sqlite_url: str, end: str
) -> None:
    run.commit(events=[make_event("last")])
    take_away(file_of(migrated_sqlite_url))
    getattr(database, end)()
    assert found_after_a_kill(file_of(migrated_sqlite_url)) == ["last"]


def test_what_cannot_be_written_is_told_though_nobody_writes(database: SQLDatabase, run: SampleRun) -> None:
    set_read_only(database, 1)
    with pytest.raises(DatabaseError):
        database.stay_in_place()
    assert "cannot be written" in database.troubles[0].reason
    set_read_only(database, 0)
    database.stay_in_place()
    assert database.troubles == ()


def test_a_server_has_no_file_to_look_after(postgresql_url: str) -> None:
    database = SQLDatabase(postgresql_url)
    database.stay_in_place()
    assert database.troubles == ()
    database.close()


@pytest.mark.postgresql
def test_a_server_that_fails_is_told_though_nobody_writes(postgresql_server: PostgreSQLServer) -> None:
    url = postgresql_server.create()
    database = SQLDatabase(url)
    moved = postgresql_server.rename(url, "away")
    with pytest.raises(DatabaseError):
        database.stay_in_place()
    assert "The database cannot be used" in database.troubles[0].reason
    postgresql_server.rename(moved, str(make_url(url).database))
    database.stay_in_place()
    assert database.troubles == ()
    database.close()
