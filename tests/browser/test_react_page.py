"""Pages made of a bundle of one's own, without npm's packages: what befalls workers, browsers and networks."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from mephisto_nb.run import TaskRun
from tests.browser.lost_link import network_to
from tests.browser.npm_tasks import ANN, launched
from tests.inside import frames_of, parts_of

MB = 1_000_000
#: A page that tells what it was handed, and lets tests press its buttons.
BUNDLE = """
const app = document.getElementById("app");
app.innerHTML = `<p role="status">waiting</p><ol></ol><button id="send">Send</button>
  <button id="upload">Upload</button>`;
const say = (text) => { app.querySelector("[role=status]").textContent = text; };
window.ask = async (name, args) => {
  const item = document.createElement("li");
  app.querySelector("ol").append(item);
  try { item.textContent = await mephisto.call(name, args); }
  catch (error) { item.textContent = `${error.name}: ${error.message}`; }
};
window.size = 10;
mephisto.begin().then(({ data, isPreview, previousRequests, agentId }) => {
  say(isPreview ? "preview" : `${data.text} after ${previousRequests.length}`);
  app.querySelector("#send").onclick = () =>
    mephisto.submit({ text: "é".repeat(window.size / 2) }).catch((error) => say(error.message));
  app.querySelector("#upload").onclick = async () => {
    // As mephisto-core hands in a form with a file.
    const form = new FormData();
    form.append("USED_AGENT_ID", agentId);
    form.append("final_data", JSON.stringify({ note: "big" }));
    form.append("picture", new Blob([new Uint8Array(window.size).fill(7)]), "big.bin");
    say((await fetch("/submit_task", { method: "POST", body: form })).status);
  };
}, (error) => say(error.message));
"""


class Functions:
    """What the page may call."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def add(self, a: int, b: int) -> int:
        return a + b

    def fail(self) -> None:
        raise RuntimeError("a secret")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.js"
    path.write_text(BUNDLE, encoding="utf-8")
    return path


def launch(tmp_path: Path, bundle: Path, units: int = 1, **kwargs: Any) -> AbstractAsyncContextManager[TaskRun]:
    functions = Functions()
    shared = {"function_registry": {"add": functions.add, "fail": functions.fail}}
    rows = [{"text": "Hello"}] * units
    return launched(tmp_path / "data", "remote_procedure", str(bundle), rows, **shared, **kwargs)


@pytest_asyncio.fixture(loop_scope="session")
async def run(tmp_path: Path, bundle: Path) -> AsyncIterator[TaskRun]:
    async with launch(tmp_path, bundle) as run:
        yield run


def status(page: Page) -> Any:
    return page.get_by_role("status")


async def begin(page: Page, url: str, after: int = 0) -> None:
    await page.goto(url + ANN)
    await expect(status(page)).to_have_text(f"Hello after {after}")


async def has_answers(page: Page, *answers: str) -> None:
    await expect(page.locator("ol li")).to_have_text(list(answers))


