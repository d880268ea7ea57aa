"""Folders of other people: what leads out of one is refused by its name, before anything of it is read or published."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mephisto_nb as mnb
from mephisto_nb.blueprints.form.sources import read_form
from mephisto_nb.blueprints.static_html import extra_files
from mephisto_nb.blueprints.static_html.extra_files import copy_files, list_files
from mephisto_nb.config.registry import get_blueprint_from_type
from mephisto_nb.config.task_run_settings import resolve_config
from mephisto_nb.errors import ConfigError, DataFileError, MephistoError
from mephisto_nb.importing.importer import _copy_for_owner
from mephisto_nb.model.yaml_text import load_yaml
from mephisto_nb.utils import foreign
from mephisto_nb.utils.foreign import below, read_bytes, why_no_name

SECRET = "sesame"
ABOUT = {"task_name": "a", "task_title": "A", "task_description": "", "task_tags": "", "task_reward": 0.1}
HTML = "<p>${text}</p><input name=mood>"


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside, with secrets in it; and one in the environment."""
    monkeypatch.setenv("MY_SECRET", SECRET)
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("secret.txt", "secret.html", "secret.js", "secret.css", "secret.yaml", "secret.csv", "secret.json"):
        (folder / name).write_text(f"<p>{SECRET}</p><input name=a>\n")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of somebody else's task."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "task.html").write_text(HTML)
    (folder / "cat.png").write_bytes(b"png")
    (folder / "rows.csv").write_text("text\nRain\n")
    (folder / "bundle.js").write_text("document.title = 'x'")
    return folder


def site_of(blueprint: str, tmp_path: Path, **args: Any) -> dict[str, bytes]:
    """Check a task, and publish it; give what anybody can read then."""
    config = mnb.compose(blueprint, task=ABOUT, blueprint_args=args)
    return published(config, tmp_path)


def published(config: Any, tmp_path: Path) -> dict[str, bytes]:
    settings = resolve_config(config)
    kind = get_blueprint_from_type(settings.blueprint_type)
    has_data = any(getattr(settings.blueprint_args, name, None) for name in ("data_csv", "data_json", "data_jsonl"))
    rows = None if has_data else [{"text": "Rain"}]
    made = kind(settings.blueprint_args, mnb.SharedTaskState(static_task_data=rows))
    made.assert_task_args()
    site = tmp_path / "site"
    made.build_site(site)
    files = {str(file.relative_to(site)): file.read_bytes() for file in site.rglob("*") if file.is_file()}
    return files | {"(settings)": repr((made.get_frontend_args(), settings.task)).encode()}


# Links, and what is no file

LINKS: dict[str, Callable[[Path, Path], None]] = {
    "a file": lambda folder, out: os.symlink(out / "secret.txt", folder / "a.txt"),
    "a file, as a picture": lambda folder, out: os.symlink(out / "secret.txt", folder / "dog.png"),
    "a folder": lambda folder, out: os.symlink(out, folder / "pictures"),
    "a relative path": lambda folder, out: os.symlink("../outside/secret.txt", folder / "a.txt"),
    "a link to a link": lambda folder, out: (
        os.symlink(out / "secret.txt", folder / "b.txt"), os.symlink(folder / "b.txt", folder / "a.txt"),
    )[0],
    "within a folder": lambda folder, out: (
        (folder / "inner").mkdir(), os.symlink(out / "secret.txt", folder / "inner" / "a.txt"),
    )[0],
    "the parent": lambda folder, out: os.symlink("..", folder / "up"),
    "a device": lambda folder, out: os.symlink("/dev/zero", folder / "zero.png"),
    "a process": lambda folder, out: os.symlink("/proc/self/environ", folder / "env.png"),
    "a circle": lambda folder, out: os.symlink("a.png", folder / "a.png"),
    "a pipe": lambda folder, out: os.mkfifo(folder / "pipe.png"),
}  # fmt: skip


posix = pytest.mark.skipif(os.name == "nt", reason="Windows makes links for administrators alone")


