"""Fields that are files of the worker's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.form.model import Field
from mephisto_nb.blueprints.form.types._base import Check, FieldType, Node, Rule, read_preset, short
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.answers import StoredFile


@dataclass(frozen=True, slots=True)
class FileField(Field):
    """A file, or `multiple` ones, of which each name ends in one of `extensions`; `show_preview` shows what it is."""

    multiple: bool = False
    extensions: tuple[str, ...] = ()
    show_preview: bool = False


class FileType(FieldType[FileField]):
    """A file, which is uploaded; the answer is the name, or a list of names, under which it is kept."""

    field_class = FileField
    keys = ("multiple", "extensions", "show_preview")
    kind = "file"
    python = ("Path for a file",)

    def read(self, node: Node) -> JSONObject:
        """Return what files may be chosen."""
        given = {"multiple": node.flag("multiple"), "show_preview": node.flag("show_preview")}
        return {"value": read_preset(node), "extensions": _extensions(node), **given}

    def checks(self, field: FileField) -> Iterator[Check]:
        """Yield the ends of names."""
        if field.extensions:
            names = ", ".join(f".{one}" for one in field.extensions)
            yield Check("extensions", list(field.extensions), f"Please choose a file of this kind: {names}.")

    def missing(self, field: FileField) -> str:
        """Return what is said where no file was chosen."""
        return "Please choose a file."

    def has_shape(self, field: FileField, value: Any) -> bool:
        """Return whether this is a file that was sent, or a list of them: a worker may write any name."""
        return all(isinstance(one, StoredFile) for one in (value if isinstance(value, list) else [value]))

    def example(self, field: FileField) -> JSON:
        """Return the name under which a file is kept."""
        return StoredFile(field.value or "files/0123abcd")

    def from_python(self, annotation: Any) -> JSONObject | None:
        """Read ``bytes`` and ``Path``."""
        return {"type": self.name} if annotation is bytes or annotation is Path else None

    def describe(self, field: FileField) -> JSONObject:
        """Return whether several can be chosen; no script can choose one."""
        return {"multiple": field.multiple, "takes": "nothing"}


def _extensions(node: Node) -> tuple[str, ...]:
    if not node.value.get("extensions"):
        return ()
    read = []
    for item, where in node.items("extensions"):
        if not isinstance(item, str) or not re.fullmatch(r"\.?[A-Za-z0-9.]+", item):
            raise ConfigError(f"{where} is {short(item)}; it must be the end of a file's name, such as 'png'.")
        read.append(item.lower().lstrip("."))
    return tuple(read)


TYPES: tuple[FieldType[Any], ...] = (FileType("file"),)
# A stored file has a name of its own; only the browser has seen what the worker called it.
RULES: dict[str, Rule] = {"extensions": lambda _, __: True}
