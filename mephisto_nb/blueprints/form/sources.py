"""Forms in all the ways in which they may be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike, fspath
from typing import Any

from mephisto_nb.blueprints.form.classes import is_form_class, read_types
from mephisto_nb.blueprints.form.files import read_form_file
from mephisto_nb.blueprints.form.form_composer import is_form_composer, read_form_composer
from mephisto_nb.blueprints.form.reading import ReadForms
from mephisto_nb.blueprints.form.spec import read_spec
from mephisto_nb.errors import ConfigError


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
