"""The quickstart notebook as its readers meet it: JupyterLab in one tab, the worker's page in another."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.jupyter import Lab

NOTEBOOK = Path(__file__).resolve().parents[3] / "notebooks" / "quickstart.ipynb"
REPLIES = ["Sorry, I will look into it at once.", "You will have your money today.", "Danke! ≥ 1 lamp more is coming."]
DONE = re.compile(r"^\[\d+\]:$")
ERROR = "[data-mime-type='application/vnd.jupyter.error']"
#: A live view; the still whose place it has taken is hidden beside it.
LIVE = ".mephisto-view"
PATIENCE = 60_000
PHONE = {"width": 390, "height": 844}


class Reader:
    """Somebody who reads the notebook, cell by cell."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cells = page.locator(".jp-Notebook .jp-CodeCell")

    async def run(self, source: str | re.Pattern[str]) -> Locator:
        """Run the one cell that has this in its source, and the others not; give it when it ended without an error."""
        cell = self.cells.filter(has=self.page.locator(".cm-content", has_text=source))
        await cell.locator(".cm-content").click()
        await self.page.keyboard.press("Shift+Enter")
        await expect(cell.locator(".jp-InputPrompt")).to_have_text(DONE, timeout=PATIENCE)
        await expect(cell.locator(ERROR)).to_have_count(0)
        return cell


async def answer(worker: Page, tone: str, urgency: int, reply: str) -> None:
    """Fill in the page with the mouse."""
    await worker.get_by_label(tone).check()
    await worker.get_by_label("How urgent").fill(str(urgency))
    await worker.get_by_label("What would you answer").fill(reply)


async def send(worker: Page) -> None:
    """Send what was filled in, and wait until it has arrived."""
    await worker.get_by_role("button", name="Send").click()
    await worker.get_by_role("heading", name="Thank you. Your work was sent.").wait_for()


async def next_task(worker: Page) -> None:
    """Wait for the next unit, which comes by itself."""
    await worker.get_by_label("What would you answer").wait_for()


async def do_three_units(worker: Page, letter: Path, shots: Path) -> None:
    """Be a worker: one unit with a reload in the middle, one by keyboard alone, one on a phone and with a file.

    The fourth is theirs, too, when this ends: the next one comes by itself.
    """
    await answer(worker, "Neutral", 3, REPLIES[0])
    await worker.screenshot(path=shots / "worker.png")
    await worker.reload()
    await expect(worker.get_by_label("What would you answer")).to_have_value(REPLIES[0])
    await expect(worker.get_by_label("Neutral")).to_be_checked()
    await send(worker)

    await next_task(worker)
    await worker.get_by_label("Angry").focus()
    for key in ("Space", "Tab", "5", "Tab"):
        await worker.keyboard.press(key)
    await worker.keyboard.type(REPLIES[1])
    for key in ("Tab", "Tab", "Enter"):
        await worker.keyboard.press(key)
    await worker.get_by_role("heading", name="Thank you. Your work was sent.").wait_for()

    await worker.set_viewport_size(PHONE)
    await worker.screenshot(path=shots / "worker-thanks-phone.png")
    await next_task(worker)
    await worker.screenshot(path=shots / "worker-phone.png")
    await answer(worker, "Friendly", 1, REPLIES[2])
    await worker.get_by_label("A file").set_input_files(letter)
    await worker.screenshot(path=shots / "worker-phone-filled.png", full_page=True)
    await send(worker)
    await next_task(worker)


def kept_files(lab: Lab) -> list[str]:
    """Return what is in the files that workers sent, in the data directory that an operator chooses by itself."""
    return [file.read_text(encoding="utf-8") for file in lab.root.parent.glob(".mephisto/data/runs/*/files/*")]


@pytest.mark.timeout(240)
async def test_a_reader_goes_through_the_notebook_and_a_worker_answers(
    jupyter_lab: Lab, page: Page, shots: Path, tmp_path: Path
) -> None:
    shutil.copy(NOTEBOOK, jupyter_lab.root / NOTEBOOK.name)
    await jupyter_lab.open(page, NOTEBOOK.name)
    reader = Reader(page)
    for source in ("operator = mnb.Operator()", "emails = pd.DataFrame(", 'page = """', "config = mnb.compose("):
        await reader.run(source)
    launched = await reader.run("launch_task_run")
    await expect(launched.locator(LIVE)).to_contain_text("0 of 12 answered")
    await page.screenshot(path=shots / "launched.png")

    links = await reader.run("get_worker_url")
    async with page.context.expect_page() as opened:
        await links.locator("a[href*='worker_id=ann']").click()
    worker = await opened.value
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear customer,", encoding="utf-8")
    await do_three_units(worker, letter, shots)

    await page.bring_to_front()
    watched = await reader.run(re.compile("^run$"))
    await page.screenshot(path=shots / "watched.png")
    await expect(watched.locator(LIVE)).to_contain_text("3 of 12 answered")

    for source in ("run.units()", "simulate_workers"):
        await reader.run(source)
    await answer(worker, "Angry", 4, "This one the run would wait for.")
    await send(worker)
    await reader.run("await run.completed()")
    results = await reader.run("results = run.results()")
    for reply in REPLIES:
        await expect(results.locator("td").get_by_text(reply, exact=True)).to_have_count(1)
    await page.screenshot(path=shots / "results.png")
    await reader.run("by_email =")
    await page.screenshot(path=shots / "analysis.png")
    ended = await reader.run("await operator.shutdown()")
    await expect(ended.locator(LIVE, has_text="shut down")).to_be_visible()
    assert "Dear customer," in kept_files(jupyter_lab)

    await jupyter_lab.run_all(page)
    await expect(ended.locator(".jp-InputPrompt")).to_have_text(f"[{2 * await reader.cells.count()}]:")
    await expect(page.locator(ERROR)).to_have_count(0)
