"""When this kernel was there, and what it missed.

A kernel that computes, or sleeps, hears nothing, and cannot notice it meanwhile. Whatever runs out while it does must
not be taken for the silence of somebody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from mephisto_nb.model.money import count
from mephisto_nb.model.packets import PacketType, Received
from mephisto_nb.ports.clock import Clock, Timer, offset_of
from mephisto_nb.utils.steady_time import JumpWatch

#: Messages that waited for less (seconds) were handled as they came; pages call a kernel busy from here on, too.
_NOTICED = 2.0
#: How often a kernel looks whether it stood still, and by how much it may be late (seconds).
_BEAT, _LATE = 2.0, 3.0
#: How often it has the run's deadlines looked at though none is due, so that it is stored that it was there (seconds).
_ROUND = 30.0


class Attendance:
    """Notices when this kernel stood still: it was blocked by a cell, or the machine slept; or no kernel was there.

    Parameters
    ----------
    clock
        What time it is.
    look
        Called when there is an absence to take, and every half minute.
    served_until
        When a kernel was last there, as far as is known.
    on_jump
        Called with by how many seconds the computer's clock was set, within a few seconds of that.
    """

    def __init__(
        self,
        clock: Clock,
        look: Callable[[], None],
        served_until: float,
        on_jump: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._clock, self._look, self._on_jump = clock, look, on_jump
        self._jumps = JumpWatch(partial(offset_of, clock))
        self._timer: Timer | None = None
        self._looked, self._last = clock.now(), served_until
        self._absences: list[tuple[float, float]] = []

    def begin(self) -> None:
        """Begin to watch."""
        self._beat()

    def end(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def take_absences(self) -> list[tuple[float, float]]:
        """Return since when, and until when, nobody was there, oldest first; each once."""
        found, self._absences = self.absences, []
        return found

    @property
    def absences(self) -> list[tuple[float, float]]:
        """What `take_absences` would return."""
        self._notice()
        return self._absences

    def _beat(self) -> None:
        self._notice()
        if (jump := self._jumps.look()) is not None:
            self._on_jump(jump)
        now = self._clock.now()
        if self._absences or not self._looked <= now < self._looked + _ROUND:
            self._looked = now
            self._look()
        self._timer = self._clock.call_at(now + _BEAT, self._beat)

    def _notice(self) -> None:
        now = self._clock.now()
        if now - self._last > _BEAT + _LATE:
            self._absences.append((self._last, now))
        self._last = now


@dataclass(slots=True)
class Absence:
    """The last time that messages waited: from when until when (epoch seconds), and how many of which kind.

    A kernel that is blocked by a cell cannot notice it; the messages that waited tell it afterwards. Both clocks are of
    the same machine where the router runs beside the kernel; elsewhere they may differ. `begun` is when this kernel
    began to drive the run: what waited by then waited for any kernel.
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
        """Take note of messages that have just come. Called by `ClientIOHandler`."""
        late = [message for message in received if now - message.received_at >= _NOTICED]
        if not late:
            return
        if late[0].received_at > self._ends:  # it came after all that waited the last time
            self.since, self.until = late[0].received_at, now
            self.caught_up = Counter()
        self._ends = now
        self.caught_up.update(message.packet.packet_type for message in late)

    def __str__(self) -> str:
        """Return it as a sentence; "" where there was none."""
        if not self.caught_up:
            return ""
        answers, arrivals = self.caught_up[PacketType.SUBMIT_UNIT], self.caught_up[PacketType.REGISTER_AGENT]
        what = f"{count(answers, 'answer')} and {count(arrivals, 'arrival')}"
        verb = "was" if answers + arrivals == 1 else "were"
        return f"The kernel was away for {self.until - self.since:.0f} s; {what} {verb} caught up."


def describe_jump(seconds: float, at: float) -> str:
    """Say that the computer's clock was set, by how much, and what that does to a run."""
    days, way = abs(seconds) / 86_400, "forward" if seconds > 0 else "back"
    by = f"{days:.1f} days" if days >= 1 else f"{abs(seconds):.0f} s"
    moment = datetime.fromtimestamp(at, tz=UTC)
    return (
        f"The clock of this computer was set {way} by {by} at {moment:%Y-%m-%d %H:%M:%S} UTC, by the time that the run "
        "goes by. Nothing ends early or late by that. If nobody meant to, set the computer's clock right."
    )
