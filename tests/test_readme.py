"""README.md is what a stranger reads first: short, with two commands at its top. `tests/docs` tests what it says."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import ROOT, pages

[README] = [page for page in pages() if page.name == "README.md"]


def test_it_begins_with_the_two_commands_of_the_house() -> None:
    assert README.commands()[:2] == ["make demo", "make test"]


def test_it_is_short() -> None:
    assert README.text.count("\n") <= 150


def test_it_shows_a_notebook_and_a_worker() -> None:
    assert [picture.name for picture in README.pictures()] == ["notebook.png", "worker.png"]


def test_its_languages_are_python_and_the_shell() -> None:
    assert README.languages() == {"python", "sh"}


def test_it_says_how_to_install() -> None:
    tools = {command.split()[0] for command in README.commands()}
    assert {"make", "pip", "conda"} <= tools


def test_it_leads_to_each_notebook_and_to_each_kind_of_task() -> None:
    led_to = {(ROOT / link).resolve() for link in README.links()}
    assert {*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "docs" / "howto").glob("*.md")} <= led_to


def test_all_that_is_tested_of_pages_is_tested_of_it() -> None:
    assert pages()[0] is README
    assert Path("README.md").name == README.name
