"""What goes out to a router: frames of a bounded size, in order; what is too large for one is set aside and reported.

A packet that can never be sent must not hold up those behind it: its number goes out with something small in its place,
and the researcher is told. Nothing is sent for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import DatabaseError, RouterError
from mephisto_nb.kernel.writer import FIRST, MOST
from mephisto_nb.model.packets import LARGEST_FRAME, MADE_ANEW, SHARED_FRAME, Packet, PacketType
from mephisto_nb.model.records import Agent
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.too_large import TOO_LARGE, say_size
from mephisto_nb.utils.ids import new_id
from mephisto_nb.utils.logging import get_logger

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.kernel.worker_pool import WorkerPool
    from mephisto_nb.ports.architect import Channel
    from mephisto_nb.ports.clock import Clock, Timer

logger = get_logger(__name__)

#: How many packets go into one frame at most.
_MOST = 200
#: What a frame takes besides its packets, and each packet besides its text (bytes).
_AROUND, _EACH = 1024, 32
#: The largest packet that a frame can hold.
LARGEST_PACKET = LARGEST_FRAME - _AROUND
#: Of a live message that is too large, this much of each value is kept (characters), and so many values.
_KEPT, _MOST_KEPT = 200, 20
#: For how many packets at once the rows are read that were not stored with them.
_READ_AHEAD = 20
#: A packet whose row cannot be read for so long (seconds), while others can, is given up.
_LOST_AFTER = 60.0
#: What a worker reads in the place of what could not be made.
_FAILED = "Something went wrong on our side. It is not your fault, and the researcher has been told."

_REMEDY = "Send less at once, or put what is large into files of extra_source_dir."


def next_frame(outbox: Iterable[tuple[int, Packet]], sent_n: int) -> list[tuple[int, Packet]]:
    """Return the packets after number `sent_n` that go into the next frame, with their numbers; none: all are sent.

    There is always room for one packet: what is too large even for a frame of its own is here as it is.
    """
    frame: list[tuple[int, Packet]] = []
    size = 0
    for n, packet in outbox:
        if n <= sent_n:
            continue
        size += len(packet.to_text()) + _EACH
        if frame and (size > SHARED_FRAME or len(frame) == _MOST):
            break
        frame.append((n, packet))
    return frame


def stand_in(packet: Packet, why: str = TOO_LARGE, code: str = "too_large") -> Packet:
    """Return what is sent in the place of a packet that cannot be: whoever waits for it waits no longer.

    `why` is what the worker reads, and `code` what a program does.
    """
    if packet.packet_type is PacketType.AGENT_DETAILS:
        nothing: JSONObject = dict.fromkeys(("worker_id", "agent_id", "status", "init_task_data"))
        refusal = {"failure_reason": why, "failure_code": code}
        return Packet(packet.packet_type, packet.subject_id, {"request_id": packet.subject_id, **nothing, **refusal})
    small = {
        key: value for key, value in list(packet.data.items())[:_MOST_KEPT] if len(key) <= _KEPT and _is_small(value)
    }
    small.pop("id", None)  # it says what it is, and this is something else
    return Packet(packet.packet_type, packet.subject_id, {**small, "text": why, "left_out": True})


def _is_small(value: JSON) -> bool:
    return not isinstance(value, dict | list) and len(str(value)) <= _KEPT


class Sender:
    """Sends by one channel after the other what is new in a run's outbox, and how much of its inbox was handled.

    Parameters
    ----------
    engine
        The run.
    pool
        Makes a packet whole of which a part was not stored.
    clock
        What time it is.
    tell
        Called with why nothing can be sent though there is a channel; None: it can again.
    """

    def __init__(
        self, engine: RunEngine, pool: WorkerPool, clock: Clock, tell: Callable[[str | None], None] = lambda why: None
    ) -> None:
        self._engine, self._pool, self._clock, self._tell = engine, pool, clock, tell
        self._sent_n = self._acknowledged_seq = 0
        #: What is sent in the place of packets that come next in the outbox, by their numbers.
        self._made: dict[int, Packet] = {}
        #: Whether we wait until what could not be read is tried again, for how long, and what wakes us then.
        self._is_waiting, self._pause = False, 0.0
        self._again: Timer | None = None
        #: What was logged of it: not at each try.
        self._warned = ""
        #: The packet that cannot be made because of what the database says, and since when.
        self._unread: tuple[int, float] | None = None
        self._reported: set[int] = set()
        self._sync_wanted = False
        self._wake = asyncio.Event()
        #: Whether the run is about to end: the router is told to take nothing more.
        self.is_settling = False
        #: How those go back who come afterwards; None: they are told that it is over.
        self.late_exit: JSONObject | None = None

    def go_on_from(self, n: int, seq: int) -> None:
        """Note what the router of a new channel has of our packets, and knows that we have of its messages."""
        self._sent_n, self._acknowledged_seq = n, seq
        self._made.clear()  # their numbers may be others' now

    def wake(self) -> None:
        """Send what there is."""
        self._wake.set()

    def request_sync(self) -> None:
        """Ask the router how far its inbox goes."""
        self._sync_wanted = True
        self._wake.set()

    async def keep_sending(self, channel: Channel) -> None:
        """Send what there is whenever there is more, until the channel breaks.

        However it ends, the channel is closed with it: the receiving side notices, and another one is opened.

        Raises
        ------
        RouterError
            Something failed that nobody has foreseen.
        """
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._send_all(channel)
        except RouterError:
            await channel.close()
        except Exception as error:
            logger.exception("nothing more can be sent by this channel of run %s", self._engine.task_run_id)
            with suppress(Exception):
                await channel.close()
            raise RouterError(f"Sending to the router has failed: {error!r}.") from error

    async def _send_all(self, channel: Channel) -> None:
        if self._sync_wanted:
            self._sync_wanted = False
            outbox = self._engine.outbox
            late = self.late_exit if self.is_settling else None
            await channel.request_sync(outbox[-1][0] if outbox else 0, last=self.is_settling, late_exit=late)
        if not self._is_waiting:
            try:
                await self._send_effects(channel)
            except DatabaseError as error:
                self._wait(error)  # and meanwhile the rest goes on: the router is asked for signs of life, say
        last_seq = self._engine.committed_seq
        if last_seq > self._acknowledged_seq:
            self._acknowledged_seq = last_seq
            await channel.acknowledge(last_seq)

    async def _send_effects(self, channel: Channel) -> None:
        while True:
            while frame := next_frame(self._ready(), self._sent_n):
                self._sent_n = frame[-1][0]
                for n, _ in frame:
                    self._made.pop(n, None)
                await channel.send_effects(frame)
                await asyncio.sleep(0)  # a channel that has room does not wait: let others have their turn
            if not await self._make_some():
                break
        self._pause, self._unread, self._warned = 0.0, None, ""
        self._tell(None)

    def _ready(self) -> Iterator[tuple[int, Packet]]:
        """Return what is still to be sent, as far as it is whole; what an earlier kernel stored may not be."""
        for n, packet in self._engine.outbox:
            if n <= self._sent_n:
                continue
            if n not in self._made and MADE_ANEW in packet.data:
                return
            yield n, self._made.get(n) or self._sendable(n, packet)

    async def _make_some(self) -> bool:
        """Make the next packets whole of which a part is elsewhere, as many as share a frame; return False at the end.

        Raises
        ------
        DatabaseError
            What they need cannot be read now.
        """
        waiting = (item for item in self._engine.outbox if item[0] > self._sent_n)
        some = [
            item for item in islice(waiting, _READ_AHEAD) if MADE_ANEW in item[1].data and item[0] not in self._made
        ]
        if not some:
            return False
        try:
            await self._pool.fetch_left_out(self._engine.state, [packet for _, packet in some])
        except DatabaseError:  # one row may be damaged, and those before it are not
            await self._make_first(*some[0])
            return True
        except Exception:
            logger.exception("rows could not be read ahead")  # each is tried by itself now
        size = 0
        for n, packet in some:
            try:
                self._made[n] = self._sendable(n, packet)
            except DatabaseError:
                if size == 0:
                    await self._make_first(n, packet)
                break
            size += len(self._made[n].to_text())
            if size > SHARED_FRAME:
                break
        return True

    async def _make_first(self, n: int, packet: Packet) -> None:
        """Make the next packet whole, or what is sent in its place where its row alone cannot be read, for good."""
        try:
            await self._pool.fetch_left_out(self._engine.state, [packet])
            self._made[n] = self._sendable(n, packet)
        except DatabaseError as error:
            if not await self._is_lost(n):
                raise
            self._give_up(n, packet, f"its row cannot be read, while others can: {error}")

    async def _is_lost(self, n: int) -> bool:
        """Return whether a packet could not be read for long, though the database gives what else it is asked for."""
        now = self._clock.now()
        if self._unread is None or self._unread[0] != n:
            self._unread = n, now
        if now < self._unread[1] + _LOST_AFTER:
            return False
        try:
            await self._pool.read_facts(list(islice(self._engine.state.worker_names.values(), 1)))
        except DatabaseError:
            return False
        return True

    def _wait(self, error: DatabaseError) -> None:
        """Try again later what could not be read: nothing is left out because of a disk that does not answer."""
        self._pause = min(MOST, 2 * self._pause) or FIRST
        if self._again is not None:
            self._again.cancel()
        self._is_waiting, self._again = True, self._clock.call_at(self._clock.now() + self._pause, self._try_again)
        if self._warned != str(error):
            self._warned = str(error)
            logger.warning("what a page waits for cannot be read: %s", error)
        self._tell(f"What workers' pages wait for cannot be read, so nothing is sent to them until it can. {error}")

    def _try_again(self) -> None:
        self._is_waiting = False
        self.wake()

    def _sendable(self, n: int, packet: Packet) -> Packet:
        """Return a packet whole, or what is sent in its place: none may hold up those behind it for ever."""
        try:
            if MADE_ANEW in packet.data:
                packet = self._pool.complete(Step(self._engine.state, self._clock.now(), new_id), packet)
            size = len(packet.to_text())
        except DatabaseError:
            raise
        except (Exception, SystemExit) as error:  # a blueprint's code, or a task's
            logger.exception("a packet could not be made")
            return self._give_up(n, packet, f"it could not be made: {error!r}")
        if size <= LARGEST_PACKET:
            return packet
        self._report(n, partial(self._report_size, packet=packet, size=size))
        self._made[n] = stand_in(packet)
        return self._made[n]

    def _give_up(self, n: int, packet: Packet, why: str) -> Packet:
        """Return what is sent in the place of a packet that cannot be made, and report it."""
        self._report(n, partial(self._report_unmade, packet=packet, why=why))
        self._made[n] = stand_in(packet, _FAILED, "not_made")
        return self._made[n]

    def _report(self, n: int, rule: Callable[[Step], None]) -> None:
        if n not in self._reported:  # it is sent again after a break
            self._reported.add(n)
            self._engine.do_soon(rule)

    def _report_unmade(self, step: Step, packet: Packet, why: str) -> None:
        _report(step, packet, why, None)
        agent = step.state.agents.get(str(packet.data.get("agent_id")))
        if packet.packet_type is PacketType.AGENT_DETAILS and agent is not None:
            self._pool.set_aside_unmade(step, agent)

    def _report_size(self, step: Step, packet: Packet, size: int) -> None:
        agent = step.state.agents.get(str(packet.data.get("agent_id")))
        if packet.packet_type is PacketType.AGENT_DETAILS and agent is not None:
            self._pool.set_aside(step, agent, size)
        else:
            _report(step, packet, f"{say_size(size)}. {_REMEDY}", {"bytes": size})


def _report(step: Step, packet: Packet, why: str, detail: JSONObject | None) -> None:
    """Tell the researcher that something was not sent, to whom, and what to do."""
    agent_id = str(packet.data.get("agent_id") or packet.subject_id)
    agent = step.state.agents.get(agent_id) or step.state.gates.onboarding.get(agent_id)
    who = f"the page of {agent_id}"
    if agent is not None:
        name = step.state.worker_names.get(agent.worker_id, agent.worker_id)
        at = f"unit {agent.unit_id}" if isinstance(agent, Agent) else "at the introduction"
        who = f"the page of worker {name!r} ({at})"
    told = f"{packet.packet_type.value} to {who} was not sent: {why}"
    what = "not sent" if detail is None else "not sent: too large"
    step.log("agent", agent_id, None, None, what, "operator", {**(detail or {}), "why": told})
    # Of one kind the latest is shown, with how many there were: an introduction is too large for everybody.
    step.failures.append((f"not sent: {packet.packet_type.value}", told))