@posix
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("kind", ["extra_source_dir", "custom_source_dir", "bundle folder"])
def test_a_folder_that_leads_elsewhere_is_refused(
    kind: str, link: str, home: Path, secret: Path, tmp_path: Path
) -> None:
    LINKS[link](home, secret)
    if kind == "bundle folder":
        args: tuple[str, dict[str, Any]] = ("static_react_task", {"task_source": str(home)})
    elif kind == "custom_source_dir":
        about = {"custom_source_dir": str(home), "custom_source_bundle": str(home / "bundle.js")}
        args = ("chat", {**about, "task_html": HTML, "units_per_assignment": 2})
    else:
        args = ("static_html", {"task_html": HTML, "extra_source_dir": str(home)})
    with pytest.raises(ConfigError, match=r"is refused|Take it out|take it out|leads nowhere"):
        site_of(args[0], tmp_path, **args[1])
    assert not (tmp_path / "site").exists()


@posix
@pytest.mark.parametrize(
    ("kind", "setting", "target"),
    [
        ("static_html", "task_source", "secret.html"),
        ("static_html", "preview_source", "secret.html"),
        ("static_html", "onboarding_source", "secret.html"),
        ("static_html", "data_csv", "secret.csv"),
        ("static_html", "data_json", "secret.json"),
        ("static_html", "data_jsonl", "secret.json"),
        ("static_react_task", "task_source", "secret.js"),
        ("static_react_task", "preview_source", "secret.html"),
        ("static_react_task", "tips_location", "secret.csv"),
        ("form", "form_source", "secret.yaml"),
        ("chat", "instruction_source", "secret.html"),
        ("chat", "custom_source_bundle", "secret.js"),
    ],
)
def test_a_file_that_is_a_link_out_of_its_folder_is_refused(
    kind: str, setting: str, target: str, home: Path, secret: Path, tmp_path: Path
) -> None:
    link = home / f"theirs{Path(target).suffix}"
    link.symlink_to(secret / target)
    needed: dict[str, dict[str, Any]] = {
        "static_html": {"task_source": str(home / "task.html"), "onboarding_qualification": "trained"},
        "static_react_task": {"task_source": str(home / "bundle.js")},
        "form": {},
        "chat": {"units_per_assignment": 2, "task_html": HTML},
    }
    args = needed[kind] | {setting: str(link)}
    if setting != "onboarding_source":
        args.pop("onboarding_qualification", None)
    with pytest.raises(DataFileError, match=f"theirs{Path(target).suffix}.*leads to .*is refused"):
        site_of(kind, tmp_path, **args)
    assert not (tmp_path / "site").exists()


@posix
def test_a_pipe_is_not_waited_for(home: Path, tmp_path: Path) -> None:
    os.mkfifo(home / "pipe.html")
    with pytest.raises(DataFileError, match="which is a pipe"):
        site_of("static_html", tmp_path, task_source=str(home / "pipe.html"))


