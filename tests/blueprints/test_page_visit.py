"""A visit on the worker's page: one unit after another without a reload, what stopping means, and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from mephisto_nb.blueprints.form.blueprint import FormBlueprint, FormBlueprintArgs
from mephisto_nb.blueprints.static_react import StaticReactBlueprint, StaticReactBlueprintArgs
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.visits import ShortPay, VisitRules
from mephisto_nb.rules.visits import tell_rules

pytestmark = pytest.mark.slow

HTML = "<p>${text}</p><label>Mood <input name=mood required></label><button>Send</button>"
RULES = tell_rules(VisitRules(3, ShortPay.PAY_BY_UNIT), is_paid=True, seconds=1800)
EXIT = {
    "outcome": "completed", "url": "http://127.0.0.1:9/done?cc=C0DE1", "code": "C0DE1", "text": "Welcome back soon.",
    "automatic": False,
}  # fmt: skip


def unit(position: int, **details: Any) -> tuple[int, Any]:
    """What a page gets that asks for its next unit."""
    data = {"worker_id": "w", "agent_id": f"agent-{position}", "init_task_data": {"text": f"text {position}"}}
    data |= {"status": "in task", "failure_reason": None, "failure_code": None}
    data |= {"visit": {"position": position, "of": 3}, **details}
    return 200, {"packet_type": "agent_details", "subject_id": "r", "data": data}


def over(outcome: str = "completed", way_back: Any = EXIT, why: str = "All has arrived.") -> tuple[int, Any]:
    data = {"worker_id": None, "agent_id": None, "status": None, "init_task_data": None, "failure_reason": why}
    data |= {"failure_code": "visit_over", "exit": way_back, "visit_ended": {"outcome": outcome, "done": 3, "asked": 3}}
    return 200, {"packet_type": "agent_details", "subject_id": "r", "data": data}


@pytest.fixture
def router(serve):
    found = serve(HTML, {"text": "x"})
    found.task_config["visit"] = RULES
    return found


def begin(page, router, *answers: tuple[int, Any]) -> None:
    router.canned["request_agent"] = list(answers)
    page.goto(router.url + "?worker_id=ann")
    page.evaluate("window.isSamePage = true")


def test_one_unit_follows_another_on_the_same_page(page, router) -> None:
    begin(page, router, unit(1), unit(2), unit(3), over())
    for position in (1, 2, 3):
        expect(page.locator("#task-body")).to_contain_text(f"text {position}")
        expect(page.locator("#visit")).to_contain_text(f"{position} of 3")
        expect(page.locator("#announcer")).to_contain_text(f"{position} of 3")
        page.fill("[name=mood]", f"mood {position}")
        page.click("text=Send")
    expect(page.get_by_role("heading", name="Thank you. You are done.")).to_be_visible()
    assert page.evaluate("window.isSamePage")
    sent = [(one["USED_AGENT_ID"], one["final_data"]["mood"]) for one in router.submissions]
    assert sent == [(f"agent-{n}", f"mood {n}") for n in (1, 2, 3)]
    assert len({one["agent_registration_id"] for one in router.registrations}) == 1


def test_the_rule_is_told_first_and_found_again(page, router) -> None:
    begin(page, router, unit(1), unit(2))
    expect(page.locator("#visit details")).to_have_attribute("open", "")
    expect(page.locator("#visit")).to_contain_text("you are paid for the items that you have sent")
    page.fill("[name=mood]", "glad")
    page.click("text=Send")
    expect(page.locator("#visit")).to_contain_text("2 of 3")
    expect(page.get_by_text("3 items, one after the other")).to_be_hidden()
    page.click("text=About your visit")
    expect(page.get_by_text("3 items, one after the other")).to_be_visible()


def test_the_way_back_is_a_link_a_code_and_a_while_to_read(page, router) -> None:
    begin(page, router, over(way_back={**EXIT, "automatic": True}))
    expect(page.get_by_text("You are taken there in")).to_be_visible()
    page.click("text=Stay on this page")
    expect(page.get_by_text("You are taken there in")).to_be_hidden()
    expect(page.get_by_text("Welcome back soon.")).to_be_visible()
    expect(page.locator("#exit-link")).to_have_attribute("href", EXIT["url"])
    expect(page.locator("#exit-link")).to_have_text("Back to 127.0.0.1")
    assert page.input_value("#exit-code") == "C0DE1"
    page.click("text=Copy the code")
    expect(page.get_by_text("Copied")).to_be_visible()


def test_the_page_leads_back_by_itself(page, router) -> None:
    link = {**EXIT, "url": router.url + "back.html", "automatic": True}
    (router.site / "back.html").write_text("<h1>Here is the crowd</h1>")
    page.clock.install()
    begin(page, router, over(way_back=link))
    expect(page.get_by_text("You are taken there in")).to_be_visible()
    page.clock.run_for(11_000)
    expect(page.get_by_text("Here is the crowd")).to_be_visible()


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "not an address", None])
def test_no_address_but_one_of_the_web_is_a_way_back(page, router, url: str | None) -> None:
    begin(page, router, over(way_back={**EXIT, "url": url}))
    expect(page.get_by_role("heading", name="Thank you. You are done.")).to_be_visible()
    expect(page.locator("#exit-link")).to_be_hidden()
    assert page.input_value("#exit-code") == "C0DE1"


def test_without_an_exit_the_worker_is_thanked(page, router) -> None:
    begin(page, router, over(way_back=None))
    expect(page.get_by_text("You can close this page.").locator("visible=true")).to_be_visible()
    expect(page.locator("#exit-code")).to_be_hidden()


def test_who_stops_is_told_before_what_it_means(page, router) -> None:
    begin(page, router, unit(1), unit(2), over("returned", why="You have stopped."))
    expect(page.locator("#return-row")).to_contain_text("Return this task")
    page.fill("[name=mood]", "glad")
    page.click("text=Send")
    page.click("#return-row >> text=Stop here")
    expect(page.locator("#return-dialog")).to_contain_text("You have sent 1 of 3.")
    expect(page.locator("#return-dialog")).to_contain_text("You are paid for the items that you have sent.")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("heading", name="You have stopped")).to_be_visible()
    assert [one["USED_AGENT_ID"] for one in router.returned] == ["agent-2"]
    expect(page.locator("#visit")).to_be_hidden()


@pytest.mark.parametrize(
    "button", ["<button data-leave=no_consent>No</button>", "<span data-leave=no_consent>No</span>"]
)
def test_a_button_of_the_task_says_that_they_do_not_agree(page, serve, button: str) -> None:
    router = serve(
        f"<form><p>Do you agree?</p>{button}<input name=mood required><button>Send</button></form>", {"text": "x"}
    )
    router.task_config["visit"] = RULES
    begin(page, router, unit(1), over("no_consent", why="You chose not to take part."))
    leaving = page.get_by_role("button", name="No")
    leaving.focus()
    leaving.press("Enter")
    expect(page.get_by_role("heading", name="You are not taking part")).to_be_visible()
    assert [one["reason"] for one in router.returned] == ["no_consent"]
    assert router.submissions == []


def test_who_gives_back_is_not_told_that_their_place_is_kept(page, router) -> None:
    page.clock.install()
    begin(page, router, unit(1), over("returned", why="You have given this task back."))
    expect(page.get_by_role("button", name="Return this task")).to_be_visible()
    router.operator_answers.clear()
    page.click("text=Return this task")
    with page.expect_request("**/request_agent"):
        page.click("text=Give it back")
    page.clock.run_for(3000)
    expect(page.get_by_role("heading", name="You gave this task back")).to_be_visible()
    expect(page.get_by_text("give your place back there by yourself")).to_be_visible()
    expect(page.get_by_text("Your place is kept.")).to_be_hidden()
    router.operator_answers.set()
    expect(page.get_by_role("heading", name="You have stopped")).to_be_visible()


def test_the_way_back_is_found_again_when_the_task_is_closed(page, router) -> None:
    begin(page, router, over())
    expect(page.locator("#exit-link")).to_be_visible()
    router.closed_at = 1.0
    refusal = {"error": {"code": "run_over", "message": "This task has ended."}}
    router.canned["request_agent"] = [(409, refusal)]
    page.reload()
    expect(page.locator("#exit-link")).to_have_attribute("href", EXIT["url"])


def test_a_crowd_that_cannot_be_asked_is_waited_for(page, router) -> None:
    later = over()[1]
    later["data"] |= {"failure_code": "not_vouched", "may_pass": True, "visit_ended": None, "exit": None}
    begin(page, router, (200, later), unit(1))
    expect(page.locator("#task-body")).to_contain_text("text 1")
    assert len(router.registrations) == 2


def test_a_unit_that_is_taken_back_leads_on(page, router) -> None:
    begin(page, router, unit(1, agent_id="agent-1"), over("timed_out", why="The time is over."))
    page.fill("[name=mood]", "half written")
    router.tell("timeout")
    expect(page.get_by_role("heading", name="The time is over")).to_be_visible()
    assert page.input_value("#kept-answer") == "mood: half written"


def test_scripts_that_run_again_need_no_reload(page, serve) -> None:
    script = "<script data-runs-again>document.querySelector('output').textContent = mephisto.data.text + '!';</script>"
    router = serve(f"<style>output {{ margin: 1px }}</style>{HTML}<output></output>{script}", {"text": "x"})
    router.task_config["visit"] = RULES
    begin(page, router, unit(1), unit(2), unit(3))
    for position in (1, 2):
        expect(page.locator("output")).to_have_text(f"text {position}!")
        page.fill("[name=mood]", "x")
        page.click("text=Send")
    expect(page.locator("output")).to_have_text("text 3!")
    assert page.evaluate("[window.isSamePage, document.adoptedStyleSheets.length]") == [True, 1]


def test_scripts_that_do_not_say_so_get_a_page_of_their_own(page, serve) -> None:
    router = serve(f"{HTML}<output></output><script>const once = mephisto.data.text;</script>", {"text": "x"})
    router.task_config["visit"] = RULES
    begin(page, router, unit(1), unit(2), unit(2))
    page.fill("[name=mood]", "x")
    page.click("text=Send")
    expect(page.locator("#task-body")).to_contain_text("text 2")
    assert page.evaluate("window.isSamePage ?? null") is None


def test_a_form_goes_on_without_a_reload(page, serve_blueprint) -> None:
    form = {"fields": [{"name": "mood", "type": "text", "label": "Mood of ${text}", "required": True}]}
    args = FormBlueprintArgs(form=form)
    router = serve_blueprint(FormBlueprint(args, SharedTaskState(static_task_data=[{"text": "a"}])), {"text": "a"})
    router.task_config["visit"] = RULES
    begin(page, router, unit(1), unit(2), unit(3), over())
    for position in (1, 2, 3):
        expect(page.locator("#task-body")).to_contain_text(f"Mood of text {position}")
        page.click("button:has-text('Send'):visible")
        expect(page.locator("#task-body")).to_contain_text(f"Mood of text {position}")  # it has to be answered
        page.fill("[name=mood]", f"mood {position}")
        page.click("button:has-text('Send'):visible")
    expect(page.get_by_role("heading", name="Thank you. You are done.")).to_be_visible()
    assert page.evaluate("window.isSamePage")
    assert [one["final_data"]["mood"] for one in router.submissions] == ["mood 1", "mood 2", "mood 3"]


# -- pages that are somebody's bundle ------------------------------------------------------------------------------

BUNDLE = """(async () => {
  const app = document.getElementById("app");
  try {
    const { data } = await mephisto.begin();
    app.textContent = data.text;
    const button = document.createElement("button");
    button.textContent = "Send it";
    button.addEventListener("click", () => mephisto.submit({ of: data.text }));
    app.append(button);
  } catch (error) {
    app.textContent = error.code;
  }
})();"""


@pytest.fixture
def bundled(serve_blueprint, tmp_path):
    (tmp_path / "bundle.js").write_text(BUNDLE)
    args = StaticReactBlueprintArgs(task_source=str(tmp_path / "bundle.js"))
    blueprint = StaticReactBlueprint(args, SharedTaskState(static_task_data=[{"text": "a"}]))
    router = serve_blueprint(blueprint, {"text": "a"})
    router.task_config["visit"] = RULES
    return router


def test_a_bundle_is_led_from_unit_to_unit_and_back(page, bundled) -> None:
    # Each unit is asked for once after an answer, and once by the page that is loaded for it.
    begin(page, bundled, unit(1), unit(2), unit(2), over())
    expect(page.locator("#app")).to_contain_text("text 1")
    page.click("text=Send it")
    expect(page.locator("#app")).to_contain_text("text 2")
    page.click("text=Send it")
    expect(page.get_by_role("heading", name="Thank you. You are done.")).to_be_visible()
    expect(page.get_by_role("button", name="Back to 127.0.0.1")).to_be_visible()
    assert page.get_by_label("Your code").input_value() == "C0DE1"
    assert [one["final_data"] for one in bundled.submissions] == [{"of": "text 1"}, {"of": "text 2"}]
    assert bundled.returned == []


def test_a_bundle_that_is_opened_after_its_end_shows_the_way_back(page, bundled) -> None:
    begin(page, bundled, over("timed_out", why="The time is over."))
    expect(page.get_by_role("heading", name="The time is over")).to_be_visible()
    expect(page.get_by_text("The time is over.")).to_be_visible()


def test_a_bundle_waits_while_the_crowd_is_asked(page, bundled) -> None:
    later = over()[1]
    later["data"] |= {"failure_code": "not_vouched", "may_pass": True, "visit_ended": None, "exit": None}
    begin(page, bundled, (200, later), unit(1))
    expect(page.locator("#app")).to_contain_text("text 1")
