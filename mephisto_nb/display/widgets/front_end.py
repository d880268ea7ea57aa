"""The front end of each kind of widget as the one module and the one style sheet that anywidget wants.

The sources are plain ES modules and style sheets, each small enough to be read. There is no build step: the modules
are put one behind the other, in the order given, without their imports of each other and without the word `export`,
so that a top-level name may be used only once among them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

_OWN_IMPORT = re.compile(r'^import \{[^}]*\} from "\./\w+\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


@dataclass(frozen=True)
class FrontEnd:
    """The module and the style sheet of one kind of widget.

    Parameters
    ----------
    name
        What its class is called. No two may share a name: a page keeps one style sheet of each.
    modules, sheets
        Names of files in ``js`` and ``css``. A module comes after those that it needs as it is loaded.
    bundle
        What is done with the module before it is served.
    """

    name: str
    modules: tuple[str, ...]
    sheets: tuple[str, ...]
    bundle: Callable[[str], str] = str

    @cached_property
    def script(self) -> str:
        """The module."""
        sources = (_read("js", f"{name}.js") for name in self.modules)
        return self.bundle("\n".join(_EXPORT.sub("", _OWN_IMPORT.sub("", source)) for source in sources))

    @cached_property
    def styles(self) -> str:
        """The style sheet."""
        return "\n".join(_read("css", f"{name}.css") for name in self.sheets)


#: The dashboard of a run, and the list of runs.
DASHBOARD = FrontEnd(
    "Dashboard",
    ("words", "dom", "link", "overview", "figures", "people", "dialogs", "steering", "run", "runs", "index"),
    ("base", "dashboard", "panels"),
)


def _read(folder: str, name: str) -> str:
    return (files("mephisto_nb.display.widgets") / folder / name).read_text(encoding="utf-8")
