"""CONTRIBUTING.md is a map of the package: what it names is there, and what is there is named."""

from __future__ import annotations

import re
from pathlib import Path

import mephisto_nb
from tests.docs.pages import Page, pages

PACKAGE = Path(mephisto_nb.__file__).parent
[CONTRIBUTING] = [page for page in pages() if page.name == "CONTRIBUTING.md"]
#: The folders whose folders are named as well.
ROOMS = ("display", "kernel", "providers", "rules", "testing")
#: What is in the package and needs no line in a map.
UNNAMED = {"__init__.py", "py.typed", "__pycache__"}


def mapped(page: Page) -> list[str]:
    """Return the folders and modules of the map, as it spells them."""
    rows = page.text.partition("<!-- the map")[2].partition("<!-- the end of the map -->")[0]
    return [name for row in re.findall(r"^\| ([^|]+) \|", rows, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)]


def test_the_map_names_what_is_in_the_package() -> None:
    names = {name.rstrip("/").removesuffix(".py") for name in mapped(CONTRIBUTING) if "/" not in name.rstrip("/")}
    assert names == {path.stem for path in PACKAGE.iterdir() if path.name not in UNNAMED}


def test_the_map_names_the_kernels_modules_and_the_inner_rooms() -> None:
    inner = [path for room in ROOMS for path in (PACKAGE / room).iterdir() if (path / "__init__.py").is_file()]
    rooms = {f"{path.parent.name}/{path.name}/" for path in inner}
    modules = {f"kernel/{path.name}" for path in (PACKAGE / "kernel").glob("[!_]*.py")}
    assert (rooms | modules) - set(mapped(CONTRIBUTING)) == set()


def test_a_function_that_it_names_after_its_file_is_there() -> None:
    named = re.findall(r"`([\w/]+\.py):(\w+)`", CONTRIBUTING.text)
    assert named
    assert [f"{file}:{name}" for file, name in named if f"\ndef {name}(" not in (PACKAGE / file).read_text()] == []


def test_what_the_map_names_is_there() -> None:
    assert not [name for name in mapped(CONTRIBUTING) if not (PACKAGE / name).exists()]


def test_it_says_how_to_add_one_of_each_kind() -> None:
    kinds = re.findall(r"^### (.*)$", CONTRIBUTING.text, re.MULTILINE)
    assert {"A crowd provider", "A blueprint", "An architect", "A gate", "A setting", "A public name"} <= set(kinds)
    assert {"An action on the dashboard", "A type of form field", "A derived column of `results()`"} <= set(kinds)


def test_it_says_how_to_set_up_test_and_release() -> None:
    headings = re.findall(r"^## (.*)$", CONTRIBUTING.text, re.MULTILINE)
    assert {"Set-up", "The map of the house", "How to test", "How to release"} <= set(headings)
    assert {"make quick", "make check", "make test"} <= set(CONTRIBUTING.commands())
    assert {"make bench", "make faults", "make docs"} <= set(CONTRIBUTING.commands())


def test_each_file_that_it_names_is_there() -> None:
    named = re.findall(r"`((?:mephisto_nb|tests|docs|rules|display)/[\w./]+)`", CONTRIBUTING.text)
    written = [name for name in named if not re.search(r"NAME|my_|types/__init__", name)]
    root = PACKAGE.parent
    assert written
    assert not [name for name in written if not (root / name).exists() and not (PACKAGE / name).exists()]


def test_nothing_is_left_to_be_completed() -> None:
    assert "to be completed" not in CONTRIBUTING.text
