"""The sending half of an authenticated operator link: one task that sends what there is to tell.

Whoever has news notes it and sets one event. So a slow operator holds up nobody, and what comes meanwhile is
told in one frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.websockets import WebSocket, WebSocketDisconnect

from mephisto_nb._typing import JSONObject
from mephisto_nb.router import codec
from mephisto_nb.router.inbox.writes import Row
from mephisto_nb.router.operator.window import Window
from mephisto_nb.router.rules import BUSY_AFTER

#: Reads the messages after a number: at most so many, and of about so many bytes together.
Fetch: TypeAlias = Callable[[int, int, int], Awaitable[list[Row]]]

#: Why a link is closed by the router.
BAD_FRAME, BAD_PROOF, TOO_SLOW, REPLACED, STORE_FAILED = 4400, 4401, 4408, 4409, 4503


class OperatorLink:
    """What is sent to one operator: messages as the window allows, acknowledgements, presence.

    Parameters
    ----------
    websocket
        The accepted, authenticated socket.
    fetch
        Reads messages.
    last_seq
        The last message that the operator has already.
    """

    def __init__(self, websocket: WebSocket, fetch: Fetch, last_seq: int) -> None:
        self._websocket, self._fetch = websocket, fetch
        self._window = Window(last_seq)
        self._news = asyncio.Event()
        self._news.set()
        self._presence: dict[str, bool] = {}
        self._missed: list[JSONObject] = []
        self._is_going_ahead = False
        self._acknowledged: int | None = None
        self._finishing = self._replaced = False
        self._sync_at: int | None = None

    def wake(self) -> None:
        """Look for messages to send."""
        self._news.set()

    def tell_presence(self, agent_id: str, present: bool) -> None:
        """Tell that an agent got its first socket, or lost its last one."""
        self._presence[agent_id] = present
        self._news.set()

    async def send_ahead(self, after: str, packet: str) -> None:
        """Send a live message at once, unless the operator is slow to take what is sent: it has its place in the inbox.

        Parameters
        ----------
        after
            The id of the message before it.
        packet
            The packet, as JSON text.
        """
        if self._is_going_ahead or (self.waiting() or 0.0) > BUSY_AFTER:
            return
        self._is_going_ahead = True
        try:
            # A link that has gone is noticed by those who read it.
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self._send(f'{{"type":"ahead","after":{codec.dump(after)},"packet":{packet}}}')
        finally:
            self._is_going_ahead = False

    def tell_missed(self, agent_id: str, update_id: str | None) -> None:
        """Tell that a message which went ahead could not be written, so that nobody waits for its record."""
        self._missed.append({"type": "missed", "agent_id": agent_id, "update_id": update_id})
        self._news.set()

    def tell_acknowledged(self, n: int) -> None:
        """Tell that all effects up to `n` are applied."""
        self._acknowledged = n
        self._news.set()

    def tell_finishing(self) -> None:
        """Tell that the router is about to end."""
        self._finishing = True
        self._news.set()

    def sync(self, newest: int) -> None:
        """Tell the operator once it has been sent every message up to `newest`."""
        self._sync_at = newest
        self._news.set()

    def replace(self) -> None:
        """Close this link, because a newer one has taken its place."""
        self._replaced = True
        self._news.set()

    def acknowledged(self, seq: int) -> int:
        """Note the operator's acknowledgement; give the number that it can mean at most."""
        seq = self._window.acknowledge(seq)
        self._news.set()
        return seq

    def has_sent(self, seq: int) -> bool:
        """Say whether message `seq` was sent here."""
        return self._window.last_sent >= seq

    def waiting(self) -> float | None:
        """Give for how many seconds the oldest message has waited for its acknowledgement."""
        return self._window.waiting(time.monotonic())

    async def send_all(self) -> None:
        """Send what there is to tell, until the link is replaced or this is cancelled."""
        while not self._replaced:
            await self._news.wait()
            self._news.clear()
            await self._send_signals()
            more = await self._send_messages()
            await self._send_synced(caught_up=not more)
            if more:
                # There may be more than one frame holds.
                self._news.set()
        await self._websocket.close(REPLACED, "a newer operator link took over")

    async def _send_signals(self) -> None:
        if self._presence:
            presence, self._presence = self._presence, {}
            await self._send(codec.dump({"type": "presence", "agents": presence}))
        while self._missed:
            await self._send(codec.dump(self._missed.pop(0)))
        if self._acknowledged is not None:
            n, self._acknowledged = self._acknowledged, None
            await self._send(codec.dump({"type": "ack", "n": n}))
        if self._finishing:
            self._finishing = False
            await self._send('{"type":"finishing"}')

    async def _send_messages(self) -> bool:
        messages, size = self._window.room()
        if not messages:
            return False
        rows = await self._fetch(self._window.last_sent, messages, size)
        if not rows:
            return False
        now = time.monotonic()
        for row in rows:
            self._window.sent(row.seq, len(row.text), now)
        # The packets are JSON text already: they are put together, not read and written once more.
        inner = ",".join(f"[{row.seq},{row.received_at!r},{row.text}]" for row in rows)
        await self._send(f'{{"type":"messages","messages":[{inner}]}}')
        return True

    async def _send_synced(self, *, caught_up: bool) -> None:
        # Caught up, although the number was not reached: the messages in between were withdrawn.
        caught_up = caught_up and self._window.room() != (0, 0)
        if self._sync_at is not None and (caught_up or self._window.last_sent >= self._sync_at):
            self._sync_at = None
            await self._send(codec.dump({"type": "synced", "last_seq": self._window.last_sent}))

    async def _send(self, text: str) -> None:
        await self._websocket.send_text(text)