@posix
def test_a_researcher_may_name_a_file_behind_a_linked_folder(home: Path, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(home)
    site = site_of(
        "static_html", tmp_path, task_source=str(tmp_path / "short" / "task.html"), data_csv=str(home / "rows.csv")
    )
    assert site["task.html"].decode() == HTML


# Forms

INSERTIONS = [
    "../outside/secret.html", "/etc/passwd.html", "a/../../outside/secret.html", "..\\outside\\secret.html",
    "C:\\secret.html", "C:secret.html", "\\\\server\\share\\secret.html", ".hidden.html", "a/.b/c.html",
    "con.html", "link.html", "linked/secret.html", "a\0.html",
]  # fmt: skip


@posix
@pytest.mark.parametrize("name", INSERTIONS)
def test_an_insertion_of_a_form_lies_in_its_folder(name: str, home: Path, secret: Path, tmp_path: Path) -> None:
    (home / "link.html").symlink_to(secret / "secret.html")
    (home / "linked").symlink_to(secret)
    field = {"name": "mood", "type": "input", "label": "Mood"}
    form = {
        "title": "A",
        "instruction": name,
        "sections": [{"title": "S", "fieldsets": [{"rows": [{"fields": [field]}]}]}],
    }
    (home / "task_data.json").write_text(json.dumps({"form": form}))
    with pytest.raises(DataFileError, match="refused"):
        site_of("form", tmp_path, form_source=str(home))
    assert not (tmp_path / "site").exists()


@posix
@pytest.mark.parametrize("name", ["task_data.json", "form_config.json", "unit_config.json"])
def test_a_form_of_a_folder_is_a_file_of_it(name: str, home: Path, secret: Path, tmp_path: Path) -> None:
    (home / name).symlink_to(secret / "secret.json")
    with pytest.raises(DataFileError, match=f"'{name}', which leads to .*refused"):
        site_of("form", tmp_path, form_source=str(home))


def test_a_form_shows_the_environment_to_nobody(home: Path, secret: Path, tmp_path: Path) -> None:
    fields = {"a": {"type": "text", "label": "${oc.env:MY_SECRET}", "help": "\\${oc.env:MY_SECRET}"}}
    for name, text in {"f.json": json.dumps({"fields": fields}), "f.yaml": json.dumps({"fields": fields})}.items():
        (home / name).write_text(text)
        try:
            site = site_of("form", tmp_path, form_source=str(home / name))
        except MephistoError:
            continue
        assert [file for file, content in site.items() if SECRET.encode() in content] == []


# Names, bounds, and what changes meanwhile


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "...",
        "a/b",
        "a\\b",
        "/a",
        "C:a",
        "a\0",
        "a\nb",
        "\u202ea",
        "nul",
        "COM1.txt",
        "a.",
        "a ",
        ".env",
        "~/a/",
    ],
)
def test_a_name_that_could_lead_elsewhere_is_none(name: str) -> None:
    assert why_no_name(name)


def test_names_of_files_as_people_write_them_are_names() -> None:
    assert [
        name for name in ("cat.png", "Žluťoučký kůň.csv", "a b (2).jpg", "1234", "日本.txt") if why_no_name(name)
    ] == []


@posix
def test_what_was_looked_at_is_what_is_copied(home: Path, secret: Path, tmp_path: Path) -> None:
    found = list_files(str(home))
    (home / "cat.png").unlink()
    (home / "cat.png").symlink_to(secret / "secret.txt")
    with pytest.raises(DataFileError, match=r"'cat\.png', which leads to"):
        copy_files(found.files, tmp_path / "site", root=found.root)
    assert SECRET not in "".join(file.read_text() for file in (tmp_path / "site").rglob("*") if file.is_file())


@posix
def test_nothing_hidden_is_read_by_another_name(home: Path, secret: Path) -> None:
    (home / ".env").write_text(SECRET)
    (home / "a.js").symlink_to(".env")
    for look in (
        lambda: list(foreign.files_below(home, "The folder", (".js",))),
        lambda: read_bytes(home / "a.js", "The folder", root=home),
        lambda: below(home, "a.js", "The folder"),
        lambda: foreign.copy_file(home / "a.js", secret / "a.js", "The folder", root=home),
    ):
        with pytest.raises(DataFileError, match=r"a\.js', which leads to what is hidden: '\.env'"):
            look()
    assert foreign.inside(home / ".env", home, "The folder").read_text() == SECRET  # somebody has named it so


@posix
def test_a_circle_leads_nowhere(home: Path) -> None:
    (home / "a.png").symlink_to("b.png")
    (home / "b.png").symlink_to("a.png")
    with pytest.raises(DataFileError, match="leads nowhere"):
        foreign.inside(home / "a.png", home, "The folder")


