"""What is said when a database cannot be opened or used, and what is not: its password."""

from __future__ import annotations

import sqlite3
import traceback
from pathlib import Path

import pytest
from sqlalchemy import text

from mephisto_nb.errors import ConfigError, DatabaseError, MephistoError
from mephisto_nb.storage.connect import Connections, make_engine, parse_url, told_plainly
from mephisto_nb.storage.sql_database import SQLDatabase
from mephisto_nb.storage.tables import MAX_KEY_LENGTH, make_key, make_storable
from mephisto_nb.testing.contracts._samples import grant_to

_PASSWORD = "s3cr3t-pass"


def _refusal(url: str) -> MephistoError:
    with pytest.raises(MephistoError) as caught:
        SQLDatabase(url)
    # Neither the message nor anything that a traceback shows with it.
    assert _PASSWORD not in "".join(traceback.format_exception_only(caught.value))
    assert _PASSWORD not in str(caught.value.__cause__)
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "",
        "runs.db",
        "sqlite://",
        "sqlite:///:memory:",
        f"postgresql:/ann:{_PASSWORD}@host/runs",
        f"postgresql://ann:{_PASSWORD}@host:port/runs",
        f"postgres://ann:{_PASSWORD}@host/runs",
        f"mysql://ann:{_PASSWORD}@host/runs",
        f"nonsense+driver://ann:{_PASSWORD}@host/runs",
    ],
)
def test_a_url_of_no_database_is_refused_with_the_right_form(url: str) -> None:
    refusal = _refusal(url)
    assert isinstance(refusal, ConfigError)
    assert "Use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME." in str(refusal)


@pytest.mark.parametrize("ending", ["file:{}?uri=true", "file:{}", "{}?mode=ro", "{}?uri=true"])
def test_a_url_that_says_how_to_open_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Use sqlite:///FILE, with the plain path" in str(_refusal("sqlite:///" + ending.format(tmp_path / "x.db")))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgresql://host/runs", "postgresql+psycopg"),
        ("postgresql+asyncpg://host/runs", "postgresql+psycopg"),
        ("sqlite+aiosqlite:///runs.db", "sqlite"),
    ],
)
def test_the_driver_is_ours_whatever_the_url_says(url: str, driver: str) -> None:
    assert parse_url(url).drivername == driver


@pytest.mark.postgresql
def test_a_server_without_an_answer_is_told_without_the_password() -> None:
    refusal = _refusal(f"postgresql://ann:{_PASSWORD}@127.0.0.1:1/runs")
    assert isinstance(refusal, DatabaseError)
    assert "postgresql+psycopg://ann:***@127.0.0.1:1/runs" in str(refusal)


@pytest.mark.postgresql
def test_a_database_that_is_not_there_is_told(postgresql_url: str) -> None:
    with pytest.raises(DatabaseError, match="no_such_database"):
        SQLDatabase(parse_url(postgresql_url).set(database="no_such_database").render_as_string())


@pytest.mark.postgresql
def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install 'mephisto-nb\[postgresql\]'"):
        make_engine(parse_url("postgresql://host/runs"), for_writing=True)


def test_a_repr_hides_the_password() -> None:
    database = SQLDatabase.__new__(SQLDatabase)
    database.connections = Connections.__new__(Connections)
    database.connections.url = parse_url(f"postgresql://ann:{_PASSWORD}@host/runs")
    assert repr(database) == "SQLDatabase('postgresql+psycopg://ann:***@host/runs')"


def test_directories_of_the_file_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    SQLDatabase(f"sqlite:///{tmp_path / 'data' / 'runs.db'}").close()
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_path_through_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match="Opening the database"):
        SQLDatabase(f"sqlite:///{tmp_path / 'file' / 'runs.db'}")


def test_a_directory_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="unable to open database file"):
        SQLDatabase(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_database_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "thesis.txt"
    file.write_text("All of my work. " * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        SQLDatabase(f"sqlite:///{file}")
    assert file.read_text() == "All of my work. " * 100


def test_a_database_of_another_program_keeps_its_tables(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE theirs (n INTEGER)")
    connection.close()
    SQLDatabase(f"sqlite:///{file}").close()
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT count(*) FROM theirs").fetchone() == (0,)
    connection.close()


def test_a_table_that_is_gone_is_told_as_our_error(sqlite_url: str) -> None:
    database = SQLDatabase(sqlite_url)
    with database.connections.writer.begin() as connection:
        connection.execute(text("DROP TABLE submissions"))
    with pytest.raises(DatabaseError, match=r"Reading results failed in sqlite:///.*no such table"):
        database.runs.read_results(["run"])
    database.close()


def test_a_number_beyond_the_column_is_told_as_our_error(empty_url: str) -> None:
    database = SQLDatabase(empty_url)
    with pytest.raises(DatabaseError, match="Granting a qualification failed"):
        grant_to(database, "careful", "ann", 2**70)
    database.close()


def test_errors_that_are_not_the_databases_pass(sqlite_url: str) -> None:
    with pytest.raises(ZeroDivisionError), told_plainly("Counting", parse_url(sqlite_url)):
        raise ZeroDivisionError


@pytest.mark.postgresql
def test_reads_are_of_one_moment_and_writes_see_the_latest(postgresql_url: str) -> None:
    levels = []
    for for_writing in (True, False):
        engine = make_engine(parse_url(postgresql_url), for_writing=for_writing)
        with engine.connect() as connection:
            levels.append(connection.execute(text("SHOW transaction_isolation")).scalar())
        engine.dispose()
    assert levels == ["read committed", "repeatable read"]


def test_text_is_made_storable_and_otherwise_left_alone() -> None:
    assert make_storable("žluťoučký 🐱 \ufffd") == "žluťoučký 🐱 \ufffd"
    assert make_storable("a\0b\ud83dc\udc31") == "a\ufffdb\ufffdc\ufffd"


def test_only_keys_that_are_too_long_are_shortened() -> None:
    longest = "猫" * MAX_KEY_LENGTH
    assert make_key(longest) == longest
    assert len(make_key(longest + "猫")) <= MAX_KEY_LENGTH
    assert make_key(longest + "猫") != make_key(longest + "馬")
