"""What is due at a time: one deadline, the departure of each agent who gives no sign of life, and our own absence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mephisto_nb.utils import steady_time


class Deadline:
    """Calls something once, on the loop, unless it is cancelled or set anew before."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether it is still to come."""
        return self._timer is not None

    def set(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` in `seconds`; what was set before is forgotten."""
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ring, callback)

    def cancel(self) -> None:
        """Call nothing any more. Cancelling twice is fine."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self, callback: Callable[[], None]) -> None:
        self._timer = None
        callback()


class Departures:
    """Reports agents that gave no sign of life for `after` seconds; never, if that is `None`.

    Parameters
    ----------
    after
        The patience, in seconds.
    report
        Called on the loop with the agent's id, once per absence.
    """

    def __init__(self, after: float | None, report: Callable[[str], None]) -> None:
        self._after, self._report = after, report
        self._seen: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def seen(self, agent_id: str) -> None:
        """Note a sign of life."""
        if self._after is None:
            return
        loop = asyncio.get_running_loop()
        self._seen[agent_id] = loop.time()
        # A running timer is left alone, and looks at `_seen` when it rings: a heartbeat costs one entry in a dict.
        if agent_id not in self._timers:
            self._timers[agent_id] = loop.call_later(self._after, self._ring, agent_id, self._after)

    def begin_anew(self) -> None:
        """Count from now for everybody: nobody could give a sign of life until now."""
        self._seen = dict.fromkeys(self._seen, asyncio.get_running_loop().time())

    def close(self) -> None:
        """Stop all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._seen.clear()

    def _ring(self, agent_id: str, after: float) -> None:
        loop = asyncio.get_running_loop()
        due = self._seen[agent_id] + after
        if due > loop.time():
            self._timers[agent_id] = loop.call_at(due, self._ring, agent_id, after)
            return
        del self._timers[agent_id], self._seen[agent_id]
        self._report(agent_id)


#: How often we look whether we stood still, and by how much we may be late.
_BEAT, _LATE = 2.0, 3.0


class Vigil:
    """Notices that nobody could reach this process for a time: it was not there, stood still, or the machine slept.

    Parameters
    ----------
    last
        When a router of this run was last here (epoch seconds), as far as is written; None: there was none.
    report
        Called with since when and until when nobody could.
    now
        Tells the time (epoch seconds), which goes on while the machine sleeps, and which nobody sets.
    """

    def __init__(
        self,
        last: float | None,
        report: Callable[[float, float], None],
        now: Callable[[], float] = steady_time.now,
    ) -> None:
        self._last, self._report, self._now = last, report, now
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Begin to watch."""
        self._beat()

    def end(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> bool:
        """Report an absence that has just ended; return whether there was one."""
        last, self._last = self._last, self._now()
        was_away = last is not None and self._last - last > _BEAT + _LATE
        if last is not None and was_away:
            self._report(last, self._last)
        return was_away

    def _beat(self) -> None:
        self.look()
        self._timer = asyncio.get_running_loop().call_later(_BEAT, self._beat)
