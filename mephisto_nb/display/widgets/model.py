"""The anywidget that is the live display, where ipywidgets and anywidget are installed (extra ``lab``)."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.util import find_spec
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.widgets.widget import DASHBOARD, FrontEnd
from mephisto_nb.display.widgets.widget_server import Desk, FindSubject
from mephisto_nb.errors import ConfigError


def can_be_live() -> bool:
    """Tell whether there is a kernel with a loop that runs, and what a live display needs."""
    if find_spec("anywidget") is None or find_spec("IPython") is None:
        return False
    import IPython

    shell: Any = IPython.get_ipython()  # type: ignore[no-untyped-call, unused-ignore]
    return getattr(shell, "kernel", None) is not None and asyncio._get_running_loop() is not None


def make_model(topic: str, find: FindSubject, front_end: FrontEnd = DASHBOARD) -> Any:
    """Make the widget of a topic, and the desk that answers its views.

    Messages arrive on whichever thread the kernel likes, and their loop may be another one: all of them are handed
    over to the loop of this call, here and nowhere else.

    Raises
    ------
    ConfigError
        anywidget is not installed.
    """
    if find_spec("anywidget") is None:
        raise ConfigError("A live display needs anywidget. Install it: pip install 'mephisto-nb[lab]'.")
    loop = asyncio.get_running_loop()
    model = _model_class(front_end)(topic=topic)

    def send(message: JSONObject) -> None:
        model.send(message)

    desk = Desk(find, send, loop)
    model.on_msg(lambda _, message, buffers: loop.call_soon_threadsafe(desk.handle, message))
    return model


@cache
def _model_class(front_end: FrontEnd) -> Any:
    import anywidget
    import traitlets

    topic = traitlets.Unicode().tag(sync=True)
    parts = {"_esm": front_end.script, "_css": front_end.styles, "topic": topic}
    return type(front_end.name, (anywidget.AnyWidget,), parts)
