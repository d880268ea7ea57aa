"""A small crowd of our own: a page that leads to a study by ids, and a page for each way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote

from aiohttp import web

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Crowd</title><style>body {{ font: 1.1rem/1.5 system-ui; margin: 2rem; }}</style>
<main><h1>{title}</h1>{body}</main></html>"""


@dataclass
class FakeCrowd:
    """Its address, and who has come back by which way: the names in the address, and what they hold."""

    url: str = ""
    back: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def start(self, study: str) -> str:
        """Return the page on which somebody of the crowd finds a study."""
        return f"{self.url}/start?study={quote(study, safe='')}"

    def way(self, outcome: str, **more: str) -> dict[str, str]:
        """Return the settings of a way back."""
        return {"redirect": f"{self.url}/back/{outcome}?person={{participant}}&cc={{code}}", **more}

    async def _start(self, request: web.Request) -> web.Response:
        link = f'<p>Three minutes, £0.60.</p><p><a href="{escape(request.query["study"])}">Open the study</a></p>'
        return _page("Say how sentences sound", link)

    async def _back(self, request: web.Request) -> web.Response:
        self.back.append((request.path, dict(request.query)))
        return _page("Welcome back", f"<p>You came by {escape(request.path)}.</p>")


def _page(title: str, body: str) -> web.Response:
    return web.Response(text=_PAGE.format(title=title, body=body), content_type="text/html")


@asynccontextmanager
async def fake_crowd() -> AsyncIterator[FakeCrowd]:
    """Serve a crowd."""
    crowd = FakeCrowd()
    app = web.Application()
    app.router.add_get("/start", crowd._start)
    app.router.add_get("/back/{outcome}", crowd._back)
    app.router.add_get("/submissions/complete", crowd._back)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    crowd.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield crowd
    finally:
        await runner.cleanup()
