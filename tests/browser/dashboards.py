"""What tests of dashboards in a real Jupyter share: a notebook with a run, slow workers, the database behind it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.jupyter import Lab

LAUNCH = """
import asyncio, json, time
import mephisto_nb as mnb
operator = mnb.Operator({folder!r})
task = dict(task_name={folder!r}, task_title="Moods", task_description="d", task_tags="t", task_reward=0.1)
config = mnb.compose("mock", task=task)
rows = [{{"text": f"text {{index}}"}} for index in range({units})]
run = await operator.launch_task_run(config, mnb.SharedTaskState(static_task_data=rows))
"""
WORK = """
from mephisto_nb.testing.simulated_workers import simulate_workers
work = simulate_workers(run, lambda row: {{"mood": "glad"}}, num_workers={workers}, thinking_time={time})
crowd = asyncio.create_task(work)
"""


class Screen:
    """A dashboard on the screen."""

    def __init__(self, page: Page, lab: Lab, folder: str) -> None:
        self.page, self.lab, self.folder = page, lab, folder
        self.view = page.locator(".mnb").first

    async def start(self, *cells: str, units: int = 60, before: str = "") -> None:
        """Run a notebook that launches a run and shows it, then these cells; `before` comes first."""
        name = f"{self.folder}.ipynb"
        launch = LAUNCH.format(folder=self.folder, units=units)
        self.lab.write_notebook(name, [f"{before}\n{launch}", "run", *cells, "print('all', 'ran')"])
        await self.lab.open(self.page, name)
        await self.lab.run_all(self.page)
        await self.lab.output(self.page, "all ran").wait_for()
        await self.view.locator(".mnb-hero").wait_for()

    def button(self, name: str) -> Locator:
        """Find a button of the dashboard, or of its dialog."""
        return self.view.get_by_role("button", name=name, exact=True)

    async def press(self, name: str, then: str = "") -> None:
        """Press a button, and the one in the dialog that asks."""
        await self.button(name).click()
        if then:
            await self.view.get_by_role("dialog").get_by_role("button", name=then, exact=True).click()

    async def expect_state(self, name: str) -> None:
        """Wait for the run's state."""
        await expect(self.view.locator(".mnb-head .mnb-state")).to_have_text(name)

    def query(self, sql: str) -> list[Any]:
        """Ask the database behind the dashboard."""
        [path] = self.lab.root.glob(f"{self.folder}/*.db")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(sql).fetchall()

    def count(self) -> dict[str, int]:
        """Count units by status in the database."""
        return dict(self.query("SELECT status, count(*) FROM units GROUP BY status"))

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so, as the database has it."""
        async with asyncio.timeout(60):
            while not condition():
                await self.page.evaluate("new Promise(requestAnimationFrame)")

    def told(self) -> list[str]:
        """Return what the event log says that the researcher did to the run, in order."""
        rows = self.query("SELECT why FROM events WHERE who = 'operator' AND subject = 'run' ORDER BY event_id")
        return [why for (why,) in rows]
