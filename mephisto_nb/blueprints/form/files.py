"""Reads a file that holds a form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from mephisto_nb.blueprints.form.form_composer import is_form_composer, read_form_composer
from mephisto_nb.blueprints.form.model import Form
from mephisto_nb.blueprints.form.spec import read_spec
from mephisto_nb.blueprints.static_html.data_files import read_text
from mephisto_nb.errors import ConfigError, DataFileError

_SUFFIXES = (".json", ".yaml", ".yml")


def read_form_file(path: str) -> Form:
    """Read a description of a form, ours or FormComposer's.

    Raises
    ------
    DataFileError
        The file cannot be read.
    ConfigError
        What it holds is no form.
    """
    file = Path(path).expanduser()
    if file.suffix not in _SUFFIXES:
        raise ConfigError(f"The form {path!r} must be a file whose name ends in {', '.join(_SUFFIXES)}. Rename it.")
    value = _load(file, read_text(path, "form_source"))
    if is_form_composer(value):
        return read_form_composer(value, file.name, file.parent)
    return read_spec(value, file.name)


def _load(file: Path, text: str) -> Any:
    try:
        return json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise DataFileError(f"{file.name} is no valid {file.suffix[1:].upper()}: {error}. Mend that place.") from error
