"""A page that talks to the task's code, and says everything again that the router may not have."""

from __future__ import annotations

import asyncio
from typing import Any

from mephisto_nb.testing.page_client import PageSocket
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.faults.faulty_link import passes

#: How often a page says something.
MESSAGES = 6


class Talk:
    """One page's conversation.

    `said` holds the ids of the messages that the router has on its disk, in order; `heard` those of the updates
    that came, each once.
    """

    def __init__(self, worker: SimulatedWorker, agent_id: str, registration: str) -> None:
        self._worker, self._agent_id = worker, agent_id
        self._to_say = [f"{registration}-{number}" for number in range(MESSAGES)]
        self.said: list[str] = []
        self.heard: list[str] = []

    async def hang_the_code(self) -> None:
        """Say what the task's code never comes back from."""
        async with self._worker.session.open_socket(self._worker.url) as socket:
            await self._send(socket, "alive", {})
            await self._send(socket, "mephisto_bound_live_update", {"update_id": "hang", "hang": True})
            await self._send(socket, "heartbeat", {})
            while (await asyncio.wait_for(socket.receive_json(), 10))["packet_type"] != "heartbeat":
                pass

    async def to_its_end(self) -> None:
        """Say everything, by as many sockets as it takes."""
        while len(self.said) < len(self._to_say):
            try:
                async with self._worker.session.open_socket(self._worker.url) as socket:
                    await self._by(socket)
            except (ConnectionError, TimeoutError):
                await passes(0.1)  # the router went away, or closed a socket that it could not serve

    async def _by(self, socket: PageSocket) -> None:
        await self._send(socket, "alive", {})
        for update_id in self._to_say[len(self.said) :]:
            await self._send(socket, "mephisto_bound_live_update", {"update_id": update_id, "text": "hello"})
            await self._send(socket, "heartbeat", {})
            # A heartbeat is answered after all that came before it was written.
            while (packet := await asyncio.wait_for(socket.receive_json(), 10))["packet_type"] != "heartbeat":
                self._hear(packet)
            self.said.append(update_id)

    def _hear(self, packet: Any) -> None:
        if packet["packet_type"] == "client_bound_live_update" and packet["data"]["update_id"] not in self.heard:
            self.heard.append(packet["data"]["update_id"])

    async def _send(self, socket: PageSocket, kind: str, data: Any) -> None:
        await socket.send_json({"packet_type": kind, "subject_id": self._agent_id, "data": data})
