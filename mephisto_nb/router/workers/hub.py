"""Who is connected, and who waits: the workers' sockets by agent, and the open requests for an agent.

No I/O: sockets only queue, and requests wait for a future.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeAlias

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.router import codec
from mephisto_nb.router.http.answers import Refused, run_over
from mephisto_nb.router.inbox.writes import Effect, Outgoing
from mephisto_nb.router.intake.shares import Shares
from mephisto_nb.router.rules import TokenBucket, late_way_back

#: A live update counts as delivered when a heartbeat comes this much later on the same socket, in seconds.
CONFIRMED_AFTER = 5.0

#: The packet that answers a request for an agent, as JSON text; or why there is none.
Answer: TypeAlias = "asyncio.Future[str]"


class WorkerSocket:
    """What the hub knows of one socket.

    Parameters
    ----------
    queue
        Takes one text frame to send.
    close
        Closes the socket with this code.
    bucket
        How much it may send.

    Attributes
    ----------
    agent_id
        The agent that it speaks for, once it has said so.
    person
        Whose that agent is, as far as it is counted.
    sent
        The live updates that went out here and are not confirmed: their ids, and when.
    ahead
        The live updates that went out here and are not on the disk yet.
    newest_update
        The live update that went out here last.
    """

    def __init__(self, queue: Callable[[str], None], close: Callable[[int], None], bucket: TokenBucket) -> None:
        self.agent_id: str | None = None
        self.person: str | None = None
        self.sent: dict[int, float] = {}
        self.ahead: set[str] = set()
        self.newest_update: str | None = None
        self.queue, self.close, self.bucket = queue, close, bucket

    def confirmed(self, now: float) -> set[int]:
        """Take out the live updates that a heartbeat confirms now."""
        ids = {id_ for id_, at in self.sent.items() if now - at >= CONFIRMED_AFTER}
        for id_ in ids:
            del self.sent[id_]
        return ids


class Hub:
    """The open sockets of all agents, in the order in which they were bound: the last one is the newest."""

    def __init__(
        self,
        per_agent: int,
        on_presence: Callable[[str, bool], None],
        shares: Shares | None = None,
        of_all: int = 0,
    ) -> None:
        self._per_agent, self._on_presence = per_agent, on_presence
        self._shares, self._of_all = shares, of_all
        self._by_person: dict[str, list[WorkerSocket]] = {}
        self._sockets: dict[str, list[WorkerSocket]] = {}
        self.open_sockets = 0
        #: When the run was over (epoch seconds); None: it is not.
        self.closed_at: float | None = None

    def present(self) -> dict[str, bool]:
        """Return the agents that have a socket."""
        return dict.fromkeys(self._sockets, True)

    def bind(self, socket: WorkerSocket, agent_id: str) -> None:
        """Make `socket` the newest of `agent_id`."""
        if socket.agent_id != agent_id:
            self.unbind(socket)
        sockets = self._sockets.setdefault(agent_id, [])
        if socket in sockets:
            sockets.remove(socket)
        sockets.append(socket)
        if socket.agent_id != agent_id:
            socket.agent_id = agent_id
            if len(sockets) == 1:
                self._on_presence(agent_id, True)
        if len(sockets) > self._per_agent:
            sockets[0].close(1008)
            self.unbind(sockets[0])
        self._count(socket)

    def _count(self, socket: WorkerSocket) -> None:
        """Close a person's oldest socket where there are too many, over all of the person's agents."""
        if self._shares is None or socket.agent_id is None or socket.person is not None:
            return
        socket.person = self._shares.person_of(socket.agent_id)
        others = self._by_person.setdefault(socket.person, [])
        others.append(socket)
        if len(others) > self._shares.of(self._of_all):
            oldest = others[0]
            oldest.close(1008)
            self.unbind(oldest)

    def unbind(self, socket: WorkerSocket) -> str | None:
        """Forget a socket; return the agent whose last one it was."""
        agent_id, socket.agent_id = socket.agent_id, None
        person, socket.person = socket.person, None
        if person is not None:
            self._by_person[person].remove(socket)
            if not self._by_person[person]:
                del self._by_person[person]
        socket.sent.clear()
        socket.ahead.clear()
        socket.newest_update = None
        if agent_id is None:
            return None
        sockets = self._sockets[agent_id]
        sockets.remove(socket)
        if sockets:
            return None
        del self._sockets[agent_id]
        self._on_presence(agent_id, False)
        return agent_id

    def newest(self, agent_id: str) -> WorkerSocket | None:
        """Return the socket that gets an agent's messages."""
        sockets = self._sockets.get(agent_id)
        return sockets[-1] if sockets else None

    def send_status(self, agent_id: str, status: AgentStatus) -> None:
        """Send an agent's status to all its sockets."""
        text = self.status_text(agent_id, status)
        for socket in list(self._sockets.get(agent_id, ())):
            socket.queue(text)

    def status_text(self, agent_id: str, status: AgentStatus) -> str:
        """Return the packet that tells an agent's status, and since when the run is over, as JSON text."""
        data: JSONObject = {"status": status.value}
        if self.closed_at is not None:
            data["closed_at"] = self.closed_at
        return codec.dump(Packet(PacketType.UPDATE_STATUS, agent_id, data).to_dict())

    def send_updates(self, agent_id: str, updates: Iterable[Outgoing], now: float) -> None:
        """Send live updates to an agent's newest socket, except those that went out there already."""
        socket = self.newest(agent_id)
        if socket is None:
            return
        for update in updates:
            if update.id in socket.sent:
                continue
            socket.sent[update.id] = now
            if update.update_id in socket.ahead:
                socket.ahead.remove(update.update_id)
            else:
                socket.newest_update = update.update_id
                socket.queue(update.text)

    def send_ahead(self, after: str, update: Effect, waiting: Iterable[int]) -> None:
        """Send a live update before it is on the disk, if nothing that comes before it is still to be sent.

        Parameters
        ----------
        after
            The id of the update before it.
        waiting
            The agent's updates that are on the disk and not confirmed.
        """
        socket = self.newest(update.packet.subject_id)
        if socket is None or socket.newest_update != after or any(id_ not in socket.sent for id_ in waiting):
            return
        socket.newest_update = update.packet.data["update_id"]
        socket.ahead.add(update.packet.data["update_id"])
        socket.queue(update.text)


