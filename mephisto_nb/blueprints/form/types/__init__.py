"""The types that a field of a form can have: a module a family, each of which holds all that its types need.

A family more is a module more, written as `_base` says, and a line in `_FAMILIES`. Stands alone because the table must
know every family, and no family the table.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from mephisto_nb.blueprints.form.model import Field
from mephisto_nb.blueprints.form.types._base import FieldType, Rule

FOLDER = Path(__file__).parent
#: In the order in which they are listed, and asked whether a Python type is theirs.
_FAMILIES = (
    "text",
    "number",
    "choice",
    "file",
    "slider",
    "likert",
    "ranking",
)
_MODULES = [import_module(f"{__name__}.{name}") for name in _FAMILIES]
TYPES: dict[str, FieldType[Any]] = {one.name: one for module in _MODULES for one in module.TYPES}
RULES: dict[str, Rule] = {kind: rule for module in _MODULES for kind, rule in module.RULES.items()}


def type_of(field: Field) -> FieldType[Any]:
    """Return the type of a field."""
    return TYPES[field.type]


def read_beside(suffix: str) -> list[str]:
    """Return what lies beside the families in files with this suffix, in their order; what all share comes first."""
    files = [FOLDER / f"{name}.{suffix}" for name in ("_base", *_FAMILIES)]
    return [file.read_text(encoding="utf-8") for file in files if file.is_file()]
