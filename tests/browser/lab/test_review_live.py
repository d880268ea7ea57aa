"""Review in JupyterLab: forty answers by keyboard alone, in both themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.jupyter import Lab
from tests.browser.lab.test_people_live import follow_the_browser, run_cell, take_pictures

SETUP = """
import mephisto_nb as mnb
from mephisto_nb.testing.simulated_workers import simulate_workers
operator = mnb.Operator({folder!r})
page = '''<p>${{text}}</p><fieldset><legend>Tone</legend><label><input type=radio name=tone value=glad> glad</label>
<label><input type=radio name=tone value=grim> grim</label></fieldset><label>Why <input name=why></label>'''
task = dict(task_name={folder!r}, task_title="Moods", task_description="d", task_tags="t", task_reward=0.1)
blueprint = dict(task_html=page, units_per_assignment=2)
config = mnb.compose("static_html", blueprint_args=blueprint, task=task)
rows = mnb.SharedTaskState(static_task_data=[{{"text": f"It rains on day {{n}}."}} for n in range(20)])
run = await operator.launch_task_run(config, rows)
"""
ANSWERS = """
tones = ["glad", "grim", "grim"]
answer = lambda row: {"tone": tones[len(row["text"]) % 3], "why": "<img src=x onerror=alert(1)>"}
await simulate_workers(run, answer, num_workers=5, thinking_time=(0.01, 0.03))
await run.completed()
"""
BOOKS = """
left = run.results().status.value_counts().to_dict()
bonuses = run.payments().query("kind == 'bonus' and status == 'owed'")
blocked = int(operator.workers.frame().blocked.sum())
print("books:", left, bonuses.amount.tolist(), blocked, int(run.review.decisions().undone_by.notna().sum()))
"""


@pytest.mark.timeout(240)
async def test_forty_answers_are_reviewed_by_keyboard_alone(jupyter_lab: Lab, page: Page, shots: Path) -> None:
    folder = "review"
    cells = [SETUP.format(folder=folder), "run.review()", ANSWERS, BOOKS, "await operator.force_shutdown()"]
    jupyter_lab.write_notebook(f"{folder}.ipynb", cells)
    follow_the_browser(jupyter_lab)
    await jupyter_lab.open(page, f"{folder}.ipynb")
    await run_cell(page, 0)
    await run_cell(page, 1)
    panel = page.locator(".mnb-review")
    await expect(panel.get_by_text("Nothing to review yet; answers appear as they come.")).to_be_visible()
    await run_cell(page, 2)
    answer = panel.get_by_role("region", name="The answer")
    await expect(panel.get_by_text("review: 40 waiting")).to_be_visible()
    await expect(answer.get_by_text(re.compile(r"^Answer \d+ of 40, "))).to_be_visible()
    await answer.focus()
    await expect(page.frame_locator("iframe.mnb-page").frame_locator("iframe").get_by_label("Why")).to_have_value(
        re.compile("onerror")
    )
    await take_pictures(page, shots / "review-lab")
    waiting = 40
    for keys in ["a", "b0.05", "b0.05", "b0.05", "xcopies", "r", "u", *"a" * 35]:
        await page.keyboard.press(keys[0])
        if len(keys) > 1:
            await expect(page.get_by_role("dialog")).to_be_visible()
            await page.keyboard.type(keys[1:])
            await expect(page.get_by_role("button", name="Decide", exact=True)).to_be_enabled()
            await page.keyboard.press("Enter")
        waiting += 1 if keys == "u" else -1
        await expect(
            panel.get_by_text(re.compile(rf": {waiting} waiting" if waiting else r": \d+ approved"))
        ).to_be_visible()
        await expect(panel).not_to_have_attribute("aria-busy", "true")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(answer).to_be_focused()
        await expect(answer.locator("h4 .mnb-state")).to_have_text("waiting" if waiting else "approved")
    await expect(page.locator(".jp-CodeCell")).to_have_count(len(cells))  # no key went to the notebook
    await take_pictures(page, shots / "review-lab-done")
    await run_cell(page, 3)
    told = page.locator(".jp-CodeCell").nth(3).locator(".jp-OutputArea-output")
    await expect(told).to_contain_text("'accepted': 39")
    await expect(told).to_contain_text("'rejected': 1} [0.05, 0.05, 0.05] 1 1")
    await run_cell(page, 4)
