"""How far runs and long work are, where there is no dashboard."""

from __future__ import annotations

import asyncio
import errno
import io
import re
from typing import Any

import pytest
from rich.console import Console

import mephisto_nb as mnb
from mephisto_nb import operator as operator_module
from mephisto_nb.display import progress
from mephisto_nb.display.progress import Bar, NotebookBar, TerminalBar, WorkBars, summary_of, what_goes_on
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.testing.simulated_workers import simulate_workers
from tests.inside import frames_of, parts_of, showing_runs, watch
from tests.kernel.runs import crowd_of, end_routers, launch, rows, take


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=150, color_system=None)


def written(place: Console) -> str:
    assert isinstance(place.file, io.StringIO)
    return place.file.getvalue()


async def test_a_summary_says_what_a_dashboard_would(operator: Operator) -> None:
    run = await launch(operator, rows(3))
    async with crowd_of(run) as worker:
        await take(worker("ann"))
        assert summary_of(watch(run).state()) == "0 of 3 answered, 1 at work"
        await run.steering.pause_launching()
        assert summary_of(watch(run).state()) == "0 of 3 answered, 1 at work, paused"


def test_a_summary_tells_pace_time_left_and_attention() -> None:
    state: dict[str, Any] = {
        "run": {"status": "live"},
        "units": {"answered": 1200, "total": 10_000, "expired": 0},
        "people": {"at_work": 0},
        "pace": {"per_hour": 120.4, "seconds_left": 3700.0, "seconds_left_low": 2000.0, "seconds_left_high": 7300.0},
        "work": {"done": 5000, "total": 10_000},
        "attention": [{"severity": "info"}, {"severity": "error"}],
    }
    assert summary_of(state) == (
        "1,200 of 10,000 answered, 120 an hour, 1 h 2 min left (33 min to 2 h 2 min), "
        "5,000 of 10,000 assignments created, 1 needs attention"
    )


async def test_a_terminal_shows_one_line_a_run_that_is_drawn_over_itself(operator: Operator) -> None:
    place = console(terminal=True)
    first, second = await launch(operator, rows(2)), await launch(operator, rows(1), task_name="[red]x\x1b[31m")
    async with showing_runs([first, second], place):
        await simulate_workers(first, lambda data: data, num_workers=1)
        await first.completed()
    *_, first_line, second_line = (line for line in written(place).splitlines() if "answered" in line)
    assert "moods" in first_line
    assert "2 of 2 answered" in first_line
    assert "[red]x [31m" in second_line
    assert "0 of 1 answered" in second_line


async def test_redirected_output_gets_one_line_for_each_change_of_status(operator: Operator) -> None:
    place = console(terminal=False)
    run = await launch(operator, rows(20))
    async with showing_runs([run], place):
        await run.steering.pause_launching()
        await run.steering.resume_launching()
        await simulate_workers(run, lambda data: data, num_workers=4)
        await run.completed()
        await operator.shutdown()
    lines = written(place).splitlines()
    assert lines[:2] == ["moods: 0 of 20 answered", "moods: 0 of 20 answered, paused"]
    assert lines[-1] == "moods: 20 of 20 answered, ended"
    assert len(lines) <= 5


async def test_redirected_output_gets_a_line_a_minute_while_a_run_goes_on(timed_operator: Operator, clock: Any) -> None:
    place = console(terminal=False)
    run = await launch(timed_operator, rows(2))
    async with showing_runs([run], place):
        clock.advance(125.0)
    assert len(written(place).splitlines()) == 3


async def test_waiting_for_runs_shows_them_and_leaves_nobody_listening(data_dir: Any, monkeypatch: Any) -> None:
    place = console(terminal=False)
    monkeypatch.setattr(progress, "Console", lambda stderr: place)
    operator = mnb.Operator(data_dir=data_dir)
    run = await launch(operator, rows(1))
    waiting = asyncio.ensure_future(operator.wait_for_runs_then_shutdown())
    await simulate_workers(run, lambda data: data, num_workers=1)
    await waiting
    await end_routers(data_dir)
    assert written(place).endswith("moods: 1 of 1 answered, ended\n")
    assert watch(run).on_change == []


