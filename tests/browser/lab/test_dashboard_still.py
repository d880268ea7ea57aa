"""What is left of a finished run's displays where there is no kernel, and no script may run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.dashboards import WORK, Screen
from tests.browser.jupyter import Lab


async def save(page: Page, file: Path) -> None:
    """Save the notebook, and wait until the file has the last cell's output."""
    async with page.expect_response(lambda answer: answer.request.method == "PUT" and file.name in answer.url):
        await page.locator(".jp-CodeCell .cm-content").first.click()
        await page.keyboard.press("Control+s")


@pytest.mark.timeout(240)
async def test_a_finished_run_is_readable_without_kernel_and_scripts(
    jupyter_lab: Lab, page: Page, chromium: Browser, shots: Path
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).hostname or ""))
    screen = Screen(page, jupyter_lab, "still")
    work = WORK.format(workers=3, time=(0.1, 0.2))
    await screen.start(work, "await run.completed()\nawait run.shutdown()", "run", "run.charts()", "operator", units=12)
    await page.locator(".mnb-charts").scroll_into_view_if_needed()
    await page.locator(".mnb-charts svg").wait_for()
    await save(page, jupyter_lab.root / "still.ipynb")
    assert set(asked) <= {"127.0.0.1", ""}

    from nbconvert import HTMLExporter  # here, for it takes seconds to import

    body, _ = HTMLExporter().from_filename(str(jupyter_lab.root / "still.ipynb"))
    context = await chromium.new_context(java_script_enabled=False, offline=True)
    still = await context.new_page()
    await still.set_content(body)
    finished = still.locator(".mephisto").nth(1)
    for words in ("finished", "12 of 12 units answered (100 %), 0 workers at work", "$1.20 in all", "Seen on"):
        await expect(finished).to_contain_text(words)
    await expect(still.locator("img[src^='data:image/png']")).to_be_visible()
    await still.screenshot(path=shots / "still-nbconvert.png", full_page=True)
    await context.close()


@pytest.mark.parametrize("app", ["lab", "notebook7"])
@pytest.mark.timeout(240)
async def test_what_was_shown_while_a_run_went_on_is_saved_as_it_ended(jupyter_lab: Lab, page: Page, app: str) -> None:
    lab = jupyter_lab.with_notebook7() if app == "notebook7" else jupyter_lab
    screen = Screen(page, lab, f"saved-{app}")
    await screen.start("operator", "run.charts()", WORK.format(workers=2, time=(0.2, 0.3)), units=16)
    await screen.expect_state("Finished")
    await page.locator(".jp-CodeCell .cm-content").last.click()
    await page.keyboard.press("Control+a")
    await page.keyboard.type("await operator.shutdown(); print('shut', 'down')")
    await page.keyboard.press("Control+Enter")
    await lab.output(page, "shut down").wait_for()
    file = lab.root / f"saved-{app}.ipynb"
    before = first_picture(file)
    await save(page, file)
    run, operator = (html_of(cells_of(file)[index]) for index in (1, 2))
    assert "16</strong> of <strong>16</strong> units answered" in run
    assert "As it was" not in run
    assert "This operator was shut down" in operator
    assert before is None
    assert first_picture(file) is not None


def cells_of(file: Path) -> list[Any]:
    return list(json.loads(file.read_text(encoding="utf-8"))["cells"])


def text_of(data: dict[str, Any], kind: str) -> str:
    """Return what an output says; a file may keep it in lines."""
    return "".join(data[kind])


def html_of(cell: Any) -> str:
    [output] = cell["outputs"]
    return text_of(output["data"], "text/html")


def first_picture(file: Path) -> str | None:
    outputs = cells_of(file)[3]["outputs"]
    return text_of(outputs[0]["data"], "image/png") if outputs else None
