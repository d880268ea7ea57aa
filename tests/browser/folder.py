"""A proxy that shows a task in a folder of its host, as those of labs and hubs do."""

from __future__ import annotations

import asyncio
from typing import Self

import aiohttp
from aiohttp import web


class FolderProxy:
    """Shows what `target` serves in `folder`, which it takes away before it asks there, unless `strips` is false."""

    def __init__(self, folder: str, *, strips: bool = True) -> None:
        self._folder, self._strips, self.target = folder, strips, ""
        #: What was asked for outside of the folder.
        self.strays: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{self._folder}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._session = aiohttp.ClientSession(auto_decompress=False)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        path = request.path_qs
        if not f"{request.path}/".startswith(self._folder):
            self.strays.append(path)
            return web.Response(status=404)
        if self._strips:
            path = "/" + path[len(self._folder.rstrip("/")) :].lstrip("/")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._join(request, path)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        body = await request.read()
        async with self._session.request(request.method, self.target + path, headers=headers, data=body) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() != "transfer-encoding"}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    async def _join(self, request: web.Request, path: str) -> web.StreamResponse:
        ours = web.WebSocketResponse()
        await ours.prepare(request)
        async with self._session.ws_connect(self.target + path) as theirs:
            both = [asyncio.create_task(_copy(ours, theirs)), asyncio.create_task(_copy(theirs, ours))]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        return ours


async def _copy(source: web.WebSocketResponse, sink: web.WebSocketResponse) -> None:
    async for message in source:
        await sink.send_str(message.data)
