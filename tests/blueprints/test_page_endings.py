"""What a worker reads when the task is over, cannot be reached, or was answered elsewhere; and what comes next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.blueprints.fake_router import FakeRouter

pytestmark = pytest.mark.browser

HTML = "<label>X <input name=x></label>"
CLOSED_AT = 1764400000.0
CLOSED = "It has been closed since Saturday"
TEN_MINUTES = 10 * 60_000


def heading(page: Page, name: str):
    return page.get_by_role("heading", name=name)


def begin(page: Page, router: FakeRouter, text: str = "precious") -> None:
    """Open a task and write something into it."""
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("X").fill(text)
    assert router.connected.wait(10)


def saved(page: Page, button: str) -> str:
    """Save what is offered, and return what the file holds."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return Path(download.value.path()).read_text()


@pytest.fixture
def router(serve: Any) -> FakeRouter:
    router: FakeRouter = serve(HTML)
    return router


def refuse_as_closed(router: FakeRouter) -> None:
    """Let the router say, as it does once its run is over, that the task is closed."""
    router.closed_at = CLOSED_AT
    over = {"error": {"code": "run_over", "message": "This task has ended."}}
    router.canned = {path: [(409, over)] for path in ("submit_task", "submit_onboarding", "return_unit")}
    router.offer(None, agent_id=None, failure_code="run_over", failure_reason="This task has ended.")


def test_an_answer_to_a_closed_task_is_offered_in_every_form(page, router) -> None:
    begin(page, router)
    refuse_as_closed(router)
    page.get_by_role("button", name="Send").click()
    expect(heading(page, "This task is closed")).to_be_focused()
    expect(page.get_by_text(CLOSED)).to_be_visible()
    expect(page.get_by_label("In case you want to keep it")).to_have_value("x: precious")
    assert saved(page, "Save as text") == "x: precious\n"
    assert json.loads(saved(page, "Save as JSON")) == {"x": "precious"}


def test_who_comes_to_a_closed_task_reads_since_when(page, router) -> None:
    refuse_as_closed(router)
    page.goto(router.url + "?worker_id=ann")
    expect(heading(page, "This task is closed")).to_be_focused()
    expect(page.get_by_text(CLOSED)).to_be_visible()
    expect(page.get_by_label("In case you want to keep it")).to_be_hidden()


def test_who_comes_back_to_a_closed_task_finds_what_they_wrote(page, router) -> None:
    begin(page, router)
    refuse_as_closed(router)
    for _ in range(2):
        page.reload()
        expect(heading(page, "This task is closed")).to_be_visible()
        expect(page.get_by_label("In case you want to keep it")).to_have_value("x: precious")


def test_what_was_written_into_a_lost_unit_outlasts_a_reload(page, router) -> None:
    begin(page, router)
    router.tell("timeout")
    expect(heading(page, "The time for this task is over")).to_be_visible()
    page.reload()
    expect(heading(page, "The time for this task is over")).to_be_visible()
    expect(page.get_by_label("In case you want to keep it")).to_have_value("x: precious")


def test_a_visitor_of_a_closed_task_is_told_so(page, router) -> None:
    refuse_as_closed(router)
    page.goto(router.url)
    expect(heading(page, "This task is closed")).to_be_visible()
    expect(page.get_by_label("X")).to_be_hidden()


def test_an_open_page_hears_that_the_task_is_closed(page, router) -> None:
    begin(page, router)
    router.tell("expired", closed_at=CLOSED_AT)
    expect(heading(page, "This task is closed")).to_be_visible()
    expect(page.get_by_text(CLOSED)).to_be_visible()
    expect(page.get_by_label("In case you want to keep it")).to_have_value("x: precious")
    expect(page.get_by_role("button", name="Next task")).to_be_hidden()


def test_an_end_that_is_heard_after_the_unit_was_taken_back(page, router) -> None:
    begin(page, router)
    router.tell("expired")
    expect(heading(page, "This task was taken back")).to_be_visible()
    router.tell("expired", closed_at=CLOSED_AT)
    expect(heading(page, "This task is closed")).to_be_visible()
    expect(page.get_by_label("In case you want to keep it")).to_have_value("x: precious")


def test_an_end_is_not_forgotten_when_an_older_word_comes_later(page, router) -> None:
    begin(page, router)
    router.status_answers.clear()
    with page.expect_response("**/status") as older:
        with page.expect_request("**/status"):
            router.tell("expired")
        router.tell("expired", closed_at=CLOSED_AT)
        expect(heading(page, "This task is closed")).to_be_visible()
        router.status_answers.set()
    older.value.finished()
    expect(page.get_by_text(CLOSED)).to_be_visible()
    expect(heading(page, "This task is closed")).to_be_visible()
    expect(page.get_by_role("button", name="Next task")).to_be_hidden()


