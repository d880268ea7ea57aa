"""Hours in which nobody says anything: with the real settings of both sides, no link dies of them.

Router, operator and page share one event loop whose clock jumps to the next timer wherever nothing else is to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import selectors
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from websockets.asyncio.client import ClientConnection, connect

from mephisto_nb.architects.websocket_channel import WebSocketChannel
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.ports.architect import Acknowledged, Messages
from mephisto_nb.router.config import RunFiles, read_config
from mephisto_nb.router.folder import RunFolder
from mephisto_nb.router.server import Notifier, _Server, listen
from mephisto_nb.utils.proofs import Secret
from tests.router.harness import RUN_ID, TOKEN, write_config

HOURS = 8
REAL_TIME = time.monotonic
HEARTBEAT = 15.0  # seconds between those of a page


class _Impatient(selectors.DefaultSelector):
    """While it `skips`, waits for nothing: where nothing is ready, the time that it was to wait is over."""

    def __init__(self) -> None:
        super().__init__()
        self.skips, self.skipped = False, 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if not self.skips or timeout is None:
            return super().select(timeout)
        if not (ready := super().select(0)):
            self.skipped += max(timeout, 0.0)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in which hours may take seconds."""

    def __init__(self) -> None:
        self._impatient = _Impatient()
        super().__init__(self._impatient)

    @contextlib.contextmanager
    def skipping(self) -> Iterator[None]:
        """Let time pass at once where nothing happens; no thread may be at work."""
        self._impatient.skips = True
        yield
        self._impatient.skips = False

    def time(self) -> float:
        return REAL_TIME() + self._impatient.skipped


@contextlib.contextmanager
def _server(directory: Path) -> Iterator[tuple[_Server, str]]:
    write_config(directory)
    config, files = read_config(directory / "router_config.json"), RunFiles(directory)
    with contextlib.closing(listen(config.host, config.port, preferred=0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield _Server(config, RunFolder(files, FileLock(files.lock)), listener, Notifier(None)), url


async def _beat(page: ClientConnection) -> None:
    await page.send(json.dumps({"packet_type": "heartbeat", "subject_id": "a1"}))
    await page.recv()


async def _be_idle(url: str) -> list[str]:
    """Open a link and a page's socket, let hours pass, and use both; give what the operator hears then."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    channel = WebSocketChannel(url, RUN_ID, Secret(TOKEN))
    await channel.connect(0)
    details = {"request_id": "r", "worker_id": "w", "agent_id": "a1", "status": "in task"}
    await channel.send_effects([(1, Packet(PacketType.AGENT_DETAILS, "r", details))])
    incoming = channel.incoming()
    while not isinstance(await anext(incoming), Acknowledged):
        pass
    start = loop.time()
    async with connect(url.replace("http", "ws"), proxy=None) as page:
        await _beat(page)
        with loop.skipping():
            while loop.time() < start + HOURS * 3600:
                await asyncio.wait({loop.create_future()}, timeout=HEARTBEAT)
                await _beat(page)
        await page.send(json.dumps({"packet_type": "mephisto_bound_live_update", "subject_id": "a1", "data": {"x": 1}}))
        while not isinstance(news := await anext(incoming), Messages):
            pass
        await channel.close()
        return [received.packet.packet_type for received in news.received]


async def _main(directory: Path) -> list[str]:
    with _server(directory) as (server, url):
        serving = asyncio.create_task(server.serve_run())
        try:
            return await _be_idle(url)
        finally:
            server.should_exit = True
            await serving


@pytest.mark.slow
def test_no_link_dies_of_idle_hours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        monkeypatch.setattr(time, "monotonic", runner.get_loop().time)
        assert runner.run(_main(tmp_path)) == ["mephisto_bound_live_update"]
