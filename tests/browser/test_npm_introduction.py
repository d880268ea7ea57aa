"""An introduction on the unmodified npm package `mephisto-task`: handed in there, judged here, and held for good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Page, expect

from mephisto_nb.run import TaskRun
from tests.browser.npm_tasks import ANN, built, launched
from tests.inside import frames_of, parts_of

QUESTION = "What is 2 + 3?"


@pytest_asyncio.fixture(loop_scope="session")
async def run(tmp_path: Path) -> AsyncIterator[TaskRun]:
    """A live run whose newcomers are asked what they know."""
    async with launched(
        tmp_path,
        "static_react_task",
        built("bundle.js"),
        [{"text": "What a day!"}, {"text": "Rain again."}],
        args={"onboarding_qualification": "sums"},
        onboarding_data={"question": QUESTION},
        validate_onboarding=lambda data: data == {"answer": "5"},
    ) as run:
        yield run


async def hand_in(page: Page, answer: str) -> None:
    await page.get_by_label(QUESTION).fill(answer)
    await page.get_by_role("button", name="Hand in").click()


def grants_of(run: TaskRun, name: str) -> dict[str, int]:
    """Return what a worker was granted."""
    return dict(frames_of(run).database.people.get_worker_facts(run.task_run_id, "link", [name])[name].grants)


async def test_who_passes_gets_the_unit_after_a_reload_in_the_middle_too(run: TaskRun, page: Page) -> None:
    await page.goto(run.url + ANN)
    await expect(page.get_by_label(QUESTION)).to_be_visible()
    agent_id = await page.locator("main").get_attribute("data-agent-id")
    assert (agent_id or "").startswith("onboarding_")
    await page.reload()
    await expect(page.locator("main")).to_have_attribute("data-agent-id", str(agent_id))
    assert run.agents().empty  # no unit is touched
    await hand_in(page, "5")
    await expect(page.get_by_test_id("text")).to_have_text("What a day!")
    await page.reload()
    await expect(page.get_by_test_id("text")).to_have_text("What a day!")
    await page.get_by_label("happy").check()
    await page.get_by_role("button", name="Submit").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    (gate,) = run.gates().to_dict("records")
    assert (gate["gate"], gate["worker_name"], gate["agent_id"]) == ("onboarding", "ann", agent_id)
    assert (gate["answer"], gate["passed"]) == ({"answer": "5"}, True)
    assert grants_of(run, "ann") == {"sums": 1}
    await parts_of(run).engine.wait_until(
        lambda state: sum(one.submitted_at is not None for one in state.agents.values())
    )
    assert run.results()["answer.label"].tolist() == ["happy"]


async def test_who_fails_is_told_kindly_and_stays_out(run: TaskRun, page: Page) -> None:
    await page.goto(run.url + ANN)
    await hand_in(page, "4")
    for _ in range(2):
        await expect(page.get_by_role("alert")).to_contain_text("Thank you for going through the introduction.")
        await page.reload()
    (gate,) = run.gates().to_dict("records")
    assert (gate["gate"], gate["worker_name"], gate["passed"]) == ("onboarding", "ann", False)
    assert gate["answer"] == {"answer": "4"}
    assert grants_of(run, "ann") == {"sums": 0, "sums-failed": 1}
    assert run.agents().empty
