"""The dashboard's front end in Chromium, with canned states and a stub for the kernel."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from mephisto_nb.display.widgets.widget import DASHBOARD
from tests.browser.axe import faults
from tests.display.harness import Harness
from tests.display.states import (
    BUSY,
    EMPTY,
    FINISHED,
    HUGE,
    LONG_NAMES,
    NOW,
    RIGHT_TO_LEFT,
    RUNS,
    STATES,
    TROUBLE,
    person,
    units,
    with_changes,
)

RUN = BUSY["run"]["id"]
COUNT_CHANGES = """window.touched = 0; new MutationObserver((list) => { touched += list.length; })
.observe(document.querySelector("main"), {subtree: true, childList: true, attributes: true, characterData: true})"""
#: The same without what tells the time, which goes on while a slow page is looked at.
COUNT_BESIDE_CLOCKS = COUNT_CHANGES.replace(
    "list.length",
    """list.filter(({target}) =>
        !(target.closest ? target : target.parentElement)?.closest(".mnb-elapsed, .mnb-time, .mnb-when")).length""",
)


@pytest_asyncio.fixture(loop_scope="session")
async def shown(page: Page) -> Harness:
    """A page that is to show a dashboard; nothing on it may raise or complain."""
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    page.on("console", lambda message: pytest.fail(message.text) if message.type == "error" else None)
    return Harness(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", STATES)
async def test_axe_finds_no_serious_fault_in_any_state(shown: Harness, name: str, dark: bool) -> None:
    await shown.open(RUN, STATES[name], dark=dark)
    assert await faults(shown.page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_axe_finds_no_serious_fault_in_the_list_and_the_dialogs(shown: Harness, dark: bool) -> None:
    await shown.open("runs", RUNS, dark=dark)
    assert await faults(shown.page) == []
    await shown.open(RUN, BUSY, dark=dark)
    await shown.set(previews={"shutdown": "Everything ends."})
    for button in (re.compile("^Stop…"), "Limits…", "Copy the workers' links…", re.compile("angry")):
        await shown.page.get_by_role("button", name=button).first.click()
        await shown.settle()
        assert await faults(shown.page) == []
        await shown.page.keyboard.press("Escape")


async def test_the_first_view_shows_progress_cost_and_problems(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    for words in (
        "126 of 200 answered",
        "63\u00a0%",
        "All is well",
        "104 to review",
        "$22.68 so far of $36.00",
        "$36.00 if all units are answered, with 20\u00a0% fees ($6.00, partly an estimate); $0.15 a unit",
        "3 expired units cost nothing",
        "$11.88 not begun",
        "184 units an hour",
    ):
        await expect(shown.page.locator("main")).to_contain_text(words)
    await expect(shown.page.locator("main")).to_contain_text("likely 19 min to 31 min")
    bar = shown.page.get_by_role("progressbar")
    await expect(bar).to_have_attribute("aria-valuenow", "126")
    await expect(bar).to_have_attribute("aria-valuemax", "200")


async def test_the_cost_is_exact_by_where_it_stands(shown: Harness) -> None:
    parts = {"paid": 0.57, "asked": 0.5, "owed": 0.035, "undecided": 0.0, "beside": 1.0}
    money = {"spent": 1.326, "total": 1.326, "reward": 0.7, "units_per_visit": 20, "fees_estimated": 0.107, **parts}
    await shown.open(RUN, with_changes(FINISHED, money={**money, "fees": {"spent": 0.221}}))
    cost = shown.page.locator(".mnb-cost")
    await expect(cost).to_contain_text("$1.3260 in all")
    await expect(cost).to_contain_text("with 20\u00a0% fees ($0.2210, partly an estimate); $0.70 a visit of 20 units")
    words = "$0.57 paid · $0.50 being asked for · $0.0350 owed · $0.2210 fees; $1.00 of all are bonuses"
    await expect(cost).to_contain_text(words)


@pytest.mark.parametrize("name", ["busy", "trouble", "finished", "long-names"])
async def test_on_a_phone_nothing_reaches_beyond_the_edge(shown: Harness, name: str) -> None:
    await shown.page.set_viewport_size({"width": 380, "height": 900})
    await shown.open(RUN, STATES[name])
    await shown.settle()
    beyond = """() => { const edge = document.querySelector(".mnb-run").getBoundingClientRect().right;
        return [...document.querySelectorAll(".mnb-run *")].filter((node) => node.getBoundingClientRect().right > edge)
            .map((node) => node.className || node.tagName); }"""
    assert await shown.page.evaluate(beyond) == []


async def test_budgets_are_shown_with_what_is_free_where_there_are_any(shown: Harness) -> None:
    await shown.open(RUN, TROUBLE)
    budgets = shown.page.locator(".mnb-budgets")
    for words in ("Month 2026-11", "$40.00 (USD)", "$4.50 spent", "$37.82 committed", "-$2.32 free"):
        await expect(budgets).to_contain_text(words)
    await shown.open(RUN, FINISHED)
    await expect(budgets).to_be_hidden()


async def test_what_needs_attention_has_a_remedy_and_a_button(shown: Harness) -> None:
    await shown.open(RUN, TROUBLE)
    await expect(shown.page.get_by_text("3 things need attention, 1 note")).to_be_visible()
    await expect(shown.page.get_by_text("below the minimum of $12.00; 74 of 74 answers earned less")).to_be_visible()
    await shown.set(previews={"limits": "Raises the pay of 120 units from $0.15 to $0.29: $20.16 more."})
    await shown.page.get_by_role("button", name="Raise pay to $0.29 ($20.16 more, fees included)").click()
    await shown.settle()
    await expect(shown.page.get_by_role("dialog")).to_contain_text("$20.16 more")
    await shown.page.get_by_role("button", name="Change them").click()
    await shown.settle()
    assert await shown.page.evaluate("acts") == [["limits", {"task_reward": 0.29}]]


async def test_no_text_of_others_becomes_markup_or_a_link(shown: Harness) -> None:
    shown.page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    await shown.open(RUN, STATES["hostile"])
    await shown.page.locator(".mnb-row").first.click()
    await shown.settle()
    assert await shown.page.locator("main script, main img").count() == 0
    assert await shown.page.locator("a[href]").count() == 1  # a link that stays hidden
    await expect(shown.page.get_by_role("link")).to_have_count(0)
    text = await shown.page.locator("main").inner_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", text)


async def test_a_change_touches_only_what_shows_it(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    await shown.page.evaluate(COUNT_BESIDE_CLOCKS)
    await shown.change(RUN, {"units.completed": 105, "units.answered": 127})
    await expect(shown.page.locator(".mnb-hero")).to_contain_text("127 of 200")
    assert await shown.page.evaluate("touched") < 12


async def test_a_second_with_nothing_new_moves_only_the_clocks(shown: Harness) -> None:
    await shown.open(RUN, EMPTY)
    await shown.page.evaluate(COUNT_CHANGES)
    await shown.page.clock.run_for(3000)
    assert await shown.page.evaluate("touched") <= 4
    await expect(shown.page.locator(".mnb-elapsed")).to_have_text("launched 15\u00a0s ago")


async def test_people_and_answers_come_and_go_and_the_focus_stays(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    second = shown.page.locator(".mnb-row").nth(1)
    await second.focus()
    fresh = {**BUSY["newest"][0], "agent_id": "fresh", "preview": "fresh"}
    await shown.change(RUN, {"newest": [fresh, *BUSY["newest"][:9]], "people.rows": [person(5), person(9)]})
    await expect(shown.page.locator(".mnb-row").nth(2)).to_be_focused()
    await expect(shown.page.locator(".mnb-row").first).to_contain_text("fresh")
    await expect(shown.page.locator("tbody tr")).to_have_count(2)
    await shown.change(RUN, {"newest": [fresh]})
    await expect(shown.page.locator(".mnb-row").first).to_be_focused()


async def test_a_lost_message_makes_the_page_ask_for_the_whole(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    await shown.page.evaluate("([topic, state]) => { revs[topic] += 1; states[topic] = state; }", [RUN, TROUBLE])
    await shown.change(RUN, {"units.answered": 75})
    await shown.settle()
    assert (await shown.sent("look"))[-1]["again"] == [RUN]
    await expect(shown.page.locator(".mnb-hero")).to_contain_text("74 of 197")


async def test_two_views_agree(shown: Harness) -> None:
    await shown.open(RUN, EMPTY)
    await shown.add_view()
    await shown.change(RUN, {"units": units(completed=7, launched=3)})
    for hero in await shown.page.locator(".mnb-hero").all():
        await expect(hero).to_contain_text("7 of 10")


async def test_a_look_is_renewed_and_ends_when_nobody_can_see_it(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    await shown.page.clock.run_for(45_000)
    looks = await shown.sent("look")
    assert [look["topics"] for look in looks] == [[RUN]] * 3
    await shown.page.evaluate("document.querySelector('main').style.display = 'none'")
    await shown.page.wait_for_function("sent.at(-1).topics.length === 0")
    await shown.page.clock.run_for(60_000)
    assert len(await shown.sent("look")) == 4


async def test_a_kernel_that_is_silent_is_said_to_be_and_welcomed_back(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    await shown.set(silent=True)
    await shown.page.clock.run_for(30_000)
    await expect(shown.page.get_by_text("The kernel does not answer.")).to_be_visible()
    await expect(shown.page.get_by_text("All is well")).to_be_hidden()
    elapsed = await shown.page.locator(".mnb-elapsed").inner_text()
    await shown.page.clock.run_for(10_000)
    await expect(shown.page.locator(".mnb-elapsed")).to_have_text(elapsed)
    await shown.set(silent=False)
    await shown.change(RUN, {"units.answered": 127})
    await expect(shown.page.get_by_text("The kernel does not answer.")).to_be_hidden()


async def test_what_ends_something_asks_first_and_no_is_an_answer(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    await shown.set(previews={"shutdown": "66 open units expire; 8 people at work are waited for."})
    stop = shown.page.get_by_role("button", name=re.compile("^Stop…"))
    await stop.click()
    await shown.settle()
    await expect(shown.page.get_by_role("dialog")).to_contain_text("66 open units expire")
    await expect(shown.page.get_by_role("button", name="Cancel")).to_be_focused()
    await shown.page.keyboard.press("Enter")
    await expect(shown.page.get_by_role("dialog")).to_have_count(0)
    await expect(stop).to_be_focused()
    assert await shown.sent("act") == []
    await stop.click()
    await shown.settle()
    await shown.page.get_by_role("button", name="Stop gently").click()
    await shown.settle()
    assert await shown.page.evaluate("acts") == [["shutdown", {}]]


async def test_an_action_that_fails_says_why(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    await shown.set(failures={"pause": "The run was let go of."})
    await shown.page.get_by_role("button", name="Pause").click()
    await shown.settle()
    await expect(shown.page.get_by_text("The run was let go of.")).to_be_visible()


async def test_pause_gives_way_to_resume_and_keeps_the_focus(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    await shown.page.get_by_role("button", name="Pause").focus()
    await shown.change(RUN, {"run.status": "paused"})
    await expect(shown.page.get_by_role("button", name="Resume")).to_be_focused()
    await expect(shown.page.get_by_role("button", name="Pause")).to_be_hidden()


async def test_limits_are_previewed_while_typed_and_only_changes_are_sent(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    await shown.set(previews={"limits": "Nothing costs more."})
    await shown.page.get_by_role("button", name="Limits").click()
    await expect(shown.page.get_by_role("button", name="Apply")).to_be_disabled()
    await shown.page.get_by_label("Units for each worker").fill("5")
    await shown.settle()
    await expect(shown.page.get_by_role("dialog")).to_contain_text("Nothing costs more.")
    await shown.page.keyboard.press("Enter")
    await shown.settle()
    assert await shown.page.evaluate("acts") == [["limits", {"maximum_units_per_worker": 5}]]


#: An action that the front end has never heard of, as `Action.describe` gives one.
WAVE: dict[str, Any] = {
    "name": "wave",
    "label": "Wave…",
    "hint": "To those who are to come",
    "statuses": ["live"],
    "needs": ["units.launched"],
    "danger": False,
    "form": {
        "title": "Wave to workers",
        "yes": "Wave",
        "fields": [{"name": "to", "label": "Names", "hint": "one a line", "kind": "lines", "now": ""}],
        "where": "run.has_own_links",
    },
    "question": None,
    "during": "Waving…",
    "done": "Waved.",
}


@pytest_asyncio.fixture(loop_scope="session")
async def waving(shown: Harness) -> Harness:
    """A page that is to show a dashboard with one button."""
    return Harness(shown.page, replace(DASHBOARD, tables={"actions": [WAVE]}))


async def test_buttons_and_forms_are_drawn_from_the_kernels_table(waving: Harness) -> None:
    await waving.open(RUN, BUSY)
    await waving.set(previews={"wave": "Waves to two."})
    buttons = waving.page.locator(".mnb-tools button:visible")
    await expect(buttons).to_have_text(["Wave…"])
    await buttons.click()
    await expect(waving.page.get_by_role("button", name="Wave", exact=True)).to_be_disabled()
    await waving.page.get_by_label("Names").fill("ann\nben")
    await waving.settle()
    await expect(waving.page.get_by_role("dialog")).to_contain_text("Waves to two.")
    await waving.page.get_by_role("button", name="Wave", exact=True).click()
    await waving.settle()
    assert await waving.page.evaluate("acts") == [["wave", {"to": "ann\nben"}]]
    await expect(waving.page.get_by_text("Waved.")).to_be_visible()


async def test_a_button_stands_where_its_row_of_the_table_says(waving: Harness) -> None:
    await waving.open(RUN, with_changes(BUSY, units={"launched": 0}))
    button = waving.page.get_by_role("button", name="Wave…")
    await expect(button).to_have_attribute("aria-disabled", "true")
    await waving.change(RUN, {"run.status": "paused"})
    await expect(button).to_be_hidden()


async def test_a_form_that_has_nothing_to_ask_is_left_out(waving: Harness) -> None:
    await waving.open(RUN, with_changes(BUSY, run={"has_own_links": False}))
    await waving.page.get_by_role("button", name="Wave…").click()
    await waving.settle()
    assert await waving.page.evaluate("acts") == [["wave", {}]]


async def test_a_text_that_an_action_gives_is_copied(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    await shown.page.evaluate(
        """() => Object.defineProperty(navigator, "clipboard", {
          value: { writeText: async (text) => { window.copied = text; } } })"""
    )
    await shown.set(outcomes={"pause": {"words": "2 lines are copied.", "text": "one\ntwo"}})
    await shown.page.get_by_role("button", name="Pause").click()
    await shown.settle()
    await expect(shown.page.get_by_text("2 lines are copied.")).to_be_visible()
    assert await shown.page.evaluate("copied") == "one\ntwo"
    await expect(shown.page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_a_text_that_may_not_be_copied_stands_there_selected(shown: Harness, dark: bool) -> None:
    await shown.open(RUN, BUSY, dark=dark)
    await shown.set(outcomes={"pause": {"words": "2 lines are copied.", "text": "one\ntwo"}})
    await shown.page.get_by_role("button", name="Pause").click()
    await shown.settle()
    box = shown.page.get_by_role("textbox", name="To copy")
    await expect(box).to_be_focused()
    selected = "box => box.value.slice(box.selectionStart, box.selectionEnd)"
    assert await box.evaluate(selected) == "one\ntwo"
    assert await faults(shown.page) == []
    await shown.page.keyboard.press("Escape")
    await expect(shown.page.get_by_role("button", name="Pause")).to_be_focused()
    await expect(shown.page.get_by_text("2 lines are copied.")).to_have_count(0)


async def test_links_are_copied_for_the_names_that_are_typed(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    await shown.page.get_by_role("button", name="Copy the workers' links…").click()
    await expect(shown.page.get_by_label("Names of those who are to come")).to_be_focused()
    await shown.page.keyboard.type("ann\nben")
    await shown.settle()
    assert (await shown.sent("preview"))[-1]["args"] == {"names": "ann\nben"}
    await shown.page.get_by_role("button", name="Copy", exact=True).last.click()
    await shown.settle()
    assert await shown.page.evaluate("acts") == [["worker_links", {"names": "ann\nben"}]]


async def test_a_link_that_does_for_all_is_copied_at_once(shown: Harness) -> None:
    await shown.open(RUN, with_changes(BUSY, run={"has_own_links": False, "worker_url": "https://example.org/"}))
    await shown.page.get_by_role("button", name="Copy the workers' links…").click()
    await shown.settle()
    assert await shown.page.evaluate("acts") == [["worker_links", {}]]


async def test_the_address_for_a_crowds_form_is_named_as_that(shown: Harness) -> None:
    entry = "https://example.org/?id=%SURVEY_CODE%&x={{X}}"
    await shown.open(
        RUN,
        with_changes(
            BUSY,
            run={"has_own_links": False, "worker_url": entry, "entry_words": "Paste it at Sona"},
        ),
    )
    await expect(shown.page.locator(".mnb-share-line")).to_contain_text(f"Paste it at Sona: {entry}")


async def test_the_keyboard_reaches_every_control(shown: Harness) -> None:
    await shown.open(RUN, TROUBLE)
    controls = "button:visible, a[href]:visible, [tabindex='0']:visible"
    wanted = await shown.page.locator(controls).count()
    reached: set[Any] = set()
    for _ in range(wanted + 5):
        await shown.page.keyboard.press("Tab")
        reached.add(
            await shown.page.evaluate(
                "s => [...document.querySelectorAll(s)].indexOf(document.activeElement)", "button, a[href], [tabindex]"
            )
        )
    disabled = await shown.page.locator("button:visible:disabled").count()
    assert len(reached - {-1}) >= wanted - disabled


async def test_the_list_of_runs_opens_one_and_comes_back(shown: Harness) -> None:
    await shown.open("runs", RUNS)
    await expect(shown.page.locator(".mnb-list")).to_contain_text(
        "1 failed, 1 live, 1 paused, 1 not taken up, 6 in all"
    )
    await expect(shown.page.get_by_role("progressbar")).to_have_count(6)
    await shown.page.evaluate("([topic, state]) => putState(topic, state)", [RUN, BUSY])
    first = shown.page.get_by_role("row", name="Live").get_by_role("button", name="email-tone")
    await first.click()
    await shown.settle()
    await expect(shown.page.locator(".mnb-hero")).to_contain_text("126 of 200")
    assert set((await shown.sent("look"))[-1]["topics"]) == {"runs", RUN}
    await shown.page.get_by_role("button", name="All runs").click()
    await expect(first).to_be_focused()
    assert (await shown.sent("look"))[-1]["topics"] == ["runs"]


@pytest.mark.parametrize("state", [BUSY, with_changes(BUSY, run={"launched_at": NOW - 36_000})], ids=["min", "h"])
async def test_the_head_is_calm_at_every_width(shown: Harness, state: dict[str, Any]) -> None:
    await shown.page.set_viewport_size({"width": 1400, "height": 900})
    await shown.open(RUN, state)
    restless = await shown.page.evaluate(
        """() => {
          const main = document.querySelector("main");
          const found = [];
          for (let width = 320; width <= 1400; width += 8) {
            main.style.width = `${width}px`;
            const [name, state, time] = document.querySelector(".mnb-heading").children;
            const middle = (node) => { const box = node.getBoundingClientRect(); return box.top + box.height / 2; };
            const isOneLine = Math.abs(middle(name) - middle(time)) < 3 && Math.abs(middle(state) - middle(time)) < 3;
            const head = document.querySelector(".mnb-head");
            if (!isOneLine || head.scrollWidth > head.clientWidth) found.push(width);
          }
          return found;
        }"""
    )
    assert restless == []


@pytest.mark.parametrize("width", [320, 640, 1280])
async def test_the_small_bars_of_the_list_are_as_long_as_they_say(shown: Harness, width: int) -> None:
    await shown.page.set_viewport_size({"width": width, "height": 900})
    await shown.open("runs", RUNS)
    await shown.change("runs", {"runs": [{**RUNS["runs"][0], "answered": 102, "total": 200}]})
    bar = shown.page.get_by_role("progressbar")
    share = await bar.evaluate("bar => bar.firstChild.getBoundingClientRect().width / bar.clientWidth")
    assert share == pytest.approx(0.51, abs=0.02)


async def test_not_being_connected_is_no_fault(shown: Harness) -> None:
    asleep = [person(n, connected=False) for n in range(3)]
    await shown.open(RUN, with_changes(BUSY, people={"at_work": 3, "rows": asleep}))
    await expect(shown.page.get_by_text("3, none connected now")).to_be_visible()
    await expect(shown.page.get_by_text("not connected", exact=True)).to_have_count(3)
    await expect(shown.page.get_by_text("not connected", exact=True).first).to_be_hidden()
    await expect(shown.page.get_by_text("All is well", exact=True)).to_be_visible()


async def test_who_is_apart_from_the_others_is_told_in_words(shown: Harness) -> None:
    await shown.open(RUN, BUSY)
    await expect(shown.page.get_by_role("row", name="chen not connected")).to_be_visible()
    await expect(shown.page.locator(".mnb-apart:visible")).to_have_count(1)


async def test_old_numbers_say_of_when_they_are_and_a_pause_is_no_pace(shown: Harness) -> None:
    await shown.open(RUN, TROUBLE)
    await expect(shown.page.locator(".mnb-hero")).to_have_text(
        "74 of 197 answered; 31 expired, as of 20\u00a0min ago37\u00a0%"
    )
    await expect(shown.page.locator(".mnb-elapsed")).to_have_text("for 25\u00a0min")
    await expect(shown.page.locator(".mnb-tile").first).not_to_contain_text("an hour")
    words = "9 rejected and 31 expired units cost nothing; soft-rejected ones are paid"
    await expect(shown.page.locator(".mnb-cost")).to_contain_text(words)
    await expect(shown.page.locator(".mnb-dot:visible")).to_have_count(0)  # whether they are connected, none can tell


async def test_the_list_of_runs_sums_costs_and_says_how_to_reconnect(shown: Harness) -> None:
    await shown.open("runs", RUNS)
    costs = ["$22.68 of $36.00", "$11.70 of $33.84", "$22.68 of $36.00", "$22.68 of $36.00", "$34.56", "$34.56"]
    await expect(shown.page.locator("tbody .mnb-amount")).to_have_text(costs)
    await expect(shown.page.locator("tfoot")).to_have_text("All runs$148.86 of $210.96")
    words = 'it is alive, but not connected to this notebook. Take it up: run = await operator.reconnect("d")'
    await expect(shown.page.locator(".mnb-list")).to_contain_text(words)


async def test_long_lists_say_how_many_more_there_are_and_fold_open(shown: Harness) -> None:
    await shown.open(RUN, HUGE)
    people = shown.page.locator("tbody tr")
    await expect(people).to_have_count(8)
    await shown.page.get_by_role("button", name="and 865 more").click()
    await expect(people).to_have_count(50)
    await shown.page.get_by_role("button", name="and 823 more; show fewer").click()
    await expect(people).to_have_count(8)
    await shown.page.get_by_role("button", name="and 5 more").click()
    await expect(shown.page.locator(".mnb-row")).to_have_count(10)


async def test_a_long_name_is_cut_and_read_whole_by_keyboard_and_pointer(shown: Harness) -> None:
    await shown.open(RUN, LONG_NAMES)
    for place in (".mnb-name", "td .mnb-who >> nth=0", "td .mnb-where >> nth=0"):
        name = shown.page.locator(place)
        whole = name.locator(".mnb-whole")
        await expect(name.locator("bdi").first).to_have_text(re.compile(r"^\w[^…]+…[^…]+$"))
        for reach in (name.focus, name.hover):
            await reach()
            box = await whole.bounding_box()
            assert box is not None
            assert box["width"] > 100
            assert await whole.evaluate("node => getComputedStyle(node).clipPath") == "none"
            await shown.page.mouse.move(0, 0)
            await name.blur()
            assert await whole.evaluate("node => getComputedStyle(node).clipPath") != "none"


async def test_texts_of_either_direction_begin_on_one_side(shown: Harness) -> None:
    await shown.open(RUN, RIGHT_TO_LEFT)
    edges = """nodes => nodes.map((node) => { const range = document.createRange(); range.selectNodeContents(node);
        const own = [...range.getClientRects()][0].left, parent = node.closest("li, td").getBoundingClientRect().left;
        return Math.round(own - parent); })"""
    for place in (".mnb-alerts bdi", ".mnb-preview"):
        found = await shown.page.locator(place).evaluate_all(edges)
        assert len(set(found[:3])) == 1, found


async def test_a_run_that_is_over_says_what_comes_next(shown: Harness) -> None:
    await shown.open(RUN, FINISHED)
    await expect(shown.page.get_by_text("12 answers to review")).to_be_visible()
    await expect(shown.page.locator(".mnb-cost")).to_contain_text("$34.56 in all")
    following = shown.page.get_by_role("region", name="What comes next")
    await expect(following).to_contain_text("run.review() goes through the answers to decide on")
    await expect(following).to_contain_text("run.results() gives the answers")
    await expect(following).to_contain_text('run.export("answers.csv") writes them to a file')
    await shown.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await following.get_by_role("button", name="export").click()
    await expect(following.get_by_role("listitem").last).to_contain_text(re.compile(r"\((copied|selected)\)"))
