"""Likert matrices: statements, each of which is judged on the same scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.form.model import Field, Option
from mephisto_nb.blueprints.form.types._base import Check, FieldType, Node, Rule, as_described, as_sent, unwrapped
from mephisto_nb.blueprints.form.types.choice import choices_of


@dataclass(frozen=True, slots=True)
class LikertField(Field):
    """For each of the `statements` one of the `options` of the scale."""

    statements: tuple[Option, ...] = ()
    options: tuple[Option, ...] = ()


class LikertType(FieldType[LikertField]):
    """A matrix, such as ``{"type": "likert", "statements": ["clear", "fair"], "options": ["no", "partly", "yes"]}``.

    The answer is an object of statements and options, of which `results()` makes a column a statement. Required means
    that no statement is left out.
    """

    field_class = LikertField
    keys = ("statements", "options")
    kind = "likert"
    python = ("dict[Literal[...], Literal[...]] for statements on one scale",)

    def read(self, node: Node) -> JSONObject:
        """Return the statements and the scale, of which nothing is chosen from the start."""
        if node.value.get("value"):
            node.refuse("is set, but nothing is chosen in a matrix from the start. Leave it out.", "value")
        parts = {key: node.options(key) for key in self.keys}
        for key, options in parts.items():
            if any(option.checked for option in options):
                node.refuse("are checked, but nothing is chosen in a matrix from the start.", key)
        return {**parts}

    def checks(self, field: LikertField) -> Iterator[Check]:
        """Yield that it was offered, and that no statement is left out."""
        offered = [[option.value for option in part] for part in (field.statements, field.options)]
        yield Check("in_matrix", offered, "Please choose from what is offered.")
        if field.required:
            yield Check("every_row", offered[0], self.missing(field))

    def missing(self, field: LikertField) -> str:
        """Return what is said where a statement is left out."""
        return "Please choose one in each row."

    def is_empty(self, value: Any) -> bool:
        """Return whether no statement was judged."""
        return value == {} or super().is_empty(value)

    def has_shape(self, field: LikertField, value: Any) -> bool:
        """Return whether this is an object of texts."""
        return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())

    def options(self, field: LikertField) -> tuple[Option, ...]:
        """Return the scale."""
        return field.options

    def chosen(self, value: Any) -> set[str]:
        """Return what was chosen in any row."""
        return super().chosen(list(value.values()) if isinstance(value, dict) else None)

    def read_answer(self, field: LikertField, value: JSON) -> JSON:
        """Return options as pages send them."""
        if not isinstance(value, dict):
            return value
        return {name: as_sent(field.options, one) for name, one in value.items()}

    def typed_answer(self, field: LikertField, value: JSON) -> JSON:
        """Return options with their types, by statement."""
        if not isinstance(value, dict):
            return value
        return {name: as_described(field.options, one) for name, one in value.items()}

    def example(self, field: LikertField) -> JSON:
        """Return the first option for each statement."""
        return {one.value: field.options[0].value for one in field.statements}

    def from_python(self, annotation: Any) -> JSONObject | None:
        """Read a dictionary of choices."""
        if get_origin(annotation) not in (dict, Mapping) or len(get_args(annotation)) != 2:
            return None
        statements, options = (choices_of(unwrapped(one)[0]) for one in get_args(annotation))
        return {"type": self.name, "statements": statements, "options": options} if statements and options else None

    def describe(self, field: LikertField) -> JSONObject:
        """Return that it holds an object."""
        return {"multiple": False, "takes": "rows"}


def _is_in(matrix: list[list[str]], answer: dict[str, str]) -> bool:
    statements, options = matrix
    return set(answer) <= set(statements) and set(answer.values()) <= set(options)


TYPES: tuple[FieldType[Any], ...] = (LikertType("likert"),)
RULES: dict[str, Rule] = {
    "in_matrix": lambda matrix, given: all(_is_in(matrix, one) for one in given),
    "every_row": lambda statements, given: all(set(statements) <= set(one) for one in given),
}
