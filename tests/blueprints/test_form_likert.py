"""Likert matrices: one option of a scale for each statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from mephisto_nb.blueprints.form.checks import find_problems
from mephisto_nb.blueprints.form.sources import read_types
from mephisto_nb.errors import ConfigError
from mephisto_nb.tasks import form_task
from tests.blueprints.forms import open_form, read_fields, refused, sent_by, serious

SCALE = [
    {"value": "no", "label": "Disagree"},
    {"value": "partly", "label": "Neither"},
    {"value": "yes", "label": "Agree"},
]
VIEW = {"type": "likert", "statements": ["clear", {"value": "fair", "label": "The text is fair"}], "options": SCALE}
MUST = {**VIEW, "required": True}
ALL = {"clear": "yes", "fair": "no"}


@pytest.mark.parametrize(
    ("field", "bad", "told"),
    [
        (MUST, None, "Please choose one in each row."),
        (MUST, {}, "Please choose one in each row."),
        (MUST, {"clear": "yes"}, "Please choose one in each row."),
        (VIEW, {"clear": "maybe"}, "Please choose from what is offered."),
        (VIEW, {"other": "yes"}, "Please choose from what is offered."),
        (VIEW, {"clear": ["yes"]}, "This is no answer to this question."),
        (VIEW, ["yes", "no"], "This is no answer to this question."),
        (VIEW, "yes", "This is no answer to this question."),
    ],
)
def test_what_is_no_whole_answer_is_refused_in_words(field: Any, bad: Any, told: str) -> None:
    assert find_problems(read_fields(view=field), {"view": bad}) == {"view": told}
    assert find_problems(read_fields(view=field), {"view": ALL}) == {}


@pytest.mark.parametrize("answer", [None, {}, {"clear": "yes"}])
def test_rows_may_be_left_out_where_no_answer_is_required(answer: Any) -> None:
    assert find_problems(read_fields(view=VIEW), {"view": answer}) == {}


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"statements": None}, r"view\.statements is missing; it must be a list with at least one"),
        ({"options": []}, r"view\.options is \[\]; it must be a list"),
        ({"statements": ["a", "a"]}, r"view\.statements holds 'a' twice"),
        ({"options": [{"value": "a", "checked": True}]}, r"view\.options are checked, but nothing is chosen"),
        ({"value": {"clear": "yes"}}, r"view\.value is set, but nothing is chosen"),
        ({"multiple": True}, r"view\.multiple is set, but only fields of type"),
    ],
)
def test_a_matrix_that_cannot_be_is_refused(setting: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_fields(view={**VIEW, **setting})


def test_a_class_asks_for_one_by_a_dictionary_of_choices() -> None:
    @dataclass
    class Review:
        view: dict[Literal["clear", "fair"], Literal["no", "yes"]]

    (one,) = read_types(Review).fields()
    assert (one.type, one.required) == ("likert", True)
    assert [option.value for option in (*one.statements, *one.options)] == ["clear", "fair", "no", "yes"]


def test_results_hold_a_column_a_statement() -> None:
    row = form_task({"fields": {"view": MUST}}, task_name="x").example({"view": ALL}).iloc[0]
    assert (row["answer.view.clear"], row["answer.view.fair"]) == ("yes", "no")


def test_a_condition_names_what_was_chosen_in_any_row() -> None:
    form = read_fields(view=VIEW, why={"required": True, "show_if": {"view": "no"}})
    assert find_problems(form, {"view": {"clear": "yes"}}) == {}
    assert list(find_problems(form, {"view": ALL})) == ["why"]
    with pytest.raises(ConfigError, match="wants 'clear' of 'view', which offers: no, partly, yes"):
        read_fields(view=VIEW, why={"show_if": {"view": "clear"}})


# In the browser


@pytest.fixture
def show(page: Page, serve):
    return lambda form, row=None: open_form(page, serve, form, row)


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_role("radiogroup", name=name)


def pick(page: Page, row: str, option: str) -> None:
    row_of(page, row).get_by_role("radio", name=option, exact=True).check()


@pytest.mark.browser
def test_an_answer_arrives_as_an_object(page: Page, show) -> None:
    router = show(read_fields(view=MUST))
    pick(page, "clear", "Agree")
    pick(page, "The text is fair", "Disagree")
    assert sent_by(page, router) == {"view": ALL}


@pytest.mark.browser
def test_one_that_nobody_touched_is_no_answer(page: Page, show) -> None:
    router = show(read_fields(view=VIEW))
    assert sent_by(page, router) == {"view": None}


@pytest.mark.browser
def test_each_row_left_out_says_so_in_the_words_of_python(page: Page, show) -> None:
    router = show(read_fields(view=MUST))
    words = find_problems(read_fields(view=MUST), {})["view"]
    assert refused(page) == [words, words]
    expect(row_of(page, "clear").get_by_role("radio").first).to_be_focused()
    pick(page, "clear", "Agree")
    assert page.locator(".problem").all_inner_texts() == [words]
    assert refused(page) == [words]
    expect(row_of(page, "The text is fair").locator(".problem")).to_be_visible()
    pick(page, "The text is fair", "Disagree")
    assert sent_by(page, router) == {"view": ALL}


@pytest.mark.browser
def test_it_is_filled_in_by_keyboard_alone(page: Page, show) -> None:
    router = show(read_fields(view=MUST))
    row_of(page, "clear").get_by_role("radio").first.focus()
    for key in ("Space", "ArrowRight", "ArrowRight", "Tab", "Space", "Tab"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Send")).to_be_focused()
    assert sent_by(page, router) == {"view": ALL}


@pytest.mark.browser
def test_a_screen_reader_has_a_name_for_each_row_and_option(page: Page, show) -> None:
    show(read_fields(view={**MUST, "label": "What do you think?", "help": "Of the text"}))
    group = page.get_by_role("group", name="What do you think? (required)")
    expect(group).to_have_accessible_description("Of the text")
    for row in ("clear", "The text is fair"):
        expect(group.get_by_role("radiogroup", name=row)).to_have_attribute("aria-required", "true")
        assert row_of(page, row).get_by_role("radio", name="Neither").count() == 1


@pytest.mark.browser
def test_a_draft_keeps_the_rows_that_were_filled_in(page: Page, show) -> None:
    router = show(read_fields(view=VIEW))
    pick(page, "The text is fair", "Neither")
    page.reload()
    expect(row_of(page, "The text is fair").get_by_role("radio", name="Neither")).to_be_checked()
    assert sent_by(page, router) == {"view": {"fair": "partly"}}


@pytest.mark.browser
def test_what_an_option_calls_for_appears(page: Page, show) -> None:
    show(read_fields(view=VIEW, why={"show_if": {"view": "no"}}))
    expect(page.get_by_label("Why")).to_be_hidden()
    pick(page, "clear", "Disagree")
    expect(page.get_by_label("Why")).to_be_visible()


@pytest.mark.browser
def test_on_a_phone_each_row_is_a_card_with_its_own_words(page: Page, show) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    show(read_fields(view=MUST))
    (clear, fair) = (row_of(page, name).bounding_box() for name in ("clear", "The text is fair"))
    assert clear["y"] + clear["height"] <= fair["y"]
    words = row_of(page, "clear").get_by_text("Neither")
    assert words.bounding_box()["width"] > 20
    assert words.bounding_box()["height"] >= 16
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.browser
def test_on_a_wide_page_all_rows_stand_below_one_head(page: Page, show) -> None:
    show(read_fields(view=MUST))
    radios = [row_of(page, name).get_by_role("radio").nth(1).bounding_box() for name in ("clear", "The text is fair")]
    head = page.locator(".form-likert-head").get_by_text("Neither").bounding_box()
    middles = [box["x"] + box["width"] / 2 for box in (*radios, head)]
    assert max(middles) - min(middles) < 2


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_one(page: Page, show, scheme: Any, width: int) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 800})
    show(read_fields(view=MUST))
    assert serious(page) == []
    assert len(refused(page)) == 2
    assert serious(page) == []
