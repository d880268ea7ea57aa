"""How far things are, in a terminal: a line a run, and a bar for long work.

All is drawn on standard error, so that a script's own output stays its own. Where that is no terminal, a run gets a
plain line when its status changes and, while it goes on, one a minute at most. In a notebook the lines stand below the
cell that waits.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.dashboard.moment import preview_of
from mephisto_nb.display.dashboard.watch import RunWatch, watch
from mephisto_nb.display.words import duration
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.importing.old_mephisto import OldMephisto
from mephisto_nb.utils.logging import tell

#: How long a picture stands at least, and how long no plain line is written about a run that merely goes on (seconds).
_REDRAW, _PLAIN = 0.125, 60.0
_BAR = 24


def in_notebook() -> bool:
    """Return whether this is a notebook's kernel: there the dashboard shows what goes on."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


@asynccontextmanager
async def showing_runs(runs: Sequence[RunFrames], console: Console | None = None) -> AsyncIterator[None]:
    """Show how runs are for as long as this is entered.

    What cannot be shown, as where standard error is a file on a full disk, is logged, and keeps nobody from waiting.

    Parameters
    ----------
    runs
        Which.
    console
        Where; None: standard error.
    """
    if not runs:
        yield
        return
    watches = [watch(run) for run in runs]
    screen = _make_screen(watches, console)
    for one in watches:
        one.on_change.append(screen.changed)
    try:
        tell([screen.changed])
        yield
    finally:
        for one in watches:
            if screen.changed in one.on_change:
                one.on_change.remove(screen.changed)
        tell([screen.close])


def _make_screen(watches: Sequence[RunWatch], console: Console | None) -> _LiveLines | _PlainLines:
    if console is None and in_notebook():
        return _NotebookLines(watches)
    console = console or Console(stderr=True)
    return _LiveLines(watches, console) if console.is_terminal else _PlainLines(watches, console)


# -- what is said of a run -----------------------------------------------------------------------------------


def summary_of(state: JSONObject) -> str:
    """Say how a run is, in a few words, from what its watch says."""
    units, people, pace = state["units"], state["people"], state["pace"]
    said = [f"{units['answered']:,} of {units['total']:,} answered"]
    if units["expired"]:
        said.append(f"{units['expired']:,} expired")
    if people["at_work"]:
        said.append(f"{people['at_work']:,} at work")
    if pace["per_hour"] is not None and state["run"]["status"] in ("live", "closing"):
        said.append(f"{pace['per_hour']:,.0f} an hour")
    if pace["seconds_left"] is not None:
        low, high = (duration(pace[f"seconds_left_{end}"]) for end in ("low", "high"))
        said.append(f"{duration(pace['seconds_left'])} left ({low} to {high})")
    if state["run"]["status"] != "live":
        said.append(str(state["run"]["status"]))
    if state["work"] is not None:
        said.append(f"{state['work']['done']:,} of {state['work']['total']:,} assignments created")
    urgent = sum(notice["severity"] != "info" for notice in state["attention"])
    if urgent:
        said.append(f"{urgent} need{'s' if urgent == 1 else ''} attention")
    return ", ".join(said)


def what_goes_on(runs: Sequence[RunFrames]) -> str:
    """Say what goes on while nobody waits for it, and how to wait again, or end it."""
    if not runs:
        return "No run is driven from here."
    names = "; ".join(f"{name_of(state)} ({summary_of(state)})" for state in (watch(run).state() for run in runs[:5]))
    more = f" and {len(runs) - 5} more" if len(runs) > 5 else ""
    return (
        f"In the background goes on: {names}{more}. Workers notice nothing. To wait again, run the cell again; to end: "
        "await operator.shutdown(), or operator.force_shutdown() at once."
    )


def name_of(state: JSONObject) -> str:
    """Return a run's name, fit for a terminal."""
    return preview_of(state["run"]["name"])[:30]


# -- a terminal ----------------------------------------------------------------------------------------------


