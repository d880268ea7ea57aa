"""What pages tell people to type, and where they send them: Python is run, commands and links are looked up."""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import mephisto_nb as mnb
from tests.docs.pages import DOCS, ROOT, Page, pages
from tests.leftovers import end_routers

LANGUAGES = {"python", "sh", "yaml", "js"}
COMMANDS = [(page, command) for page in pages() for command in page.commands()]
WITH_PYTHON = [page for page in pages() if page.blocks("python")]
#: What the blocks of a page have to leave behind: it runs, and it does what the page says.
EXPECTED: dict[str, Any] = {
    "README.md": lambda names: sorted(names["results"]["answer.mood"]) == ["glad", "grim"],
    "docs/tutorial.md": lambda names: len(names["results"]) == 8 and (Path.cwd() / "moods.csv").is_file(),
    "docs/howto/own_blueprint.md": lambda names: (
        names["config"].mephisto.blueprint.question == "Is it about the weather?"
    ),
    "docs/howto/form.md": lambda names: list(names["described"].find_problems({"mood": "grim", "why": "?"})) == ["why"],
    "docs/guides/results.md": lambda names: sorted(names["results"]["answer.mood"]) == ["glad", "grim"],
    "docs/guides/rehearsing-prolific.md": lambda names: (
        "it is not known whether" in names["told"] and names["prolific"].books.paid("bonus").amount == 50
    ),
    "docs/guides/restarts.md": lambda names: names["run"].status == "ended",
    "docs/guides/settings.md": lambda names: names["config"].mephisto.task.task_reward == 0.15,
    "docs/migration.md": lambda names: names["config"].mephisto.task.task_reward == 0.15,
}


def identity(value: object) -> str:
    """Name a parameter of a test."""
    return value.name if isinstance(value, Page) else str(value)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Keep a page's work out of the user's folders, and let no router of it live on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEPHISTO_DATA_DIR", str(tmp_path / "data"))
    yield
    for folder in ("data", "my-study"):
        end_routers(tmp_path / folder)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", WITH_PYTHON, ids=identity)
