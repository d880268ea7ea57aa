"""A task behind a proxy that shows it in a folder: with and without the last slash, whatever kind of task it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

import mephisto_nb as mnb
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from tests.browser.folder import FolderProxy
from tests.inside import parts_of

TASK = {"task_name": "t", "task_title": "T", "task_description": "d", "task_tags": "x", "task_reward": 0.1}
HTML = '<p>${text}</p><img src="/cat.svg" alt="A cat"><label>File <input type=file name=doc></label><input name=x>'
CAT = '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>'
BUNDLE = """
const app = document.getElementById("app");
const post = (path, body) => new Promise((resolve) => {
  const request = new XMLHttpRequest();
  request.open("POST", path);
  request.setRequestHeader("Content-Type", "application/json");
  request.onload = () => resolve(JSON.parse(request.responseText));
  request.send(JSON.stringify(body));
});
post("/request_agent", { provider_data: getAgentRegistration() }).then(({ data }) => {
  app.innerHTML = `<p>${data.init_task_data.text}</p><button>Send</button>`;
  const socket = new WebSocket(`ws://${location.hostname}:${location.port}`);
  socket.onopen = () => socket.send(JSON.stringify({ packet_type: "alive", subject_id: data.agent_id }));
  app.querySelector("button").onclick = async () => {
    await post("/submit_task", { USED_AGENT_ID: data.agent_id, final_data: { x: 1 } });
    handleSubmitToProvider({ x: 1 });
  };
});
"""


@asynccontextmanager
async def launched(
    data_dir: Path, kind: str, proxy: FolderProxy, slash: str = "/", **args: Any
) -> AsyncIterator[TaskRun]:
    """Launch a task behind a proxy, by whose address its workers come."""
    async with Operator(data_dir=data_dir) as operator:
        url = proxy.url.rstrip("/") + slash
        config = mnb.compose(kind, blueprint_args=args, architect_args={"url": url}, task=TASK)
        run = await operator.launch_task_run(config, [{"text": "One"}, {"text": "Two"}])
        proxy.target = parts_of(run).architect._local_url
        yield run
        await operator.force_shutdown()


@pytest.mark.parametrize("strips", [True, False])
@pytest.mark.parametrize("slash", ["/", ""])
async def test_a_task_is_done_in_a_folder(tmp_path: Path, page: Page, strips: bool, slash: str) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "cat.svg").write_text(CAT)
    extra = {"task_html": HTML, "extra_source_dir": str(tmp_path / "extra")}
    async with (
        FolderProxy("/user/ann/study/", strips=strips) as proxy,
        launched(tmp_path / "data", "static_html", proxy, slash, **extra) as run,
    ):
        link = urlsplit(run.get_worker_url("ann"))
        assert (link.path, run.url) == ("/user/ann/study/", proxy.url)
        await page.goto(link._replace(path="/user/ann/study" + slash).geturl())
        await expect(page.get_by_text("One", exact=True)).to_be_visible()
        assert await page.get_by_alt_text("A cat").evaluate("one => one.decode().then(() => one.naturalWidth)") == 7
        await page.get_by_label("File").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"kept"})
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("Two", exact=True)).to_be_visible()  # the next unit, by itself
        (row,) = run.results().to_dict("records")
        assert Path(row["answer.doc"]).read_bytes() == b"kept"
        await parts_of(run).engine.wait_until(lambda _: bool(parts_of(run).link.present))
        assert slash == "" or proxy.strays == []  # without it, the browser looks ahead before the page can tell


async def test_a_bundle_that_asks_at_the_root_finds_its_task(tmp_path: Path, page: Page) -> None:
    bundle = tmp_path / "bundle.js"
    bundle.write_text(BUNDLE)
    async with (
        FolderProxy("/study/") as proxy,
        launched(tmp_path / "data", "static_react_task", proxy, task_source=str(bundle)) as run,
    ):
        await page.goto(run.get_worker_url("ann"))
        await expect(page.get_by_text("One", exact=True)).to_be_visible()
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("Two", exact=True)).to_be_visible()
        await page.get_by_role("button", name="Send").click()
        await run.completed()
        assert (run.results()["answer.x"].tolist(), proxy.strays) == ([1, 1], [])
