"""A worker's page shown in a notebook, as its cell shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, FrameLocator, Page, expect

import mephisto_nb as mnb
from tests.browser.axe import faults
from tests.browser.npm_tasks import built

TASK = {"task_name": "moods", "task_title": "Moods", "task_description": "", "task_tags": "", "task_reward": 0.1}


@dataclass
class Mood:
    mood: Literal["glad", "grim"]
    why: str


def frame_of(page: Page) -> FrameLocator:
    return page.frame_locator(".mephisto-preview iframe").last.frame_locator("iframe")


async def send(frame: FrameLocator, mood: str) -> None:
    await frame.get_by_label("Mood").fill(mood)
    await frame.get_by_role("button", name="Send").click()
    await expect(frame.get_by_role("status", name="Preview")).to_contain_text(f'"mood": "{mood}"')


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_serious_fault_in_a_preview(page: Page, scheme: Any) -> None:
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    task = mnb.form_task(Mood, [{"text": "Rain"}], instruction="<p>${text}</p>", **TASK)
    await page.set_content(mnb.preview(task).document())
    await expect(page.get_by_label("Why")).to_be_visible()
    assert await faults(page) == []
    await page.get_by_label("grim").check()
    await page.get_by_label("Why").fill("rain")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("status", name="Preview")).to_be_visible()
    assert await faults(page) == []
    await page.set_content(f"<!doctype html><html lang=en><title>x</title><main>{task._repr_html_()}</main>")
    assert await faults(page) == []


async def test_a_task_built_with_npm_can_be_previewed_too(page: Page) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    config = mnb.compose("static_react_task", task=TASK, blueprint_args={"task_source": built("bundle.js")})
    rows = mnb.SharedTaskState(static_task_data=[{"text": "It rains"}])
    await page.set_content(mnb.preview(config, rows)._repr_html_())
    frame = frame_of(page)
    await expect(frame.get_by_text("It rains")).to_be_visible()
    await frame.get_by_label("sad").check()
    await frame.get_by_role("button", name="Submit").click()
    await expect(frame.get_by_role("status", name="Preview")).to_contain_text('"label": "sad"')
    assert complaints == []


async def test_the_introduction_of_newcomers_can_be_tried(page: Page) -> None:
    about = {"onboarding_qualification": "trained", "onboarding_html": "<label>Ready? <input name=ready></label>"}
    config = mnb.compose("static_html", task=TASK, blueprint_args={"task_html": "<input name=x>", **about})
    await page.set_content(mnb.preview(config, mnb.SharedTaskState(static_task_data=[{}]), row=None).document())
    await page.get_by_label("Ready?").fill("yes")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("status", name="Preview")).to_contain_text('"ready": "yes"')


async def test_functions_of_ones_own_run_in_a_preview_of_their_form(page: Page, tmp_path: Path) -> None:
    (tmp_path / "words.js").write_text('export const words = ["silly"];', encoding="utf-8")
    (tmp_path / "custom_validators.js").write_text(
        'import { words } from "./words.js";\n'
        "export const noneOf = (field, value) => (words.includes(value) ? `Not ${value}.` : null);",
        encoding="utf-8",
    )
    form = {"fields": {"motto": {"required": True, "custom_checks": {"noneOf": []}}}}
    task = mnb.form_task(form, blueprint_args={"insertions": str(tmp_path)}, **TASK)
    await page.set_content(mnb.preview(task).document())
    await page.get_by_label("Motto").fill("silly")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".problem")).to_have_text("Not silly.")


async def test_a_page_is_held_to_its_policy(page: Page, tmp_path: Path) -> None:
    """What a worker's browser would refuse is refused here: other sites' scripts, evaluated text, requests."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    (tmp_path / "dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>')
    html = """<p id=said></p><img id=dot src="dot.svg"><input name=x><script>
      const tried = [];
      try { eval("1"); tried.push("eval"); } catch { tried.push("no eval"); }
      fetch("https://example.org/").then(() => tried.push("fetched"), () => tried.push("no fetch"))
        .then(() => { document.getElementById("said").textContent = tried.join(", "); });
      document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = true" }));
    </script>"""
    config = mnb.compose(
        "static_html", task=TASK, blueprint_args={"task_html": html, "extra_source_dir": str(tmp_path)}
    )
    await page.set_content(mnb.preview(config, mnb.SharedTaskState(static_task_data=[{}])).document())
    await expect(page.locator("#said")).to_have_text("no eval, no fetch")
    await expect(page.locator("#dot")).to_have_js_property("naturalWidth", 7)
    assert await page.evaluate("window.ran === undefined")
    assert any("Content Security Policy" in text for text in said)


async def test_a_preview_takes_the_keyboard_only_from_who_enters_it(page: Page) -> None:
    grabby = "<input name=mood autofocus><script>document.querySelector('[name=mood]').focus()</script>"
    config = mnb.compose("static_html", task=TASK, blueprint_args={"task_html": grabby})
    shown = mnb.preview(config, mnb.SharedTaskState(static_task_data=[{}]))._repr_html_()
    await page.set_content(f"<!doctype html><textarea id=cell autofocus></textarea>{shown}")
    await page.locator("#cell").focus()
    field = frame_of(page).locator("[name=mood]")
    await expect(field).to_be_visible()
    await page.keyboard.type("run")
    await expect(page.locator("#cell")).to_have_value("run")
    await field.click()
    await page.keyboard.type("glad")
    await expect(field).to_have_value("glad")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_preview_goes_by_the_theme_of_the_notebook(chromium: Browser, theme: str) -> None:
    context = await chromium.new_context(color_scheme="null")  # what is emulated would hold for all frames
    page = await context.new_page()
    task = mnb.form_task(Mood, [{"text": "Rain"}], instruction="<p>${text}</p>", **TASK)
    is_light = str(theme == "light").lower()
    await page.set_content(f"<!doctype html><body data-jp-theme-light='{is_light}'>{task._repr_html_()}")
    ask = "() => matchMedia('(prefers-color-scheme: dark)').matches"
    assert await frame_of(page).locator("body").evaluate(ask) == (theme == "dark")
    await context.close()
