"""The anywidget that is the live display, in whatever Jupyter this is installed into.

Its packages are imported when a display is first shown: scripts, which show none, begin without waiting for them.

A page gets the widget's code from the environment of the Jupyter server, which may be another one than the kernel's. If
that one has anywidget too, displays are live. If it has no widgets at all, the page shows the still summary; if it has
ipywidgets alone, an error instead: ``pip install anywidget`` there, and reload the page.

It wants one module and one style sheet. The sources are plain ES modules and style sheets, each small enough to be
read. There is no build step: the modules are put one behind the other, in the order given, without their imports of
each other and without the word `export`, so that a top-level name may be used only once among them all.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.actions import describe_actions
from mephisto_nb.display.widgets.widget_server import FindSubject, WidgetServer

_OWN_IMPORT = re.compile(r'^import \{[^}]*\} from "\./\w+\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


@dataclass(frozen=True, eq=False)
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
    tables
        What the module reads of its model beside the topic, by name; it stays as it is.
    """

    name: str
    modules: tuple[str, ...]
    sheets: tuple[str, ...]
    bundle: Callable[[str], str] = str
    tables: Mapping[str, JSON] = field(default_factory=dict)

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
    tables={"actions": describe_actions()},
)


def _read(folder: str, name: str) -> str:
    return (files("mephisto_nb.display.widgets") / folder / name).read_text(encoding="utf-8")


def can_be_live() -> bool:
    """Return whether there is a kernel with a loop that runs."""
    if "IPython" not in sys.modules:  # a kernel has imported it
        return False
    import IPython

    shell: Any = IPython.get_ipython()  # type: ignore[no-untyped-call, unused-ignore]
    return getattr(shell, "kernel", None) is not None and asyncio._get_running_loop() is not None


def make_model(topic: str, find: FindSubject, front_end: FrontEnd = DASHBOARD) -> Any:
    """Make the widget of a topic, and the server that answers its views.

    Messages arrive on whichever thread the kernel likes, and their loop may be another one: all of them are handed
    over to the loop of this call, here and nowhere else.
    """
    loop = asyncio.get_running_loop()
    model = _model_class(front_end)(topic=topic)

    def send(message: JSONObject) -> None:
        model.send(message)

    server = WidgetServer(find, send, loop)
    model.on_msg(lambda _, message, buffers: loop.call_soon_threadsafe(server.handle, message))
    return model


@cache
def _model_class(front_end: FrontEnd) -> Any:
    import anywidget
    import traitlets

    topic = traitlets.Unicode().tag(sync=True)
    tables = {name: traitlets.Any(table).tag(sync=True) for name, table in front_end.tables.items()}
    parts = {"_esm": front_end.script, "_css": front_end.styles, "topic": topic, **tables}
    return type(front_end.name, (anywidget.AnyWidget,), parts)
