"""Configurations of Mephisto's FormComposer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.blueprints.form.checks import find_problems
from mephisto_nb.blueprints.form.sources import read_form_file
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.answers import StoredFile
from tests.blueprints.forms import EVERY_FIELD, choices, composed, read_composed

GOOD = {
    "first": "Ann",
    "code": "ABC",
    "mail": "ann@mephisto.ai",
    "secret": "abcd",
    "skills": ["python", "go"],
    "kids": "none",
    "country": "iran",
    "languages": ["en", "es"],
    "photo": StoredFile("files/1"),
    "version": "2",
}


@pytest.mark.slow
def test_every_type_and_validator_is_understood() -> None:
    form = read_composed(*EVERY_FIELD)
    assert find_problems(form, GOOD) == {}
    bad = {"first": "A", "code": "ab", "mail": "ann@example.org", "secret": "abc", "bio": "x" * 11, "skills": ["sql"],
           "country": "peru", "languages": ["en"]}  # fmt: skip
    assert list(find_problems(form, bad)) == [
        "first", "code", "mail", "secret", "bio", "skills", "kids", "country", "languages", "photo",
    ]  # fmt: skip


def test_a_file_is_read_with_its_insertions_and_tokens(tmp_path: Path) -> None:
    (tmp_path / "insertions").mkdir()
    (tmp_path / "insertions" / "how.html").write_text("<p>About {{ city }}</p>", encoding="utf-8")
    form = composed(EVERY_FIELD[0], instruction="insertions/how.html", title="<b>In</b> {{city}}")
    (tmp_path / "task_data.json").write_text(json.dumps([form, form]), encoding="utf-8")
    read = read_form_file(str(tmp_path / "task_data.json")).forms[0]
    assert (read.title, read.instruction, read.submit_label) == ("In ${city}", "<p>About ${city}</p>", "Submit")


@pytest.mark.parametrize(
    ("field", "bad", "good"),
    [
        ({"type": "input", "validators": {"regexp": "^[a-z]+$"}}, ["", "a1", "ab-c"], ["ABC", "  abc ", "1\nabc"]),
        ({"type": "input", "validators": {"regexp": ["^[a-z]+$", "g"]}}, ["ABC", "1\nabc"], ["abc"]),
        ({"type": "input", "validators": {"minLength": 2.9}}, ["", "a", " a "], ["ab"]),
        ({"type": "textarea", "validators": {"maxLength": 2}}, ["abc"], ["", " ab "]),
        ({"type": "checkbox", "options": choices("a", "b"), "validators": {"minLength": 1}}, [[]], [["a"]]),
        ({"type": "input", "validators": {"required": True}}, ["", " \u00a0\n"], ["0"]),
    ],
)
def test_validators_mean_what_they_mean_in_form_composer(field: Any, bad: list[Any], good: list[Any]) -> None:
    form = read_composed({"name": "a", "label": "A", **field})
    assert [value for value in bad if not find_problems(form, {"a": value})] == []
    assert [value for value in good if find_problems(form, {"a": value})] == []


def test_a_preset_of_each_kind_is_kept() -> None:
    options = [{"label": "A", "value": "a", "checked": True}, {"label": "B", "value": "b"}]
    form = read_composed(
        {"type": "checkbox", "name": "x", "label": "X", "options": options, "value": {"a": False, "b": True}},
        {"type": "select", "name": "y", "label": "Y", "options": [{"label": "B", "value": "b"}], "value": "b"},
    )
    x, y = (field for field, _ in form.placed_fields())
    assert [option.checked for option in (*x.options, *y.options)] == [True, True, True]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (composed({"type": "input", "name": "a", "label": "A", "triggers": {"onHover": ["f"]}}),
         r"task_data\.json\.form\.sections\[0\]\.fieldsets\[0\]\.rows\[0\]\.fields\[0\]\.triggers names the event"),
        (composed({"type": "input", "name": "a", "label": "A", "triggers": {"onBlur": 7}}), "begins with a fun"),
        ([{"annotator": {"video": "a.mp4"}}], "VideoAnnotator.*static_react_task.*data_json"),
        (composed({"type": "input", "name": "a", "label": "A", "validators": {"is-prime": [1]}}),
         r"fields\[0\]\.custom_checks names 'is-prime', which is no name of a function"),
        (composed({"type": "input", "name": "a", "label": "A", "colour": "red"}), r"fields\[0\]\.colour is not known"),
        (composed({"type": "input", "name": "a", "label": "{{getTime('x')}}"}), r"label holds .*a procedure"),
        (composed({"name": "a", "id": "x"}, {"name": "b", "id": "x"}), r"fields\[1\]\.id is 'x', as is that of"),
        (composed({"name": "a", "id": "task-body"}), r"id is 'task-body', which the page cannot use"),
        (composed({"name": "a", "help": "<input name=b>"}), r"help, line 1: <input> cannot .* Make it a field"),
        (composed({"name": "a"}, instruction="<script>x</script>"), r"instruction, line 1: <script> cannot stand"),
        (composed({"type": "select", "name": "a", "options": ["x"], "validators": {"minLength": 2}}), "counts choices"),
        (composed({"type": "radio", "name": "a", "options": ["x"], "validators": {"minLength": 2}}), "is set, but"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_its_path(tmp_path: Path, value: Any, told: str) -> None:
    (tmp_path / "task_data.json").write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        read_form_file(str(tmp_path / "task_data.json"))


def test_an_insertion_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(composed(EVERY_FIELD[0], instruction="x.html")), encoding="utf-8")
    with pytest.raises(DataFileError, match=r"a\.json\.form\.instruction is 'x\.html'"):
        read_form_file(str(tmp_path / "a.json"))


@pytest.mark.parametrize(("name", "text"), [("a.json", "{"), ("a.yaml", "a: [")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataFileError, match=f"{name} is no valid"):
        read_form_file(str(tmp_path / name))
