"""Draws a form as the template that a static_html task serves, and lays the researcher's own functions beside it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.form.checks import checks_of, wants_answer
from mephisto_nb.blueprints.form.html import is_shown_as_text
from mephisto_nb.blueprints.form.model import VERSION, Field, Form
from mephisto_nb.blueprints.form.types import FOLDER, read_beside, type_of
from mephisto_nb.blueprints.form.types._base import as_text
from mephisto_nb.blueprints.static_html.template import FIELD, look_up
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.utils.foreign import as_path, files_below, read_bytes

PAGE = Path(__file__).parent / "page"
#: The column under which the page of a row is handed its own form, where rows have different ones.
ROWS_FORM = "(form)"
#: Where the researcher's own functions lie below the site.
_INSERTIONS = "insertions"
_HELPERS = "form_helpers.js"
#: How functions written for FormComposer import what it offers them.
_PACKAGES = re.compile(r"""(["'])(?:react-form-composer|mephisto-addons)\1""")


def render_form(form: Form) -> str:
    """Write the form as HTML, with its style and its script; ``${name}`` stays, to be filled in the browser."""
    return _render(form, script=_script(), style=_style())


def render_forms() -> str:
    """Write the page of rows that have different forms: each row's data holds its own, as `fill_form` makes it."""
    script = f'<script type="module" data-runs-again="{START}">{_script()}</script>'
    return f"<style>{_style()}</style>${{{ROWS_FORM} | safe}}{script}"


def render_version(form: Form, version: int) -> str:
    """Write one of several forms, without style and script; it says by a hidden input which of them it is."""
    return _render(form, version=version)


def fill_form(html: str, row: Mapping[str, Any]) -> str:
    """Put a row's values in place of ``${name}``, in the way of `page/template.js`."""

    def fill(found: re.Match[str]) -> str:
        value = _value_of(row, found[1], is_html=found[2] == "safe")
        has_lines = found[2] != "safe" and re.search("[\r\n]", value) is not None
        if has_lines and is_shown_as_text(html[: found.start()]):
            return f'<span class="keeps-lines">{value}</span>'
        return value

    return FIELD.sub(fill, html)


def scripts_of(form: Form) -> list[str]:
    """Name the files of the researcher's own functions that a form calls."""
    named = {"custom_validators": bool(form.custom_checks), "custom_triggers": form.has_triggers}
    return [name for name, is_needed in named.items() if is_needed]


def _render(form: Form, *, version: int = 0, script: str = "", style: str = "") -> str:
    html: str = (
        _environment()
        .get_template("form.html")
        .render(
            form=form,
            version=version,
            version_name=VERSION,
            scripts=scripts_of(form),
            has_wanted=any(map(wants_answer, form.fields())),
            described_fields={one.name: _describe(one) for one in form.fields()},
            script=script,
            style=style,
        )
    )
    return html


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([PAGE, FOLDER]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals.update(checks=_checks, draw=_draw, json=_json, type_of=type_of, wanted=wants_answer)
    return environment


def _draw(field: Field, element_id: str) -> str:
    """Draw what stands in a field's place: the macro ``field`` of its family."""
    macros: Any = _environment().get_template(f"{type_of(field).family}.html").module
    html: str = macros.field(field, element_id)
    return html


#: The function by which a page begins with one form more.
START = "mephistoStartForm"
_BEGIN = """function start() {
over?.abort();
over = new AbortController();
const { signal } = over;
"""


def _script() -> str:
    """Join the scripts of the families, each with names of its own, and that of every form.

    All of it is one function, which the page calls for each form that it shows, one after another: what the last call
    listens for is over then.
    """
    base, *families = read_beside("js")
    inner = "\n".join([base, *(f"{{\n{one}}}" for one in families), _read("form.js")])
    return f"let over = null;\n\n{_BEGIN}\n{inner}}}\n\nglobalThis.{START} = start;\nstart();\n"


def _style() -> str:
    return "\n".join([_read("form.css"), *read_beside("css")])


def _read(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _checks(field: Field) -> str:
    return _json([[check.kind, check.value, check.message, check.on_empty] for check in checks_of(field)])


def _json(value: Any) -> str:
    # A pattern may hold what would pass for a field of the row.
    return json.dumps(value).replace("$", "\\u0024")


def _describe(field: Field) -> JSONObject:
    """Return a field as FormComposer's functions know it."""
    kind = type_of(field)
    offered = kind.options(field)
    return {
        "name": field.name,
        "type": kind.composer_name or field.type,
        "label": field.label,
        "id": field.id,
        "options": [{"value": one.value, "label": one.label, "checked": one.checked} for one in offered],
        "validators": {"required": field.required, **field.custom_checks},
        **kind.describe(field),
    }


def _value_of(row: Mapping[str, Any], path: str, *, is_html: bool) -> str:
    value = look_up(row, path)
    text = "" if value is None else json.dumps(value) if isinstance(value, list | dict) else as_text(value)
    return text if is_html else escape(text)


def check_insertions(forms: Sequence[Form], folder: str) -> None:
    """Raise `ConfigError` where a form calls a function that no file has."""
    for file, names in _called(forms).items():
        if not names:
            continue
        script = as_path(folder, "mephisto.blueprint.insertions") / file
        if not folder or not script.is_file():
            where = f"looked for {script.absolute()}" if folder else "mephisto.blueprint.insertions is not set"
            raise ConfigError(
                f"The form calls {', '.join(names)}, of {file}, which is not there ({where}). Put it into the folder "
                "that insertions names, or take the call out."
            )
        text = read_bytes(script, f"mephisto.blueprint.insertions ({folder})", root=Path(folder).expanduser()).decode(
            "utf-8-sig", "replace"
        )
        for name in names:
            if not re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text):
                raise ConfigError(f"The form calls {name!r}, which {script} does not export. Correct the name.")


def copy_insertions(forms: Sequence[Form], folder: str, site: Path) -> None:
    """Lay the functions, and what they import, beside the page."""
    if not any(_called(forms).values()):
        return
    target, source = site / _INSERTIONS, Path(folder).expanduser()
    what = f"mephisto.blueprint.insertions ({folder})"
    try:
        for script in files_below(source, what, (".js", ".mjs")):
            copy = target / script.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            up = "../" * len(copy.relative_to(site).parent.parts)
            text = read_bytes(script, what, root=source).decode("utf-8-sig")
            copy.write_bytes(_PACKAGES.sub(rf"\g<1>{up}{_HELPERS}\g<1>", text).encode())
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"mephisto.blueprint.insertions cannot be copied: {error}") from error
    shutil.copyfile(PAGE / _HELPERS, site / _HELPERS)


def _called(forms: Sequence[Form]) -> dict[str, list[str]]:
    checks = [name for form in forms for names in form.custom_checks.values() for name in names]
    called = [call for form in forms for call in form.triggers()]
    return {
        "custom_validators.js": list(dict.fromkeys(checks)),
        "custom_triggers.js": list(dict.fromkeys(called)),
    }
