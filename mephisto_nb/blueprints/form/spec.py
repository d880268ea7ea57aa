"""Reads the description of a form, and says exactly which part of one cannot be used.

A description is plain data: what JSON, YAML and configurations hold. The other readers, of Python types and of
FormComposer's files, translate into it, so that whatever a form may be is checked here alone.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.checks import as_text
from mephisto_nb.blueprints.form.html import clean_html, is_taken
from mephisto_nb.blueprints.form.model import TYPES, Condition, Field, Fieldset, Form, Option, Row, Section, Triggers
from mephisto_nb.blueprints.form.patterns import FLAGS, refuse_pattern
from mephisto_nb.blueprints.static_html.template import FIELD, RESERVED_NAMES, read_template
from mephisto_nb.errors import ConfigError

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
_CHOICES = ("checkbox", "radio", "select")
_TEXTS = ("text", "textarea", "email", "password")
#: Keys that only some types of fields can have.
_ONLY_FOR = {
    "options": _CHOICES,
    "multiple": ("select", "file"),
    "min_length": (*_TEXTS, "checkbox", "select"),
    "max_length": (*_TEXTS, "checkbox", "select"),
    "pattern": _TEXTS,
    "min": ("number",),
    "max": ("number",),
    "step": ("number",),
    "extensions": ("file",),
    "show_preview": ("file",),
}


def read_spec(spec: Any, where: str = "form") -> Form:
    """Read a description; error messages call it `where`.

    Raises
    ------
    ConfigError
        Naming the path to the part that cannot be used.
    """
    return _Reader().form(_Node(spec, where))


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
    return spec


class _Node:
    """One mapping of the description, and the path to it."""

    def __init__(self, value: Any, where: str) -> None:
        self.where = where
        if not isinstance(value, Mapping):
            self.refuse(f"is {_short(value)}; it must be a mapping of settings.")
        self.value: Mapping[str, Any] = value

    def refuse(self, text: str, key: str = "") -> NoReturn:
        """Raise `ConfigError` about this node, or about its `key`."""
        raise ConfigError(f"{self.where}{'.' if key else ''}{key} {text}")

    def know(self, names: Iterable[str]) -> None:
        """Refuse keys that are none of these."""
        known = list(names)
        for key in self.value:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}."
                self.refuse(f"is not known. {hint}", str(key))

    def get(self, key: str, kind: type[T] | tuple[type[T], ...], words: str, default: T) -> T:
        """Give the value of a key, which must be of a kind."""
        value = self.value.get(key)
        if value is None:
            return default
        is_wrong_bool = isinstance(value, bool) and kind is not bool
        if is_wrong_bool or not isinstance(value, kind):
            self.refuse(f"is {_short(value)}; it must be {words}.", key)
        return value

    def text(self, key: str) -> str:
        """Give a text, in which ``${name}`` stands for a value of the row."""
        text = self.get(key, str, "text", "")
        for field in FIELD.finditer(text):
            if field[2] not in (None, "safe"):
                self.refuse(f"holds {field[0]!r}; the only word that may follow '|' is 'safe'.", key)
        return text

    def html(self, key: str) -> str:
        """Give a piece of HTML, written anew from what may stand in a form."""
        html = self.text(key)
        read_template(html, f"{self.where}.{key}", key, [])
        return clean_html(html, f"{self.where}.{key}")

    def flag(self, key: str) -> bool:
        """Give a truth value."""
        return self.get(key, bool, "true or false", False)

    def number(self, key: str) -> float | None:
        """Give a number."""
        if self.value.get(key) is None:
            return None
        number = self.get(key, (int, float), "a number", 0)
        if not math.isfinite(number):
            self.refuse(f"is {number}; it must be a finite number.", key)
        return number

    def count(self, key: str) -> int | None:
        """Give a whole number that is not negative."""
        if self.value.get(key) is None:
            return None
        number = self.get(key, int, "a whole number", 0)
        if number < 0:
            self.refuse(f"is {number}; it must be 0 or more.", key)
        return number

    def items(self, key: str) -> list[tuple[Any, str]]:
        """Give the items of a list, each with the path to it."""
        value = self.value.get(key)
        if not isinstance(value, list | tuple) or not value:
            self.refuse(f"is {_short(value)}; it must be a list with at least one item.", key)
        return [(item, f"{self.where}.{key}[{index}]") for index, item in enumerate(value or ())]


class _Reader:
    """Reads one form from top to bottom, and remembers the fields it has met."""

    def __init__(self) -> None:
        self._fields: dict[str, tuple[Field, str]] = {}
        self._ids: dict[str, str] = {}

    def form(self, node: _Node) -> Form:
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
        if all(field.type == "hidden" for field, _ in self._fields.values()):
            node.refuse("has only hidden fields, so there is nothing to fill in. Add a field of another type.")
        return form

    def _held(self, node: _Node, level: str, read: Callable[[_Node], T], wrap: Callable[[_Node], T]) -> tuple[T, ...]:
        """Read the parts of one level, or the one part that stands for them where they are left out."""
        holders = [key for key in _HOLDERS[_HOLDERS.index(level) :] if node.value.get(key) is not None]
        if len(holders) != 1:
            possible = " or ".join(_HOLDERS[_HOLDERS.index(level) :])
            node.refuse(f"must hold {possible}, one of these; it holds {' and '.join(holders) or 'none'}.")
        if holders[0] != level:
            return (wrap(node),)
        return tuple(read(_Node(item, where)) for item, where in node.items(level))

    def _section(self, node: _Node) -> Section:
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

    def _fieldsets(self, node: _Node) -> tuple[Fieldset, ...]:
        return self._held(node, "fieldsets", self._fieldset, lambda one: Fieldset(rows=self._rows(one)))

    def _fieldset(self, node: _Node) -> Fieldset:
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

    def _rows(self, node: _Node) -> tuple[Row, ...]:
        if node.value.get("rows") is None:
            return tuple(Row(fields=(self._field(one),)) for one in self._named(node))
        return self._held(node, "rows", self._row, lambda one: Row())

    def _row(self, node: _Node) -> Row:
        node.know(["help", "id", "classes", "fields"])
        return Row(
            help=node.html("help"),
            id=self._id(node),
            classes=_classes(node),
            fields=tuple(self._field(one) for one in self._named(node)),
        )

    def _named(self, node: _Node) -> list[_Node]:
        """Give the fields of a list, or of a mapping of names, where a type alone will do."""
        fields = node.value.get("fields")
        if not isinstance(fields, Mapping) or not fields:
            return [_Node(item, where) for item, where in node.items("fields")]
        where = f"{node.where}.fields"
        read = {name: {"type": one} if isinstance(one, str) else one for name, one in fields.items()}
        return [
            _Node({"name": name, **_Node(one, f"{where}.{name}").value}, f"{where}.{name}")
            for name, one in read.items()
        ]

    def _field(self, node: _Node) -> Field:
        node.know(one.name for one in dataclasses.fields(Field))
        name, kind = self._name(node), node.text("type") or "text"
        if kind not in TYPES:
            node.refuse(f"is {kind!r}; there are: {', '.join(TYPES)}.", "type")
        for key, kinds in _ONLY_FOR.items():
            if node.value.get(key) and kind not in kinds:
                node.refuse(f"is set, but only fields of type {' or '.join(kinds)} can have it; this is {kind}.", key)
        field = Field(
            name=name,
            type=kind,
            label=node.text("label") or name.replace("_", " ").replace(".", " ").strip().capitalize(),
            help=node.html("help"),
            tooltip=node.text("tooltip"),
            placeholder=node.text("placeholder"),
            value="" if kind in _CHOICES and node.value.get("options") else _preset(node),
            options=_options(node, kind),
            multiple=node.flag("multiple"),
            required=node.flag("required"),
            min_length=node.count("min_length"),
            max_length=node.count("max_length"),
            min=node.number("min"),
            max=node.number("max"),
            step=_step(node),
            pattern=_pattern(node),
            pattern_flags=node.text("pattern_flags"),
            message=node.text("message"),
            check_empty=node.flag("check_empty"),
            extensions=_extensions(node),
            show_preview=node.flag("show_preview"),
            show_if=self._condition(node),
            custom_checks=_calls(node, "custom_checks"),
            triggers=_triggers(node, "triggers", _EVENTS),
            id=self._id(node),
            classes=_classes(node),
        )
        _check_bounds(node, field)
        self._fields[name] = field, node.where
        return field

    def _name(self, node: _Node) -> str:
        name = node.text("name")
        if not _NAME.fullmatch(name) or name in RESERVED_NAMES:
            why = "the upload of answers uses it itself" if name in RESERVED_NAMES else "it becomes a column"
            node.refuse(f"is {name!r}; {why}. Give letters, digits and underscores, such as 'mood'.", "name")
        if name in self._fields:
            node.refuse(f"is {name!r}, as is that of {self._fields[name][1]}. Give each field its own name.", "name")
        return name

    def _id(self, node: _Node, key: str = "id") -> str:
        value = node.text(key)
        if not value:
            return ""
        if not _ID.fullmatch(value) or is_taken(value):
            node.refuse(f"is {value!r}, which the page cannot use. Give letters, digits and underscores.", key)
        if value in self._ids:
            node.refuse(f"is {value!r}, as is that of {self._ids[value]}. Give each part its own id.", key)
        self._ids[value] = node.where
        return value

    def _condition(self, node: _Node) -> Condition:
        wanted = node.get("show_if", Mapping, "a mapping of field names and answers, as {'mood': ['grim']}", {})
        condition: dict[str, tuple[str, ...]] = {}
        for name, values in wanted.items():
            if name not in self._fields:
                before = ", ".join(self._fields) or "none"
                node.refuse(f"names {name!r}, which is no field that stands before. There are: {before}.", "show_if")
            condition[name] = tuple(as_text(one) for one in (values if isinstance(values, list | tuple) else [values]))
            offered = [option.value for option in self._fields[name][0].options]
            for value in condition[name]:
                if offered and value not in offered:
                    node.refuse(f"wants {value!r} of {name!r}, which offers: {', '.join(offered)}.", "show_if")
        return condition


def _preset(node: _Node) -> str:
    value = node.value.get("value")
    if value is not None and not isinstance(value, str | int | float):
        node.refuse(f"is {_short(value)}; it must be text, a number or a truth value.", "value")
    return "" if value is None or value is False else as_text(value)


def _options(node: _Node, kind: str) -> tuple[Option, ...]:
    if not node.value.get("options"):
        if kind in ("radio", "select"):
            node.refuse("is missing; a field of this type needs something to choose from.", "options")
        return ()
    preset = node.value.get("value")
    chosen = {
        as_text(one) for one in (preset if isinstance(preset, list | tuple) else [preset]) if one not in (None, "")
    }
    options = [_option(item, where, chosen) for item, where in node.items("options")]
    values = [option.value for option in options]
    for value in values:
        if values.count(value) > 1:
            node.refuse(f"holds {value!r} twice. Give each option its own value.", "options")
    for value in chosen - set(values):
        node.refuse(f"is {value!r}, which is none of the options: {', '.join(values)}.", "value")
    takes_one = kind == "radio" or (kind == "select" and not node.flag("multiple"))
    if takes_one and sum(option.checked for option in options) > 1:
        node.refuse("are checked more than once, but one alone can be chosen.", "options")
    return tuple(options)


def _option(item: Any, where: str, chosen: set[str]) -> Option:
    if not isinstance(item, Mapping):
        item = {"value": item, "label": as_text(item)}
    node = _Node(item, where)
    node.know(["value", "label", "checked"])
    value = node.value.get("value")
    text = as_text(value) if isinstance(value, str | int | float) else ""
    if not text or FIELD.search(text):
        node.refuse(f"is {_short(value)}; it must be text that is the same for every row, and not empty.", "value")
    return Option(text, node.text("label") or text, node.flag("checked") or text in chosen)


def _step(node: _Node) -> float | None:
    step = node.number("step")
    if step is not None and step <= 0:
        node.refuse(f"is {step:g}; it must be more than 0.", "step")
    return step


def _pattern(node: _Node) -> str:
    flags = node.text("pattern_flags")
    if not set(flags) <= set(FLAGS):
        node.refuse(f"is {flags!r}; there are: {', '.join(FLAGS)}.", "pattern_flags")
    pattern = node.get("pattern", str, "text", "")
    if reason := refuse_pattern(pattern, flags):
        node.refuse(f"is {pattern!r}, {reason}", "pattern")
    return pattern


def _classes(node: _Node) -> str:
    classes = node.text("classes")
    if not _CLASSES.fullmatch(classes):
        node.refuse(f"is {classes!r}; it must be names of classes with blanks between.", "classes")
    return classes


def _calls(node: _Node, key: str) -> dict[str, tuple[Any, ...]]:
    """Give functions by their names, with what each is given: a list, or one value."""
    named = node.get(key, Mapping, "a mapping of functions and what each is given, as {'isPrime': [2]}", {})
    for name in named:
        if not isinstance(name, str) or not _FUNCTION.fullmatch(name):
            node.refuse(f"names {name!r}, which is no name of a function.", key)
    return {name: tuple(given) if isinstance(given, list | tuple) else (given,) for name, given in named.items()}


def _triggers(node: _Node, key: str, events: Sequence[str]) -> Triggers:
    calls = node.get(key, Mapping, "a mapping of events and functions, as {'onClick': ['tell', 3]}", {})
    for event, call in calls.items():
        if event not in events:
            node.refuse(f"names the event {event!r}; there are: {', '.join(events)}.", key)
        name = call[0] if isinstance(call, list | tuple) and call else None
        if not isinstance(name, str) or not _FUNCTION.fullmatch(name):
            node.refuse(f"has {_short(call)} for {event}; it must be a list that begins with a function's name.", key)
    return {event: tuple(call) for event, call in calls.items()}


def _extensions(node: _Node) -> tuple[str, ...]:
    if not node.value.get("extensions"):
        return ()
    read = []
    for item, where in node.items("extensions"):
        if not isinstance(item, str) or not re.fullmatch(r"\.?[A-Za-z0-9.]+", item):
            raise ConfigError(f"{where} is {_short(item)}; it must be the end of a file's name, such as 'png'.")
        read.append(item.lower().lstrip("."))
    return tuple(read)


def _check_bounds(node: _Node, field: Field) -> None:
    if field.type in _CHOICES and not field.takes_several and (field.min_length or field.max_length):
        key = "min_length" if field.min_length else "max_length"
        node.refuse("counts choices, but one alone can be made here. Leave it out.", key)
    if field.min_length is not None and field.max_length is not None and field.min_length > field.max_length:
        node.refuse(f"is {field.min_length}, more than max_length, which is {field.max_length}.", "min_length")
    if field.takes_several and (field.min_length or 0) > len(field.options):
        node.refuse(f"is {field.min_length}, but there are {len(field.options)} options to choose from.", "min_length")
    if field.min is not None and field.max is not None and field.min > field.max:
        node.refuse(f"is {field.min:g}, more than max, which is {field.max:g}.", "min")


def _short(value: Any) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
