"""Reads the description of a form, and says exactly which part of one cannot be used.

A description is plain data: what JSON, YAML and configurations hold. The other readers, of Python types and of
FormComposer's files, translate into it, so that whatever a form may be is checked here alone.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.html import is_taken
from mephisto_nb.blueprints.form.model import Condition, Field, Fieldset, Form, Option, Row, Section, Triggers
from mephisto_nb.blueprints.form.types import TYPES, type_of
from mephisto_nb.blueprints.form.types._base import FieldType, Node, as_text, own_keys, short
from mephisto_nb.blueprints.static_html.template import RESERVED_NAMES

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
#: What holds the fields: the whole tree, or, where less is needed, one of its lower levels at once.
_HOLDERS = ("sections", "fieldsets", "rows", "fields")
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*")
_CLASSES = re.compile(r"[A-Za-z0-9_: -]*")
_FUNCTION = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
#: The events that functions can be called upon: of sections and the button, and of fields.
_CLICK = ("onClick",)
_EVENTS = ("onChange", "onClick", "onBlur", "onFocus")


def read_spec(spec: Any, where: str = "form") -> Form:
    """Read a description; error messages call it `where`.

    Raises
    ------
    ConfigError
        Naming the path to the part that cannot be used.
    """
    return _Reader().form(Node(spec, where))


def to_spec(part: Any) -> JSONObject:
    """Describe a form, or a part of one, in plain data, which `read_spec` reads back."""
    spec: JSONObject = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if isinstance(value, tuple):
            value = [to_spec(one) if dataclasses.is_dataclass(one) else one for one in value]
        if isinstance(value, Mapping):
            value = {name: list(values) for name, values in value.items()}
        if value or (value == 0 and value is not False):  # 0 may be a bound
            spec[field.name] = value
    if isinstance(part, Option) and part.answer is not None:
        spec.pop("answer", None)  # it is not there if it is False
        spec["value"] = part.answer
    return spec


class _Reader:
    """Reads one form from top to bottom, and remembers the fields it has met."""

    def __init__(self) -> None:
        self._fields: dict[str, tuple[Field, str]] = {}
        self._ids: dict[str, str] = {}

    def form(self, node: Node) -> Form:
        own = (one.name for one in dataclasses.fields(Form) if one.name != "sections")
        node.know([*own, *_HOLDERS])
        form = Form(
            title=node.text("title"),
            instruction=node.html("instruction"),
            fold_instruction=node.flag("fold_instruction"),
            submit_label=node.text("submit_label"),
            submit_instruction=node.html("submit_instruction"),
            submit_tooltip=node.text("submit_tooltip"),
            submit_triggers=_triggers(node, "submit_triggers", _CLICK),
            submit_id=self._id(node, "submit_id"),
            id=self._id(node),
            classes=_classes(node),
            sections=self._held(node, "sections", self._section, lambda one: Section(fieldsets=self._fieldsets(one))),
        )
        if not any(type_of(field).is_asked for field, _ in self._fields.values()):
            node.refuse("has only hidden fields, so there is nothing to fill in. Add a field of another type.")
        return form

    def _held(self, node: Node, level: str, read: Callable[[Node], T], wrap: Callable[[Node], T]) -> tuple[T, ...]:
        """Read the parts of one level, or the one part that stands for them where they are left out."""
        holders = [key for key in _HOLDERS[_HOLDERS.index(level) :] if node.value.get(key) is not None]
        if len(holders) != 1:
            possible = " or ".join(_HOLDERS[_HOLDERS.index(level) :])
            node.refuse(f"must hold {possible}, one of these; it holds {' and '.join(holders) or 'none'}.")
        if holders[0] != level:
            return (wrap(node),)
        return tuple(read(Node(item, where)) for item, where in node.items(level))

    def _section(self, node: Node) -> Section:
        own = ["title", "instruction", "collapsable", "initially_collapsed", "show_if", "triggers", "id", "classes"]
        node.know([*own, *_HOLDERS[1:]])
        return Section(
            title=node.text("title"),
            instruction=node.html("instruction"),
            collapsable=node.flag("collapsable") or node.flag("initially_collapsed"),
            initially_collapsed=node.flag("initially_collapsed"),
            show_if=self._condition(node),
            triggers=_triggers(node, "triggers", _CLICK),
            id=self._id(node),
            classes=_classes(node),
            fieldsets=self._fieldsets(node),
        )

    def _fieldsets(self, node: Node) -> tuple[Fieldset, ...]:
        return self._held(node, "fieldsets", self._fieldset, lambda one: Fieldset(rows=self._rows(one)))

    def _fieldset(self, node: Node) -> Fieldset:
        node.know(["title", "instruction", "help", "show_if", "id", "classes", *_HOLDERS[2:]])
        return Fieldset(
            title=node.text("title"),
            instruction=node.html("instruction"),
            help=node.html("help"),
            show_if=self._condition(node),
            id=self._id(node),
            classes=_classes(node),
            rows=self._rows(node),
        )

    def _rows(self, node: Node) -> tuple[Row, ...]:
        if node.value.get("rows") is None:
            return tuple(Row(fields=(self._field(one),)) for one in self._named(node))
        return self._held(node, "rows", self._row, lambda one: Row())

    def _row(self, node: Node) -> Row:
        node.know(["help", "id", "classes", "fields"])
        return Row(
            help=node.html("help"),
            id=self._id(node),
            classes=_classes(node),
            fields=tuple(self._field(one) for one in self._named(node)),
        )

    def _named(self, node: Node) -> list[Node]:
        """Return the fields of a list, or of a mapping of names, where a type alone will do."""
        fields = node.value.get("fields")
        if not isinstance(fields, Mapping) or not fields:
            return [Node(item, where) for item, where in node.items("fields")]
        where = f"{node.where}.fields"
        read = {name: {"type": one} if isinstance(one, str) else one for name, one in fields.items()}
        return [
            Node({"name": name, **Node(one, f"{where}.{name}").value}, f"{where}.{name}") for name, one in read.items()
        ]

    def _field(self, node: Node) -> Field:
        common = own_keys(Field)
        node.know(dict.fromkeys([*common, *(key for one in TYPES.values() for key in one.keys)]))
        name, kind = self._name(node), node.text("type") or "text"
        if kind not in TYPES:
            node.refuse(f"is {kind!r}; there are: {', '.join(TYPES)}.", "type")
        _check_keys(node, TYPES[kind], common)
        field: Field = TYPES[kind].field_class(
            name=name,
            type=kind,
            label=node.text("label") or name.replace("_", " ").replace(".", " ").strip().capitalize(),
            help=node.html("help"),
            tooltip=node.text("tooltip"),
            placeholder=node.text("placeholder"),
            required=node.flag("required"),
            message=node.text("message"),
            check_empty=node.flag("check_empty"),
            show_if=self._condition(node),
            custom_checks=_calls(node, "custom_checks"),
            triggers=_triggers(node, "triggers", _EVENTS),
            id=self._id(node),
            classes=_classes(node),
            **TYPES[kind].read(node),
        )
        self._fields[name] = field, node.where
        return field

    def _name(self, node: Node) -> str:
        name = node.text("name")
        if not _NAME.fullmatch(name) or name in RESERVED_NAMES:
            why = "the upload of answers uses it itself" if name in RESERVED_NAMES else "it becomes a column"
            node.refuse(f"is {name!r}; {why}. Give letters, digits and underscores, such as 'mood'.", "name")
        if name in self._fields:
            node.refuse(f"is {name!r}, as is that of {self._fields[name][1]}. Give each field its own name.", "name")
        return name

    def _id(self, node: Node, key: str = "id") -> str:
        value = node.text(key)
        if not value:
            return ""
        if not _ID.fullmatch(value) or is_taken(value):
            node.refuse(f"is {value!r}, which the page cannot use. Give letters, digits and underscores.", key)
        if value in self._ids:
            node.refuse(f"is {value!r}, as is that of {self._ids[value]}. Give each part its own id.", key)
        self._ids[value] = node.where
        return value

    def _condition(self, node: Node) -> Condition:
        wanted = node.get("show_if", Mapping, "a mapping of field names and answers, as {'mood': ['grim']}", {})
        condition: dict[str, tuple[str, ...]] = {}
        for name, values in wanted.items():
            if name not in self._fields:
                before = ", ".join(self._fields) or "none"
                node.refuse(f"names {name!r}, which is no field that stands before. There are: {before}.", "show_if")
            condition[name] = tuple(as_text(one) for one in (values if isinstance(values, list | tuple) else [values]))
            before_it = self._fields[name][0]
            offered = [option.value for option in type_of(before_it).options(before_it)]
            for value in condition[name]:
                if offered and value not in offered:
                    node.refuse(f"wants {value!r} of {name!r}, which offers: {', '.join(offered)}.", "show_if")
        return condition


def _check_keys(node: Node, kind: FieldType[Any], common: Sequence[str]) -> None:
    """Refuse settings that only other types of fields can have."""
    for key in node.value:
        if node.value[key] and key not in common and key not in kind.keys:
            kinds = " or ".join(one.name for one in TYPES.values() if key in one.keys)
            node.refuse(f"is set, but only fields of type {kinds} can have it; this is {kind.name}.", key)


def _classes(node: Node) -> str:
    classes = node.text("classes")
    if not _CLASSES.fullmatch(classes):
        node.refuse(f"is {classes!r}; it must be names of classes with blanks between.", "classes")
    return classes


def _calls(node: Node, key: str) -> dict[str, tuple[Any, ...]]:
    """Return functions by their names, with what each is given: a list, or one value."""
    named = node.get(key, Mapping, "a mapping of functions and what each is given, as {'isPrime': [2]}", {})
    for name in named:
        if not isinstance(name, str) or not _FUNCTION.fullmatch(name):
            node.refuse(f"names {name!r}, which is no name of a function.", key)
    return {name: tuple(given) if isinstance(given, list | tuple) else (given,) for name, given in named.items()}


def _triggers(node: Node, key: str, events: Sequence[str]) -> Triggers:
    calls = node.get(key, Mapping, "a mapping of events and functions, as {'onClick': ['tell', 3]}", {})
    for event, call in calls.items():
        if event not in events:
            node.refuse(f"names the event {event!r}; there are: {', '.join(events)}.", key)
        name = call[0] if isinstance(call, list | tuple) and call else None
        if not isinstance(name, str) or not _FUNCTION.fullmatch(name):
            node.refuse(f"has {short(call)} for {event}; it must be a list that begins with a function's name.", key)
    return {event: tuple(call) for event, call in calls.items()}
