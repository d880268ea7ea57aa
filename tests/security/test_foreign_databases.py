"""Data directories of Mephisto 1.x from other people: nothing is read, or written, outside of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.errors import DataFileError, MephistoError
from mephisto_nb.importing import importer, old_data
from mephisto_nb.importing.old_mephisto import OldMephisto
from mephisto_nb.operator import Operator
from tests.importing.conftest import data_dir, make_operator, operator
from tests.importing.old_directory import OldDirectory, OldRun

__all__ = ["data_dir", "make_operator", "operator"]

SECRET = "sesame"
#: What an id may be, so that it leads elsewhere on some system.
IDS = [
    "../escape", "../../../escape", "../../../../outside", "/escape", "..", ".", "a/b", "..\\escape", "C:\\escape",
    "C:escape", "\\\\server\\share", "nul", "com1", ".hidden", "a\x00b", "a\nb", "\u202ea", "a.", " ", "",
]  # fmt: skip
posix = pytest.mark.skipif(os.name == "nt", reason="Windows makes links for administrators alone")


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of secrets, such as an answer that somebody else's directory would like to have."""
    monkeypatch.setenv("MY_SECRET", SECRET)
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("agent_data.json", "state.json", "assign_data.json", "secret.txt"):
        (folder / name).write_text(
            f'{{"inputs": {{}}, "outputs": {{"mood": "{SECRET}"}}, "shared": {{"a": "{SECRET}"}}}}'
        )
    return folder


class Theirs:
    """A directory with one answered unit, to be spoilt."""

    def __init__(self, root: Path) -> None:
        self.home = OldDirectory(root)
        self.run: OldRun = self.home.add_run("moods")
        self.assignment = self.run.add_assignment({"text": "Rain"})
        self.unit = self.run.add_unit(self.assignment, "completed")
        self.agent = self.run.add_agent(self.assignment, self.unit, self.home.add_worker("ann"), "completed")
        self.run.answer(self.assignment, self.agent, {"text": "Rain"}, {"mood": "glad"})

    @property
    def folder(self) -> Path:
        return self.home.root / "data" / "runs" / "NO_PROJECT" / str(self.run.id)

    @property
    def agents_folder(self) -> Path:
        return self.folder / str(self.assignment) / str(self.agent)

    def execute(self, statement: str, *values: object) -> None:
        with closing(self.home.connect()) as connection:
            connection.execute(statement, values)
            connection.commit()

    def with_text_ids(self, table: str) -> None:
        """Make a table anew, whose ids may be texts."""
        with closing(self.home.connect()) as connection:
            connection.execute(f"CREATE TABLE anew AS SELECT * FROM {table}")
            connection.execute(f"DROP TABLE {table}")
            connection.execute(f"ALTER TABLE anew RENAME TO {table}")
            connection.commit()


@pytest.fixture
def theirs(tmp_path: Path) -> Theirs:
    return Theirs(tmp_path / "theirs")


def snapshot(*roots: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for root in roots for file in root.rglob("*") if file.is_file()}


async def refused(operator: Operator, theirs: Theirs, outside: Path, tmp_path: Path) -> str:
    """Import a directory that is refused; give what is said. Nothing is written, and nothing of outside is known."""
    before, around = snapshot(outside), {path.name for path in tmp_path.iterdir()}
    with pytest.raises(MephistoError) as told:
        await operator.import_mephisto(theirs.home.root)
    assert snapshot(outside) == before
    assert {path.name for path in tmp_path.iterdir()} == around
    assert len(operator.task_runs()) == 0
    assert len(operator.workers.frame()) == 0
    return str(told.value)


@pytest.mark.parametrize("id_", IDS)
@pytest.mark.parametrize(("table", "column"), [("agents", "agent_id"), ("assignments", "assignment_id")])
async def test_an_id_that_leads_elsewhere_is_refused_by_name(
    operator: Operator, theirs: Theirs, outside: Path, tmp_path: Path, table: str, column: str, id_: str
) -> None:
    theirs.with_text_ids(table)
    theirs.execute(f"UPDATE {table} SET {column} = ?", id_)
    for other in ("units", "agents") if table == "assignments" else ("units",):
        theirs.with_text_ids(other)
        theirs.execute(f"UPDATE {other} SET {column} = ?", id_)
    told = await refused(operator, theirs, outside, tmp_path)
    assert "which is refused" in told
    assert repr(id_) in told or "\x00" in id_  # SQLite ends a text there
    assert SECRET not in OldMephisto(theirs.home.root).results().to_csv()


