"""The researcher's own functions: looked for before a launch, and laid beside the page, where they may run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from mephisto_nb.blueprints.form.model import Form
from mephisto_nb.blueprints.form.render import PAGE
from mephisto_nb.errors import ConfigError, DataFileError

#: Where they lie below the site.
FOLDER = "insertions"
_HELPERS = "form_helpers.js"
#: How functions written for FormComposer import what it offers them.
_PACKAGES = re.compile(r"""(["'])(?:react-form-composer|mephisto-addons)\1""")


def check_insertions(forms: Sequence[Form], folder: str) -> None:
    """Raise `ConfigError` where a form calls a function that no file has."""
    for file, names in _called(forms).items():
        script = Path(folder).expanduser() / file
        if not names:
            continue
        if not folder or not script.is_file():
            where = f"looked for {script.absolute()}" if folder else "mephisto.blueprint.insertions is not set"
            raise ConfigError(
                f"The form calls {', '.join(names)}, of {file}, which is not there ({where}). Put it into the folder "
                "that insertions names, or take the call out."
            )
        text = script.read_text(encoding="utf-8-sig")
        for name in names:
            if not re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text):
                raise ConfigError(f"The form calls {name!r}, which {script} does not export. Correct the name.")


def copy_insertions(forms: Sequence[Form], folder: str, site: Path) -> None:
    """Lay the functions, and what they import, beside the page."""
    if not any(_called(forms).values()):
        return
    target, source = site / FOLDER, Path(folder).expanduser()
    try:
        for script in sorted([*source.rglob("*.js"), *source.rglob("*.mjs")]):
            copy = target / script.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            up = "../" * len(copy.relative_to(site).parent.parts)
            text = script.read_text(encoding="utf-8-sig")
            copy.write_text(_PACKAGES.sub(rf"\g<1>{up}{_HELPERS}\g<1>", text), encoding="utf-8")
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
