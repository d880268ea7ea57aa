"""What a worker sees of forms that call functions of the researcher's own, or that differ from row to row."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mephisto_nb.tasks import FormTask, form_task
from tests.blueprints.forms import choices, composed

pytestmark = pytest.mark.browser

VALIDATORS = """
import { words } from "./helpers.js";
export function noneOf(field, value, ...more) {
  const found = [...words, ...more].find((word) => value.includes(word));
  return found ? `${field.label} must not hold "${found}".` : null;
}
export function atMostOne(field, value) {
  return Object.values(value).filter(Boolean).length > 1 ? "One alone." : null;
}
export function broken() { throw new Error("my own mistake"); }
"""
TRIGGERS = """
import { validateFieldValue } from "react-form-composer";
export function onCountry(formData, updateFormData, element, fieldValue, formFields, add) {
  const region = document.getElementById("id_region").closest(".field");
  region.classList.toggle("hidden", fieldValue !== "USA");
  if (validateFieldValue(formFields.note, "x", true)) updateFormData("note", `${element.name} is ${fieldValue}${add}`);
}
export function onHeading(formData, updateFormData, element) { updateFormData("note", element.title); }
export function onSend(formData, updateFormData) { updateFormData("version", `sent ${formData.version}`); }
"""


def png() -> bytes:
    """A picture of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


@pytest.fixture
def show(page: Page, serve_blueprint, tmp_path: Path):
    """Open a FormComposer form as Ann sees it: ``show(form, row, **insertions)`` gives the router."""

    def start(form: Any, **insertions: str) -> Any:
        folder = tmp_path / "insertions"
        folder.mkdir()
        for name, script in insertions.items():
            (folder / f"{name}.js").write_text(script, encoding="utf-8")
        (tmp_path / "task_data.json").write_text(json.dumps(form), encoding="utf-8")
        task = form_task(tmp_path / "task_data.json", task_name="x")
        return open_page(page, serve_blueprint, task)

    return start


def open_page(page: Page, serve_blueprint: Any, task: FormTask, row: Any = None) -> Any:
    router = serve_blueprint(task._blueprint, task._first_row if row is None else row)
    page.goto(router.url + "?worker_id=ann")
    expect(page.locator("#announcer")).to_have_text("Your task is ready.")
    return router


def send(page: Page) -> None:
    page.get_by_role("button", name="Submit").click()


def test_functions_of_ones_own_judge_in_their_own_words(page, show) -> None:
    motto = {"type": "input", "name": "motto", "label": "Motto", "validators": {"noneOf": ["silly"], "broken": True}}
    one = {"type": "checkbox", "name": "one", "label": "One", "options": choices("a", "b"),
           "validators": {"atMostOne": True}}  # fmt: skip
    router = show(composed(motto, one), custom_validators=VALIDATORS, helpers='export const words = ["fool"];')
    page.get_by_label("Motto").fill("a silly one")
    page.get_by_label("A", exact=True).check()
    page.get_by_label("B", exact=True).check()
    send(page)
    assert page.locator(".problem").all_inner_texts() == ['Motto must not hold "silly".', "One alone."]
    page.get_by_label("Motto").fill("a wise one")
    page.get_by_label("B", exact=True).uncheck()
    send(page)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert router.submissions[0]["final_data"] == {"motto": "a wise one", "one": ["a"]}
    assert [one["error_data"]["text"] for one in router.errors] == ["my own mistake"]
    assert page.complaints.pop() == "my own mistake"


def test_nothing_is_sent_before_functions_of_ones_own_could_judge(page, show) -> None:
    held: list[Any] = []
    page.route("**/custom_validators.js", lambda route: held.append(route))
    one = {"type": "checkbox", "name": "one", "label": "One", "options": choices("a", "b"),
           "validators": {"atMostOne": True}}  # fmt: skip
    with page.expect_request("**/custom_validators.js"):
        router = show(composed(one), custom_validators=VALIDATORS, helpers="export const words = [];")
    page.get_by_label("A", exact=True).check()
    page.get_by_label("B", exact=True).check()
    send(page)
    assert page.locator(".problem").all_inner_texts() == []
    held[0].continue_()
    expect(page.locator(".problem")).to_have_text("One alone.")
    assert router.submissions == []