async def test_the_python_of_a_page_runs_from_top_to_bottom(page: Page, tmp_path: Path) -> None:
    for block, file in zip(page.blocks("yaml"), re.findall(r'config="([^"]+)"', page.text), strict=False):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(block, encoding="utf-8")
    names: dict[str, Any] = {}
    for block in page.blocks("python"):
        code = compile(block, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        running = eval(code, names)
        if inspect.isawaitable(running):
            await running
    assert EXPECTED.get(page.name, bool)(names)
    assert (
        not isinstance(names.get("operator"), mnb.Operator)
        or page.name == "docs/index.md"
        or names["operator"]._runs.is_closed
    )
    if "operator" in names:
        await names["operator"].force_shutdown()


def test_no_block_is_in_a_language_that_nothing_here_checks() -> None:
    assert {language for page in pages() for language in page.languages()} == LANGUAGES


@pytest.mark.parametrize("page", [page for page in pages() if page.blocks("yaml")], ids=identity)
def test_yaml_is_a_mapping(page: Page) -> None:
    assert all(isinstance(yaml.safe_load(block), dict) for block in page.blocks("yaml"))


@functools.cache
def scripts_of_pages() -> str:
    """Return the scripts that workers' pages are served with."""
    root = Path(mnb.__file__).parent
    return "\n".join(path.read_text(encoding="utf-8") for path in (root / "blueprints").rglob("*.js"))


@pytest.mark.parametrize("page", [page for page in pages() if page.blocks("js")], ids=identity)
def test_what_pages_call_is_in_their_scripts(page: Page) -> None:
    called = {name for block in page.blocks("js") for name in re.findall(r"mephisto\.(\w+)\(", block)}
    assert called
    assert all(re.search(rf"\b{name}\b", scripts_of_pages()) for name in called)


@functools.cache
def targets_of_make() -> str:
    """Return what `make help` lists."""
    return subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def is_known(command: str) -> bool:
    """Return whether there is what a command names."""
    match command.split():
        case ["make"]:
            return True
        case ["make", "venv", *_]:
            return "\nvenv: " in (ROOT / "Makefile").read_text(encoding="utf-8")
        case ["make", target, *_]:
            return re.search(rf"^ *(make )?{target}\b", targets_of_make(), re.MULTILINE) is not None
        case ["pip", "install", "-e", extra]:
            return set(re.findall(r"\w+", extra)) <= set(extras())
        case ["conda", "env", "create", "-f", file]:
            return (ROOT / file).is_file()
        case ["conda", "activate", name]:
            return f"name: {name}\n" in (ROOT / "environment.yml").read_text(encoding="utf-8")
        case ["jupyter", "lab", file]:
            return (ROOT / file).is_file()
        case ["python", "-m", module, *_]:
            return importlib.util.find_spec(module) is not None
    return False


def extras() -> dict[str, list[str]]:
    """Return the extras of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return dict(project["optional-dependencies"])


@pytest.mark.slow
@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=identity)
def test_a_command_exists(page: Page, command: str) -> None:
    assert is_known(command), f"{page.name} tells people to type {command!r}"


def test_every_extra_is_explained() -> None:
    table = (DOCS / "installing.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(extras())


@pytest.mark.parametrize("page", pages(), ids=identity)
def test_links_lead_somewhere(page: Page) -> None:
    lost = [link for link in page.links() if not leads_somewhere(page, link)]
    assert not lost


def leads_somewhere(page: Page, link: str) -> bool:
    """Return whether there is the file, and in it the heading, that a link of a page names."""
    if link.startswith("https://"):
        return True
    file, _, anchor = link.partition("#")
    target = (page.path.parent / file).resolve() if file else page.path
    if not target.is_relative_to(DOCS) and page.path.is_relative_to(DOCS):
        return False  # the site does not hold it
    if not target.exists():
        return is_made(target)
    return not anchor or anchor in Page(target).anchors()


def is_made(target: Path) -> bool:
    """Return whether a build puts this file there: the reference, or a copy of a notebook."""
    from docs.generate.write import REFERENCE

    if target.parent == DOCS / "notebooks":
        return (ROOT / "notebooks" / target.name).is_file()
    return target.parent == DOCS / "reference" and target.name in REFERENCE


@pytest.mark.parametrize("picture", sorted((DOCS / "images").glob("*")), ids=lambda path: path.name)
def test_a_picture_is_small_and_shown(picture: Path) -> None:
    # A recording has many pictures in it.
    assert picture.stat().st_size < (400_000 if picture.suffix == ".gif" else 150_000)
    assert any(picture in page.pictures() for page in pages())


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = {
        name
        for page in pages()
        for block in page.blocks("{toctree}")
        for name in block.split()
        if "/" in name or name.isalpha()
    }
    names = {
        page.path.relative_to(DOCS).with_suffix("").as_posix() for page in pages() if page.path.is_relative_to(DOCS)
    }
    assert names - listed == {"index"}


def test_every_notebook_has_a_page_and_a_word_about_it() -> None:
    [page] = [page for page in pages() if page.name == "docs/notebooks.md"]
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"(notebooks/{notebook.name})" in page.text
        assert f"notebooks/{notebook.stem}\n" in page.text


def test_a_page_that_a_notebook_names_exists() -> None:
    titles = {title for page in pages() for title in re.findall(r"^# (.*)", page.text, re.MULTILINE)}
    notebooks = [path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob("*.ipynb")]
    named = {title for text in notebooks for title in re.findall(r"\*([^*]+)\* in the documentation", text)}
    assert named
    assert named <= titles


NAMED = re.compile(
    r"`(?:await )?((?:run|operator|mnb|Operator|TaskRun|Blueprint|CrowdProvider|Architect)(?:\.(?!py\b)[a-z_]\w*)+)"
)


@pytest.mark.parametrize("page", pages(), ids=identity)
def test_a_name_that_a_page_speaks_of_exists(page: Page) -> None:
    missing = {name for name in NAMED.findall(page.prose) if not exists(name)}
    assert not missing


def exists(name: str) -> bool:
    """Return whether the operator, a run or the package has what a page calls so."""
    from docs.generate.look_up import OBJECTS, attribute_docs, parts

    first, *path = name.split(".")
    spelt = {spelt: getattr(mnb, cls) for cls, spelt in OBJECTS.items()} | {"mnb": mnb}
    owner: Any = spelt.get(first) or getattr(mnb, first)
    for step in path:
        part = parts(owner).get(step) if inspect.isclass(owner) else None
        if part is None and not hasattr(owner, step):
            return inspect.isclass(owner) and step in attribute_docs(owner)
        owner = part or getattr(owner, step)
    return True


@pytest.mark.parametrize("page", WITH_PYTHON, ids=identity)
def test_code_of_a_page_is_no_wider_than_the_page(page: Page) -> None:
    assert not [line for block in page.blocks("python") for line in block.splitlines() if len(line) > 100]