class _LiveLines:
    """One line a run, drawn over itself; at once when something changes, but not more often than can be seen."""

    def __init__(self, watches: Sequence[RunWatch], console: Console) -> None:
        self._watches = watches
        self._live = Live(console=console, auto_refresh=False)
        self._timer: asyncio.TimerHandle | None = None
        self._last, self._redraw = 0.0, _REDRAW

    def changed(self) -> None:
        """Draw, now or soon."""
        if self._timer is None:
            wait = max(0.0, self._last + self._redraw - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._draw)

    def close(self) -> None:
        """Draw a last time, and let it stand."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            self._draw()
        finally:
            self._live.stop()

    def _draw(self) -> None:
        self._timer, self._last = None, time.monotonic()
        self._live.start()
        grid = Table.grid(padding=(0, 1))
        for one in self._watches:
            grid.add_row(*_row(one.state()))
        self._live.update(grid, refresh=True)


class _NotebookLines(_LiveLines):
    """The same below a notebook's cell, as text, which its file keeps."""

    def __init__(self, watches: Sequence[RunWatch]) -> None:
        super().__init__(watches, Console(file=StringIO()))
        self._redraw = 1.0
        self._handle: Any = None

    def close(self) -> None:
        """Draw a last time, and let it stand."""
        if self._timer is not None:
            self._timer.cancel()
        self._draw()

    def _draw(self) -> None:
        from IPython.display import display

        self._timer, self._last = None, time.monotonic()
        states = [one.state() for one in self._watches]
        shown = {"text/plain": "\n".join(f"{name_of(state)}: {summary_of(state)}" for state in states)}
        if self._handle is None:
            show: Any = display
            self._handle = show(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)


def _row(state: JSONObject) -> tuple[Text, ProgressBar, Text]:
    answered, total = state["units"]["answered"], state["units"]["total"]
    bar = ProgressBar(total=max(1, total), completed=answered, width=_BAR)
    return Text(name_of(state), no_wrap=True), bar, Text(summary_of(state), no_wrap=True, overflow="ellipsis")


# -- no terminal ---------------------------------------------------------------------------------------------


class _PlainLines:
    """A line whenever a run's status or what needs attention changes; otherwise one a minute at most."""

    def __init__(self, watches: Sequence[RunWatch], console: Console) -> None:
        self._watches, self._console = watches, console
        self._said: dict[RunWatch, tuple[Any, float, str]] = {}

    def changed(self) -> None:
        """Write a line about each run that has something new to tell."""
        for one in self._watches:
            self._consider(one, one.state())

    def close(self) -> None:
        """Write how each run is at the end, unless that was the last that was written."""
        for one in self._watches:
            state = one.state()
            if one not in self._said or self._said[one][2] != summary_of(state):
                self._say(one, state)

    def _consider(self, one: RunWatch, state: JSONObject) -> None:
        news, at, _ = self._said.get(one, (None, 0.0, ""))
        if news != _news(state) or float(state["run"]["now"]) - at >= _PLAIN:
            self._say(one, state)

    def _say(self, one: RunWatch, state: JSONObject) -> None:
        summary = summary_of(state)
        self._said[one] = (_news(state), float(state["run"]["now"]), summary)
        line = f"{name_of(state)}: {summary}"
        self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _news(state: JSONObject) -> tuple[Any, ...]:
    urgent = tuple(notice["key"] for notice in state["attention"] if notice["severity"] != "info")
    return state["run"]["status"], urgent


# -- long work -----------------------------------------------------------------------------------------------

#: Work that takes less long (seconds) is not shown: of a bar below a cell something stays.
_SHORT, _SHORT_IN_NOTEBOOK = 0.4, 2.0


