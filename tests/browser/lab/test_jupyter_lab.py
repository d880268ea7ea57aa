"""The ground that the other tests of this folder stand on: a notebook runs in JupyterLab, and a click gets through."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.jupyter import Lab

WIDGET = """
import ipywidgets
button, said = ipywidgets.Button(description="press me"), ipywidgets.Label("not yet")
button.on_click(lambda _: setattr(said, "value", "pressed"))
ipywidgets.VBox([button, said])
"""


async def test_a_widget_in_a_notebook_answers_a_click(jupyter_lab: Lab, page: Page) -> None:
    jupyter_lab.write_notebook("click.ipynb", [WIDGET, "print('all', 'ran')"])
    await jupyter_lab.open(page, "click.ipynb")
    await jupyter_lab.run_all(page)
    await jupyter_lab.output(page, "all ran").wait_for()
    await page.get_by_role("button", name="press me").click()
    await expect(page.locator(".widget-label", has_text="pressed")).to_be_visible()


async def test_the_kernel_has_the_labs_home_and_this_package(jupyter_lab: Lab, page: Page) -> None:
    cell = "import pathlib, mephisto_nb; print('home', pathlib.Path.home() == pathlib.Path.cwd().parent)"
    jupyter_lab.write_notebook("home.ipynb", [cell])
    await jupyter_lab.open(page, "home.ipynb")
    await jupyter_lab.run_all(page)
    await jupyter_lab.output(page, "home True").wait_for()
