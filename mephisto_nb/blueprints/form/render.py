"""Draws a form as the template that a static_html task serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.checks import as_text, checks_of, wants_answer
from mephisto_nb.blueprints.form.model import Field, Form
from mephisto_nb.blueprints.form.reading import VERSION
from mephisto_nb.blueprints.static_html.template import FIELD, look_up

PAGE = Path(__file__).parent / "page"
#: The column under which the page of a row is handed its own form, where rows have different ones.
ROWS_FORM = "(form)"
#: How `page/form.html` asks the browser for each type that is an ``<input>``.
_INPUTS = {"text": "text", "email": "email", "password": "password", "number": "number", "date": "date", "file": "file"}


def render_form(form: Form) -> str:
    """Write the form as HTML, with its style and its script; ``${name}`` stays, to be filled in the browser."""
    return _render(form, script=_read("form.js"), style=_read("form.css"))


def render_forms() -> str:
    """Write the page of rows that have different forms: each row's data holds its own, as `fill_form` makes it."""
    script = f'<script type="module">{_read("form.js")}</script>'
    return f"<style>{_read('form.css')}</style>${{{ROWS_FORM} | safe}}{script}"


def render_version(form: Form, version: int) -> str:
    """Write one of several forms, without style and script; it says by a hidden input which of them it is."""
    return _render(form, version=version)


def fill_form(html: str, row: Mapping[str, Any]) -> str:
    """Put a row's values in place of ``${name}``, in the way of `page/template.js`."""
    return FIELD.sub(lambda found: _value_of(row, found[1], is_html=found[2] == "safe"), html)


def scripts_of(form: Form) -> list[str]:
    """Name the files of the researcher's own functions that a form calls."""
    named = {"custom_validators": bool(form.custom_checks), "custom_triggers": form.has_triggers}
    return [name for name, is_needed in named.items() if is_needed]


def _render(form: Form, *, version: int = 0, script: str = "", style: str = "") -> str:
    html: str = _template().render(
        form=form,
        version=version,
        version_name=VERSION,
        scripts=scripts_of(form),
        has_wanted=any(map(wants_answer, form.fields())),
        described_fields={one.name: _describe(one) for one in form.fields()},
        script=script,
        style=style,
    )
    return html


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.globals.update(checks=_checks, json=_json, inputs=_INPUTS, wanted=wants_answer, step=_step)
    return environment.get_template("form.html")


def _read(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _checks(field: Field) -> str:
    return _json([[check.kind, check.value, check.message, check.on_empty] for check in checks_of(field)])


def _json(value: Any) -> str:
    # A pattern may hold what would pass for a field of the row.
    return json.dumps(value).replace("$", "\\u0024")


def _step(field: Field) -> str:
    """Give the browser's own step, where it counts from 0 as ours does, and not from the least value or the preset."""
    starts = [field.min, field.value] if field.min is None else [field.min]
    counts_from_0 = all(one in (None, "") or _is_multiple(field.step, one) for one in starts)
    return "any" if field.step is None or not counts_from_0 else f"{field.step:.15g}"


def _is_multiple(step: float | None, value: Any) -> bool:
    try:
        return step is not None and abs(float(value) / step - round(float(value) / step)) < 1e-9
    except (ValueError, OverflowError):
        return False  # a value of the row


def _describe(field: Field) -> JSONObject:
    """Give a field as FormComposer's functions know it."""
    return {
        "name": field.name,
        "type": "input" if field.type == "text" else field.type,
        "label": field.label,
        "id": field.id,
        "multiple": field.multiple,
        "options": [{"value": one.value, "label": one.label, "checked": one.checked} for one in field.options],
        "validators": {"required": field.required, **field.custom_checks},
    }


def _value_of(row: Mapping[str, Any], path: str, *, is_html: bool) -> str:
    value = look_up(row, path)
    text = "" if value is None else json.dumps(value) if isinstance(value, list | dict) else as_text(value)
    return text if is_html else escape(text)
