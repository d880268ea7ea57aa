"""What becomes of what a worker fills in."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

EVERYTHING = """
  <label>Text <input name=text></label> <label>Long <textarea name=long></textarea></label>
  <label>Number <input name=number type=number step=any></label> <label>Empty <input name=empty type=number></label>
  <label>Range <input name=range type=range min=0 max=10 value=3></label>
  <label><input type=checkbox name=one> One</label>
  <label><input type=checkbox name=many value=a> A</label> <label><input type=checkbox name=many value=b> B</label>
  <label><input type=radio name=choice value=left> Left</label>
  <label><input type=radio name=choice value=right> Right</label>
  <label><input type=radio name=unchosen value=x> X</label>
  <label>Select <select name=select><option>p<option>q</select></label>
  <label>Several <select name=several multiple><option>u<option>v<option>w</select></label>
  <input type=hidden name=hidden value=h> <input name=gone disabled value=x> <input value=nameless>
"""


def answer_of(router) -> dict:
    (submission,) = router.submissions
    return submission["final_data"]


def send(page) -> None:
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


def test_each_kind_of_input_becomes_what_it_means(page, serve) -> None:
    router = serve(EVERYTHING)
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("Text").fill("hello")
    page.get_by_label("Long").fill("two\nlines")
    page.get_by_label("Number").fill("1.5")
    page.get_by_label("One").check()
    page.get_by_label("B", exact=True).check()
    page.get_by_label("Left").check()
    page.get_by_label("Select").select_option("q")
    page.get_by_label("Several").select_option(["u", "w"])
    send(page)
    assert answer_of(router) == {
        "text": "hello",
        "long": "two\nlines",
        "number": 1.5,
        "empty": None,
        "range": 3,
        "one": True,
        "many": ["b"],
        "choice": "left",
        "unchosen": None,
        "select": "q",
        "several": ["u", "w"],
        "hidden": "h",
    }


def test_files_travel_beside_the_answer(page, serve, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    router = serve("<label>Files <input type=file name=doc multiple></label><input name=x value=1>")
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("Files").set_input_files([tmp_path / "a.txt", tmp_path / "b.txt"])
    send(page)
    assert router.submissions == [
        {
            "USED_AGENT_ID": "agent-1",
            "final_data": {"x": "1"},
            "files": [("doc", "a.txt", b"a.txt"), ("doc", "b.txt", b"b.txt")],
            "names": {"files": [{"field": "doc", "name": "a.txt"}, {"field": "doc", "name": "b.txt"}]},
        }
    ]


def test_the_button_that_was_pressed_is_part_of_the_answer(page, serve) -> None:
    router = serve(
        "<input name=x value=1><button name=verdict value=yes>Yes</button><button name=verdict value=no>No</button>"
    )
    page.goto(router.url + "?worker_id=ann")
    page.get_by_role("button", name="No").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert answer_of(router) == {"x": "1", "verdict": "no"}


def test_a_script_can_send_and_add_to_the_answer(page, serve) -> None:
    router = serve(
        "<input name=x value=1><button type=button id=b disabled>Finish</button><script>"
        "const b = document.getElementById('b'); b.disabled = false;"
        "b.addEventListener('click', () => mephisto.submit({clicks: [1, 2]}))</script>"
    )
    page.goto(router.url + "?worker_id=ann")
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert answer_of(router) == {"x": "1", "clicks": [1, 2]}


def test_what_is_sent_before_the_page_stands_is_sent_once_it_does(page, serve) -> None:
    """By a script at once, or by a quick hand while scripts are loaded: the browser must not send it by itself."""
    router = serve("<input name=x value=1><script>mephisto.submit({early: true})</script>")
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert answer_of(router) == {"x": "1", "early": True}


def test_each_missing_field_says_so_and_the_first_gets_the_focus(page, serve) -> None:
    router = serve(
        "<label>Name <input name=name required></label>"
        "<fieldset><legend>Side</legend><label><input type=radio name=side value=l required> Left</label>"
        "<label><input type=radio name=side value=r required> Right</label></fieldset>"
    )
    page.goto(router.url + "?worker_id=ann")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".problem")).to_have_count(2)
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    expect(page.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name", exact=True)).to_have_accessible_description("Please fill out this field.")
    page.get_by_label("Name", exact=True).fill("Ann")
    page.get_by_label("Right").check()
    expect(page.locator(".problem")).to_have_count(0)
    send(page)
    assert answer_of(router) == {"name": "Ann", "side": "r"}


def test_a_double_click_sends_once(page, serve) -> None:
    router = serve("<input name=x value=1>")
    page.goto(router.url + "?worker_id=ann")
    page.get_by_role("button", name="Send").dblclick()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert len(router.submissions) == 1


def test_an_answer_that_cannot_get_through_is_sent_as_soon_as_it_can(page, serve) -> None:
    router = serve("<label>X <input name=x></label>")
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("X").fill("precious")
    page.context.set_offline(True)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Not sent yet. Trying again…")).to_be_visible()
    page.context.set_offline(False)  # the browser says "online": no waiting for the next attempt
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert answer_of(router) == {"x": "precious"}


def test_a_passing_trouble_of_the_router_is_outlasted(page, serve) -> None:
    router = serve("<input name=x value=1>")
    router.canned["submit_task"] = [(503, {})]
    page.goto(router.url + "?worker_id=ann")
    send(page)
    assert answer_of(router) == {"x": "1"}


def test_an_answer_under_way_survives_a_reload(page, serve) -> None:
    router = serve("<label>X <input name=x></label><button name=verdict value=yes>Yes</button>")
    router.canned["submit_task"] = [(503, {})] * 9
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("X").fill("precious")
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("Not sent yet")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Not sent yet")).to_be_visible()
    router.canned.clear()  # not before: the page that is left would send it as well
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert answer_of(router) == {"x": "precious", "verdict": "yes"}


def test_an_answer_that_is_too_large_stays_to_be_made_smaller(page, serve) -> None:
    router = serve("<label>X <input name=x value=1></label>")
    router.canned["submit_task"] = [(413, {"error": {"code": "too_large", "message": "body over 10 MiB"}})]
    page.goto(router.url + "?worker_id=ann")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Your answer is too large to be sent")).to_be_visible()
    page.get_by_label("X").fill("2")
    expect(page.get_by_text("too large")).to_be_hidden()
    send(page)
    assert answer_of(router) == {"x": "2"}


@pytest.mark.parametrize(("status", "code"), [(409, "closed"), (404, "unknown_agent")])
def test_an_answer_that_comes_too_late_is_shown_for_keeping(page, serve, status: int, code: str) -> None:
    router = serve("<label>X <input name=x></label>")
    router.canned["submit_task"] = [(status, {"error": {"code": code, "message": "The time was over."}})]
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("X").fill("precious")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="This task is closed")).to_be_focused()
    expect(page.get_by_text("The time was over.")).to_be_visible()
    expect(page.get_by_label("In case you want to keep it")).to_have_value("x: precious")


def test_a_draft_with_files_survives_a_reload_until_it_is_sent(page, serve, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("kept")
    router = serve(EVERYTHING + "<label>File <input type=file name=doc></label>")
    page.goto(router.url + "?worker_id=ann")
    page.get_by_label("Long").fill("a long text")
    page.get_by_label("B", exact=True).check()
    page.get_by_label("Several").select_option(["v"])
    page.get_by_label("File").set_input_files(tmp_path / "a.txt")
    page.wait_for_function("indexedDB.databases().then((all) => all.length)")
    page.reload()
    expect(page.get_by_label("Long")).to_have_value("a long text")
    send(page)
    assert answer_of(router) | {"long": "a long text", "many": ["b"], "several": ["v"]} == answer_of(router)
    assert router.submissions[0]["files"] == [("doc", "a.txt", b"kept")]
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.includes('draft'))") == []
