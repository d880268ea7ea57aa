"""Sliders: a number that somebody has set, or none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from mephisto_nb.blueprints.form.checks import find_problems
from mephisto_nb.blueprints.form.sources import read_types
from mephisto_nb.blueprints.form.spec import read_spec
from mephisto_nb.errors import ConfigError
from mephisto_nb.tasks import form_task
from tests.blueprints.forms import open_form, read_fields, refused, sent_by, serious

SURE = {"type": "slider", "min": 0, "max": 10, "step": 0.5, "min_label": "Not at all", "max_label": "Very",
        "required": True, "help": "Be honest"}  # fmt: skip


@pytest.mark.parametrize("good", [0, 10, 2.5, 10.0])
def test_a_number_on_the_scale_is_an_answer(good: float) -> None:
    assert find_problems(read_fields(sure=SURE), {"sure": good}) == {}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (None, "Please move the slider."),
        (-0.5, "Please choose a number from 0 to 10 in steps of 0.5."),
        (10.5, "Please choose a number from 0 to 10 in steps of 0.5."),
        (0.25, "Please choose a number from 0 to 10 in steps of 0.5."),
        ("5", "This is no answer to this question."),
        (True, "This is no answer to this question."),
        (float("nan"), "This is no answer to this question."),
        ([5], "This is no answer to this question."),
    ],
)
def test_what_is_not_on_it_is_refused_in_words(bad: Any, told: str) -> None:
    assert find_problems(read_fields(sure=SURE), {"sure": bad}) == {"sure": told}


def test_it_need_not_be_touched_where_no_answer_is_required() -> None:
    assert find_problems(read_fields(sure="slider"), {}) == {}


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"value": 5}, r"sure\.value is 5, but a slider has no value until somebody moves it"),
        ({"min": 3, "max": 3}, r"sure\.min is 3, which must be less than max, which is 3"),
        ({"max": 0.5}, r"sure\.step is 1, more than there is from 0 to 0\.5"),
        ({"step": 0}, r"sure\.step is 0; it must be more than 0"),
        ({"options": ["a"]}, r"sure\.options is set, but only fields of type"),
    ],
)
def test_a_scale_that_cannot_be_is_refused(setting: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_fields(sure={"type": "slider", **setting})


def test_a_class_asks_for_one_by_its_metadata() -> None:
    @dataclass
    class Rating:
        sure: int = field(metadata={"type": "slider", "max": 7})

    (one,) = read_types(Rating).fields()
    assert (one.type, one.max, one.step, one.required) == ("slider", 7, 1, True)


def test_results_hold_the_number() -> None:
    task = form_task({"fields": {"sure": SURE}}, task_name="x")
    assert task.example({"sure": 2.5})["answer.sure"].tolist() == [2.5]


def test_a_condition_can_name_a_number_on_it() -> None:
    form = read_fields(sure=SURE, why={"required": True, "show_if": {"sure": [10]}})
    assert find_problems(form, {"sure": 9.5}) == {}
    assert list(find_problems(form, {"sure": 10.0})) == ["why"]


# In the browser


@pytest.fixture
def show(page: Page, serve):
    return lambda form, row=None: open_form(page, serve, form, row)


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="Sure (required)")


@pytest.mark.browser
def test_an_untouched_one_is_no_answer(page: Page, show) -> None:
    router = show(read_fields(sure={**SURE, "required": False}, note={}))
    assert sent_by(page, router) == {"sure": None, "note": ""}


@pytest.mark.browser
def test_one_that_must_be_moved_says_so_in_the_words_of_python(page: Page, show) -> None:
    router = show(read_fields(sure=SURE))
    assert refused(page) == [find_problems(read_fields(sure=SURE), {})["sure"]]
    expect(slider(page)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".problem")).to_have_count(0)
    assert sent_by(page, router) == {"sure": 5.5}


@pytest.mark.browser
@pytest.mark.parametrize("key", ["Space", "Enter"])
def test_the_place_where_it_stands_is_taken_by_a_key(page: Page, show, key: str) -> None:
    router = show(read_fields(sure=SURE))
    slider(page).press(key)
    expect(page.locator("output")).to_have_text("5")
    assert sent_by(page, router) == {"sure": 5}


@pytest.mark.browser
def test_or_by_a_click_on_it(page: Page, show) -> None:
    router = show(read_fields(sure=SURE))
    slider(page).click()
    assert sent_by(page, router) == {"sure": 5}


@pytest.mark.browser
def test_it_says_what_it_is_and_where_it_stands(page: Page, show) -> None:
    show(read_fields(sure=SURE))
    expect(slider(page)).to_have_attribute("aria-valuetext", "Not set yet")
    expect(slider(page)).to_have_accessible_description("Be honest 0 Not at all 10 Very")
    slider(page).press("End")
    expect(slider(page)).not_to_have_attribute("aria-valuetext", "Not set yet")
    expect(page.locator("output")).to_have_text("10")


@pytest.mark.browser
@pytest.mark.parametrize("key", ["Home", "Space"])
def test_a_draft_keeps_where_it_was_set(page: Page, show, key: str) -> None:
    router = show(read_fields(sure=SURE))
    slider(page).press(key)
    page.reload()
    expect(page.locator("output")).to_have_text("0" if key == "Home" else "5")
    assert sent_by(page, router) == {"sure": 0 if key == "Home" else 5}


@pytest.mark.browser
def test_a_draft_of_an_untouched_one_is_untouched(page: Page, show) -> None:
    show(read_fields(sure=SURE, note={}))
    page.get_by_label("Note").fill("x")
    page.reload()
    expect(page.get_by_label("Note")).to_have_value("x")
    expect(page.locator("output")).to_have_text("Not set yet")


@pytest.mark.browser
def test_what_its_number_calls_for_appears(page: Page, show) -> None:
    router = show(read_fields(sure=SURE, why={"show_if": {"sure": 10}}))
    expect(page.get_by_label("Why")).to_be_hidden()
    slider(page).press("End")
    page.get_by_label("Why").fill("so")
    assert sent_by(page, router) == {"sure": 10, "why": "so"}


@pytest.mark.browser
def test_one_out_of_sight_is_not_sent(page: Page, show) -> None:
    router = show(read_spec({"fields": {"mood": {}, "sure": {**SURE, "show_if": {"mood": "grim"}}}}))
    assert sent_by(page, router) == {"mood": ""}


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_one(page: Page, show, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    show(read_fields(sure=SURE))
    assert serious(page) == []
    assert len(refused(page)) == 1
    assert serious(page) == []
