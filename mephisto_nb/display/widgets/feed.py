"""Sends the states of one source to the front end: only what has changed, only while somebody looks, not too often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.widgets.feed import find_changes

#: The least time between two messages of one source, in seconds.
INTERVAL = 0.125
#: Where a state tells the time. That it goes by is no change.
_CLOCKS = ("run.now", "now")


class Source(Protocol):
    """What can be followed: `display.observation.watch.RunWatch` and `display.observation.runs.RunList`."""

    on_change: list[Callable[[], None]]

    def state(self) -> JSONObject:
        """Give the state of now; cheap."""
        ...

    async def load(self) -> None:
        """Read what memory does not hold, and tell by `on_change` of what is new; called while somebody looks."""
        ...


class Handle(Protocol):
    """What a loop gives for a call that is to come."""

    def cancel(self) -> None:
        """Call it off."""
        ...


class Timers(Protocol):
    """What is needed of an event loop."""

    def time(self) -> float:
        """Give the loop's time in seconds."""
        ...

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call something after some seconds."""
        ...


class Feed:
    """Follows a source for as long as it is watched.

    The first change after a pause goes out at once (when the loop comes round), those of the next moment together,
    and the last state always gets there.

    Parameters
    ----------
    topic
        What the source is called in messages.
    source
        Whose states are sent.
    send
        Sends a message to every view.
    timers
        The event loop.
    """

    def __init__(self, topic: str, source: Source, send: Callable[[JSONObject], None], timers: Timers) -> None:
        self.source = source
        self._topic, self._send, self._timers = topic, send, timers
        self._rev = 0
        self._last_sent_at = -INTERVAL
        self._sent: JSONObject = {}
        self._due: Handle | None = None

    def watch(self, watched: bool) -> None:
        """Begin to send changes, or stop. A source that nobody follows can see that: its `on_change` is empty."""
        is_watched = self._note in self.source.on_change
        if watched and not is_watched:
            self.source.on_change.append(self._note)
        elif is_watched and not watched:
            self.source.on_change.remove(self._note)
        if not watched and self._due is not None:
            self._due.cancel()
            self._due = None

    def send_whole(self) -> None:
        """Send the whole state, from which later changes count."""
        self._sent = self.source.state()
        self._tell("state", state=self._sent)

    def close(self) -> None:
        """Follow the source no longer."""
        self.watch(False)

    def _note(self) -> None:
        if self._due is None:
            wait = self._last_sent_at + INTERVAL - self._timers.time()
            self._due = self._timers.call_later(max(0.0, wait), self._send_changes)

    def _send_changes(self) -> None:
        self._due = None
        state = self.source.state()
        changes = find_changes(self._sent, state)
        if any(path not in _CLOCKS for path in changes):
            self._sent = state
            self._tell("delta", set=changes)

    def _tell(self, kind: str, **content: JSONObject) -> None:
        self._rev += 1
        self._last_sent_at = self._timers.time()
        self._send({"type": kind, "topic": self._topic, "rev": self._rev, **content})
