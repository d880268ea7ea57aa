"""A researcher's HTML: what it holds, what cannot work in a worker's browser, and whether rows have what it asks for.

Workers' pages run under a Content-Security-Policy that forbids inline code. Inline scripts are therefore
moved to files of their own, and the rest of what the policy would silently stop is refused here, with the mend.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from typing import Any, TypeAlias

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.shared_state import InitializationData

#: ``${name}``, ``${a.b}`` or ``${name | safe}``. `page/template.js` knows the same expression.
FIELD = re.compile(r"\$\{\s*([^{}|\n]+?)\s*(?:\|\s*([^{}|\n]*?)\s*)?\}")
_SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
#: What may hold ``${...}`` in JavaScript without being a field: comments and template literals. Strings are
#: matched first, so that quotes and slashes inside them start nothing.
_JS_TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|//[^\n]*|/\*.*?\*/|`(?:\\.|[^`\\])*`""", re.DOTALL
)
#: One attribute of a start tag, with its value.
_ATTRIBUTE = re.compile(r"""(\s)([^\s=>"'/]+)(\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]*))?""")
#: What a ``style`` attribute is served as: the policy lets scripts alone set styles, and `page/template.js` does.
STYLE = "data-mephisto-style"
_JS_TYPES = frozenset({"", "module", "text/javascript", "application/javascript"})
_REMOTE = re.compile(r"(?i)\s*(https?:)?//")
#: What browsers take out of an address before they read it.
_UNREAD = re.compile(r"^[\x00-\x20]+|[\x00-\x20]+$|[\t\n\r]")
_INPUTS = frozenset({"input", "select", "textarea", "button"})
_OF_FILES = frozenset({"file"})
_NOT_ALWAYS_SENT = _OF_FILES | frozenset({"submit", "button", "reset", "image"})
#: What the answers of inputs of days and times become, by the type of the input.
_TIMES = {"date": "date", "datetime-local": "datetime64[us]", "time": "time"}
#: Names that the upload of an answer uses itself.
RESERVED_NAMES = frozenset(
    {"USED_AGENT_ID", "final_data", "final_string_data", "client_timestamp", "files", "filesByFields"}
)
_BLOCKED_TAGS = frozenset({"iframe", "frame", "object", "embed"})


def as_browsers_read(address: str) -> str:
    r"""Return an address without what browsers leave out of it, which could hide its scheme.

    Examples
    --------
    >>> as_browsers_read("\x01 java\tscript:go()")
    'javascript:go()'
    """
    return _UNREAD.sub("", address)


@dataclass(frozen=True, slots=True)
class TemplateField:
    """One ``${...}`` of a template, and the line it stands on."""

    path: str
    line: int


@dataclass(slots=True)
class Template:
    """A template, ready to be served.

    Parameters
    ----------
    html
        The HTML, its inline scripts replaced by references to files.
    fields
        What has to be in each row, in order of appearance, each path once.
    scripts
        Name and content of the files that the inline scripts became.
    local_files
        Scripts and style sheets that have to lie beside the page.
    collects
        Whether anything in it can become an answer.
    has_scripts
        Whether scripts run in it, which may read any column of the row.
    names
        Of the inputs that answers come from; but for files and buttons, which an answer may lack.
    shown
        The addresses of pictures, sounds and films, with the fields in them as they stand.
    linked
        The addresses of links.
    inserted
        The fields whose values are inserted as HTML.
    idle_buttons
        The lines of buttons that say nothing of what they are for: neither type nor name, and no form around them.
    takes_files
        Whether it has an input for files.
    remarks
        What was left out of it, and what to do where it is needed.
    times
        What becomes of the answers of inputs of days and times: `Blueprint.get_answer_times`.
    asked
        The names of all inputs and buttons, also of those that not every answer has.
    files
        The names of its inputs for files.
    """

    html: str
    fields: list[TemplateField]
    scripts: dict[str, str] = field(default_factory=dict)
    local_files: list[str] = field(default_factory=list)
    collects: bool = False
    has_scripts: bool = False
    names: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)
    inserted: list[str] = field(default_factory=list)
    idle_buttons: list[int] = field(default_factory=list)
    takes_files: bool = False
    remarks: list[str] = field(default_factory=list)
    times: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def read_template(source: str, name: str, script_prefix: str, script_sources: list[str]) -> Template:
    """Read the HTML in `source`, which error messages call `name`.

    Raises
    ------
    ConfigError
        Something in it cannot work in a worker's browser.
    """
    reader = _Reader(source, name, script_prefix, script_sources)
    reader.feed(source)
    reader.close()
    return reader.finish()


