"""Rankings: the order in which somebody has put a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from mephisto_nb.blueprints.form.checks import find_problems
from mephisto_nb.blueprints.form.sources import read_types
from mephisto_nb.errors import ConfigError
from mephisto_nb.tasks import form_task
from tests.blueprints.forms import open_form, read_fields, refused, sent_by, serious

BEST = {"type": "ranking", "options": [{"value": "price", "label": "A low price"}, "taste", "looks"]}
MUST = {**BEST, "required": True}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (None, "Please put these in order, or confirm the order."),
        ([], "Please put these in order, or confirm the order."),
        (["price", "taste"], "Please put all of these in order."),
        (["price", "taste", "taste"], "Please put all of these in order."),
        (["price", "taste", "smell"], "Please put all of these in order."),
        ("price", "This is no answer to this question."),
        ([1, 2, 3], "This is no answer to this question."),
        ({"price": 1}, "This is no answer to this question."),
    ],
)
def test_what_is_no_order_of_all_is_refused_in_words(bad: Any, told: str) -> None:
    assert find_problems(read_fields(best=MUST), {"best": bad}) == {"best": told}
    assert find_problems(read_fields(best=MUST), {"best": ["looks", "price", "taste"]}) == {}


def test_it_may_be_left_alone_where_no_answer_is_required() -> None:
    assert find_problems(read_fields(best=BEST), {}) == {}


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"options": ["a"]}, r"best\.options has one item, which has no order"),
        ({"options": None}, r"best\.options is missing; it must be a list"),
        ({"options": ["a", {"value": "b", "checked": True}]}, r"best\.options are checked, but a ranking is of all"),
        ({"value": ["taste"]}, r"best\.value is set, but a ranking begins in the order of its options"),
        ({"statements": ["a"]}, r"best\.statements is set, but only fields of type likert"),
    ],
)
def test_a_ranking_that_cannot_be_is_refused(setting: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_fields(best={**BEST, **setting})


def test_a_class_asks_for_one_by_its_metadata() -> None:
    @dataclass
    class Choice:
        best: list[Literal["price", "taste"]] = field(metadata={"type": "ranking"})

    (one,) = read_types(Choice).fields()
    assert (one.type, one.required, [option.value for option in one.options]) == ("ranking", True, ["price", "taste"])


def test_results_hold_the_list() -> None:
    task = form_task({"fields": {"best": MUST}}, task_name="x")
    assert task.example({"best": ["looks", "taste", "price"]})["answer.best"].tolist() == [["looks", "taste", "price"]]


def test_a_condition_names_what_is_ranked_first() -> None:
    form = read_fields(best=BEST, why={"required": True, "show_if": {"best": "looks"}})
    assert find_problems(form, {"best": ["price", "looks", "taste"]}) == {}
    assert list(find_problems(form, {"best": ["looks", "price", "taste"]})) == ["why"]


# In the browser


@pytest.fixture
def show(page: Page, serve):
    return lambda form, row=None: open_form(page, serve, form, row)


def order(page: Page) -> list[str]:
    return page.locator(".form-ranked").all_inner_texts()


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def sure(page: Page) -> Locator:
    return page.get_by_role("checkbox", name="This is my order")


@pytest.mark.browser
def test_one_that_nobody_touched_is_no_answer(page: Page, show) -> None:
    router = show(read_fields(best=BEST))
    assert sent_by(page, router) == {"best": None}


@pytest.mark.browser
def test_one_that_must_be_made_says_so_in_the_words_of_python(page: Page, show) -> None:
    router = show(read_fields(best=MUST))
    assert refused(page) == [find_problems(read_fields(best=MUST), {})["best"]]
    expect(sure(page)).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator(".problem")).to_have_count(0)
    assert sent_by(page, router) == {"best": ["price", "taste", "looks"]}


@pytest.mark.browser
def test_buttons_move_an_option_and_keep_the_focus(page: Page, show) -> None:
    router = show(read_fields(best=MUST))
    assert len(refused(page)) == 1
    button(page, "Move looks up").click()
    assert order(page) == ["A low price", "looks", "taste"]
    expect(button(page, "Move looks up")).to_be_focused()
    expect(page.locator(".form-ranking [role=status]")).to_have_text("looks: 2 of 3")
    expect(page.locator(".problem")).to_have_count(0)
    expect(sure(page)).to_be_checked()
    assert sent_by(page, router) == {"best": ["price", "looks", "taste"]}


@pytest.mark.browser
@pytest.mark.parametrize(
    ("keys", "moved"),
    [
        (["ArrowUp"], ["A low price", "looks", "taste"]),
        (["ArrowUp", "ArrowUp", "ArrowUp"], ["looks", "A low price", "taste"]),
        (["Home"], ["looks", "A low price", "taste"]),
        (["Home", "ArrowDown"], ["A low price", "looks", "taste"]),
        (["Home", "End"], ["A low price", "taste", "looks"]),
        (["Enter"], ["A low price", "looks", "taste"]),
    ],
)
def test_keys_on_a_button_move_an_option(page: Page, show, keys: list[str], moved: list[str]) -> None:
    show(read_fields(best=MUST))
    button(page, "Move looks up").focus()
    for key in keys:
        page.keyboard.press(key)
    assert order(page) == moved
    expect(button(page, "Move looks up")).to_be_focused()


def drag(page: Page, grip: str, name: str, above: str) -> None:
    from_, to = (page.get_by_role("listitem").filter(has_text=one) for one in (name, above))
    start, end = from_.locator(grip).bounding_box(), to.bounding_box()
    page.mouse.move(start["x"] + 5, start["y"] + 5)
    page.mouse.down()
    page.mouse.move(start["x"] + 5, end["y"] + 2, steps=5)
    page.mouse.up()


@pytest.mark.browser
def test_an_option_can_be_dragged(page: Page, show) -> None:
    router = show(read_fields(best=MUST))
    drag(page, ".form-ranked", "looks", "A low price")
    assert order(page) == ["looks", "A low price", "taste"]
    assert sent_by(page, router) == {"best": ["looks", "price", "taste"]}


@pytest.mark.browser
def test_one_dragged_nowhere_is_not_answered(page: Page, show) -> None:
    show(read_fields(best=MUST))
    drag(page, ".form-ranked", "taste", "taste")
    expect(sure(page)).not_to_be_checked()


@pytest.mark.browser
def test_a_finger_drags_by_the_number(page: Page, show) -> None:
    show(read_fields(best=MUST))
    devtools = page.context.new_cdp_session(page)
    grip = page.get_by_role("listitem").last.locator(".form-rank").bounding_box()
    top = page.get_by_role("listitem").first.bounding_box()["y"]
    at = {"x": grip["x"] + 10, "y": grip["y"] + 10}
    for kind, points in (
        ("Start", [at]),
        ("Move", [at | {"y": top + 30}]),
        ("Move", [at | {"y": top + 2}]),
        ("End", []),
    ):
        devtools.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    expect(page.locator(".form-ranked").first).to_have_text("looks")
    expect(sure(page)).to_be_checked()


@pytest.mark.browser
def test_an_order_can_be_taken_back(page: Page, show) -> None:
    router = show(read_fields(best=BEST))
    button(page, "Move taste up").click()
    sure(page).uncheck()
    assert sent_by(page, router) == {"best": None}


@pytest.mark.browser
@pytest.mark.parametrize("is_moved", [True, False])
def test_a_draft_keeps_the_order(page: Page, show, is_moved: bool) -> None:
    router = show(read_fields(best=BEST))
    if is_moved:
        button(page, "Move looks up").press("Home")
    else:
        sure(page).check()
    page.reload()
    expect(sure(page)).to_be_checked()
    assert sent_by(page, router) == {"best": ["looks", "price", "taste"] if is_moved else ["price", "taste", "looks"]}


@pytest.mark.browser
def test_a_screen_reader_has_a_name_for_everything(page: Page, show) -> None:
    show(read_fields(best={**MUST, "label": "What matters most?", "help": "To you"}))
    group = page.get_by_role("group", name="What matters most? (required)")
    expect(group).to_have_accessible_description(
        "To you The best comes first. Move each with its buttons, by dragging it (with a finger: its number), or with "
        "the arrow keys on a button."
    )
    expect(group.get_by_role("list")).to_be_visible()
    expect(button(page, "Move A low price up")).to_have_attribute("aria-disabled", "true")
    expect(button(page, "Move looks down")).to_have_attribute("aria-disabled", "true")
    expect(button(page, "Move taste down")).to_have_attribute("aria-disabled", "false")


@pytest.mark.browser
def test_what_the_first_place_calls_for_appears(page: Page, show) -> None:
    show(read_fields(best=BEST, why={"show_if": {"best": "looks"}}))
    button(page, "Move taste up").click()
    expect(page.get_by_label("Why")).to_be_hidden()
    button(page, "Move looks up").press("Home")
    expect(page.get_by_label("Why")).to_be_visible()


@pytest.mark.browser
def test_labels_of_the_row_name_the_buttons(page: Page, show) -> None:
    options = [{"value": "a", "label": "${first}"}, {"value": "b", "label": "${second}"}]
    router = show(read_fields(best={**MUST, "options": options}), {"first": "Rome", "second": "<b>Oslo</b>"})
    button(page, "Move <b>Oslo</b> up").click()
    assert sent_by(page, router)["best"] == ["b", "a"]


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_one(page: Page, show, scheme: Any, width: int) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 800})
    show(read_fields(best=MUST))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(page) == []
    assert len(refused(page)) == 1
    assert serious(page) == []