class Registrations:
    """The requests for an agent that wait for the operator's answer.

    They are open, then over (each is refused kindly, because the run has ended) or stopped (each is asked to try
    again, because this process ends).
    """

    def __init__(self, limit: int, shares: Shares | None = None) -> None:
        self._limit, self._of_one = limit, limit if shares is None else shares.of(limit)
        self._waiting: dict[str, Answer] = {}
        #: Whose each of them is, as they say themselves; the operator knows better, but only later.
        self._by_whom: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        #: Those who hold an agent already; of the others each may call itself anything.
        self._known: set[str] = set()
        self._came_by: dict[str, JSON] = {}
        self._late_exit: JSONObject | None = None
        self._stopped = False
        self.is_over = False

    def __len__(self) -> int:
        return len(self._waiting)

    def open(self, whom: str = "", *, is_known: bool = False, came_by: JSON = None) -> tuple[str, Answer]:
        """Begin to wait; return the id of the request, and what will hold its answer.

        Parameters
        ----------
        whom
            Who waits, as far as is known; '' where it is not.
        is_known
            Whether that is sure. Of the others, the one that waits longest gives way where there are too many, of one
            or of all: who comes last may be who they all say they are.
        came_by
            The parameters of the address that they came by, as they say themselves.

        Raises
        ------
        Refused
            Too many of this one are waiting already, or of all, and nobody gives way; or the router is about to end.
        """
        if self._stopped:
            raise _stopping()
        is_too_much = bool(whom) and self._counts[whom] >= self._of_one
        if is_too_much and (is_known or not self._make_way(whom)):
            raise _crowded()
        if len(self._waiting) >= self._limit and not self._make_way():
            raise _crowded()
        request_id = secrets.token_hex(16)
        answer: Answer = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        if whom:
            self._by_whom[request_id] = whom
            self._counts[whom] += 1
        if is_known:
            self._known.add(request_id)
        self._came_by[request_id] = came_by
        if self.is_over:
            self._say_over(request_id)
        return request_id, answer

    def answer(self, request_id: object, packet: str) -> None:
        """Hand the operator's answer to the request of this id, if it still waits."""
        waiting = self._waiting.get(request_id) if isinstance(request_id, str) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(packet)

    def is_waiting(self, request_id: str) -> bool:
        """Return whether a request still waits."""
        return request_id in self._waiting

    def close(self, request_id: str) -> None:
        """Wait no longer."""
        self._waiting.pop(request_id, None)
        self._came_by.pop(request_id, None)
        self._known.discard(request_id)
        whom = self._by_whom.pop(request_id, None)
        if whom is not None:
            self._counts[whom] -= 1
            if not self._counts[whom]:
                del self._counts[whom]

    def _make_way(self, whom: str = "") -> bool:
        """Send away who waits longest of those who could be anybody, or say they are one; return whether one did."""
        waiting = (one for one in self._waiting if not whom or self._by_whom.get(one) == whom)
        oldest = next((request_id for request_id in waiting if request_id not in self._known), None)
        if oldest is None:
            return False
        answer = self._waiting[oldest]
        if not answer.done():
            answer.set_exception(_GaveWay(*_CROWDED, retry_after=10))
            answer.exception()  # looked at: nobody may be there any more to do so
        self.close(oldest)
        return True

    @staticmethod
    def has_given_way(answer: Answer) -> bool:
        """Return whether a request was sent away for others: what it has asked for is not wanted any more."""
        return answer.done() and not answer.cancelled() and isinstance(answer.exception(), _GaveWay)

    def go_on(self) -> None:
        """Let people ask again: an operator goes on with the run."""
        self.is_over = False

    def end_run(self, late_exit: JSONObject | None = None) -> None:
        """Refuse every request from now on: the run is over. `late_exit` is how they go back, once that is known."""
        self.is_over = True
        self._late_exit = late_exit or self._late_exit
        for request_id in list(self._waiting):
            self._say_over(request_id)

    def _say_over(self, request_id: str) -> None:
        way_back = None if self._late_exit is None else late_way_back(self._late_exit, self._came_by.get(request_id))
        self.answer(request_id, codec.dump(run_over(request_id, way_back)))

    def stop(self) -> None:
        """Send every request away from now on: the router ends."""
        self._stopped = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_stopping())


class _GaveWay(Refused):
    """A request that was sent away, because others came."""


_CROWDED = 429, "busy", "Too many people are waiting at the moment. Please try again."


def _crowded() -> Refused:
    return Refused(*_CROWDED, retry_after=10)


def _stopping() -> Refused:
    return Refused(503, "router_stopping", "The server is restarting. Please try again in a moment.", retry_after=5)
