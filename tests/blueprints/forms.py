"""Forms for tests: one with every field type and validator, as FormComposer writes it."""

from __future__ import annotations

from typing import Any

from mephisto_nb.blueprints.form.form_composer import read_form_composer
from mephisto_nb.blueprints.form.model import Form
from mephisto_nb.blueprints.form.spec import read_spec


def choices(*values: str) -> list[dict[str, Any]]:
    return [{"label": value.capitalize(), "value": value, "checked": False} for value in values]


def composed(*fields: dict[str, Any], **form: Any) -> dict[str, Any]:
    """What FormComposer calls a form, with these fields in one row."""
    section = {"title": "About you", "fieldsets": [{"title": "Person", "rows": [{"fields": list(fields)}]}]}
    return {"form": {"title": "Survey", "sections": [section], "submit_button": {"text": "Submit"}} | form}


def read_composed(*fields: dict[str, Any], **form: Any) -> Form:
    return read_form_composer(composed(*fields, **form), "task_data.json").forms[0]


def read_fields(**fields: Any) -> Form:
    return read_spec({"fields": fields})


EVERY_FIELD = [
    {"type": "input", "name": "first", "label": "First name", "tooltip": "As in your passport",
     "help": "In <b>full</b>", "validators": {"required": True, "minLength": 2, "maxLength": 5}},
    {"type": "input", "name": "code", "label": "Code", "validators": {"regexp": ["^[a-z]{3}$", "i"]}},
    {"type": "email", "name": "mail", "label": "Email", "validators": {"regexp": "@mephisto\\.ai$"}},
    {"type": "number", "name": "age", "label": "Age"},
    {"type": "password", "name": "secret", "label": "Secret", "validators": {"minLength": 4}},
    {"type": "textarea", "name": "bio", "label": "Biography", "validators": {"maxLength": 10}},
    {"type": "checkbox", "name": "skills", "label": "Skills", "options": choices("python", "sql", "go"),
     "validators": {"required": True, "minLength": 2, "maxLength": 2}},
    {"type": "radio", "name": "kids", "label": "Children", "options": choices("none", "some"),
     "validators": {"required": True}},
    {"type": "select", "name": "country", "label": "Country", "validators": {"required": True}, "multiple": False,
     "options": [{"label": "---", "value": ""}, *choices("japan", "iran")]},
    {"type": "select", "name": "languages", "label": "Languages", "multiple": True, "value": "",
     "options": choices("en", "fr", "es"), "validators": {"minLength": 2}},
    {"type": "file", "name": "photo", "label": "Photo", "show_preview": True,
     "validators": {"required": True, "fileExtension": ["png", "jpg"]}},
    {"type": "hidden", "name": "version", "label": "Version", "value": "2"},
]  # fmt: skip
