"""The page of the notebook of spans: its build is that of its source, and words can be marked with the mouse."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.npm_tasks import ANN, built, launched

SPANS = Path(__file__).parents[2] / "notebooks" / "spans" / "spans.js"


def test_the_committed_build_is_that_of_the_source() -> None:
    assert SPANS.read_bytes() == Path(built("spans.js")).read_bytes()


async def test_marked_words_become_spans(tmp_path: Path, page: Page) -> None:
    shared = {"task_config": {"labels": ["person", "place"], "question": "Who, and where?"}}
    rows = [{"text": "Ada met Charles in London."}]
    async with launched(tmp_path, "static_react_task", str(SPANS), rows, **shared) as run:
        await page.goto(run.url)
        await expect(page.get_by_role("heading", name="Preview: Who, and where?")).to_be_visible()
        await page.goto(run.url + ANN)
        text = page.locator(".text")
        await text.dblclick(position={"x": 25, "y": 25})  # the first word
        await expect(page.get_by_role("list", name="Marked")).to_contain_text("person: Ada")
        await page.get_by_role("button", name="place").click()
        last = page.locator(".text span").last
        box = await last.bounding_box()
        assert box is not None
        await last.dblclick(position={"x": box["width"] - 15, "y": 10})
        await expect(page.get_by_role("list", name="Marked")).to_contain_text("place: London")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        await run.completed()
        assert run.results()["answer.spans"].tolist() == [
            [
                {"start": 0, "end": 3, "label": "person", "text": "Ada"},
                {"start": 19, "end": 25, "label": "place", "text": "London"},
            ]
        ]
