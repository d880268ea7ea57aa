"""A link that does not get on is told, with its cause; one that does is left alone."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
from collections import deque
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from mephisto_nb.errors import RouterError
from mephisto_nb.kernel import link_progress
from mephisto_nb.kernel.link_progress import LinkProgress
from mephisto_nb.operator import Operator
from tests.inside import parts_of
from tests.kernel.runs import launch, router_pid, rows

ERROR = RouterError("The link is broken (close code 1009).")


def _engine(waiting: int = 1) -> Any:
    return SimpleNamespace(committed_seq=0, numbers=SimpleNamespace(delivered_n=0), outbox=deque(range(waiting)))


def _breaks(progress: LinkProgress, times: int) -> list[float]:
    return [progress.pause_after(ERROR, was_open=True) for _ in range(times)]


def test_links_that_break_fruitlessly_are_tried_less_and_told() -> None:
    progress = LinkProgress(_engine(), lambda: None)
    assert _breaks(progress, 1) == [0.1]
    assert progress.trouble is None  # once is no reason to worry
    assert _breaks(progress, 9)[-2:] == [10.0, 10.0]
    assert "10 times in a row" in str(progress.trouble)
    assert "close code 1009" in str(progress.trouble)


@pytest.mark.parametrize("what", ["delivered", "committed", "answered"])
def test_whatever_gets_through_ends_the_worry(what: str) -> None:
    engine = _engine(waiting=0)
    progress = LinkProgress(engine, lambda: None, now=count(step=60).__next__)
    _breaks(progress, 5)
    if what == "delivered":
        engine.numbers.delivered_n = 3
    elif what == "committed":
        engine.committed_seq = 3
    else:
        progress.note_answer()
    assert (progress.is_made(), progress.trouble) == (True, None)
    assert _breaks(progress, 2) == [0.1, 0.2]


def test_an_answer_is_no_progress_while_packets_wait() -> None:
    progress = LinkProgress(_engine(waiting=1), lambda: None)
    for _ in range(3):
        progress.note_answer()
        progress.pause_after(ERROR, was_open=True)
    assert progress.trouble is not None


def test_links_that_break_after_one_answer_are_tried_less_and_told() -> None:
    progress = LinkProgress(_engine(waiting=0), lambda: None, now=lambda: 100.0)
    pauses = []
    for _ in range(9):  # two kernels take the link from each other
        progress.note_open()
        progress.note_answer()
        pauses += _breaks(progress, 1)
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert "9 times in a row" in str(progress.trouble)


def test_a_link_that_gets_on_and_breaks_is_not_opened_at_once() -> None:
    engine = _engine()
    progress = LinkProgress(engine, lambda: None)
    for engine.committed_seq in range(1, 9):
        assert _breaks(progress, 1) == [0.1]
    assert progress.trouble is None


class _Hurry(selectors.SelectSelector):
    """Waits for nothing, and says that the time has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0.0
        return super().select(0)


class _HurriedLoop(asyncio.SelectorEventLoop):
    """A loop on which every wait is over at once."""

    def __init__(self) -> None:
        self.clock = _Hurry()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


def test_a_router_that_stands_still_is_named_within_ten_seconds() -> None:
    async def stands_still_once_it_has_answered() -> float:
        loop, questions, told = asyncio.get_running_loop(), count(), asyncio.Event()
        progress = LinkProgress(_engine(waiting=0), lambda: next(questions) or progress.note_answer())
        began, watch = loop.time(), asyncio.create_task(progress.watch(told.set))
        await told.wait()
        watch.cancel()
        assert "has not answered" in str(progress.trouble)
        return loop.time() - began

    with asyncio.Runner(loop_factory=_HurriedLoop) as runner:
        assert runner.run(stands_still_once_it_has_answered()) < 10.0


def test_a_router_that_is_not_there_is_another_matter() -> None:
    progress = LinkProgress(_engine(), lambda: None)
    pauses = [progress.pause_after(ERROR, was_open=False) for _ in range(3)]
    assert (pauses, progress.trouble) == ([0.1, 0.2, 0.4], None)


@pytest.mark.skipif(os.name != "posix", reason="processes cannot be stopped here")
async def test_a_router_that_stands_still_is_told(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_progress, "_WITHIN", 0.3)
    monkeypatch.setattr(link_progress, "_EVERY", 0.1)
    run = await launch(operator, rows(1))
    changed, link, pid = asyncio.Event(), parts_of(run).link, router_pid(run)
    link.listeners.append(changed.set)

    async def until(is_told: bool) -> None:
        while any("has not answered" in line for line in run.attention) is not is_told:
            changed.clear()
            await changed.wait()

    await link.catch_up()
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.wait_for(until(True), 10)
    finally:
        os.kill(pid, signal.SIGCONT)
    await asyncio.wait_for(until(False), 10)
