"""A link between kernel and router that can be cut, delayed, doubled, and that mixes up what a cut left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from mephisto_nb.architects.local import LocalArchitect
from mephisto_nb.architects.websocket_channel import WebSocketChannel
from mephisto_nb.errors import RouterError
from mephisto_nb.model.packets import Packet
from mephisto_nb.ports.architect import Channel, Incoming, Messages

_DELAY = 0.05


class Link:
    """What is wrong with the link now, until when (the loop's time)."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self.channel: FaultyChannel | None = None
        self.stale: list[Incoming] = []

    def disturb(self, what: str, seconds: float) -> None:
        """Let something be wrong for a while; a cut closes the link that there is."""
        self._until[what] = asyncio.get_running_loop().time() + seconds
        if what in ("cut", "reordered") and self.channel is not None:
            self.stale = list(self.channel.recent) if what == "reordered" else []
            self.channel.cut()

    def has(self, what: str) -> bool:
        return asyncio.get_running_loop().time() < self._until.get(what, 0.0)


LINK = Link()


class FaultyChannel(WebSocketChannel):
    """A link that does as `LINK` says."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.recent: list[Incoming] = []
        self._sent: Sequence[tuple[int, Packet]] = ()

    async def connect(self, last_seq: int) -> int:
        if LINK.has("cut"):
            raise RouterError("the link is cut")
        last_n = await super().connect(last_seq)
        LINK.channel = self
        return last_n

    async def incoming(self) -> AsyncIterator[Incoming]:
        async for incoming in super().incoming():
            if LINK.has("delayed"):
                await passes(_DELAY)
            yield incoming
            if isinstance(incoming, Messages):
                self.recent = [*self.recent[-3:], incoming]
                stale, LINK.stale = LINK.stale, []
                for old in stale:  # what the link before had on its way, and what had come already
                    yield old
            if LINK.has("doubled"):
                yield incoming

    async def send_effects(self, effects: Sequence[tuple[int, Packet]]) -> None:
        if LINK.has("delayed"):
            await passes(_DELAY)
        await super().send_effects(effects)
        if LINK.has("doubled"):
            await super().send_effects(self._sent or effects)
            await super().send_effects(effects)
        self._sent = effects

    async def acknowledge(self, seq: int) -> None:
        await super().acknowledge(seq)
        if LINK.has("doubled"):
            await super().acknowledge(max(0, seq - 1))

    def cut(self) -> None:
        if self._socket is not None:
            self._socket.transport.abort()


class FaultyLinkArchitect(LocalArchitect):
    """Routers as ever, behind links that break."""

    ARCHITECT_TYPE = "faulty_link"

    def get_channel(self) -> Channel:
        channel = super().get_channel()
        assert isinstance(channel, WebSocketChannel)
        return FaultyChannel(channel._url.removesuffix("/operator"), channel._task_run_id, channel._token)


async def passes(seconds: float) -> None:
    """Let a fault last."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, passed.set)
    await passed.wait()
