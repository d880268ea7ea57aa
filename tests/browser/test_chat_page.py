"""Our chat page in a real browser: two people, a waiting room, a reload, a cut connection, and somebody who leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, FrameLocator, Page, expect

import mephisto_nb as mnb
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from tests.browser.axe import faults
from tests.browser.cable import Cable
from tests.kernel.chats import chat_config
from tests.kernel.runs import crowd_of, take

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"
FORM = (
    "<fieldset><legend>Did you agree?</legend>"
    '<label><input type="radio" name="agreed" value="yes" required> Yes</label>'
    '<label><input type="radio" name="agreed" value="no"> No</label></fieldset>'
)
FORM_FIELDS = {"fields": {"agreed": {"type": "radio", "options": ["yes", "no"]}}}
INSTRUCTION = "<h2>Plan a walk</h2><p>Agree on where to go on <b>${day}</b>.</p>"
BLUEPRINT = {"task_html": FORM, "instruction_html": INSTRUCTION, "names": ["Ada", "Ben"]}


@pytest_asyncio.fixture(loop_scope="session")
async def launch(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    async with Operator(data_dir=tmp_path) as operator:

        async def launch(**blueprint: Any) -> TaskRun:
            config = chat_config({**BLUEPRINT, **blueprint})
            return await operator.launch_task_run(config, SharedTaskState(static_task_data=[{"day": "Sunday"}]))

        yield launch
        await operator.force_shutdown()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(chromium: Browser) -> AsyncIterator[Callable[..., Any]]:
    contexts: list[BrowserContext] = []

    async def open_page(url: str, name: str, **how: Any) -> Page:
        contexts.append(await chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **how}))
        page = await contexts[-1].new_page()
        await page.goto(f"{url}/?worker_id={name}&assignment_id={name}-1")
        return page

    yield open_page
    for context in contexts:
        await context.close()


async def write(page: Page | FrameLocator, text: str) -> None:
    await page.get_by_label("Your message").fill(text)
    await page.get_by_label("Your message").press("Enter")


async def read(page: Page) -> list[str]:
    return await page.locator("#talk-log .talk-text").all_inner_texts()


@pytest.mark.parametrize("take_turns", [False, True])
async def test_a_preview_looks_like_the_page_with_a_line_and_the_form(
    page: Page, shots: Path, take_turns: bool
) -> None:
    about = {"task_name": "walk", "task_title": "A walk", "task_description": "", "task_tags": "", "task_reward": 0.1}
    blueprint = {"names": ["Ada", "Ben"], "take_turns": take_turns}
    talks = mnb.chat_task(
        data=[{"day": "Sunday"}], form=FORM_FIELDS, instruction=INSTRUCTION, blueprint_args=blueprint, **about
    )
    assert len(repr(talks)) < 100
    await page.set_content(talks._repr_html_())
    frame = page.frame_locator("iframe").frame_locator("iframe")
    await expect(frame.locator("#talk-log .other")).to_contain_text("Ben")
    await expect(frame.get_by_text("Sunday")).to_be_visible()
    await write(frame, "Hello yourself")
    await expect(frame.locator("#talk-log .own")).to_contain_text("Hello yourself")
    width = await frame.locator("#talk-log .other").evaluate("one => getComputedStyle(one).borderRadius")
    assert width != "0px"  # it is a bubble: the style sheet is there
    await page.screenshot(path=shots / "chat-preview.png")
    await frame.get_by_role("button", name="I am done talking").click()
    await expect(frame.get_by_label("yes")).to_be_visible()
    await expect(frame.get_by_text("The conversation is over.").first).to_be_visible()
    assert "Your task is ready." not in await frame.locator("body").inner_text()


async def test_two_people_talk_over_a_reload_and_a_cut_connection(
    launch: Callable[..., Any], open_page: Callable[..., Any], shots: Path
) -> None:
    run = await launch()
    async with Cable(run.url) as cable:
        ann = await open_page(cable.url, "ann")
        await expect(ann.get_by_text("1 of 2 people is here.")).to_be_visible()
        await ann.screenshot(path=shots / "chat-waiting.png")
        await ann.reload()
        await expect(ann.get_by_text("1 of 2 people is here.")).to_be_visible()
        bob = await open_page(
            cable.url, "bob", viewport={"width": 390, "height": 800}, color_scheme="dark", is_mobile=True
        )
        await expect(ann.get_by_role("log")).to_be_visible()
        await write(ann, "Shall we go to the lake?")
        await expect(bob.get_by_text("Shall we go to the lake?")).to_be_visible()
        await write(bob, HOSTILE)
        await expect(ann.get_by_text(HOSTILE, exact=True)).to_be_visible()
        await expect(bob.locator("#talk-log .own .talk-sent")).to_have_text("sent")
        await ann.reload()
        await expect(ann.locator("#talk-log li")).to_have_count(2)
        await cable.cut()
        await expect(ann.get_by_text("You can go on writing")).to_be_visible()
        await write(ann, "said while the cable is cut")
        await ann.get_by_label("Your message").fill("half a sent")
        await ann.screenshot(path=shots / "chat-offline.png")
        await cable.mend()
        await expect(bob.get_by_text("said while the cable is cut")).to_be_visible()
        await ann.reload()
        await expect(ann.get_by_label("Your message")).to_have_value("half a sent")
        await expect(ann.locator("#talk-log li")).to_have_count(3)
        await write(ann, "half a sentence")
        await expect(bob.get_by_text("half a sentence")).to_be_visible()
        await ann.screenshot(path=shots / "chat-desktop.png")
        await bob.screenshot(path=shots / "chat-phone-dark.png")
        for page in (ann, bob):
            await page.get_by_role("button", name="I am done talking").click()
        for page in (ann, bob):
            await page.get_by_label("Yes").check()
        await ann.screenshot(path=shots / "chat-form.png", full_page=True)
        assert await read(ann) == await read(bob)
        assert await ann.title() == "Moods"
        for page in (ann, bob):
            await page.get_by_role("button", name="Send", exact=True).last.click()
            await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await run.completed()
    said = ["Shall we go to the lake?", HOSTILE, "said while the cable is cut", "half a sentence"]
    assert list(run.messages()["text"]) == said
    assert list(run.results()["answer.agreed"]) == ["yes", "yes"]


async def test_who_is_left_may_still_send_the_form(
    launch: Callable[..., Any], open_page: Callable[..., Any], shots: Path
) -> None:
    run = await launch()
    ann, bob = await open_page(run.url, "ann"), await open_page(run.url, "bob")
    await write(ann, "Hello?")
    await expect(bob.get_by_text("Hello?")).to_be_visible()
    await bob.get_by_role("button", name="Return this task").click()
    await bob.get_by_role("button", name="Give it back").click()
    await expect(ann.get_by_text("Your partner has left.")).to_be_visible()
    await ann.reload()
    await expect(ann.get_by_text("Your partner has left.")).to_be_visible()
    await expect(ann.get_by_text("Hello?")).to_be_visible()
    await ann.get_by_label("No", exact=True).check()
    await ann.screenshot(path=shots / "chat-partner-left.png", full_page=True)
    await ann.get_by_role("button", name="Send", exact=True).click()
    await expect(ann.get_by_role("heading", name="Thank you")).to_be_visible()
    await run.completed()
    assert list(run.results()["answer.agreed"]) == ["no"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_serious_fault_in_any_part_of_a_conversation(
    launch: Callable[..., Any], open_page: Callable[..., Any], scheme: Any
) -> None:
    run, how = await launch(), {"color_scheme": scheme, "reduced_motion": "reduce"}
    async with Cable(run.url) as cable:
        ann = await open_page(cable.url, "ann", **how)
        await expect(ann.get_by_text("1 of 2 people is here.")).to_be_visible()
        assert await faults(ann) == []
        bob = await open_page(run.url, "bob", **how)
        await write(ann, "Hello?")
        await write(bob, "Hello!")
        await expect(ann.get_by_text("Hello!")).to_be_visible()
        await expect(ann.locator(".own .talk-sent")).to_have_text("sent")
        assert await faults(ann) == []
        await cable.cut()
        await expect(ann.get_by_text("You can go on writing")).to_be_visible()
        await write(ann, "Still there?")
        await expect(ann.locator(".own .talk-sent").last).to_have_text("not sent yet")
        assert await faults(ann) == []
        await cable.mend()
        await expect(bob.get_by_text("Still there?")).to_be_visible()
        for page in (ann, bob):
            await page.get_by_role("button", name="I am done talking").click()
        await expect(ann.get_by_label("Yes")).to_be_visible()
        assert await faults(ann) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_serious_fault_where_a_partner_has_left(
    launch: Callable[..., Any], open_page: Callable[..., Any], scheme: Any
) -> None:
    run = await launch()
    ann = await open_page(run.url, "ann", color_scheme=scheme, reduced_motion="reduce")
    await expect(ann.get_by_role("heading", name="Waiting for your partner")).to_be_visible()
    async with crowd_of(run.url) as worker:
        await worker("bob").give_back(await take(worker("bob")))
    await expect(ann.get_by_text("Your partner has left.")).to_be_visible()
    await expect(ann.get_by_label("Yes")).to_be_visible()
    assert await faults(ann) == []


async def test_who_is_left_gets_a_new_partner_and_both_see_an_empty_page(
    launch: Callable[..., Any], open_page: Callable[..., Any]
) -> None:
    run = await launch(when_left="requeue")
    ann, bob = await open_page(run.url, "ann"), await open_page(run.url, "bob")
    await write(ann, "said to Bob")
    await expect(bob.get_by_text("said to Bob")).to_be_visible()
    await ann.get_by_role("button", name="I am done talking").click()
    await bob.get_by_role("button", name="Return this task").click()
    await bob.get_by_role("button", name="Give it back").click()
    await expect(ann.get_by_text("1 of 2 people is here.")).to_be_visible()
    cleo = await open_page(run.url, "cleo")
    await write(cleo, "said to Ann")
    await expect(ann.get_by_text("said to Ann")).to_be_visible()
    assert await read(ann) == await read(cleo) == ["said to Ann"]
    for page in (ann, cleo):
        await page.get_by_role("button", name="I am done talking").click()
    await expect(ann.get_by_label("Yes")).to_be_visible()


async def test_people_take_turns_by_keyboard_alone(launch: Callable[..., Any], open_page: Callable[..., Any]) -> None:
    run = await launch(take_turns=True, num_turns=1)
    ann, bob = await open_page(run.url, "ann"), await open_page(run.url, "bob")
    first, second = (ann, bob) if run.agents()["worker_name"].iloc[0] == "ann" else (bob, ann)
    await expect(first.get_by_text("It is your turn.", exact=True).first).to_be_visible()
    await expect(second.get_by_text("Please wait for your turn.")).to_be_visible()
    await expect(second.locator("#talk-form button")).to_be_disabled()
    await expect(first.get_by_label("Your message")).to_be_focused()
    await first.keyboard.type("one")
    await first.keyboard.press("Enter")
    await expect(second.locator("#talk-form button")).to_be_enabled()
    await second.get_by_label("Your message").focus()
    await second.keyboard.type("two")
    await second.keyboard.press("Enter")
    await expect(first.get_by_label("Yes")).to_be_visible()
    assert await read(first) == await read(second) == ["one", "two"]


async def test_what_was_not_sent_before_a_reload_comes_behind_what_was_said(
    launch: Callable[..., Any], open_page: Callable[..., Any]
) -> None:
    run = await launch()
    ann, bob = await open_page(run.url, "ann"), await open_page(run.url, "bob")
    await write(ann, "first")
    await expect(bob.get_by_text("first")).to_be_visible()
    await expect(ann.locator("#talk-log .own .talk-sent")).to_have_text("sent")
    await ann.evaluate(
        """() => {
          const key = Object.keys(localStorage).find((one) => one.startsWith("mephisto:draft:talk:"));
          const id = key.split(":").at(-1);
          const unsent = [{ update_id: "u", id, episode_done: false, task_data: {}, text: "second" }];
          localStorage.setItem(key, JSON.stringify({ text: "", unsent, at: Date.now() }));
        }"""
    )
    await ann.reload()
    await expect(bob.get_by_text("second")).to_be_visible()
    assert await read(ann) == ["first", "second"]
