"""What an answer to a form must be like, in one list of words for the browser and for Python; and one made up.

`page/form.js` makes the same checks; it is handed the values and messages that the types of fields name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.model import Condition, Field, Form
from mephisto_nb.blueprints.form.types import RULES, type_of
from mephisto_nb.blueprints.form.types._base import Check


def checks_of(field: Field) -> Iterator[Check]:
    """Yield the demands of a field, in the order in which they are made."""
    kind = type_of(field)
    if not kind.is_asked:
        return
    if field.required:
        yield Check("required", True, kind.missing(field))
    yield from kind.checks(field)


def wants_answer(field: Field) -> bool:
    """Return whether no answer would be refused, be it by another demand than `required`."""
    return any(not _meets(field, check, None) for check in checks_of(field))


def find_problems(form: Form, answer: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with an answer: field names, and what the worker would have been told.

    Fields that the answer's own values hide are not asked for; nor, in a form with triggers, those that were not sent,
    as a trigger may have hidden them.
    """
    seen: dict[str, set[str]] = {}
    problems: dict[str, str] = {}
    for field, conditions in form.placed_fields():
        is_hidden = form.has_triggers and field.name not in answer
        if is_hidden or not all(_applies(condition, seen) for condition in conditions):
            continue
        kind = type_of(field)
        value = kind.read_answer(field, answer.get(field.name))
        if not kind.is_empty(value) and not kind.has_shape(field, value):
            problems[field.name] = "This is no answer to this question."
        elif failed := next((check for check in checks_of(field) if not _meets(field, check, value)), None):
            problems[field.name] = failed.message
        seen[field.name] = kind.chosen(value)
    return problems


def example_answer(form: Form) -> JSONObject:
    """Make an answer of the right types up; texts are not made to meet patterns and lengths."""
    seen: dict[str, set[str]] = {}
    answer: JSONObject = {}
    for field, conditions in form.placed_fields():
        if all(_applies(condition, seen) for condition in conditions):
            kind = type_of(field)
            answer[field.name] = kind.example(field)
            seen[field.name] = kind.chosen(answer[field.name])
    return answer


def _applies(condition: Condition, seen: Mapping[str, set[str]]) -> bool:
    """Return whether the answers that a condition names were given."""
    return all(seen.get(name, set()) & set(values) for name, values in condition.items())


def _meets(field: Field, check: Check, value: Any) -> bool:
    if type_of(field).is_empty(value):
        if check.kind == "required" or not check.on_empty:
            return check.kind != "required"
        value = ""
    given = value if isinstance(value, list) else [value]
    return check.kind == "required" or RULES[check.kind](check.value, given)
