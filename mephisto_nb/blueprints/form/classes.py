"""Reads a form out of Python types: the fields of a dataclass or of a pydantic model."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.checks import as_text
from mephisto_nb.blueprints.form.model import Form
from mephisto_nb.blueprints.form.spec import read_spec
from mephisto_nb.errors import ConfigError

#: Up to so many choices are seen at once; more go into a list.
_MOST_IN_SIGHT = 6
_PLAIN: dict[Any, JSONObject] = {
    str: {"type": "text"},
    int: {"type": "number", "step": 1},
    float: {"type": "number"},
    bool: {"type": "checkbox"},
    date: {"type": "date"},
    bytes: {"type": "file"},
    Path: {"type": "file"},
}
_CONSTRAINTS = {"ge": "min", "le": "max", "multiple_of": "step", "min_length": "min_length", "max_length": "max_length"}


@dataclass(slots=True)
class _Question:
    name: str
    annotation: Any
    default: Any = None
    is_required: bool = True
    settings: JSONObject = dataclasses.field(default_factory=dict)


def is_form_class(source: Any) -> bool:
    """Tell whether this is a class that a form can be read from."""
    return isinstance(source, type) and (dataclasses.is_dataclass(source) or _is_pydantic(source))


def read_types(cls: type[Any]) -> Form:
    """Make a form of the fields of a class; what else a description may say of a field stands in its metadata.

    ``str``, ``int``, ``float``, ``bool``, ``date``, `Path` (a file), ``Literal`` and enums are one question each, lists
    of the last two several choices. A field with a default, or that may be None, need not be answered. Settings come
    from ``field(metadata={...})`` of a dataclass; from title, description, constraints and ``json_schema_extra`` of a
    pydantic model.

    Raises
    ------
    ConfigError
        Naming the field that cannot be asked for.
    """
    questions = _of_pydantic(cls) if _is_pydantic(cls) else _of_dataclass(cls)
    return read_spec({"fields": [_spec_of(one, f"{cls.__name__}.{one.name}") for one in questions]}, cls.__name__)


def _is_pydantic(cls: type[Any]) -> bool:
    # Told by what it has, so that pydantic need not be there.
    return isinstance(getattr(cls, "model_fields", None), Mapping) and hasattr(cls, "model_validate")


def _of_dataclass(cls: type[Any]) -> Iterator[_Question]:
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise ConfigError(f"{cls.__name__} has a field of an unknown type: {error}. Import it at the top.") from error
    for field in dataclasses.fields(cls):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        has_default = default is not dataclasses.MISSING
        settings = {str(key): value for key, value in field.metadata.items()}
        yield _Question(field.name, hints[field.name], default if has_default else None, not has_default, settings)


def _of_pydantic(cls: Any) -> Iterator[_Question]:
    for name, info in cls.model_fields.items():
        settings: JSONObject = {"label": info.title, "help": escape(info.description or "")}
        for constraint in info.metadata:
            for key, setting in _CONSTRAINTS.items():
                if getattr(constraint, key, None) is not None:
                    settings[setting] = getattr(constraint, key)
            if isinstance(getattr(constraint, "pattern", None), str):
                settings["pattern"] = constraint.pattern
        extra = info.json_schema_extra
        settings |= extra if isinstance(extra, dict) else {}
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        yield _Question(name, info.annotation, default, info.is_required(), settings)


def _spec_of(question: _Question, where: str) -> JSONObject:
    annotation, may_be_none = _without_none(question.annotation)
    spec = _kind_of(annotation, where)
    if question.is_required and not may_be_none and annotation is not bool:
        spec["required"] = True
    if question.default is not None and not isinstance(question.default, bytes | Path):
        several = isinstance(question.default, list | tuple | set | frozenset)
        spec["value"] = [_plain(one) for one in question.default] if several else _plain(question.default)
    spec |= {key: value for key, value in question.settings.items() if value not in (None, "")}
    return {"name": question.name, **spec}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return as_text(value.value)
    return value.isoformat() if isinstance(value, date) else value


def _without_none(annotation: Any) -> tuple[Any, bool]:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    rest = [one for one in get_args(annotation) if one is not type(None)]
    return (rest[0] if len(rest) == 1 else annotation), len(rest) < len(get_args(annotation))


def _kind_of(annotation: Any, where: str) -> JSONObject:
    if annotation in _PLAIN:
        return dict(_PLAIN[annotation])
    if getattr(annotation, "__name__", "") == "EmailStr":
        return {"type": "email"}
    choices = _choices_of(annotation)
    if choices:
        return {"type": "radio" if len(choices) <= _MOST_IN_SIGHT else "select", "options": choices}
    if get_origin(annotation) in (list, set, tuple, frozenset):
        several = _choices_of(get_args(annotation)[0])
        if several:
            return {"type": "checkbox", "options": several}
    raise ConfigError(
        f"{where} is a {getattr(annotation, '__name__', annotation)}, which no field of a form can ask for. There are: "
        "str, int, float, bool, date, Path for a file, Literal[...] or an Enum for one choice, and a list of these for "
        "several. Leave others out, or give the form as a description."
    )


def _choices_of(annotation: Any) -> list[JSONObject]:
    if get_origin(annotation) is Literal:
        return [{"value": as_text(one), "label": as_text(one)} for one in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [{"value": as_text(one.value), "label": one.name.replace("_", " ").capitalize()} for one in annotation]
    return []
