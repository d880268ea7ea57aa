"""Draws the charts of a run anew: only after new answers, only while somebody looks, not too often."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.widgets.feed import Handle, Source, Timers

#: The least time between two drawings, in seconds; and how much of its time a kernel may draw: one part in this many.
INTERVAL, SHARE = 2.0, 20
#: When a drawing that failed is tried again, unless somebody looks anew before, in seconds.
RETRY = 15.0


class Owner(Protocol):
    """Owns what is started: `display.widgets.errands.Errands`."""

    def start(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, str | None], None]) -> None:
        """Start something; `done(result, error)` is called with what came of it."""
        ...

    def close(self) -> None:
        """Call off what is still under way."""
        ...


class Redraws:
    """The newest drawing of a run, as a source that a feed can follow.

    It follows the run for as long as somebody follows it, and a look at it begins a drawing where there are answers
    that the last one has not.

    Parameters
    ----------
    run
        The run's own source.
    draw
        Draws; gives the specification as JSON.
    owner
        Owns the drawings that are under way.
    timers
        The event loop.
    """

    def __init__(self, run: Source, draw: Callable[[], Coroutine[Any, Any, str]], owner: Owner, timers: Timers) -> None:
        #: Called after each drawing, and after one that failed; empty while nobody looks.
        self.on_change: list[Callable[[], None]] = []
        self._run, self._draw, self._owner, self._timers = run, draw, owner, timers
        self._spec, self._error = "", ""
        self._drawn: int | None = None
        self._is_drawing = False
        self._due: Handle | None = None
        self._not_before = timers.time()

    def show(self, spec: str, answered: int) -> None:
        """Take in what was drawn elsewhere, of so many answers."""
        self._spec, self._error, self._drawn = spec, "", answered
        self._tell()

    def state(self) -> JSONObject:
        """Give the newest drawing (JSON in a string: what can be of one piece only), and why there is no newer one."""
        if self._note not in self._run.on_change:
            self._run.on_change.append(self._note)
        self._draw_soon()
        return {"spec": self._spec, "answered": self._drawn, "error": self._error}

    async def load(self) -> None:
        """There is nothing to read: a look has begun what has to be drawn."""

    def close(self) -> None:
        """Follow the run no longer; what is drawn stays. May be called twice."""
        self._let_go()
        self._owner.close()

    def _let_go(self) -> None:
        if self._note in self._run.on_change:
            self._run.on_change.remove(self._note)
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _note(self) -> None:
        if self.on_change:
            self._draw_soon()
        else:
            self._let_go()

    def _draw_soon(self) -> None:
        if self._due is None and not self._is_drawing:
            wait = max(0.0, self._not_before - self._timers.time())
            self._due = self._timers.call_later(wait, self._draw_what_is_new)

    def _draw_what_is_new(self) -> None:
        self._due = None
        if not self.on_change:
            return
        begun = self._timers.time()
        self._not_before = begun + INTERVAL
        answered = self._run.state()["units"]["answered"]
        if answered == self._drawn:
            return

        def done(spec: str | None, error: str | None) -> None:
            self._is_drawing = False
            took = self._timers.time() - begun
            self._not_before = begun + max(INTERVAL, SHARE * took) if error is None else begun + took + RETRY
            if spec is not None:
                self.show(spec, answered)
            else:
                self._error = error or ""
                self._tell()
            self._note()  # there may be news since

        self._is_drawing = True
        self._owner.start(self._draw(), done)

    def _tell(self) -> None:
        for callback in list(self.on_change):
            callback()
