"""A React task on the unmodified npm package `mephisto-task`, from the page that serves it to the answer's row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Page, expect

from mephisto_nb.run import TaskRun
from tests.browser.lost_link import network_to
from tests.browser.npm_tasks import ANN, built, launched

TEXT = "What a <b>day</b>!"


@pytest_asyncio.fixture(loop_scope="session")
async def run(tmp_path: Path) -> AsyncIterator[TaskRun]:
    """A live run of one unit."""
    async with launched(tmp_path, "static_react_task", built("bundle.js"), [{"text": TEXT}]) as run:
        yield run


@pytest_asyncio.fixture(loop_scope="session")
async def complaints(page: Page) -> list[str]:
    """What the page threw or the browser refused it, from now on."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    return found


async def test_an_answer_given_after_a_reload_becomes_a_row(run: TaskRun, page: Page, complaints: list[str]) -> None:
    await page.goto(run.url + ANN)
    await page.get_by_label("sad").check()
    await page.reload()
    await expect(page.get_by_test_id("text")).to_have_text(TEXT)
    await page.get_by_label("happy").check()
    await page.get_by_role("button", name="Submit").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await run.completed()
    [row] = run.results().to_dict("records")
    assert (row["answer.label"], row["answer.text_length"], row["input.text"]) == ("happy", len(TEXT), TEXT)
    assert complaints == []


async def test_an_answer_sent_during_30_seconds_offline_arrives_once(
    run: TaskRun, page: Page, complaints: list[str]
) -> None:
    async with network_to(run.url) as network:
        await page.clock.install()
        await page.goto(network.url + ANN)
        await page.get_by_label("sad").check()
        await page.reload()
        await page.get_by_label("happy").check()
        network.lose()
        await page.get_by_role("button", name="Submit").click()
        await page.clock.run_for(30_000)  # by the browser's clock
        assert run.results().empty
        network.come_back()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        await run.completed()
        assert run.results()["answer.label"].tolist() == ["happy"]
        assert complaints == []


async def test_a_double_click_on_submit_is_one_answer(run: TaskRun, page: Page) -> None:
    async with network_to(run.url) as network:
        await page.goto(network.url + ANN)
        await page.get_by_label("happy").check()
        network.lose()
        async with page.expect_response("**/submit_task"):
            await page.get_by_role("button", name="Submit").dblclick()
            network.come_back()
    await run.completed()
    assert run.results()["answer.label"].tolist() == ["happy"]
    assert not run.events()["why"].str.contains("set aside").any()


async def test_a_reload_finds_the_same_agent(run: TaskRun, page: Page) -> None:
    await page.goto(run.url + ANN)
    agent_id = await page.locator("main").get_attribute("data-agent-id")
    await page.reload()
    await expect(page.locator("main")).to_have_attribute("data-agent-id", str(agent_id))
    await expect(page.get_by_test_id("text")).to_have_text(TEXT)
    assert len(run.agents()) == 1


async def test_a_visitor_sees_the_preview_and_takes_no_unit(run: TaskRun, page: Page) -> None:
    await page.goto(run.url)
    await expect(page.get_by_test_id("preview")).to_be_visible()
    assert run.agents().empty


async def test_who_comes_too_late_is_told_why(run: TaskRun, page: Page) -> None:
    await page.goto(run.url + ANN)
    await page.locator("main").wait_for()
    await page.goto(f"{run.url}/?worker_id=bob&assignment_id=b1")
    await expect(page.get_by_role("alert")).not_to_be_empty()
    assert len(run.agents()) == 1
