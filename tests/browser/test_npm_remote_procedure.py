"""Functions of the kernel, called by a page on the unmodified npm package `mephisto-task`, on a bad network too."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from mephisto_nb.run import TaskRun
from tests.browser.lost_link import network_to
from tests.browser.npm_tasks import ANN, built, launched
from tests.inside import frames_of, parts_of

HOUR = 3_600_000


class Functions:
    """What the page may call; `wait` ends when a test says so."""

    def __init__(self) -> None:
        self.free = threading.Event()

    async def shout(self, text: str) -> str:
        await asyncio.sleep(0)
        return text.upper()

    def wait(self, text: str) -> str:
        self.free.wait(60)
        return f"waited for {text}"

    def fail(self, text: str) -> str:
        raise ValueError(f"no {text}")


@pytest.fixture
def functions() -> Functions:
    return Functions()


@asynccontextmanager
async def launch(tmp_path: Path, functions: Functions, units: int = 1, **kwargs: Any) -> AsyncIterator[TaskRun]:
    registry = {"shout": functions.shout, "wait": functions.wait, "fail": functions.fail}
    rows = [{"text": "What a day!"}] * units
    args = (tmp_path, "remote_procedure", built("remote.js"), rows)
    async with launched(*args, function_registry=registry, **kwargs) as run:
        yield run
        functions.free.set()


@pytest_asyncio.fixture(loop_scope="session")
async def run(tmp_path: Path, functions: Functions) -> AsyncIterator[TaskRun]:
    """A live run of one unit."""
    async with launch(tmp_path, functions) as run:
        yield run


async def call(page: Page, function: str, text: str) -> None:
    await page.get_by_label("Words").fill(text)
    await page.get_by_role("button", name=function).click()


async def has_answers(page: Page, *answers: str) -> None:
    await expect(page.get_by_test_id("answers").locator("li")).to_have_text(list(answers))


@pytest.fixture
def beats(page: Page) -> asyncio.Queue[str]:
    """The answers to heartbeats that the page got."""
    found: asyncio.Queue[str] = asyncio.Queue()

    def note(frame: str | bytes) -> None:
        if '"last_mephisto_ping"' in str(frame):
            found.put_nowait(str(frame))

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    return found


async def is_linked(page: Page) -> None:
    await expect(page.locator("#link")).to_contain_text("connected")


def said(run: TaskRun) -> list[tuple[str, Any]]:
    """Return what was said, in the order in which it is stored."""
    rows = frames_of(run).database.messages.read_live_updates([run.task_run_id])
    read = {
        "worker": lambda data: json.loads(data["args"])["text"],
        "operator": lambda data: json.loads(data["response"]),
    }
    return [(row["sender"], read[row["sender"]](row["data"])) for row in rows]


@pytest.mark.timeout(180)
async def test_a_reload_and_a_connection_lost_for_30_seconds_lose_nothing(
    run: TaskRun, page: Page, beats: asyncio.Queue[str]
) -> None:
    async with network_to(run.url) as network:
        await page.goto(network.url + ANN)
        await is_linked(page)
        await call(page, "Shout", "before")
        await has_answers(page, "BEFORE")
        await beats.get()
        await page.reload()
        await expect(page.get_by_test_id("previous")).to_have_text('"BEFORE"')
        await is_linked(page)
        await expect(page.get_by_test_id("text")).to_have_text("What a day!")
        await beats.get()
        network.lose()
        await call(page, "Shout", "meanwhile")
        # After five heartbeats without an answer: 30 true seconds.
        await expect(page.locator("#link")).to_contain_text("reconnecting_router", timeout=60_000)
        network.come_back()
        await has_answers(page, "MEANWHILE")
        await call(page, "Shout", "after")
        await has_answers(page, "MEANWHILE", "AFTER")
        await expect(page.get_by_test_id("trouble")).to_be_empty()
        await page.get_by_role("button", name="Submit").click()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await run.completed()
    assert run.results()["answer.answers"].tolist() == [["MEANWHILE", "AFTER"]]
    requests = run.metadata.requests()
    assert requests["function"].tolist() == ["shout"] * 3
    assert requests["response"].tolist() == ["BEFORE", "MEANWHILE", "AFTER"]
    assert said(run) == [
        ("worker", "before"), ("operator", "BEFORE"), ("worker", "meanwhile"), ("operator", "MEANWHILE"),
        ("worker", "after"), ("operator", "AFTER"),
    ]  # fmt: skip


async def test_an_error_reaches_the_page_and_the_unit_goes_on(run: TaskRun, page: Page) -> None:
    await page.goto(run.url + ANN)
    await is_linked(page)
    await call(page, "Fail", "luck")
    await has_answers(page, "error: no luck")
    await call(page, "Shout", "on")
    await has_answers(page, "error: no luck", "ON")
    assert any("'fail' failed for a page: ValueError('no luck')" in text for text in run.attention)
    assert run.events()["why"].str.contains("'fail' failed for a page").sum() == 1


async def test_calls_run_side_by_side(run: TaskRun, page: Page, functions: Functions) -> None:
    await page.goto(run.url + ANN)
    await is_linked(page)
    await call(page, "Wait", "long")
    await call(page, "Shout", "short")
    await has_answers(page, "SHORT")
    functions.free.set()
    await has_answers(page, "SHORT", "waited for long")


@pytest.mark.parametrize("wrong_by", [-HOUR, HOUR], ids=["an hour slow", "an hour fast"])
async def test_a_clock_that_is_wrong_by_an_hour_hangs_nobody_up(run: TaskRun, page: Page, wrong_by: int) -> None:
    now = await page.evaluate("Date.now()")
    await page.clock.install(time=(now + wrong_by) / 1000)
    await page.goto(run.url + ANN)
    await is_linked(page)
    for count in range(1, 5):
        await page.clock.run_for(6_000)  # a heartbeat, which looks at the last ping
        await call(page, "Shout", "here")
        await has_answers(page, *["HERE"] * count)
    await expect(page.get_by_test_id("trouble")).to_be_empty()
    assert "disconnected_server" not in await page.locator("#link").inner_text()


async def test_a_phone_that_slept_for_an_hour_goes_on_where_it_was(
    run: TaskRun, page: Page, beats: asyncio.Queue[str]
) -> None:
    async with network_to(run.url) as network:
        await page.clock.install()
        await page.goto(network.url + ANN)
        await is_linked(page)
        await beats.get()
        network.lose()
        await page.clock.fast_forward(HOUR)  # as if nothing had run: each timer that is due fires once
        network.come_back()
        await page.clock.run_for(12_000)
        await call(page, "Shout", "awake")
        await has_answers(page, "AWAKE")
        await expect(page.get_by_test_id("trouble")).to_be_empty()


async def test_two_tabs_are_one_worker_and_one_answer(tmp_path: Path, functions: Functions, page: Page) -> None:
    other = await page.context.new_page()
    async with launch(tmp_path, functions, units=2, task={"next_unit_by_itself": False}) as run:
        for tab in (page, other):
            await tab.goto(run.url + ANN)
            await is_linked(tab)
        agents = {await tab.locator("main").get_attribute("data-agent-id") for tab in (page, other)}
        assert len(agents) == 1
        await call(other, "Shout", "hi")
        await has_answers(other, "HI")
        for tab, status in ((other, 200), (page, 409)):
            async with tab.expect_response("**/submit_task") as answered:
                await tab.get_by_role("button", name="Submit").click()
            assert (await answered.value).status == status
        await expect(page.get_by_role("heading", name="An answer was sent already")).to_be_visible()
        await parts_of(run).engine.wait_until(lambda _: not run.results().empty)
        assert run.results()["answer.answers"].tolist() == [["HI"]]


async def test_what_a_worker_tells_beside_the_answer_becomes_a_row(run: TaskRun, page: Page) -> None:
    await page.goto(run.url + ANN)
    await page.get_by_label("Words").fill("<b>clear</b> enough")
    async with page.expect_response("**/submit_metadata"):
        await page.get_by_role("button", name="Tell").click()
    await parts_of(run).engine.wait_until(lambda _: not run.metadata().empty)
    (row,) = run.metadata().to_dict("records")
    assert (row["kind"], row["text"], row["worker_name"]) == ("feedback", "<b>clear</b> enough", "ann")
