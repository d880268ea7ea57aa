"""Reads forms in all the ways in which they may be given: Python types, objects, files, and what FormComposer keeps.

Each way ends in the description that `spec` reads, or in what was read from one.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import Enum
from html import escape
from os import PathLike, fspath
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.form_composer import (
    is_form_composer,
    presigned_address,
    read_form_composer,
    read_insertion,
    refuse_annotator,
    tokens_in,
)
from mephisto_nb.blueprints.form.html import clean_html
from mephisto_nb.blueprints.form.model import Form, ReadForms
from mephisto_nb.blueprints.form.spec import read_spec
from mephisto_nb.blueprints.form.types import TYPES
from mephisto_nb.blueprints.form.types._base import as_text, unwrapped
from mephisto_nb.blueprints.static_html.args import remark
from mephisto_nb.blueprints.static_html.task_data import read_text
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.yaml_text import load_yaml
from mephisto_nb.utils.foreign import as_path, inside

_CONSTRAINTS = {"ge": "min", "le": "max", "multiple_of": "step", "min_length": "min_length", "max_length": "max_length"}
#: Constraints that a form has no word for. ``gt`` and ``lt`` of a whole number are the number beside.
_UNKNOWN = {"gt": "ge", "lt": "le"}


@dataclass(slots=True)
class _Question:
    name: str
    annotation: Any
    default: Any = None
    is_required: bool = True
    settings: JSONObject = dataclasses.field(default_factory=dict)
    constraints: tuple[Any, ...] = ()


def is_form_class(source: Any) -> bool:
    """Return whether this is a class that a form can be read from."""
    return isinstance(source, type) and (dataclasses.is_dataclass(source) or _is_pydantic(source))


def read_types(cls: type[Any]) -> Form:
    """Make a form of the fields of a class; what else a description may say of a field stands in its metadata.

    ``str``, ``int``, ``float``, ``bool``, ``date``, `Path` (a file), ``Literal`` and enums are one question each, lists
    of the last two several choices. A field with a default, or that may be None, need not be answered. A class within
    the class is a section with a heading, and a class within that one a group of questions; their answers stand under
    ``outer.inner``. Settings come from ``field(metadata={...})`` of a dataclass; from title, description, constraints
    and ``json_schema_extra`` of a pydantic model. What a model checks by functions of its own is not checked.

    Raises
    ------
    ConfigError
        Naming the field that cannot be asked for.
    """
    return read_spec({"sections": _sections(cls)}, cls.__name__)


def _sections(cls: type[Any]) -> list[JSONObject]:
    """Return a section for each class within the class, and for the fields between them one without a heading."""
    sections: list[JSONObject] = []
    for question in _questions(cls):
        where = f"{cls.__name__}.{question.name}"
        inner, may_be_none, _ = unwrapped(question.annotation)
        if is_form_class(inner):
            is_asked = question.is_required and not may_be_none
            sections.append({**_about(question), "fieldsets": _groups(inner, question.name, is_asked)})
            continue
        if not sections or "fields" not in sections[-1]:
            sections.append({"fields": []})
        sections[-1]["fields"].append(_spec_of(question, where))
    if not sections:
        raise ConfigError(f"{cls.__name__} has no fields, so there is nothing to ask for. Give it some.")
    return sections


def _groups(cls: type[Any], prefix: str, is_asked: bool) -> list[JSONObject]:
    """Return the fields of a class within the class, and those of the classes in it."""
    groups: list[JSONObject] = []
    for question in _questions(cls):
        inner, may_be_none, _ = unwrapped(question.annotation)
        path = f"{prefix}.{question.name}"
        if is_form_class(inner):
            must = is_asked and question.is_required and not may_be_none
            groups.append({**_about(question), "fields": _leaves(inner, path, must)})
            continue
        if not groups or "title" in groups[-1]:
            groups.append({"fields": []})
        groups[-1]["fields"].append(_inner_spec(question, cls, path, is_asked))
    return groups


def _leaves(cls: type[Any], prefix: str, is_asked: bool) -> list[JSONObject]:
    for question in _questions(cls):
        if is_form_class(unwrapped(question.annotation)[0]):
            raise ConfigError(
                f"{cls.__name__}.{question.name} is a class within a class within a class, deeper than a form has "
                "headings for. Put its fields one level up."
            )
    return [_inner_spec(one, cls, f"{prefix}.{one.name}", is_asked) for one in _questions(cls)]


def _inner_spec(question: _Question, cls: type[Any], path: str, is_asked: bool) -> JSONObject:
    spec = _spec_of(question, f"{cls.__name__}.{question.name}")
    label = question.name.replace("_", " ").strip().capitalize()
    return {"label": label, **spec, "name": path, "required": is_asked and spec.get("required", False)}


def _about(question: _Question) -> JSONObject:
    settings = question.settings
    title = settings.get("label") or question.name.replace("_", " ").strip().capitalize()
    return {"title": title, "instruction": settings.get("help") or ""}


def _is_pydantic(cls: type[Any]) -> bool:
    # Told by what it has, so that pydantic need not be there.
    return isinstance(getattr(cls, "model_fields", None), Mapping) and hasattr(cls, "model_validate")


def _questions(cls: type[Any]) -> list[_Question]:
    return list(_of_pydantic(cls) if _is_pydantic(cls) else _of_dataclass(cls))


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
        extra = info.json_schema_extra
        settings |= extra if isinstance(extra, dict) else {}
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        yield _Question(name, info.annotation, default, info.is_required(), settings, tuple(info.metadata))


def _spec_of(question: _Question, where: str) -> JSONObject:
    annotation, may_be_none, inner = unwrapped(question.annotation)
    spec = _kind_of(annotation, where)
    if question.is_required and not may_be_none and annotation is not bool:
        spec["required"] = True
    if question.default is not None and not isinstance(question.default, bytes | Path):
        several = isinstance(question.default, list | tuple | set | frozenset)
        spec["value"] = [_plain(one) for one in question.default] if several else _plain(question.default)
    for constraint in (*question.constraints, *inner):
        spec |= _constrained(constraint, annotation, where)
    spec |= {key: value for key, value in question.settings.items() if value not in (None, "")}
    return {"name": question.name, **spec}


def _constrained(constraint: Any, annotation: Any, where: str) -> JSONObject:
    """Return what an annotated constraint, such as pydantic's or those of annotated_types, means for a form."""
    spec = {
        setting: value for key, setting in _CONSTRAINTS.items() if (value := getattr(constraint, key, None)) is not None
    }
    for key, instead in _UNKNOWN.items():
        bound = getattr(constraint, key, None)
        if bound is None:
            continue
        if annotation is not int:
            raise ConfigError(f"{where} has {key}={bound}, for which a form has no words. Give {instead} instead.")
        spec[_CONSTRAINTS[instead]] = bound + 1 if key == "gt" else bound - 1
    pattern = getattr(constraint, "pattern", None)
    if pattern is not None:
        spec["pattern"] = getattr(pattern, "pattern", pattern)
    return {key: float(value) if isinstance(value, Decimal) else value for key, value in spec.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return as_text(value.value)
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


def _kind_of(annotation: Any, where: str) -> JSONObject:
    for one in TYPES.values():
        if (spec := one.from_python(annotation)) is not None:
            return spec
    is_plain = get_origin(annotation) is None
    name = str(getattr(annotation, "__name__", annotation) if is_plain else annotation)
    words = ", ".join(word for one in TYPES.values() for word in one.python)
    raise ConfigError(
        f"{where} is a {name}, which no field of a form can ask for. There are: {words}; and classes of these. Leave "
        "others out, or give the form as a description."
    )


_SUFFIXES = (".json", ".yaml", ".yml")
#: What FormComposer calls its files, in the order in which a folder is asked for them.
_CONFIGS = ("task_data.json", "unit_config.json", "form_config.json")
_TOKEN_SETS = "token_sets_values_config.json"
_SEPARATE_TOKENS = "separate_token_values_config.json"
#: More rows than this are no list that somebody wanted to make of a few tokens.
_MOST_ROWS = 100_000


def read_form(form: Any) -> ReadForms:
    """Understand a form, in whatever way it is given (see `form_task`)."""
    if is_form_class(form):
        return ReadForms((read_types(form),))
    if isinstance(form, str | PathLike):
        return read_form_file(fspath(form))
    if is_form_composer(form):
        return read_form_composer(form, "form")
    refuse_annotator(form, "The form")
    if isinstance(form, Mapping):
        return ReadForms((read_spec(form),))
    if isinstance(form, list | tuple) and form:
        read = [read_form(one) for one in form]
        scripts = next((one.insertions for one in read if one.insertions), "")
        forms = tuple(one for each in read for one in each.forms)
        return replace(read[0], forms=forms, rows=None, insertions=scripts)
    raise ConfigError(
        f"The form is a {type(form).__name__}, which no form can be read from. Give a dataclass, a pydantic model, a "
        "description ({'fields': {'mood': 'text'}}), a list of these, or the path of a file."
    )


def read_form_file(path: str) -> ReadForms:
    """Read a description of a form, ours or FormComposer's; of a folder, the file that FormComposer would run.

    A configuration with tokens brings its rows along, where ``token_sets_values_config.json`` or, for all
    combinations, ``separate_token_values_config.json`` lies beside it.

    Raises
    ------
    DataFileError
        A file cannot be read.
    ConfigError
        What it holds is no form, or does not fit what lies beside it.
    """
    file = _find(as_path(path, "mephisto.blueprint.form_source"))
    value = _load(file)
    refuse_annotator(value, file.name)
    if not is_form_composer(value):
        return ReadForms((read_spec(value, file.name),))
    if isinstance(value, list):
        return read_form_composer(value, file.name, file.parent)
    rows, html_tokens, signed = _read_tokens(file.parent, tokens_in(value, file.parent), file.name)
    read = read_form_composer(value, file.name, file.parent, html_tokens)
    if rows is None:
        return read
    rows = [{**row, **(read.rows or [{}])[0]} for row in rows]
    return ReadForms(read.forms, rows, read.insertions, (*read.signed_columns, *signed))


def _find(file: Path) -> Path:
    if file.is_dir():
        found = [file / name for name in _CONFIGS if _is_file(file, name)]
        if not found:
            raise DataFileError(f"The folder {str(file)!r} holds none of {', '.join(_CONFIGS)}. Name the form's file.")
        return found[0]
    if file.suffix not in _SUFFIXES:
        raise ConfigError(
            f"The form {str(file)!r} must be a file whose name ends in {', '.join(_SUFFIXES)}. Rename it."
        )
    return file


def _is_file(folder: Path, name: str) -> bool:
    """Return whether a folder has such a file. Raises `DataFileError` for a link out of the folder."""
    return inside(folder / name, folder, f"The folder {str(folder)!r}").is_file()


def _load(file: Path) -> Any:
    text = read_text(str(file), "form_source")
    try:
        return json.loads(text) if file.suffix == ".json" else load_yaml(text)
    except (ValueError, RecursionError) as error:
        raise DataFileError(f"{file.name} is no valid {file.suffix[1:].upper()}: {error}. Mend that place.") from error


def _read_tokens(
    folder: Path, tokens: list[str], config: str
) -> tuple[list[JSONObject] | None, set[str], tuple[str, ...]]:
    """Return a row for each set of tokens, which of the tokens are HTML, and which are addresses to be signed."""
    name, sets = _token_sets(folder)
    _tell_of_values(name, sets, tokens, config)
    if not tokens or not name:
        return None, set(), ()
    for index, values in enumerate(sets):
        missing = [named for named in tokens if named not in values]
        if missing:
            raise ConfigError(f"{name}[{index}] gives no value for {missing[0]!r}, a token of {config}. Add it.")
    html, signed = set(), dict[str, None]()
    for index, values in enumerate(sets):
        for token, value in values.items():
            if not isinstance(value, str):
                continue
            where = f"{name}[{index}].{token}"
            if address := presigned_address(value):
                values[token], signed[token] = address, None
            elif "<" in (text := read_insertion(value, folder, where)):
                values[token] = clean_html(text, where)
                html.add(token)
    return sets, html, tuple(signed)


def _tell_of_values(name: str, sets: list[JSONObject], used: list[str], config: str) -> None:
    """Say what FormComposer would refuse in values of tokens, and is harmless."""
    given = list(dict.fromkeys(one for values in sets for one in values))
    unused = [one for one in given if one not in used]
    if unused:
        remark(f"{name} gives values for {', '.join(map(repr, unused))}, which {config} does not use.")
    unlike = [index for index, values in enumerate(sets) if set(values) != set(given)]
    if unlike:
        remark(f"{name}[{unlike[0]}] has not the same tokens as the other sets, which have {', '.join(given)}.")


def _token_sets(folder: Path) -> tuple[str, list[JSONObject]]:
    if _is_file(folder, _TOKEN_SETS):
        sets = _load(folder / _TOKEN_SETS)
        if not isinstance(sets, list) or not all(
            isinstance(one, Mapping) and isinstance(one.get("tokens_values"), Mapping) for one in sets
        ):
            raise ConfigError(f"{_TOKEN_SETS} must be a list of sets: [{{'tokens_values': {{'name': 'value'}}}}].")
        return _TOKEN_SETS, [dict(one["tokens_values"]) for one in sets]
    if _is_file(folder, _SEPARATE_TOKENS):
        values = _load(folder / _SEPARATE_TOKENS)
        if not isinstance(values, Mapping) or not all(isinstance(one, list) and one for one in values.values()):
            raise ConfigError(f"{_SEPARATE_TOKENS} must be a mapping of tokens and lists: {{'name': ['a', 'b']}}.")
        combinations = itertools.product(*values.values())
        sets = [dict(zip(values, one, strict=True)) for one in itertools.islice(combinations, _MOST_ROWS + 1)]
        if len(sets) > _MOST_ROWS:
            raise ConfigError(f"{_SEPARATE_TOKENS} makes more than {_MOST_ROWS:,} combinations. Shorten its lists.")
        return _SEPARATE_TOKENS, sets
    return "", []
