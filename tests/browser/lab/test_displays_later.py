"""Notebooks that are opened after their kernel and server have ended: each display as it was last, and no error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.dashboards import LAUNCH
from tests.browser.jupyter import Lab, environment_of, running_lab
from tests.leftovers import end_routers

WORK = """
from mephisto_nb.testing.simulated_workers import simulate_workers
await simulate_workers(run, lambda row: {"mood": "$glad$"}, num_workers=3, thinking_time=(0.0, 0.1))
await run.completed()
await operator.shutdown()
"""
SHOWN = ["run", "operator", "operator.qualifications", "operator.workers", "run.review()", "run.charts()"]


async def execute(file: Path) -> None:
    """Run a notebook without any page, and write what its kernel, which then ends, has put out."""
    import nbformat  # here, for these take seconds to import
    from nbclient import NotebookClient

    notebook = nbformat.read(file, as_version=4)
    await NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(file.parent)}}).async_execute()
    nbformat.write(notebook, file)


async def look_at(page: Page, lab: Lab, shots: Path, kind: str) -> None:
    await lab.show(page, "later.ipynb")
    outputs = page.locator(".jp-OutputArea-output")
    stills = outputs.locator(".mephisto")
    await expect(stills).to_have_count(5, timeout=120_000)
    for words in ("12 of 12 units answered", "This operator was shut down", "Qualifications", "Workers", "Review of"):
        await expect(stills.filter(has_text=words).first).to_be_visible()
    await expect(page.locator("img[src^='data:image/png']")).to_be_visible()
    await expect(stills.filter(has_text="$glad$").first).to_be_visible()  # what somebody wrote is no formula
    await page.wait_for_timeout(2000)  # an error would come once the kernel has been asked
    await expect(page.get_by_text("Error displaying widget")).to_have_count(0)
    await expect(page.locator("mjx-container")).to_have_count(0)
    await page.screenshot(path=shots / f"later-{kind}.png")


@pytest.mark.timeout(600)
async def test_displays_whose_kernel_is_gone_are_stills(tmp_path: Path, page: Page, shots: Path) -> None:
    await page.set_viewport_size({"width": 1280, "height": 4000})  # all cells are drawn
    page.set_default_timeout(120_000)
    launch = LAUNCH.format(folder="later", units=12)
    try:
        for trust in ("trusted", "untrusted"):
            home = tmp_path / trust
            with running_lab(home) as lab:
                if trust == "trusted":
                    file = lab.write_notebook("later.ipynb", [launch + WORK, *SHOWN])
                    await execute(file)
                    trusting = [sys.executable, "-m", "jupyter", "trust", str(file)]
                    subprocess.run(trusting, env=environment_of(home, {}), check=True, capture_output=True)
                else:
                    (lab.root / "later.ipynb").write_bytes((tmp_path / "trusted/notebooks/later.ipynb").read_bytes())
                for app in (lab, lab.with_notebook7()):
                    await look_at(page, app, shots, f"{trust}-{'notebook7' if app.is_notebook7 else 'lab'}")
    finally:
        end_routers(tmp_path / "trusted" / "notebooks" / "later")
