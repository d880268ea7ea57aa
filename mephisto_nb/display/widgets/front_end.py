"""The front end as the one module and the one style sheet that anywidget wants.

The sources are plain ES modules and style sheets, each small enough to be read. There is no build step: the modules
are put one behind the other, in the order below, without their imports of each other and without the word `export`,
so that a top-level name may be used only once among them all.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

#: What is put together, in this order: a module comes after those that it needs as it is loaded.
MODULES = ("dom", "words", "link", "overview", "figures", "people", "dialogs", "steering", "run", "runs", "index")
STYLES = ("dashboard", "panels")

_OWN_IMPORT = re.compile(r'^import \{[^}]*\} from "\./\w+\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


@cache
def script(modules: tuple[str, ...] = MODULES) -> str:
    """Give the front end's module."""
    return "\n".join(_EXPORT.sub("", _OWN_IMPORT.sub("", _read("js", f"{name}.js"))) for name in modules)


@cache
def styles(sheets: tuple[str, ...] = STYLES) -> str:
    """Give the front end's style sheet."""
    return "\n".join(_read("css", f"{name}.css") for name in sheets)


def _read(folder: str, name: str) -> str:
    return (files("mephisto_nb.display.widgets") / folder / name).read_text(encoding="utf-8")
