"""Takes pictures of the displays in JupyterLab and in Notebook 7, in both themes: python -m tests.shots FOLDER."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbformat import v4
from playwright.async_api import Browser, Locator, Page, async_playwright

from mephisto_nb.display.notebook import ALL_RUNS, draw_operator, draw_run
from tests.browser.jupyter import Lab, running_lab
from tests.chromium import FLAGS, find_chromium
from tests.display.states import RUNS, STATES
from tests.leftovers import end_routers
from tests.shots.rehearsal import take_live_pictures

ROOT = Path(__file__).resolve().parents[2]
IMPORT = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom tests.shots.canned import charts, dashboard, narrow"
NARROW = ("busy", "trouble", "long-names", "right-to-left", ALL_RUNS)
#: A picture, and the cell whose display it shows.
CELLS = {
    **{name: f"dashboard({name!r})" for name in (*STATES, ALL_RUNS)},
    **{f"{name}-narrow": f"narrow({name!r})" for name in NARROW},
    "charts-1": "charts(1)",
    "charts-200": "charts(200)",
    "charts-10000": "charts(10_000)",
}
#: A button of the busy dashboard, and the dialog that it opens.
DIALOGS = {
    "dialog-limits": "Limits…",
    "dialog-stop": "Stop…",
    "dialog-links": "Copy the workers' links…",
    "dialog-answer": None,
}
THEMES = ("light", "dark")
FOLLOW_THE_BROWSER = {"@jupyterlab/apputils-extension/themes": {"adaptive-theme": True}}


async def main(folder: Path) -> None:
    """Take all pictures, one kind after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="shots"))
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            with running_lab(home, FOLLOW_THE_BROWSER) as lab:
                for app in (lab, lab.with_notebook7()):
                    for theme in THEMES:
                        await take_canned(browser, app, theme, folder)
                await take_live_pictures(browser, lab, folder)
            for theme in THEMES:
                await take_stills(browser, theme, folder)
    finally:
        end_routers(home / "notebooks" / "email-tone")


async def take_canned(browser: Browser, lab: Lab, theme: str, folder: Path) -> None:
    """Show each canned state in a cell of its own, and take its picture."""
    app = "notebook7" if lab.is_notebook7 else "lab"
    name = f"{app}-{theme}.ipynb"
    lab.write_notebook(name, [IMPORT, *CELLS.values(), "print('all', 'shown')"])
    page = await new_page(browser, theme, height=2200)
    await lab.open(page, name)
    if not lab.is_notebook7:
        await page.keyboard.press("Control+b")  # the list of files goes
    await lab.run_all(page)
    await lab.output(page, "all shown").wait_for()
    for index, kind in enumerate(CELLS, start=1):
        view = page.locator(".jp-CodeCell").nth(index).locator(".mnb").first
        await view.scroll_into_view_if_needed()
        await view.locator(".mnb-body:visible, .mnb-runs:visible, .vega-embed svg").first.wait_for()
        await still(page)
        await view.screenshot(path=folder / f"{app}-{kind}-{theme}.png")
    await page.set_viewport_size({"width": 1280, "height": 860})
    busy = page.locator(".jp-CodeCell").nth(1 + list(CELLS).index("busy")).locator(".mnb").first
    for kind, button in DIALOGS.items():
        await take_dialog(page, busy, button, folder / f"{app}-{kind}-{theme}.png")
    await page.context.close()


async def take_dialog(page: Page, view: Locator, button: str | None, path: Path) -> None:
    """Open a dialog of a dashboard, and take a picture of the window."""
    await view.scroll_into_view_if_needed()
    if button is None:
        await view.locator(".mnb-row").first.click()
        await view.get_by_role("dialog").get_by_text("Your money is on its way").wait_for()
    else:
        await view.get_by_role("button", name=button, exact=True).click()
    if button == "Limits…":
        await view.get_by_label("Pay for a unit").fill("0.20")
        await view.get_by_text("adds $3.96").wait_for()
    dialog = view.get_by_role("dialog")
    await dialog.wait_for()
    await page.screenshot(path=path)
    await page.keyboard.press("Escape")
    await dialog.wait_for(state="detached")


async def take_stills(browser: Browser, theme: str, folder: Path) -> None:
    """Take pictures of what nbconvert makes of saved displays, where no script may run."""
    pages = {name: draw_run(state)["text/html"] for name, state in STATES.items()}
    pages[ALL_RUNS] = draw_operator(RUNS)
    page = await new_page(browser, theme, height=700, scripts=False)
    for name, html in pages.items():
        output = v4.new_output("execute_result", {"text/html": html}, execution_count=1)
        notebook = v4.new_notebook(cells=[v4.new_code_cell("run", outputs=[output], execution_count=1)])
        nbformat.validate(notebook)
        body, _ = HTMLExporter(theme=theme).from_notebook_node(notebook)
        await page.set_content(body)
        await page.screenshot(path=folder / f"still-{name}-{theme}.png", full_page=True)
    await page.context.close()


async def new_page(browser: Browser, theme: str, height: int, scripts: bool = True) -> Page:
    """Open a page in a theme."""
    scheme = "dark" if theme == "dark" else "light"
    size = {"width": 1280, "height": height}
    context = await browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=scripts)
    page = await context.new_page()
    page.set_default_timeout(120_000)
    return page


async def still(page: Page) -> None:
    """Wait until what moves has come to rest: two frames, and the animations."""
    await page.evaluate(
        """async () => {
          for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
          await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})));
        }"""
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
