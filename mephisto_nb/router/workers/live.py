"""Live messages in both directions: at once where that may be, and from the disk in any case."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mephisto_nb.router.http.answers import Refused
from mephisto_nb.router.inbox import writes
from mephisto_nb.router.inbox.writes import Effect, Message
from mephisto_nb.router.workers.ahead import Ahead

if TYPE_CHECKING:
    from mephisto_nb.router.core import Router


class LiveMessages:
    """What workers and task code say to each other.

    Parameters
    ----------
    router
        Whose store, link and sockets they travel by.
    """

    def __init__(self, router: Router) -> None:
        self._router, self._ahead = router, Ahead()

    def start(self) -> None:
        """Note whose earlier messages another process took: only the disk knows them."""
        self._ahead = Ahead(self._router.store.mirror.agents)

    async def take(self, agent_id: str, update_id: str | None, message: Message) -> None:
        """Take a worker's message: tell the operator at once if that may be, and write it into the inbox."""
        with self._router.quota.claim(agent_id) as claim:
            claim.add(message)
            link, before = self._router.link, self._ahead.note(agent_id, update_id)
            if link is not None and before is not None:
                await link.send_ahead(before, message.text)
            try:
                await claim.store(self._router.write, lambda txn: writes.live_update(txn, agent_id, update_id, message))
            except Refused:
                if link is not None and before is not None:
                    link.tell_missed(agent_id, update_id)
                raise

    def send(self, agent_id: str) -> None:
        """Send an agent's updates that are not confirmed yet to its newest socket."""
        waiting = self._router.store.mirror.outbox.get(agent_id)
        if waiting:
            self._router.hub.send_updates(agent_id, waiting.values(), asyncio.get_running_loop().time())

    def send_ahead(self, after: str, update: Effect) -> None:
        """Send a page an update that is not committed yet; it is sent again once it is, if need be."""
        outbox = self._router.store.mirror.outbox
        self._router.hub.send_ahead(after, update, outbox.get(update.packet.subject_id, ()))

    def forget(self, agent_id: str) -> None:
        """Forget what went ahead of an agent who is no longer at work."""
        self._ahead.forget(agent_id)