async def send(page: Page) -> None:
    await page.locator("#send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


async def test_calls_survive_a_lost_connection_and_a_closed_tab(run: TaskRun, page: Page) -> None:
    async with network_to(run.url) as network:
        await begin(page, network.url)
        await page.evaluate("ask('add', {a: 1, b: 2})")
        await has_answers(page, "3")
        network.lose()
        await page.evaluate("void ask('add', {a: 2, b: 2})")
        await page.context.set_offline(True)
        await page.context.set_offline(False)
        network.come_back()
        await has_answers(page, "3", "4")
        await page.close()
        page = await page.context.new_page()
        await begin(page, network.url, after=2)
        await send(page)
    await run.completed()
    assert run.metadata.requests()["response"].tolist() == [3, 4]
    assert len(run.agents()) == 1


async def test_an_error_is_a_promise_that_is_rejected(run: TaskRun, page: Page) -> None:
    await begin(page, run.url)
    await page.evaluate("ask('fail')")
    await page.evaluate("ask('add', {a: 1, b: '2'})")
    await page.evaluate("ask('gone')")
    await has_answers(
        page,
        "RuntimeError: Something went wrong on our side.",
        "ArgumentsError: b must be a whole number, not text ('2')",
        "ArgumentsError: There is no function 'gone' to call.",
    )


async def test_an_answer_of_5_mb_double_clicked_in_two_tabs_is_one_row(
    tmp_path: Path, bundle: Path, page: Page
) -> None:
    other = await page.context.new_page()
    async with launch(tmp_path, bundle, units=2, task={"next_unit_by_itself": False}) as run:
        for tab in (page, other):
            await begin(tab, run.url)
            await tab.evaluate(f"size = {5 * MB}")
        await page.locator("#send").dblclick()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        await send(other)
        await parts_of(run).engine.wait_until(lambda _: not run.results().empty)
        (row,) = run.results().to_dict("records")
        # Of letters that JSON writes with six characters each, it is too long to be read each time.
        assert len(row["answer.(more)"]["text"].encode()) == 5 * MB


async def test_an_answer_that_is_too_long_is_told_and_may_be_shortened(run: TaskRun, page: Page) -> None:
    await begin(page, run.url)
    await page.evaluate(f"size = {12 * MB}")
    await page.locator("#send").click()
    await expect(status(page)).to_have_text("This is larger than the 10,485,760 bytes that may be sent at once.")
    await page.evaluate("size = 10")
    await send(page)
    await run.completed()
    assert run.results()["answer.text"].tolist() == ["é" * 5]


async def test_a_file_of_50_mb_arrives_whole(run: TaskRun, page: Page) -> None:
    await begin(page, run.url)
    await page.evaluate(f"size = {50 * MB}")
    await page.locator("#upload").click()
    await expect(status(page)).to_have_text("200", timeout=90_000)
    await run.completed()
    (row,) = run.results().to_dict("records")
    assert row["answer.note"] == "big"
    content = Path(row["answer.picture"]).read_bytes()
    assert (len(content), set(content)) == (50 * MB, {7})


async def test_what_the_policy_stops_is_told_with_what_to_set(tmp_path: Path, bundle: Path, page: Page) -> None:
    bundle.write_text(f"try {{ new Function('return 1')() }} catch {{}}\n{BUNDLE}", encoding="utf-8")
    async with launch(tmp_path, bundle) as run:
        await begin(page, run.url)
        await parts_of(run).engine.wait_until(lambda _: bool(run.attention))
        assert any("(script-src: eval)" in text and "allow_eval=true" in text for text in run.attention)


async def test_an_error_in_the_bundle_is_told(tmp_path: Path, bundle: Path, page: Page) -> None:
    bundle.write_text("throw new Error('no such thing');", encoding="utf-8")
    async with launch(tmp_path, bundle) as run:
        await page.goto(run.url + ANN)
        await parts_of(run).engine.wait_until(lambda _: bool(parts_of(run).tally.page_errors))
        (event,) = frames_of(run).database.runs.read_events(
            [run.task_run_id], why="the worker's page reported an error"
        )
        assert event.detail is not None
        assert "no such thing" in event.detail["text"]


async def test_a_linked_bundle_is_the_newest_and_visitors_see_the_preview(
    tmp_path: Path, bundle: Path, page: Page
) -> None:
    preview = tmp_path / "preview.html"
    preview.write_text("<h1>Have a look</h1>", encoding="utf-8")
    async with launch(tmp_path, bundle, args={"link_task_source": True, "preview_source": str(preview)}) as run:
        await page.goto(run.url)
        await expect(page.get_by_role("heading", name="Have a look")).to_be_visible()
        await expect(page.locator("#app")).to_be_hidden()
        await begin(page, run.url)
        bundle.write_text(BUNDLE.replace(" after ", " anew after "), encoding="utf-8")
        await page.reload()
        await expect(status(page)).to_have_text("Hello anew after 0")
        await expect(page).to_have_title("Moods")


async def test_a_link_opened_again_after_the_answer_is_the_next_unit(tmp_path: Path, bundle: Path, page: Page) -> None:
    rows = [{"text": f"unit {number}"} for number in range(3)]
    task = {"next_unit_by_itself": False}
    async with launched(tmp_path / "data", "static_react_task", str(bundle), rows, signed_links=True, task=task) as run:
        for row in rows[:2]:
            await page.goto("about:blank")
            await page.goto(run.get_worker_url("ann"))
            await expect(status(page)).to_have_text(f"{row['text']} after 0")
            await send(page)
        await page.get_by_role("button", name="Next task").click()
        await expect(status(page)).to_have_text("unit 2 after 0")
        await send(page)
        await run.completed()
        assert len(run.results()) == 3


async def test_a_page_goes_on_beside_the_thanks(run: TaskRun, page: Page) -> None:
    await begin(page, run.url)
    await send(page)
    await page.evaluate("window.size = 12")
    await page.locator("#send").click()  # nothing covers it
    await page.get_by_role("button", name="Close this message").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_hidden()
