"""What is made for its owner alone, and what is closed, left, or told of."""

from __future__ import annotations

import ast
import functools
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mephisto_nb.errors import ConfigError, WorldError
from mephisto_nb.utils.private_files import (
    close_below,
    close_file,
    close_folder,
    copy_private,
    make_folders,
    make_private_database,
    make_private_file,
    make_private_folder,
    open_private,
    warn_of_open_parents,
    write_private,
)
from tests.source_tree import package

if sys.platform != "win32":
    import grp
    import pwd

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")

#: Which modules write by themselves, and why others read nothing of it all the same.
WRITERS = {
    "utils.private_files": "how all others write",
    "utils.foreign": "its copies go where all is closed from above, and is closed itself by who asked for them",
    "blueprints": "a site is closed from above, and itself once it is built",
    "importing.importer": "its copies go into a folder that is closed before, and are closed after",
    "router.intake.multipart": "the router's umask, and a folder that is closed",
    "frames.files": "a draft that was made private before",
    "pages": "a temporary folder, which is private",
}
MAKING = {"write_text", "write_bytes", "makedirs", "copyfile", "copytree", "copy2", "touch"}


@pytest.fixture(autouse=True)
def nothing_is_masked() -> Iterator[None]:
    """Have the umask forbid nothing, as a careless user does."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_made_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "a" / "b")
    make_folders(tmp_path / "c" / "d")
    make_private_file(tmp_path / "file")
    make_private_database(tmp_path / "x.db")
    write_private(tmp_path / "text", "x")
    copy_private(tmp_path / "text", tmp_path / "copy")
    with open_private(tmp_path / "log", "ab") as log:
        log.write(b"x")
    assert {mode_of(path) for path in tmp_path.rglob("*") if path.is_dir()} == {0o700}
    assert {mode_of(path) for path in tmp_path.rglob("*") if path.is_file()} == {0o600}
    assert (tmp_path / "copy").read_text() == "x"


def test_ends_of_lines_stay_as_they_are_on_any_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fdopen", functools.partial(os.fdopen, newline="\r\n"))
    write_private(tmp_path / "text", "a\r\nb\n")
    assert (tmp_path / "text").read_bytes() == b"a\r\nb\n"


def test_what_a_link_leads_to_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "x.db").symlink_to("elsewhere.db")
    make_private_database(tmp_path / "x.db")
    assert mode_of(tmp_path / "elsewhere.db") == 0o600


def test_what_is_there_is_closed_and_keeps_its_content(tmp_path: Path) -> None:
    for name in ("file", "log", "x.db", "x.db-wal"):
        (tmp_path / name).write_text("x")
    make_private_file(tmp_path / "file")
    open_private(tmp_path / "log", "ab").close()
    make_private_database(tmp_path / "x.db")
    assert {(mode_of(path), path.read_text()) for path in tmp_path.iterdir()} == {(0o600, "x")}


def test_a_folder_is_closed_with_all_below_if_it_was_open(tmp_path: Path) -> None:
    (tmp_path / "runs" / "1").mkdir(parents=True)
    (tmp_path / "runs" / "1" / "program").touch(mode=0o777)
    (tmp_path / "elsewhere").touch()
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "elsewhere")
    close_folder(tmp_path / "runs")
    close_folder(tmp_path / "nowhere")
    assert {mode_of(path) for path in (tmp_path / "runs").rglob("*") if not path.is_symlink()} == {0o700}
    assert mode_of(tmp_path / "elsewhere") == 0o666
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(("home", "mode"), [("", 0o755), ("inside", 0o755), ("../elsewhere", 0o700)])
def test_a_home_stays_open_for_others_to_read(
    home: str, mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o777)
    monkeypatch.setenv("HOME", str(folder / home))
    make_private_folder(folder)
    assert mode_of(folder) == mode


def test_a_folder_like_tmp_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    make_private_folder(folder)
    assert mode_of(folder) == 0o1777


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_place_from_which_others_can_take_it_away_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group(("a lab", "x", 100, ["ann"])))
    make_private_folder(tmp_path / "data")
    warn_of_open_parents(tmp_path / "data")
    assert not caplog.text
    tmp_path.chmod(mode)
    warn_of_open_parents(tmp_path / "data")
    assert f"may write into {tmp_path}, and so take {tmp_path / 'data'} away" in caplog.text


@pytest.mark.parametrize("mode", [0o1777, 0o770, 0o775])
def test_a_database_beside_which_others_may_write_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group(("a lab", "x", 100, ["ann"])))
    make_private_database(tmp_path / "x.db")
    assert not caplog.text
    tmp_path.chmod(mode)
    make_private_database(tmp_path / "x.db")
    assert f"may write into the folder of the database {tmp_path / 'x.db'}" in caplog.text


def test_a_group_of_one_is_nobody_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    we = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group((we, "x", 100, [])))
    tmp_path.chmod(0o770)
    make_private_database(tmp_path / "x.db")
    warn_of_open_parents(tmp_path / "data")
    assert not caplog.text


def test_a_file_system_without_modes_is_told_and_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    close_file(tmp_path / "file")
    assert "is open to other users of this machine (mode 0666)" in caplog.text


def test_what_goes_away_meanwhile_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "walk", lambda folder: [(str(folder), [], ["gone"])])
    close_below(tmp_path)
    close_file(tmp_path / "gone")


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorldError, match="cannot be made"):
        make_private_folder(tmp_path / "file")


def test_what_belongs_to_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    tmp_path.chmod(0o777)
    for refuse, path in ((make_private_folder, tmp_path), (make_private_file, tmp_path / "file")):
        with pytest.raises(ConfigError, match=r"cannot be used: it belongs to another user"):
            refuse(path)


def writes_openly(call: ast.Call) -> bool:
    """Return whether a call makes a file or a folder with the modes of the umask."""
    name = ast.unparse(call.func).rpartition(".")[2]
    texts = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    if name in ("FileLock", "mkdir"):
        return "mode" not in {one.arg for one in call.keywords}
    return name in MAKING or (name == "open" and any(set("wax+") & set(text) for text in texts if len(text) <= 3))


def test_nothing_is_written_but_by_what_makes_it_private() -> None:
    modules = [one for one in package() if not one.is_testing]
    allowed = tuple(f"mephisto_nb.{name}" for name in WRITERS)
    calls = [(one, node) for one in modules if not one.name.startswith(allowed) for node in one.nodes]
    assert [m.at(node) for m, node in calls if isinstance(node, ast.Call) and writes_openly(node)] == []
