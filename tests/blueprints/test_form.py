"""What a form is read from, what is refused, and what an answer to one becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest

from mephisto_nb.blueprints.form.checks import example_answer, find_problems
from mephisto_nb.blueprints.form.render import fill_form, render_form
from mephisto_nb.blueprints.form.sources import read_types
from mephisto_nb.blueprints.form.spec import read_spec, to_spec
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.answers import StoredFile
from mephisto_nb.tasks import form_task
from tests.blueprints.forms import read_fields


class Colour(Enum):
    DARK_RED = "red"
    BLUE = "blue"


@dataclass
class Person:
    name: str
    colour: Colour
    born: date | None
    likes: list[Literal["tea", "coffee"]] = field(metadata={"label": "What do you like?", "min_length": 1})
    height: float = field(metadata={"min": 0.5, "max": 2.5})
    children: int = 0
    photo: Path | None = None
    is_member: bool = True


def by_name(form) -> dict[str, Any]:
    return {one.name: one for one, _ in form.placed_fields()}


def test_a_dataclass_becomes_the_questions_that_its_types_are() -> None:
    fields = by_name(read_types(Person))
    assert {name: one.type for name, one in fields.items()} == {
        "name": "text",
        "colour": "radio",
        "born": "date",
        "likes": "checkbox",
        "height": "number",
        "children": "number",
        "photo": "file",
        "is_member": "checkbox",
    }
    assert [name for name, one in fields.items() if one.required] == ["name", "colour", "likes", "height"]
    assert [(one.value, one.label) for one in fields["colour"].options] == [("red", "Dark red"), ("blue", "Blue")]
    assert (fields["likes"].label, fields["children"].value, fields["is_member"].value) == (
        "What do you like?",
        "0",
        "true",
    )


def test_a_type_that_nobody_can_fill_in_is_named() -> None:
    @dataclass
    class Wrong:
        when: dict[str, int]

    with pytest.raises(ConfigError, match=r"^Wrong\.when is a dict\[str, int\], which no field of a form can ask for"):
        read_types(Wrong)


def test_a_description_survives_being_written_and_read() -> None:
    form = read_types(Person)
    assert read_spec(to_spec(form)) == form


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"fields": {"a": {"typ": "text"}}}, r"form\.fields\.a\.typ is not known\. Did you mean 'type'"),
        ({"fields": [{"name": "a", "type": "wheel"}]}, r"form\.fields\[0\]\.type is 'wheel'; there are: text"),
        ({"fields": [{"name": "a"}, {"name": "a"}]}, r"fields\[1\]\.name is 'a', as is that of form\.fields\[0\]"),
        ({"fields": {"a b": "text"}}, r"form\.fields\.a b\.name is 'a b'; it becomes a column"),
        ({"fields": {"files": "text"}}, "the upload of answers uses it itself"),
        ({"fields": {"a": "radio"}}, r"form\.fields\.a\.options is missing"),
        ({"fields": {"a": {"type": "radio", "options": ["x", "x"]}}}, r"form\.fields\.a\.options holds 'x' twice"),
        ({"fields": {"a": {"type": "radio", "options": ["${x}"]}}}, r"a\.options\[0\]\.value is .* same for every row"),
        ({"fields": {"a": {"pattern": "("}}}, r"form\.fields\.a\.pattern is '\(', which is no regular expression"),
        ({"fields": {"a": {"pattern": r"\Aa"}}}, r"form\.fields\.a\.pattern is .* browsers do not know"),
        ({"fields": {"a": {"min_length": 3, "max_length": 2}}}, r"a\.min_length is 3, more than max_length"),
        ({"fields": {"a": {"min": 3}}}, r"a\.min is set, but only fields of type number"),
        ({"fields": {"a": {"required": "yes"}}}, r"a\.required is 'yes'; it must be true or false"),
        ({"fields": {"a": {"show_if": {"b": 1}}, "b": "text"}}, r"a\.show_if names 'b', which is no field that stands"),
        ({"fields": {"a": {"help": "<b onclick=x>"}}}, r"form\.fields\.a\.help, line 1: <b onclick"),
        ({"fields": {"a": {"label": "${b|c}"}}}, r"a\.label holds .* 'safe'"),
        ({"fields": {"a": {"type": "number", "max": float("inf")}}}, r"a\.max is inf; it must be a finite number"),
        ({"fields": {}}, r"form\.fields is \{\}; it must be a list with at least one item"),
        ({"fields": {"a": "hidden"}}, "has only hidden fields"),
        ({"fields": {"a": "text"}, "rows": []}, "must hold .* one of these; it holds rows and fields"),
        ({"sections": [{"fieldsets": [{"rows": [{"fields": [3]}]}]}]}, r"fieldsets\[0\]\.rows\[0\].* is 3"),
        ([], r"^form is \[\]; it must be a mapping"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_path_to_it(spec: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_spec(spec)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "bad", "told", "good"),
    [
        ({"required": True}, "", "Please answer this question.", "x"),
        ({"type": "email"}, "ann", "Please give an email address, such as ann@example.org.", "ann@example.org"),
        ({"type": "number"}, "three", "Please give a number.", 3),
        ({"type": "number", "min": 2}, 1, "Please give 2 or more.", 2),
        ({"type": "number", "min": 1}, 0, "Please give 1 or more.", 1),
        ({"type": "number", "max": 2}, 2.5, "Please give 2 or less.", 0),
        ({"type": "number", "required": True}, None, "Please answer this question.", 0),
        ({"type": "number", "step": 1}, 10**400, "Please give a number.", -3),
        ({}, {"a": 1}, "This is no answer to this question.", "a"),
        ({"type": "radio", "options": ["a"]}, ["a"], "This is no answer to this question.", "a"),
        ({"type": "checkbox"}, "on", "This is no answer to this question.", True),
        ({"type": "number", "step": 1}, 1.5, "Please give a whole number.", 4),
        ({"type": "date"}, "tomorrow", "Please give a date.", "2026-01-31"),
        ({"min_length": 2}, "é", "Please write at least 2 characters.", "éé"),
        ({"max_length": 2}, "abc", "Please write at most 2 characters.", "🙂🙂"),
        ({"pattern": "^a$", "message": "Only a."}, "b", "Only a.", "a"),
        ({"pattern": "^A$", "pattern_flags": "im"}, "b", "Please give the answer in the form that is asked for.", "a"),
        ({"type": "checkbox", "required": True}, False, "Please tick this, if you want to go on.", True),
        ({"type": "checkbox", "options": ["a", "b"], "min_length": 2}, ["a"], "Please choose at least 2 of these.",
         ["a", "b"]),
        ({"type": "select", "options": ["a"]}, "z", "Please choose from what is offered.", "a"),
        ({"type": "file", "required": True}, None, "Please choose a file.", StoredFile("files/1")),
    ],
)  # fmt: skip
def test_each_kind_of_bad_answer_has_its_words(field: Any, bad: Any, told: str, good: Any) -> None:
    form = read_fields(one=field)
    assert find_problems(form, {"one": bad}) == {"one": told}
    assert find_problems(form, {"one": good}) == {}


def test_what_is_not_seen_is_not_asked_for() -> None:
    why = {"required": True, "show_if": {"mood": ["grim"]}}
    when = {"required": True, "show_if": {"why": "rain"}}
    form = read_fields(mood={"type": "radio", "options": ["glad", "grim"]}, why=why, when=when)
    assert find_problems(form, {"mood": "glad", "why": "rain"}) == {}
    assert list(find_problems(form, {"mood": "grim"})) == ["why"]
    assert list(find_problems(form, {"mood": "grim", "why": "rain"})) == ["when"]


def test_texts_of_a_form_never_become_markup() -> None:
    form = read_fields(a={"label": "<b>A</b>", "value": '"><i>', "tooltip": "<u>", "pattern": "[${x}]"})
    html = render_form(form)
    assert all(tag not in html for tag in ("<b>", "<i>", "<u>", "${x}"))


def test_one_line_makes_a_task_of_a_frame() -> None:
    frame = pd.DataFrame({"text": ["What a day!", "Rain."]})
    config, shared_state = form_task(
        {"instruction": "<p>${text}</p>", "fields": {"mood": "text"}}, frame, task_name="moods", task_reward=0.1
    )
    assert config.mephisto.blueprint.form.instruction == "<p>${text}</p>"
    assert (config.mephisto.task.task_name, shared_state.static_task_data is frame) == ("moods", True)


def test_rows_without_what_the_texts_ask_for_are_refused_at_once() -> None:
    with pytest.raises(DataFileError, match=r"\$\{text\}"):
        form_task({"instruction": "${text}", "fields": {"mood": "text"}}, [{"txt": 1}], task_name="moods")


def test_a_notebook_shows_the_form_apart_and_the_row_that_it_becomes() -> None:
    task = form_task(Person, [{"text": "<script>1</script>"}], task_name="people")
    assert task.find_problems(example_answer(task.form)) == {}
    html = task._repr_html_()
    assert "<iframe sandbox=" in html
    assert "allow-same-origin" not in html
    assert "<script" not in html
    assert list(task.example())[:2] == ["input.text", "answer.name"]
    assert task.example()["answer.(problems)"].tolist() == [None]


def test_a_form_with_a_generator_is_shown_without_drawing_a_row() -> None:
    drawn: list[int] = []
    rows = ({"text": drawn.append(1) or "x"} for _ in range(3))
    task = form_task({"instruction": "${text}", "fields": {"x": "text"}}, rows, task_name="x")
    assert "[text]" in task._repr_html_()
    assert drawn == []


def test_an_answer_that_python_would_refuse_is_kept_and_says_why() -> None:
    task = form_task({"fields": {"a": {"required": True}, "b": "text"}}, task_name="x")
    row = task.example({"b": "kept", "extra": 1}).iloc[0]
    assert (row["answer.b"], row["answer.(more)"]) == ("kept", {"extra": 1})
    assert row["answer.(problems)"] == "a: Please answer this question."


def test_a_group_of_one_box_answers_with_a_list() -> None:
    task = form_task({"fields": {"a": {"type": "checkbox", "options": ["x"]}}}, task_name="x")
    assert task.example({"a": True})["answer.a"].tolist() == [["x"]]


def test_a_form_needs_exactly_one_source() -> None:
    with pytest.raises(ConfigError, match="needs form or form_source"):
        form_task({"fields": {"a": "text"}}, task_name="x", blueprint_args={"form_source": "form.json"})


def test_what_is_no_form_is_named() -> None:
    with pytest.raises(ConfigError, match="The form is a int"):
        form_task(3, task_name="x")


@pytest.mark.parametrize("path", ["items.1", "who.name", "a.b", "who.no.more"])
def test_forms_that_differ_by_row_are_filled_as_one_form_is(path: str) -> None:
    row = {"items": ["x", "y"], "who": {"name": "ann", "no": "text"}, "a.b": "dotted", "more": "of another column"}
    expected = {"items.1": "y", "who.name": "ann", "a.b": "dotted", "who.no.more": ""}[path]
    assert fill_form(f"<p>${{{path}}}</p>", row) == f"<p>{expected}</p>"


def test_more_choices_than_there_are_cannot_be_asked_for() -> None:
    field = {"type": "checkbox", "options": ["a", "b"], "min_length": 3}
    with pytest.raises(ConfigError, match="min_length is 3, but there are 2 options"):
        read_spec({"fields": {"x": field}})
