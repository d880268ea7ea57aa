"""A page behaves as it would on its own: its forms, its buttons, its scripts; and it says why it does not send."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def open_(page: Any, router: Any) -> None:
    page.goto(router.url + "?worker_id=ann")
    expect(page.locator("#return-row")).to_be_visible()


def thanked(page: Any) -> None:
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


def sent(router: Any) -> Any:
    (submission,) = router.submissions
    return submission["final_data"]


def test_the_page_s_own_form_is_the_first_one(page, serve) -> None:
    router = serve("""<form name=mine><h1>Own</h1><input name=x><button>Done</button></form><script>
      document.querySelector("[name=x]").value = [document.forms[0] === document.mine, document.forms.length,
        document.querySelector("form").name, document.querySelector("input").name,
        document.querySelector("h1").innerText, document.querySelector("button").innerText,
        document.mine.elements.length, document.querySelector("fieldset"),
      ].join()</script>""")
    open_(page, router)
    page.get_by_role("button", name="Done").click()
    thanked(page)
    assert sent(router) == {"x": "true,1,mine,x,Own,Done,2,"}


HELD = "e.preventDefault(); log.textContent = 'held'"
FORM = "<form id=f><input name=x value=1><button>Go</button></form><p id=log></p><script>{}</script>"
LISTENERS = [
    f"f.addEventListener('submit', (e) => {{ {HELD} }})",
    "f.onsubmit = () => { log.textContent = 'held'; return false; }",
    f"f.addEventListener('submit', (e) => {{ e.stopPropagation(); {HELD} }})",
    f"document.addEventListener('submit', (e) => {{ e.stopImmediatePropagation(); {HELD} }})",
    f"setTimeout(() => window.addEventListener('submit', (e) => {{ {HELD} }}))",
]


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_submit_listener_may_hold_the_answer_back(page, serve, listener: str) -> None:
    router = serve(
        FORM.format("const f = document.getElementById('f'), log = document.getElementById('log');" + listener)
    )
    open_(page, router)
    page.get_by_role("button", name="Go").click()
    expect(page.locator("#log")).to_have_text("held")
    page.evaluate("new Promise((resolve) => setTimeout(() => setTimeout(resolve)))")  # all that follows an event
    assert (router.submissions, page.url) == ([], router.url + "?worker_id=ann")


@pytest.mark.parametrize(
    "listener",
    [
        "(e) => { e.stopImmediatePropagation(); f.x.value = 2; }",
        "(e) => { e.preventDefault(); f.x.value = 2; HTMLFormElement.prototype.submit.call(f); }",
        "(e) => { e.preventDefault(); f.x.value = 2; mephisto.submit(); }",
        "async (e) => { e.preventDefault(); f.x.value = 2; await null; setTimeout(() => mephisto.submit(), 20); }",
        "(e) => { f.x.value = 2; f.querySelector('button').disabled = true; }",
    ],
)
def test_what_a_submit_listener_sends_itself_is_sent_once(page, serve, listener: str) -> None:
    router = serve(FORM.format(f"const f = document.getElementById('f'); f.addEventListener('submit', {listener})"))
    open_(page, router)
    page.get_by_role("button", name="Go").click()
    thanked(page)
    assert sent(router) == {"x": "2"}


@pytest.mark.parametrize("call", ["f.requestSubmit()", "f.submit()", "mephisto.submit()"])
def test_a_script_sends_as_on_any_page(page, serve, call: str) -> None:
    router = serve(FORM.format(f"const f = document.getElementById('f'); setTimeout(() => {call}, 50)"))
    page.goto(router.url + "?worker_id=ann")
    thanked(page)
    assert (sent(router), page.url) == ({"x": "1"}, router.url + "?worker_id=ann")


def test_a_page_s_own_demand_is_shown_and_keeps_it_from_sending(page, serve) -> None:
    router = serve("""<form id=f><label>X <input name=x></label><button>Go</button></form><script>
      const [x] = f.elements; x.setCustomValidity("Not yet"); x.oninput = () => x.setCustomValidity("");
      f.addEventListener("submit", () => (x.value += f.checkValidity()))</script>""")
    open_(page, router)
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".problem")).to_have_text("Not yet")
    page.get_by_label("X").fill("it is ")
    page.get_by_role("button", name="Go").click()
    thanked(page)
    assert sent(router) == {"x": "it is true"}


@pytest.mark.parametrize(
    "html",
    [
        "<form novalidate><input name=x required><button>Go</button></form>",
        "<form><input name=x required><button formnovalidate>Go</button></form>",
    ],
)
def test_a_page_may_ask_for_no_check(page, serve, html: str) -> None:
    router = serve(html)
    open_(page, router)
    page.get_by_role("button", name="Go").click()
    thanked(page)
    assert sent(router) == {"x": ""}


def test_a_form_may_be_made_by_a_script(page, serve) -> None:
    router = serve("""<div id=here></div><input name=y value=2><script>
      document.getElementById("here").innerHTML = "<form id=f><input name=x value=1><button>Go</button></form>";
      document.getElementById("f").addEventListener("submit", (event) => (event.target.x.value += "!"))</script>""")
    open_(page, router)
    expect(page.locator("#own-submit")).to_be_hidden()
    page.get_by_role("button", name="Go").click()
    thanked(page)
    assert sent(router) == {"x": "1!", "y": "2"}


def test_a_form_that_only_closes_a_dialog_sends_nothing(page, serve) -> None:
    router = serve("""<dialog open><form method=dialog><button>Close</button></form></dialog>
      <form><input name=x value=1><button>Go</button></form>""")
    open_(page, router)
    page.get_by_role("button", name="Close").click()
    expect(page.locator("dialog").first).to_be_hidden()
    page.get_by_role("button", name="Go").click()
    thanked(page)
    assert sent(router) == {"x": "1"}


def test_a_script_finds_itself_where_it_was_written(page, serve) -> None:
    router = serve("""<input name=x><script data-word=here>
      document.currentScript.previousElementSibling.value = document.currentScript.dataset.word</script>""")
    open_(page, router)
    page.get_by_role("button", name="Send").click()
    thanked(page)
    assert sent(router) == {"x": "here"}


@pytest.mark.parametrize("html", ["<button id=play>Play the sound</button><input name=heard>", "<input name=heard>"])
def test_a_button_that_is_for_something_else_sends_nothing(page, serve, html: str) -> None:
    script = """const play = document.getElementById("play") ?? document.createElement("button");
      play.textContent = "Play the sound"; document.querySelector("p").append(play);
      play.addEventListener("click", () => (document.querySelector("[name=heard]").value += "played"))"""
    router = serve(f"<p></p>{html}<script>{script}</script>")
    open_(page, router)
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Send").click()
    thanked(page)
    assert sent(router) == {"heard": "playedplayed"}


@pytest.mark.parametrize("words", ["Submit", "I am done", "Absenden", "送信する"])
def test_a_button_that_is_called_so_sends(page, serve, words: str) -> None:
    router = serve(f"<input name=x value=1><button>{words}</button>")
    open_(page, router)
    expect(page.locator("#own-submit")).to_be_hidden()
    page.get_by_role("button", name=words).click()
    thanked(page)
    assert sent(router) == {"x": "1"}


@pytest.mark.parametrize("around", ["{}", "<form>{}<button>Go</button></form>"])
def test_enter_leads_to_the_next_field_and_sends_from_the_last(page, serve, around: str) -> None:
    router = serve(around.format("<input name=a><input type=checkbox name=b><input name=c>"))
    open_(page, router)
    page.locator("[name=a]").press("Enter")
    expect(page.locator("[name=b]")).to_be_focused()
    page.locator("[name=b]").press("Enter")
    expect(page.locator("[name=c]")).to_be_focused()
    page.keyboard.type("x")
    page.keyboard.press("Enter")
    thanked(page)
    assert sent(router) == {"a": "", "b": False, "c": "x"}


@pytest.mark.parametrize(
    "box",
    [
        '<div style="display: none">{}</div>',
        "<div hidden>{}</div>",
        "<dialog>{}</dialog>",
        '<div style="visibility: hidden">{}</div>',
        '<div style="height: 0; overflow: hidden">{}</div>',
        '<div style="position: absolute; left: -9999px">{}</div>',
        "<form>{}</form><style>form {{ display: none }}</style>",
    ],
)
def test_who_cannot_see_what_is_missing_is_told_beside_the_button(page, serve, box: str) -> None:
    router = serve(box.format("<label>Age <input name=x required></label>"))
    open_(page, router)
    with page.expect_event("requestfinished", lambda request: request.url.endswith("/log_error")):
        page.get_by_role("button", name="Send").click()
    expect(page.locator(".problem")).to_have_text("Age: Please fill out this field.")
    expect(page.locator(".problem")).to_be_in_viewport()
    assert "does not show a field" in router.errors[0]["error_data"]["text"]


@pytest.mark.parametrize(
    ("box", "act"),
    [
        ("<details><summary>More</summary><details><summary>Still more</summary>{}</details></details>", ""),
        ("<button type=button role=tab aria-controls=p>Tab</button><div id=p hidden>{}</div>", "tab.onclick = show"),
        ("<button type=button role=tab>Tab</button><div id=p hidden>{}</div>", "x.oninvalid = show"),
    ],
)
def test_what_hides_a_missing_field_is_opened(page, serve, box: str, act: str) -> None:
    script = """const x = document.querySelector("[name=x]"), tab = document.querySelector("[role=tab]");
      const show = () => { document.getElementById("p").hidden = false; };"""
    router = serve(box.format("<label>Age <input name=x required></label>") + f"<script>{script}{act}</script>")
    open_(page, router)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".problem")).to_have_text("Please fill out this field.")
    expect(page.get_by_label("Age")).to_be_focused()


def test_a_page_may_say_itself_what_is_missing(page, serve) -> None:
    router = serve("""<input name=x required><p id=log></p><script>
      document.querySelector("[name=x]").addEventListener("invalid", (event) => {
        event.preventDefault(); document.getElementById("log").textContent = "X, please" })</script>""")
    open_(page, router)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#log")).to_have_text("X, please")
    assert (page.locator(".problem").count(), router.submissions) == (0, [])