def _only_newlines(match: re.Match[str]) -> str:
    """Blank a part out in such a way that the lines after it keep their numbers."""
    return "\n" * match[0].count("\n")


_SHOWING = frozenset({"img", "audio", "video", "source", "track", "image", "input"})
_IN_STYLE = re.compile(r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^'")\s]+))\s*\)""", re.IGNORECASE)


def addresses_in(tag: str, values: Mapping[str, str | None]) -> tuple[list[str], list[str]]:
    """Return the addresses of what an element shows, and of what it links to."""
    shown = [values.get("src"), values.get("poster")] if tag in _SHOWING else []
    shown += [found[1] or found[2] or found[3] for found in _IN_STYLE.finditer(values.get("style") or "")]
    linked = [values.get("href")] if tag in ("a", "area") else []
    return [one for one in shown if one], [one for one in linked if one]


class _ShownInHTML(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shown += addresses_in(tag, dict(attrs))[0]


def filled_addresses(template: Template, data: JSONObject) -> tuple[list[str], list[str]]:
    """Return the addresses of what a template shows of a row, and of what it links to."""
    html = _ShownInHTML()
    for path in template.inserted:
        if isinstance(value := look_up(data, path), str):
            html.feed(value)
    shown, linked = ([_filled(one, data) for one in addresses] for addresses in (template.shown, template.linked))
    return [*shown, *html.shown], linked


def _filled(text: str, data: JSONObject) -> str:
    """Return an address filled; '' where a field in it holds nothing."""
    values = [look_up(data, found[1]) for found in FIELD.finditer(text)]
    if any(is_blank(value) or isinstance(value, list | dict) for value in values):
        return ""
    return FIELD.sub(lambda found: str(look_up(data, found[1])), text)


class _Reader(HTMLParser):
    """Walks through a template once, refusing what cannot work and taking scripts out."""

    def __init__(self, source: str, name: str, script_prefix: str, script_sources: list[str]) -> None:
        super().__init__(convert_charrefs=False)
        self._source, self._name, self._prefix, self._script_sources = source, name, script_prefix, script_sources
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", source))]
        self._template = Template(html="", fields=[])
        self._pieces: list[str] = []
        self._copied_to = 0
        self._open_script: tuple[int, str, dict[str, str | None]] | None = None
        self._in_style = False
        self._in_form = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._check_attributes(tag, attrs)
        shown, linked = addresses_in(tag, values)
        self._template.shown += shown
        self._template.linked += linked
        if tag in _BLOCKED_TAGS:
            self._refuse(f"<{tag}> shows other pages, which this page does not load. Link to it with <a href=...>.")
        if tag in _INPUTS:
            self._note_input(values.get("name"))
            if values.get("name") and tag != "button" and values.get("type") not in _NOT_ALWAYS_SENT:
                self._note_times(values["name"] or "", tag, values.get("type") or "")
                self._template.names.append(values["name"] or "")
        if tag == "input" and values.get("type") in _OF_FILES:
            self._template.takes_files = True
            self._template.files.append(values.get("name") or "")
        self._in_form |= tag == "form"
        if tag == "button" and not self._in_form and not values.keys() & {"type", "name", "form", "data-leave"}:
            self._template.idle_buttons.append(self.getpos()[0])
        if tag == "link" and "stylesheet" in (values.get("rel") or ""):
            self._check_style_sheet(values.get("href") or "")
        if tag == "style":
            self._in_style = True
        if tag == "script":
            self._open_script = (self._offset(), self.get_starttag_text() or "", values)
        elif "style" in values:
            self._rename_style(self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self._refuse("<script .../> is not closed for a browser. Write <script ...></script>.")
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        if self._in_style and "@import" in data:
            self._refuse("@import in <style> is not loaded. Write the rules out, or <link> a file of extra_source_dir.")

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._in_style = False
        if tag == "form":
            self._in_form = False
        if tag == "script" and self._open_script is not None:
            start, start_tag, values = self._open_script
            self._open_script = None
            content = self._source[start + len(start_tag) : self._offset()]
            end = self._source.index(">", self._offset()) + 1
            self._take_script(start, end, content, values)

    def finish(self) -> Template:
        if self._open_script is not None:
            self._refuse("a <script> has no </script>.")
        self._pieces.append(self._source[self._copied_to :])
        self._template.html = "".join(self._pieces)
        self._find_fields(_COMMENT.sub(_only_newlines, _SCRIPT.sub(_only_newlines, self._source)))
        return self._template

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._line_starts[line - 1] + column

    def _refuse(self, text: str) -> None:
        raise ConfigError(f"{self._name}, line {self.getpos()[0]}: {text}")

    def _check_attributes(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if "${" in key or "}" in key:
                self._refuse(
                    f"in <{tag}>, {key!r} stands where an attribute's name is expected. Fields can stand in text and "
                    'in attribute values; put quotes around the value: value="${field}".'
                )
            if key.startswith("on") and len(key) > 2:
                self._refuse(
                    f"<{tag} {key}=...> is inline code, which workers' browsers are told not to run. Give the element "
                    f"an id, and in a <script> write: document.getElementById(...).addEventListener({key[2:]!r}, ...)."
                )
            if as_browsers_read(value or "").lower().startswith("javascript:"):
                self._refuse(
                    f"<{tag} {key}='javascript:...'> is inline code, which workers' browsers are told not to run. "
                    "Use a <button type='button'> and addEventListener in a <script>."
                )

    def _note_input(self, name: str | None) -> None:
        if name in RESERVED_NAMES:
            self._refuse(f"an input is named {name!r}, a name that the upload itself uses. Give it another name.")
        self._template.collects |= bool(name)
        if name:
            self._template.asked.append(name)

    def _note_times(self, name: str, tag: str, kind: str) -> None:
        """Note an input of days or times; of several inputs of one name, the answer is no time."""
        self._template.times.pop(name, None)
        if tag == "input" and kind.lower() in _TIMES and name not in self._template.names:
            self._template.times[name] = _TIMES[kind.lower()]

    def _check_style_sheet(self, href: str) -> None:
        if not _REMOTE.match(href):
            self._template.local_files.append(href)
        elif not any(href.startswith(allowed) for allowed in self._script_sources):
            tag = self.get_starttag_text() or ""
            self._replace(self._offset(), self._offset() + len(tag), "")
            self._template.remarks.append(
                f"{self._name}, line {self.getpos()[0]}: the style sheet {href!r} lies on another site, and is left "
                "out. Where it is needed, save it into the folder that extra_source_dir names, and link to it there; "
                "or allow its site with mephisto.blueprint.extra_script_sources."
            )

    def _take_script(self, start: int, end: int, content: str, values: dict[str, str | None]) -> None:
        self._template.collects = True
        src = values.get("src")
        if src:
            self._check_script_source(src)
            self._template.has_scripts = True
            return
        outside = _JS_TOKEN.sub(lambda token: token["string"] or "", content)
        found = FIELD.search(outside)
        if found:
            self._refuse(
                f"a <script> holds {found[0]!r}. Data is not written into scripts; read "
                f"mephisto.data[{found[1]!r}] there."
            )
        if (values.get("type") or "").strip().lower() not in _JS_TYPES:
            return
        name = f"{self._prefix}-script-{len(self._template.scripts) + 1}.js"
        self._template.scripts[name] = content
        self._template.has_scripts = True
        kept = "".join(f' {key}="{escape(value or "")}"' for key, value in values.items() if key != "src")
        self._replace(start, end, f'<script src="{name}"{kept}></script>')

    def _replace(self, start: int, end: int, text: str) -> None:
        self._pieces += [self._source[self._copied_to : start], text]
        self._copied_to = end

    def _rename_style(self, tag: str) -> None:
        def rename(found: re.Match[str]) -> str:
            name = STYLE if found[2].lower() == "style" else found[2]
            return f"{found[1]}{name}{found[3] or ''}"

        self._replace(self._offset(), self._offset() + len(tag), _ATTRIBUTE.sub(rename, tag))

    def _check_script_source(self, src: str) -> None:
        if not _REMOTE.match(src):
            self._template.local_files.append(src)
        elif not any(src.startswith(allowed) for allowed in self._script_sources):
            self._refuse(
                f"the script {src!r} lies on another site. Save it into the folder that extra_source_dir names, or "
                "allow its site with mephisto.blueprint.extra_script_sources."
            )

    def _find_fields(self, html: str) -> None:
        seen: set[str] = set()
        for match in FIELD.finditer(html):
            path, way = match[1], match[2]
            line = html.count("\n", 0, match.start()) + 1
            if way not in (None, "safe"):
                raise ConfigError(
                    f"{self._name}: {match[0]!r} asks for {way!r}; the only word that may follow '|' is 'safe', which "
                    "inserts the value as HTML."
                )
            if way == "safe":
                self._template.inserted.append(path)
            if path not in seen:
                seen.add(path)
                if path in FILLED_BY_THE_PAGE:
                    continue
                self._template.fields.append(TemplateField(path, line))


#: What a page knows by itself, under the names that Mephisto 1.x has for it.
FILLED_BY_THE_PAGE = frozenset({"mephisto_agent_id", "provider_worker_id"})
_MISSING: Any = object()
#: How other templates write what is ``${name}`` here.
_BRACES = re.compile(r"\{\{\s*([^{}|\n]+?)\s*\}\}")


def is_nameable(column: str) -> bool:
    """Return whether a template can name a column."""
    found = FIELD.fullmatch(f"${{{column}}}")
    return found is not None and found[1] == column


def has_field(data: Any, path: str) -> bool:
    """Return whether `data` has a value, which may be null, for ``${path}``; dots lead into nested objects."""
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
        for one in fields:
            if not has_field(data, one.path):
                raise DataFileError(
                    f"{label} lacks {one.path!r}, which the template uses on line {one.line}. "
                    f"The row has: {_names(data)}.{_suggest(one.path, data)}"
                )


def check_rows(fields: Sequence[TemplateField], rows: Sequence[tuple[str, InitializationData]]) -> None:
    """Raise `DataFileError` where the template asks for a field that no row, or not every row, has."""
    columns = {name: None for _, row in rows for data in _what_pages_see(row) for name in data}
    for one in fields:
        if not any(has_field(data, one.path) for _, row in rows for data in _what_pages_see(row)):
            raise DataFileError(
                f"The template uses ${{{one.path}}} on line {one.line}, which no row has (looked "
                f"at: {len(rows)}). The columns are: {_names(columns)}.{_suggest(one.path, columns)}"
            )
    for label, row in rows:
        check_row(fields, label, row)


def find_blanks(fields: Iterable[TemplateField], data: JSONObject) -> list[str]:
    """Return the fields that are there, and of which nothing would be seen."""
    return [one.path for one in fields if has_field(data, one.path) and is_blank(look_up(data, one.path))]


def is_blank(value: Any) -> bool:
    """Return whether a page would show nothing of a value."""
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


#: Labels of rows, by the fields that are empty in them.
Blanks: TypeAlias = dict[tuple[str, ...], list[str]]


def find_empty_rows(
    fields_of: Callable[[JSONObject], Sequence[TemplateField]], rows: Sequence[tuple[str, InitializationData]]
) -> tuple[Blanks, Blanks]:
    """Return the rows of which a page shows nothing at all, by all that it shows of them; and others, by field."""
    nothing: Blanks = {}
    some: Blanks = {}
    for label, row in rows:
        for data in _what_pages_see(row):
            fields = fields_of(data)
            blanks = find_blanks(fields, data)
            is_all = len(blanks) == len(fields) > 0
            for paths in [tuple(blanks)] if is_all else [(path,) for path in blanks]:
                labels = (nothing if is_all else some).setdefault(paths, [])
                if label not in labels[-1:]:
                    labels.append(label)
    return nothing, some


def check_braces(template: Template, columns: Collection[str]) -> None:
    """Raise `ConfigError` where a template without scripts shows ``{{column}}``, which nothing would fill in."""
    for match in _BRACES.finditer(template.html):
        if columns_of([TemplateField(match[1], 0)]) & set(columns):
            raise ConfigError(
                f"The page holds {match[0]}, which workers would read as it stands. Did you mean ${{{match[1]}}}? "
                "(If not, write &#123; for the first brace.)"
            )


def columns_of(fields: Iterable[TemplateField]) -> frozenset[str]:
    """Return the columns that fields of a template are looked for in."""
    return frozenset(name for field in fields for name in (field.path, field.path.partition(".")[0]))


def check_hidden(template: Template, name: str, hidden: Collection[str]) -> None:
    """Raise `ConfigError` where a template shows what is kept from pages."""
    for one in template.fields:
        if found := columns_of([one]) & set(hidden):
            raise ConfigError(
                f"{name} shows ${{{one.path}}} on line {one.line}, but mephisto.blueprint.attention_checks keeps "
                f"{min(found)!r} from workers' pages, as a right answer. Take it out of the template."
            )


def find_unnamed(template: Template, columns: Iterable[str], scripts: Iterable[str]) -> list[str]:
    """Return the columns that a page gets, though neither its template nor one of its scripts names them."""
    text = "\n".join([template.html, *template.scripts.values(), *scripts])
    return [name for name in dict.fromkeys(columns) if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]


def _what_pages_see(row: InitializationData) -> list[JSONObject]:
    return [{**row.shared, **unit_data} for unit_data in row.unit_data]


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


def _suggest(path: str, names: Iterable[str]) -> str:
    by_lower_case = {name.lower(): name for name in names}
    near = difflib.get_close_matches(path.lower(), by_lower_case, n=1)
    found = by_lower_case[near[0]] if near else ""
    if near and not is_nameable(found):
        return f" Is it the column {found!r}? No template can name that: give it a name without blanks around it."
    return f" Did you mean ${{{by_lower_case[near[0]]}}}?" if near else " Add the field to the data, or take it out."
