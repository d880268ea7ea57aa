"""How long a kernel was away while workers sent something, and what of theirs it caught up with.

A kernel that is blocked by a cell cannot notice it. What tells it afterwards are the messages that waited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from mephisto_nb.model.packets import PacketType, Received

#: Messages that waited for less (seconds) were handled as they came; pages call a kernel busy from here on, too.
_NOTICED = 2.0


@dataclass(slots=True)
class Absence:
    """The last time that messages waited: from when until when (epoch seconds), and how many of which kind.

    Both clocks are of the same machine where the router runs beside the kernel; elsewhere they may differ. `begun` is
    when this kernel began to drive the run: what waited by then waited for any kernel.
    """

    begun: float = 0.0
    since: float = 0.0
    until: float = 0.0
    caught_up: Counter[PacketType] = field(default_factory=Counter)
    _ends: float = 0.0

    @property
    def was_nobody(self) -> bool:
        """Whether no kernel drove the run when the messages began to wait, rather than one that was blocked."""
        return self.since < self.begun

    def note(self, received: Sequence[Received], now: float) -> None:
        """Take note of messages that have just come."""
        late = [message for message in received if now - message.received_at >= _NOTICED]
        if not late:
            return
        if late[0].received_at > self._ends:  # it came after all that waited the last time
            self.since, self.until = late[0].received_at, now
            self.caught_up = Counter()
        self._ends = now
        self.caught_up.update(message.packet.packet_type for message in late)

    def __str__(self) -> str:
        """Say it in a sentence; nothing where there was none."""
        if not self.caught_up:
            return ""
        answers, arrivals = self.caught_up[PacketType.SUBMIT_UNIT], self.caught_up[PacketType.REGISTER_AGENT]
        what = f"{_count(answers, 'answer')} and {_count(arrivals, 'arrival')}"
        verb = "was" if answers + arrivals == 1 else "were"
        return f"The kernel was away for {self.until - self.since:.0f} s; {what} {verb} caught up."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
