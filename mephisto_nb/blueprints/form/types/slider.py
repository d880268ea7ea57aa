"""Sliders: a number on a scale, which a person sets by moving it. One that nobody has touched is no answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.form.model import Field
from mephisto_nb.blueprints.form.types._base import Check, FieldType, Node, Rule, as_text
from mephisto_nb.blueprints.form.types.number import is_number


@dataclass(frozen=True, slots=True)
class SliderField(Field):
    """A number from `min` in steps of `step` up to `max`; `min_label` and `max_label` say what the ends mean."""

    min: float = 0
    max: float = 100
    step: float = 1
    min_label: str = ""
    max_label: str = ""

    @property
    def ends(self) -> tuple[tuple[str, str], ...]:
        """The two ends of the scale, each with its label."""
        return (as_text(self.min), self.min_label), (as_text(self.max), self.max_label)


class SliderType(FieldType[SliderField]):
    """A number on a scale, such as ``{"type": "slider", "max": 10, "max_label": "certain"}``."""

    field_class = SliderField
    keys = ("min", "max", "step", "min_label", "max_label")
    kind = "slider"

    def read(self, node: Node) -> JSONObject:
        """Return the scale, on which there is somewhere to move to."""
        preset = node.value.get("value")
        if preset not in (None, ""):
            node.refuse(f"is {preset!r}, but a slider has no value until somebody moves it. Leave it out.", "value")
        least, most = node.number("min") or 0, node.number("max")
        most, step = 100 if most is None else most, node.step() or 1
        if least >= most:
            node.refuse(f"is {least:g}, which must be less than max, which is {most:g}.", "min")
        if step > most - least:
            node.refuse(f"is {step:g}, more than there is from {least:g} to {most:g}. Give a smaller one.", "step")
        labels = {key: node.text(key) for key in ("min_label", "max_label")}
        return {"min": least, "max": most, "step": step, **labels}

    def checks(self, field: SliderField) -> Iterator[Check]:
        """Yield that it is on the scale."""
        (least, _), (most, _) = field.ends
        steps = "" if field.step == 1 else f" in steps of {as_text(field.step)}"
        message = f"Please choose a number from {least} to {most}{steps}."
        yield Check("on_scale", [field.min, field.max, field.step], message)

    def missing(self, field: SliderField) -> str:
        """Return what is said where the slider was not touched."""
        return "Please move the slider."

    def has_shape(self, field: SliderField, value: Any) -> bool:
        """Return whether this is a number."""
        return is_number(value)

    def example(self, field: SliderField) -> JSON:
        """Return the least number."""
        return field.min


def _is_on(scale: list[float], number: float) -> bool:
    least, most, step = scale
    steps = (number - least) / step
    return least <= number <= most and abs(steps - round(steps)) < 1e-6


TYPES: tuple[FieldType[Any], ...] = (SliderType("slider"),)
RULES: dict[str, Rule] = {"on_scale": lambda scale, given: all(_is_on(scale, one) for one in given)}
