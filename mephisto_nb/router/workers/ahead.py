"""Live messages that go ahead of the disk: a conversation should not wait for commits.

A worker's live message is told to the operator twice: at once, and in its place in the inbox, from which it is
recorded. The first way is a matter of speed alone. What does not come by it comes by the other, and whatever
came by both is known by its ``update_id``. So that nothing is heard out of order, a message goes ahead only with
the name of the one before it, and counts only for someone who has that one already. The operator's live messages
to a worker travel likewise (`hub.Hub.send_ahead`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

#: So many messages of one agent are remembered; its later ones do not go ahead.
MOST_KNOWN = 5000
LONGEST_ID = 64


@dataclass(slots=True)
class _Conversation:
    last: str | None = None
    known: set[int] = field(default_factory=set)


class Ahead:
    """What of each agent's live messages may go ahead, and behind which; pure bookkeeping.

    Parameters
    ----------
    strangers
        Agents whose earlier messages are not known here, because another router process took them: a page may
        send them again, and only the disk knows that it did.
    """

    def __init__(self, strangers: Iterable[str] = ()) -> None:
        self._strangers = frozenset(strangers)
        self._conversations: dict[str, _Conversation] = {}

    def note(self, agent_id: str, update_id: str | None) -> str | None:
        """Note a live message; give the id of the one before it, or None where it has to wait for the disk."""
        conversation = self._conversations.setdefault(agent_id, _Conversation())
        if update_id is None or len(update_id) > LONGEST_ID:
            conversation.last = None
            return None
        if hash(update_id) in conversation.known:
            return None  # a repetition, which the disk drops
        before, conversation.last = conversation.last, update_id
        if agent_id in self._strangers or len(conversation.known) >= MOST_KNOWN:
            return None
        conversation.known.add(hash(update_id))
        return before

    def forget(self, agent_id: str) -> None:
        """Forget an agent who is no longer at work."""
        self._conversations.pop(agent_id, None)
