"""What goes to the front end, and when: deltas, at most eight a second, to those who look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mephisto_nb.display.widgets.widget import INTERVAL, LEASE, Feed, Viewers, find_changes
from tests.display.timers import Timers


class Source:
    """A number that somebody counts up."""

    def __init__(self) -> None:
        self.on_change: list[Callable[[], None]] = []
        self.number, self.asked = 0, 0

    def state(self) -> dict[str, Any]:
        self.asked += 1
        return {"run": {"now": self.asked}, "units": {"done": self.number, "open": 5}}

    async def load(self) -> None:
        """There is nothing to read."""

    def count(self) -> None:
        self.number += 1
        self.tell()

    def tell(self) -> None:
        for callback in self.on_change:
            callback()


class Bench:
    """A feed with its source, its time, and what it has sent."""

    def __init__(self) -> None:
        self.source, self.timers, self.sent = Source(), Timers(), list[dict[str, Any]]()
        self.feed = Feed("run1", self.source, self.sent.append, self.timers)

    def look(self) -> None:
        self.feed.watch(True)
        self.feed.send_whole()
        self.timers.move(10)

    def done(self) -> list[Any]:
        return [message["set"]["units.done"] for message in self.sent if message["type"] == "delta"]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_only_what_differs_is_a_change() -> None:
    old = {"a": {"b": 1, "c": [1, 2]}, "d": None, "e": 1}
    assert find_changes(old, {"a": {"b": 2, "c": [1, 2]}, "d": {"x": 1}, "e": 1}) == {"a.b": 2, "d": {"x": 1}}
    assert find_changes({}, {"a": None}) == {"a": None}


def test_a_whole_state_comes_first_and_deltas_count_on(bench: Bench) -> None:
    bench.look()
    bench.source.count()
    bench.timers.move(0)
    assert [(message["type"], message["rev"]) for message in bench.sent] == [("state", 1), ("delta", 2)]
    assert bench.sent[1]["set"] == {"units.done": 1, "run.now": 2}


def test_the_first_change_goes_at_once_and_the_last_always(bench: Bench) -> None:
    bench.look()
    for _ in range(100):
        bench.source.count()
        bench.timers.move(0.01)
    bench.timers.move(INTERVAL)
    assert bench.done()[0] == 1
    assert bench.done()[-1] == 100
    assert len(bench.done()) <= 1 / INTERVAL + 1


def test_nobody_looks_nothing_is_asked_or_sent(bench: Bench) -> None:
    bench.source.count()
    bench.timers.move(10)
    assert (bench.source.asked, bench.sent, bench.timers.calls) == (0, [], [])
    bench.look()
    bench.source.count()
    bench.feed.watch(False)
    bench.timers.move(10)
    assert len(bench.sent) == 1


def test_the_clock_alone_is_no_news(bench: Bench) -> None:
    bench.look()
    bench.source.tell()
    bench.timers.move(10)
    assert len(bench.sent) == 1


def test_a_source_can_see_whether_it_is_followed(bench: Bench) -> None:
    assert bench.source.on_change == []
    for _ in range(2):
        bench.feed.watch(True)
    assert len(bench.source.on_change) == 1
    bench.feed.watch(False)
    assert bench.source.on_change == []


def test_a_closed_feed_has_let_go_of_its_source(bench: Bench) -> None:
    bench.look()
    bench.feed.close()
    bench.feed.close()
    assert bench.source.on_change == []


def test_looks_end_unless_they_are_renewed() -> None:
    viewers = Viewers()
    assert viewers.look("a", ["run1"], 0) == {"run1"}
    assert viewers.look("a", ["run1", "run2"], 20) == {"run2"}
    assert viewers.look("b", ["run2"], 30) == {"run2"}
    assert viewers.next_expiry() == 20 + LEASE
    assert viewers.seen(21 + LEASE) == {"run2"}
    assert viewers.seen(31 + LEASE) == set()
    assert viewers.next_expiry() is None


def test_a_look_that_ended_shows_anew() -> None:
    viewers = Viewers()
    viewers.look("a", ["run1"], 0)
    assert viewers.look("a", [], 1) == set()
    assert viewers.look("a", ["run1"], 2) == {"run1"}
    assert viewers.look("a", ["run1"], 3 + LEASE) == {"run1"}
