"""Configurations of Mephisto's FormComposer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.blueprints.form.checks import find_problems
from mephisto_nb.blueprints.form.files import read_form_file
from mephisto_nb.errors import ConfigError, DataFileError
from tests.blueprints.forms import EVERY_FIELD, composed, read_composed

GOOD = {
    "first": "Ann",
    "code": "ABC",
    "mail": "ann@mephisto.ai",
    "skills": ["python", "go"],
    "kids": "none",
    "country": "iran",
    "languages": ["en", "es"],
    "photo": "files/1",
    "version": "2",
}


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
        (composed({"type": "input", "name": "a", "label": "A", "triggers": {"onClick": ["f"]}}),
         r"task_data\.json\.form\.sections\[0\]\.fieldsets\[0\]\.rows\[0\]\.fields\[0\]\.triggers calls functions"),
        (composed({"type": "input", "name": "a", "label": "A", "validators": {"isPrime": [1]}}),
         r"fields\[0\]\.validators\.isPrime is a validator of custom_validators\.js"),
        (composed({"type": "input", "name": "a", "label": "A", "colour": "red"}), r"fields\[0\]\.colour is not known"),
        (composed({"type": "input", "name": "a", "label": "{{getPresignedUrl('x')}}"}), r"label holds .*a procedure"),
        ([composed({"name": "a"}), composed({"name": "b"})], "holds 2 forms that differ"),
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
