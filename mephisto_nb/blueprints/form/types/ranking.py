"""Rankings: options put in order. One that nobody has moved or confirmed is no answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.form.model import Field, Option
from mephisto_nb.blueprints.form.types._base import Check, FieldType, Node, Rule, as_described, as_sent


@dataclass(frozen=True, slots=True)
class RankingField(Field):
    """The `options`, in the order in which they are shown at first."""

    options: tuple[Option, ...] = ()


class RankingType(FieldType[RankingField]):
    """A list to be put in order, such as ``{"type": "ranking", "options": ["price", "taste", "looks"]}``.

    The answer is the list of all options; the first is the best. A condition names the option that is ranked first.
    """

    field_class = RankingField
    keys = ("options",)
    kind = "ranking"

    def read(self, node: Node) -> JSONObject:
        """Return the options, of which there are at least two."""
        if node.value.get("value"):
            node.refuse("is set, but a ranking begins in the order of its options. Leave it out.", "value")
        options = node.options()
        if len(options) < 2:
            node.refuse("has one item, which has no order. Give at least two.", "options")
        if any(option.checked for option in options):
            node.refuse("are checked, but a ranking is of all of them. Leave it out.", "options")
        return {"options": options}

    def checks(self, field: RankingField) -> Iterator[Check]:
        """Yield that each option stands in it, once."""
        offered = [option.value for option in field.options]
        yield Check("order_of", offered, "Please put all of these in order.")

    def missing(self, field: RankingField) -> str:
        """Return what is said where nothing was moved or confirmed."""
        return "Please put these in order, or confirm the order."

    def has_shape(self, field: RankingField, value: Any) -> bool:
        """Return whether this is a list of texts."""
        return isinstance(value, list) and all(isinstance(one, str) for one in value)

    def options(self, field: RankingField) -> tuple[Option, ...]:
        """Return what is to be put in order."""
        return field.options

    def chosen(self, value: Any) -> set[str]:
        """Return what is ranked first."""
        return super().chosen(value[:1] if isinstance(value, list) else None)

    def read_answer(self, field: RankingField, value: JSON) -> JSON:
        """Return options as pages send them."""
        return as_sent(field.options, value)

    def typed_answer(self, field: RankingField, value: JSON) -> JSON:
        """Return options with their types."""
        return as_described(field.options, value)

    def example(self, field: RankingField) -> JSON:
        """Return the order in which they are offered."""
        return [option.value for option in field.options]

    def describe(self, field: RankingField) -> JSONObject:
        """Return that it holds a list of options."""
        return {"multiple": True, "takes": "list"}


TYPES: tuple[FieldType[Any], ...] = (RankingType("ranking"),)
RULES: dict[str, Rule] = {"order_of": lambda offered, given: sorted(given) == sorted(offered)}
