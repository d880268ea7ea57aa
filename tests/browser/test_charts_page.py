"""The front end of charts in Chromium, with a stub for the kernel: nothing is loaded from anywhere."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from mephisto_nb.display.charts import CHARTS, draw_charts, spec_of
from tests.display.harness import Harness
from tests.display.test_charts import results


def drawing(count: int, error: str = "") -> dict[str, Any]:
    """Return a state of charts, of so many answers."""
    return {"spec": spec_of(draw_charts(results(count))), "answered": count, "error": error}


@pytest_asyncio.fixture(loop_scope="session")
async def shown(page: Page) -> Harness:
    """A page that is to show charts; nothing on it may raise or complain."""
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    page.on("console", lambda message: pytest.fail(message.text) if message.type == "error" else None)
    page.on("request", lambda request: pytest.fail(request.url) if request.url.startswith("http") else None)
    return Harness(page, CHARTS)


async def test_charts_are_drawn_and_drawn_anew(shown: Harness) -> None:
    await shown.open("charts", drawing(8))
    await expect(shown.page.get_by_text("8 answers in 7 min")).to_be_visible()
    await shown.change("charts", drawing(12))
    await expect(shown.page.get_by_text("12 answers in 11 min")).to_be_visible()
    await expect(shown.page.locator("svg.marks")).to_have_count(1)
    assert [message["topics"] for message in await shown.sent("look")] == [["charts"]]


async def test_a_drawing_that_failed_is_told_and_the_last_one_stays(shown: Harness) -> None:
    await shown.open("charts", drawing(8))
    await shown.change("charts", {"error": "<b>The disk is full.</b>"})
    told = shown.page.locator(".mnb-trouble")
    await expect(told).to_contain_text(
        "could not be drawn anew: <b>The disk is full.</b> What you see is of 8 answers."
    )
    await expect(shown.page.get_by_text("8 answers in 7 min")).to_be_visible()
    await shown.change("charts", {"error": ""})
    await expect(told).to_be_hidden()


async def test_what_cannot_be_drawn_is_told(shown: Harness) -> None:
    await shown.open("charts", {"spec": "{", "answered": 1, "error": ""})
    await expect(shown.page.locator(".mnb-trouble")).to_contain_text("The charts could not be drawn:")


async def test_charts_say_their_kernel_is_gone_and_ask_nothing_unseen(shown: Harness) -> None:
    await shown.open("charts", drawing(8))
    await shown.set(silent=True)
    await shown.page.clock.run_for(60_000)
    await expect(shown.page.locator(".mnb-away")).to_contain_text("The kernel does not answer.")
    await shown.page.evaluate("document.querySelector('main').style.display = 'none'")
    await shown.page.wait_for_function("sent.at(-1).topics.length === 0")
