"""Reads the configurations of Mephisto's FormComposer.

They are translated into our own description, part by part and in the same tree, so that whatever is wrong with one
is said with the path that it has in the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.html import only_text
from mephisto_nb.blueprints.form.model import VERSION, Form, ReadForms
from mephisto_nb.blueprints.form.spec import read_spec
from mephisto_nb.blueprints.form.types import TYPES
from mephisto_nb.blueprints.form.types._base import FieldType
from mephisto_nb.blueprints.static_html.args import remark
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.utils.foreign import below, holds_everything, inside, read_bytes

_TOKEN = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_PLAIN_TOKEN = re.compile(r"[A-Za-z_][\w.-]*")
_PRESIGNED = re.compile(r"""get(?:Multiple)?PresignedUrls?\(\s*(?:\\?["'])?(.*?)(?:\\?["'])?\s*\)""", re.DOTALL)
_INSERTION = re.compile(r"[^<>\n]+\.html?")
_VALIDATORS = {"required": "required", "minLength": "min_length", "maxLength": "max_length"}
_DEFAULT_FLAGS = "igm"
#: Where the researcher's own functions lie below the folder of the configuration.
INSERTIONS = "insertions"
_TOKENS_VALUES = "tokens_values"
#: What a configuration may hold.
_BESIDE = ("form", "form_metadata")


def is_form_composer(value: Any) -> bool:
    """Return whether this is a configuration of FormComposer: a form below the key ``form``, or a list of such."""
    if isinstance(value, list):
        return bool(value) and all(map(is_form_composer, value))
    return isinstance(value, Mapping) and isinstance(value.get("form"), Mapping)


def refuse_annotator(value: Any, where: str) -> None:
    """Raise `ConfigError` for a configuration of Mephisto's VideoAnnotator, which says what to do with it."""
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, Mapping) and isinstance(first.get("annotator"), Mapping):
        raise ConfigError(
            f"{where} is a configuration of Mephisto's VideoAnnotator, which marks segments of a film: it is no form. "
            "Its page is a bundle of its own: build the task's webapp, and launch that as a 'static_react_task' with "
            "task_source=<its bundle.js> and the rows in data_json=<its task_data.json>."
        )


def read_form_composer(
    value: Any, where: str, folder: Path | None = None, html_tokens: Collection[str] = ()
) -> ReadForms:
    """Read what ``task_data.json``, ``unit_config.json`` or ``form_config.json`` holds.

    ``{{name}}`` in texts becomes ``${name}``, the row's value; an address that a procedure is to sign becomes a column.

    Parameters
    ----------
    value
        One configuration, or a list of them: one a row.
    where
        What error messages call it.
    folder
        Where its insertions lie. None: the working directory, unless that is the home folder or the whole disk.
    html_tokens
        Tokens whose values are HTML that was found good.

    Raises
    ------
    ConfigError
        Naming the path to what cannot be used.
    DataFileError
        An HTML insertion cannot be read, or leads out of the folder.
    """
    folder = folder or _working_directory()
    whole, forms, rows = value if isinstance(value, list) else [value], [], []
    signed: dict[str, None] = {}
    for index, one in enumerate(whole):
        _tell_strange_keys(one, f"{where}[{index}]" if isinstance(value, list) else where)
        place = f"{where}[{index}].form" if isinstance(value, list) else f"{where}.form"
        translator = _Translator(folder, html_tokens)
        form = read_spec(translator.form(one["form"], place), place)
        forms += [] if form in forms else [form]
        signed |= dict.fromkeys(translator.addresses)
        rows.append({VERSION: forms.index(form) + 1, **_tokens_of(one), **translator.addresses})
    if len(forms) == 1:
        rows = [{name: row[name] for name in row if name != VERSION} for row in rows]
    has_rows = isinstance(value, list) or any(rows)
    scripts = _scripts_of(folder, where) if any(map(_calls_scripts, forms)) else ""
    return ReadForms(tuple(forms), rows if has_rows else None, scripts, tuple(signed))


def _working_directory() -> Path | None:
    """Return the working directory; None where it holds everything, of which a form from elsewhere gets nothing."""
    return None if holds_everything(Path.cwd()) else Path.cwd()


def _scripts_of(folder: Path | None, where: str) -> str:
    if folder is None:
        raise _in_no_folder(where, f"functions of the folder {INSERTIONS!r}")
    return str(inside(folder / INSERTIONS, folder, where))


def _in_no_folder(where: str, asked: str) -> DataFileError:
    return DataFileError(
        f"{where} asks for {asked}, from the working directory. That is {str(Path.cwd())!r}, which holds all that you "
        "have, so nothing is taken from there. Write the form into a file in a folder of the task's own, with what it "
        "asks for beside it, and give its path; or start the notebook in such a folder."
    )


def read_insertion(text: str, folder: Path | None, where: str) -> str:
    """Return the HTML of the file that a text is the name of; or the text, where it is none."""
    if not _INSERTION.fullmatch(text.strip()):
        return text
    if folder is None:
        raise _in_no_folder(where, repr(text))
    file = below(folder, text.strip(), where)
    try:
        return read_bytes(file, where, root=folder).decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(
            f"{where} is {text!r}, an HTML insertion that cannot be read (looked for {file.absolute()}): {error}. "
            "Put the file there."
        ) from error


def presigned_address(token: str) -> str | None:
    """Return the address that a procedure token asks to be signed; None for any other text."""
    inner = _TOKEN.fullmatch(token.strip())
    found = _PRESIGNED.fullmatch(inner[1] if inner else token.strip())
    return unquote(found[1]) if found else None


def tokens_in(config: Any, folder: Path) -> list[str]:
    """Return the names of the tokens that the texts of a configuration hold, and its HTML insertions in `folder`."""
    if isinstance(config, str):
        with suppress(DataFileError):  # told, with its place, once the form is read
            config = read_insertion(config, folder, "")
        return [token[1] for token in _TOKEN.finditer(config) if _PLAIN_TOKEN.fullmatch(token[1])]
    inner = config.values() if isinstance(config, Mapping) else config if isinstance(config, Sequence) else ()
    return list(dict.fromkeys(name for one in inner for name in tokens_in(one, folder)))


def _tell_strange_keys(one: Mapping[str, Any], where: str) -> None:
    """Say which parts beside a form FormComposer would refuse."""
    strange = [
        key
        for key, part in one.items()
        if key not in _BESIDE and not (isinstance(part, Mapping) and _TOKENS_VALUES in part)
    ]
    if strange:
        names = ", ".join(map(repr, strange))
        remark(f"{where} holds {names} beside 'form', which FormComposer does not know: left out.")


def _tokens_of(one: Mapping[str, Any]) -> JSONObject:
    """Return the values that an extrapolated form was made with, which lie beside it."""
    beside = (part[_TOKENS_VALUES] for part in one.values() if isinstance(part, Mapping) and _TOKENS_VALUES in part)
    return dict(next(beside, {}))


def _calls_scripts(form: Form) -> bool:
    return form.has_triggers or bool(form.custom_checks)


class _Translator:
    """Translates one form; `addresses` are those that have to be signed, by the columns they became."""

    def __init__(self, folder: Path | None, html_tokens: Collection[str]) -> None:
        self._folder, self._html_tokens = folder, html_tokens
        self.addresses: dict[str, str] = {}

    def form(self, form: Mapping[str, Any], where: str) -> JSONObject:
        spec = self._common(form, where)
        spec["fold_instruction"] = spec.pop("show_instructions_as_modal", False)
        button = spec.pop("submit_button", None) or {}
        if not isinstance(button, Mapping):
            raise ConfigError(f"{where}.submit_button is {button!r}; it must be a mapping of settings.")
        button = self._common(button, f"{where}.submit_button")
        known = {"classes", "id", "instruction", "text", "tooltip", "triggers"}
        for key in set(button) - known:
            raise ConfigError(f"{where}.submit_button.{key} is not known. There are: {', '.join(sorted(known))}.")
        own = {"label": "text", "instruction": "instruction", "tooltip": "tooltip", "triggers": "triggers", "id": "id"}
        spec |= {f"submit_{ours}": button.get(theirs) for ours, theirs in own.items()}
        return self._below(spec, "sections", where, self._section)

    def _section(self, section: Mapping[str, Any], where: str) -> JSONObject:
        spec = self._common(section, where)
        spec.pop("name", None)
        if spec.setdefault("collapsable", True) is False:
            spec["initially_collapsed"] = False
        return self._below(spec, "fieldsets", where, self._fieldset)

    def _fieldset(self, fieldset: Mapping[str, Any], where: str) -> JSONObject:
        spec = self._common(fieldset, where)
        spec.pop("name", None)
        return self._below(spec, "rows", where, self._row)

    def _row(self, row: Mapping[str, Any], where: str) -> JSONObject:
        return self._below(self._common(row, where), "fields", where, self._field)

    def _below(self, spec: JSONObject, key: str, where: str, translate: Any) -> JSONObject:
        parts = spec.get(key)
        if isinstance(parts, list):
            spec[key] = [
                translate(part, f"{where}.{key}[{index}]") if isinstance(part, Mapping) else part
                for index, part in enumerate(parts)
            ]
        return spec

    def _field(self, field: Mapping[str, Any], where: str) -> JSONObject:
        spec = self._common(field, where)
        if title := spec.pop("title", None):
            spec["tooltip"] = spec.get("tooltip") or title  # its older name
        if spec.get("tooltip") == spec.get("label"):
            spec.pop("tooltip", None)  # said once is enough
        validators = spec.pop("validators", None) or {}
        if not isinstance(validators, Mapping):
            raise ConfigError(f"{where}.validators is {validators!r}; it must be a mapping of validators.")
        for name, argument in validators.items():
            _add_validator(spec, name, argument, f"{where}.validators.{name}")
        if not spec.get("type"):
            remark(f"{where} has no type, which FormComposer refuses: it is taken for an 'input'.")
        kind = _type_called(spec.get("type") or "text")
        if kind is not None:
            spec["type"] = kind.name
            kind.from_composer(spec)
        if kind is None or "show_preview" not in kind.keys:
            spec.pop("show_preview", None)
        return spec

    def _common(self, part: Mapping[str, Any], where: str) -> JSONObject:
        """Translate what parts of all levels have: tokens, insertions and triggers."""
        spec = dict(part)
        for key in ("title", "label", "tooltip", "instruction", "help", "text"):
            if isinstance(spec.get(key), str):
                is_html = key in ("instruction", "help")
                text = read_insertion(spec[key], self._folder, f"{where}.{key}")
                spec[key] = self._with_fields(text if is_html else only_text(text), f"{where}.{key}", is_html)
        triggers = spec.get("triggers")
        if isinstance(triggers, Mapping):
            spec["triggers"] = {event: _spread(call) for event, call in triggers.items()}
        return spec

    def _with_fields(self, text: str, where: str, is_html: bool) -> str:
        def field(token: re.Match[str]) -> str:
            if _PLAIN_TOKEN.fullmatch(token[1]):
                return f"${{{token[1]}{' | safe' if is_html and token[1] in self._html_tokens else ''}}}"
            address = presigned_address(token[0])
            if address is None:
                raise ConfigError(
                    f"{where} holds {token[0]!r}, which calls a procedure. Put what it gives into the data, and name "
                    "that column: {{column}}."
                )
            column = f"presigned_url_{len(self.addresses) + 1}"
            known = next((name for name, one in self.addresses.items() if one == address), column)
            self.addresses[known] = address
            return f"${{{known}}}"

        return _TOKEN.sub(field, text)


def _spread(call: Any) -> Any:
    """Return a function's name and what it is given one by one: FormComposer takes a list apart."""
    if isinstance(call, str):
        return [call]
    if isinstance(call, list) and len(call) == 2 and isinstance(call[1], list):
        return [call[0], *call[1]]
    return call


def _add_validator(spec: JSONObject, name: str, argument: Any, where: str) -> None:
    if name in _VALIDATORS:
        is_length = name != "required" and isinstance(argument, float) and math.isfinite(argument)
        spec[_VALIDATORS[name]] = math.floor(argument) if is_length else argument
    elif name == "fileExtension":
        spec["extensions"] = [argument] if isinstance(argument, str) else argument
    elif name == "regexp":
        pattern = argument if isinstance(argument, list) else [argument, _DEFAULT_FLAGS]
        if len(pattern) not in (1, 2) or not all(isinstance(one, str) for one in pattern):
            raise ConfigError(f"{where} is {argument!r}; it must be a regular expression, or [expression, flags].")
        spec |= {"pattern": pattern[0], "pattern_flags": (pattern[1:] or [""])[0] or _DEFAULT_FLAGS}
    else:
        spec["custom_checks"] = {**spec.get("custom_checks", {}), name: argument}
    if name in ("minLength", "regexp"):
        spec["check_empty"] = True  # FormComposer holds them against an empty field, too


def _type_called(name: Any) -> FieldType[Any] | None:
    """Return the type that FormComposer calls by a name; None: it is no type's."""
    return next((one for one in TYPES.values() if name in (one.composer_name, one.name)), None)
