"""A patience that counts no time in which the event loop stood still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mephisto_nb.utils.patience import patience


class Loop(asyncio.SelectorEventLoop):
    """A loop whose clock can be put forward, as by a cell that computes."""

    away = 0.0

    def time(self) -> float:
        return super().time() + self.away


def in_loop(work: Callable[[Loop], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=Loop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Loop)
        return runner.run(work(loop))


def test_what_came_while_the_loop_stood_still_came_in_time() -> None:
    async def work(loop: Loop) -> str:
        heard = loop.create_future()
        loop.call_later(0.5, heard.set_result, "hi")
        async with patience(1.0):
            loop.away += 60.0
            return str(await heard)

    assert in_loop(work) == "hi"


@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_who_waits_in_vain_is_told(seconds: float) -> None:
    async def work(loop: Loop) -> None:
        async with patience(seconds):
            await loop.create_future()

    with pytest.raises(TimeoutError):
        in_loop(work)


def test_time_counts_only_while_it_may() -> None:
    async def work(loop: Loop) -> int:
        asked = 0

        def counts() -> bool:
            nonlocal asked
            asked += 1
            return asked > 30

        with pytest.raises(TimeoutError):
            async with patience(0.02, counts):
                await loop.create_future()
        return asked

    assert in_loop(work) == 50


def test_without_a_limit_and_after_the_work_nothing_is_left() -> None:
    async def work(loop: Loop) -> float:
        async with patience(None):
            await asyncio.sleep(0)
        async with patience(5.0) as rest:
            pass
        await asyncio.sleep(0)
        return rest.left

    assert in_loop(work) == 5.0