def test_an_introduction_to_a_closed_task_is_offered_for_keeping(page, serve) -> None:
    router = serve(HTML, onboarding_html="<label>Quiz <input name=quiz></label>")
    router.offer({}, agent_id="onboarding_1", status="onboarding")
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("Quiz").fill("5")
    refuse_as_closed(router)
    page.get_by_role("button", name="Send").click()
    expect(heading(page, "This task is closed")).to_be_visible()
    expect(page.get_by_label("In case you want to keep it")).to_have_value("quiz: 5")


def test_another_run_at_the_address_is_not_taken_for_this_one(page, router) -> None:
    begin(page, router)
    router.task_config["run_id"] = "run-2"
    router.drop_sockets(1008, "no agent")
    expect(heading(page, "This task is closed")).to_be_visible()
    expect(page.get_by_label("In case you want to keep it")).to_have_value("x: precious")


# -- nobody answers ----------------------------------------------------------------------------------------------


def lose(page: Page, router: FakeRouter) -> None:
    """Let the router end, and ten minutes of trying go by."""
    router.__exit__()
    page.evaluate("window.dispatchEvent(new Event('online'))")
    page.wait_for_timeout(200)
    page.clock.fast_forward(TEN_MINUTES)
    page.evaluate("window.dispatchEvent(new Event('online'))")


def test_who_cannot_send_is_told_after_ten_minutes_and_goes_on(page, router) -> None:
    page.clock.install()
    begin(page, router)
    router.__exit__()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Not sent yet. Trying again…")).to_be_visible()
    expect(heading(page, "This task cannot be reached")).to_be_hidden()
    lose(page, router)
    expect(heading(page, "This task cannot be reached")).to_be_visible()
    expect(page.get_by_label("In case you want to keep it")).to_have_value("x: precious")
    router.__enter__()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(heading(page, "Thank you")).to_be_visible()
    expect(heading(page, "This task cannot be reached")).to_be_hidden()
    assert [one["final_data"] for one in router.submissions] == [{"x": "precious"}]


def test_who_goes_on_writing_is_told_and_keeps_the_page(page, router) -> None:
    page.clock.install()
    begin(page, router, "pre")
    assert router.connected.wait(10)
    lose(page, router)
    expect(heading(page, "This task cannot be reached")).to_be_visible()
    page.get_by_label("X").fill("precious")
    expect(page.get_by_label("In case you want to keep it")).to_have_value("x: precious")
    router.__enter__()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(heading(page, "This task can be reached again")).to_be_visible()
    expect(page.get_by_label("In case you want to keep it")).to_be_hidden()
    expect(page.get_by_label("X")).to_have_value("precious")


def test_who_waits_for_a_unit_is_told_that_nobody_answers(page, router) -> None:
    page.clock.install()
    router.operator_answers.clear()
    page.goto(router.url + "?worker_id=ann")
    page.clock.run_for(3000)
    expect(heading(page, "One moment, please")).to_be_visible()
    router.canned["request_agent"] = [(503, {})] * 99
    lose(page, router)
    expect(heading(page, "This task cannot be reached")).to_be_visible()
    expect(heading(page, "One moment, please")).to_be_hidden()


def test_what_stands_in_the_place_of_a_router_takes_no_answer(page, router) -> None:
    """A hub, say, whose page for logging in comes where the task's server is gone."""
    begin(page, router)
    router.canned["submit_task"] = [(200, "Please log in."), (404, None), (200, {"html": True})]
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Not sent yet. Trying again…")).to_be_visible()
    for _ in range(3):
        page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(heading(page, "Thank you")).to_be_visible()
    assert [one["final_data"] for one in router.submissions] == [{"x": "precious"}]


# -- two windows -------------------------------------------------------------------------------------------------


def test_a_second_window_is_told_that_its_answer_is_not_kept(page, router) -> None:
    begin(page, router, "first")
    other = page.context.new_page()
    begin(other, router, "second")
    page.get_by_role("button", name="Send").click()
    expect(heading(page, "Thank you")).to_be_visible()
    expect(heading(other, "An answer was sent already")).to_be_visible()  # before anything is sent in vain
    router.canned["submit_task"] = [(409, {"error": {"code": "already_sent", "message": "Another one is kept."}})]
    other.get_by_role("button", name="Send").click()
    expect(heading(other, "An answer was sent already")).to_be_focused()
    expect(other.get_by_label("In case you want to keep it")).to_have_value("x: second")
    other.reload()
    expect(other.get_by_label("In case you want to keep it")).to_have_value("x: second")


