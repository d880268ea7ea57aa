"""People of a crowd, in a real browser at a real router: they come by their ids, and who has none is told why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Page, expect

import mephisto_nb as mnb
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun

TASK = {"task_name": "t", "task_title": "T", "task_description": "d", "task_tags": "x", "task_reward": 0.1}
HTML = "<p>${text}</p><label>Mood <input name=mood></label>"
PROLIFIC = {"preset": "prolific_by_link", "details": {"completion_code": "C1A2B3C4"}}


@asynccontextmanager
async def launched(data_dir: Path, **provider_args: Any) -> AsyncIterator[TaskRun]:
    async with Operator(data_dir=data_dir) as operator:
        config = mnb.compose(
            "static_html",
            blueprint_args={"task_html": HTML},
            provider="external",
            provider_args=provider_args,
            task=TASK,
        )
        yield await operator.launch_task_run(config, [{"text": "One"}, {"text": "Two"}])
        await operator.force_shutdown()


def filled(run: TaskRun, participant: str, session: str = "v1") -> str:
    """Return the address as the crowd opens it for somebody."""
    entry = run.get_worker_url().replace("{{%PROLIFIC_PID%}}", participant)
    return entry.replace("{{%STUDY_ID%}}", "s1").replace("{{%SESSION_ID%}}", session)


async def test_a_participant_comes_works_and_is_known_by_their_id(tmp_path: Path, page: Page) -> None:
    async with launched(tmp_path / "data", **PROLIFIC) as run:
        await page.goto(filled(run, "5f1a2b3c4d5e6f7a8b9c0d1e"))
        await expect(page.get_by_text("One", exact=True)).to_be_visible()
        assert urlsplit(page.url).query == ""
        await page.get_by_label("Mood").fill("calm")
        await page.reload()
        await expect(page.get_by_label("Mood")).to_have_value("calm")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("heading", name="Thank you").first).to_be_visible()
        (row,) = run.results().to_dict("records")
        assert (row["worker_name"], row["answer.mood"]) == ("5f1a2b3c4d5e6f7a8b9c0d1e", "calm")


async def test_who_comes_without_an_id_reads_what_is_missing(tmp_path: Path, page: Page) -> None:
    async with launched(tmp_path / "data", **PROLIFIC) as run:
        await page.goto(f"{run.url}?PROLIFIC_PID=p1&STUDY_ID=s1")
        await expect(page.get_by_text("'SESSION_ID' is missing in it").first).to_be_visible()
        await page.goto(filled(run, "a/../b"))
        await expect(page.get_by_text("is no id that Prolific gives").first).to_be_visible()
        assert run.agents().empty


async def test_the_researcher_sees_the_task_by_the_crowds_address(tmp_path: Path, page: Page) -> None:
    async with launched(tmp_path / "data", **PROLIFIC) as run:
        await page.goto(run.get_worker_url())
        await expect(page.get_by_role("dialog", name="A look at the task")).to_contain_text("by hand")
        await expect(page.get_by_text("One", exact=True)).to_be_visible()
        assert run.agents().empty
