"""What a slip in the panel of review costs: nothing that was not said first."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import expect

from mephisto_nb.run import TaskRun
from tests.browser.test_review_page import PAGE, answer, at, open_review, panel, people, press, stage
from tests.display.stage import Stage
from tests.review.answers import stored_page_run, stored_run

__all__ = ["stage"]


async def test_an_amount_may_have_a_decimal_comma_and_nothing_ambiguous(stage: Stage) -> None:
    await open_review(stage, stored_run(stage.operator, people(2)))
    await panel(stage).focus()
    await stage.page.keyboard.press("b")
    field, effect = stage.page.get_by_label("Bonus for each"), stage.page.locator(".mnb-effect")
    await stage.page.keyboard.type("0,25")
    await expect(effect).to_contain_text("$0.25 of bonuses")
    for wrong in ("1,000", "1.000,5", "0..2", "five", "-1", "1e3", "1 000"):
        await field.fill(wrong)
        await expect(effect).to_contain_text("Write an amount as 0.25 or 0,25")
        await expect(stage.page.get_by_role("button", name="Decide", exact=True)).to_be_disabled()
    await field.fill("50")
    await expect(effect).to_contain_text("A bonus of $50.00 is more than mephisto.task.maximum_bonus")
    await stage.page.keyboard.press("Enter")
    await expect(stage.page.get_by_role("dialog")).to_be_visible()
    await field.fill(".125")
    await expect(effect).to_contain_text("$0.1250 of bonuses")
    await press(stage, "Enter", "Approved 1 answer.")
    assert stage.operator.payments().query("kind == 'bonus'")["amount"].tolist() == [0.125]


async def begin_note(stage: Stage) -> TaskRun:
    """Open a review of six answers, and the window of a note on the first."""
    run = stored_run(stage.operator, people(2))
    await open_review(stage, run)
    await at(stage, 1, 6)
    await panel(stage).focus()
    await stage.page.keyboard.press("n")
    await expect(stage.page.get_by_role("dialog")).to_be_visible()
    return run


async def test_a_note_alone_decides_nothing_and_a_key_rejects_with_it(stage: Stage) -> None:
    run = await begin_note(stage)
    await stage.page.keyboard.type("copies")
    await expect(stage.page.locator(".mnb-effect")).to_have_text("Choose what to decide.")
    await stage.page.keyboard.press("Enter")
    await expect(stage.page.get_by_label("Decision")).to_be_focused()
    await stage.page.keyboard.press("Escape")
    assert run.review.decisions().empty
    await expect(stage.page.get_by_role("dialog")).to_have_count(0)
    await stage.page.keyboard.press("d")
    await stage.page.keyboard.type("copies")
    await expect(stage.page.locator(".mnb-effect")).to_contain_text("1 answer of 1 worker will be rejected.")
    await press(stage, "Enter", "Rejected 1 answer.")
    assert run.review.decisions()[["after", "note", "blocked"]].to_numpy().tolist() == [["rejected", "copies", False]]
    await stage.page.keyboard.press("?")
    await expect(stage.page.get_by_text("reject with a reason", exact=True)).to_be_visible()


async def test_letters_typed_before_the_window_is_there_do_nothing(stage: Stage) -> None:
    run = await begin_note(stage)
    await panel(stage).evaluate(
        """panel => {
            document.querySelector("dialog[open]").close();  // it tells so later
            for (const key of "djubsrn") panel.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        }"""
    )
    await expect(stage.page.get_by_label("Decision")).to_have_value("reject")
    await stage.page.keyboard.press("Escape")
    await expect(stage.page.get_by_role("dialog")).to_have_count(0)
    await at(stage, 1, 6)
    assert run.review.decisions().empty


async def test_a_decision_is_changed_only_after_its_sum_is_shown(stage: Stage) -> None:
    run = stored_run(stage.operator, people(1))
    await run.review.reject(note="copies")
    await open_review(stage, run)
    await stage.page.get_by_label("Which answers").select_option("all")
    await at(stage, 1, 3)
    await panel(stage).focus()
    await expect(stage.page.locator(".mnb-grid-status")).to_have_text("3 answers")
    await expect(stage.page.get_by_role("article")).not_to_have_attribute("aria-busy", "true")
    await press(stage, "r", "The answer was rejected by")
    await expect(stage.page.get_by_role("article")).not_to_have_attribute("aria-busy", "true")
    await stage.page.keyboard.press("a")
    await expect(stage.page.locator(".mnb-effect")).to_contain_text("$0.25 will be owed")
    assert stage.operator.payments().empty
    await stage.page.keyboard.press("Escape")
    await expect(panel(stage)).to_be_focused()
    await stage.page.keyboard.press("a")
    await expect(stage.page.locator(".mnb-effect")).to_contain_text("$0.25 will be owed")
    await press(stage, "Enter", "Approved 1 answer.")
    assert stage.operator.payments()["amount"].tolist() == [0.25]


async def test_enter_applies_a_filter_and_a_failing_one_lists_nothing(stage: Stage) -> None:
    await open_review(stage, stored_run(stage.operator, people(4)))
    await at(stage, 1, 12)
    # JupyterLab takes Enter's own effect away, which is to have a field say that it has changed.
    await stage.page.evaluate("() => addEventListener('keydown', (e) => e.key === 'Enter' && e.preventDefault())")
    filter_, status = stage.page.get_by_label("Filter, as in DataFrame.query"), stage.page.locator(".mnb-grid-status")
    await filter_.fill("duration_in_seconds < 5")
    await stage.page.keyboard.press("Enter")
    await expect(status).to_have_text("4 of 4 waiting")
    await expect(filter_).to_be_focused()
    await filter_.fill("nonsense (")
    await stage.page.keyboard.press("Enter")
    await expect(status).to_contain_text("cannot be understood")
    await expect(stage.page.get_by_role("gridcell")).to_have_count(0)
    await filter_.fill("")
    await stage.page.keyboard.press("Enter")
    await expect(status).to_have_text("12 of 12 waiting")


async def test_the_waiting_list_counts_and_a_new_query_drops_the_decided(
    stage: Stage,
) -> None:
    await open_review(stage, stored_run(stage.operator, people(4)))
    await at(stage, 1, 12)
    await panel(stage).focus()
    status = stage.page.locator(".mnb-grid-status")
    await press(stage, "a", "Approved 1 answer.")
    await expect(status).to_have_text("11 of 12 waiting")
    await at(stage, 2, 12)
    await stage.page.get_by_label("Order").select_option("suspicion")
    await expect(status).to_have_text("11 of 11 waiting")


async def test_names_that_differ_at_the_end_look_different_in_whole_words(stage: Stage, shots: Path) -> None:
    rows = [(0, f"simulated-worker-of-the-run-{n}", answer("glad", "It sounds like it."), 9.0) for n in (1, 2)]
    run = stored_page_run(stage.operator, PAGE, rows)
    await stage.page.set_viewport_size({"width": 1400, "height": 900})
    await open_review(stage, run)
    grid = stage.page.get_by_role("grid", name="Answers")
    names = grid.locator("[role=gridcell] span[title]")
    await expect(names).to_have_text(["simulated…un-1", "simulated…un-2"])
    # All at one moment: rows are drawn anew.
    cut = """grid => [...grid.querySelectorAll("[role=gridcell] span[title]")].filter(
        (node) => node.parentElement.scrollWidth > node.parentElement.clientWidth).length"""
    await stage.page.screenshot(path=shots / "review-names.png")
    for width in ("", "900px", "480px"):
        if width:
            await open_review(stage, run, width=width)
            await expect(names).to_have_count(2)
        assert await grid.evaluate(cut) == 0
        await expect(stage.page.locator(".mnb-beside dt bdi")).to_have_count(4)
        lines = "nodes => nodes.map((node) => node.getClientRects().length)"
        assert set(await stage.page.locator(".mnb-beside dt bdi").evaluate_all(lines)) == {1}


async def test_after_the_shutdown_nothing_hints_at_what_cannot_be_done(stage: Stage) -> None:
    await open_review(stage, stored_run(stage.operator, people(1)))
    await panel(stage).focus()
    await press(stage, "a", "Approved 1 answer.")
    await expect(stage.page.locator(".mnb-hint")).to_be_visible()
    await stage.operator.shutdown()
    await expect(stage.page.get_by_text("this can only be looked at")).to_be_visible()
    await expect(stage.page.locator(".mnb-hint")).to_be_hidden()
    await expect(stage.page.locator(".mnb-notice")).to_be_hidden()
