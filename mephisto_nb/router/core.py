"""The router itself: its parts, made of each other in one place, and what leads to its end."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from enum import IntEnum
from functools import partial

from mephisto_nb.errors import DatabaseError
from mephisto_nb.model.packets import SYSTEM_SUBJECT, Packet, PacketType
from mephisto_nb.router.config import RouterConfig
from mephisto_nb.router.deadlines import Deadline, Departures, Vigil
from mephisto_nb.router.folder import RunFolder
from mephisto_nb.router.health import Health
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.inbox.writes import Effect, message_of, stay, tell_absences, tidy, try_out
from mephisto_nb.router.intake.desk import Desk
from mephisto_nb.router.intake.naming import Roll
from mephisto_nb.router.intake.quota import DiskQuota
from mephisto_nb.router.intake.shares import Shares
from mephisto_nb.router.operator.link import CurrentLink, OperatorLink
from mephisto_nb.router.rules import InboxClosed
from mephisto_nb.router.workers.fast_path import LiveMessages
from mephisto_nb.router.workers.hub import Hub, Registrations
from mephisto_nb.utils import steady_time

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
        Called with the reason when the process shall end; it may be called again, before the process has ended.
    note_closed
        Called in `run`, with since when it is (epoch seconds), once the run is over and this goes on only to say so.
    folder
        The run's directory, which is looked after.
    room
        How much the disk has left for what workers send (bytes).

    Attributes
    ----------
    hub, registrations
        Which worker is connected, and which waits for an agent.
    roll
        Who is known here.
    shares
        What one person may have of all.
    desk
        Where large texts are read and written.
    quota
        How much of the disk is taken.
    departures
        Which agent has given no sign of life for too long.
    vigil
        Whether this process itself was there all the time.
    health
        What is wrong with the store, the directory and the process.
    live
        The live messages in both directions.
    """

    def __init__(
        self,
        config: RouterConfig,
        store: Store,
        link: CurrentLink,
        end: Callable[[Exit], None],
        note_closed: Callable[[float], Awaitable[None]] | None = None,
        folder: RunFolder | None = None,
        room: float = math.inf,
    ) -> None:
        self.config, self.store, self.link = config, store, link
        self.shares = Shares(config.worker_share, config.limits, self._person_of, time.monotonic)
        self.roll = Roll(store.agent, is_complete=folder is None or folder.is_new)
        self.hub = Hub(config.limits.sockets_per_agent, link.report_presence, self.shares, config.limits.sockets)
        self.registrations = Registrations(config.limits.pending_requests, self.shares)
        self.desk = Desk(self.shares.spent, self.shares.person_of)
        self.quota = DiskQuota(config.limits, store.mirror.stored, self.shares, room)
        self.departures = Departures(config.disconnect_after, self._on_departure)
        self.live = LiveMessages(store, self.quota, link, self.hub)
        self._end, self._note_closed = end, note_closed
        self._deadline = Deadline()
        self._is_finishing = False
        self._unwritten: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._absences: list[tuple[float, float]] = []
        #: Held while they are written: until then nobody knows whether they are.
        self._telling = asyncio.Lock()
        self.vigil = Vigil(store.last_here, self._on_absence)
        self.health = Health(
            store, folder, config.limits, self._write_now, link.report_troubles, lambda: self._end(Exit.LOCKED)
        )

    # Life

    def start(self) -> None:
        """Start the timers: for an operator who never comes, and for agents who had a socket before a restart."""
        self.vigil.begin()
        self.health.begin()
        self._await_operator()
        for agent in self.store.mirror.agents.values():
            if agent.linked and agent.is_active:
                self.departures.seen(agent.agent_id)

    async def run(self) -> None:
        """Write down who has left, and when nobody could reach us, and look how we are, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.health.run())
            group.create_task(self._write_all())

    def write_later(self, write: Callable[[], Awaitable[None]]) -> None:
        """Have `run` write something down, after what is to be written already. What it raises goes to the log."""
        self._unwritten.put_nowait(write)

    async def _write_all(self) -> None:
        while True:
            write = await self._unwritten.get()
            try:
                await write()
            except Exception:  # what comes after it is written nevertheless
                log.exception("Something could not be written down.")

    def stop(self) -> None:
        """Stop the timers, and send away the requests that wait for an agent."""
        self.vigil.end()
        self.health.end()
        self._deadline.cancel()
        self.departures.close()
        self.registrations.stop()

    def finish(self, linger: float) -> None:
        """End the run: refuse new workers at once, say that the task is closed, and end after `linger` seconds."""
        log.info("The run is over; the router ends in %s seconds.", linger)
        self._is_finishing = True
        self.registrations.end_run()
        self.vigil.end()
        self.health.end()
        self.hub.closed_at = closed_at = steady_time.now()
        for agent_id in self.hub.present():
            self.send_status(agent_id)
        self._deadline.set(linger, lambda: self._end(Exit.DONE))
        if linger > 0 and self._note_closed is not None:
            self.write_later(partial(self._note_closed, closed_at))

    def _person_of(self, agent_id: str) -> str:
        agent = self.store.agent(agent_id)
        return f"worker {agent.person}" if agent is not None and agent.person else f"agent {agent_id}"

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
        if agent is None or not agent.is_active:
            return
        if self.vigil.look():
            self.departures.seen(agent_id)  # nobody could give a sign of life until now
        else:
            self.write_later(partial(self._write_departure, agent_id))

    def _on_absence(self, since: float, until: float) -> None:
        log.info("Nobody could reach the router for %.0f seconds.", until - since)
        self.departures.begin_anew()
        self._absences.append((since, until))
        self.write_later(self.write_absences)

    async def _write_departure(self, agent_id: str) -> None:
        message = message_of(Packet(PacketType.AGENT_DISCONNECTED, agent_id, {}))
        try:
            await self.store.run(lambda txn: txn.post(message))
        except (DatabaseError, InboxClosed) as error:
            log.error("That an agent left could not be saved, and is tried again later: %s", error)
            self.departures.seen(agent_id)

    async def write_absences(self) -> None:
        """Write down when nobody could reach us. Called by the operator's socket before it says how far the inbox goes.

        Deadlines stand still for such a time; whoever decides about one has to know of it first.
        """
        self.vigil.look()
        async with self._telling:
            await self._write_absences()

    async def _write_absences(self) -> None:
        absences, self._absences = self._absences, []
        told = [{"since": since, "until": until} for since, until in absences]
        messages = [message_of(Packet(PacketType.ROUTER_AWAY, SYSTEM_SUBJECT, data)) for data in told]
        if not messages:
            return
        try:
            await self.store.run(lambda txn: tell_absences(txn, messages, absences[-1][1]))
        except InboxClosed:
            pass  # the run is over: no deadline is left to stand still
        except DatabaseError as error:
            log.error("That nobody could reach the router could not be saved, and is tried again later: %s", error)
            self._absences = absences + self._absences

    async def _write_now(self) -> None:
        """Write down that the router is here, for the next one; and so find out whether anything can be written.

        Not before it is written when nobody could reach it: the next one could no longer tell.
        """
        await self.write_absences()
        if self._absences:
            return
        now = steady_time.now()
        try:
            await self.store.run(lambda txn: stay(txn, now))
            if size := self.store.failed_size:  # only what is as large says whether all is well again
                await self.store.run(lambda txn: try_out(txn, size))
                await self.store.run(tidy)
        except DatabaseError as error:
            log.error("That the router is here could not be saved: %s", error)
