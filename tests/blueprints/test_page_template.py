"""How a row reaches the worker's page: as text, whatever it holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>"\'> ${other}'


def test_values_are_text_in_text_and_in_attributes(page, serve) -> None:
    router = serve('<p id=a title="${text}">${text}</p><input name=b value=${text}>', {"text": HOSTILE})
    page.goto(router.url + "?worker_id=ann")
    expect(page.locator("#a")).to_have_text(HOSTILE)
    expect(page.locator("#a")).to_have_attribute("title", HOSTILE)
    expect(page.locator("[name=b]")).to_have_value(HOSTILE)
    assert page.locator("#task-body img").count() == 0
    assert page.title() == "Kind words"


def test_nested_values_lists_null_and_falsehood_can_be_shown(page, serve) -> None:
    row = {"who": {"name": "Ann"}, "tags": ["x", "y"], "none": None, "no": False, "a.b": 1}
    html = "<p id=a>${who.name}|${tags.1}|${tags}|${none}|${no}|${a.b}</p><input name=x>"
    page.goto(serve(html, row).url + "?worker_id=ann")
    expect(page.locator("#a")).to_have_text('Ann|y|["x","y"]||false|1')


def test_safe_values_are_html_but_their_scripts_do_not_run(page, serve) -> None:
    row = {"rows": "<tr><td>${not a field}</td></tr><script>document.title='owned'</script>"}
    page.goto(serve("<table id=a>${rows | safe}</table><input name=x>", row).url + "?worker_id=ann")
    expect(page.locator("#a td")).to_have_text("${not a field}")
    assert page.title() == "Kind words"


def test_scripts_run_after_the_page_was_filled_and_see_its_data(page, serve) -> None:
    html = """<p id=a>${text}</p><input name=x><script>
      document.addEventListener("DOMContentLoaded", () => {
        document.getElementById("a").textContent += ` ${mephisto.data.text} ${mephisto.agentId} ${mephisto.isPreview}`;
      });
    </script>"""
    page.goto(serve(html, {"text": "hello"}).url + "?worker_id=ann")
    expect(page.locator("#a")).to_have_text("hello hello agent-1 false")


def test_styles_in_blocks_attributes_and_files_pass_the_policy(page, serve, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "a.css").write_text("#a { letter-spacing: 3px }")
    html = """<link rel="stylesheet" href="a.css"><style>#a { font-style: italic }</style>
      <p id=a style="text-indent: ${indent}px">a</p><input name=x>"""
    page.goto(serve(html, {"indent": 7}, extra_source_dir=str(extra)).url + "?worker_id=ann")
    expect(page.locator("#a")).to_have_css("text-indent", "7px")
    expect(page.locator("#a")).to_have_css("font-style", "italic")
    expect(page.locator("#a")).to_have_css("letter-spacing", "3px")


def test_a_form_of_the_researchers_own_is_no_obstacle(page, serve) -> None:
    router = serve('<form id=f action="https://example.org"><input name=x value=1><button>Done</button></form>')
    page.goto(router.url + "?worker_id=ann")
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert router.submissions[0]["final_data"] == {"x": "1"}


def test_a_script_error_reaches_the_researcher_and_breaks_nothing(page, serve) -> None:
    router = serve("<input name=x><script>forgotten.call()</script>")
    with page.expect_event("requestfinished", lambda request: request.url.endswith("/log_error")):
        page.goto(router.url + "?worker_id=ann")
    assert router.errors[0]["USED_AGENT_ID"] == "agent-1"
    assert "forgotten is not defined" in router.errors[0]["error_data"]["text"]
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    page.complaints.clear()


@pytest.mark.parametrize(
    "html",
    [
        "<p id=a>${text}</p>",
        "<p id=a>\n   ${text}\n  </p>",
        "<div><b>It\n says:</b> <i id=a>${text}</i>\n</div>",
        "<div>It\n says <q>${n}</q>: <span id=a>\n ${text} (${n})</span></div>",
        "<p id=a style='white-space: pre-wrap'>${text}</p>",
        "<pre id=a>${text}</pre>",
    ],
)
@pytest.mark.parametrize("text", ["one\ntwo\n\nfour", "one\r\ntwo\r\n\r\nfour"])
def test_a_text_of_several_lines_is_shown_in_them(page, serve, html: str, text: str) -> None:
    page.goto(serve(f"{html}<input name=x>", {"text": text, "n": 1}).url + "?worker_id=ann")
    expect(page.locator("#a")).to_be_visible()
    assert page.locator("#a").inner_text().removesuffix(" (1)").strip() == "one\ntwo\n\nfour"


def test_lines_are_kept_in_what_is_typed_and_chosen_too(page, serve) -> None:
    html = "<textarea name=a>${text}</textarea><select name=b><option>${text}</select><p id=c title='${text}'>${n}</p>"
    page.goto(serve(html, {"text": "one\ntwo", "n": "x"}).url + "?worker_id=ann")
    expect(page.locator("#task-body textarea")).to_have_value("one\ntwo")
    expect(page.locator("#task-body option")).to_have_text("one two")
    expect(page.locator("#c")).to_have_attribute("title", "one\ntwo")
    assert page.locator("#task-body span, .keeps-lines").count() == 0


def test_lines_of_the_researchers_own_white_space_stay_one(page, serve) -> None:
    html = "<style>p { white-space: nowrap }</style><p id=a>${text}</p><input name=x>"
    page.goto(serve(html, {"text": "one\ntwo"}).url + "?worker_id=ann")
    expect(page.locator("#a")).to_have_css("white-space", "nowrap")


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360f8cfc0f01f0005000101a57d3b0f0000000049454e44ae426082"
)


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("cat.png", "cat.png"),
        ("dog #2.png", "dog #2.png"),
        ("dog #2.png", "./dog #2.png"),
        ("why?.png", "why?.png"),
        ("100%25.png", "100%25.png"),
        ("50% off.png", "50% off.png"),
        ("\u00fcber.png", "u\u0308ber.png"),
        ("zwo\u0308lf.png", "zw\u00f6lf.png"),
        ("a b/c&d+e.png", "a b\\c&d+e.png"),
    ],
)
def test_a_picture_is_found_whatever_its_name(page, serve, tmp_path: Path, file: str, named: str) -> None:
    (tmp_path / "extra" / file).parent.mkdir(parents=True)
    (tmp_path / "extra" / file).write_bytes(PIXEL)
    router = serve("<img src='${img}'><input name=x>", {"img": named}, extra_source_dir=str(tmp_path / "extra"))
    page.goto(router.url + "?worker_id=ann")
    expect(page.locator("#task-body img")).to_have_js_property("naturalWidth", 1)
    assert router.errors == []


def test_a_file_that_does_not_load_reaches_the_researcher_once(page, serve, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PIXEL)
    html = "<img src='${img}'><img src='${img}'><img src='${none}'><p>${text}</p><input name=x>"
    row = {"img": "cat.png", "text": "t", "none": ""}
    router = serve(html, row, extra_source_dir=str(tmp_path))
    (router.site / "cat.png").unlink()
    with page.expect_event("requestfinished", lambda request: request.url.endswith("/log_error")):
        page.goto(router.url + "?worker_id=ann")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    (error,) = router.errors
    assert error["USED_AGENT_ID"] == "agent-1"
    assert (error["error_data"]["error_type"], error["error_data"]["file"]) == ("file", "cat.png")
