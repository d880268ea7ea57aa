"""A conversation on the unmodified npm package `bootstrap-chat`: over a reload each, and 30 s without a connection."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from tests.browser.cable import Cable
from tests.browser.npm_tasks import built
from tests.inside import parts_of
from tests.kernel.chats import chat_config

TURNS = 4
#: How long the connection is lost. The package closes its socket for good when its heartbeats were unanswered for 60 s.
BREAK = 30.0


async def write(page: Page, text: str) -> None:
    box = page.locator("input.response-text-input")
    await expect(box).to_be_enabled()
    await box.fill(text)
    await page.get_by_role("button", name="Send").click()


async def sees(page: Page, *texts: str) -> None:
    await expect(page.get_by_test_id("message")).to_have_count(len(texts))
    for message, text in zip(await page.get_by_test_id("message").all(), texts, strict=True):
        await expect(message).to_contain_text(text)


@pytest.mark.timeout(240)
async def test_two_people_talk_over_a_reload_each_and_a_lost_connection(chromium: Browser, tmp_path: Path) -> None:
    config = chat_config(
        {"custom_source_bundle": built("chat.js"), "take_turns": True, "num_turns": TURNS, "names": ["Ada", "Ben"]}
    )
    async with Operator(data_dir=tmp_path) as operator:
        run = await operator.launch_task_run(config, SharedTaskState(static_task_data=[{"topic": "walks"}]))
        async with Cable(run.url) as cable:
            ann = await (await chromium.new_context()).new_page()
            await ann.goto(f"{cable.url}/?worker_id=ann&assignment_id=a1")
            await parts_of(run).engine.wait_until(lambda state: bool(state.rooms.waiting))  # Ann sits first
            bob = await (await chromium.new_context()).new_page()
            await bob.goto(f"{cable.url}/?worker_id=bob&assignment_id=b1")
            said = await _talk(ann, bob, cable)
            for page in (ann, bob):
                await page.locator("button", has_text="Done").click()
            await run.completed()
        assert list(run.messages()["text"]) == said
        assert [[one["text"] for one in row] for row in run.results()["messages"]] == [said, said]
        assert list(run.results()["worker_name"]) == ["ann", "bob"]
        await operator.force_shutdown()


async def test_whoever_talks_freely_may_always_write(chromium: Browser, tmp_path: Path) -> None:
    config = chat_config({"custom_source_bundle": built("chat.js"), "units_per_assignment": 1, "num_turns": 3})
    async with Operator(data_dir=tmp_path) as operator:
        state = SharedTaskState(static_task_data=[{"topic": "walks"}], bot=lambda chat: f"So {chat[-1]['content']}?")
        run = await operator.launch_task_run(config, state)
        page = await (await chromium.new_context()).new_page()
        await page.goto(f"{run.url}/?worker_id=ann&assignment_id=a1")
        said: list[str] = []
        for text in ("one", "two", "three"):
            await write(page, text)
            said += [text, f"So {text}?"]
            await sees(page, *said)
        await page.locator("button", has_text="Done").click()
        await run.completed()
        await operator.force_shutdown()


async def _talk(ann: Page, bob: Page, cable: Cable) -> list[str]:
    said: list[str] = []
    for turn in range(TURNS):
        for page, name in ((ann, "ann"), (bob, "bob")):
            said.append(f"{name} says {turn}")
            await write(page, said[-1])
            for one in (ann, bob):
                await sees(one, *said)
        if turn == 0:
            for page in (ann, bob):
                await page.reload()
                await sees(page, *said)
        elif turn == 1:
            await cable.cut()
            await asyncio.get_running_loop().run_in_executor(None, _lost)
            await cable.mend()
    return said


def _lost() -> None:
    """Let the time pass for which the pages are without a connection: their clocks are real."""
    import threading

    threading.Event().wait(BREAK)
