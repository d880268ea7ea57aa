"""Reads the configurations of Mephisto's FormComposer.

They are translated into our own description, part by part and in the same tree, so that whatever is wrong with one
is said with the path that it has in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.model import Form
from mephisto_nb.blueprints.form.spec import read_spec
from mephisto_nb.errors import ConfigError, DataFileError

_TOKEN = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_PLAIN_TOKEN = re.compile(r"[A-Za-z_][\w.-]*")
_INSERTION = re.compile(r"[^<>\n]+\.html?")
#: What matters for looks, or for FormComposer's own scripts alone.
_UNUSED = ("id", "classes", "show_preview", "show_instructions_as_modal")
_VALIDATORS = {"required": "required", "minLength": "min_length", "maxLength": "max_length"}
_DEFAULT_FLAGS = "igm"


def is_form_composer(value: Any) -> bool:
    """Tell whether this is a configuration of FormComposer: a form below the key ``form``, or a list of such."""
    if isinstance(value, list):
        return bool(value) and all(map(is_form_composer, value))
    return isinstance(value, Mapping) and isinstance(value.get("form"), Mapping)


def read_form_composer(value: Any, where: str, folder: Path | None = None) -> Form:
    """Read ``task_data.json`` or ``unit_config.json``; `folder` is where its HTML insertions lie.

    Without a folder it is the working directory. ``{{name}}`` in texts becomes ``${name}``, the row's value.

    Raises
    ------
    ConfigError
        Naming the path to what cannot be used: an unknown key, a trigger, a validator of the task's own.
    DataFileError
        An HTML insertion cannot be read.
    """
    if isinstance(value, list):
        if any(one != value[0] for one in value):
            raise ConfigError(
                f"{where} holds {len(value)} forms that differ. A task has one form: give its unit_config.json with "
                "{{tokens}}, and the tokens' values as rows of data; or launch a task for each form."
            )
        value, where = value[0], f"{where}[0]"
    return read_spec(_Translator(folder or Path.cwd()).form(value["form"], f"{where}.form"), f"{where}.form")


class _Translator:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def form(self, form: Mapping[str, Any], where: str) -> JSONObject:
        spec = self._common(form, where)
        button = spec.pop("submit_button", None) or {}
        if not isinstance(button, Mapping):
            raise ConfigError(f"{where}.submit_button is {button!r}; it must be a mapping of settings.")
        button = self._common(button, f"{where}.submit_button")
        for key in set(button) - {"text", "instruction", "tooltip"}:
            raise ConfigError(f"{where}.submit_button.{key} is not known. There are: instruction, text, tooltip.")
        said = [text for text in (button.get("instruction"), button.get("tooltip")) if text]
        spec |= {"submit_label": button.get("text", ""), "submit_instruction": " ".join(said)}
        return self._below(spec, "sections", where, self._section)

    def _section(self, section: Mapping[str, Any], where: str) -> JSONObject:
        spec = self._common(section, where)
        spec.pop("name", None)
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
        if spec.get("type") == "input":
            spec["type"] = "text"
        validators = spec.pop("validators", None) or {}
        if not isinstance(validators, Mapping):
            raise ConfigError(f"{where}.validators is {validators!r}; it must be a mapping of validators.")
        for name, argument in validators.items():
            spec |= _validator(name, argument, f"{where}.validators.{name}")
        _translate_choices(spec)
        return spec

    def _common(self, part: Mapping[str, Any], where: str) -> JSONObject:
        """Leave out what is not used, refuse what would run code, and translate tokens and insertions."""
        if part.get("triggers"):
            raise ConfigError(
                f"{where}.triggers calls functions of custom_triggers.js, which are not run here. Remove the key; "
                "show_if={'field': ['answer']} shows a field, fieldset or section for certain answers alone."
            )
        spec = {key: value for key, value in part.items() if key not in (*_UNUSED, "triggers")}
        for key in ("title", "label", "tooltip", "instruction", "help", "text"):
            if isinstance(spec.get(key), str):
                is_html = key in ("instruction", "help")
                text = self._inserted(spec[key], f"{where}.{key}")
                spec[key] = _with_fields(text if is_html else _only_text(text), f"{where}.{key}")
        return spec

    def _inserted(self, text: str, where: str) -> str:
        if not _INSERTION.fullmatch(text.strip()):
            return text
        file = self._folder / text.strip()
        try:
            return file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DataFileError(
                f"{where} is {text!r}, an HTML insertion that cannot be read (looked for {file.absolute()}): {error}. "
                "Put the file there."
            ) from error


def _validator(name: str, argument: Any, where: str) -> JSONObject:
    if name in _VALIDATORS:
        return {_VALIDATORS[name]: argument}
    if name == "fileExtension":
        return {"extensions": [argument] if isinstance(argument, str) else argument}
    if name == "regexp":
        pattern = argument if isinstance(argument, list) else [argument, _DEFAULT_FLAGS]
        if len(pattern) not in (1, 2) or not all(isinstance(one, str) for one in pattern):
            raise ConfigError(f"{where} is {argument!r}; it must be a regular expression, or [expression, flags].")
        return {"pattern": pattern[0], "pattern_flags": pattern[1] if len(pattern) == 2 else _DEFAULT_FLAGS}
    raise ConfigError(
        f"{where} is a validator of custom_validators.js, which is not run here. Remove it, or say it with one of: "
        f"{', '.join([*_VALIDATORS, 'regexp', 'fileExtension'])}."
    )


def _translate_choices(spec: JSONObject) -> None:
    """Turn FormComposer's presets, and the option that stands for no choice, into ours."""
    value, options = spec.get("value"), spec.get("options")
    if isinstance(value, Mapping):
        spec["value"] = [name for name, is_on in value.items() if is_on]
    if spec.get("type") == "select":
        if spec.get("multiple") is False:
            del spec["multiple"]
        if isinstance(options, list):
            empty = [one for one in options if isinstance(one, Mapping) and one.get("value") == ""]
            spec["options"] = [one for one in options if one not in empty]
            spec["placeholder"] = spec.get("placeholder") or next((one.get("label", "") for one in empty), "")
    elif isinstance(options, list):
        spec["options"] = [
            {key: one[key] for key in one if key != "name"} if isinstance(one, Mapping) else one for one in options
        ]
        spec.pop("placeholder", None)


def _with_fields(text: str, where: str) -> str:
    def field(token: re.Match[str]) -> str:
        if _PLAIN_TOKEN.fullmatch(token[1]):
            return f"${{{token[1]}}}"
        raise ConfigError(
            f"{where} holds {token[0]!r}, which calls a procedure. Put what it gives into the data, and name that "
            "column: {{column}}."
        )

    return _TOKEN.sub(field, text)


class _TextOnly(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


def _only_text(html: str) -> str:
    """Give the words of a label or heading, where FormComposer allows HTML and a screen reader needs a name."""
    if "<" not in html and "&" not in html:
        return html
    parser = _TextOnly()
    parser.feed(html)
    parser.close()
    return parser.text.strip()
