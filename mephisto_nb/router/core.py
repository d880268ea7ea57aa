"""The router itself: its parts, made of each other in one place, and what leads to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from enum import IntEnum

from mephisto_nb.errors import DatabaseError
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.router.config import RouterConfig
from mephisto_nb.router.deadlines import Deadline, Departures
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.inbox.writes import Effect, message_of
from mephisto_nb.router.intake.quota import DiskQuota
from mephisto_nb.router.operator.link import CurrentLink, OperatorLink
from mephisto_nb.router.rules import InboxClosed
from mephisto_nb.router.workers.fast_path import LiveMessages
from mephisto_nb.router.workers.hub import Hub, Registrations

log = logging.getLogger(__name__)


class Exit(IntEnum):
    """How the process ends."""

    DONE = 0
    CRASHED = 1
    CONFIG = 2
    PORT_IN_USE = 3
    LOCKED = 4
    OPERATOR_AWAY = 5


class Router:
    """The parts of one router, and its life: when it begins to wait, whom it waits for, and when it ends.

    Parameters
    ----------
    config
        What the architect wrote.
    store
        The durable store; opened, started and closed by the server.
    link
        The operator's link; `store` wakes it.
    end
        Called once, with the reason, when the process shall end.

    Attributes
    ----------
    hub, registrations
        Which worker is connected, and which waits for an agent.
    quota
        How much of the disk is taken.
    departures
        Which agent has given no sign of life for too long.
    live
        The live messages in both directions.
    """

    def __init__(self, config: RouterConfig, store: Store, link: CurrentLink, end: Callable[[Exit], None]) -> None:
        self.config, self.store, self.link = config, store, link
        self.hub = Hub(config.limits.sockets_per_agent, link.report_presence)
        self.registrations = Registrations(config.limits.pending_requests)
        self.quota = DiskQuota(config.limits, store.mirror.stored)
        self.departures = Departures(config.disconnect_after, self._on_departure)
        self.live = LiveMessages(store, self.quota, link, self.hub)
        self._end = end
        self._deadline = Deadline()
        self._is_finishing = False
        self._departed: asyncio.Queue[str] = asyncio.Queue()

    # Life

    def start(self) -> None:
        """Start the timers: for an operator who never comes, and for agents who had a socket before a restart."""
        self._await_operator()
        for agent in self.store.mirror.agents.values():
            if agent.linked and agent.is_active:
                self.departures.seen(agent.agent_id)

    async def run(self) -> None:
        """Write down who has left, until cancelled."""
        while True:
            await self._write_departure(await self._departed.get())

    def stop(self) -> None:
        """Stop the timers, and send away the requests that wait for an agent."""
        self._deadline.cancel()
        self.departures.close()
        self.registrations.stop()

    def finish(self, linger: float) -> None:
        """End the run: refuse new workers at once, and the process ends after `linger` seconds."""
        log.info("The run is over; the router ends in %s seconds.", linger)
        self._is_finishing = True
        self.registrations.end_run()
        self._deadline.set(linger, lambda: self._end(Exit.DONE))

    # The operator

    def link_opened(self, link: OperatorLink) -> None:
        """Called by the operator's socket when a link was authenticated: an older one is closed, the run goes on."""
        self.link.open(link)
        if not self._is_finishing:
            self._deadline.cancel()
            self.registrations.go_on()

    def link_closed(self, link: OperatorLink) -> None:
        """Called by the operator's socket when `link` has ended: wait for the next one, but not for ever."""
        if self.link.close(link):
            self._await_operator()

    def act(self, effects: Iterable[Effect]) -> None:
        """Called by the store when effects of the operator are committed: answer, and send, what they ask for."""
        for effect in effects:
            packet = effect.packet
            if packet.packet_type is PacketType.AGENT_DETAILS:
                self.registrations.answer(packet.data.get("request_id"), effect.text)
            elif packet.packet_type is PacketType.UPDATE_STATUS:
                self.send_status(packet.subject_id)
            else:
                self.live.send(packet.subject_id)

    def send_status(self, agent_id: str) -> None:
        """Send an agent's status to all its sockets."""
        agent = self.store.agent(agent_id)
        if agent is None:
            return
        self.hub.send_status(agent_id, agent.status)
        if not agent.is_active:
            self.live.forget(agent_id)

    # Timers

    def _await_operator(self) -> None:
        seconds = self.config.operator_absence_in_seconds
        if seconds is not None and not self._is_finishing:
            self._deadline.set(seconds, lambda: self._end(Exit.OPERATOR_AWAY))

    def _on_departure(self, agent_id: str) -> None:
        agent = self.store.agent(agent_id)
        if agent is not None and agent.is_active:
            self._departed.put_nowait(agent_id)

    async def _write_departure(self, agent_id: str) -> None:
        message = message_of(Packet(PacketType.AGENT_DISCONNECTED, agent_id, {}))
        try:
            await self.store.run(lambda txn: txn.post(message))
        except (DatabaseError, InboxClosed) as error:
            log.error("That an agent left could not be saved, and is tried again later: %s", error)
            self.departures.seen(agent_id)
