"""When this kernel was there, and what it missed.

A kernel that computes, or sleeps, hears nothing, and cannot notice it meanwhile. Whatever runs out while it does must
not be taken for the silence of somebody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from mephisto_nb.model.money import count
from mephisto_nb.model.packets import PacketType, Received
from mephisto_nb.ports.architect import RouterStanding
from mephisto_nb.ports.clock import Clock, Timer, is_of_computer, offset_of
from mephisto_nb.rules.absence import kernel_was_away, put_off_work, router_was_away, take_up
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.steady_time import JUMP, JumpWatch, say_seconds

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine

#: Messages that waited for less (seconds) were handled as they came; pages call a kernel busy from here on, too.
_NOTICED = 2.0
#: How often a kernel looks whether it stood still, and by how much it may be late (seconds).
_BEAT, _LATE = 2.0, 3.0
#: How often it has the run's deadlines looked at though none is due, so that it is stored that it was there (seconds).
_ROUND = 30.0

#: From how far on the computer's clock was set before anybody watched (seconds): less may be what two clocks differ by
#: in months.
_SET_BEFORE = 60.0
#: That a kernel was there is stored this often, and may be stored late (seconds): what it was not there for is told
#: by nobody up to here.
_UNTOLD = 60.0
_DIFFER = (
    "One of the two was started while the clock of its computer was wrong. Nobody's time ends early by that, and what "
    "the router tells the times of goes by the kernel's clock. If that one is right, nothing needs to be done; if not, "
    "set the computer's clock right, and restart the kernel."
)


class Attendance:
    """Notices when this kernel stood still: it was blocked by a cell, or the machine slept; or no kernel was there.

    Parameters
    ----------
    clock
        What time it is.
    look
        Called when there is an absence to note, and every half minute.
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
        """Begin to watch, and say so if the computer's clock was set since this process began."""
        if abs(ahead := offset_of(self._clock)) >= _SET_BEFORE:
            self._on_jump(ahead)
        self._beat()

    def end(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def note_absences(self, step: Step) -> None:
        """Have the deadlines of a run stand still for the `absences`, once for each, however often it is called."""
        for since, until in self.absences:
            kernel_was_away(step, since, until)

    @property
    def absences(self) -> list[tuple[float, float]]:
        """Since when, and until when, nobody was there, oldest first: what is not stored of the run yet."""
        self._notice()
        return self._absences

    def are_stored(self, until: float) -> None:
        """Forget the absences up to a time, once a step is stored that notes them: one that fails is made again."""
        self._absences = [one for one in self._absences if one[1] > until]

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


def last_served(state: RunState) -> float:
    """Return when a kernel last drove a run, by its own clock, as far as is known."""
    return state.service.served_until or state.quiet_since


class ClockCheck:
    """Compares this kernel's clock with its router's when a channel opens: either may have been wrong when it began.

    How long no kernel was there the router's process knows best if it went on meanwhile: it has counted the seconds. So
    nobody is timed out by what the clock says beyond that.

    Parameters
    ----------
    engine
        The run.
    clock
        What time it is here.
    """

    def __init__(self, engine: RunEngine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock
        self._served_until = last_served(engine.state)
        self._ahead, self._newest, self._is_first = 0.0, 0, True
        engine.do_soon(take_up)

    def by_ours(self, received: Sequence[Received]) -> Sequence[Received]:
        """Return messages with their times by this kernel's clock, if the router's is known to differ from it.

        What waited when the channel opened may have come to an earlier router, by another clock, and stays as it is.
        """
        if not self._ahead:
            return received
        return [
            one if one.seq <= self._newest else replace(one, received_at=one.received_at - self._ahead)
            for one in received
        ]

    def compare(self, standing: RouterStanding | None, asked_at: float, away_since: float | None) -> None:
        """Have the run take note of what differs.

        Parameters
        ----------
        standing
            What the router has told.
        asked_at
            When the channel began to open: the router has looked at its clock since.
        away_since
            Since when there was no channel.
        """
        if standing is None or standing.now is None or not is_of_computer(self._clock):
            return
        now = self._clock.now()
        ahead = standing.now - min(max(standing.now, asked_at), now)
        ahead = ahead if abs(ahead) >= JUMP else 0.0
        is_new, self._ahead, self._newest = abs(ahead - self._ahead) >= JUMP, ahead, standing.newest
        if self._is_first:
            self._is_first = False
            gap = now - self._served_until
            known = standing.silent_for if standing.silent_for is not None else (0.0 if ahead else gap)
            if gap - known > _UNTOLD:
                self._engine.do_soon(partial(put_off_work, since=now - (gap - known), until=now))
        elif is_new and away_since is not None:
            self._engine.do_soon(partial(router_was_away, since=away_since, until=now))
        if is_new and ahead:
            self._engine.do_soon(partial(_note_difference, seconds=ahead))


def _note_difference(step: Step, seconds: float) -> None:
    way = "ahead of" if seconds > 0 else "behind"
    what = f"The router's clock is {say_seconds(abs(seconds))} {way} this kernel's"
    why = "the clocks of router and kernel differ"
    step.log("run", step.state.task_run_id, None, None, why, "router", {"seconds": seconds})
    step.failures.append((why, f"{what}. {_DIFFER}"))


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
    by, way = say_seconds(abs(seconds)), "forward" if seconds > 0 else "back"
    moment = datetime.fromtimestamp(at, tz=UTC)
    return (
        f"The clock of this computer was set {way} by {by} at {moment:%Y-%m-%d %H:%M:%S} UTC, by the time that the run "
        "goes by. Nothing ends early or late by that. If nobody meant to, set the computer's clock right."
    )
