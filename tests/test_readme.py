"""Everything that README.md tells people to type: Python is run, shell commands are looked up, pictures are there."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LANGUAGES = {"python", "sh", "yaml"}


@cache
def blocks(language: str) -> list[str]:
    """Give the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Give the shell commands, without what is said about them."""
    return [line.partition(" #")[0].strip() for block in blocks("sh") for line in block.splitlines()]


def test_it_begins_with_the_two_commands_of_the_house() -> None:
    assert commands()[:2] == ["make demo", "make test"]


def test_no_block_is_in_a_language_that_nothing_here_runs() -> None:
    assert set(re.findall(r"^```(\w+)$", README, re.MULTILINE)) == LANGUAGES


@pytest.mark.timeout(240)
async def test_the_python_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEPHISTO_DATA_DIR", str(tmp_path / "data"))
    [example] = blocks("yaml")
    config_file = tmp_path / re.findall(r'config="([^"]+)"', README)[0]
    config_file.parent.mkdir(parents=True)
    config_file.write_text(example, encoding="utf-8")
    names: dict[str, Any] = {}
    for block in blocks("python"):
        code = compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        running = eval(code, names)
        if inspect.isawaitable(running):
            await running
    assert sorted(names["results"]["answer.mood"]) == ["glad", "grim"]
    assert names["config"].mephisto.blueprint.question == "Is it about the weather?"
    await names["operator"].shutdown()


@pytest.mark.parametrize("command", [one for one in commands() if one.startswith("make")])
def test_make_knows_the_target(command: str) -> None:
    target = command.split()[1:2] or ["help"]
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^ *(make )?{target[0]}\b", listed, re.MULTILINE) or target == ["help"]


def test_what_is_installed_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.findall(r"pip install -e '\.\[(\w+)\]'", README)
    assert extras
    assert set(extras) <= set(project["optional-dependencies"])
    [environment] = re.findall(r"conda activate (\S+)", README)
    assert f"name: {environment}\n" in (ROOT / "environment.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", README))
def test_a_link_leads_somewhere(link: str) -> None:
    headings = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in re.findall(r"^##+ (.*)", README, re.M)}
    assert link.startswith("https://") or (link[1:] in headings if link[0] == "#" else (ROOT / link).is_file())


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").glob("*")), ids=lambda path: path.name)
def test_a_picture_is_small_and_shown(picture: Path) -> None:
    # A recording has many pictures in it.
    assert picture.stat().st_size < (400_000 if picture.suffix == ".gif" else 150_000)
    assert f"(docs/images/{picture.name})" in README
