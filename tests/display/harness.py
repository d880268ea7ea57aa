"""The front end on a page of its own, with a stub for the model: no kernel, no JupyterLab."""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from mephisto_nb.display.widgets.widget import DASHBOARD, FrontEnd
from tests.display.states import NOW, SUBMISSION

#: A model that keeps what it is sent, answers looks and questions as a kernel would, and can be told things.
MODEL = """
window.sent = []; window.acts = []; window.states = {}; window.revs = {}; window.silent = false;
const listeners = new Set();
window.tell = (message) => { for (const listener of [...listeners]) listener(message); };
window.putState = (topic, state) => {
  states[topic] = state; revs[topic] = (revs[topic] ?? 0) + 1;
  tell({ type: "state", topic, rev: revs[topic], state });
};
window.putDelta = (topic, set) => { revs[topic] += 1; tell({ type: "delta", topic, rev: revs[topic], set }); };
const results = { preview: (m) => window.previews?.[m.action] ?? "", submission: () => window.submission,
                  act: (m) => { acts.push([m.action, m.args]);
                                return window.outcomes?.[m.action] ?? { words: "", text: "" }; } };
function answer(message) {
  if (message.type === "look") {
    tell({ type: "here", view: message.view });
    for (const topic of message.topics) {
      if (states[topic]) tell({ type: "state", topic, rev: revs[topic], state: states[topic] });
    }
  } else {
    const failure = window.failures?.[message.action];
    const result = failure ? null : results[message.type](message);
    tell({ type: "reply", view: message.view, request: message.request, error: failure ?? null, result });
  }
}
window.model = {
  get: (name) => ({ topic: window.topic, ...window.tables })[name],
  on: (event, listener) => event === "msg:custom" && listeners.add(listener),
  off: (event, listener) => listeners.delete(listener),
  send: (message) => { sent.push(message); if (!silent) setTimeout(() => answer(message)); },
};
window.mount = async (source, width) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  window.widget ??= (await import(url)).default;
  const el = document.createElement("div");
  if (width) el.style.width = width;
  document.querySelector("main").append(el);
  return widget.render({ model, el });
};
"""
PAGE = """<!doctype html><html lang="en"><title>Dashboard</title><style>{theme}
body {{ margin: 0; padding: 16px; background: var(--jp-layout-color1); font-size: 13px; }}</style>
<style>{styles}</style><body data-jp-theme-light="{light}"><main></main></body></html>"""


@cache
def theme(name: str) -> str:
    """Return the variables of a theme of JupyterLab's own."""
    file = Path(sys.prefix) / f"share/jupyter/lab/themes/@jupyterlab/theme-{name}-extension/index.css"
    return "\n".join(re.findall(r":root\s*\{[^}]*\}", file.read_text(encoding="utf-8")))


class Harness:
    """A widget on a page."""

    def __init__(self, page: Page, front_end: FrontEnd = DASHBOARD) -> None:
        self.page, self._front_end = page, front_end

    async def open(self, topic: str, state: dict[str, Any], *, dark: bool = False, width: str = "") -> None:
        """Show a run (its id is the topic), or all runs, at the time of the canned states."""
        name = "dark" if dark else "light"
        await self.page.emulate_media(color_scheme="dark" if dark else "light")
        await self.page.clock.install(time=NOW)
        await self.page.set_content(
            PAGE.format(theme=theme(name), styles=self._front_end.styles, light=str(not dark).lower())
        )
        await self.page.add_script_tag(content=f"{{ {MODEL} }}")
        await self.page.evaluate(
            "([topic, submission, tables]) => Object.assign(window, {topic, submission, tables})",
            [topic, SUBMISSION, self._front_end.tables],
        )
        await self.page.evaluate("([topic, state]) => putState(topic, state)", [topic, state])
        await self.add_view(width)

    async def add_view(self, width: str = "") -> None:
        """Show it once more."""
        await self.page.evaluate(
            "async ([source, width]) => { await mount(source, width); }", [self._front_end.script, width]
        )
        await self.settle()

    async def settle(self) -> None:
        """Let pass what the page does by itself: being seen, messages, a frame."""
        await self.page.wait_for_function("sent.some((one) => one.type === 'look')")
        await self.page.clock.run_for(120)

    async def change(self, topic: str, changes: dict[str, Any]) -> None:
        """Send a delta."""
        await self.page.evaluate("([topic, set]) => putDelta(topic, set)", [topic, changes])
        await self.settle()

    async def sent(self, kind: str) -> list[dict[str, Any]]:
        """Return what the page has sent of one kind."""
        found: list[dict[str, Any]] = await self.page.evaluate("kind => sent.filter((one) => one.type === kind)", kind)
        return found

    async def set(self, **values: Any) -> None:
        """Set how the stub answers: `previews`, `outcomes`, `failures`, `silent`."""
        await self.page.evaluate(f"Object.assign(window, {json.dumps(values)})")
