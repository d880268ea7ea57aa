"""Fields that are numbers or dates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.form.model import Field
from mephisto_nb.blueprints.form.types._base import Check, FieldType, Node, Rule, read_preset

#: What a browser gives for a date, as long as the year has four digits; ISO knows more.
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"


@dataclass(frozen=True, slots=True)
class NumberField(Field):
    """A number from `min` to `max`, a multiple of `step`."""

    min: float | None = None
    max: float | None = None
    step: float | None = None

    @property
    def browser_step(self) -> str:
        """The browser's own step, where it counts from 0 as ours does, and not from the least value or the preset."""
        starts = [self.min, self.value] if self.min is None else [self.min]
        counts_from_0 = all(one in (None, "") or _counts_from_0(self.step, one) for one in starts)
        return "any" if self.step is None or not counts_from_0 else f"{self.step:.15g}"


class NumberType(FieldType[NumberField]):
    """A number, which is typed."""

    field_class = NumberField
    keys = ("min", "max", "step")
    kind = "number"
    python = ("int", "float")

    def read(self, node: Node) -> JSONObject:
        """Return the bounds and the step, found good."""
        least, most = node.number("min"), node.number("max")
        if least is not None and most is not None and least > most:
            node.refuse(f"is {least:g}, more than max, which is {most:g}.", "min")
        return {"value": read_preset(node), "min": least, "max": most, "step": node.step()}

    def checks(self, field: NumberField) -> Iterator[Check]:
        """Yield that it is a number, between the bounds, and a multiple of the step."""
        yield Check("number", True, "Please give a number.")
        if field.min is not None:
            yield Check("min", field.min, f"Please give {field.min:.15g} or more.")
        if field.max is not None:
            yield Check("max", field.max, f"Please give {field.max:.15g} or less.")
        if field.step is not None:
            words = "a whole number" if field.step == 1 else f"a multiple of {field.step:.15g}"
            yield Check("step", field.step, f"Please give {words}.")

    def example(self, field: NumberField) -> JSON:
        """Return the preset, or the least number."""
        return float(field.value) if field.value else field.min or 0

    def from_python(self, annotation: Any) -> JSONObject | None:
        """Read ``int``, ``float`` and ``Decimal``."""
        if annotation is int:
            return {"type": self.name, "step": 1}
        return {"type": self.name} if annotation is float or annotation is Decimal else None


class DateType(FieldType[Field]):
    """A day."""

    field_class = Field
    python = ("date",)

    def checks(self, field: Field) -> Iterator[Check]:
        """Yield that it is a day."""
        yield Check("date", True, "Please give a date.")

    def example(self, field: Field) -> JSON:
        """Return a day."""
        return field.value or "2026-01-31"

    def from_python(self, annotation: Any) -> JSONObject | None:
        """Read ``date``."""
        return {"type": self.name} if annotation is date else None


def is_number(value: Any) -> bool:
    """Return whether this is a number: JSON can spell some that no float holds, and some that are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_date(text: Any) -> bool:
    try:
        return re.fullmatch(_DATE, str(text)) is not None and bool(date.fromisoformat(str(text)))
    except ValueError:
        return False


def _is_multiple(step: float, value: Any) -> bool:
    return is_number(value) and abs(value / step - round(value / step)) < 1e-9


def _counts_from_0(step: float | None, start: Any) -> bool:
    try:
        return step is not None and _is_multiple(step, float(start))
    except (ValueError, OverflowError):
        return False  # a value of the row


TYPES: tuple[FieldType[Any], ...] = (NumberType("number"), DateType("date"))
RULES: dict[str, Rule] = {
    "number": lambda _, given: all(map(is_number, given)),
    "min": lambda wanted, given: all(is_number(one) and one >= wanted for one in given),
    "max": lambda wanted, given: all(is_number(one) and one <= wanted for one in given),
    "step": lambda wanted, given: all(_is_multiple(wanted, one) for one in given),
    "date": lambda _, given: all(map(_is_date, given)),
}
