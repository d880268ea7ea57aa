"""Draws a form: as the template that a static_html task serves, and as something to look at in a notebook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mephisto_nb.blueprints.form.checks import checks_of
from mephisto_nb.blueprints.form.model import Condition, Field, Form
from mephisto_nb.blueprints.static_html.site import PAGE as WORKER_PAGE
from mephisto_nb.blueprints.static_html.template import FIELD

_PAGE = Path(__file__).parent / "page"
#: How `page/form.html` asks the browser for each type that is an ``<input>``.
_INPUTS = {"text": "text", "email": "email", "password": "password", "number": "number", "date": "date", "file": "file"}


def render_form(form: Form) -> str:
    """Write the form as HTML, with its style and its script; ``${name}`` stays, to be filled in the browser."""
    script = (_PAGE / "form.js").read_text(encoding="utf-8")
    return _environment().get_template("form.html").render(form=form, script=script, style=_style())


def render_preview(form: Form, row: Mapping[str, Any]) -> str:
    """Write the form as a notebook shows it: filled with a row, apart from the notebook, without scripts."""
    body = _environment().get_template("form.html").render(form=form, script="", style="")
    filled = FIELD.sub(lambda found: _value_of(row, found[1], is_html=found[2] == "safe"), body)
    style = "\n".join((WORKER_PAGE / name).read_text(encoding="utf-8") for name in ("worker.css", "task.css"))
    document = _environment().get_template("shown.html").render(body=filled, style=f"{style}\n{_style()}")
    return _environment().get_template("frame.html").render(document=document, title=form.title or "Form")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.globals.update(checks=_checks, shown_if=_shown_if, inputs=_INPUTS)
    return environment


def _style() -> str:
    return (_PAGE / "form.css").read_text(encoding="utf-8")


def _checks(field: Field) -> str:
    return _json([[check.kind, check.value, check.message] for check in checks_of(field)])


def _shown_if(condition: Condition) -> str:
    return _json(condition)


def _json(value: Any) -> str:
    # A pattern may hold what would pass for a field of the row.
    return json.dumps(value).replace("$", "\\u0024")


def _value_of(row: Mapping[str, Any], path: str, *, is_html: bool) -> str:
    value: Any = row.get(path)
    if path not in row:
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else row.get(part)
    text = "" if value is None else str(value)
    return text if is_html else escape(text)
