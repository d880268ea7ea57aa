"""What every type of field is made of: how its description is read, what it demands of an answer, what it looks like.

A family of types is one module of this folder with a tuple `TYPES` and a dictionary `RULES`; the macro that draws its
fields, ``field``, stands beside it in ``FAMILY.html``, what the browser has to know of them in ``FAMILY.js``, and how
they look in ``FAMILY.css``.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NoReturn, TypeVar, Union, get_args, get_origin

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.form.html import clean_html
from mephisto_nb.blueprints.form.model import Field, Option
from mephisto_nb.blueprints.form.patterns import BLANKS
from mephisto_nb.blueprints.static_html.template import FIELD, read_template
from mephisto_nb.errors import ConfigError

T = TypeVar("T")
F = TypeVar("F", bound=Field)
#: Whether a demand with this value is met by the list of what was given, which is not empty.
Rule = Callable[[Any, list[Any]], bool]


@dataclass(frozen=True, slots=True)
class Check:
    """One demand on an answer, and what is said where it is not met; `on_empty`: even where there is no answer.

    `kind` names the rule that judges it, in the `RULES` of a family and in its JavaScript.
    """

    kind: str
    value: Any
    message: str
    on_empty: bool = False


class FieldType(Generic[F]):
    """One type of field, and all that the rest of the package has to know of it; what is here does for a plain one.

    Parameters
    ----------
    name
        What descriptions call it.

    Attributes
    ----------
    field_class
        What a description of such a field becomes: `Field`, or a class of the family's with its settings.
    keys
        The settings of `field_class` that this type can have, besides those of every field.
    kind
        What its entry in ``kinds`` of the JavaScript is called.
    composer_name
        What FormComposer calls it; '': as we do.
    python
        Which Python types become such a field, in words for an error message.
    is_asked
        Whether somebody is asked for it; no demand is made of others.
    """

    field_class: type[F]
    keys: tuple[str, ...] = ()
    kind = "text"
    composer_name = ""
    python: tuple[str, ...] = ()
    is_asked = True

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def family(self) -> str:
        """The stem of the module, and of the macro, script and style that lie beside it."""
        return type(self).__module__.rpartition(".")[2]

    def read(self, node: Node) -> JSONObject:
        """Return the settings that a description gives to the fields of `field_class`; called once a field.

        Raises
        ------
        ConfigError
            Naming the setting that cannot be used.
        """
        return {"value": read_preset(node)}

    def checks(self, field: F) -> Iterator[Check]:
        """Yield the demands on an answer, in the order in which they are made; `required` is made before them."""
        return iter(())

    def missing(self, field: F) -> str:
        """Return what is said where an answer is required and there is none."""
        return "Please answer this question."

    def is_empty(self, value: Any) -> bool:
        """Return whether this is no answer; 0 is one."""
        return not value.strip(BLANKS) if isinstance(value, str) else value is None or value is False or value == []

    def has_shape(self, field: F, value: Any) -> bool:
        """Return whether this is what the page sends for such a field, as far as no check says it better."""
        return not isinstance(value, list | dict)

    def options(self, field: F) -> tuple[Option, ...]:
        """Return what is offered to be chosen; conditions can name nothing else then."""
        return ()

    def chosen(self, value: Any) -> set[str]:
        """Return an answer as conditions name it; blanks at both ends do not count, and no text is no answer."""
        given = value if isinstance(value, list) else [] if value is None else [value]
        return {bare(one) for one in given} - {""}

    def read_answer(self, field: F, value: JSON) -> JSON:
        """Return the answer that is checked, of what the page sent."""
        return value

    def typed_answer(self, field: F, value: JSON) -> JSON:
        """Return the answer that stands in `results()`, of the one that was checked."""
        return value

    def example(self, field: F) -> JSON:
        """Return an answer of the right type; it need not meet patterns and lengths."""
        return field.value or "…"

    def from_python(self, annotation: Any) -> JSONObject | None:
        """Return how a Python type is described as such a field; None: it is none."""
        return None

    def from_composer(self, spec: JSONObject) -> None:
        """Turn what FormComposer says of such a field into our own description, in place."""

    def kind_of(self, field: F) -> str:
        """Return the name of the JavaScript kind."""
        return self.kind

    def describe(self, field: F) -> JSONObject:
        """Return what a researcher's own functions are told of it, as FormComposer would, besides what all have."""
        return {"multiple": False, "takes": "text"}


