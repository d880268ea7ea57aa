"""A worker's page shown in a notebook: in JupyterLab and Notebook 7, with a kernel and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.jupyter import Lab
from tests.browser.test_preview import frame_of, send

CELL = """
import mephisto_nb as mnb
page = '''<p>${text}</p><label>Mood <input name="mood" required></label>
<script>document.querySelector("#task-body p").append("!")</script>'''
task = dict(task_name="m", task_title="Moods", task_description="", task_tags="", task_reward=0.1)
config = mnb.compose("static_html", task=task, blueprint_args={"task_html": page})
mnb.preview(config, mnb.SharedTaskState(static_task_data=[{"text": "What a day"}, {"text": "Rain"}]), row=1)
"""
REACHES = (
    """() => { try { return [parent.document.title, localStorage.length] } catch (error) { return error.name } }"""
)


@pytest.mark.parametrize("is_notebook7", [False, True], ids=["lab", "notebook7"])
async def test_a_page_can_be_tried_in_a_notebook_and_without_its_kernel(
    jupyter_lab: Lab, page: Page, shots: Path, is_notebook7: bool
) -> None:
    lab = jupyter_lab.with_notebook7() if is_notebook7 else jupyter_lab
    lab.write_notebook("preview.ipynb", [CELL, "print('all', 'ran')"])
    await lab.open(page, "preview.ipynb")
    for count in (2, 4):  # a cell may be run again
        await lab.run_all(page)
        await expect(page.locator(".jp-CodeCell .jp-InputPrompt").last).to_have_text(f"[{count}]:")
    frame = frame_of(page)
    await expect(frame.get_by_text("Rain!")).to_be_visible()
    await frame.get_by_role("button", name="Send").click()
    await expect(frame.locator(".problem")).to_be_visible()
    await send(frame, "grim")
    await page.screenshot(path=shots / f"forms-preview-{'notebook7' if is_notebook7 else 'lab'}.png")
    assert await frame.locator("body").evaluate(REACHES) == "SecurityError"
    await lab.restart_kernel(page)
    await frame.get_by_role("button", name="Start again").click()
    await send(frame, "glad")