@posix
def test_a_file_that_another_takes_the_place_of_is_not_copied(
    home: Path, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.open

    def swap(path: Any, *rest: Any, **options: Any) -> int:
        descriptor = own(path, *rest, **options)
        if str(path).endswith("cat.png"):
            os.replace(secret / "secret.txt", home / "cat.png")
        return descriptor

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", swap)
        foreign.copy_file(home / "cat.png", tmp_path / "copy.png", "The folder", root=home)
    assert (tmp_path / "copy.png").read_bytes() == b"png"  # as it was when it was looked at


@posix
@pytest.mark.parametrize("opened", ["pictures", "cat.png"])
def test_a_folder_that_becomes_a_link_meanwhile_is_not_followed(
    home: Path, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: str
) -> None:
    (home / "pictures").mkdir()
    (home / "cat.png").rename(home / "pictures" / "cat.png")
    (secret / "cat.png").write_text(SECRET)
    (home / "link").symlink_to(secret)
    own = os.open

    def exchange(one: str, other: str) -> None:
        os.replace(home / one, home / "aside")
        os.replace(home / other, home / one)
        os.replace(home / "aside", home / other)

    def while_exchanged(path: Any, *rest: Any, **options: Any) -> int:
        if not str(path).endswith(opened):
            return own(path, *rest, **options)
        exchange("pictures", "link")
        try:
            return own(path, *rest, **options)
        finally:
            exchange("pictures", "link")

    for read in (
        lambda: read_bytes(home / "pictures" / "cat.png", "The folder", root=home),
        lambda: foreign.copy_file(home / "pictures" / "cat.png", tmp_path / "copy.png", "The folder", root=home),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", while_exchanged)
            with contextlib.suppress(DataFileError):
                assert read() in (b"png", None)
    assert not (tmp_path / "copy.png").exists() or (tmp_path / "copy.png").read_bytes() == b"png"


@posix
def test_what_is_hidden_stays_so_below_a_hidden_folder(tmp_path: Path) -> None:
    home = tmp_path / ".git" / "theirs"
    (home / ".git").mkdir(parents=True)
    (home / ".git" / "config").write_text(SECRET)
    (home / "a.js").symlink_to(".git/config")
    with pytest.raises(DataFileError, match="leads to what is hidden"):
        read_bytes(home / "a.js", "The folder", root=home)
    assert read_bytes(home / ".git" / "config", "The folder", root=home).decode() == SECRET


@pytest.mark.parametrize("written", [b"png and more", b""])
def test_a_file_that_changes_while_it_is_copied_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bytes
) -> None:
    own = foreign._copy

    def change(*args: Any) -> None:
        (home / "cat.png").write_bytes(written)
        own(*args)

    with monkeypatch.context() as patched:
        patched.setattr(foreign, "_copy", change)
        with pytest.raises(DataFileError, match="has changed while it was copied"):
            foreign.copy_file(home / "cat.png", tmp_path / "copy.png", "The folder", root=home)
    assert not (tmp_path / "copy.png").exists()


def test_two_files_do_not_take_one_place(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "cat.png"
    foreign.copy_file(home / "cat.png", target, "The folder")
    with pytest.raises(DataFileError, match="another file of that name"):
        foreign.copy_file(home / "rows.csv", target, "The folder")
    assert target.read_bytes() == b"png"


def test_a_name_of_ours_is_ours_in_capital_letters_too(home: Path, tmp_path: Path) -> None:
    (home / "INDEX.html").write_text("theirs")
    (home / "Task.HTML").write_text("theirs")
    site = site_of("static_html", tmp_path, task_html=HTML, extra_source_dir=str(home))
    assert {name for name in site if name.lower() in ("index.html", "task.html")} == {"index.html", "task.html"}
    assert site["task.html"].decode() == HTML


def test_too_many_files_and_folders_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = home.joinpath(*["a"] * (foreign.DEEPEST + 1))
    deep.mkdir(parents=True)
    with pytest.raises(DataFileError, match="over 40 folders in folders"):
        list_files(str(home))
    monkeypatch.setattr(foreign, "MOST_FILES", 3)
    with pytest.raises(DataFileError, match="more than 3 files"):
        list_files(str(home))


def test_a_file_that_is_too_large_is_not_read_whole(home: Path) -> None:
    with pytest.raises(DataFileError, match="more than 2 bytes"):
        read_bytes(home / "cat.png", "The folder", most=2)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(
            [
                f"a0: &a0 [{', '.join('x' * 9)}]",
                *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)),
            ]
        ),
        "&a [*a]",
        "[" * 100_000,
        "!!python/object/apply:os.system [id]",
        "!!python/name:os.system",
        "a: \x07",
    ],
    ids=["billion", "itself", "deep", "call", "name", "bell"],
)
def test_a_description_that_is_a_trap_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        load_yaml(text)


