"""The dashboard of a real run in JupyterLab and in Notebook 7: its numbers, its buttons, and what it survives."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.browser.dashboards import WORK, Screen
from tests.browser.jupyter import Lab
from tests.browser.readings import READ, Reading, understand
from tests.browser.truth import CLOCK, FEE_RATE, KEEP_FRAMES, Truth, read_truths, seconds_computed

#: Workers who never come to an end while a test looks on.
SLOW = WORK.format(workers=3, time=(3600.0, 3600.0))
BOTH = pytest.mark.parametrize("app", ["lab", "notebook7"])


def screen_of(page: Page, lab: Lab, app: str, folder: str) -> Screen:
    return Screen(page, lab.with_notebook7() if app == "notebook7" else lab, f"{folder}-{app}")


#: A crowd that takes fees; answers that can be told apart; and the frames, to be held against the screen.
COSTLY = (
    "from decimal import Decimal\nfrom mephisto_nb.providers.link import LinkProvider\n"
    f"LinkProvider.FEE_RATE = Decimal('{FEE_RATE}')"
)
NUMBERS = WORK.format(workers=12, time=(0.6, 1.8)).replace('"glad"', 'row["text"]')

UNFOLD = """view => view.querySelectorAll(".mnb-more[aria-expanded=false]:not([hidden])")
    .forEach((button) => button.click())"""


@dataclass(frozen=True)
class Sample:
    """What a dashboard showed between two moments; and when its kernel was heard last, by a plain widget."""

    begin: float
    shown: Reading
    end: float
    heard: float


async def readings(screen: Screen) -> list[Sample]:
    """Read the whole dashboard again and again while a run lasts."""
    found: list[Sample] = []
    await expect(screen.page.locator(".kernel-clock")).not_to_be_empty()
    clock = await screen.page.locator(".kernel-clock").element_handle()  # read even while the notebook puts it away
    assert clock
    while not found or found[-1].shown.units != {"completed": 160}:
        await screen.view.evaluate(UNFOLD)
        begin, heard = time.time(), float(await clock.text_content() or "nothing")
        words = await screen.view.evaluate(READ)
        if not words["state"]:
            # What is shown of a run that is over is put out anew for the saved notebook, and empty for a moment.
            assert found[-1].shown.answered[0] >= 150
            await expect(screen.view.locator(".mnb-hero")).to_be_visible()
            continue
        found.append(Sample(begin, understand(words), time.time(), heard))
    return found


def best_match(truths: list[Truth], sample: Sample, folder: Path) -> list[str]:
    """Return what is wrong about a reading, whichever moment of the second before it is taken to show.

    Time in which nothing reaches the page is no part of that second; what the kernel computes itself is.
    """
    silence = sample.begin - sample.heard - seconds_computed(folder, sample.heard, sample.begin)
    since = sample.begin - 1 - max(0.0, silence)
    near = [truth for truth in truths if truth.since <= sample.end and truth.until >= since]
    # Where nothing happens the clock's own numbers are renewed every few seconds: they may be those of the last answer.
    moments = [truth.since if set(truth.units) == {"completed"} else max(since, truth.since) for truth in near]
    differences = (truth.differences(sample.shown, at, sample.end) for truth, at in zip(near, moments, strict=True))
    return min(differences, key=len)


@BOTH
async def test_each_number_on_screen_equals_the_frames_within_a_second(jupyter_lab: Lab, page: Page, app: str) -> None:
    screen = screen_of(page, jupyter_lab, app, "numbers")
    folder = f"folder = {screen.folder!r}"
    await screen.start(NUMBERS, folder + KEEP_FRAMES, units=160, before=COSTLY + CLOCK)
    samples = await readings(screen)
    kept = jupyter_lab.root / screen.folder
    await screen.wait_for((kept / "runs.pickle").exists)
    truths = read_truths(kept)
    wrong = [
        (one.shown.answered, f"read in {one.end - one.begin:.2f} s, {one.begin - one.heard:.2f} s after a word", found)
        for one in samples
        if (found := best_match(truths, one, kept))
    ]
    assert wrong == []
    assert median(one.begin - one.heard for one in samples) < 2
    assert len({one.shown.answered for one in samples}) > 12
    assert any(len(one.shown.newest) == 10 and len(one.shown.people) == 12 for one in samples)
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
    [(at_stake,)] = screen.query("SELECT count(*) FROM units WHERE pay_amount = 25000")
    assert at_stake == 57


async def test_the_dashboard_says_its_kernel_is_gone_and_a_call_revives_it(jupyter_lab: Lab, page: Page) -> None:
    screen = Screen(page, jupyter_lab, "restart")
    again = "import mephisto_nb as mnb\noperator = mnb.Operator('restart')\n"
    again += (
        "left = operator.find_live_runs()\nrun = await operator.reconnect(left[0].task_run_id) if left else run\nrun"
    )
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
    await listing.scroll_into_view_if_needed()  # what nobody sees is not filled
    await listing.get_by_role("button", name="listing").click()
    await expect(listing.locator(".mnb-hero")).to_contain_text("5 of 5")
    await listing.locator(".mnb-row").first.click()
    await expect(listing.get_by_role("dialog")).to_contain_text("glad")
    await page.keyboard.press("Escape")
    await listing.get_by_role("button", name="All runs").click()
    await expect(listing.locator("tbody")).to_contain_text("5 of 5 (100 %)")
    assert set(asked) <= {"127.0.0.1", ""}
