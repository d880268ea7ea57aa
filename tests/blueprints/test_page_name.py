"""Who comes by the bare address is asked for a name, where names are believed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs

pytestmark = pytest.mark.browser

HTML = "<p>${text}</p><label>X <input name=x></label>"


def open_bare(page: Page, serve: Any, **args: Any) -> Any:
    router = serve(HTML, {"text": "Rain."}, **args)
    router.task_config["name_parameter"] = LinkProvider(LinkProviderArgs(signed_links=False)).name_parameter
    page.goto(router.url)
    return router


def test_a_name_that_is_typed_is_who_comes_by_keyboard_alone(page, serve) -> None:
    router = open_bare(page, serve)
    expect(page.get_by_role("textbox", name="Your name")).to_be_focused()
    expect(page.get_by_role("textbox", name="Your name")).to_have_accessible_description(
        "Your answers are kept under it. To go on later, write it the same way."
    )
    expect(page.get_by_role("status").first).to_have_text("Who are you?")
    page.keyboard.type("  Zoë & Ann ")
    page.keyboard.press("Enter")
    expect(page.get_by_label("X")).to_be_visible()
    assert [one["worker_name"] for one in router.registrations] == ["Zoë & Ann"]


def test_a_name_is_there_again_for_who_comes_back(page, serve) -> None:
    router = open_bare(page, serve)
    page.get_by_label("Your name").fill("Zoë & Ann")
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_label("X")).to_be_visible()
    page.goto(router.url)
    expect(page.get_by_label("Your name")).to_have_value("Zoë & Ann")


def test_no_name_is_asked_for_once_more(page, serve) -> None:
    router = open_bare(page, serve)
    page.get_by_label("Your name").fill("   ")
    page.get_by_role("button", name="Begin").click()
    message = page.get_by_label("Your name").evaluate("(field) => field.validationMessage")
    assert message == "Please write your name."
    page.get_by_label("Your name").fill("ann")
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_label("X")).to_be_visible()
    assert len(router.registrations) == 1


def test_a_preview_of_the_researchers_own_stands_below(page, serve) -> None:
    open_bare(page, serve, preview_html="<p>What this is about</p>")
    expect(page.get_by_label("Your name")).to_be_focused()
    expect(page.get_by_text("What this is about")).to_be_visible()
    expect(page.get_by_text("This is a preview")).to_be_hidden()
