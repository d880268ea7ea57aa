"""That everybody can use the worker's page: by keyboard, on a phone, in the dark, with a screen reader."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

HTML = """
  <h1>Rate this</h1><p>${text}</p>
  <fieldset><legend>Mood</legend><label><input type=radio name=mood value=good required> Good</label>
  <label><input type=radio name=mood value=bad required> Bad</label></fieldset>
  <label>Age <input type=number name=age></label> <label>Why <textarea name=why></textarea></label>
  <label>Country <select name=country><option>Japan<option>Iran</select></label>
  <label>Picture <input type=file name=picture></label> <table><tr><th>Word<th>Count<tr><td>good<td>3</table>
"""
AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture
def violations(page):
    """Return what axe finds wrong with the page as it stands."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")

    def find() -> list[str]:
        found = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": AA}}).response["violations"]
        return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]

    return find


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_screen_meets_wcag_aa(page, serve, violations, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    router = serve(HTML, {"text": "hello"})
    router.operator_answers.clear()
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_role("heading", name="One moment")).to_be_visible()
    assert violations() == []
    router.operator_answers.set()
    expect(page.get_by_role("heading", name="Rate this")).to_be_visible()
    assert violations() == []
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".problem")).to_be_visible()
    assert violations() == []
    page.get_by_role("button", name="Return this task").click()
    assert violations() == []
    page.get_by_role("button", name="Go on working").click()
    router.tell("timeout")
    expect(page.get_by_role("heading", name="The time for this task is over")).to_be_visible()
    assert violations() == []


def test_a_phone_needs_no_sideways_scrolling_and_has_large_targets(page, serve) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(serve(HTML, {"text": "Donaudampfschifffahrtsgesellschaftskapitänsmütze" * 2}).url + "?worker_id=ann")
    expect(page.get_by_role("heading", name="Rate this")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    targets = page.locator("main button:visible, label:has(> [type=radio]), select, input[type=number]").all()
    assert [box["height"] for one in targets if (box := one.bounding_box()) and box["height"] < 44] == []


def test_a_task_can_be_done_by_keyboard_alone(page, serve) -> None:
    router = serve("<label>Name <input name=name></label><label><input type=checkbox name=ok> OK</label>")
    page.goto(router.url + "?worker_id=ann")
    expect(page.locator("#task-form")).to_be_focused()
    for key in ("Tab", "A", "n", "n", "Tab", "Space", "Tab", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="Thank you")).to_be_focused()
    assert router.submissions[0]["final_data"] == {"name": "Ann", "ok": True}


def test_a_task_runs_the_way_its_own_words_are_written(page, serve) -> None:
    router = serve("<h2>${text}</h2><p>متن زیر را بخوانید</p><label>پاسخ <input name=a></label>", {"text": "English"})
    page.goto(router.url + "?worker_id=ann")
    expect(page.locator("#task-form")).to_have_attribute("dir", "rtl")


def test_a_task_with_colours_of_its_own_stays_light_in_the_dark(page, serve) -> None:
    page.emulate_media(color_scheme="dark")
    router = serve("<p style='background: #fffbe6'>Read this</p><input name=a>")
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_text("Read this")).to_have_css("color", "rgb(34, 36, 42)")


def test_nothing_is_loaded_from_elsewhere(page, serve) -> None:
    router = serve(HTML, {"text": "x"})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_role("heading", name="Rate this")).to_be_visible()
    assert [url for url in asked if not url.startswith((router.url, "data:"))] == []
