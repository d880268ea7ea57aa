"""Files that a browser sends: their names, and those of their inputs, arrive as they are."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from mephisto_nb.config.hydra_config import compose
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from tests.browser.npm_tasks import ANN, TASK

NAME = 'Voice "message" %22 ö.m4a'
INPUTS = ["before/after", "Before/after", '100%22 "b"', "x" * 300, "a.b"]
HTML = "<p>${text}</p>" + "".join(f"<input type=file name='{name}' aria-label=f{n}>" for n, name in enumerate(INPUTS))


async def test_no_name_is_lost_on_its_way(tmp_path: Path, page: Page) -> None:
    (tmp_path / NAME).write_bytes(b"x" * 9)
    args = {"task_html": HTML + "<input name=after value=typed>"}
    config = compose("static_html", blueprint_args=args, provider_args={"signed_links": False}, task=TASK)
    async with Operator(data_dir=tmp_path / "data") as operator:
        run = await operator.launch_task_run(config, SharedTaskState(static_task_data=[{"text": "a"}]))
        await page.goto(run.url + ANN)
        for number in range(len(INPUTS)):
            await page.get_by_label(f"f{number}").set_input_files(tmp_path / NAME)
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        await run.completed()
        (row,) = run.results().to_dict("records")
    assert row["answer.after"] == "typed"
    assert [(file["field"], file["name"], file["type"]) for file in row["files"]] == [
        (name, NAME, row["files"][0]["type"]) for name in INPUTS
    ]
    assert {row[f"answer.{name}"] for name in INPUTS} == {file["path"] for file in row["files"]}