@pytest.mark.parametrize("id_", ["../escape", "/escape", "..\\escape", "C:escape", ".hidden"])
async def test_a_run_whose_id_leads_elsewhere_is_refused(
    operator: Operator, theirs: Theirs, outside: Path, tmp_path: Path, id_: str
) -> None:
    for table in ("task_runs", "assignments", "units", "agents"):
        theirs.with_text_ids(table)
        theirs.execute(f"UPDATE {table} SET task_run_id = ?", id_)
    assert f"a run with the id {id_!r}" in await refused(operator, theirs, outside, tmp_path)


async def test_an_introduction_whose_id_leads_elsewhere_is_refused(
    operator: Operator, theirs: Theirs, outside: Path, tmp_path: Path
) -> None:
    theirs.home.add("onboarding_agents", worker_id=1, status="approved", task_run_id=theirs.run.id)
    theirs.with_text_ids("onboarding_agents")
    theirs.execute("UPDATE onboarding_agents SET onboarding_agent_id = '../../../../outside'")
    assert "an agent with the id 'onboarding_../" in await refused(operator, theirs, outside, tmp_path)


def _replace(path: Path, target: Path) -> None:
    if path.is_dir():
        path.rename(path.with_name("moved"))
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(target)


LINKS: dict[str, Callable[[Theirs, Path], None]] = {
    "an answer": lambda theirs, out: _replace(theirs.agents_folder / "agent_data.json", out / "agent_data.json"),
    "what is beside it": lambda theirs, out: _replace(theirs.agents_folder / "agent_meta.json", out / "state.json"),
    "an upload": lambda theirs, out: _replace(theirs.agents_folder / "photo.png", out / "secret.txt"),
    "a folder of uploads": lambda theirs, out: _replace(theirs.agents_folder / "uploads", out),
    "an agent": lambda theirs, out: _replace(theirs.agents_folder, out),
    "an assignment": lambda theirs, out: _replace(theirs.folder / str(theirs.assignment), out),
    "an assignment's data": lambda theirs, out: _replace(
        theirs.folder / str(theirs.assignment) / "assign_data.json", out / "assign_data.json"
    ),
    "a run": lambda theirs, out: _replace(theirs.folder, out),
    "a project": lambda theirs, out: _replace(theirs.folder.parent, out.parent),
    "a pipe": lambda theirs, out: os.mkfifo(theirs.agents_folder / "photo.png"),
}


@posix
@pytest.mark.parametrize("link", LINKS)
async def test_a_link_that_leads_elsewhere_is_refused_by_name(
    operator: Operator, theirs: Theirs, outside: Path, tmp_path: Path, link: str
) -> None:
    (outside / str(theirs.run.id)).mkdir()
    LINKS[link](theirs, outside)
    told = await refused_or_left_out(operator, theirs, outside, tmp_path)
    assert SECRET not in told


