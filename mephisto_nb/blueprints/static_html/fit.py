"""Checks that rows hold what a template asks for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html.template import Template, TemplateField
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.shared_state import InitializationData

_MISSING: Any = object()
#: How other templates write what is ``${name}`` here.
_BRACES = re.compile(r"\{\{\s*([^{}|\n]+?)\s*\}\}")


def has_field(data: Any, path: str) -> bool:
    """Tell whether `data` has a value, which may be null, for ``${path}``; dots lead into nested objects."""
    return look_up(data, path, _MISSING) is not _MISSING


def look_up(data: Any, path: str, otherwise: Any = None) -> Any:
    """Find ``a.b`` in nested data, as `page/template.js` does: a key that holds the dot itself comes first."""
    if isinstance(data, Mapping) and path in data:
        return data[path]
    head, dot, rest = path.partition(".")
    if isinstance(data, list):
        found = data[int(head)] if head.isdecimal() and int(head) < len(data) else _MISSING
    else:
        found = data[head] if dot and isinstance(data, Mapping) and head in data else _MISSING
    if found is _MISSING:
        return otherwise
    return look_up(found, rest, otherwise) if dot else found


def check_row(fields: Sequence[TemplateField], label: str, row: InitializationData) -> None:
    """Raise `DataFileError` where the template asks for a field that this row lacks."""
    for data in _what_pages_see(row):
        for field in fields:
            if not has_field(data, field.path):
                raise DataFileError(
                    f"{label} lacks {field.path!r}, which the template uses on line {field.line}. "
                    f"The row has: {_names(data)}.{_suggest(field.path, data)}"
                )


def check_rows(fields: Sequence[TemplateField], rows: Sequence[tuple[str, InitializationData]]) -> None:
    """Raise `DataFileError` where the template asks for a field that no row, or not every row, has."""
    columns = {name: None for _, row in rows for data in _what_pages_see(row) for name in data}
    for field in fields:
        if not any(has_field(data, field.path) for _, row in rows for data in _what_pages_see(row)):
            raise DataFileError(
                f"The template uses ${{{field.path}}} on line {field.line}, which no row has (rows 1 to {len(rows)} "
                f"were looked at). The columns are: {_names(columns)}.{_suggest(field.path, columns)}"
            )
    for label, row in rows:
        check_row(fields, label, row)


def check_braces(template: Template, columns: Collection[str]) -> None:
    """Raise `ConfigError` where a template without scripts shows ``{{column}}``, which nothing would fill in."""
    for match in _BRACES.finditer(template.html):
        if columns_of([TemplateField(match[1], 0)]) & set(columns):
            raise ConfigError(
                f"The page holds {match[0]}, which workers would read as it stands. Did you mean ${{{match[1]}}}? "
                "(If not, write &#123; for the first brace.)"
            )


def columns_of(fields: Iterable[TemplateField]) -> frozenset[str]:
    """Give the columns that fields of a template are looked for in."""
    return frozenset(name for field in fields for name in (field.path, field.path.partition(".")[0]))


def check_hidden(template: Template, name: str, hidden: Collection[str]) -> None:
    """Raise `ConfigError` where a template shows what is kept from pages."""
    for field in template.fields:
        if found := columns_of([field]) & set(hidden):
            raise ConfigError(
                f"{name} shows ${{{field.path}}} on line {field.line}, but mephisto.blueprint.attention_checks keeps "
                f"{min(found)!r} from workers' pages, as a right answer. Take it out of the template."
            )


def find_unnamed(template: Template, columns: Iterable[str], scripts: Iterable[str]) -> list[str]:
    """Give the columns that a page gets, though neither its template nor one of its scripts names them."""
    text = "\n".join([template.html, *template.scripts.values(), *scripts])
    return [name for name in dict.fromkeys(columns) if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]


def _what_pages_see(row: InitializationData) -> list[JSONObject]:
    return [{**row.shared, **unit_data} for unit_data in row.unit_data]


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


def _suggest(path: str, names: Iterable[str]) -> str:
    by_lower_case = {name.lower(): name for name in names}
    near = difflib.get_close_matches(path.lower(), by_lower_case, n=1)
    return f" Did you mean ${{{by_lower_case[near[0]]}}}?" if near else " Add the field to the data, or take it out."
