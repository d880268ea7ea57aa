"""Notebooks that are opened again after kernel and server have ended: the last state of each display, and no error."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.dashboards import WORK, Screen
from tests.browser.jupyter import Lab, running_lab
from tests.browser.lab.test_dashboard_still import save
from tests.leftovers import end_routers

#: A renewal after a second, so that the test needs not wait; answers come after the displays.
SOON = "import mephisto_nb.display.summary as kept\nkept.SavedDisplays.renew_soon.__defaults__ = (1.0,)"
SHOWN = ["operator", "operator.qualifications", "operator.workers", "run.review()", "run.charts()"]


async def look_at(page: Page, lab: Lab, name: str, shots: Path, kind: str) -> None:
    await lab.show(page, name)
    outputs = page.locator(".jp-OutputArea-output")
    await expect(outputs.locator(".mephisto").first).to_be_visible()
    await page.wait_for_timeout(1500)  # an error would come after the kernel has been asked
    await expect(page.get_by_text("Error displaying widget")).to_have_count(0)
    await expect(page.get_by_text("Loading widget")).to_have_count(0)
    stills = outputs.locator(".mephisto")
    for words in ("12 of 12 units answered", "12 of 12", "Qualifications", "Workers"):
        await expect(stills.filter(has_text=words).first).to_be_attached()
    await page.screenshot(path=shots / f"later-{kind}.png")
    picture = outputs.locator("img[src^='data:image/png']")
    await picture.scroll_into_view_if_needed()
    await expect(picture).to_be_visible()
    await page.screenshot(path=shots / f"later-{kind}-end.png")


@pytest.mark.timeout(900)
async def test_a_killed_kernels_displays_stay_as_stills(tmp_path: Path, page: Page, shots: Path) -> None:
    own, strangers = tmp_path / "own", tmp_path / "strangers"
    try:
        with running_lab(own) as lab:
            await page.set_viewport_size({"width": 1280, "height": 4500})  # all cells are drawn
            page.set_default_timeout(120_000)
            screen = Screen(page, lab, "later")
            await screen.start(*SHOWN, WORK.format(workers=3, time=(0.1, 0.2)), units=12, before=SOON)
            await expect(screen.view.locator(".mnb-hero")).to_contain_text("12 of 12")
            for view in await page.locator(".mnb").all():
                await view.scroll_into_view_if_needed()
                await expect(view).to_be_visible()
            await page.wait_for_timeout(2500)
            await save(page, lab.root / "later.ipynb")
            lab.end_kernels()
        (strangers / "notebooks").mkdir(parents=True)
        shutil.copy(own / "notebooks" / "later.ipynb", strangers / "notebooks")
        for home, trust in ((own, "trusted"), (strangers, "untrusted")):
            with running_lab(home) as lab:
                for app in (lab, lab.with_notebook7()):
                    kind = f"{trust}-{'notebook7' if app.is_notebook7 else 'lab'}"
                    await look_at(page, app, "later.ipynb", shots, kind)
    finally:
        end_routers(own / "notebooks" / "later")
