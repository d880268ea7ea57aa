"""From a committed change to the pixel: a dashboard in a real JupyterLab while workers make 100 changes a second."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.benchmarks.harness import Figure, p95
from tests.browser.dashboards import LAUNCH
from tests.browser.jupyter import Lab, running_lab
from tests.chromium import FLAGS, find_chromium
from tests.leftovers import end_routers

UNITS, SECONDS = 10_000, 10
#: Each unit is taken and sent: two changes. Every worker does two units a second.
WORKERS = """
import asyncio, sys
from mephisto_nb.testing.simulated_workers import simulate_workers
asyncio.run(simulate_workers(sys.argv[1], lambda row: {"mood": "glad"}, num_workers=25, thinking_time=(0.48, 0.5)))
"""
#: Notes each commit, and the kernel's own time, until `stop()` writes both down.
NOTE = """
commits, begun = [], (time.time(), time.process_time())
def note(step):
    commits.append((time.time(), run.counts.get("completed", 0)))
run._frames.live.parts.engine.listeners.append(note)
def stop(name):
    spent = time.time() - begun[0], time.process_time() - begun[1]
    run._frames.live.parts.engine.listeners.remove(note)
    print(name, json.dumps({"spent": spent, "commits": commits}))
print("noting")
"""
#: Notes when the screen shows which number of answers, once it is painted, and what blocks the page's main thread.
OBSERVE = """() => {
  window.seen = []; window.blocked = [];
  new PerformanceObserver((list) => blocked.push(...list.getEntries().map((one) => one.duration)))
    .observe({ type: "longtask" });
  const count = document.querySelector("[data-count=completed]");
  new MutationObserver(() => {
    const value = Number(count.textContent.replace(/,/g, ""));
    requestAnimationFrame(() => setTimeout(() => seen.push([Date.now() / 1000, value])));
  }).observe(count, { childList: true, characterData: true, subtree: true });
}"""


class Notebook:
    """A notebook whose cells are run one by one."""

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page, self.lab = page, lab

    async def run(self, index: int, until: str) -> str:
        """Run a cell, and give what it puts out once that begins with a word."""
        cell = self.page.locator(".jp-CodeCell").nth(index)
        await cell.locator(".cm-content").click()
        await self.page.keyboard.press("Shift+Enter")
        output = cell.locator(".jp-OutputArea-output", has_text=until)
        await output.wait_for()
        return (await output.inner_text()).removeprefix(until)


async def dashboard() -> list[Figure]:
    home = Path(tempfile.mkdtemp(prefix="dashboard_bench"))
    try:
        with running_lab(home) as lab:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
                return await _measure(await browser.new_page(viewport={"width": 1280, "height": 1000}), lab)
    finally:
        end_routers(home / "notebooks" / "bench")


async def _measure(page: Page, lab: Lab) -> list[Figure]:
    believing = 'task=task, provider_args={"signed_links": False})'  # the workers are strangers to this kernel
    launch = LAUNCH.format(folder="bench", units=UNITS).replace("task=task)", believing) + "\nprint('url', run.url)"
    cells = [launch, NOTE, "stop('alone')", "run", NOTE, "stop('watched')", "await run.force_shutdown(); print('over')"]
    lab.write_notebook("bench.ipynb", cells)
    await lab.open(page, "bench.ipynb")
    notebook = Notebook(page, lab)
    url = (await notebook.run(0, "url")).strip()
    workers = subprocess.Popen([sys.executable, "-c", WORKERS, url])
    try:
        await _work(notebook, 1)
        alone = json.loads(await notebook.run(2, "alone"))
        await notebook.run(3, "At work now")
        await page.evaluate(OBSERVE)
        await _work(notebook, 4)
        seen, blocked = await page.evaluate("[seen, blocked]")
        watched = json.loads(await notebook.run(5, "watched"))
    finally:
        workers.terminate()
        workers.wait()
    await notebook.run(6, "over")
    return _figures(alone, watched, seen, blocked)


async def _work(notebook: Notebook, index: int) -> None:
    """Begin to note, and let work go on for a while."""
    await notebook.run(index, "noting")
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(SECONDS, done.set)
    await done.wait()


def _figures(alone: dict[str, Any], watched: dict[str, Any], seen: list[Any], blocked: list[float]) -> list[Figure]:
    (wall, spent), (wall_alone, spent_alone) = watched["spent"], alone["spent"]
    commits = watched["commits"]
    news = [(at, value) for (_, before), (at, value) in pairwise(commits) if value > before]
    last = max(value for _, value in seen)
    waits = [min(at for at, shown in seen if shown >= value) - when for when, value in news if value <= last]
    rate = 2 * (news[-1][1] - news[0][1]) / (news[-1][0] - news[0][0])
    extra = 100 * (spent / wall - spent_alone / wall_alone)
    where = f"JupyterLab, {UNITS:,} units"
    return [
        Figure(f"changes a second beneath the dashboard ({where})", rate, "/s", limit="about 100"),
        Figure("from the commit of an answer to the pixel, 95 %", 1000 * p95(waits), "ms", limit="≤ 250"),
        Figure("kernel's time for the dashboard", extra, "%", 100 * spent_alone / wall_alone, "% without it", "≤ 5"),
        Figure("longest block of the page's main thread", max(blocked, default=0.0), "ms", limit="≤ 50"),
    ]