def test_what_a_file_names_lies_below_its_folder(home: Path) -> None:
    assert below(home, "cat.png", "x") == below(home, "./cat.png", "x") == (home / "cat.png").resolve()


# What nobody can mean


@pytest.mark.parametrize(
    ("mark", "below_it"),
    [(mark, place) for mark in ("link_secret", "imported_run") for place in ("", "files")]
    + [("mephisto_nb.db", "runs"), ("mephisto_nb.db", "runs/1/files")],
)
def test_a_folder_of_ours_is_nobodys_extra_folder(tmp_path: Path, mark: str, below_it: str) -> None:
    (tmp_path / "data" / below_it).mkdir(parents=True)
    (tmp_path / "data" / mark).write_text("")
    (tmp_path / "data" / below_it / "face.png").write_text("a face")
    with pytest.raises(ConfigError, match="where this package keeps its data"):
        list_files(str(tmp_path / "data" / below_it))
    assert list_files(str(tmp_path)).files == {}


@pytest.mark.parametrize("place", ["", "pictures"])
def test_a_project_folder_may_be_the_data_directory(tmp_path: Path, place: str) -> None:
    for name in ("mephisto_nb.db", "runs/1/files/face.png", "pictures/cat.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert list(map(os.path.basename, list_files(str(tmp_path / place)).files)) == ["cat.png"]


def test_what_would_fill_the_disk_is_not_copied(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list_files(str(home)).files
    for name, value, why in (("_MOST_COPIED", 20, "more than any page loads"), ("_LEFT_FREE", 10**18, "has no room")):
        with monkeypatch.context() as patched:
            patched.setattr(extra_files, name, value)
            with pytest.raises(DataFileError, match=rf"{why}\. The largest is '[a-z.]+'"):
                copy_files(found, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_file_with_holes_is_copied_with_them(tmp_path: Path) -> None:
    with (tmp_path / "film.mp4").open("wb") as file:
        file.write(b"head")
        file.truncate(40_000_000)
    foreign.copy_file(tmp_path / "film.mp4", tmp_path / "copy.mp4", "The folder")
    assert (tmp_path / "copy.mp4").read_bytes() == (tmp_path / "film.mp4").read_bytes()
    if sys.platform == "linux":
        assert (tmp_path / "copy.mp4").stat().st_blocks * 512 <= 4_000_000


def test_the_folder_of_an_imported_run_bears_a_mark(home: Path, tmp_path: Path) -> None:
    files = tmp_path / "ours" / "files"
    _copy_for_owner([(home / "cat.png", "1/cat.png")], files, home)
    assert (files / "1" / "cat.png").read_bytes() == b"png"
    assert list_files(str(tmp_path)).left_out["ours"] == "this package's own data"


def test_files_of_ours_are_published_nowhere(tmp_path: Path) -> None:
    (tmp_path / "extra" / "inner").mkdir(parents=True)
    for name in ("router_config.json", "mephisto_nb.db.migrating", "inner/router.json", "inner/cat.png"):
        (tmp_path / "extra" / name).write_text(SECRET)
    wanted = ("router_config.json", "inner/router.json")
    assert list(list_files(str(tmp_path / "extra"), wanted=wanted).files) == ["inner/cat.png"]


@pytest.mark.parametrize("part", [{"help": "diary.html"}, {"triggers": {"onClick": "look"}}])
def test_a_form_gets_nothing_of_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: dict[str, Any]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "diary.html").write_text(SECRET)
    field = {"name": "mood", "type": "input", "label": "Mood", "validators": {"required": True}}

    def form(field: dict[str, Any]) -> Any:
        rows = [{"fields": [field]}]
        return {"form": {"title": "A", "sections": [{"title": "S", "fieldsets": [{"rows": rows}]}]}}

    assert read_form(form(field)).forms
    with pytest.raises(DataFileError, match="so nothing is taken from there"):
        read_form(form({**field, **part}))
