"""Live messages that go ahead of the disk: a conversation should not wait for commits.

A worker's live message is sent to the operator twice: at once, and in its place in the inbox, from which it is
recorded. The first way is a matter of speed alone. What does not come by it comes by the other, and what came by both
is known by its ``update_id``. So that nothing is heard out of order, a message goes ahead only with the name of the one
before it, and counts only for an operator who has that one already. The operator's live messages to a worker travel
likewise (`Hub.send_ahead`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from mephisto_nb.errors import DatabaseError
from mephisto_nb.router.inbox import writes
from mephisto_nb.router.inbox.store import Store
from mephisto_nb.router.inbox.writes import Effect, Message
from mephisto_nb.router.intake.quota import DiskQuota
from mephisto_nb.router.operator.link import CurrentLink
from mephisto_nb.router.rules import InboxClosed, SubmissionResult
from mephisto_nb.router.workers.hub import Hub

#: So many messages of one agent are remembered; its later ones do not go ahead.
MOST_KNOWN = 5000
LONGEST_ID = 64


@dataclass(slots=True)
class _LiveMessagesOfOne:
    last: str | None = None
    known: set[int] = field(default_factory=set)


class LiveOrder:
    """What of each agent's live messages may go ahead, and behind which; pure bookkeeping.

    Parameters
    ----------
    strangers
        Agents whose earlier messages are not known here, because another router process took them: a page may
        send them again, and only the disk knows that it did.
    """

    def __init__(self, strangers: Iterable[str] = ()) -> None:
        self._strangers = frozenset(strangers)
        self._agents: dict[str, _LiveMessagesOfOne] = {}

    def note(self, agent_id: str, update_id: str | None) -> str | None:
        """Note a live message; return the id of the one before it, or None where it has to wait for the disk."""
        agent = self._agents.setdefault(agent_id, _LiveMessagesOfOne())
        if update_id is None or len(update_id) > LONGEST_ID:
            agent.last = None
            return None
        if hash(update_id) in agent.known:
            return None  # a repetition, which the disk drops
        before, agent.last = agent.last, update_id
        if agent_id in self._strangers or len(agent.known) >= MOST_KNOWN:
            return None
        agent.known.add(hash(update_id))
        return before

    def forget(self, agent_id: str) -> None:
        """Forget an agent who is no longer at work."""
        self._agents.pop(agent_id, None)


class LiveMessages:
    """What workers and task code say to each other: at once where that may be, and from the disk in any case.

    Parameters
    ----------
    store
        The inbox that a worker's messages are written into, and the outbox of those to workers.
    quota
        How much of the disk a worker may take.
    link
        How the operator hears of a message at once.
    hub
        The sockets of workers.
    """

    def __init__(self, store: Store, quota: DiskQuota, link: CurrentLink, hub: Hub) -> None:
        self._store, self._quota, self._link, self._hub = store, quota, link, hub
        # Of the agents in the database another process took the messages: only the disk knows them.
        self._order = LiveOrder(store.mirror.agents)

    async def take(self, agent_id: str, update_id: str | None, message: Message) -> None:
        """Take a worker's message: send it to the operator at once if that may be, and write it into the inbox.

        Raises
        ------
        Refused
            The worker has no room for it.
        DatabaseError, InboxClosed
            It could not be written.
        """
        with self._quota.claim(agent_id) as claim:
            message = claim.add(message)
            link, before = self._link.now, self._order.note(agent_id, update_id)
            if link is not None and before is not None:
                await link.send_ahead(before, message.text)
            try:
                result = await self._store.run(lambda txn: writes.live_update(txn, agent_id, update_id, message))
            except (DatabaseError, InboxClosed):
                if link is not None and before is not None:
                    link.report_missed(agent_id, update_id)
                raise
            if result is SubmissionResult.TAKEN:
                claim.keep()

    def send(self, agent_id: str) -> None:
        """Send an agent's updates that are not confirmed yet to its newest socket."""
        waiting = self._store.mirror.outbox.get(agent_id)
        if waiting:
            self._hub.send_updates(agent_id, waiting.values(), asyncio.get_running_loop().time())

    def send_ahead(self, after: str, update: Effect) -> None:
        """Send a page an update that is not committed yet; it is sent again once it is, if need be."""
        outbox = self._store.mirror.outbox
        self._hub.send_ahead(after, update, outbox.get(update.packet.subject_id, ()))

    def forget(self, agent_id: str) -> None:
        """Forget what went ahead of an agent who is no longer at work."""
        self._order.forget(agent_id)