class Node:
    """One mapping of the description, and the path to it."""

    def __init__(self, value: Any, where: str) -> None:
        self.where = where
        if not isinstance(value, Mapping):
            self.refuse(f"is {short(value)}; it must be a mapping of settings.")
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
        """Return the value of a key, which must be of a kind."""
        value = self.value.get(key)
        if value is None:
            return default
        is_wrong_bool = isinstance(value, bool) and kind is not bool
        if is_wrong_bool or not isinstance(value, kind):
            self.refuse(f"is {short(value)}; it must be {words}.", key)
        return value

    def text(self, key: str) -> str:
        """Return a text, in which ``${name}`` stands for a value of the row."""
        text = self.get(key, str, "text", "")
        for field in FIELD.finditer(text):
            if field[2] not in (None, "safe"):
                self.refuse(f"holds {field[0]!r}; the only word that may follow '|' is 'safe'.", key)
        return text

    def html(self, key: str) -> str:
        """Return a piece of HTML, written anew from what may stand in a form."""
        html = self.text(key)
        read_template(html, f"{self.where}.{key}", key, [])
        return clean_html(html, f"{self.where}.{key}")

    def flag(self, key: str) -> bool:
        """Return a truth value."""
        return self.get(key, bool, "true or false", False)

    def number(self, key: str) -> float | None:
        """Return a number."""
        if self.value.get(key) is None:
            return None
        number = self.get(key, (int, float), "a number", 0)
        if not math.isfinite(number):
            self.refuse(f"is {number}; it must be a finite number.", key)
        return number

    def step(self) -> float | None:
        """Return the key ``step``, a number above 0."""
        step = self.number("step")
        if step is not None and step <= 0:
            self.refuse(f"is {step:g}; it must be more than 0.", "step")
        return step

    def count(self, key: str) -> int | None:
        """Return a whole number that is not negative."""
        if self.value.get(key) is None:
            return None
        number = self.get(key, int, "a whole number", 0)
        if number < 0:
            self.refuse(f"is {number}; it must be 0 or more.", key)
        return number

    def counts(self) -> JSONObject:
        """Return the keys ``min_length`` and ``max_length``."""
        least, most = self.count("min_length"), self.count("max_length")
        if least is not None and most is not None and least > most:
            self.refuse(f"is {least}, more than max_length, which is {most}.", "min_length")
        return {"min_length": least, "max_length": most}

    def items(self, key: str) -> list[tuple[Any, str]]:
        """Return the items of a list, each with the path to it."""
        value = self.value.get(key)
        if not isinstance(value, list | tuple) or not value:
            self.refuse(f"is {short(value)}; it must be a list with at least one item.", key)
        return [(item, f"{self.where}.{key}[{index}]") for index, item in enumerate(value or ())]

    def options(self, key: str = "options", chosen: Iterable[str] = ()) -> tuple[Option, ...]:
        """Return the options that are offered; those of the values `chosen` are so from the start."""
        options = [_option(item, where, set(chosen)) for item, where in self.items(key)]
        values = [option.value for option in options]
        for value in values:
            if values.count(value) > 1:
                self.refuse(f"holds {value!r} twice. Give each option its own value.", key)
        return tuple(options)


def own_keys(field_class: type[Field]) -> list[str]:
    """Return the settings of a class of fields, those of every field first."""
    return [one.name for one in dataclasses.fields(field_class)]


def read_preset(node: Node) -> str:
    """Return what stands in a field before anybody answers, as text."""
    value = node.value.get("value")
    if value is not None and not isinstance(value, str | int | float):
        node.refuse(f"is {short(value)}; it must be text, a number or a truth value.", "value")
    return "" if value is None or value is False else as_text(value)


def _option(item: Any, where: str, chosen: set[str]) -> Option:
    if not isinstance(item, Mapping):
        item = {"value": item, "label": as_text(item)}
    node = Node(item, where)
    node.know(["value", "label", "checked"])
    value = node.value.get("value")
    text = as_text(value) if isinstance(value, str | int | float) else ""
    if not text or FIELD.search(text):
        node.refuse(f"is {short(value)}; it must be text that is the same for every row, and not empty.", "value")
    answer = value if isinstance(value, int | float) else None
    return Option(text, node.text("label") or text, node.flag("checked") or text in chosen, answer)


def as_sent(options: Iterable[Option], value: JSON) -> JSON:
    """Return a choice, or several, as a page sends them; a rehearsal may send the numbers of the description."""
    known = {option.value for option in options if option.answer is not None}
    given = value if isinstance(value, list) else [value]
    sent = [as_text(one) if isinstance(one, int | float) and as_text(one) in known else one for one in given]
    return sent if isinstance(value, list) else sent[0]


def as_described(options: Iterable[Option], value: JSON) -> JSON:
    """Return a choice, or several, with the types that the description gives to options; what is none, as it is."""
    known = {option.value: option.answer for option in options if option.answer is not None}
    if isinstance(value, list):
        return [as_described(options, one) for one in value]
    return known.get(value, value) if isinstance(value, str) else value


def as_text(value: Any) -> str:
    """Write a value as conditions and options name it, which is as JavaScript does."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def bare(value: Any) -> str:
    """Write a value as text without the blanks at both ends."""
    return as_text(value).strip(BLANKS)


def short(value: Any) -> str:
    """Write a value for an error message, which must not be long."""
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def unwrapped(annotation: Any) -> tuple[Any, bool, tuple[Any, ...]]:
    """Return the Python type itself, whether None will do as well, and the constraints that stand between."""
    constraints: tuple[Any, ...] = ()
    may_be_none = False
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *found = get_args(annotation)
            # pydantic's Field() holds several; annotated_types and others stand for themselves
            constraints = (*constraints, *(each for one in found for each in getattr(one, "metadata", [one])))
            continue
        if get_origin(annotation) is Literal and None in get_args(annotation) and len(get_args(annotation)) > 1:
            annotation, may_be_none = Literal[tuple(one for one in get_args(annotation) if one is not None)], True
            continue
        rest = [one for one in get_args(annotation) if one is not type(None)]
        if get_origin(annotation) not in (Union, types.UnionType) or len(rest) != 1:
            return annotation, may_be_none, constraints
        annotation, may_be_none = rest[0], True
