"""The introduction in a worker's page: shown, kept over a reload, handed in, and what comes after it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.blueprints.fake_router import FakeRouter

pytestmark = pytest.mark.browser

TASK = "<p>${text}</p><label>Mood <input name=mood required></label>"
QUIZ = "<p>${question}</p><label>Answer <input name=quiz required></label>"
AGENT = "onboarding_1"


@pytest.fixture
def router(serve: Any) -> FakeRouter:
    """A task with an introduction, which the next worker gets."""
    data = {"question": "What is 2 + 3?"}
    router: FakeRouter = serve(TASK, {"text": "Rain."}, onboarding_data=data, onboarding_html=QUIZ)
    router.offer(data, agent_id=AGENT, status="onboarding")
    return router


def test_who_passes_the_introduction_goes_on_with_the_task(page: Any, router: FakeRouter) -> None:
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_text("What is 2 + 3?")).to_be_visible()
    router.offer({"text": "Rain."})
    page.get_by_label("Answer").fill("5")
    page.get_by_role("button", name="Send").click()
    page.get_by_label("Mood").fill("grim")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you. Your work was sent.")).to_be_visible()
    (handed_in,) = router.introductions
    assert (handed_in["USED_AGENT_ID"], handed_in["onboarding_data"]) == (AGENT, {"quiz": "5"})
    assert {handed_in["agent_registration_id"]} == {one["agent_registration_id"] for one in router.registrations}
    assert [one["final_data"] for one in router.submissions] == [{"mood": "grim"}]


def test_who_does_not_pass_is_told_so_kindly(page: Any, router: FakeRouter) -> None:
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("Answer").fill("4")  # it has its introduction by now; the next answer is that to what it hands in
    router.offer(None, agent_id=None, failure_code="onboarding_failed", failure_reason="It was not what is needed.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you for your interest")).to_be_focused()
    expect(page.get_by_text("It was not what is needed.")).to_be_visible()
    expect(page.get_by_label("Answer")).to_be_hidden()
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()


def test_what_was_typed_is_there_after_a_reload_in_the_middle(page: Any, router: FakeRouter) -> None:
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("Answer").fill("5")
    page.reload()
    expect(page.get_by_label("Answer")).to_have_value("5")


def test_what_is_typed_before_all_is_there_is_kept_and_stays(page: Any, router: FakeRouter) -> None:
    page.add_init_script("indexedDB.open = () => new EventTarget()")  # a browser's store that does not answer
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("Answer").fill("4")
    page.reload()
    expect(page.get_by_label("Answer")).to_have_value("4")
    page.reload()
    page.get_by_label("Answer").fill("5")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    expect(page.get_by_label("Answer")).to_have_value("5")


def test_an_introduction_that_does_not_get_through_is_sent_again(page: Any, router: FakeRouter) -> None:
    router.canned["submit_onboarding"] = [(502, {}), (429, {})]
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("Answer").fill("5")
    router.offer({"text": "Rain."})
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("Mood")).to_be_visible()
    assert len(router.introductions) == 3


def test_an_introduction_can_be_given_back(page: Any, router: FakeRouter) -> None:
    page.goto(router.url + "?worker_id=ann")
    page.get_by_role("button", name="Return this task").click()
    page.get_by_role("button", name="Give it back").click()
    expect(page.get_by_role("heading", name="You gave this task back")).to_be_visible()
    assert [one["USED_AGENT_ID"] for one in router.returned] == [AGENT]
