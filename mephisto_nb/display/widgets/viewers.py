"""Who looks at what. A browser that is closed cannot say so, so each look is good for a while only."""

from __future__ import annotations

from collections.abc import Sequence

#: For how long a look is good, in seconds; browsers renew it every 20 s.
LEASE = 50.0


class Viewers:
    """The views of one widget, and the topics that each of them shows right now."""

    def __init__(self) -> None:
        self._views: dict[str, tuple[frozenset[str], float]] = {}

    def look(self, view: str, topics: Sequence[str], now: float) -> set[str]:
        """Note what a view shows; give what of it the view did not show before."""
        before, until = self._views.pop(view, (frozenset[str](), now))
        if topics:
            self._views[view] = (frozenset(topics), now + LEASE)
        return set(topics) - (before if until > now else set())

    def seen(self, now: float) -> set[str]:
        """Give the topics that somebody sees."""
        self._views = {view: (topics, until) for view, (topics, until) in self._views.items() if until > now}
        return {topic for topics, _ in self._views.values() for topic in topics}

    def next_expiry(self) -> float | None:
        """Give when the next look ends unless it is renewed."""
        return min((until for _, until in self._views.values()), default=None)
