"""The panels of people in Chromium, with their real server and database in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from sqlalchemy import text

from mephisto_nb.operator import Operator
from mephisto_nb.testing.contracts._samples import SampleRun, grant_to
from tests.browser.axe import faults
from tests.display.stage import Stage
from tests.inside import acts_of, frames_of

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
LONG = "w" * 300
#: Where to click at a text whose end is cut off.
NEAR: Any = {"x": 8, "y": 8}
TURNED = "مرحبا \u202eevil\u202c"


@pytest_asyncio.fixture(loop_scope="session")
async def stage(page: Page, tmp_path: Path) -> AsyncIterator[Stage]:
    """A page that is to show panels; nothing on it may raise or complain."""
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    page.on("console", lambda message: pytest.fail(message.text) if message.type == "error" else None)
    operator = Operator(data_dir=tmp_path)
    stage = Stage(page, operator)
    yield stage
    await stage.close()
    await operator.shutdown()


async def people(operator: Operator, count: int, granted: int = 0) -> None:
    """Make `count` workers, of whom the first `granted` are careful, and a few who are not as others."""
    names = [f"worker {n:05}" for n in range(count)]
    await operator.workers.block(names)
    await operator.workers.unblock(names)
    if granted:
        await operator.qualifications.create("careful", "Found every planted mistake in the training text.")
        await operator.qualifications.grant(
            "careful", names[:granted], [n % 5 + 1 for n in range(granted)], why="trained"
        )


async def pick(stage: Stage, name: str) -> None:
    await stage.page.get_by_role("grid", name="Qualifications").get_by_text(name, exact=True).click(position=NEAR)


DARK = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


@DARK
async def test_empty_panels_say_what_to_do_first(stage: Stage, shots: Path, dark: bool) -> None:
    for topic, words in (("qualifications", "“New…” makes one"), ("workers", "as soon as they come to a run")):
        await stage.open(topic, dark=dark)
        await expect(stage.page.get_by_text(words)).to_be_visible()
        assert await faults(stage.page) == []
        await stage.page.screenshot(path=shots / f"people-{topic}-empty-{'dark' if dark else 'light'}.png")


@DARK
async def test_of_200_workers_30_are_qualified_and_the_rest_hear_why_not(stage: Stage, shots: Path, dark: bool) -> None:
    await people(stage.operator, 200, 30)
    await stage.operator.qualifications.create("fluent", "Speaks it at home.")
    stage.operator.qualifications.who_would_qualify(
        [{"qualification_name": "careful", "comparator": "GreaterThan", "value": 2}]
    )
    await stage.open("qualifications", dark=dark)
    await pick(stage, "careful")
    await expect(stage.page.get_by_text("30 holders")).to_be_visible()
    await expect(stage.page.get_by_text("18 of 200 known workers would be let in (9 %)")).to_be_visible()
    await expect(stage.page.get_by_role("list").get_by_text("does not have 'careful'")).to_be_visible()
    assert await faults(stage.page) == []
    await stage.page.screenshot(path=shots / f"people-30-of-200-{'dark' if dark else 'light'}.png", full_page=True)


async def worked(operator: Operator, count: int) -> None:
    """Let `count` workers have done work of a run: the first three for too little pay."""
    run = SampleRun(operator._people.acts.database, task_name="moods")
    for number in range(count):
        run.add_answered_unit({"label": "glad"}, worker_name=f"worker {number:05}")
    slow = "(SELECT worker_id FROM workers WHERE worker_name < 'worker 00003')"
    agents = f"(SELECT agent_id FROM agents WHERE worker_id IN {slow})"
    with frames_of(run).database.connections.writer.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(text(f"UPDATE submissions SET received_at = received_at + 3600 WHERE agent_id IN {agents}"))
    operator._people.acts.tell()


@DARK
async def test_workers_are_listed_with_their_pay_and_their_notes(stage: Stage, shots: Path, dark: bool) -> None:
    await worked(stage.operator, 12)
    await stage.operator.workers.note("worker 00004", "asks good questions", who="kim")
    await stage.operator.workers.block("worker 00007", why="copies answers")
    await stage.operator.qualifications.grant("careful", ["worker 00001", "worker 00004"], [3, 5])
    await stage.open("workers", dark=dark)
    await expect(stage.page.get_by_text("12 workers, 1 blocked, 3 paid below the minimum")).to_be_visible()
    await expect(stage.page.get_by_text("careful 5")).to_be_visible()
    assert await faults(stage.page) == []
    name = "dark" if dark else "light"
    await stage.page.screenshot(path=shots / f"people-workers-{name}.png")
    await stage.page.get_by_role("grid").get_by_text("worker 00004").click()
    await expect(stage.page.get_by_role("dialog")).to_contain_text("asks good questions")
    for said in ("0 approved, 1 waiting; 0 left", "more if what waits is approved", "$0.00 owed, $0.00 sent"):
        await expect(stage.page.get_by_role("dialog")).to_contain_text(said)
    assert await faults(stage.page) == []
    await stage.page.screenshot(path=shots / f"people-worker-{name}.png")
    await stage.page.keyboard.press("Escape")
    await stage.page.get_by_label("Which workers").select_option("paid below the minimum")
    await expect(stage.page.get_by_text("3 of 12 workers")).to_be_visible()


async def test_as_many_chosen_before_are_not_all_that_a_search_shows(stage: Stage) -> None:
    await people(stage.operator, 4)
    await stage.open("workers")
    search, grid = stage.page.get_by_label("Search workers and qualifications"), stage.page.get_by_role("grid")
    everybody = grid.get_by_role("columnheader", name="Choose all")
    for which, chosen in (("worker 00001", "1 of 4 workers, 1 chosen"), ("worker 00002", "1 of 4 workers, 2 chosen")):
        await search.fill(which)
        await expect(grid.get_by_text(which)).to_be_visible()
        await expect(grid.get_by_text("worker 0000")).to_have_count(1)
        await expect(everybody).not_to_have_attribute("data-all", "")
        await everybody.click()
        await expect(stage.page.get_by_text(chosen)).to_be_visible()
        await expect(everybody).to_have_attribute("data-all", "")
    await everybody.click()
    await expect(stage.page.get_by_text("chosen")).to_have_count(0)


@DARK
async def test_ten_thousand_are_scrolled_searched_sorted_and_chosen(stage: Stage, shots: Path, dark: bool) -> None:
    await people(stage.operator, 10_000, 3000)
    await stage.open("workers", dark=dark)
    grid = stage.page.get_by_role("grid")
    await expect(grid).to_have_attribute("aria-rowcount", "10001")
    await grid.evaluate("grid => { grid.scrollTop = 30 * 5000; }")
    await expect(grid.get_by_text("worker 05000")).to_be_visible()
    assert await grid.get_by_role("row").count() < 60
    await stage.page.screenshot(path=shots / f"people-10000-{'dark' if dark else 'light'}.png")
    await grid.get_by_role("columnheader", name="Qualifications").click()
    await grid.get_by_role("columnheader", name="Worker").click()
    await grid.get_by_role("columnheader", name="Worker").click()
    await expect(grid.get_by_role("row").nth(1)).to_contain_text("worker 09999")
    await stage.page.get_by_role("searchbox").fill("00999")
    await expect(stage.page.get_by_text("1 of 10,000 workers")).to_be_visible()
    await stage.page.get_by_role("searchbox").fill("careful")
    await expect(stage.page.get_by_text("3,000 of 10,000 workers")).to_be_visible()
    await grid.get_by_role("columnheader", name="Choose all").click()
    await expect(stage.page.get_by_text("3,000 chosen")).to_be_visible()
    await stage.page.get_by_role("button", name="Block…", exact=True).click()
    await expect(stage.page.get_by_role("dialog")).to_contain_text("will be offered nothing any more")
    await stage.page.get_by_role("button", name="Block", exact=True).click()
    await expect(stage.page.get_by_text("Blocked 3,000 workers.")).to_be_visible()
    assert stage.operator.workers.frame()["blocked"].sum() == 3000


@DARK
@pytest.mark.parametrize("topic", ["qualifications", "workers"])
@pytest.mark.parametrize("width", ["", "380px"], ids=["wide", "narrow"])
async def test_long_hostile_and_reversed_names_stay_text_in_their_place(
    stage: Stage, shots: Path, topic: str, width: str, dark: bool
) -> None:
    for name in (HOSTILE, LONG, TURNED):
        await stage.operator.qualifications.create(name, f"{name} is what {name} does")
        await stage.operator.qualifications.grant(name, [HOSTILE, LONG, TURNED, "ann"], why=name)
    await stage.open(topic, dark=dark, width=width)
    if topic == "qualifications":
        for name in (LONG, HOSTILE):
            await pick(stage, name)
            await stage.page.get_by_role("tab", name="History").click()
            await expect(stage.page.get_by_role("grid", name="History").get_by_text("granted 1").first).to_be_visible()
    else:
        await stage.page.get_by_role("grid").get_by_text(HOSTILE, exact=True).first.click(position=NEAR)
        await expect(stage.page.get_by_role("dialog")).to_contain_text(HOSTILE)
    assert await faults(stage.page) == []
    kind = f"{topic}-{'narrow-' if width else ''}{'dark' if dark else 'light'}"
    await stage.page.screenshot(path=shots / f"people-hostile-{kind}.png", full_page=True)
    assert await stage.page.locator("main img").count() == 0
    assert await stage.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await stage.page.title() == "Dashboard"


@DARK
async def test_a_qualification_is_made_granted_changed_revoked_and_undone(
    stage: Stage, shots: Path, dark: bool
) -> None:
    page, name = stage.page, "dark" if dark else "light"
    await people(stage.operator, 5)
    await stage.open("qualifications", dark=dark)
    await page.get_by_role("button", name="New…").click()
    await page.get_by_label("Name").fill("careful")
    await expect(page.get_by_role("dialog")).to_contain_text("'careful' will be created.")
    await page.get_by_role("button", name="Create", exact=True).click()
    await expect(page.get_by_role("grid", name="Qualifications").get_by_role("row")).to_have_count(2)
    await page.get_by_role("button", name="Grant…").click()
    await page.get_by_role("textbox", name="Workers names").fill("worker 00001\nworker 00003\nzoe")
    await page.get_by_role("spinbutton").fill("4")
    await page.get_by_role("textbox", name="Why").fill("trained")
    await expect(page.get_by_role("dialog")).to_contain_text("Not known here until now: zoe.")
    assert await faults(page) == []
    await page.screenshot(path=shots / f"people-grant-{name}.png")
    await page.get_by_role("button", name="Grant", exact=True).click()
    holders = page.get_by_role("grid", name="Holders")
    await expect(holders.get_by_role("row")).to_have_count(4)
    assert set(stage.operator.qualifications.grants()["value"]) == {4}
    await holders.get_by_role("columnheader", name="Choose all").click()
    await page.get_by_role("button", name="Change value…").click()
    await page.get_by_role("spinbutton").fill("9")
    await page.get_by_role("button", name="Change", exact=True).click()
    await expect(holders.get_by_text("9", exact=True)).to_have_count(3)
    await page.get_by_role("button", name="Revoke…").click()
    await page.get_by_role("button", name="Revoke", exact=True).click()
    await expect(page.get_by_text("Nobody holds it yet.")).to_be_visible()
    for value, last in (("9", "Undo: Revoked 'careful' from 3 workers"), ("4", "Undo: Granted 'careful' to 3 workers")):
        await page.get_by_role("button", name=last).click()
        await expect(holders.get_by_text(value, exact=True)).to_have_count(3)
    await page.get_by_role("tab", name="History").click()
    await expect(page.get_by_role("grid", name="History").get_by_text("granted 9 (was 4)").first).to_be_visible()
    assert await faults(page) == []
    await page.screenshot(path=shots / f"people-history-{name}.png", full_page=True)


@DARK
async def test_a_qualification_in_use_is_deleted_only_when_confirmed(stage: Stage, shots: Path, dark: bool) -> None:
    page = stage.page
    await people(stage.operator, 40, 30)
    needs = {"qualification_name": "careful", "comparator": "Exists", "value": None}
    run = SampleRun(acts_of(stage.operator).database, task_name="moods", qualifications=[needs])
    await stage.open("qualifications", dark=dark)
    await pick(stage, "careful")
    await expect(page.get_by_text("Asked for by runs that have not ended: moods")).to_be_visible()
    await page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("30 workers will lose it")
    await expect(dialog).to_contain_text(run.id)
    await expect(dialog.get_by_role("button", name="Delete nonetheless")).to_be_disabled()
    assert await faults(page) == []
    await page.screenshot(path=shots / f"people-delete-{'dark' if dark else 'light'}.png")
    await dialog.get_by_role("checkbox").check()
    await dialog.get_by_role("button", name="Delete nonetheless").click()
    await expect(page.get_by_text("Deleted 'careful'; 30 workers held it.")).to_be_visible()
    await page.get_by_role("button", name="Undo").click()
    await pick(stage, "careful")
    await expect(page.get_by_text("30 holders")).to_be_visible()


async def test_everything_is_reached_by_keyboard(stage: Stage) -> None:
    page = stage.page
    await people(stage.operator, 200, 30)
    await stage.open("workers")
    await expect(page.get_by_text("200 workers", exact=True).first).to_be_visible()
    grid = page.get_by_role("grid")
    await grid.focus()
    for key in ("End", "ArrowUp", "ArrowDown", "Home", "PageDown", "ArrowDown", " "):
        await page.keyboard.press(key)
    chosen = await grid.locator("[aria-selected=true]").get_attribute("aria-rowindex")
    active = await grid.get_attribute("aria-activedescendant")
    assert await grid.locator(f"#{active}").evaluate("cell => cell.parentNode.getAttribute('aria-rowindex')") == chosen
    await page.keyboard.press("Control+a")
    await expect(page.get_by_text("200 chosen")).to_be_visible()
    await page.keyboard.press("Control+End")
    await expect(grid.get_by_text("worker 00199")).to_be_visible()
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_contain_text("worker 00199")
    await page.keyboard.press("Escape")
    await expect(grid).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await expect(page.get_by_role("button", name="Choose none")).to_be_focused()


async def test_two_panels_and_a_script_show_the_same(stage: Stage) -> None:
    await people(stage.operator, 20, 3)
    await stage.open("qualifications")
    await stage.page.evaluate("async ([topic]) => mount('', topic)", ["workers"])
    await pick(stage, "careful")
    await expect(stage.page.get_by_text("3 holders")).to_be_visible()
    await stage.operator.qualifications.grant("careful", [f"worker {n:05}" for n in range(10, 17)])
    await expect(stage.page.get_by_text("10 holders")).to_be_visible()
    await stage.page.get_by_role("article", name="Workers").get_by_role("searchbox").fill("careful")
    await expect(stage.page.get_by_text("10 of 20 workers")).to_be_visible()


async def test_a_panel_follows_however_fast_changes_come(stage: Stage) -> None:
    await people(stage.operator, 20, 3)
    await stage.open("qualifications")
    await pick(stage, "careful")
    await expect(stage.page.get_by_text("3 holders")).to_be_visible()
    follows = asyncio.create_task(stage.page.get_by_text("4 holders").wait_for())
    await stage.operator.qualifications.grant("careful", "worker 00011")
    while not follows.done():
        acts_of(stage.operator).tell()
        await asyncio.sleep(0)
        await stage.page.evaluate("() => new Promise((go) => requestAnimationFrame(go))")
    await follows


async def test_what_another_kernel_does_is_seen_as_somebody_comes_back(stage: Stage) -> None:
    await people(stage.operator, 20, 3)
    await stage.open("qualifications")
    await pick(stage, "careful")
    await expect(stage.page.get_by_text("3 holders")).to_be_visible()
    grant_to(acts_of(stage.operator).database, "careful", "worker 00011", 1)
    await stage.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    await expect(stage.page.get_by_text("4 holders")).to_be_visible()


async def test_nothing_is_begun_that_the_first_state_would_take_away(stage: Stage) -> None:
    await people(stage.operator, 4)
    may_come, find = asyncio.Event(), stage._find

    async def find_late(topic: str) -> Any:
        await may_come.wait()
        return await find(topic)

    stage._server._find = find_late
    await stage.open("qualifications")
    add = stage.page.get_by_role("button", name="Add a requirement")
    await expect(stage.page.get_by_role("article", name="Qualifications")).to_be_visible()
    await expect(add).to_be_hidden(timeout=2000)
    may_come.set()
    await add.click()
    await expect(stage.page.get_by_label("Comparator")).to_be_visible()


async def test_requirements_are_composed_by_hand_with_all_comparators(stage: Stage) -> None:
    page = stage.page
    await people(stage.operator, 10, 5)
    await stage.open("qualifications")
    await page.get_by_role("button", name="Add a requirement").click()
    await page.get_by_label("Qualification", exact=True).fill("careful")
    passes = {
        "Exists": 5, "DoesNotExist": 5, "GreaterThanOrEqualTo": 4, "GreaterThan": 3, "LessThanOrEqualTo": 2,
        "LessThan": 1, "EqualTo": 1, "NotEqualTo": 4, "In": 1, "NotIn": 4,
    }  # fmt: skip
    for comparator, count in passes.items():
        await page.get_by_label("Comparator").select_option(comparator)
        if comparator not in ("Exists", "DoesNotExist"):
            await page.get_by_label("Value", exact=True).fill("2")
        await expect(page.get_by_text(f"{count} of 10 known workers would be let in")).to_be_visible()
    [composed] = stage.operator.qualifications.composed
    assert composed.to_dict()["value"] == [2]
    await expect(page.get_by_text('mnb.make_requirement("careful", "NotIn", [2])')).to_be_visible()
    await page.get_by_label("Which workers").select_option("those not let in")
    await expect(page.get_by_text("6 of 10 workers")).to_be_visible()
