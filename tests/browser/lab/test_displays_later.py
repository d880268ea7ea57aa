"""Notebooks that are opened after their kernel and server have ended: each display as it was last, and no error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.dashboards import LAUNCH
from tests.browser.jupyter import Lab, environment_of, running_lab
from tests.browser.test_preview import frame_of
from tests.leftovers import end_routers

WORK = """
from mephisto_nb.testing.simulated_workers import simulate_workers
await simulate_workers(run, lambda row: {"mood": "$glad$"}, num_workers=3, thinking_time=(0.0, 0.1))
await run.completed()
await operator.shutdown()
"""
SHOWN = ["run", "operator", "operator.qualifications", "operator.workers", "run.review()", "run.charts()"]
PREVIEW = "mnb.preview(config, mnb.SharedTaskState(static_task_data=rows))"
#: An output that names a model which is gone: it comes last, and what becomes of it would have become of all.
#: A page that does not trust the notebook shows its text.
LOST = """
named = {"version_major": 2, "version_minor": 0, "model_id": "0" * 32}
display({"application/vnd.jupyter.widget-view+json": named, "text/plain": "lost"}, raw=True)
"""
ERROR = "Error displaying widget: model not found"
WORDS = ("12 of 12 units answered", "This operator was shut down", "Qualifications", "Workers", "Review of", "$glad$")


async def execute(file: Path) -> None:
    """Run a notebook without any page, and write what its kernel, which then ends, has put out."""
    import nbformat  # here, for these take seconds to import
    from nbclient import NotebookClient

    notebook = nbformat.read(file, as_version=4)
    await NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(file.parent)}}).async_execute()
    nbformat.write(notebook, file)


def forget_models(file: Path) -> None:
    """Have a notebook keep what JupyterLab keeps of it, which is no state of models."""
    notebook = json.loads(file.read_text(encoding="utf-8"))
    del notebook["metadata"]["widgets"]  # with it, pages would make models anew, which have no kernel
    file.write_text(json.dumps(notebook), encoding="utf-8")


def trust(file: Path, home: Path) -> None:
    command = [sys.executable, "-m", "jupyter", "trust", str(file)]
    subprocess.run(command, env=environment_of(home, {}), check=True, capture_output=True)


async def look_at(page: Page, lab: Lab, picture: Path, is_trusted: bool) -> None:
    await lab.open(page, "later.ipynb")
    await expect(page.locator(".jp-OutputArea-output").last).to_have_text(ERROR if is_trusted else "lost")
    await expect(page.get_by_text(ERROR)).to_have_count(1 if is_trusted else 0)
    stills = page.locator(".jp-OutputArea-output .mephisto")
    await expect(stills).to_have_count(5)
    for words in WORDS:  # `$glad$`: what somebody wrote is no formula
        await expect(stills.filter(has_text=words).first).to_be_visible()
    await expect(page.locator("mjx-container")).to_have_count(0)
    await expect(page.locator("img[src^='data:image/png']")).to_be_visible()
    framed, told = frame_of(page).get_by_role("button", name="Send"), page.get_by_text("this notebook is not trusted")
    await expect(framed if is_trusted else told).to_be_visible()
    await page.screenshot(path=picture)


@pytest.mark.timeout(600)
@pytest.mark.slow
async def test_displays_whose_kernel_is_gone_are_stills(tmp_path: Path, page: Page, shots: Path) -> None:
    await page.set_viewport_size({"width": 1280, "height": 4000})  # all cells are drawn
    home, stranger = tmp_path / "own", tmp_path / "stranger"
    (home / "notebooks").mkdir(parents=True)
    launch = LAUNCH.format(folder="later", units=12) + WORK
    file = Lab("", "", home / "notebooks").write_notebook("later.ipynb", [launch, *SHOWN, PREVIEW, LOST])
    try:
        await execute(file)
        (stranger / "notebooks").mkdir(parents=True)
        (stranger / "notebooks" / file.name).write_bytes(file.read_bytes())
        forget_models(file)
        trust(file, home)
        for whose in (home, stranger):
            with running_lab(whose) as lab:
                for app, name in ((lab, "lab"), (lab.with_notebook7(), "notebook7")):
                    await look_at(page, app, shots / f"later-{whose.name}-{name}.png", is_trusted=whose == home)
    finally:
        end_routers(file.parent / "later")
