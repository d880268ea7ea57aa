"""The endpoint of workers' browsers: the WebSocket protocol of the Mephisto 1.x browser packages."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from starlette.websockets import WebSocket, WebSocketDisconnect

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import DatabaseError
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.router import codec
from mephisto_nb.router.config import RouterConfig
from mephisto_nb.router.deadlines import Deadline, Departures
from mephisto_nb.router.http.answers import Refused
from mephisto_nb.router.http.connections import admit
from mephisto_nb.router.inbox import writes
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.intake.desk import Desk
from mephisto_nb.router.intake.naming import Doorkeeper, Roll
from mephisto_nb.router.intake.shares import Shares
from mephisto_nb.router.rules import InboxClosed, KnownAgent, TokenBucket
from mephisto_nb.router.workers.fast_path import LiveMessages
from mephisto_nb.router.workers.hub import Hub, WorkerSocket
from mephisto_nb.utils import steady_time

#: A socket that does not read is closed when so many frames wait for it; the outbox keeps what matters.
_MAX_QUEUED = 2000
_BURST_SECONDS = 4
#: Why a socket is closed: it broke a rule, it sent too much at once, or the router can't take it now.
POLICY, TOO_BIG, TRY_LATER = 1008, 1009, 1013
#: So many messages that name no agent of ours are passed over; then the socket is closed.
_NONSENSE = 16
_TOO_MANY, _NO_AGENT = "too many sockets", "no agent"
#: Our own page says with this packet that it has a live update.
ACK = "ack"
#: npm's `mephisto-task` hangs up for good when a heartbeat finds the last ping to be 20 seconds old. Neither a break of
#: that length nor a phone that slept for an hour is a reason here: what was said is kept. So pings are dated ahead, and
#: the package's other rule decides: ten heartbeats without an answer.
_AHEAD_SECONDS = 86_400.0

log = logging.getLogger(__name__)


class _Connection(WorkerSocket):
    """One open socket: what is queued for it, and the task that sends it."""

    def __init__(self, websocket: WebSocket, bucket: TokenBucket) -> None:
        super().__init__(self._queue_text, self._queue_close, bucket)
        self._websocket = websocket
        self._frames: asyncio.Queue[str | int] = asyncio.Queue()
        self._closing, self._reason = False, ""
        #: When it has to have named its agent.
        self.naming = Deadline()
        #: How often it has named no agent of ours.
        self.nonsense = 0

    def _queue_text(self, text: str) -> None:
        if self._frames.qsize() >= _MAX_QUEUED:
            self._queue_close(TRY_LATER)
        elif not self._closing:
            self._frames.put_nowait(text)

    def _queue_close(self, code: int, reason: str = "") -> None:
        if not self._closing:
            self._closing, self._reason = True, reason
            self._frames.put_nowait(code)

    def admit(self) -> None:
        """Take messages of full size, and as long as it likes: it speaks for an agent."""
        self.naming.cancel()
        admit(self._websocket.scope)

    def turn_out(self, reason: str) -> None:
        """Close a socket that speaks for no agent."""
        self._queue_close(POLICY, reason)

    async def send_all(self) -> None:
        """Send what is queued, until the socket is closed."""
        try:
            while isinstance(frame := await self._frames.get(), str):
                await self._websocket.send_text(frame)
            await self._websocket.close(frame, self._reason)
        except (RuntimeError, WebSocketDisconnect):
            # The browser has gone; the reading side notices it too, and tidies up.
            pass


class _Said(NamedTuple):
    """A packet of a browser, how long its text was, and whether it takes long to write (see `codec.Text`)."""

    packet: JSONObject
    size: int
    is_heavy: bool


class WorkerEndpoint:
    """Serves workers' sockets.

    Parameters
    ----------
    config
        How much they may send, and for how long an agent may be away.
    store
        What is known of agents and their unconfirmed updates.
    roll
        Which agents are known.
    hub
        Where each socket is bound to its agent.
    live
        Takes and sends live messages.
    departures
        Takes note of signs of life.
    desk
        Where large messages are read and written.
    shares
        What one person may have.
    """

    def __init__(
        self,
        config: RouterConfig,
        store: Store,
        roll: Roll,
        hub: Hub,
        live: LiveMessages,
        departures: Departures,
        desk: Desk,
        shares: Shares,
    ) -> None:
        self._desk, self._shares = desk, shares
        self._doorkeeper = Doorkeeper(roll)
        self._limits, self._is_absence_noted = config.limits, config.disconnect_after is not None
        self._store, self._hub, self._live, self._departures = store, hub, live, departures
        #: The sockets that have named no agent, the oldest first: where there are too many, the first is closed.
        self._nameless: dict[_Connection, None] = {}
        self._handlers: dict[JSON, Callable[[_Connection, KnownAgent, _Said], Awaitable[None]]] = {
            PacketType.ALIVE.value: self._on_alive,
            PacketType.HEARTBEAT.value: self._on_heartbeat,
            PacketType.LIVE_UPDATE_TO_OPERATOR.value: self._on_live_update,
            ACK: self._on_ack,
        }

    async def __call__(self, websocket: WebSocket) -> None:
        """Serve one connection until it ends."""
        await websocket.accept()
        hub, limits = self._hub, self._limits
        if hub.open_sockets >= limits.sockets and not self._make_room():
            await websocket.close(POLICY, _TOO_MANY)
            return
        rate = limits.messages_per_second
        connection = _Connection(websocket, TokenBucket(rate, rate * _BURST_SECONDS, time.monotonic()))
        self._nameless[connection] = None
        connection.naming.set(limits.naming_seconds, lambda: connection.turn_out(_NO_AGENT))
        hub.open_sockets += 1
        sending = asyncio.create_task(connection.send_all())
        try:
            code = await self._read(websocket, connection)
            connection.close(code)
            await sending
        finally:
            sending.cancel()
            hub.open_sockets -= 1
            connection.naming.cancel()
            self._nameless.pop(connection, None)
            self._leave(connection)

    def _make_room(self) -> bool:
        """Close the socket that has been silent about its agent for longest, if there is one."""
        oldest = next(iter(self._nameless), None)
        if oldest is None:
            return False
        del self._nameless[oldest]
        oldest.turn_out(_TOO_MANY)
        return True

    async def _read(self, websocket: WebSocket, connection: _Connection) -> int:
        """Take messages until the browser goes, or does what it must not; return the code to close with."""
        largest = self._limits.socket_message
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return 1000
            text = message.get("text")
            if text is None or not connection.bucket.take(time.monotonic()):
                return POLICY
            if connection.agent_id is not None and not self._shares.may_speak(connection.agent_id):
                return POLICY
            # Characters first: counting bytes costs a copy.
            if len(text) > largest or len(text.encode("utf-8", "replace")) > largest:
                return TOO_BIG
            try:
                await self._take(connection, text)
            except Refused as refused:
                # The browser must not believe that this was received. It comes back, and sends it again; but
                # not if it has sent too much already.
                return POLICY if refused.status == 413 else TRY_LATER
            except DatabaseError as error:
                log.error("%s", error)
                return TRY_LATER
            except InboxClosed:
                return TRY_LATER

    async def _take(self, connection: _Connection, text: str) -> None:
        """Handle one packet. What makes no sense is passed over: it can't be answered in this protocol."""
        if connection.agent_id is not None:
            self._shares.check(connection.agent_id)
        elif not self._doorkeeper.knows_subject(text):
            connection.nonsense += 1
            if connection.nonsense > _NONSENSE:
                connection.turn_out(_NO_AGENT)
            return
        try:
            work = partial(codec.read, text, self._limits.message_shape)
            packet, size, is_heavy = await self._desk.do(work, len(text), connection.agent_id or "")
        except ValueError:
            return
        if not isinstance(packet, dict) or not isinstance(packet.get("packet_type"), str):
            return
        handler = self._handlers.get(packet["packet_type"])
        agent = self._store.agent(packet["subject_id"]) if codec.is_id(packet.get("subject_id")) else None
        if handler is None or agent is None:
            return
        if connection.agent_id != agent.agent_id:
            await self._bind(connection, agent)
        self._departures.seen(agent.agent_id)
        await handler(connection, agent, _Said(packet, size, is_heavy))

    async def _bind(self, connection: _Connection, agent: KnownAgent) -> None:
        self._leave(connection)
        self._nameless.pop(connection, None)
        connection.admit()
        self._hub.bind(connection, agent.agent_id)
        if not agent.linked and self._is_absence_noted:
            await self._store.run(lambda txn: writes.mark_linked(txn, agent.agent_id))

    def _leave(self, connection: _Connection) -> None:
        agent_id = connection.agent_id
        if agent_id is None:
            return
        self._hub.unbind(connection)
        self._departures.seen(agent_id)
        # An older socket of the same agent, if there is one, takes over what this one had not confirmed.
        self._live.send(agent_id)

    async def _on_alive(self, connection: _Connection, agent: KnownAgent, said: _Said) -> None:
        self._hub.bind(connection, agent.agent_id)
        connection.queue(self._hub.status_text(agent.agent_id, agent.status))
        if "client_timestamp" in said.packet:
            # The npm package sends its first heartbeat half a second later: until then a break would find it undated.
            self._ping(connection, agent, said.packet)
        self._live.send(agent.agent_id)

    async def _on_heartbeat(self, connection: _Connection, agent: KnownAgent, said: _Said) -> None:
        self._ping(connection, agent, said.packet)
        self._live.send(agent.agent_id)  # where this is the first that is heard of a socket
        await self._forget(connection, agent, connection.confirmed(asyncio.get_running_loop().time()))

    def _ping(self, connection: _Connection, agent: KnownAgent, packet: JSONObject) -> None:
        data = {"last_mephisto_ping": _ping_of(packet.get("client_timestamp")), "status": agent.status.value}
        connection.queue(codec.dump(Packet(PacketType.HEARTBEAT, agent.agent_id, data).to_dict()))

    async def _on_live_update(self, connection: _Connection, agent: KnownAgent, said: _Said) -> None:
        data = said.packet.get("data")
        if not isinstance(data, dict):
            return
        update_id = data.get("update_id")
        key = update_id if isinstance(update_id, str) else None
        packet = Packet(PacketType.LIVE_UPDATE_TO_OPERATOR, agent.agent_id, data)
        try:
            work = partial(writes.message_of, packet, gently=said.is_heavy)
            message = await self._desk.do(work, said.size, agent.agent_id)
        except ValueError:
            return
        await self._live.take(agent.agent_id, key, message)

    async def _on_ack(self, connection: _Connection, agent: KnownAgent, said: _Said) -> None:
        data = said.packet.get("data")
        update_id = data.get("update_id") if isinstance(data, dict) else None
        waiting = self._store.mirror.outbox.get(agent.agent_id, {})
        ids = {outgoing.id for outgoing in waiting.values() if outgoing.update_id == update_id}
        await self._forget(connection, agent, ids)

    async def _forget(self, connection: _Connection, agent: KnownAgent, ids: set[int]) -> None:
        if not ids:
            return
        for id_ in ids:
            connection.sent.pop(id_, None)
        self._store.mirror.drop(agent.agent_id, ids)
        await self._store.run(lambda txn: writes.delivered(txn, ids))


def _ping_of(client_timestamp: JSON) -> int:
    """Return the time of a ping (milliseconds), by the clock that it will be compared with: the browser's own."""
    said = isinstance(client_timestamp, int | float) and not isinstance(client_timestamp, bool)
    is_time = said and math.isfinite(client_timestamp) and 0 < client_timestamp < 1e11
    return int(((client_timestamp if is_time else steady_time.now()) + _AHEAD_SECONDS) * 1000)