def test_an_unreadable_file_leaves_the_form_as_strict_as_without_it(page, show) -> None:
    motto = {"type": "input", "name": "motto", "label": "Motto", "validators": {"required": True, "noneOf": True}}
    router = show(composed(motto), custom_validators="export function noneOf( {")
    send(page)
    assert page.locator(".problem").all_inner_texts() == ["Please answer this question."]
    page.get_by_label("Motto").fill("wise")
    send(page)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert router.submissions[0]["final_data"] == {"motto": "wise"}
    assert router.errors != []
    page.complaints.clear()


def test_triggers_show_hide_and_change_fields(page, show) -> None:
    country = {"type": "select", "name": "country", "label": "Country", "options": choices("USA", "Iran"),
               "triggers": {"onChange": ["onCountry", "!"]}}  # fmt: skip
    region = {"type": "input", "name": "region", "label": "Region", "id": "id_region", "classes": "hidden",
              "validators": {"required": True}}  # fmt: skip
    rest = [{"type": "input", "name": "note", "label": "Note"}]
    rest.append({"type": "hidden", "name": "version", "label": "Version", "value": "2"})
    form = composed(country, region, *rest, submit_button={"text": "Submit", "triggers": {"onClick": ["onSend"]}})
    form["form"]["sections"][0]["triggers"] = {"onClick": ["onHeading"]}
    router = show(form, custom_triggers=TRIGGERS)
    page.get_by_role("heading", name="About you").click()
    expect(page.get_by_label("Note")).to_have_value("About you")
    page.get_by_role("heading", name="About you").click()
    page.get_by_label("Country").select_option("USA")
    expect(page.get_by_label("Note")).to_have_value("country is USA!")
    expect(page.get_by_label("Region")).to_be_visible()
    send(page)
    assert page.locator(".problem").all_inner_texts() == ["Please answer this question."]
    page.get_by_label("Country").select_option("Iran")
    expect(page.get_by_label("Region")).to_be_hidden()
    send(page)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    answer = router.submissions[0]["final_data"]
    assert answer == {"country": "Iran", "note": "country is Iran!", "version": "sent sent 2"}


def test_a_chosen_picture_is_shown_before_it_is_sent(page, show, tmp_path: Path) -> None:
    (tmp_path / "me.png").write_bytes(png())
    show(composed({"type": "file", "name": "photo", "label": "Photo", "show_preview": True}))
    page.get_by_label("Photo").set_input_files(tmp_path / "me.png")
    picture = page.get_by_role("figure", name="me.png").get_by_role("img")
    expect(picture).to_have_js_property("naturalWidth", 1)
    page.reload()
    expect(page.get_by_role("figure", name="me.png")).to_be_visible()


def test_long_instructions_can_wait_behind_a_heading(page, show) -> None:
    show(composed({"name": "a", "label": "A"}, instruction="<p>Read me</p>", show_instructions_as_modal=True))
    expect(page.get_by_text("Read me")).to_be_hidden()
    page.get_by_text("Instructions").click()
    expect(page.get_by_text("Read me")).to_be_visible()


def test_each_row_has_its_own_form(page, serve_blueprint) -> None:
    forms = [
        {"fields": {"purrs": {"required": True}}},
        {"instruction": '<p style="color: rgb(1, 2, 3)">${text}</p>', "fields": {"age": {"type": "number", "max": 3}}},
    ]
    rows = [{"form_version": 1}, {"form_version": 2, "text": "<b>${age}</b>"}]
    task = form_task(forms, rows, task_name="pets")
    router = open_page(page, serve_blueprint, task, rows[1])
    expect(page.get_by_text("<b>${age}</b>")).to_have_css("color", "rgb(1, 2, 3)")
    expect(page.get_by_label("Purrs")).to_have_count(0)
    page.get_by_label("Age").fill("4")
    page.get_by_role("button", name="Send").click()
    assert page.locator(".problem").all_inner_texts() == ["Please give 3 or less."]
    page.get_by_label("Age").fill("3")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert router.submissions[0]["final_data"] == {"form_version": "2", "age": 3}
