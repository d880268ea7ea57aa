"""What is sent to the operator: the window of messages in flight, the link of one socket, and which link is open now.

An `OperatorLink` has one task that sends. Other parts only note their news there and set one event, so a slow operator
holds nothing up, and what comes meanwhile goes out in one frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.websockets import WebSocket, WebSocketDisconnect

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.packets import SHARED_FRAME
from mephisto_nb.router import codec
from mephisto_nb.router.inbox.writes import InboxRow
from mephisto_nb.router.rules import BUSY_AFTER, operator_state
from mephisto_nb.utils.machine import MachineTrouble, write_troubles

#: What may be sent to an operator and not yet acknowledged.
WINDOW_MESSAGES = 500
WINDOW_BYTES = 16 * 1024 * 1024

#: A frame of more than so many characters is cut into pieces of as many, so that none has over `LARGEST_FRAME` bytes:
#: a character of JSON text takes four of them at most, be it that it is written, or escaped once more.
PIECE = 1024 * 1024

#: Reads the messages after a number: at most so many, and of about so many bytes together.
Fetch: TypeAlias = Callable[[int, int, int], Awaitable[list[InboxRow]]]

#: Why a link is closed by the router, but for `BAD_PROOF` and `STORE_FAILED`.
BAD_FRAME, TOO_SLOW, REPLACED = 4400, 4408, 4409


class Window:
    """The messages in flight on one operator link.

    Parameters
    ----------
    last_seq
        The number of the last message that the operator has already.
    max_messages, max_bytes
        Bounds of what is in flight. A single message larger than `max_bytes` still goes, alone.
    """

    def __init__(self, last_seq: int, max_messages: int = WINDOW_MESSAGES, max_bytes: int = WINDOW_BYTES) -> None:
        self.last_sent = last_seq
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._flight: deque[tuple[int, int, float]] = deque()
        self._bytes = 0

    def room(self) -> tuple[int, int]:
        """Return how many messages, and how many bytes, may be sent now; both positive, or both zero."""
        messages, size = self._max_messages - len(self._flight), self._max_bytes - self._bytes
        return (messages, size) if messages > 0 and size > 0 else (0, 0)

    def sent(self, seq: int, size: int, now: float) -> None:
        """Note that message `seq` of `size` bytes was sent."""
        self.last_sent = seq
        self._flight.append((seq, size, now))
        self._bytes += size

    def acknowledge(self, seq: int) -> int:
        """Note that the operator has everything up to `seq`; return the number that this can mean at most."""
        seq = min(seq, self.last_sent)
        while self._flight and self._flight[0][0] <= seq:
            self._bytes -= self._flight.popleft()[1]
        return seq

    def waiting(self, now: float) -> float | None:
        """Return for how many seconds the oldest message has been in flight; `None` if there is none."""
        return now - self._flight[0][2] if self._flight else None


def troubles_frame(troubles: tuple[MachineTrouble, ...]) -> str:
    """Return the frame that tells what is wrong with the router."""
    return codec.dump({"type": "troubles", "troubles": write_troubles(troubles)})


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
    takes_pieces
        Whether the operator can put large frames together.
    """

    def __init__(self, websocket: WebSocket, fetch: Fetch, last_seq: int, *, takes_pieces: bool = True) -> None:
        self._websocket, self._fetch, self._takes_pieces = websocket, fetch, takes_pieces
        self._window = Window(last_seq)
        self._news = asyncio.Event()
        self._news.set()
        self._presence: dict[str, bool] = {}
        self._missed: list[JSONObject] = []
        self._troubles: tuple[MachineTrouble, ...] | None = None
        self._is_going_ahead = False
        self._acknowledged: int | None = None
        self._finishing = self._replaced = False
        self._sync_at: int | None = None

    def wake(self) -> None:
        """Look for messages to send."""
        self._news.set()

    def report_presence(self, agent_id: str, present: bool) -> None:
        """Report that an agent got its first socket, or lost its last one."""
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

    def report_missed(self, agent_id: str, update_id: str | None) -> None:
        """Report that a message which went ahead could not be written, so that its record is not waited for."""
        self._missed.append({"type": "missed", "agent_id": agent_id, "update_id": update_id})
        self._news.set()

    def report_troubles(self, troubles: tuple[MachineTrouble, ...]) -> None:
        """Report all that is wrong with the router now."""
        self._troubles = troubles
        self._news.set()

    def report_acknowledged(self, n: int) -> None:
        """Report that all effects up to `n` are applied."""
        self._acknowledged = n
        self._news.set()

    def report_finishing(self) -> None:
        """Report that the router is about to end."""
        self._finishing = True
        self._news.set()

    def sync(self, newest: int) -> None:
        """Report it once the operator has been sent every message up to `newest`."""
        self._sync_at = newest
        self._news.set()

    def replace(self) -> None:
        """Close this link, because a newer one has taken its place."""
        self._replaced = True
        self._news.set()

    def acknowledged(self, seq: int) -> int:
        """Note the operator's acknowledgement; return the number that it can mean at most."""
        seq = self._window.acknowledge(seq)
        self._news.set()
        return seq

    def has_sent(self, seq: int) -> bool:
        """Return whether message `seq` was sent here."""
        return self._window.last_sent >= seq

    def waiting(self) -> float | None:
        """Return for how many seconds the oldest message has waited for its acknowledgement."""
        return self._window.waiting(time.monotonic())

    async def send_all(self) -> None:
        """Send all news, until the link is replaced or this is cancelled."""
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
        if self._troubles is not None:
            troubles, self._troubles = self._troubles, None
            await self._send(troubles_frame(troubles))
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
        rows = await self._fetch(self._window.last_sent, messages, min(size, SHARED_FRAME))
        if not rows:
            return False
        now = time.monotonic()
        for row in rows:
            self._window.sent(row.seq, len(row.text), now)
        # The packets are JSON text already: they are put together, not read and written once more.
        inner = ",".join(f"[{row.seq},{row.received_at!r},{row.text}]" for row in rows)
        await self._send_whole(f'{{"type":"messages","messages":[{inner}]}}')
        return True

    async def _send_synced(self, *, caught_up: bool) -> None:
        # Caught up, although the number was not reached: the messages in between were withdrawn.
        caught_up = caught_up and self._window.room() != (0, 0)
        if self._sync_at is not None and (caught_up or self._window.last_sent >= self._sync_at):
            self._sync_at = None
            await self._send(codec.dump({"type": "synced", "last_seq": self._window.last_sent}))

    async def _send_whole(self, text: str) -> None:
        """Send a frame that may be larger than any may be: an answer that was taken has to arrive, however large."""
        if len(text) <= PIECE or not self._takes_pieces:
            await self._send(text)
            return
        for start in range(0, len(text), PIECE):
            piece = {"type": "piece", "text": text[start : start + PIECE], "last": start + PIECE >= len(text)}
            await self._send(codec.dump(piece))

    async def _send(self, text: str) -> None:
        await self._websocket.send_text(text)


