"""Qualifications in JupyterLab: made in a panel, granted by a DataFrame, asked for by a run, met by workers or not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.jupyter import Lab

SETUP = """
import mephisto_nb as mnb
operator = mnb.Operator({folder!r})
await operator.qualifications.grant("score", [f"worker {{n:03}}" for n in range(200)], range(200))
"""
GRANT = """
scores = operator.qualifications.grants("score")
await operator.qualifications.grant("careful", scores[scores.value >= 170], why="scored 170 or more")
"""
LAUNCH = """
task = dict(task_name={folder!r}, task_title="Moods", task_description="d", task_tags="t", task_reward=0.1)
config = mnb.compose("static_html", blueprint_args=dict(task_html="<p>${{text}}</p><input name='mood'>"), task=task)
needs = mnb.SharedTaskState(static_task_data=[{{"text": "one"}}], qualifications=operator.qualifications.composed)
run = await operator.launch_task_run(config, needs)
print("without:", run.get_worker_url("worker 003"))
print("with:", run.get_worker_url("worker 180"))
"""


async def run_cell(page: Page, index: int) -> None:
    """Run one cell of the notebook, and wait until it has run."""
    cell = page.locator(".jp-CodeCell").nth(index)
    await cell.locator(".cm-content").click()
    await page.keyboard.press("Shift+Enter")
    await expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]"))


def follow_the_browser(lab: Lab) -> None:
    """Let JupyterLab take on the browser's light or dark."""
    settings = lab.root.parent / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    settings.write_text(json.dumps({"adaptive-theme": True}), encoding="utf-8")


async def take_pictures(page: Page, place: Path) -> None:
    """Take a picture in each theme: ``place-light.png`` and ``place-dark.png``."""
    for theme in ("dark", "light"):
        await page.emulate_media(color_scheme=theme)
        await expect(page.locator("body")).to_have_attribute("data-jp-theme-light", str(theme == "light").lower())
        await expect(page.locator("#jupyterlab-splash")).to_have_count(0)
        await page.screenshot(path=place.with_name(f"{place.name}-{theme}.png"))


@pytest.mark.timeout(240)
async def test_only_workers_granted_by_a_dataframe_enter_others_hear_why(
    jupyter_lab: Lab, page: Page, shots: Path
) -> None:
    folder = "people"
    cells = [SETUP.format(folder=folder), "operator.qualifications()", GRANT, LAUNCH.format(folder=folder)]
    jupyter_lab.write_notebook(f"{folder}.ipynb", [*cells, "operator.workers()", "await operator.force_shutdown()"])
    follow_the_browser(jupyter_lab)
    await jupyter_lab.open(page, f"{folder}.ipynb")
    await run_cell(page, 0)
    await run_cell(page, 1)
    panel = page.locator(".mnb").first
    await panel.get_by_role("button", name="New…").click()
    await panel.get_by_label("Name").fill("careful")
    await panel.get_by_role("button", name="Create", exact=True).click()
    await expect(panel.get_by_text("Created 'careful'.")).to_be_visible()
    await panel.get_by_role("button", name="Add a requirement").click()
    await panel.get_by_label("Qualification", exact=True).fill("careful")
    await expect(panel.get_by_text("0 of 200 known workers would be let in (0 %)")).to_be_visible()

    await run_cell(page, 2)
    await expect(panel.get_by_text("30 of 200 known workers would be let in (15 %)")).to_be_visible()
    await expect(panel.get_by_text("30 holders")).to_be_visible()
    await panel.evaluate("node => node.scrollIntoView()")
    await take_pictures(page, shots / "people-lab")

    await run_cell(page, 3)
    told = await page.locator(".jp-CodeCell").nth(3).locator(".jp-OutputArea-output").last.inner_text()
    links = dict(re.findall(r"(with|without): (\S+)", told))
    away, let_in = await page.context.new_page(), await page.context.new_page()
    await away.goto(links["without"])
    await let_in.goto(links["with"])
    await expect(away.get_by_text("This task asks for a qualification that you do not have.")).to_be_visible()
    await expect(let_in.locator("input[name=mood]")).to_be_visible()
    await away.screenshot(path=shots / "people-turned-away.png")

    await page.bring_to_front()
    await run_cell(page, 4)
    workers = page.locator(".mnb").nth(1)
    await workers.scroll_into_view_if_needed()
    await expect(workers.get_by_text("200 workers", exact=True).first).to_be_visible()
    await workers.get_by_role("searchbox").fill("worker 180")
    await expect(workers.get_by_role("grid").get_by_text("careful 1, score 180")).to_be_visible()
    await workers.evaluate("node => node.scrollIntoView()")
    await take_pictures(page, shots / "people-lab-workers")
    await run_cell(page, 5)
    await panel.evaluate("node => node.scrollIntoView()")
    await expect(panel.get_by_text("This operator was shut down")).to_be_visible()