def test_a_window_does_not_claim_the_answer_of_another_one(page, router) -> None:
    begin(page, router)
    router.tell("completed")
    expect(heading(page, "An answer was sent already")).to_be_focused()
    expect(page.get_by_label("In case you want to keep it")).to_have_value("x: precious")


def test_an_answer_whose_receipt_was_lost_has_arrived(page, router) -> None:
    begin(page, router)
    router.canned["submit_task"] = [(503, {})] * 9
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Not sent yet")).to_be_visible()
    page.goto("about:blank")
    router.canned.clear()
    router.offer({}, status="completed")
    page.goto(router.url + "?worker_id=ann")
    expect(heading(page, "Thank you. Your work was sent.")).to_be_visible()
    assert [one["final_data"] for one in router.submissions] == [{"x": "precious"}]  # the router says if it is another


def test_a_return_whose_receipt_was_lost_has_got_through(page, router) -> None:
    begin(page, router)
    router.canned["return_unit"] = [(409, {"error": {"code": "closed", "message": "Returned."}, "duplicate": True})]
    page.get_by_role("button", name="Return this task").click()
    page.get_by_role("button", name="Give it back").click()
    expect(heading(page, "You gave this task back")).to_be_focused()


# -- what comes next ---------------------------------------------------------------------------------------------


def refuse_more(router: FakeRouter, **details: Any) -> None:
    told = {"failure_code": "no_available_units", "failure_reason": "All of it has been done."} | details
    router.offer(None, agent_id=None, **told)


@pytest.mark.parametrize("script", ["", "<script>document.body.dataset.ran = mephisto.agentId</script>"])
def test_the_next_unit_comes_by_itself(page, serve, script: str) -> None:
    router = serve("<p>${text}</p>" + HTML + script, {"text": "One"})
    router.task_config["next_unit"] = "comes"
    begin(page, router, "a")
    router.offer({"text": "Two"}, agent_id="agent-2")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Two", exact=True)).to_be_visible()
    expect(page.get_by_label("X")).to_have_value("")
    page.get_by_label("X").fill("b")
    refuse_more(router)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("All of it has been done.")).to_be_visible()
    expect(heading(page, "Thank you")).to_be_visible()
    expect(page.get_by_role("button", name="Next task")).to_be_hidden()
    assert [(one["USED_AGENT_ID"], one["final_data"]) for one in router.submissions] == [
        ("agent-1", {"x": "a"}), ("agent-2", {"x": "b"})
    ]  # fmt: skip
    assert len({one["agent_registration_id"] for one in router.registrations}) == 3


def test_a_unit_that_may_come_later_is_looked_for_again(page, router) -> None:
    router.task_config["next_unit"] = "comes"
    begin(page, router, "a")
    refuse_more(router, failure_reason="Others are working on it.", may_pass=True)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Others are working on it.")).to_be_visible()
    router.offer({}, agent_id="agent-2")
    expect(page.get_by_label("X")).to_have_value("")
    expect(page.get_by_label("X")).to_be_visible()


def test_who_is_asked_knows_whether_there_is_more(page, router) -> None:
    router.task_config["next_unit"] = "asked"
    begin(page, router, "a")
    router.offer(None, agent_id=None, has_more=True)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("button", name="Next task")).to_be_visible()
    assert [one.get("only_looks") for one in router.registrations] == [None, True]
    refuse_more(router)
    page.reload()
    expect(page.get_by_text("All of it has been done.")).to_be_visible()
    expect(page.get_by_role("button", name="Next task")).to_be_hidden()


def test_a_unit_that_came_and_was_not_begun_is_given_back(page, router) -> None:
    router.task_config["next_unit"] = "comes"
    begin(page, router, "a")
    router.offer({}, agent_id="agent-2")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Here is the next task.")).to_be_visible()
    page.goto("about:blank")
    assert router.kept.wait(10)
    assert [one["USED_AGENT_ID"] for one in router.returned] == ["agent-2"]


# -- scripts that do not come ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["**/worker_page/*", "**/worker_page/api.js"])
def test_a_page_without_its_scripts_is_not_white(page, router, lost: str) -> None:
    page.route(lost, lambda route: route.abort())
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_text("a part of the page could not be loaded")).to_be_visible()
