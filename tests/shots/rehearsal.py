"""Pictures of a run in motion, as the README has them."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Browser, expect

from tests.browser.jupyter import Lab

LAUNCH = """
import mephisto_nb as mnb

operator = mnb.Operator("email-tone")
page = '<p>${text}</p><label>Tone <input name="tone" required></label>'
task = {"task_name": "email-tone", "task_title": "How does this customer sound?", "task_description": "Tone",
        "task_tags": "text", "task_reward": 0.05}
emails = [{"text": text} for text in ["Where is my parcel?", "THIRD time I write!", "Thank you!", "Wrong colour"] * 25]
config = mnb.compose("static_html", blueprint_args={"task_html": page, "units_per_assignment": 2}, task=task)
run = await operator.launch_task_run(config, mnb.SharedTaskState(static_task_data=emails))
""".strip()
WORK = """
import asyncio
from mephisto_nb.testing.simulated_workers import simulate_workers

tones = {"W": ("neutral", 3, "We will send the right one."), "T": ("angry", 5, "We are sorry; it is on its way.")}

def answer(row):
    tone, urgency, reply = tones[row["text"][0]]
    return {"tone": tone, "urgency": urgency, "reply": reply}

crowd = asyncio.create_task(simulate_workers(run, answer, num_workers=14, thinking_time=(6.0, 17.0), name="ann"))
"""
#: How many answers there are in the picture of the notebook; and how many pictures of the run in motion are taken.
ENOUGH, FRAMES = 60, 14


async def take_live_pictures(browser: Browser, lab: Lab, folder: Path) -> None:
    """Take a picture of a notebook with a run, and some of its dashboard while it goes on; and of its charts."""
    lab.write_notebook("email-tone.ipynb", [LAUNCH, "run", WORK, "run.charts()"])
    context = await browser.new_context(viewport={"width": 1280, "height": 1010}, color_scheme="light")
    page = await context.new_page()
    page.set_default_timeout(120_000)
    await lab.open(page, "email-tone.ipynb")
    await page.keyboard.press("Control+b")  # the list of files goes
    await lab.run_all(page)
    view = page.locator(".mnb").first
    completed = view.locator("[data-count=completed]")
    await completed.wait_for()
    for frame in range(FRAMES):
        before = await completed.inner_text()
        await expect(completed).not_to_have_text(before)
        await view.screenshot(path=folder / f"live-{frame:02}.png")
    enough = f"view => Number(view.querySelector('[data-count=completed]').textContent) >= {ENOUGH}"
    await page.wait_for_function(enough, arg=await view.element_handle())
    await page.locator(".jp-CodeCell").nth(0).scroll_into_view_if_needed()
    await page.screenshot(path=folder / "notebook.png")
    charts = page.locator(".mnb-charts")
    await charts.scroll_into_view_if_needed()
    await charts.get_by_text("answers in").wait_for()
    await page.screenshot(path=folder / "notebook-charts.png")
    await context.close()
