"""What the tests in JupyterLab share beside it: a browser that has loaded it before."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from tests.browser.jupyter import Lab


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def visitor(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """A browser profile that keeps JupyterLab's files, which take longer to load than most tests."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 900})
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(visitor: BrowserContext, jupyter_lab: Lab) -> AsyncIterator[Page]:
    """A page, beside which nothing is open and no kernel runs."""
    page = await visitor.new_page()
    page.set_default_timeout(60_000)
    yield page
    for one in visitor.pages:
        await one.close()
    jupyter_lab.end_kernels()
