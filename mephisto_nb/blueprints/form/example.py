"""Makes an answer up, to show what an answer looks like."""

from __future__ import annotations

from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.checks import applies
from mephisto_nb.blueprints.form.model import Field, Form

_EXAMPLES: JSONObject = {
    "email": "ann@example.org",
    "date": "2026-01-31",
    "file": "files/0123abcd",
}


def example_answer(form: Form) -> JSONObject:
    """Give an answer of the right types; texts are not made to meet patterns and lengths."""
    answer: JSONObject = {}
    for field, conditions in form.placed_fields():
        if all(applies(condition, answer) for condition in conditions):
            answer[field.name] = _example(field)
    return answer


def _example(field: Field) -> Any:
    if field.options:
        chosen = [option.value for option in field.options if option.checked]
        chosen = chosen or [option.value for option in field.options[: field.min_length or 1]]
        return chosen if field.takes_several else chosen[0]
    if field.type == "checkbox":
        return True
    if field.type == "number":
        return float(field.value) if field.value else field.min or 0
    return field.value or _EXAMPLES.get(field.type, "…")
