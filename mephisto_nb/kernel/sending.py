"""What goes out to a router: frames of a bounded size, in order; what is too large for one is set aside and reported.

A packet that can never be sent must not hold up those behind it: its number goes out with something small in its place,
and the researcher is told. Nothing is sent for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import RouterError
from mephisto_nb.model.packets import LARGEST_FRAME, SHARED_FRAME, Packet, PacketType
from mephisto_nb.model.records import Agent
from mephisto_nb.rules.arrivals import MADE_ANEW
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.too_large import TOO_LARGE, say_size
from mephisto_nb.utils import steady_time
from mephisto_nb.utils.ids import new_id

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.ports.architect import Channel

#: How many packets go into one frame at most.
_MOST = 200
#: What a frame takes besides its packets, and each packet besides its text (bytes).
_AROUND, _EACH = 1024, 32
#: The largest packet that a frame can hold.
LARGEST_PACKET = LARGEST_FRAME - _AROUND
#: Of a live message that is too large, this much of each value is kept (characters), and so many values.
_KEPT, _MOST_KEPT = 200, 20

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


def stand_in(packet: Packet) -> Packet:
    """Return what is sent in the place of a packet that is too large: whoever waits for it waits no longer."""
    if packet.packet_type is PacketType.AGENT_DETAILS:
        nothing: JSONObject = dict.fromkeys(("worker_id", "agent_id", "status", "init_task_data"))
        refusal = {"failure_reason": TOO_LARGE, "failure_code": "too_large"}
        return Packet(packet.packet_type, packet.subject_id, {"request_id": packet.subject_id, **nothing, **refusal})
    small = {
        key: value for key, value in list(packet.data.items())[:_MOST_KEPT] if len(key) <= _KEPT and _is_small(value)
    }
    return Packet(packet.packet_type, packet.subject_id, {"text": TOO_LARGE, **small, "left_out": True})


def _is_small(value: JSON) -> bool:
    return not isinstance(value, dict | list) and len(str(value)) <= _KEPT


class Sender:
    """Sends by one channel after the other what is new in a run's outbox, and how much of its inbox was handled.

    Parameters
    ----------
    engine
        The run.
    complete
        Makes a packet whole of which a part was not stored.
    """

    def __init__(self, engine: RunEngine, complete: Callable[[Step, Packet], Packet]) -> None:
        self._engine, self._complete = engine, complete
        self._sent_n = self._acknowledged_seq = 0
        self._reported: set[int] = set()
        self._sync_wanted = False
        self._wake = asyncio.Event()
        #: Whether the run is about to end: the router is told to take nothing more.
        self.is_settling = False

    def go_on_from(self, n: int, seq: int) -> None:
        """Note what the router of a new channel has of our packets, and knows that we have of its messages."""
        self._sent_n, self._acknowledged_seq = n, seq

    def wake(self) -> None:
        """Send what there is."""
        self._wake.set()

    def request_sync(self) -> None:
        """Ask the router how far its inbox goes."""
        self._sync_wanted = True
        self._wake.set()

    async def keep_sending(self, channel: Channel) -> None:
        """Send what there is whenever there is more, until the channel breaks."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._send_all(channel)
        except RouterError:
            await channel.close()  # the receiving side notices, and another channel is opened

    async def _send_all(self, channel: Channel) -> None:
        if self._sync_wanted:
            self._sync_wanted = False
            await channel.request_sync(last=self.is_settling)
        while frame := next_frame(self._whole(), self._sent_n):
            self._sent_n = frame[-1][0]
            await channel.send_effects([(n, self._sendable(n, packet)) for n, packet in frame])
            await asyncio.sleep(0)  # a channel that has room does not wait: let others have their turn
        last_seq = self._engine.committed_seq
        if last_seq > self._acknowledged_seq:
            self._acknowledged_seq = last_seq
            await channel.acknowledge(last_seq)

    def _whole(self) -> Iterator[tuple[int, Packet]]:
        """Return what is still to be sent, each packet whole; those of an earlier kernel are as they were stored."""
        for n, packet in self._engine.outbox:
            if n <= self._sent_n:
                continue
            if MADE_ANEW in packet.data:
                packet = self._complete(Step(self._engine.state, steady_time.now(), new_id), packet)
            yield n, packet

    def _sendable(self, n: int, packet: Packet) -> Packet:
        size = len(packet.to_text())
        if size <= LARGEST_PACKET:
            return packet
        if n not in self._reported:  # it is sent again after a break
            self._reported.add(n)
            self._engine.do_soon(partial(_report, packet=packet, size=size))
        return stand_in(packet)


def _report(step: Step, packet: Packet, size: int) -> None:
    """Tell the researcher that something was not sent, to whom, and what to do."""
    agent_id = str(packet.data.get("agent_id") or packet.subject_id)
    agent = step.state.agents.get(agent_id) or step.state.gates.onboarding.get(agent_id)
    who = f"the page of {agent_id}"
    if agent is not None:
        name = step.state.worker_names.get(agent.worker_id, agent.worker_id)
        at = f"unit {agent.unit_id}" if isinstance(agent, Agent) else "at the introduction"
        who = f"the page of worker {name!r} ({at})"
    why = f"{packet.packet_type.value} to {who} was not sent: {say_size(size)}"
    step.log("agent", agent_id, None, None, "not sent: too large", "operator", {"bytes": size, "why": why})
    # Of one kind the latest is shown, with how many there were: an introduction is too large for everybody.
    step.failures.append((f"not sent: {packet.packet_type.value}", f"{why}. {_REMEDY}"))
