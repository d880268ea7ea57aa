"""The router itself: what its parts have in common, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from enum import IntEnum

from mephisto_nb._typing import JSONObject
from mephisto_nb.data_model.packets import Packet, PacketType
from mephisto_nb.errors import DatabaseError
from mephisto_nb.router.config import RouterConfig
from mephisto_nb.router.deadline import Deadline
from mephisto_nb.router.departures import Departures
from mephisto_nb.router.http.answers import RUN_OVER, RUN_OVER_TEXT, Refused, bad_request, store_failed
from mephisto_nb.router.inbox import writes
from mephisto_nb.router.inbox.store import Step, Store, T
from mephisto_nb.router.inbox.writes import Effect, Message
from mephisto_nb.router.intake.quota import Quota
from mephisto_nb.router.operator.link import OperatorLink
from mephisto_nb.router.rules import Agent, operator_state
from mephisto_nb.router.workers.hub import Hub
from mephisto_nb.router.workers.live import LiveMessages
from mephisto_nb.router.workers.registrations import Registrations

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
    """Everything that HTTP routes, worker sockets and the operator's link share.

    Parameters
    ----------
    config
        What the architect wrote.
    store
        The durable store; opened, and started by the server.
    end
        Called once, with the reason, when the process shall end.
    """

    def __init__(self, config: RouterConfig, store: Store, end: Callable[[Exit], None]) -> None:
        self.config, self.store = config, store
        self.hub = Hub(config.limits.sockets_per_agent, self._on_presence)
        self.registrations = Registrations(config.limits.pending_requests)
        self.quota = Quota(config.limits, store.mirror.stored)
        self.departures = Departures(config.disconnect_after, self._on_departure)
        self.live = LiveMessages(self)
        self.link: OperatorLink | None = None
        self._end = end
        self._deadline = Deadline()
        self._is_finishing = False
        self._departed: asyncio.Queue[str] = asyncio.Queue()
        store.on_message = self._on_message

    # Life

    def start(self) -> None:
        """Start the timers: for an operator who never comes, and for agents who had a socket before a restart."""
        self._await_operator()
        self.live.start()
        for agent in self.store.mirror.agents.values():
            if agent.linked and agent.is_active:
                self.departures.seen(agent.agent_id)

    async def run(self) -> None:
        """Write down who has left, until cancelled."""
        while True:
            agent_id = await self._departed.get()
            try:
                await self.post(PacketType.AGENT_DISCONNECTED, agent_id, {})
            except Refused:
                log.error("That an agent left could not be saved; it is tried again later.")
                self.departures.seen(agent_id)

    def stop(self) -> None:
        """Stop the timers, and let nobody wait any longer."""
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
        """Take `link` as the operator's; an older one is closed."""
        if self.link is not None:
            self.link.replace()
        self.link = link
        if not self._is_finishing:
            self._deadline.cancel()
            self.registrations.go_on()

    def link_closed(self, link: OperatorLink) -> None:
        """Note that `link` is gone."""
        if self.link is link:
            self.link = None
            self._await_operator()

    def operator_state(self) -> str:
        """Say how the operator is: ``here``, ``busy`` or ``away``."""
        if self.link is None:
            return operator_state(None, connected=False)
        return operator_state(self.link.waiting(), connected=True)

    def act(self, effects: Iterable[Effect]) -> None:
        """Carry out what the operator has decided, and what is committed."""
        for effect in effects:
            packet = effect.packet
            if packet.packet_type is PacketType.AGENT_DETAILS:
                self.registrations.answer(packet.data.get("request_id"), effect.text)
            elif packet.packet_type is PacketType.UPDATE_STATUS:
                self.send_status(packet.subject_id)
            else:
                self.live.send(packet.subject_id)

    # Agents and messages

    def agent(self, agent_id: str) -> Agent | None:
        """Give an agent, as it is on the disk."""
        return self.store.mirror.agents.get(agent_id)

    def message(self, packet_type: PacketType, subject_id: str, data: JSONObject) -> Message:
        """Make a message for the operator; raise `Refused` if it holds a number that JSON does not know."""
        try:
            return writes.message_of(Packet(packet_type, subject_id, data))
        except ValueError:
            raise bad_request("This holds a number that is too large.") from None

    async def write(self, step: Step[T]) -> T:
        """Run a step of the store; raise `Refused` if it could not be committed."""
        try:
            return await self.store.run(step)
        except writes.InboxClosed:
            raise Refused(409, RUN_OVER, RUN_OVER_TEXT) from None
        except DatabaseError as error:
            log.error("%s", error)
            raise store_failed() from error

    async def post(self, packet_type: PacketType, subject_id: str, data: JSONObject) -> int:
        """Write a message into the inbox; give its number."""
        message = self.message(packet_type, subject_id, data)
        return await self.write(lambda txn: txn.post(message))

    async def withdraw(self, seq: int) -> None:
        """Delete a message whose sender has gone, unless it was sent already."""
        if self.link is not None and self.link.has_sent(seq):
            return
        try:
            await self.write(lambda txn: writes.withdraw(txn, seq))
        except Refused:
            log.warning("A request stays in the inbox although its sender is gone.")

    def send_status(self, agent_id: str) -> None:
        """Tell all sockets of an agent how it stands."""
        agent = self.agent(agent_id)
        if agent is None:
            return
        self.hub.send_status(agent_id, agent.status)
        if not agent.is_active:
            self.live.forget(agent_id)

    # What the parts report

    def _on_message(self) -> None:
        if self.link is not None:
            self.link.wake()

    def _on_presence(self, agent_id: str, present: bool) -> None:
        if self.link is not None:
            self.link.tell_presence(agent_id, present)

    def _on_departure(self, agent_id: str) -> None:
        agent = self.agent(agent_id)
        if agent is not None and agent.is_active:
            self._departed.put_nowait(agent_id)

    def _await_operator(self) -> None:
        seconds = self.config.operator_absence_in_seconds
        if seconds is not None and not self._is_finishing:
            self._deadline.set(seconds, lambda: self._end(Exit.OPERATOR_AWAY))
