"""A link that does not get on is told, with its cause; one that does is left alone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
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
    progress = LinkProgress(engine, lambda: None)
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
