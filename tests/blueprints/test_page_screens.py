"""What a worker reads, step by step."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

HTML = "<label>X <input name=x></label>"


def heading(page: Page, name: str):
    return page.get_by_role("heading", name=name)


@pytest.mark.parametrize(
    ("operator", "told"),
    [
        ("here", "Your task is being prepared."),
        ("busy", "The researcher’s computer is busy just now."),
        ("away", "The researcher’s computer is away just now."),
    ],
)
def test_who_waits_is_told_for_whom_and_goes_on_by_itself(page, serve, operator: str, told: str) -> None:
    router = serve(HTML)
    router.operator = operator
    router.operator_answers.clear()
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_text(told)).to_be_visible()
    expect(page.get_by_text("Your place is kept.")).to_be_visible()
    router.operator_answers.set()
    expect(page.get_by_label("X")).to_be_visible()
    expect(heading(page, "One moment, please")).to_be_hidden()


def test_who_arrives_during_a_pause_gets_a_unit_when_it_ends(page, serve) -> None:
    router = serve(HTML)
    router.offer(None, agent_id=None, failure_code="paused", failure_reason="Please come back later.")
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_text("The researcher has paused this task for a while.")).to_be_visible()
    expect(heading(page, "One moment, please")).to_be_focused()
    router.offer({})
    expect(page.get_by_label("X")).to_be_visible()
    assert len({one["agent_registration_id"] for one in router.registrations}) == 1


def test_a_registration_that_does_not_get_through_is_tried_again(page, serve) -> None:
    router = serve(HTML)
    router.canned["request_agent"] = [(502, {}), (429, {})]
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_text("The connection is interrupted.")).to_be_visible()
    expect(page.get_by_label("X")).to_be_visible()
    assert len({one["agent_registration_id"] for one in router.registrations}) == 1


@pytest.mark.parametrize(
    ("code", "title", "may_retry"),
    [
        ("no_available_units", "No tasks left at the moment", True),
        ("too_many_concurrent", "You have other tasks open", True),
        ("not_qualified", "This task is for other people", False),
        ("max_for_task", "You have done all you can here", False),
        ("run_over", "This task is closed", False),
        ("something new", "You cannot start this task", False),
        (None, "You cannot start this task", False),
    ],
)
def test_a_refusal_says_why(page, serve, code: str | None, title: str, may_retry: bool) -> None:
    router = serve(HTML)
    router.offer(None, agent_id=None, failure_code=code, failure_reason="Because <b>so</b>.")
    page.goto(router.url + "?worker_id=ann")
    expect(heading(page, title)).to_be_focused()
    expect(page.get_by_text("Because <b>so</b>.")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible(visible=may_retry)


def test_a_reload_finds_the_same_unit_and_the_next_task_is_another(page, serve) -> None:
    router = serve(HTML)
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_label("X")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Send").click()
    expect(heading(page, "Thank you")).to_be_focused()
    page.reload()
    expect(heading(page, "Thank you")).to_be_visible()
    page.get_by_role("button", name="Next task").click()
    expect(page.get_by_label("X")).to_be_visible()
    first, second, third = (one["agent_registration_id"] for one in router.registrations)
    assert first == second != third


def test_a_visitor_sees_the_task_with_a_sample_and_can_send_nothing(page, serve) -> None:
    router = serve("<p>${text}</p>" + HTML, {"text": "sample"})
    page.goto(router.url)
    expect(heading(page, "This is a preview")).to_be_visible()
    expect(page.get_by_text("sample")).to_be_visible()
    expect(page.get_by_label("X")).to_be_disabled()
    expect(page.get_by_role("button", name="Send")).to_be_hidden()
    assert router.registrations == []


def test_a_visitor_sees_the_preview_that_the_researcher_wrote(page, serve) -> None:
    router = serve(HTML, {"text": "x"}, preview_html="<p>Come and see ${text}</p>", preview_with_sample=True)
    page.goto(router.url)
    expect(page.get_by_text("Come and see x")).to_be_visible()
    expect(page.get_by_label("X")).to_have_count(0)


def test_a_visitor_sees_no_data_where_it_is_not_public(page, serve) -> None:
    router = serve("<p>${text}</p>" + HTML, {"text": "secret"}, preview_with_sample=False)
    page.goto(router.url)
    expect(heading(page, "This is a preview")).to_be_visible()
    expect(page.locator("#task-form")).to_be_hidden()


@pytest.mark.parametrize(
    ("status", "title"),
    [("expired", "This task was taken back"), ("timeout", "The time for this task is over")],
)
def test_a_unit_that_is_taken_back_leaves_the_answer_to_its_writer(page, serve, status: str, title: str) -> None:
    router = serve(HTML)
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("X").fill("precious")
    router.tell(status)
    expect(heading(page, title)).to_be_focused()
    expect(page.locator("#kept-answer")).to_have_value("x: precious")
    expect(page.get_by_role("button", name="Next task")).to_be_visible()


def test_a_worker_is_asked_before_a_task_is_given_back(page, serve) -> None:
    router = serve(HTML)
    page.goto(router.url + "?worker_id=ann")
    page.get_by_role("button", name="Return this task").click()
    page.get_by_role("button", name="Go on working").click()
    expect(page.get_by_label("X")).to_be_visible()
    page.get_by_role("button", name="Return this task").click()
    page.get_by_role("button", name="Give it back").click()
    expect(heading(page, "You gave this task back")).to_be_focused()
    assert [one["USED_AGENT_ID"] for one in router.returned] == ["agent-1"]


def test_a_return_that_is_refused_says_why(page, serve) -> None:
    router = serve(HTML)
    router.canned["return_unit"] = [(409, {"error": {"code": "closed", "message": "It was already sent."}})]
    page.goto(router.url + "?worker_id=ann")
    page.get_by_role("button", name="Return this task").click()
    page.get_by_role("button", name="Give it back").click()
    expect(page.get_by_role("alert")).to_have_text("It was already sent.")


def test_little_time_left_is_said_and_much_is_not(page, serve) -> None:
    router = serve(HTML)
    router.offer({}, deadline_in_seconds=301)
    page.clock.install()
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_label("X")).to_be_visible()
    expect(page.get_by_role("timer")).to_be_hidden()
    page.clock.run_for(2000)
    expect(page.get_by_role("timer")).to_have_text("About 5 minutes left")
    page.clock.run_for(250_000)
    expect(page.get_by_role("timer")).to_have_text("Less than a minute left")


def test_the_page_says_that_it_is_there_and_comes_back_after_a_break(page, serve) -> None:
    router = serve(HTML)
    page.goto(router.url + "?worker_id=ann")
    assert router.connected.wait(10)
    router.connected.clear()
    router.drop_sockets()
    assert router.connected.wait(10)
    assert [packet["subject_id"] for packet in router.packets] == ["agent-1", "agent-1"]


def test_a_page_that_cannot_be_shown_says_so_and_tells_the_researcher(page, serve) -> None:
    router = serve(HTML)
    (router.site / "task.html").unlink()
    page.goto(router.url + "?worker_id=ann")
    expect(heading(page, "Something went wrong")).to_be_focused()
    expect(page.get_by_role("button", name="Load the page again")).to_be_visible()
    page.wait_for_function("true")
    assert router.errors[0]["error_data"]["error_type"] == "page"


def test_reports_of_errors_are_capped(page, serve) -> None:
    router = serve(HTML)
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_label("X")).to_be_visible()
    with page.expect_event(
        "requestfinished", lambda request: "log_error" in request.url and router.errors.__len__() == 5
    ):
        page.evaluate(
            "for (let i = 0; i < 20; i++) window.dispatchEvent(new ErrorEvent('error', {message: `no ${i}`}))"
        )
    assert [one["error_data"]["text"] for one in router.errors] == [f"no {i}" for i in range(5)]


CONFIRMED = """async () => {
  const timers = [];
  class Socket extends EventTarget {
    static OPEN = 1;
    readyState = 1;
    constructor() {
      super();
      window.socket = this;
      queueMicrotask(() => this.dispatchEvent(new Event("open")));
    }
    send() {}
  }
  window.WebSocket = Socket;
  window.setInterval = (beat) => timers.push(beat);
  const { Live } = await import("./worker_page/live.js");
  let confirmed = 0;
  const live = new Live("a", () => {}, null, () => (confirmed += 1));
  await new Promise(requestAnimationFrame);
  const answer = () => {
    const data = JSON.stringify({ packet_type: "heartbeat", data: { status: "in task" } });
    window.socket.dispatchEvent(new MessageEvent("message", { data }));
    return confirmed;
  };
  timers[0]();
  live.say({ text: "said just after a heartbeat" });
  return [answer(), answer()];
}"""


def test_an_earlier_heartbeat_confirms_no_later_message(page, serve) -> None:
    router = serve(HTML)
    page.goto(router.url + "?worker_id=ann")
    assert router.connected.wait(10)
    assert page.evaluate(CONFIRMED) == [0, 1]
