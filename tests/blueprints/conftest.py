"""What tests of workers' pages share: one browser, and a page of any task at a router of canned answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from mephisto_nb.blueprints.static_html import StaticHTMLBlueprint, StaticHTMLBlueprintArgs
from mephisto_nb.kernel.launching.crowd_script import CROWD_SCRIPT, read_crowd_script
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.providers.link import LinkProvider, LinkProviderArgs
from tests.blueprints.fake_router import FakeRouter
from tests.chromium import FLAGS, find_chromium

# What Chromium says of requests and sockets that fail, which many tests bring about, and whose end a router's end is.
NETWORK = ("Failed to load resource", "WebSocket connection to")

# Patience costs nothing where all goes well, and a busy machine is no failure.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium, for one module: while this API is open, no other test's event loop can be started."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test for whatever the browser's console calls an error, save failed connections."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.complaints = complaints  # type: ignore[attr-defined]
    yield page
    context.close()
    assert [text for text in complaints if not text.startswith(NETWORK)] == []


@pytest.fixture
def serve_blueprint(tmp_path: Path) -> Iterator[Callable[..., FakeRouter]]:
    """Serve a task: ``serve_blueprint(blueprint, row)``; its page opens at ``router.url + "?worker_id=ann"``."""
    running: list[FakeRouter] = []

    def start(blueprint: Blueprint[Any], row: dict[str, Any]) -> FakeRouter:
        blueprint.assert_task_args()
        site = tmp_path / f"site{len(running)}"
        blueprint.build_site(site)
        (site / CROWD_SCRIPT).write_text(read_crowd_script(LinkProvider(LinkProviderArgs())))
        config = blueprint.get_frontend_args() | {"run_id": "run-1", "task_title": "Kind words"}
        router = FakeRouter(site, blueprint.get_content_security_policy(), config)
        router.offer(blueprint.get_init_data(row, {}))
        running.append(router.__enter__())
        return router

    yield start
    for router in running:
        router.__exit__()


@pytest.fixture
def serve(serve_blueprint: Callable[..., FakeRouter]) -> Callable[..., FakeRouter]:
    """Serve a task made of HTML: ``serve(html, row, **blueprint_args)``."""

    def start(html: str, row: dict[str, Any] | None = None, onboarding_data: Any = None, **args: Any) -> FakeRouter:
        row = {} if row is None else row
        settings = StaticHTMLBlueprintArgs(task_html=html, **args)
        shared_state = SharedTaskState(static_task_data=[row], onboarding_data=onboarding_data)
        return serve_blueprint(StaticHTMLBlueprint(settings, shared_state), row)

    return start
