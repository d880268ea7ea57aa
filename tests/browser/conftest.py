"""What the tests in a real browser share: Chromium, a page, JupyterLab.

All of it speaks Playwright's asynchronous API, and all tests of this folder run on one event loop of the session, so
that an `Operator` may live in the test's own process beside the browser. Playwright's synchronous API must not be
used here, nor be left open anywhere else for longer than a test module: while it is open its loop counts as running
in this thread, and pytest-asyncio can start no other.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.jupyter import Lab, running_lab
from tests.chromium import FLAGS, find_chromium
from tests.leftovers import end_routers

HERE = Path(__file__).parent

# Patience costs nothing where all goes well, and a busy machine is no failure.
expect.set_options(timeout=30_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and put the asynchronous ones on the browser's loop."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A Chromium without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A page of a browser profile that nobody used before."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    page.set_default_timeout(60_000)
    yield page
    await context.close()


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where pictures of the pages go: MEPHISTO_SHOTS, or a folder of this test's own."""
    folder = Path(os.environ.get("MEPHISTO_SHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def jupyter_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab with a home of its own; see `Lab` for how to write and run notebooks in it."""
    home = tmp_path_factory.mktemp("jupyter_lab")
    with running_lab(home) as lab:
        yield lab
    # Not sooner: a kernel that lives starts its router again.
    for data in (home / ".mephisto" / "data", *(home / "notebooks").glob("*/")):
        end_routers(data)
