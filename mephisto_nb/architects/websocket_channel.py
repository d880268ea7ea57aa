"""The link to a router over one WebSocket.

Both sides prove that they know the run's token without sending it; then messages go one way and effects the
other, each numbered and acknowledged. The frames are described in `router.operator.frames` and `router.operator.link`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import LinkRefusedError, RouterError, RouterStoreError
from mephisto_nb.model.packets import (
    BAD_PROOF,
    LARGEST_FRAME,
    LINK_PROTOCOL,
    SHARED_FRAME,
    STORE_FAILED,
    Packet,
    Received,
)
from mephisto_nb.ports.architect import (
    Acknowledged,
    Ahead,
    Channel,
    Incoming,
    Messages,
    Missed,
    Presence,
    RouterStanding,
    RouterTroubles,
    Synced,
)
from mephisto_nb.utils import proofs
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.machine import read_troubles
from mephisto_nb.utils.patience import patience
from mephisto_nb.utils.proofs import Secret

_OPEN_TIMEOUT = 5.0
#: At DEBUG, the library logs frames as they are: ids of people, what they answered, and codes they leave with. Who
#: wants to see those says so of this logger; whoever sets the level of all others does not.
_FRAMES = get_logger(f"{__name__}.frames")
_FRAMES.setLevel(logging.INFO)
_MOST_TAKEN = 8 * LARGEST_FRAME


class WebSocketChannel(Channel):
    """A link to the router at `url` of run `task_run_id`, proved by `token`."""

    def __init__(self, url: str, task_run_id: str, token: Secret) -> None:
        self._url = url.replace("http", "ws", 1) + "/operator"
        self._task_run_id, self._token = task_run_id, token
        self._socket: ClientConnection | None = None
        self._at_first: list[Incoming] = []

    async def connect(self, last_seq: int) -> int:
        """Open the link, each side proving itself; give the number of the last effect that the router has."""
        try:
            # A process that stands still takes connections all the same, and never says a word.
            async with patience(_OPEN_TIMEOUT):
                return await self._connect(last_seq)
        except TimeoutError as error:
            raise RouterError(f"The router at {self._url} has not answered for {_OPEN_TIMEOUT:g} s.") from error

    async def _connect(self, last_seq: int) -> int:
        try:
            # `proxy=None`: the router is ours. A router of an earlier version, which goes on, has larger frames.
            most = _MOST_TAKEN
            self._socket = await connect(self._url, max_size=most, open_timeout=None, proxy=None, logger=_FRAMES)
        except (OSError, InvalidHandshake, InvalidURI) as error:
            raise RouterError(f"No router answers at {self._url}: {error}") from error
        await self._prove(last_seq)
        welcome = await self._welcome()
        troubles = RouterTroubles(read_troubles(welcome.get("troubles")))
        self._at_first = [Presence(welcome.get("presence", {})), troubles]
        if "newest" in welcome:
            self.standing = RouterStanding(
                **{one.name: welcome[one.name] for one in fields(RouterStanding) if one.name in welcome}
            )
        return int(welcome["last_n"])

    async def _prove(self, last_seq: int) -> None:
        challenge = proofs.new_challenge()
        await self._send({"type": "hello", "protocol": LINK_PROTOCOL, "challenge": challenge})
        theirs = await self._receive_in_time("challenge")
        expected = proofs.router_proof(self._token.reveal(), self._task_run_id, challenge)
        if not proofs.matches(expected, theirs.get("proof")) or not proofs.is_challenge(theirs.get("challenge")):
            await self.close()
            raise LinkRefusedError(f"What answers at {self._url} is not the router of run {self._task_run_id}.")
        proof = proofs.operator_proof(self._token.reveal(), self._task_run_id, theirs["challenge"])
        known = {"last_seq": last_seq, "era": self.known.era, "received": max(last_seq, self.known.received)}
        await self._send({"type": "proof", "proof": proof, "pieces": True, **known})

    async def _welcome(self) -> JSONObject:
        frame, troubles = await self._receive(), RouterTroubles()
        try:
            while isinstance(told := _read(frame), RouterTroubles):
                troubles = told
                frame = await self._receive()
        except RouterStoreError as error:
            raise RouterStoreError(str(error), troubles.troubles) from error
        if frame.get("type") != "welcome":
            raise RouterError(f"What answers at {self._url} does not speak this protocol.")
        return frame

    async def incoming(self) -> AsyncIterator[Incoming]:
        """Return what the router sends, until the link breaks."""
        for incoming in self._at_first:
            yield incoming
        pieces: list[str] = []
        while True:
            frame = await self._receive()
            if frame.get("type") == "piece":
                pieces.append(frame["text"])
                if not frame["last"]:
                    continue
                frame = _parse("".join(pieces), self._url)
                pieces.clear()
            if (news := _read(frame)) is not None:
                yield news

    async def send_effects(self, effects: Sequence[tuple[int, Packet]]) -> None:
        """Send numbered packets for workers."""
        # The packets are JSON text already, made where it holds nothing up.
        inner = ",".join(f"[{n},{packet.to_text()}]" for n, packet in effects)
        await self._send_text(f'{{"type":"effects","effects":[{inner}]}}')

    async def send_ahead(self, after: str, packet: Packet) -> None:
        """Send a live update before it is committed; the same one follows among the effects."""
        if len(text := packet.to_text()) < SHARED_FRAME:
            await self._send_text(f'{{"type":"ahead","after":{json.dumps(after)},"packet":{text}}}')

    async def acknowledge(self, seq: int) -> None:
        """Tell the router that the effects of all messages up to `seq` are committed."""
        await self._send({"type": "ack", "seq": seq})

    async def request_sync(self, newest_n: int, *, last: bool = False, late_exit: JSONObject | None = None) -> None:
        """Ask how far the inbox goes now; after the `last` one nothing more comes into it."""
        told = {} if late_exit is None else {"late_exit": late_exit}
        await self._send({"type": "sync", "last": last, "n": newest_n, **told})

    async def finish(self, linger: float) -> None:
        """Tell the router that the run is over."""
        await self._send({"type": "finish", "linger": linger})

    async def close(self) -> None:
        """Close the link; the router goes on. Who is cancelled meanwhile hangs up at once."""
        if self._socket is not None:
            try:
                await self._socket.close()
            finally:
                self._socket.transport.abort()

    async def _send(self, frame: JSONObject) -> None:
        await self._send_text(json.dumps(frame, separators=(",", ":")))

    async def _send_text(self, text: str) -> None:
        if self._socket is None:
            raise RouterError(f"The link to {self._url} is not open.")
        try:
            await self._socket.send(text)
        except ConnectionClosed as error:
            raise _broken(self._url, error) from error

    async def _receive_in_time(self, wanted: str) -> JSONObject:
        """Receive from somebody who has proved nothing yet, and may be anybody who had the port."""
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT):
                return await self._receive(wanted)
        except TimeoutError:
            await self.close()
            raise RouterError(
                f"What answers at {self._url} did not prove in {_OPEN_TIMEOUT:g} s that it is the router."
            ) from None

    async def _receive(self, wanted: str | None = None) -> JSONObject:
        if self._socket is None:
            raise RouterError(f"The link to {self._url} is not open.")
        try:
            frame = _parse(await self._socket.recv(), self._url)
        except ConnectionClosed as error:
            raise _broken(self._url, error) from error
        if wanted is not None and frame.get("type") != wanted:
            raise RouterError(f"What answers at {self._url} does not speak this protocol.")
        return frame


def _parse(text: str | bytes, url: str) -> JSONObject:
    try:
        frame: JSON = json.loads(text)
    except ValueError as error:
        raise RouterError(f"What answers at {url} does not speak this protocol.") from error
    if not isinstance(frame, dict):
        raise RouterError(f"What answers at {url} does not speak this protocol.")
    return frame


def _broken(url: str, error: ConnectionClosed) -> RouterError:
    code = error.rcvd.code if error.rcvd else None
    if code == BAD_PROOF:
        return LinkRefusedError(f"The router at {url} refused this operator: its token is not that of the run.")
    if code == STORE_FAILED:
        return RouterStoreError(f"The router at {url} is there, and can store nothing.")
    return RouterError(f"The link to {url} is broken (close code {code}).")


def _read(frame: JSONObject) -> Incoming | None:
    match frame:
        case {"type": "messages", "messages": messages}:
            return Messages([Received(seq, at, Packet.from_dict(packet)) for seq, at, packet in messages])
        case {"type": "ahead", "after": after, "packet": packet}:
            return Ahead(after, Packet.from_dict(packet))
        case {"type": "missed", "agent_id": agent_id, "update_id": update_id}:
            return Missed(agent_id, update_id)
        case {"type": "ack", "n": n}:
            return Acknowledged(n)
        case {"type": "presence", "agents": agents}:
            return Presence(agents)
        case {"type": "troubles", "troubles": troubles}:
            return RouterTroubles(read_troubles(troubles))
        case {"type": "synced", "last_seq": last_seq}:
            return Synced(last_seq)
    return None  # a later router may say more than this operator understands
