"""Reads forms in all the ways in which they may be given: objects, files, and what FormComposer keeps beside those."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import yaml

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.classes import is_form_class, read_types
from mephisto_nb.blueprints.form.form_composer import (
    is_form_composer,
    presigned_address,
    read_form_composer,
    read_insertion,
    tokens_in,
)
from mephisto_nb.blueprints.form.html import clean_html
from mephisto_nb.blueprints.form.model import ReadForms
from mephisto_nb.blueprints.form.spec import read_spec
from mephisto_nb.blueprints.static_html.task_data import read_text
from mephisto_nb.errors import ConfigError, DataFileError

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
    file = _find(Path(path).expanduser())
    value = _load(file)
    if not is_form_composer(value):
        return ReadForms((read_spec(value, file.name),))
    if isinstance(value, list):
        return read_form_composer(value, file.name, file.parent)
    rows, html_tokens, signed = _read_tokens(file.parent, tokens_in(value), file.name)
    read = read_form_composer(value, file.name, file.parent, html_tokens)
    if rows is None:
        return read
    rows = [{**row, **(read.rows or [{}])[0]} for row in rows]
    return ReadForms(read.forms, rows, read.insertions, (*read.signed_columns, *signed))


def _find(file: Path) -> Path:
    if file.is_dir():
        found = [file / name for name in _CONFIGS if (file / name).is_file()]
        if not found:
            raise DataFileError(f"The folder {str(file)!r} holds none of {', '.join(_CONFIGS)}. Name the form's file.")
        return found[0]
    if file.suffix not in _SUFFIXES:
        raise ConfigError(
            f"The form {str(file)!r} must be a file whose name ends in {', '.join(_SUFFIXES)}. Rename it."
        )
    return file


def _load(file: Path) -> Any:
    text = read_text(str(file), "form_source")
    try:
        return json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise DataFileError(f"{file.name} is no valid {file.suffix[1:].upper()}: {error}. Mend that place.") from error


def _read_tokens(
    folder: Path, tokens: list[str], config: str
) -> tuple[list[JSONObject] | None, set[str], tuple[str, ...]]:
    """Return a row for each set of tokens, which of the tokens are HTML, and which are addresses to be signed."""
    name, sets = _token_sets(folder)
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


def _token_sets(folder: Path) -> tuple[str, list[JSONObject]]:
    if (folder / _TOKEN_SETS).is_file():
        sets = _load(folder / _TOKEN_SETS)
        if not isinstance(sets, list) or not all(
            isinstance(one, Mapping) and isinstance(one.get("tokens_values"), Mapping) for one in sets
        ):
            raise ConfigError(f"{_TOKEN_SETS} must be a list of sets: [{{'tokens_values': {{'name': 'value'}}}}].")
        return _TOKEN_SETS, [dict(one["tokens_values"]) for one in sets]
    if (folder / _SEPARATE_TOKENS).is_file():
        values = _load(folder / _SEPARATE_TOKENS)
        if not isinstance(values, Mapping) or not all(isinstance(one, list) and one for one in values.values()):
            raise ConfigError(f"{_SEPARATE_TOKENS} must be a mapping of tokens and lists: {{'name': ['a', 'b']}}.")
        combinations = itertools.product(*values.values())
        sets = [dict(zip(values, one, strict=True)) for one in itertools.islice(combinations, _MOST_ROWS + 1)]
        if len(sets) > _MOST_ROWS:
            raise ConfigError(f"{_SEPARATE_TOKENS} makes more than {_MOST_ROWS:,} combinations. Shorten its lists.")
        return _SEPARATE_TOKENS, sets
    return "", []
