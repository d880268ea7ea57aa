"""What an answer must be like, in one list of words for the browser and for Python.

`page/form.js` knows the same kinds of checks; it is handed the values and messages that are written here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.model import Condition, Field, Form
from mephisto_nb.blueprints.form.patterns import BLANKS, finds

#: What HTML takes for an address: https://html.spec.whatwg.org/#valid-e-mail-address
EMAIL = (
    r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$"
)
#: What a browser gives for a date, as long as the year has four digits; ISO knows more.
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"


@dataclass(frozen=True, slots=True)
class Check:
    """One demand on an answer, and what is said where it is not met; `on_empty`: even where there is no answer."""

    kind: str
    value: Any
    message: str
    on_empty: bool = False


def checks_of(field: Field) -> Iterator[Check]:
    """Give the demands of a field, in the order in which they are made."""
    if field.type == "hidden":
        return
    if field.required:
        kind = "several" if field.takes_several else field.type
        yield Check("required", True, _REQUIRED.get(kind, "Please answer this question."))
    if field.options:
        values = [option.value for option in field.options]
        yield Check("one_of", values, "Please choose from what is offered.")
    if field.type == "email":
        yield Check("pattern", [EMAIL, ""], "Please give an email address, such as ann@example.org.")
    if field.type == "date":
        yield Check("date", True, "Please give a date.")
    yield from _lengths(field)
    yield from _numbers(field)
    if field.pattern:
        message = field.message or "Please give the answer in the form that is asked for."
        yield Check("pattern", [field.pattern, field.pattern_flags], message, field.check_empty)
    if field.extensions:
        names = ", ".join(f".{one}" for one in field.extensions)
        yield Check("extensions", list(field.extensions), f"Please choose a file of this kind: {names}.")


_REQUIRED = {
    "several": "Please choose at least one of these.",
    "checkbox": "Please tick this, if you want to go on.",
    "radio": "Please choose one of these.",
    "select": "Please choose from the list.",
    "file": "Please choose a file.",
}


def _lengths(field: Field) -> Iterator[Check]:
    least, most = field.min_length, field.max_length
    kind, verb, what = ("choices", "choose", "of these") if field.takes_several else ("length", "write", "characters")
    if least is not None:
        yield Check(f"min_{kind}", least, f"Please {verb} at least {least} {what}.", field.check_empty)
    if most is not None:
        yield Check(f"max_{kind}", most, f"Please {verb} at most {most} {what}.")


def _numbers(field: Field) -> Iterator[Check]:
    if field.type != "number":
        return
    yield Check("number", True, "Please give a number.")
    if field.min is not None:
        yield Check("min", field.min, f"Please give {field.min:.15g} or more.")
    if field.max is not None:
        yield Check("max", field.max, f"Please give {field.max:.15g} or less.")
    if field.step is not None:
        words = "a whole number" if field.step == 1 else f"a multiple of {field.step:.15g}"
        yield Check("step", field.step, f"Please give {words}.")


def wants_answer(field: Field) -> bool:
    """Tell whether no answer would be refused, be it by another demand than `required`."""
    return any(not _meets(check, None) for check in checks_of(field))


def find_problems(form: Form, answer: Mapping[str, Any]) -> dict[str, str]:
    """Give what is wrong with an answer: field names, and what the worker would have been told.

    Fields that the answer's own values hide are not asked for; nor, in a form with triggers, those that were not sent,
    as a trigger may have hidden them.
    """
    seen: JSONObject = {}
    problems: dict[str, str] = {}
    for field, conditions in form.placed_fields():
        is_hidden = form.has_triggers and field.name not in answer
        if is_hidden or not all(applies(condition, seen) for condition in conditions):
            continue
        seen[field.name] = value = answer.get(field.name)
        if not _is_empty(value) and not _has_shape(field, value):
            problems[field.name] = "This is no answer to this question."
        elif failed := next((check for check in checks_of(field) if not _meets(check, value)), None):
            problems[field.name] = failed.message
    return problems


def applies(condition: Condition, answer: Mapping[str, Any]) -> bool:
    """Tell whether the answers that a condition names were given."""
    return all(_given(answer.get(name)) & set(values) for name, values in condition.items())


def as_text(value: Any) -> str:
    """Write a value as conditions and options name it, which is as JavaScript does."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _given(value: Any) -> set[str]:
    """Give what was given, as texts; blanks at both ends do not count, and no text is no answer."""
    given = value if isinstance(value, list) else [] if value is None else [value]
    return {_bare(one) for one in given} - {""}


def _is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip(BLANKS)
    return value is None or value is False or value == []  # 0 is an answer


def _has_shape(field: Field, value: Any) -> bool:
    """Tell whether this is what the page sends for such a field, as far as no check says it better."""
    if field.takes_several or (field.type == "file" and isinstance(value, list)):
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if field.type == "checkbox":
        return isinstance(value, bool)
    return not isinstance(value, list | dict)


def _meets(check: Check, value: Any) -> bool:
    if _is_empty(value):
        if check.kind == "required" or not check.on_empty:
            return check.kind != "required"
        value = [] if check.kind == "min_choices" else ""
    given = value if isinstance(value, list) else [value]
    return check.kind == "required" or _RULES[check.kind](check.value, given)


def _bare(value: Any) -> str:
    return as_text(value).strip(BLANKS)


def _is_number(value: Any) -> bool:
    # JSON can spell numbers that no float holds, and some that are none.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_date(text: Any) -> bool:
    try:
        return re.fullmatch(_DATE, str(text)) is not None and bool(date.fromisoformat(str(text)))
    except ValueError:
        return False


def _is_multiple(step: float, value: Any) -> bool:
    return _is_number(value) and abs(value / step - round(value / step)) < 1e-9


#: Each kind of check: whether the demand is met by the list of what was given, which is not empty.
_RULES: dict[str, Callable[[Any, list[Any]], bool]] = {
    "one_of": lambda wanted, given: all(as_text(one) in wanted for one in given),
    "pattern": lambda wanted, given: all(finds(wanted[0], wanted[1], _bare(one)) for one in given),
    "date": lambda _, given: all(map(_is_date, given)),
    "min_length": lambda wanted, given: all(len(_bare(one)) >= wanted for one in given),
    "max_length": lambda wanted, given: all(len(_bare(one)) <= wanted for one in given),
    "min_choices": lambda wanted, given: len(given) >= wanted,
    "max_choices": lambda wanted, given: len(given) <= wanted,
    "number": lambda _, given: all(map(_is_number, given)),
    "min": lambda wanted, given: all(_is_number(one) and one >= wanted for one in given),
    "max": lambda wanted, given: all(_is_number(one) and one <= wanted for one in given),
    "step": lambda wanted, given: all(_is_multiple(wanted, one) for one in given),
    # A stored file has a name of its own; only the browser has seen what the worker called it.
    "extensions": lambda _, __: True,
}
