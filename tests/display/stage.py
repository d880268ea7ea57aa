"""The panels of people on a page of their own, with the server, model and database that they have in a notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page

from mephisto_nb.display.people_panels import PEOPLE
from mephisto_nb.display.widgets.widget import StateSource, Subject, WidgetServer
from mephisto_nb.operator import Operator
from tests.display.harness import PAGE, theme
from tests.inside import people_model_of

MODEL = """
const listeners = new Set();
window.tell = (message) => { for (const listener of [...listeners]) listener(message); };
window.mount = async (source, topic, width) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  window.widget ??= (await import(url)).default;
  const el = document.createElement("div");
  if (width) el.style.width = width;
  document.querySelector("main").append(el);
  const on = (event, one) => event === "msg:custom" && listeners.add(one);
  const off = (_, one) => listeners.delete(one);
  const model = { get: () => topic, on, off, send: toDesk };
  return widget.render({ model, el });
};
"""


class Stage:
    """Panels on a page; what they ask goes to a real server in this process."""

    def __init__(self, page: Page, operator: Operator) -> None:
        self.page, self.operator = page, operator
        #: What is shown of a topic, and the front end that shows it.
        self.source: Callable[[], StateSource] = lambda: people_model_of(operator)
        self.front_end = PEOPLE
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None
        self._server = WidgetServer(self._find, self._outbox.put_nowait, asyncio.get_running_loop())

    async def open(self, topic: str, *, dark: bool = False, width: str = "") -> None:
        """Show a panel."""
        await self.page.emulate_media(color_scheme="dark" if dark else "light")
        name = "dark" if dark else "light"
        await self.page.set_content(
            PAGE.format(theme=theme(name), styles=self.front_end.styles, light=str(not dark).lower())
        )
        if self._pump is None:
            await self.page.expose_function("toDesk", self._server.handle)
            self._pump = asyncio.create_task(self._send())
        await self.page.add_script_tag(content=f"{{ {MODEL} }}")
        await self.page.evaluate("() => { window.widget = undefined; }")
        await self.page.evaluate(
            "async ([source, topic, width]) => { await mount(source, topic, width); }",
            [self.front_end.script, topic, width],
        )

    async def close(self) -> None:
        """Take the server away."""
        self._server.close()
        if self._pump is not None:
            self._pump.cancel()

    async def _find(self, topic: str) -> Subject:
        return Subject(self.source())

    async def _send(self) -> None:
        while True:
            message = await self._outbox.get()
            await self.page.evaluate("(message) => tell(message)", message)
