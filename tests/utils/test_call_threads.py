"""Functions that are not ours, in threads of their own."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from functools import partial
from typing import Any

import pytest

from mephisto_nb.utils.user_code import CallThreads, call, in_own_thread, is_async


async def exits(code: int) -> None:
    sys.exit(code)


class Unstarted(threading.Thread):
    def start(self) -> None:
        raise RuntimeError("can't start new thread")


async def test_results_and_errors_come_back() -> None:
    assert await in_own_thread(int, "3") == 3
    with pytest.raises(ValueError, match="three"):
        await in_own_thread(int, "three")


async def test_what_a_future_cannot_hold_comes_back_as_another_error() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await in_own_thread(next, iter(()))


@pytest.mark.parametrize("end", [sys.exit, exits])
async def test_a_function_that_exits_fails_and_ends_nothing(end: Any) -> None:
    with pytest.raises(RuntimeError, match=r"SystemExit\(3\)"):
        await call(end, 3)


async def test_a_thread_that_cannot_start_leaves_its_place_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = CallThreads(1, "test")
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Thread", Unstarted)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await threads.run(int)
    async with asyncio.timeout(5):
        assert await threads.run(int) == 0


async def test_the_callers_context_is_there() -> None:
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("mine")
    assert await in_own_thread(variable.get) == "mine"


async def test_so_many_run_at_a_time_and_the_others_wait() -> None:
    threads, free, running = CallThreads(2, "test"), threading.Event(), []

    def work(number: int) -> int:
        running.append(number)
        free.wait(10)
        return number

    calls = [asyncio.create_task(threads.run(work, number)) for number in range(3)]
    while len(running) < 2:
        await asyncio.sleep(0)
    assert sorted(running) == [0, 1]
    free.set()
    assert await asyncio.gather(*calls) == [0, 1, 2]


async def test_a_call_that_is_waited_for_no_more_holds_its_place_to_its_end() -> None:
    threads, free, started = CallThreads(1, "test"), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        free.wait(10)

    first = asyncio.create_task(threads.run(work))
    await in_own_thread(started.wait, 10)
    first.cancel()
    second = asyncio.create_task(threads.run(free.is_set))
    await asyncio.wait({first})
    assert not second.done()
    free.set()
    assert await second


class Called:
    async def __call__(self) -> None: ...

    async def method(self) -> None: ...

    def plain(self) -> None: ...


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (Called(), True),
        (Called().method, True),
        (partial(Called().method), True),
        (Called().plain, False),
        (print, False),
    ],
    ids=["callable object", "async method", "partial of it", "plain method", "builtin"],
)
def test_what_is_to_be_awaited_is_known(function: Any, expected: bool) -> None:
    assert is_async(function) is expected
