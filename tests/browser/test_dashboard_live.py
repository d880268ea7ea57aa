"""The dashboard of a real run in JupyterLab and in Notebook 7: its numbers, its buttons, and what it survives."""

from __future__ import annotations

import re
import time
from collections import Counter
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.browser.dashboards import WORK, Screen
from tests.browser.jupyter import Lab

#: Workers who never come to an end while a test looks on.
SLOW = WORK.format(workers=3, time=(3600.0, 3600.0))
BOTH = pytest.mark.parametrize("app", ["lab", "notebook7"])


def screen_of(page: Page, lab: Lab, app: str, folder: str) -> Screen:
    return Screen(page, lab.with_notebook7() if app == "notebook7" else lab, f"{folder}-{app}")


def states_between(screen: Screen, start: float, end: float) -> list[Counter[str]]:
    """Give every state in which the units were from one moment to another, by the event log."""
    counts = Counter(screen.count())
    found = []
    changes = "SELECT at, before, after FROM events WHERE subject = 'unit' ORDER BY event_id DESC"
    for at, before, after in screen.query(changes):
        if at <= end:
            found.append(+counts)
        if at < start:
            return found
        counts[after] -= 1
        if before is not None:
            counts[before] += 1
    return [*found, +counts]


@BOTH
async def test_the_numbers_on_the_screen_are_those_of_the_frames_within_a_second(
    jupyter_lab: Lab, page: Page, app: str
) -> None:
    screen = screen_of(page, jupyter_lab, app, "numbers")
    await screen.start(WORK.format(workers=12, time=(0.2, 0.8)), units=200)
    samples = []
    while not samples or samples[-1][1].get("completed") != 200:
        since = time.time() - 1
        samples.append((since, await screen.numbers(), time.time()))
    late = [shown for start, shown, end in samples if Counter(shown) not in states_between(screen, start, end)]
    assert late == []
    assert len({shown.get("completed", 0) for _, shown, _ in samples}) > 20
    await screen.expect_state("Finished")


@BOTH
async def test_buttons_pause_resume_limit_expire_and_stop(jupyter_lab: Lab, page: Page, app: str) -> None:
    screen = screen_of(page, jupyter_lab, app, "buttons")
    await screen.start(SLOW)
    await expect(screen.view.locator("tbody tr")).to_have_count(3)
    await screen.press("Pause")
    await screen.expect_state("Paused")
    await screen.view.get_by_role("group").get_by_role("button", name="Resume").click()
    await screen.expect_state("Live")
    await screen.press("Limits…")
    await screen.view.get_by_label("Units on offer at once").fill("10")
    await screen.view.get_by_label("Pay for a unit").fill("0.25")
    await expect(screen.view.get_by_role("dialog")).to_contain_text("$0.25 instead of $0.10")
    await screen.press("Apply")
    await expect(screen.view.locator("[data-count=created]")).to_have_text("50")
    await screen.press("Expire open units…", then="Expire")
    await expect(screen.view.get_by_role("status").get_by_text("57 units have expired.")).to_be_visible()
    assert screen.count() == {"assigned": 3, "expired": 57}
    await screen.press("Stop at once…", then="Stop at once")
    await screen.expect_state("Finished")
    assert screen.count() == {"expired": 60}
    told = " | ".join(screen.told())
    assert re.search("paused.*resumed.*changed.*expired.*shut down", told), told
    [(at_stake,)] = screen.query("SELECT count(*) FROM units WHERE pay_amount = 0.25")
    assert at_stake == 57


async def test_the_dashboard_says_that_its_kernel_is_gone_and_lives_again_by_one_call(
    jupyter_lab: Lab, page: Page
) -> None:
    screen = Screen(page, jupyter_lab, "restart")
    again = "import mephisto_nb as mnb\noperator = mnb.Operator('restart')\n"
    again += "run = await operator.reconnect(operator.left_behind[0].task_run_id) if operator.left_behind else run\nrun"
    await screen.start(again)
    await jupyter_lab.restart_kernel(page)
    await expect(screen.view.get_by_text("The kernel does not answer.")).to_be_visible()
    await page.locator(".jp-CodeCell", has_text="reconnect").last.locator(".cm-content").click()
    await page.keyboard.press("Shift+Enter")
    cell = page.locator(".jp-CodeCell", has_text="reconnect").last
    screen.view = cell.locator(".mnb")
    await screen.expect_state("Live")
    await screen.press("Stop…", then="Stop gently")
    await screen.expect_state("Finished")


async def test_two_views_agree_and_a_reloaded_page_is_alive(jupyter_lab: Lab, page: Page) -> None:
    screen = Screen(page, jupyter_lab, "views")
    await screen.start("run", SLOW)
    for _ in range(2):
        for view in await page.locator(".mnb").all():
            await expect(view.locator("[data-count=assigned]")).to_have_text("3")
        await page.locator(".mnb").first.get_by_role("button", name="Pause", exact=True).click()
        await expect(page.locator(".mnb-head .mnb-state", has_text="Paused")).to_have_count(2)
        await page.locator(".mnb-tools").last.get_by_role("button", name="Resume", exact=True).click()
        await expect(page.locator(".mnb-head .mnb-state", has_text="Live")).to_have_count(2)
        async with page.expect_response(lambda answer: answer.request.method == "PUT" and "views" in answer.url):
            await page.keyboard.press("Control+s")
        await page.reload()
        await page.locator(".mnb-hero").nth(1).wait_for()
    await screen.press("Stop at once…", then="Stop at once")
    await screen.expect_state("Finished")


async def test_the_operator_lists_its_runs_and_opens_one_and_an_answer(jupyter_lab: Lab, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).hostname or ""))
    screen = Screen(page, jupyter_lab, "listing")
    await screen.start("operator", WORK.format(workers=2, time=(0.0, 0.0)), "await run.completed()", units=5)
    listing = page.locator(".mnb").nth(1)
    await listing.get_by_role("button", name="listing").click()
    await expect(listing.locator(".mnb-hero")).to_contain_text("5 of 5")
    await listing.locator(".mnb-row").first.click()
    await expect(listing.get_by_role("dialog")).to_contain_text("glad")
    await page.keyboard.press("Escape")
    await listing.get_by_role("button", name="All runs").click()
    await expect(listing.locator("tbody")).to_contain_text("5 of 5 (100 %)")
    assert set(asked) <= {"127.0.0.1", ""}
