"""When charts are drawn anew: after new answers, while somebody looks, and not too often."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mephisto_nb.display.charts import INTERVAL, RETRY, SHARE, Redraws
from mephisto_nb.display.widgets.widget import Feed
from tests.display.timers import Timers


class Run:
    """A run that gets answers."""

    def __init__(self) -> None:
        self.on_change: list[Callable[[], None]] = []
        self.answered = 0

    def state(self) -> dict[str, Any]:
        return {"units": {"answered": self.answered}}

    async def load(self) -> None:
        """There is nothing to read."""

    def answer(self, count: int = 1) -> None:
        self.answered += count
        for callback in list(self.on_change):
            callback()


class Owner:
    """Starts nothing; the test says when a drawing is done, and what came of it."""

    def __init__(self) -> None:
        self.under_way: list[Callable[[Any, str | None], None]] = []
        self.is_closed = False

    def start(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, str | None], None]) -> None:
        work.close()
        self.under_way.append(done)

    def close(self) -> None:
        self.is_closed = True


async def draw() -> str:
    return ""


class Bench:
    """Charts that are drawn, followed by a feed, with their time, and what was sent."""

    def __init__(self) -> None:
        self.run, self.owner, self.timers = Run(), Owner(), Timers()
        self.redraws = Redraws(self.run, draw, self.owner, self.timers)
        self.sent = list[dict[str, Any]]()
        self.feed = Feed("charts", self.redraws, self.sent.append, self.timers)

    def look(self) -> None:
        self.feed.send_whole()
        self.feed.watch(True)
        self.timers.move(0)

    def finish(self, spec: str | None = None, error: str | None = None) -> None:
        """Let the one drawing that is under way come to its end, and what it tells go out."""
        [done] = self.owner.under_way
        self.owner.under_way.clear()
        done(spec, error)
        self.timers.move(0.2)

    @property
    def is_drawing(self) -> bool:
        return bool(self.owner.under_way)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.redraws.show("{}", 0)
    return bench


def test_nothing_is_drawn_while_nothing_is_new(bench: Bench) -> None:
    bench.look()
    for _ in range(5):
        bench.run.answer(0)
        bench.timers.move(INTERVAL)
    assert (bench.is_drawing, len(bench.sent)) == (False, 1)


def test_charts_are_drawn_only_while_watched_and_then_catch_up(bench: Bench) -> None:
    bench.run.answer()
    bench.look()
    bench.finish("one")
    bench.feed.watch(False)
    bench.run.answer(8)
    bench.timers.move(100)
    assert (bench.is_drawing, bench.timers.calls, bench.run.on_change) == (False, [], [])
    bench.look()
    bench.finish("nine")
    assert [message.get("set", {}).get("spec") for message in bench.sent] == [None, "one", None, "nine"]


def test_answers_are_drawn_at_once_then_together_and_the_last_always(bench: Bench) -> None:
    bench.look()
    bench.timers.move(INTERVAL)
    drawings = 0
    for _ in range(40):
        bench.run.answer()
        bench.timers.move(0.1)
        if bench.is_drawing:
            drawings += 1
            bench.finish(f"of {bench.run.answered}")
    bench.timers.move(INTERVAL)
    if bench.is_drawing:
        bench.finish("the last")
    assert drawings <= 1 + 40 * 0.3 / INTERVAL
    assert bench.redraws.state()["answered"] == 40


def test_answers_that_come_while_it_is_drawn_are_drawn_next(bench: Bench) -> None:
    bench.run.answer()
    bench.look()
    bench.run.answer()
    bench.finish("one")
    bench.timers.move(INTERVAL)
    bench.finish("two")
    assert bench.redraws.state() == {"spec": "two", "answered": 2, "error": ""}


def test_a_kernel_spends_little_of_its_time_with_drawing(bench: Bench) -> None:
    bench.run.answer()
    bench.look()
    bench.timers.move(1.0)
    bench.finish("slow")
    bench.run.answer()
    bench.timers.move(SHARE - 1.5)
    assert not bench.is_drawing
    bench.timers.move(0.5)
    assert bench.is_drawing


def test_a_drawing_that_fails_is_shown_and_tried_again(bench: Bench) -> None:
    bench.run.answer()
    bench.look()
    bench.finish(error="The disk is full.")
    assert bench.sent[-1]["set"] == {"error": "The disk is full."}
    bench.timers.move(RETRY)
    bench.finish("one")
    assert bench.sent[-1]["set"] == {"spec": "one", "answered": 1, "error": ""}


def test_closed_charts_have_let_go_of_the_run_and_of_their_drawing(bench: Bench) -> None:
    bench.look()
    bench.redraws.close()
    bench.redraws.close()
    assert (bench.run.on_change, bench.owner.is_closed) == ([], True)
