"""The charts of a real run in JupyterLab and in Notebook 7: they appear, they follow, and they are silent unseen."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, WebSocket, expect

from tests.browser.dashboards import WORK, Screen
from tests.browser.jupyter import Lab

ANSWERS = re.compile(r"^(\d+) answers? in")
#: What the kernel sends of charts is about this topic.
ABOUT_CHARTS = re.compile(rb'"topic":\s*"charts"')


def listen(page: Page) -> list[bytes]:
    """Collect what the page is sent about charts from now on."""
    found: list[bytes] = []

    def note(payload: bytes | str) -> None:
        content = payload.encode() if isinstance(payload, str) else payload
        if ABOUT_CHARTS.search(content):
            found.append(content)

    def follow(socket: WebSocket) -> None:
        socket.on("framereceived", note)

    page.on("websocket", follow)
    return found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("app", ["lab", "notebook7"])
async def test_charts_appear_follow_and_are_silent_while_nobody_sees_them(
    jupyter_lab: Lab, page: Page, app: str
) -> None:
    sent = listen(page)
    lab = jupyter_lab.with_notebook7() if app == "notebook7" else jupyter_lab
    screen = Screen(page, lab, f"charts-{app}")
    await screen.start("run.charts()", WORK.format(workers=1, time=(0.4, 0.6)), units=1000)
    charts = page.locator(".mnb-charts")
    title = charts.get_by_text(ANSWERS)
    await charts.scroll_into_view_if_needed()
    first = await title.text_content() or ""
    await expect(title).not_to_have_text(first)
    # A page keeps one style sheet of each class of widgets, and these are two.
    await expect(screen.view.locator(".mnb-tiles")).to_have_css("display", "grid")
    cell = page.locator(".jp-CodeCell", has_text="run.charts()")
    await cell.locator(".jp-OutputCollapser").click()
    await expect(charts).to_be_hidden()
    answered = screen.count()["completed"]
    await screen.wait_for(lambda: screen.count()["completed"] > answered + 2)  # what was under way has come
    sent.clear()
    answered = screen.count()["completed"]
    await screen.wait_for(lambda: screen.count()["completed"] > answered + 8)
    assert sent == []
    unseen = screen.count()["completed"]
    await cell.locator(".jp-OutputCollapser").click()
    while int((await title.text_content() or "").split()[0]) < unseen:
        await page.evaluate("new Promise(requestAnimationFrame)")
    await expect(charts.get_by_text("mood: glad leads with 100%")).to_be_visible()
    assert sent != []
