"""Fields that offer something to be chosen: one of several, several of several, one box to tick, a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.form.model import Field, Option
from mephisto_nb.blueprints.form.types._base import (
    Check,
    FieldType,
    Node,
    Rule,
    as_described,
    as_sent,
    as_text,
    read_preset,
    unwrapped,
)

#: Of a Python type, up to so many choices are seen at once; more go into a list.
_MOST_IN_SIGHT = 6


@dataclass(frozen=True, slots=True)
class ChoiceField(Field):
    """What can be chosen; `min_length` and `max_length` count choices, where several can be made."""

    options: tuple[Option, ...] = ()
    multiple: bool = False
    min_length: int | None = None
    max_length: int | None = None


class ChoiceType(FieldType[ChoiceField]):
    """What radio buttons, boxes and lists have in common."""

    field_class = ChoiceField
    words = ""

    def takes_several(self, field: ChoiceField) -> bool:
        """Return whether the answer is a list."""
        return field.multiple

    def read(self, node: Node) -> JSONObject:
        """Return the options, and how many of them are to be chosen."""
        if not node.value.get("options"):
            node.refuse("is missing; a field of this type needs something to choose from.", "options")
        return {"options": self._options(node), "multiple": node.flag("multiple"), **node.counts()}

    def checks(self, field: ChoiceField) -> Iterator[Check]:
        """Yield that it was offered, and how many there may be."""
        values = [option.value for option in field.options]
        yield Check("one_of", values, "Please choose from what is offered.")
        least, most = field.min_length, field.max_length
        if least is not None:
            yield Check("min_choices", least, f"Please choose at least {least} of these.", field.check_empty)
        if most is not None:
            yield Check("max_choices", most, f"Please choose at most {most} of these.")

    def missing(self, field: ChoiceField) -> str:
        """Return what is said where nothing was chosen."""
        return "Please choose at least one of these." if self.takes_several(field) else self.words

    def has_shape(self, field: ChoiceField, value: Any) -> bool:
        """Return whether this is a list of texts, or one value."""
        if self.takes_several(field):
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        return super().has_shape(field, value)

    def options(self, field: ChoiceField) -> tuple[Option, ...]:
        """Return what is offered."""
        return field.options

    def read_answer(self, field: ChoiceField, value: JSON) -> JSON:
        """Return choices as pages send them."""
        return as_sent(field.options, value)

    def typed_answer(self, field: ChoiceField, value: JSON) -> JSON:
        """Return choices with the types of the options."""
        return as_described(field.options, value)

    def example(self, field: ChoiceField) -> JSON:
        """Return what is chosen from the start, or the first options."""
        chosen = [option.value for option in field.options if option.checked]
        chosen = chosen or [option.value for option in field.options[: field.min_length or 1]]
        return list(chosen) if self.takes_several(field) else chosen[0]

    def from_composer(self, spec: JSONObject) -> None:
        """Read a preset that names each option, and options that have a name of their own."""
        value, options = spec.get("value"), spec.get("options")
        if isinstance(value, Mapping):
            spec["value"] = [name for name, is_on in value.items() if is_on]
        if isinstance(options, list):
            spec["options"] = [
                {key: one[key] for key in one if key != "name"} if isinstance(one, Mapping) else one for one in options
            ]
            spec.pop("placeholder", None)

    def describe(self, field: ChoiceField) -> JSONObject:
        """Return whether several can be chosen."""
        return {"multiple": field.multiple, "takes": "list" if field.multiple else "one"}

    def _options(self, node: Node, is_one: bool = True) -> tuple[Option, ...]:
        preset = node.value.get("value")
        given = preset if isinstance(preset, list | tuple) else [preset]
        chosen = {as_text(one) for one in given if one not in (None, "")}
        options = node.options(chosen=chosen)
        values = [option.value for option in options]
        for value in chosen - set(values):
            node.refuse(f"is {value!r}, which is none of the options: {', '.join(values)}.", "value")
        if is_one and sum(option.checked for option in options) > 1:
            node.refuse("are checked more than once, but one alone can be chosen.", "options")
        _check_counts(node, 0 if is_one else len(options))
        return options


class RadioType(ChoiceType):
    """One of several, which are all seen."""

    keys = ("options",)
    kind = "radio"
    words = "Please choose one of these."
    python = ("Literal[...] or an Enum for one choice",)

    def from_python(self, annotation: Any) -> JSONObject | None:
        """Read a few choices."""
        choices = choices_of(annotation)
        return {"type": self.name, "options": choices} if 0 < len(choices) <= _MOST_IN_SIGHT else None


class SelectType(ChoiceType):
    """One of several, or several of several, in a list."""

    keys = ("options", "multiple", "min_length", "max_length")
    kind = "select"
    words = "Please choose from the list."

    def read(self, node: Node) -> JSONObject:
        """Return the options of a list."""
        if not node.flag("multiple") or not node.value.get("options"):
            return super().read(node)
        return {"options": self._options(node, is_one=False), "multiple": True, **node.counts()}

    def from_python(self, annotation: Any) -> JSONObject | None:
        """Read many choices."""
        choices = choices_of(annotation)
        return {"type": self.name, "options": choices} if len(choices) > _MOST_IN_SIGHT else None

    def from_composer(self, spec: JSONObject) -> None:
        """Read a preset, and the option that stands for no choice, which is our placeholder."""
        if isinstance(spec.get("value"), Mapping):
            spec["value"] = [name for name, is_on in spec["value"].items() if is_on]
        if spec.get("multiple") is False:
            del spec["multiple"]
        options = spec.get("options")
        if isinstance(options, list):
            empty = [one for one in options if isinstance(one, Mapping) and one.get("value") == ""]
            spec["options"] = [one for one in options if one not in empty]
            spec["placeholder"] = spec.get("placeholder") or next((one.get("label", "") for one in empty), "")


class CheckboxType(ChoiceType):
    """With options: several of several, which are all seen. Without: one box, whose answer is a truth value."""

    keys = ("options", "min_length", "max_length")
    words = "Please tick this, if you want to go on."
    python = ("bool", "list[Literal[...]] or a list of an Enum for several")

    def takes_several(self, field: ChoiceField) -> bool:
        """Return whether it is more than one box."""
        return bool(field.options)

    def read(self, node: Node) -> JSONObject:
        """Return the options, or what stands in the one box."""
        if not node.value.get("options"):
            _check_counts(node, 0)
            return {"value": read_preset(node)}
        return {"options": self._options(node, is_one=False), **node.counts()}

    def checks(self, field: ChoiceField) -> Iterator[Check]:
        """Yield the demands on a group; one box has none."""
        return super().checks(field) if field.options else iter(())

    def has_shape(self, field: ChoiceField, value: Any) -> bool:
        """Return whether this is a list of texts, or a truth value."""
        return super().has_shape(field, value) if field.options else isinstance(value, bool)

    def read_answer(self, field: ChoiceField, value: JSON) -> JSON:
        """Return a list for a group of one box, too, whose page sends a truth value."""
        if field.options and isinstance(value, bool):
            return [option.value for option in field.options if value]
        return super().read_answer(field, value)

    def example(self, field: ChoiceField) -> JSON:
        """Return the first options, or a tick."""
        return super().example(field) if field.options else True

    def from_python(self, annotation: Any) -> JSONObject | None:
        """Read ``bool``, and a list of choices."""
        if annotation is bool:
            return {"type": self.name}
        if get_origin(annotation) not in (list, set, tuple, frozenset) or not get_args(annotation):
            return None
        choices = choices_of(unwrapped(get_args(annotation)[0])[0])
        return {"type": self.name, "options": choices} if choices else None

    def kind_of(self, field: ChoiceField) -> str:
        """Return the kind of a group, or of one box."""
        return "boxes" if field.options else "box"

    def describe(self, field: ChoiceField) -> JSONObject:
        """Return that it holds a mark for each option."""
        return {"multiple": False, "takes": "marks"}


def _check_counts(node: Node, options: int) -> None:
    """Refuse numbers of choices that so many options, or 0 where one alone can be chosen, do not allow."""
    counts = node.counts()
    for key in ("min_length", "max_length"):
        if not options and counts[key]:
            node.refuse("counts choices, but one alone can be made here. Leave it out.", key)
    if options and (counts["min_length"] or 0) > options:
        node.refuse(f"is {counts['min_length']}, but there are {options} options to choose from.", "min_length")


def choices_of(annotation: Any) -> list[JSONObject]:
    """Return the options that a Literal or an Enum is; of another type, none."""
    if get_origin(annotation) is Literal:
        values = [one.value if isinstance(one, Enum) else one for one in get_args(annotation)]
        return [{"value": _plain(one), "label": as_text(one)} for one in values]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [{"value": _plain(one.value), "label": one.name.replace("_", " ").capitalize()} for one in annotation]
    return []


def _plain(value: Any) -> Any:
    return value if type(value) in (int, float, bool) else as_text(value)


TYPES: tuple[FieldType[Any], ...] = (CheckboxType("checkbox"), RadioType("radio"), SelectType("select"))
RULES: dict[str, Rule] = {
    "one_of": lambda wanted, given: all(as_text(one) in wanted for one in given),
    "min_choices": lambda wanted, given: sum(one != "" for one in given) >= wanted,
    "max_choices": lambda wanted, given: len(given) <= wanted,
}
