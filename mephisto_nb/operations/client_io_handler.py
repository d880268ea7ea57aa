"""The links to routers: what they receive becomes steps of the runs, and what steps decide goes out to workers.

A link that breaks is made again for as long as the run lasts, starting a dead router anew; both sides go on
from the last number that the other has acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from mephisto_nb.errors import LinkRefusedError, RouterError
from mephisto_nb.kernel.client_io_handler import Absence
from mephisto_nb.model.packets import Packet
from mephisto_nb.ports.architect import Architect
from mephisto_nb.ports.channel import Acknowledged, Ahead, Channel, Incoming, Messages, Missed, Presence, Synced
from mephisto_nb.ports.clock import Clock
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine

logger = get_logger(__name__)

#: How many packets go into one frame of a link.
_FRAME = 200
#: How long to wait before a broken link is tried again: the first time, and at most (seconds).
_BACKOFF = (0.1, 10.0)


class LiveListener(Protocol):
    """Who hears live messages before they are recorded: `live_agents.AgentKeeper`."""

    def heard_ahead(self, after: str, packet: Packet) -> None:
        """Hand on a live message, if the one called `after` was handed on last."""

    def missed(self, agent_id: str, update_id: str) -> None:
        """Wait no longer for the record of a message that went ahead."""

    def link_lost(self) -> None:
        """Wait no longer for the record of any message that went ahead; it comes by the next link."""


class ClientIOHandler:
    """The link of one run.

    Parameters
    ----------
    engine
        The run.
    architect
        Who knows where its router is.
    clock
        What time it is.
    """

    def __init__(self, engine: RunEngine, architect: Architect[Any], clock: Clock) -> None:
        self._engine, self._architect, self._clock = engine, architect, clock
        self._channel: Channel | None = None
        self._sent_n = 0
        self._acknowledged_seq = 0
        self._sync_wanted = self._is_settling = False
        self._send = asyncio.Event()
        self._news = asyncio.Condition()
        self._synced: int | None = None
        #: Why the router cannot be reached, if so.
        self.trouble: str | None = None
        #: When the kernel was last away, and what it caught up with.
        self.absence = Absence(begun=clock.now())
        #: Who is told when the link comes or goes, or a page does.
        self.listeners: list[Callable[[], None]] = []
        #: Which agents' pages are connected.
        self.present: set[str] = set()
        #: Since when there is no link, and how long the last break lasted (epoch seconds, seconds).
        self.away_since: float | None = clock.now()
        #: Who hears live messages at once.
        self.live: LiveListener | None = None
        engine.listeners.append(self._on_step)
        engine.request_sync = self._request_sync

    @property
    def is_connected(self) -> bool:
        """Whether the router can be talked to now."""
        return self._channel is not None

    async def run(self) -> None:
        """Keep the link up, for ever."""
        pause = _BACKOFF[0]
        while True:
            try:
                await self._architect.revive()
                await self._connect()
                pause = _BACKOFF[0]
                await self._serve()
            except LinkRefusedError:
                raise
            except RouterError as error:
                logger.debug("the link of run %s broke: %s", self._engine.task_run_id, error)
                if self._channel is None:
                    self.trouble = f"The router cannot be reached; what workers send waits in it. {error}"
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _BACKOFF[1])
            finally:
                await self._disconnect()

    async def settle(self, patience: float) -> None:
        """Wait until both sides have everything of each other; from then on the router takes nothing more.

        First the router hears that nobody is at work any more, so that it takes no more answers; then what it had
        taken until then is handled here.

        Raises
        ------
        RouterError
            There was no link, or the router did not take everything, within `patience` seconds.
        """
        self._is_settling = True
        try:
            async with asyncio.timeout(patience):
                await self._exchange_all()
        except TimeoutError:
            raise RouterError("the router did not take the last packets in time") from None

    async def _exchange_all(self) -> None:
        await self._wait_for(lambda: self._channel is not None and not self._engine.outbox)
        # Twice, because the first answer may be to a question that was asked before.
        for _ in range(2):
            self._synced = None
            self._request_sync()
            await self._wait_for(lambda: self._synced is not None)
            await self._engine.handled(self._synced or 0)

    async def finish(self, linger: float) -> None:
        """Tell the router that the run is over.

        Raises
        ------
        RouterError
            There is no link.
        """
        if self._channel is None:
            raise RouterError("there is no link to the router")
        await self._channel.finish(linger)

    async def send_ahead(self, after: str, packet: Packet) -> None:
        """Send a live update before it is committed, if there is a link."""
        if self._channel is not None:
            with contextlib.suppress(RouterError):  # noticed by the link's own tasks; the update follows by the next
                await self._channel.send_ahead(after, packet)

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        async with self._news:
            await self._news.wait_for(condition)

    async def _tell_news(self) -> None:
        async with self._news:
            self._news.notify_all()

    # -- one link --------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        channel = self._architect.get_channel()
        self._acknowledged_seq = self._engine.committed_seq
        try:
            last_n = await channel.connect(self._engine.committed_seq)
        except BaseException:
            await channel.close()
            raise
        self._engine.delivered(last_n)
        self._sent_n = last_n
        self._channel, self.away_since, self.trouble = channel, None, None
        self._tell_listeners()
        self._request_sync()
        await self._tell_news()

    async def _serve(self) -> None:
        channel = self._channel
        if channel is None:
            return
        sender = asyncio.create_task(self._keep_sending(channel), name="mephisto_nb-link-sender")
        try:
            async for incoming in channel.incoming():
                self._take(incoming)
                if not isinstance(incoming, Ahead):
                    await self._tell_news()
        finally:
            sender.cancel()
            await asyncio.wait({sender})
            if not sender.cancelled() and (error := sender.exception()):
                raise error

    def _take(self, incoming: Incoming) -> None:
        match incoming:
            case Ahead(after, packet) if self.live is not None:
                self.live.heard_ahead(after, packet)
            case Missed(agent_id, update_id) if self.live is not None:
                self.live.missed(agent_id, update_id)
            case Messages(received):
                self.absence.note(self._engine.receive(received), self._clock.now())
            case Acknowledged(n):
                self._engine.delivered(n)
            case Presence(agents):
                self.present.update(agent for agent, here in agents.items() if here)
                self.present.difference_update(agent for agent, here in agents.items() if not here)
                self._tell_listeners()
            case Synced(last_seq):
                self._synced = last_seq
                self._engine.clock_may_go_on(last_seq)

    async def _keep_sending(self, channel: Channel) -> None:
        try:
            while True:
                await self._send.wait()
                self._send.clear()
                await self._send_all(channel)
        except RouterError:
            await channel.close()  # the receiving side notices, and the link is made again

    async def _send_all(self, channel: Channel) -> None:
        if self._sync_wanted:
            self._sync_wanted = False
            await channel.request_sync(last=self._is_settling)
        while new := list(islice((item for item in self._engine.outbox if item[0] > self._sent_n), _FRAME)):
            self._sent_n = new[-1][0]
            await channel.send_effects(new)
        last_seq = self._engine.committed_seq
        if last_seq > self._acknowledged_seq:
            self._acknowledged_seq = last_seq
            await channel.acknowledge(last_seq)

    async def _disconnect(self) -> None:
        channel, self._channel = self._channel, None
        self.present.clear()
        if self.live is not None:
            self.live.link_lost()
        if self.away_since is None:
            self.away_since = self._clock.now()
        self._tell_listeners()
        if channel is not None:
            await channel.close()

    def _tell_listeners(self) -> None:
        for listener in self.listeners:
            listener()

    def _on_step(self, step: Step) -> None:
        self._send.set()

    def _request_sync(self) -> None:
        self._sync_wanted = True
        self._send.set()