class CurrentLink:
    """The operator's link that is open now, if there is one.

    Attributes
    ----------
    now
        The link, or None while no operator is connected.
    """

    def __init__(self) -> None:
        self.now: OperatorLink | None = None

    def open(self, link: OperatorLink) -> None:
        """Take `link` as the operator's; an older one is closed."""
        if self.now is not None:
            self.now.replace()
        self.now = link

    def close(self, link: OperatorLink) -> bool:
        """Note that `link` has ended; return whether the operator is gone with it."""
        if self.now is not link:
            return False
        self.now = None
        return True

    def wake(self) -> None:
        """Called by the store when there are new messages in the inbox."""
        if self.now is not None:
            self.now.wake()

    def report_presence(self, agent_id: str, present: bool) -> None:
        """Called by the hub when an agent got its first socket, or lost its last one."""
        if self.now is not None:
            self.now.report_presence(agent_id, present)

    def report_troubles(self, troubles: tuple[MachineTrouble, ...]) -> None:
        """Called when other things are wrong with the router than before."""
        if self.now is not None:
            self.now.report_troubles(troubles)

    def has_sent(self, seq: int) -> bool:
        """Return whether message `seq` was sent to the operator who is connected now."""
        return self.now is not None and self.now.has_sent(seq)

    def state(self) -> str:
        """Return how the operator is: ``here``, ``busy`` or ``away``."""
        if self.now is None:
            return operator_state(None, connected=False)
        return operator_state(self.now.waiting(), connected=True)