@posix
async def test_an_upload_behind_a_folder_that_was_swapped_is_not_copied(
    operator: Operator, theirs: Theirs, outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows a folder may be such a link without being told apart from others."""
    (theirs.agents_folder / "photo.png").write_text("mine")
    (outside / "photo.png").write_text(SECRET)
    own = importer.copy_file

    def swap_and_copy(source: Path, *rest: Any, **options: Any) -> None:
        _replace(theirs.agents_folder, outside)
        own(source, *rest, **options)

    monkeypatch.setattr(importer, "copy_file", swap_and_copy)
    with pytest.raises(DataFileError, match="is refused"):
        await operator.import_mephisto(theirs.home.root)
    assert not [one for one in tmp_path.rglob("files/**/*.png") if one.read_text() == SECRET]


@posix
def test_a_project_that_leads_elsewhere_stops_no_other(theirs: Theirs, outside: Path) -> None:
    expected = OldMephisto(theirs.home.root).results()
    (theirs.folder.parent.parent / "another").symlink_to(outside)
    old = OldMephisto(theirs.home.root)
    assert old.results().equals(expected)
    assert old.troubles().empty
    assert old.files.project_of(str(theirs.run.id)) is None
    assert old.files.project_of("9") is None


async def refused_or_left_out(operator: Operator, theirs: Theirs, outside: Path, tmp_path: Path) -> str:
    """Import a directory; give all that is known of it then, and what was said."""
    told = await refused(operator, theirs, outside, tmp_path)
    assert "refused" in told or "Take it out" in told or "take it out" in told
    old = OldMephisto(theirs.home.root)
    return told + old.results().to_csv() + old.metadata().to_csv() + old.troubles().to_csv()


@posix
def test_a_database_that_is_a_link_out_of_its_directory_is_refused(theirs: Theirs, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "database.db").symlink_to(theirs.home.root / "database.db")
    with pytest.raises(DataFileError, match="refused"):
        OldMephisto(tmp_path / "other")


@posix
@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_what_lies_beside_a_database_leads_nowhere_else(theirs: Theirs, outside: Path, ending: str) -> None:
    before = snapshot(outside)
    (theirs.home.root / f"database.db{ending}").symlink_to(outside / "secret.txt")
    with pytest.raises(DataFileError, match=f"database.db{ending}.*is refused"):
        OldMephisto(theirs.home.root)
    assert snapshot(outside) == before


async def test_a_stored_configuration_reads_no_environment(operator: Operator, outside: Path, tmp_path: Path) -> None:
    home = OldDirectory(tmp_path / "theirs")
    home.add_run("moods", config={"task": {"task_title": "${oc.env:MY_SECRET}", "task_tags": "${oc.decode:x}"}})
    await operator.import_mephisto(home.root)
    kept = snapshot(*(path for path in tmp_path.iterdir() if path != outside))
    assert [name for name, content in kept.items() if SECRET.encode() in content] == []


@pytest.mark.parametrize("name", ["C:photo.png", "nul", "a\\b.png", "x.", "..\u202epng", "A.png"])
@posix
async def test_an_upload_is_kept_under_a_name_that_any_system_takes(
    operator: Operator, theirs: Theirs, tmp_path: Path, name: str
) -> None:
    (theirs.agents_folder / name).write_text("1")
    (theirs.agents_folder / "uploads").mkdir()
    (theirs.agents_folder / "uploads" / "a.png").write_text("2")
    await operator.import_mephisto(theirs.home.root)
    kept = [file for file in tmp_path.rglob("files/*/*") if file.is_file()]
    assert sorted(file.read_text() for file in kept) == ["1", "2"]
    assert len({file.name.casefold() for file in kept}) == 2
    assert not [file.name for file in kept if set(file.name) & set("\\:\u202e") or file.name in ("nul", "x.")]


@pytest.mark.parametrize(("bound", "most"), [("_MOST_TEXT", 50_000), ("_LONGEST", 8_000)])
def test_a_short_file_of_long_rows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    theirs = Theirs(tmp_path / "theirs")
    theirs.execute("CREATE TABLE anew AS SELECT qualification_id, qualification_name FROM qualifications WHERE 0")
    theirs.execute("DROP TABLE qualifications")
    theirs.execute("ALTER TABLE anew RENAME TO qualifications")
    for number in range(10):
        theirs.execute("INSERT INTO qualifications VALUES (?, 'trained')", number)
    theirs.execute(f"ALTER TABLE qualifications ADD COLUMN description TEXT DEFAULT '{'x' * 9_000}'")
    monkeypatch.setattr(old_data, bound, most)
    with pytest.raises(DataFileError, match=r"holds more than 50,000 characters|holds a value that is too long"):
        OldMephisto(theirs.home.root).qualifications()


def test_a_name_of_a_table_is_no_sql(tmp_path: Path) -> None:
    theirs = Theirs(tmp_path / "theirs")
    name = 'units" WHERE 0 UNION ALL SELECT 77 --'
    theirs.execute('CREATE TABLE "{}" (a)'.format(name.replace('"', '""')))
    database = old_data.OldDatabase(theirs.home.root)
    with database.reading() as connection:
        assert database.tables[name] == {"a"}
        assert database.count(connection, name) == 0
