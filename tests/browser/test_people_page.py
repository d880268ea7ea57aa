"""The panels of people in Chromium, with their real desk and database in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from mephisto_nb.display.notebook import Operator
from tests.display.stage import Stage

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
LONG = "w" * 300
TURNED = "مرحبا \u202eevil\u202c"


@pytest_asyncio.fixture(loop_scope="session")
async def stage(page: Page, tmp_path: Path) -> AsyncIterator[Stage]:
    """A page that is to show panels; nothing on it may raise or complain."""
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    page.on("console", lambda message: pytest.fail(message.text) if message.type == "error" else None)
    operator = Operator(data_dir=tmp_path)
    stage = Stage(page, operator)
    yield stage
    await stage.close()
    await operator.shutdown()


async def faults(page: Page) -> list[str]:
    """Give what axe-core finds that is serious or worse."""
    found = (await Axe().run(page, options={"resultTypes": ["violations"]})).response["violations"]
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


async def people(operator: Operator, count: int, granted: int = 0) -> None:
    """Make `count` workers, of whom the first `granted` are careful, and a few who are not as others."""
    names = [f"worker {n:05}" for n in range(count)]
    await operator.workers.block(names)
    await operator.workers.unblock(names)
    if granted:
        await operator.qualifications.create("careful", "Found every planted mistake in the training text.")
        await operator.qualifications.grant(
            "careful", names[:granted], [n % 5 + 1 for n in range(granted)], why="trained"
        )


async def pick(stage: Stage, name: str) -> None:
    await stage.page.get_by_role("grid", name="Qualifications").get_by_text(name, exact=True).click()


DARK = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


@DARK
async def test_empty_panels_say_what_to_do_first(stage: Stage, shots: Path, dark: bool) -> None:
    for topic, words in (("qualifications", "“New…” makes one"), ("workers", "as soon as they come to a run")):
        await stage.open(topic, dark=dark)
        await expect(stage.page.get_by_text(words)).to_be_visible()
        assert await faults(stage.page) == []
        await stage.page.screenshot(path=shots / f"people-{topic}-empty-{'dark' if dark else 'light'}.png")


@DARK
async def test_thirty_of_two_hundred_hold_a_qualification_and_the_rest_hear_why_not(
    stage: Stage, shots: Path, dark: bool
) -> None:
    await people(stage.operator, 200, 30)
    await stage.operator.qualifications.create("fluent", "Speaks it at home.")
    stage.operator.qualifications.who_would_qualify(
        [{"qualification_name": "careful", "comparator": "GreaterThan", "value": 2}]
    )
    await stage.open("qualifications", dark=dark)
    await pick(stage, "careful")
    await expect(stage.page.get_by_text("30 holders")).to_be_visible()
    await expect(stage.page.get_by_text("18 of 200 known workers would be let in (9 %)")).to_be_visible()
    await expect(stage.page.get_by_role("list").get_by_text("does not have 'careful'")).to_be_visible()
    assert await faults(stage.page) == []
    await stage.page.screenshot(path=shots / f"people-30-of-200-{'dark' if dark else 'light'}.png", full_page=True)
