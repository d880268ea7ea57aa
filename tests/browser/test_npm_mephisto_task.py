"""A React task on the unmodified npm package `mephisto-task`, from the page that serves it to the answer's row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from mephisto_nb.data_model.shared_state import SharedTaskState
from mephisto_nb.operations.hydra_config import compose
from mephisto_nb.operations.operator import Operator
from mephisto_nb.operations.registry import register_mephisto_abstraction
from mephisto_nb.operations.task_run import LiveTaskRun
from tests.chromium import skip_or_fail
from tests.npm.react_blueprint import BUNDLE, ReactBlueprint

TEXT = "What a <b>day</b>!"
TASK = {
    "task_name": "npm",
    "task_title": "Moods",
    "task_description": "Say how a sentence sounds.",
    "task_reward": 0.1,
    "task_tags": "mood",
}
ANN = "/?worker_id=ann&assignment_id=a1"


@pytest.fixture(scope="module", autouse=True)
def react_task() -> None:
    """The blueprint of the built task, among the registered ones."""
    if not BUNDLE.is_file():
        skip_or_fail("the npm bundle was not built: run `make npm`")
    register_mephisto_abstraction(ReactBlueprint)


@pytest_asyncio.fixture(loop_scope="session")
async def run(tmp_path: Path) -> AsyncIterator[LiveTaskRun]:
    """A live run of one unit, with a mock crowd and a router of its own."""
    config = compose("npm_react", provider="mock", provider_args={"signed_links": False}, task=TASK)
    async with Operator(data_dir=tmp_path) as operator:
        yield await operator.launch_task_run(config, SharedTaskState(static_task_data=[{"text": TEXT}]))
        await operator.force_shutdown()


@pytest_asyncio.fixture(loop_scope="session")
async def complaints(page: Page) -> list[str]:
    """What the page threw or the browser refused it, from now on."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    return found


async def test_an_answer_given_after_a_reload_becomes_a_row(
    run: LiveTaskRun, page: Page, complaints: list[str]
) -> None:
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


async def test_a_reload_finds_the_same_agent(run: LiveTaskRun, page: Page) -> None:
    await page.goto(run.url + ANN)
    agent_id = await page.locator("main").get_attribute("data-agent-id")
    await page.reload()
    await expect(page.locator("main")).to_have_attribute("data-agent-id", str(agent_id))
    await expect(page.get_by_test_id("text")).to_have_text(TEXT)
    assert len(run.agents()) == 1


async def test_a_visitor_sees_the_preview_and_takes_no_unit(run: LiveTaskRun, page: Page) -> None:
    await page.goto(run.url)
    await expect(page.get_by_test_id("preview")).to_be_visible()
    assert run.agents().empty


async def test_who_comes_too_late_is_told_why(run: LiveTaskRun, page: Page) -> None:
    await page.goto(run.url + ANN)
    await page.locator("main").wait_for()
    await page.goto(f"{run.url}/?worker_id=bob&assignment_id=b1")
    await expect(page.get_by_role("alert")).not_to_be_empty()
    assert len(run.agents()) == 1
