"""Simulated people who talk: what their pages do in a conversation, from the waiting room to its end."""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.states import AGENT_LEFT

if TYPE_CHECKING:
    from mephisto_nb.testing.simulated_workers import SimulatedWorker

#: ``reply(messages) -> text``, plain or async: what was said so far, each message with ``text`` and ``is_own``. A dict
#: is sent as it is; None says nothing, and where people take turns, that one is done.
ReplyFunction: TypeAlias = Callable[[list[JSONObject]], JSON | Awaitable[JSON]]

#: How a conversation can end for one of those in it, beside the ways of leaving.
DONE, PARTNER_LEFT, LEFT = "done", "partner disconnect", "left"
_PAUSE = 0.1


@dataclass
class SimulatedTalk:
    """One person's side of a conversation.

    Parameters
    ----------
    worker, agent_id
        Who talks.
    reply
        What they say.
    leave_after
        After how many messages they give the task back; None: never.
    """

    worker: SimulatedWorker
    agent_id: str
    reply: ReplyFunction
    leave_after: int | None = None
    #: What was said, in the order in which this one heard it.
    messages: list[JSONObject] = field(default_factory=list)
    #: What the waiting room's page was told, in order.
    waiting: list[JSONObject] = field(default_factory=list)
    _heard: set[str] = field(default_factory=set)
    #: What was said and is not on the router's disk for sure.
    _unsure: list[JSONObject] = field(default_factory=list)
    _is_free: bool = False
    _said: int = 0
    _outcome: str | None = None

    async def to_its_end(self) -> str:
        """Talk, by as many connections as it takes; tell how it ended: `DONE`, `PARTNER_LEFT`, `LEFT` or a status."""
        while self._outcome is None:
            try:
                async with self.worker.session.ws_connect(self.worker.url, max_msg_size=0) as socket:
                    await self._by(socket)
            except (aiohttp.ClientError, TypeError, ConnectionError):
                await asyncio.sleep(_PAUSE)  # the router went away, or closed the connection
        return self._outcome

    async def _by(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await self._send(socket, "alive", {})
        for data in self._unsure:
            await self._send(socket, "mephisto_bound_live_update", data)
        await self._send(socket, "heartbeat", {})
        while self._outcome is None:
            packet = await socket.receive_json()
            data = packet["data"]
            match packet["packet_type"]:
                case "update_status":
                    self._note_status(str(data["status"]))
                case "heartbeat":
                    self._unsure.clear()  # it is answered after all that came before it was written
                    self._note_status(str(data["status"]))
                case "client_bound_live_update":
                    await self._send(socket, "ack", {"update_id": data["update_id"]})
                    if data["update_id"] not in self._heard:
                        self._heard.add(data["update_id"])
                        await self._hear(socket, data)

    def _note_status(self, status: str) -> None:
        if status == PARTNER_LEFT or status in AGENT_LEFT:
            self._outcome = status

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse, data: JSONObject) -> None:
        if isinstance(data.get("waiting_room"), dict):
            self.waiting.append(data["waiting_room"])
            return
        state = data.get("task_data") or {}
        if state.get("task_done"):
            self._outcome = DONE
            return
        is_asked = state.get("live_update_requested") is True
        if data.get("text"):
            self.messages.append({**data, "is_own": False})
        if "agent_display_name" in state:
            self._is_free = is_asked  # or else one is asked each time
        if is_asked or (self._is_free and data.get("text") and not data.get("notice")):
            await self._speak(socket)

    async def _speak(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        said = self.reply(list(self.messages))
        if inspect.isawaitable(said):
            said = await said
        if said is None:
            return
        data: JSONObject = said if isinstance(said, dict) else {"text": str(said)}
        data = {"update_id": secrets.token_hex(8), "id": self.agent_id, **data}
        self._unsure.append(data)
        await self._send(socket, "mephisto_bound_live_update", data)
        await self._send(socket, "heartbeat", {})
        if data.get("text"):
            self.messages.append({**data, "is_own": True})
            self._said += 1
        if self.leave_after is not None and self._said >= self.leave_after:
            await self.worker.give_back(self.agent_id)
            self._outcome = LEFT

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, kind: str, data: Any) -> None:
        await socket.send_json({"packet_type": kind, "subject_id": self.agent_id, "data": data})
