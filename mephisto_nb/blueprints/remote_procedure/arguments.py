"""Holds what a page sent against what a function's signature asks for.

JSON knows few types, so this is short; a library would bring more than it saves, and words of its own.
"""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

_MOST = 80
_LISTS = (list, Sequence, tuple, set, frozenset)
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}
_NAMES |= {list: "a list", tuple: "a list", set: "a list", dict: "an object"}


class ArgumentsError(ValueError):
    """A page called a function with what its signature does not allow; the message is for whoever wrote the page."""


def fit(value: Any, wanted: Any, where: str) -> Any:
    """Give a JSON value as a function wants it.

    Lists become tuples or sets, objects dataclasses, and values members of an enumeration; a whole number will do for
    a float. What is no type of this kind is not checked.

    Raises
    ------
    ArgumentsError
        The value is of another type.
    """
    origin, inner = get_origin(wanted), get_args(wanted)
    if wanted is Any:
        return value
    if origin is Annotated:
        return fit(value, inner[0], where)
    if origin in (Union, types.UnionType):
        return _fit_one_of(value, inner, where)
    if origin is Literal:
        return _check(value, any(value == one and type(value) is type(one) for one in inner), _said(inner), where)
    kind = origin or wanted
    if kind in _LISTS:
        return _fit_list(value, kind, inner, where)
    if kind in (dict, Mapping):
        _check(value, isinstance(value, dict), "an object", where)
        return {key: fit(one, inner[1], f"{where}[{key!r}]") for key, one in value.items()} if inner else value
    if isinstance(kind, type):
        return _fit_class(value, kind, where)
    return value


def _fit_one_of(value: Any, kinds: tuple[Any, ...], where: str) -> Any:
    errors = []
    for kind in kinds:
        try:
            return fit(value, type(None) if kind is None else kind, where)
        except ArgumentsError as error:
            errors.append(str(error))
    raise ArgumentsError(errors[0] if len(errors) == 1 else f"{where}: {' or '.join(dict.fromkeys(errors))}")


def _fit_list(value: Any, kind: Any, inner: tuple[Any, ...], where: str) -> Any:
    _check(value, isinstance(value, list), "a list", where)
    if kind is tuple and inner and inner[-1] is not Ellipsis:
        _check(value, len(value) == len(inner), f"a list of {len(inner)}", where)
        return tuple(fit(one, each, f"{where}[{n}]") for n, (one, each) in enumerate(zip(value, inner, strict=True)))
    items = [fit(one, inner[0], f"{where}[{n}]") for n, one in enumerate(value)] if inner else value
    return items if kind in (list, Sequence) else kind(items)


def _fit_class(value: Any, kind: type[Any], where: str) -> Any:
    if kind is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(_check(value, is_number, _NAMES[float], where))
    if kind is int:
        return _check(value, isinstance(value, int) and not isinstance(value, bool), _NAMES[int], where)
    if kind in _NAMES:
        return _check(value, isinstance(value, kind), _NAMES[kind], where)
    if issubclass(kind, enum.Enum):
        values = tuple(member.value for member in kind)
        return kind(_check(value, value in values, _said(values), where))
    if dataclasses.is_dataclass(kind):
        return _fit_dataclass(value, kind, where)
    return value


def _fit_dataclass(value: Any, kind: type[Any], where: str) -> Any:
    _check(value, isinstance(value, dict), "an object", where)
    hints = hints_of(kind)
    fields = [field for field in dataclasses.fields(kind) if field.init]
    given = {field.name for field in fields}
    unknown = [name for name in value if name not in given]
    required = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    if missing := [name for name in required if name not in value]:
        raise ArgumentsError(f"{where} lacks {', '.join(map(repr, missing))}")
    if unknown:
        raise ArgumentsError(f"{where} has {_short(unknown[0])}, which nothing asks for")
    return kind(**{name: fit(one, hints.get(name, Any), f"{where}.{name}") for name, one in value.items()})


def hints_of(thing: Any) -> dict[str, Any]:
    """Give the annotations of a function or class; none where they cannot be read."""
    try:
        return get_type_hints(thing, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return {}


def _check(value: Any, is_right: bool, wanted: str, where: str) -> Any:
    if not is_right:
        found = _NAMES.get(type(value), "something else")
        raise ArgumentsError(f"{where} must be {wanted}, not {found} ({_short(value)})")
    return value


def _said(values: tuple[Any, ...]) -> str:
    return f"one of {', '.join(map(repr, values))}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
