"""A network between browser and router that can be lost: what is on its way stays there until it is back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Network:
    """Passes bytes between a port of its own and a router; while it is lost nothing passes, and nobody is told."""

    def __init__(self, router_url: str) -> None:
        self._router = urlsplit(router_url)
        self._up = asyncio.Event()
        self._up.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.url = ""

    def lose(self) -> None:
        self._up.clear()

    def come_back(self) -> None:
        self._up.set()

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        await self._up.wait()
        to_router = await asyncio.open_connection(self._router.hostname, self._router.port)
        self._writers.append(to_router[1])
        ways = ((reader, to_router[1]), (to_router[0], writer))
        both = [asyncio.ensure_future(self._pass_on(*way)) for way in ways]
        self._tasks.update(both)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(both)
        for _, out in ways:
            out.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._up.wait()
                writer.write(data)
                await writer.drain()
            await self._up.wait()
            writer.write_eof()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:  # whatever waits for what: nothing is left open
            writer.transport.abort()


@asynccontextmanager
async def network_to(router_url: str) -> AsyncIterator[Network]:
    """Return a network to a router."""
    network = Network(router_url)
    server = await network.start()
    yield network
    server.close()
    network.close()
