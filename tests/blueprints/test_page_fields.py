"""An answer is what the browser itself would send: `FormData`, each thing as what it is."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def do(page: Any, router: Any, act: str = "") -> None:
    """Open the page and let a script stand for what a person does."""
    page.goto(router.url + "?worker_id=ann")
    expect(page.locator("#return-row")).to_be_visible()
    page.evaluate(f"(body) => {{ const b = document.getElementById('task-body'); {act} }}")


def send(page: Any, name: str = "Send") -> None:
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


def sent(router: Any) -> Any:
    (submission,) = router.submissions
    return submission["final_data"]


TICK = "b.querySelector('[type=checkbox]').checked = true;"
OTHER = "<input type=radio name=c value=a><input type=radio name=c value=other>{}<input type=text name=c>"
TYPED = "b.querySelector('[type=text]').value = 'my own';"


@pytest.mark.parametrize(
    ("html", "act", "wanted"),
    [
        ("<input type=hidden name=x value=no><input type=checkbox name=x value=yes>", "", {"x": "no"}),
        ("<input type=hidden name=x value=no><input type=checkbox name=x value=yes>", TICK, {"x": ["no", "yes"]}),
        (OTHER, "b.querySelector('[value=other]').checked = true;" + TYPED, {"c": ["other", "my own"]}),
        ("<input type=number name=x><input type=checkbox name=x value=unknown>", "b.children[0].value = 7", {"x": 7}),
        ("<select name=x><option disabled selected>Choose<option>p</select>", "", {"x": None}),
        ("<select name=x multiple><option selected>p<option selected disabled>q</select>", "", {"x": ["p"]}),
        ("<fieldset disabled><input name=x value=1></fieldset><input name=y value=2>", "", {"y": "2"}),
        ("<input name=x value=1><input name=x value=2>", "", {"x": ["1", "2"]}),
        ("<input name=x value=1 dirname=x.dir>", "", {"x": "1", "x.dir": "ltr"}),
        ("<input type=radio name=x value=a><input type=checkbox name=x value=b>", "", {"x": None}),
        ("<form id=f></form><p><input name=x value=1 form=f></p><input name=y value=2 form=''>", "", {"x": "1"}),
        ("<form><input name=x value=1></form><input name=y value=2>", "", {"x": "1", "y": "2"}),
        ("<form><input name=elements value=1><input name=hidden value=2></form>", "", {"elements": "1", "hidden": "2"}),
    ],
)
def test_a_name_holds_what_the_browser_would_send(page, serve, html: str, act: str, wanted: Any) -> None:
    router = serve(html)
    do(page, router, act)
    send(page)
    assert sent(router) == wanted


def test_what_scripts_add_to_the_form_s_data_arrives(page, serve) -> None:
    router = serve("""<form id=f><input name=x value=1><input name=y value=2></form><script>
        document.getElementById("f").addEventListener("formdata", ({formData}) => {
          formData.append("z", "3"); formData.delete("y"); formData.set("x", "one"); })</script>""")
    do(page, router)
    send(page)
    assert sent(router) == {"x": "one", "z": "3"}


def test_an_element_of_the_page_s_own_making_is_a_field(page, serve) -> None:
    router = serve("""<x-stars name=stars></x-stars><input name=y value=2><script>
        customElements.define("x-stars", class extends HTMLElement {
          static formAssociated = true;
          connectedCallback() { this.attachInternals().setFormValue("4"); } })</script>""")
    do(page, router)
    send(page)
    assert sent(router) == {"stars": "4", "y": "2"}


@pytest.mark.parametrize("number", ["1234567890123456789", "-9007199254740993", "12"])
def test_a_whole_number_is_sent_with_all_its_digits(page, serve, number: str) -> None:
    router = serve("<label>N <input type=number name=n step=any></label>")
    router.canned["submit_task"] = [(503, {})] * 9
    do(page, router)
    page.get_by_label("N", exact=True).fill(number)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Not sent yet")).to_be_visible()
    page.reload()  # it is kept whole as well
    expect(page.get_by_text("Not sent yet")).to_be_visible()
    router.canned.clear()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert sent(router) == {"n": int(number)}


def test_a_script_may_send_numbers_that_only_bigint_holds(page, serve) -> None:
    router = serve("<input name=x value=1><script>mephisto.submit({ids: [12345678901234567890n]})</script>")
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert json.dumps(sent(router)) == '{"x": "1", "ids": [12345678901234567890]}'


def test_a_file_and_a_text_of_one_name_are_both_sent(page, serve) -> None:
    router = serve("<input name=doc value=none><label>Doc <input type=file name=doc></label>")
    do(page, router)
    page.get_by_label("Doc").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"})
    send(page)
    assert (sent(router), router.submissions[0]["files"]) == ({"doc": "none"}, [("doc", "a.txt", b"a")])


TRANSLATED = """for (const one of b.querySelectorAll("option, input[type=submit]")) {
  if (one.type === "submit") one.value = "Oui"; else one.innerHTML = "<font>Oui</font>"; }"""


def test_what_a_browser_translates_is_sent_as_it_was_written(page, serve) -> None:
    late = "b.append(document.createElement('select')); b.lastChild.name = 'z'; b.lastChild.add(new Option('Maybe'));"
    router = serve(
        "<select name=x><option> Yes,  ${word}</option></select><input type=submit name=y value=Yes>", {"word": "sure"}
    )
    do(page, router, late)
    page.evaluate(f"() => {{ const b = document.getElementById('task-body'); {TRANSLATED} }}")
    send(page, "Oui")
    assert sent(router) == {"x": "Yes, sure", "y": "Yes", "z": "Maybe"}


MIXED = """<input type=hidden name=agree value=no><input type=checkbox name=agree value=yes>
  <input type=radio name=c value=a><input type=radio name=c value=other><input type=text name=c>
  <input type=number name=age><input type=checkbox name=age value=unknown>"""


def test_a_reviewer_sees_each_field_as_its_worker_left_it(page) -> None:
    fill = (files("mephisto_nb.display") / "preview_page" / "fill.js").read_text(encoding="utf-8").strip()
    page.set_content(MIXED)
    page.evaluate(f"(values) => ({fill})(values, '')", {"agree": "no", "c": ["other", "my own"], "age": 7})
    page.evaluate("document.dispatchEvent(new Event('DOMContentLoaded'))")
    ticked = page.locator(":checked").evaluate_all("(all) => all.map((one) => one.value)")
    assert (ticked, page.locator("[type=text]").input_value()) == (["other"], "my own")
    assert page.locator("[type=number]").input_value() == "7"
