"""The endpoint ``/operator``: both sides prove that they know the token, then frames go both ways."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import asdict

from starlette.websockets import WebSocket, WebSocketDisconnect

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import DatabaseError
from mephisto_nb.model.packets import BAD_PROOF, LINK_PROTOCOL, STORE_FAILED
from mephisto_nb.router import codec
from mephisto_nb.router.core import Router
from mephisto_nb.router.http.connections import admit
from mephisto_nb.router.inbox import numbers, writes
from mephisto_nb.router.operator import frames
from mephisto_nb.router.operator.link import BAD_FRAME, TOO_SLOW, OperatorLink, troubles_frame
from mephisto_nb.utils import proofs, steady_time
from mephisto_nb.utils.machine import write_troubles

#: How long a stranger may take to prove who he is, and how many may try at once.
HANDSHAKE_SECONDS, HANDSHAKES = 10.0, 32
#: How many frames may wait to be written.
_UNAPPLIED = 16

log = logging.getLogger(__name__)


class _Close(Exception):
    """The link has to be closed, with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class OperatorSocket:
    """Serves the operator's link."""

    def __init__(self, router: Router) -> None:
        self._router = router
        #: When each handshake that is under way has to be done, the oldest first.
        self._handshakes: dict[WebSocket, asyncio.Timeout] = {}
        #: When an operator last said something; None: none has yet.
        self._heard_at: float | None = None

    async def __call__(self, websocket: WebSocket) -> None:
        """Serve one connection until it ends."""
        await websocket.accept()
        try:
            proof = await self._handshake(websocket)
            admit(websocket.scope)
            await self._serve(websocket, proof)
        except _Close as close:
            await _close(websocket, close.code, close.reason)
        except frames.BadFrame as error:
            await _close(websocket, BAD_FRAME, str(error))
        except DatabaseError as error:
            # What was not committed is not acknowledged either: the operator sends it again.
            log.error("%s", error)
            self._router.health.tell()
            await _close(websocket, STORE_FAILED, "the router's store failed")
        except WebSocketDisconnect:
            pass

    async def _handshake(self, websocket: WebSocket) -> JSONObject:
        if len(self._handshakes) >= HANDSHAKES:
            # The oldest is ended: otherwise strangers who only stand there would keep the operator out.
            self._handshakes.pop(next(iter(self._handshakes))).reschedule(0)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS) as self._handshakes[websocket]:
                return await self._prove(websocket)
        except TimeoutError:
            raise _Close(TOO_SLOW, "the handshake took too long") from None
        finally:
            self._handshakes.pop(websocket, None)

    async def _prove(self, websocket: WebSocket) -> JSONObject:
        token, run_id = self._router.config.token, self._router.config.run_id
        hello = await _receive(websocket)
        if hello.get("type") != "hello" or hello.get("protocol") != LINK_PROTOCOL:
            raise _Close(BAD_FRAME, f"this router speaks protocol {LINK_PROTOCOL}")
        if not proofs.is_challenge(hello.get("challenge")):
            raise _Close(BAD_FRAME, "challenge must be 64 hexadecimal digits")
        challenge = proofs.new_challenge()
        answer = proofs.router_proof(token, run_id, hello["challenge"])
        await _send(websocket, {"type": "challenge", "run_id": run_id, "proof": answer, "challenge": challenge})
        proof = await _receive(websocket)
        expected = proofs.operator_proof(token, run_id, challenge)
        if proof.get("type") != "proof" or not proofs.matches(expected, proof.get("proof")):
            log.warning("A stranger could not prove to be the operator.")
            raise _Close(BAD_PROOF, "wrong proof")
        return proof

    async def _serve(self, websocket: WebSocket, proof: JSONObject) -> None:
        router, last_seq = self._router, frames.whole(proof.get("last_seq"), "last_seq")
        standing = await self._take_up(websocket, proof, last_seq)
        link = OperatorLink(websocket, self._fetch, last_seq, takes_pieces=proof.get("pieces") is True)
        # No socket may come or go between the list of who is present and the link that reports who comes and goes.
        router.link_opened(link)
        welcome = {"type": "welcome", "presence": router.hub.present(), **asdict(standing)}
        # By these a kernel knows whether its clock was set wrong when it began, or ours.
        now, heard_at = steady_time.now(), self._heard_at
        if heard_at is None:
            heard_at = router.store.last_here  # of the process before nobody knows more
        welcome |= {"now": now, "silent_for": None if heard_at is None else max(0.0, now - heard_at)}
        welcome["troubles"] = write_troubles(router.health.troubles)
        log.info("The operator is here.")
        try:
            await _send(websocket, welcome)
            await self._both_ways(websocket, link)
        finally:
            router.link_closed(link)
            log.info("An operator's link has ended.")

    async def _take_up(self, websocket: WebSocket, proof: JSONObject, last_seq: int) -> numbers.InboxStanding:
        router, era = self._router, proof.get("era")
        received = frames.whole(proof.get("received", last_seq), "received")
        era = era if isinstance(era, str) else None
        try:
            return await router.store.run(lambda txn: numbers.agree(txn, last_seq, era, received))
        except DatabaseError:
            # No link can be opened without the store; why, the operator hears all the same.
            await websocket.send_text(troubles_frame(router.health.troubles))
            raise

    async def _fetch(self, after: int, max_messages: int, max_bytes: int) -> list[writes.InboxRow]:
        return await self._router.store.run(lambda txn: writes.fetch(txn, after, max_messages, max_bytes))

    async def _both_ways(self, websocket: WebSocket, link: OperatorLink) -> None:
        # Only a task that is always reading notices that the operator is gone; and what goes ahead must not wait
        # until what came before it is on the disk.
        unapplied: asyncio.Queue[frames.Frame | Exception] = asyncio.Queue(_UNAPPLIED)
        reading = asyncio.create_task(self._read(websocket, unapplied))
        sending = asyncio.create_task(link.send_all())
        applying = asyncio.create_task(self._apply_all(link, unapplied))
        try:
            done, _ = await asyncio.wait({sending, applying}, return_when=asyncio.FIRST_COMPLETED)
            if sending in done and isinstance(sending.exception(), RuntimeError | WebSocketDisconnect):
                await asyncio.wait({applying})  # the operator has gone; what he sent before counts
        finally:
            for task in (reading, sending, applying):
                task.cancel()
            await asyncio.gather(reading, sending, applying, return_exceptions=True)
        for task in done:
            task.result()

    async def _read(self, websocket: WebSocket, unapplied: asyncio.Queue[frames.Frame | Exception]) -> None:
        """Read until the link ends; why it did comes last, so that all that was sent before is applied."""
        try:
            while True:
                frame = frames.read_frame(await _receive_text(websocket))
                self._heard_at = steady_time.now()
                if not isinstance(frame, frames.AheadFrame):
                    await unapplied.put(frame)
                elif frame.update is not None:
                    self._router.live.send_ahead(frame.after, frame.update)
        except (WebSocketDisconnect, frames.BadFrame) as error:
            await unapplied.put(error)

    async def _apply_all(self, link: OperatorLink, unapplied: asyncio.Queue[frames.Frame | Exception]) -> None:
        while not isinstance(frame := await unapplied.get(), Exception):
            await self._apply(link, frame)
        raise frame

    async def _apply(self, link: OperatorLink, frame: frames.Frame) -> None:
        router = self._router
        if isinstance(frame, frames.AckFrame):
            seq = link.acknowledged(frame.seq)
            await router.store.run(lambda txn: writes.acknowledge(txn, seq))
        elif isinstance(frame, frames.EffectsFrame):
            effects = frame
            # Acted on in any case: effects that were committed are not new when they are sent again.
            await router.store.run(
                lambda txn: writes.apply_effects(txn, effects.effects, effects.last_n), on_commit=router.act
            )
            router.roll.is_told(frame.last_n)
            link.report_acknowledged(frame.last_n)
        elif isinstance(frame, frames.SyncFrame):
            if frame.last:
                router.registrations.end_run(frame.late_exit)
            await router.write_absences()
            router.roll.is_told(await router.store.run(writes.last_n), frame.newest_n)
            link.sync(await router.store.run(writes.close_inbox if frame.last else writes.newest))
        elif isinstance(frame, frames.FinishFrame):
            link.report_finishing()
            router.finish(frame.linger)


async def _receive_text(websocket: WebSocket) -> str:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    text = message.get("text")
    if not isinstance(text, str):
        raise frames.BadFrame("a frame must be text")
    return text


async def _receive(websocket: WebSocket) -> JSONObject:
    return frames.read_object(await _receive_text(websocket))


async def _send(websocket: WebSocket, frame: JSONObject) -> None:
    await websocket.send_text(codec.dump(frame))


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    # Both say that it is closed already.
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await websocket.close(code, reason)
