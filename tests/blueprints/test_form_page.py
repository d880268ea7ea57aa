"""What a worker sees of a form: each kind of bad answer refused at its field, by keyboard, with names in place."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mephisto_nb.blueprints.form.render import render_form
from mephisto_nb.blueprints.form.spec import read_spec
from tests.blueprints.forms import EVERY_FIELD, read_composed, read_fields

pytestmark = pytest.mark.browser

AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def show(page: Page, serve):
    """Open a form as Ann sees it: ``show(form, row)`` gives the router."""

    def start(form, row=None):
        router = serve(render_form(form), row)
        page.goto(router.url + "?worker_id=ann")
        expect(page.locator("#announcer")).to_have_text("Your task is ready.")
        return router

    return start


def serious(page: Page) -> list[str]:
    """Give what axe-core finds that is serious or worse."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": AA}}).response["violations"]
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in bad]


def refused(page: Page) -> list[str]:
    page.get_by_role("button", name="Submit").or_(page.get_by_role("button", name="Send")).click()
    return page.locator(".problem").all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_before_and_after_a_refusal(page, show, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    show(read_composed(*EVERY_FIELD, instruction="<p>{{text}}</p>"), {"text": "Hello"})
    assert serious(page) == []
    assert len(refused(page)) == 5
    assert serious(page) == []


def test_each_bad_answer_is_refused_in_the_words_of_its_validator(page, show, tmp_path: Path) -> None:
    (tmp_path / "cv.PDF").write_text("x")
    router = show(read_composed(*EVERY_FIELD))
    page.get_by_label("First name").fill("Annabel")
    page.get_by_label("Code").fill("ab")
    page.get_by_label("Email").fill("ann@example.org")
    page.get_by_label("Secret").fill("abc")
    page.get_by_label("Biography").fill("x" * 11)
    page.get_by_label("Sql").check()
    page.get_by_label("Languages").select_option(["en"])
    page.get_by_label("Photo").set_input_files(tmp_path / "cv.PDF")
    assert refused(page) == [
        "Please write at most 5 characters.",
        "Please give the answer in the form that is asked for.",
        "Please give the answer in the form that is asked for.",
        "Please write at least 4 characters.",
        "Please write at most 10 characters.",
        "Please choose at least 2 of these.",
        "Please choose one of these.",
        "Please choose from the list.",
        "Please choose at least 2 of these.",
        "Please choose a file of this kind: .png, .jpg.",
    ]
    expect(page.get_by_label("First name")).to_be_focused()
    described = "In full As in your passport Please write at most 5 characters."
    expect(page.get_by_label("First name")).to_have_accessible_description(described)
    expect(page.get_by_role("group", name="Skills").locator("legend + .problem")).to_be_visible()
    assert router.submissions == []


def test_the_whole_form_can_be_filled_in_by_keyboard(page, show) -> None:
    fields = [one for one in EVERY_FIELD if one["type"] != "file"]
    router = show(read_composed(*fields))
    keys = page.keyboard
    for text in ("Ann", "abc", "ann@mephisto.ai", "33", "four", "short"):
        keys.press("Tab")
        keys.type(text)
    for key in ("Tab", "Space", "Tab", "Tab", "Space", "Tab", "Space"):  # two skills, then the first of two radios
        keys.press(key)
    keys.press("Tab")
    keys.type("Iran")
    keys.press("Tab")
    keys.press("ArrowDown")
    keys.press("Shift+ArrowDown")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert router.submissions[0]["final_data"] == {
        "first": "Ann",
        "code": "abc",
        "mail": "ann@mephisto.ai",
        "age": 33,
        "secret": "four",
        "bio": "short",
        "skills": ["python", "go"],
        "kids": "none",
        "country": "iran",
        "languages": ["en", "fr"],
        "version": "2",
    }


def test_a_screen_reader_has_a_name_for_everything(page, show) -> None:
    show(read_composed(*EVERY_FIELD))
    for role, name in [
        ("region", "About you"),
        ("group", "Person"),
        ("group", "Skills (required)"),
        ("radio", "None"),
        ("combobox", "Country"),
        ("listbox", "Languages"),
        ("spinbutton", "Age"),
        ("textbox", "Biography"),
    ]:
        expect(page.get_by_role(role, name=name)).to_be_visible()


def test_numbers_and_dates_say_what_they_want(page, show) -> None:
    number = {"type": "number", "min": 2, "max": 8, "step": 1}
    show(read_fields(low=number, high=number, half=number, when={"type": "date", "required": True}))
    for name, value in (("Low", "1"), ("High", "9"), ("Half", "2.5")):
        page.get_by_label(name).fill(value)
    assert refused(page) == [
        "Please give 2 or more.",
        "Please give 8 or less.",
        "Please give a whole number.",
        "Please answer this question.",
    ]


def test_what_an_answer_calls_for_appears_and_what_it_hides_is_not_sent(page, show) -> None:
    why = {"type": "textarea", "required": True, "show_if": {"mood": "grim"}}
    router = show(read_fields(mood={"type": "radio", "options": ["glad", "grim"]}, why=why))
    expect(page.get_by_label("Why")).to_be_hidden()
    page.get_by_label("grim").check()
    expect(page.get_by_label("Why")).to_be_visible()
    assert refused(page) == ["Please answer this question."]
    page.get_by_label("Why").fill("rain")
    page.get_by_label("glad").check()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert router.submissions[0]["final_data"] == {"mood": "glad"}


def test_a_draft_brings_back_what_its_answers_had_shown(page, show) -> None:
    why = {"show_if": {"sure": False}}
    show(read_fields(sure={"type": "checkbox", "value": True}, why=why))
    page.get_by_label("Sure").uncheck()
    page.get_by_label("Why").fill("rain")
    page.reload()
    expect(page.get_by_label("Why")).to_have_value("rain")


def test_a_folded_section_opens_where_something_is_missing(page, show) -> None:
    folded = {"title": "More", "initially_collapsed": True, "fields": {"reason": {"required": True}}}
    show(read_spec({"sections": [folded]}))
    expect(page.get_by_label("Reason")).to_be_hidden()
    assert refused(page) == ["Please answer this question."]
    expect(page.get_by_label("Reason")).to_be_focused()


def test_values_of_the_row_are_text_wherever_they_stand(page, show) -> None:
    form = read_spec({"title": "${x}", "fields": {"a": {"label": "About ${x}", "value": "${x}"}}})
    show(form, {"x": '"><b>bold</b>'})
    expect(page.get_by_role("heading", name='"><b>bold</b>')).to_be_visible()
    expect(page.get_by_label('About "><b>bold</b>')).to_have_value('"><b>bold</b>')
