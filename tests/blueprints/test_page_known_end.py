"""Who has sent the last answer goes back by what came with it where nobody answers any more, and not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mephisto_nb.blueprints.static_react import StaticReactBlueprint, StaticReactBlueprintArgs
from mephisto_nb.model.shared_state import SharedTaskState
from tests.blueprints.fake_router import FakeRouter
from tests.blueprints.test_page_visit import EXIT, HTML, RULES, begin, over, unit

pytestmark = pytest.mark.slow

TAKEN = (200, {"status": "Submitted!", "exit": EXIT})
DONE = "Thank you. You are done."
#: Longer than anybody waits who knows the way.
LONG = 5000
BUNDLE = """
mephisto.begin().then(({ data }) => {
  const button = document.createElement("button");
  Object.assign(button, { textContent: `Send ${data.text}`, onclick: () => mephisto.submit({ label: "x" }) });
  document.getElementById("app").append(button);
}).catch(() => {});
"""


@pytest.fixture
def router(serve: Any) -> FakeRouter:
    found: FakeRouter = serve(HTML, {"text": "x"})
    found.task_config |= {"visit": RULES, "run_id": "run-1"}
    return found


def send_last(page: Page, router: FakeRouter) -> None:
    """Send the answer to the last unit, while nobody is there to say what comes next."""
    page.clock.install()
    begin(page, router, unit(3))
    page.fill("[name=mood]", "glad")
    router.canned["submit_task"] = [TAKEN]
    router.operator_answers.clear()
    with page.expect_request("**/request_agent"):
        page.click("text=Send")


def test_while_nobody_answers_the_answer_leads_back(page, router) -> None:
    send_last(page, router)
    expect(page.get_by_role("heading", name=DONE)).to_be_hidden()
    page.clock.run_for(LONG)
    expect(page.get_by_role("heading", name=DONE)).to_be_visible()
    expect(page.locator("#exit-link")).to_have_attribute("href", EXIT["url"])
    assert page.input_value("#exit-code") == "C0DE1"
    expect(page.get_by_text("You are paid once they are accepted.")).to_be_visible()
    expect(page.locator("#task-form")).to_be_hidden()


def test_a_reload_finds_it_again(page, router) -> None:
    send_last(page, router)
    with page.expect_request("**/request_agent"):
        page.reload()
    page.clock.run_for(LONG)
    expect(page.locator("#exit-link")).to_have_attribute("href", EXIT["url"])


def test_what_is_kept_of_another_run_leads_nowhere(page, router) -> None:
    send_last(page, router)
    router.task_config["run_id"] = "run-2"
    with page.expect_request("**/request_agent"):
        page.reload()
    page.clock.run_for(LONG)
    expect(page.get_by_role("heading", name="One moment, please")).to_be_visible()
    expect(page.locator("#exit-link")).to_be_hidden()


def test_later_trouble_does_not_take_it_away(page, router) -> None:
    send_last(page, router)
    page.clock.run_for(LONG)
    expect(page.get_by_role("heading", name=DONE)).to_be_visible()
    router.canned["request_agent"] = [(503, {"error": {"code": "x", "message": "away"}})]
    with page.expect_response("**/request_agent"):
        router.operator_answers.set()
    expect(page.get_by_role("heading", name=DONE)).to_be_visible()
    expect(page.get_by_role("heading", name="One moment, please")).to_be_hidden()


def test_who_is_there_has_the_last_word(page, router) -> None:
    page.clock.install()
    begin(page, router, unit(3), over("timed_out", way_back=None, why="The time is over."))
    page.fill("[name=mood]", "glad")
    router.canned["submit_task"] = [TAKEN]
    page.click("text=Send")
    expect(page.get_by_text("You can close this page.").locator("visible=true")).to_be_visible()
    page.clock.run_for(LONG)
    expect(page.get_by_role("heading", name="The time is over")).to_be_visible()
    expect(page.locator("#exit-link")).to_be_hidden()


FULL = {**EXIT, "outcome": "quota_full", "code": "FULL1"}
OVER = (409, {"error": {"code": "run_over", "message": "This task has ended."}})


def waiting() -> tuple[int, Any]:
    """What a page gets that may still get work, in a run that may end before."""
    status, packet = over(way_back=None)
    more = {"failure_code": "no_available_units", "may_pass": True, "visit_ended": None, "exit_if_over": FULL}
    return status, packet | {"data": packet["data"] | more}


def test_who_has_waited_in_vain_goes_back(page, router) -> None:
    begin(page, router, waiting(), OVER)
    expect(page.get_by_role("heading", name="There is nothing left to do")).to_be_visible()
    expect(page.get_by_text("Others have done all that was left while you waited.")).to_be_visible()
    assert page.input_value("#exit-code") == "FULL1"


def too_late() -> tuple[int, Any]:
    """What a page gets that asks when the run is over."""
    status, packet = over(way_back=FULL)
    more = {"failure_code": "run_over", "failure_reason": "This task has ended.", "visit_ended": None}
    return status, packet | {"data": packet["data"] | more}


def test_who_comes_when_the_task_is_closed_goes_back(page, router) -> None:
    router.closed_at = 1.0
    begin(page, router, too_late())
    expect(page.get_by_role("heading", name="This task is closed")).to_be_visible()
    expect(page.get_by_text("If you have sent nothing, this is for you:")).to_be_visible()
    expect(page.locator("#exit-link")).to_have_attribute("href", FULL["url"])


def test_who_was_offline_at_the_end_goes_back_too(page, router) -> None:
    begin(page, router, unit(1), too_late())
    page.fill("[name=mood]", "half written")
    router.closed_at = 1.0
    router.tell("expired", closed_at=1.0)
    expect(page.locator("#exit-link")).to_have_attribute("href", FULL["url"])
    assert page.input_value("#kept-answer") == "mood: half written"


def test_who_sends_when_all_is_over_goes_back_too(page, router) -> None:
    begin(page, router, unit(1), too_late())
    page.fill("[name=mood]", "glad")
    router.canned["submit_task"] = [OVER]
    page.click("text=Send")
    expect(page.locator("#exit-link")).to_have_attribute("href", FULL["url"])
    assert page.input_value("#kept-answer") == "mood: glad"


def test_who_has_sent_something_is_not_told_to_go_back_for_nothing(page, router) -> None:
    begin(page, router, unit(1), too_late())
    page.fill("[name=mood]", "glad")
    page.click("text=Send")
    expect(page.get_by_role("heading", name="This task is closed")).to_be_visible()
    expect(page.locator("#exit-link")).to_be_hidden()


def test_who_waits_until_the_router_says_it_is_over_goes_back(page, router) -> None:
    begin(page, router, waiting(), too_late())
    expect(page.get_by_text("Others have done all that was left while you waited.")).to_be_visible()


@pytest.fixture
def bundle(tmp_path: Path, serve_blueprint: Any) -> FakeRouter:
    script = tmp_path / "bundle.js"
    script.write_text(BUNDLE)
    blueprint = StaticReactBlueprint(
        StaticReactBlueprintArgs(task_source=str(script)), SharedTaskState(static_task_data=[{"text": "a"}])
    )
    found: FakeRouter = serve_blueprint(blueprint, {"text": "a"})
    found.task_config |= {"visit": RULES}
    return found


def test_a_bundle_leads_back_by_the_answer_too(page, bundle) -> None:
    page.clock.install()
    begin(page, bundle, unit(3))
    bundle.canned["submit_task"] = [TAKEN]
    expect(page.get_by_role("button", name="Send text 3")).to_be_visible()
    bundle.operator_answers.clear()
    with page.expect_request("**/request_agent"):
        page.click("text=Send")
    expect(page.get_by_role("heading", name=DONE)).to_be_hidden()
    page.clock.run_for(LONG)
    expect(page.get_by_role("heading", name=DONE)).to_be_visible()
    expect(page.get_by_label("Your code")).to_have_value("C0DE1")
    expect(page.get_by_role("button", name="Back to 127.0.0.1")).to_be_visible()


def test_beside_a_bundle_who_waits_in_vain_goes_back(page, bundle) -> None:
    begin(page, bundle, waiting(), OVER)
    expect(page.get_by_role("heading", name="There is nothing left to do")).to_be_visible()
    expect(page.get_by_label("Your code")).to_have_value("FULL1")


def test_beside_a_bundle_who_comes_too_late_goes_back(page, bundle) -> None:
    bundle.closed_at = 1.0
    begin(page, bundle, too_late())
    expect(page.get_by_role("heading", name="This task is closed")).to_be_visible()
    expect(page.get_by_text("If you have sent nothing, this is for you:")).to_be_visible()
    expect(page.get_by_label("Your code")).to_have_value("FULL1")


def test_beside_a_bundle_who_waits_until_it_is_over_goes_back(page, bundle) -> None:
    begin(page, bundle, waiting(), too_late())
    expect(page.get_by_role("heading", name="There is nothing left to do")).to_be_visible()
    expect(page.get_by_label("Your code")).to_have_value("FULL1")