class FullDisk(io.StringIO):
    """What standard error is when it goes to a file on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("terminal", [True, False])
async def test_what_cannot_be_shown_hides_no_interrupt(operator: Operator, terminal: bool) -> None:
    run = await launch(operator, rows(2))
    with pytest.raises(asyncio.CancelledError):
        async with showing_runs([run], Console(file=FullDisk(), force_terminal=terminal)):
            raise asyncio.CancelledError


def test_work_goes_on_where_its_bar_cannot_be_drawn() -> None:
    bars = WorkBars(lambda what: TerminalBar(what, Console(file=FullDisk(), force_terminal=True)), lambda: 0.0)
    for done in range(3):
        bars("Exporting", done, 2)


async def test_a_notebook_shows_a_line_a_run_below_the_cell(operator: Operator, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    run = await launch(operator, rows(1))
    capsys.readouterr()
    async with showing_runs([run]):
        await run.steering.pause_launching()
    assert "moods: 0 of 1 answered, paused" in capsys.readouterr().out
    assert watch(run).on_change == []


async def test_what_goes_on_after_an_interrupt_names_the_runs(operator: Operator) -> None:
    assert what_goes_on([]) == "No run is driven from here."
    run = await launch(operator, rows(1))
    assert "goes on: moods (0 of 1 answered)" in what_goes_on([frames_of(run)])
    waiting = asyncio.ensure_future(operator.wait_for_runs_then_shutdown())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await waiting
    assert "moods (0 of 1 answered)" in caught.value._render_traceback_()[0]  # type: ignore[attr-defined]
    assert run.status == "live"


class Sketch(Bar):
    """Remembers what it was told to draw."""

    drawn: list[Any]

    def __init__(self, drawn: list[Any]) -> None:
        self.drawn = drawn

    def draw(self, done: int, total: int) -> None:
        self.drawn.append((done, total))

    def close(self) -> None:
        self.drawn.append("gone")


async def test_work_that_is_soon_done_is_not_shown() -> None:
    drawn: list[Any] = []
    bars = WorkBars(lambda what: Sketch(drawn), lambda: 60.0)
    for done in range(3):
        bars("Exporting", done, 2)
    assert drawn == []


async def test_work_that_takes_long_is_shown_until_it_is_over() -> None:
    drawn: list[Any] = []
    bars = WorkBars(lambda what: Sketch(drawn), lambda: 0.0)
    for done in range(4):
        bars("Taking units back", done, 3)
    assert drawn == [(1, 3), (2, 3), "gone"]
    bars("Taking units back", 3, 3)


def test_a_bar_leaves_nothing_on_the_terminal() -> None:
    place = console(terminal=True)
    bar = TerminalBar("Exporting answers", place)
    bar.draw(1, 2)
    assert "Exporting answers" in written(place)
    assert "1/2" in written(place)
    bar.close()
    assert place.file.getvalue().endswith("\x1b[1A\x1b[2K")  # up, and the line erased


def test_a_bar_leaves_no_word_below_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            shown.append(data["text/plain"])

    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data["text/plain"]) or Handle())
    bar = NotebookBar("Launching moods")
    bar.draw(1, 4)
    bar.close()
    assert shown == ["Launching moods", "Launching moods: 1 of 4", ""]


async def test_a_gentle_shutdown_says_for_whom_it_waits_and_until_when(make_operator: Any, monkeypatch: Any) -> None:
    told: list[tuple[str, int, int]] = []
    monkeypatch.setattr(operator_module, "show_progress", lambda *report: told.append(report))
    operator = make_operator()
    run = await launch(operator, rows(3))
    async with crowd_of(run.url) as worker:
        agents = {name: await take(worker(name)) for name in ("ann", "bob")}
        told.clear()
        ending = asyncio.ensure_future(run.shutdown())
        engine = parts_of(run).engine
        await engine.wait_until(lambda state: state.closing is not None)
        await worker("ann").submit(agents["ann"], {})
        await engine.wait_until(lambda state: state.counts[UnitStatus.ASSIGNED] == 1)  # not both in one step
        await worker("bob").submit(agents["bob"], {})
        await ending
    [what] = {words for words, _, _ in told}
    assert re.fullmatch(r"Waiting for ann, bob, until \d\d:\d\d at the latest; to end it at once, interrupt .*", what)
    assert list(dict.fromkeys(told)) == [(what, 0, 2), (what, 1, 2), (what, 2, 2)]


async def test_launches_exports_and_expiries_say_how_far_they_are(make_operator: Any, monkeypatch: Any) -> None:
    told: list[tuple[str, int, int]] = []
    monkeypatch.setattr(operator_module, "show_progress", lambda *report: told.append(report))
    operator = make_operator()
    run = await launch(operator, rows(3))
    await run.steering.expire_units()
    run.export(parts_of(run).directory / "answers.csv")
    assert told == [
        *(("Launching moods", done, 4) for done in range(5)),
        ("Taking units back", 0, 3),
        ("Taking units back", 3, 3),
        *(("Exporting answers to answers.csv", done, 2) for done in range(3)),
    ]
