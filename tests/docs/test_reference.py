"""Every public name, setting, column and state is in the reference, with a word about it."""

from __future__ import annotations

import inspect
import re
from functools import cache

import pytest

from docs.generate import docstrings, names, settings, states, tables, write
from docs.generate.check import loaded_from_elsewhere
from docs.generate.look_up import OBJECTS, attribute_docs, called, find, members, parts, public_names
from tests.docs.pages import DOCS

#: The page of commands asks programs how they are called.
pytestmark = pytest.mark.slow


@cache
def reference() -> dict[str, str]:
    """Return the pages of the reference."""
    return write.reference()


def test_the_list_of_pages_is_complete() -> None:
    assert set(reference()) == write.REFERENCE
    listed = re.findall(r"^([a-z]+)$", reference()["index.md"], re.MULTILINE)
    assert {f"{name}.md" for name in listed} == write.REFERENCE - {"index.md"}


@pytest.mark.parametrize("name", public_names())
def test_a_public_name_is_documented_and_in_the_reference(name: str) -> None:
    value = public_names()[name]
    assert inspect.getdoc(value)
    assert re.search(rf"^:+{{py:(class|function)}} {name}\b", "\n".join(names.pages().values()), re.MULTILINE)


@pytest.mark.parametrize("name", OBJECTS)
def test_each_method_of_what_people_hold_is_documented(name: str) -> None:
    cls = public_names()[name]
    page = reference()[f"{OBJECTS[name]}.md"]
    owners = {"": cls} | {f"{part}.": of for part, of in parts(cls).items()}
    for prefix, owner in owners.items():
        for member in members(owner):
            assert member.doc(owner), f"{name}.{prefix}{member.name} has no docstring"
            assert re.search(rf"^:+{{py:\w+}} {re.escape(prefix + member.name)}\b", page, re.MULTILINE)


@pytest.mark.parametrize("name", OBJECTS)
def test_what_hangs_on_it_is_there_and_how_it_is_called(name: str) -> None:
    cls = public_names()[name]
    page = reference()[f"{OBJECTS[name]}.md"]
    expected = {"Operator": {"qualifications", "workers", "ledger"}, "TaskRun": {"metadata", "reconcile", "steering"}}
    assert set(parts(cls)) == {"review", "payments"} | expected[name]
    for part, of in parts(cls).items():
        call = called(of)
        assert re.search(rf"^:+{{py:{'method' if call else 'attribute'}}} {part}\b", page, re.MULTILINE)
        assert call is None or call.doc(of), f"calling {name}.{part} has no docstring"


@pytest.mark.parametrize("name", [name for name, value in public_names().items() if inspect.isclass(value)])
def test_each_method_of_a_public_class_has_a_docstring(name: str) -> None:
    cls = public_names()[name]
    said = attribute_docs(cls)
    assert not [member.name for member in members(cls) if not member.doc(cls) and member.name not in said]


@pytest.mark.parametrize("group", settings.groups(), ids=lambda group: group.title)
def test_a_setting_is_described_and_in_the_reference(group: settings.Group) -> None:
    found = list(group.settings())
    assert not [one.path for one in found if not one.text]
    for one in found:
        assert re.search(rf"^:+{{setting}} (\w+:)?{re.escape(one.path)} \|", reference()["settings.md"], re.MULTILINE)


def test_each_environment_variable_is_explained() -> None:
    page = (DOCS / "guides" / "settings.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(MEPHISTO_\w+)`", page, re.MULTILINE)) == settings.environment_variables()


def test_each_frame_has_its_columns_or_says_what_it_holds() -> None:
    frames = tables.frames()
    assert {"run.results", "run.units", "operator.task_runs"} <= {frame.call for frame in frames}
    assert {"run.payments", "run.metadata", "run.review.queue", "operator.payments"} <= {frame.call for frame in frames}
    for frame in frames:
        assert f"## `{frame.call}`" in reference()["frames.md"]
        assert frame.columns or frame.text
        for column in frame.columns:
            assert f"`{column}`" in reference()["frames.md"]


def test_each_error_is_in_the_tree_and_in_the_table() -> None:
    errors = [name for name, one in vars(inspect.getmodule(find("MephistoError"))).items() if inspect.isclass(one)]
    for name in errors:
        assert f"| `{name}` |" in reference()["errors.md"]
        assert reference()["errors.md"].count(name) >= 2


@pytest.mark.parametrize("enum", ["UnitStatus", "AgentStatus"])
def test_each_state_is_in_the_list_of_events(enum: str) -> None:
    assert not [one for one in find(enum) if f"`{one.value}`" not in reference()["events.md"]]


@pytest.mark.parametrize("plan", [states.UNITS, states.AGENTS], ids=lambda plan: plan.table)
def test_a_drawing_holds_each_way_once(plan: states.Plan) -> None:
    in_code = [(before.value, after.value) for before, afters in find(plan.table).items() for after in afters]
    drawn = [change for way in states.ways(plan) for change in way.covers]
    assert sorted(drawn) == sorted(in_code)
    assert states.drawing(plan).count("marker-end") == len(states.ways(plan))


@pytest.mark.parametrize("plan", [states.UNITS, states.AGENTS], ids=lambda plan: plan.table)
def test_a_drawing_has_a_place_for_each_state_and_no_other(plan: states.Plan) -> None:
    states_in_code = {state.value for state in find(plan.table)}
    grouped = {one for group in plan.groups if group.name in plan.places for one in group.members}
    assert set(plan.places) - {group.name for group in plan.groups} == states_in_code - grouped


@pytest.mark.parametrize("program", tables.PROGRAMS)
def test_a_program_says_how_it_is_called(program: str) -> None:
    assert f"usage: python -m {program}" in reference()["commands.md"]


def test_each_target_of_make_is_in_the_list() -> None:
    makefile = (DOCS.parent / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^([a-z]+):.* ## ", makefile, re.MULTILINE):
        assert f"make {target}" in reference()["commands.md"]


def test_a_docstring_becomes_markdown() -> None:
    """Say it.

    A ``{x}`` stays, {y} and <z> are no markup.

    Parameters
    ----------
    one, two
        Both.

    Examples
    --------
    >>> 1 + 1  # doctest: +SKIP
    2
    """
    shown = docstrings.to_markdown(inspect.getdoc(test_a_docstring_becomes_markdown) or "")
    assert "A ``{x}`` stays, \\{y} and \\<z> are no markup." in shown
    assert "`one`, `two`\n: Both." in shown
    assert "```pycon\n>>> 1 + 1\n2\n```" in shown


@pytest.mark.parametrize("loads", [
    '<script defer src="https://cdn.example/a.js"></script>', "<link rel='stylesheet' href='//cdn.example/a.css'>",
    "@import 'https://fonts.example/a.css'", "src: url(https://fonts.example/a.woff2)",
])  # fmt: skip
def test_what_is_loaded_from_elsewhere_is_found(loads: str) -> None:
    assert loaded_from_elsewhere(loads)


def test_links_and_local_files_may_be() -> None:
    assert not loaded_from_elsewhere('<a href="https://example.org">x</a><script src="_static/a.js"></script>')