@dataclass(slots=True)
class WorkBars:
    """Shows long work of any kind, as `ports.progress.Progress`: a bar while it lasts, gone when it is over.

    What does not take long is not shown at all, and what cannot be shown disturbs no work. `make_bar` makes what draws
    one piece of work, and `short` tells how many seconds are not long.
    """

    make_bar: Callable[[str], Bar]
    short: Callable[[], float]
    _begun: dict[str, tuple[float, Bar | None, asyncio.TimerHandle | None]] = field(default_factory=dict)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` parts of `what` are done."""
        tell([self._show], what, done, total)

    def _show(self, what: str, done: int, total: int) -> None:
        if done >= total:
            self._end(what)
        elif what not in self._begun:
            self._begun[what] = (time.monotonic(), None, self._later(what, done, total))
        elif time.monotonic() - self._begun[what][0] >= self.short():
            self._draw(what, done, total)

    def _later(self, what: str, done: int, total: int) -> asyncio.TimerHandle | None:
        try:
            return asyncio.get_running_loop().call_later(self.short(), self._draw, what, done, total)
        except RuntimeError:
            return None  # no loop is running: whoever works here will say how far they are

    def _draw(self, what: str, done: int, total: int) -> None:
        begun, bar, timer = self._begun[what]
        bar = bar or self.make_bar(what)
        self._begun[what] = (begun, bar, timer)
        bar.draw(done, total)

    def _end(self, what: str) -> None:
        _, bar, timer = self._begun.pop(what, (0.0, None, None))
        if timer is not None:
            timer.cancel()
        if bar is not None:
            bar.close()


class Bar:
    """Draws one piece of work."""

    def draw(self, done: int, total: int) -> None:
        """Show how far it is."""

    def close(self) -> None:
        """Take it away."""


class TerminalBar(Bar):
    """A bar on a terminal."""

    def __init__(self, what: str, console: Console | None = None) -> None:
        self._what = preview_of(what)
        self._live = Live(console=console or Console(stderr=True), auto_refresh=False, transient=True)
        self._live.start()

    def draw(self, done: int, total: int) -> None:
        """Show how far it is."""
        grid = Table.grid(padding=(0, 1))
        grid.add_row(
            Text(self._what), ProgressBar(total=total, completed=done, width=_BAR), Text(f"{done:,}/{total:,}")
        )
        self._live.update(grid, refresh=True)

    def close(self) -> None:
        """Take it away."""
        self._live.stop()


class NotebookBar(Bar):
    """A line below the cell that works, without any widget."""

    def __init__(self, what: str) -> None:
        from IPython.display import display

        self._what = preview_of(what)
        show: Any = display
        self._handle: Any = show({"text/plain": self._what}, raw=True, display_id=True)

    def draw(self, done: int, total: int) -> None:
        """Show how far it is."""
        self._handle.update({"text/plain": f"{self._what}: {done:,} of {total:,}"}, raw=True)

    def close(self) -> None:
        """Take it away; an empty line is left, since a cell's output cannot be unsaid."""
        self._handle.update({"text/plain": ""}, raw=True)


def _make_bar(what: str) -> Bar:
    if in_notebook():
        return NotebookBar(what)
    return TerminalBar(what) if sys.stderr.isatty() else Bar()


#: What operators show their long work with.
show_progress = WorkBars(_make_bar, lambda: _SHORT_IN_NOTEBOOK if in_notebook() else _SHORT)


def open_mephisto(path: str | os.PathLike[str]) -> OldMephisto:
    """Open a data directory of Mephisto 1.x: read only, while its own process goes on or not.

    Parameters
    ----------
    path
        What ``core.main_data_directory`` of its ``config.yml`` names, or the ``database.db`` in there.

    Returns
    -------
    OldMephisto
        Its frames, with the columns of today's: ``task_runs()``, ``units()``, ``agents()``, ``results()``,
        ``workers()``, ``qualifications()``, ``grants()``, ``reviews()``, ``messages()``, ``onboardings()``.

    Raises
    ------
    NotFoundError, DataFileError, DatabaseError
        There is none, it is no database of Mephisto 1.x, or it cannot be read.

    Examples
    --------
    ``old = mnb.open_mephisto("~/mephisto/data"); await operator.import_mephisto(old)``
    """
    return OldMephisto(path, show_progress)
