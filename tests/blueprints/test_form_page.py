"""What a worker sees of a form: each kind of bad answer refused at its field, by keyboard, with names in place."""

from __future__ import annotations

import re
from functools import reduce
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from mephisto_nb.blueprints.form.checks import find_problems
from mephisto_nb.blueprints.form.spec import read_spec
from tests.blueprints.forms import EVERY_FIELD, open_form, read_composed, read_fields, refused, serious

pytestmark = pytest.mark.browser


@pytest.fixture
def show(page: Page, serve):
    """Open a form as Ann sees it: ``show(form, row)`` gives the router."""

    def start(form, row=None):
        return open_form(page, serve, form, row)

    return start


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_before_and_after_a_refusal(page, show, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    show(read_composed(*EVERY_FIELD, instruction="<p>{{text}}</p>"), {"text": "Hello"})
    assert serious(page) == []
    assert len(refused(page)) == 9
    assert serious(page) == []


WRONG = {
    "First name": ("Annabel", "Please write at most 5 characters."),
    "Code": ("ab", "Please give the answer in the form that is asked for."),
    "Email": ("ann@example.org", "Please give the answer in the form that is asked for."),
    "Age": ("-", "Please enter a number."),
    "Secret": ("abc", "Please write at least 4 characters."),
    "Biography": ("x" * 11, "Please write at most 10 characters."),
    "Skills": ("Tab Space", "Please choose at least 2 of these."),
    "Children": ("", "Please choose one of these."),
    "Country": ("", "Please choose from the list."),
    "Languages": ("ArrowDown", "Please choose at least 2 of these."),
    "Photo": ("cv.PDF", "Please choose a file of this kind: .png, .jpg."),
}
RIGHT = {
    "First name": "Ann",
    "Code": "ABC",
    "Email": "ann@mephisto.ai",
    "Age": "33",
    "Secret": "four",
    "Biography": "short",
    "Skills": "Space",
    "Children": "Space",
    "Country": "Iran",
    "Languages": "Shift+ArrowDown",
    "Photo": "me.png",
}
KEYS = ("Skills", "Children", "Languages")


def press(page: Page, tmp_path: Path, name: str, what: str) -> None:
    """Answer the question that has the focus, by keyboard alone."""
    if name == "Photo":
        (tmp_path / what).write_bytes(b"x")
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(tmp_path / what)
    elif name in KEYS:
        for key in what.split():
            page.keyboard.press(key)
    else:
        page.keyboard.type(what)


def place_of(page: Page, name: str) -> Locator:
    """Find a field, a group of choices or a button, by the beginning of the name that a screen reader has for it."""
    start = re.compile(f"^{name}")
    named = (page.get_by_role(role, name=start) for role in ("group", "button", "spinbutton", "combobox", "listbox"))
    return reduce(Locator.or_, named, page.get_by_label(start).and_(page.locator("input, textarea"))).first


def go_to(page: Page, name: str) -> None:
    """Press Tab until the focus is in the field, or the group, of this name."""
    places = place_of(page, name)
    for _ in range(40):
        if places.evaluate("place => place.contains(document.activeElement)"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no number of Tabs leads to {name}")


def problem_of(page: Page, name: str) -> str:
    """Return what a screen reader says is wrong with a field."""
    return place_of(page, name).evaluate(
        """field => {
          const marked = field.matches("fieldset") ? field.querySelector("[data-problem]") : field;
          const ids = (marked?.getAttribute("aria-describedby") ?? "").split(" ");
          const said = ids.map((id) => document.getElementById(id)).find((one) => one?.matches(".problem"));
          return marked?.getAttribute("aria-invalid") === "true" ? said?.textContent : null;
        }"""
    )


def test_a_bad_answer_is_refused_at_its_field_and_fixed_by_keyboard(page, show, tmp_path: Path) -> None:
    page.on("filechooser", lambda _: None)  # else the first one may open before anybody is told of it
    router = show(read_composed(*EVERY_FIELD))
    for name, (what, _) in WRONG.items():
        go_to(page, name)
        press(page, tmp_path, name, what)
    go_to(page, "Submit")
    page.keyboard.press("Enter")
    assert {name: problem_of(page, name) for name in WRONG} == {name: told for name, (_, told) in WRONG.items()}
    assert serious(page) == []
    expect(page.get_by_label("First name")).to_be_focused()
    described = "In full As in your passport Please write at most 5 characters."
    expect(page.get_by_label("First name")).to_have_accessible_description(described)
    assert router.submissions == []
    for name, what in RIGHT.items():
        go_to(page, name)
        if name not in (*KEYS, "Photo", "Country"):
            page.keyboard.press("Control+a")
        press(page, tmp_path, name, what)
        assert problem_of(page, name) is None
    go_to(page, "Submit")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    (sent,) = router.submissions
    assert sent["files"] == [("photo", "me.png", b"x")]
    assert sent["final_data"] == {
        "first": "Ann",
        "code": "ABC",
        "mail": "ann@mephisto.ai",
        "age": 33,
        "secret": "four",
        "bio": "short",
        "skills": ["python", "sql"],
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


def test_fields_appear_by_answer_and_hidden_ones_are_not_sent(page, show) -> None:
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


def test_browser_and_python_agree_on_steps_dates_and_conditions(page, show) -> None:
    form = read_fields(
        # A browser counts steps from the least value, or from what stands in the field.
        fives={"type": "number", "min": 1, "step": 5},
        pairs={"type": "number", "value": 3, "step": 2},
        day={"type": "date"},
        count={"type": "number"},
        why={"required": True, "show_if": {"count": [2.5]}},
        word={},
        more={"required": True, "show_if": {"word": ["yes"]}},
    )
    router = show(form)
    good = {"fives": "10", "pairs": "4", "day": "2026-01-31", "count": "2.50", "why": "w", "word": " yes ", "more": "m"}
    for name, value in (good | {"fives": "6", "day": "12026-01-31"}).items():
        page.get_by_label(name.capitalize()).fill(value)
    assert refused(page) == ["Please give a multiple of 5.", "Please give a date."]
    for name, value in good.items():
        page.get_by_label(name.capitalize()).fill(value)
    assert refused(page) == []
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    sent = router.submissions[0]["final_data"]
    assert set(sent) == set(good)
    assert find_problems(form, sent) == {}
    assert find_problems(form, {name: value for name, value in sent.items() if name not in ("why", "more")}) == {
        "why": "Please answer this question.",
        "more": "Please answer this question.",
    }
