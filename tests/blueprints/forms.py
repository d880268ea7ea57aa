"""Forms for tests: one with every field type and validator, as FormComposer writes it; and their pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mephisto_nb.blueprints.form.form_composer import read_form_composer
from mephisto_nb.blueprints.form.model import Form
from mephisto_nb.blueprints.form.render import render_form
from mephisto_nb.blueprints.form.spec import read_spec
from tests.blueprints.fake_router import FakeRouter

AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


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


def open_form(page: Page, serve: Callable[..., FakeRouter], form: Form, row: Any = None) -> FakeRouter:
    """Open a form as Ann sees it."""
    router = serve(render_form(form), row)
    page.goto(router.url + "?worker_id=ann")
    expect(page.locator("#announcer")).to_have_text("Your task is ready.")
    return router


def serious(page: Page) -> list[str]:
    """Return what axe-core finds that is serious or worse."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": AA}}).response["violations"]
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in bad]


def refused(page: Page) -> list[str]:
    page.get_by_role("button", name="Submit").or_(page.get_by_role("button", name="Send")).click()
    return page.locator(".problem").all_inner_texts()


def sent_by(page: Page, router: FakeRouter) -> Any:
    """Send the form, and give the answer that arrived."""
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    return router.submissions[-1]["final_data"]


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
