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
