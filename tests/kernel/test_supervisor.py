"""The owner of an operator's tasks: one that fails harms no other, nor does a handler that fails on it."""

from __future__ import annotations

import asyncio

from mephisto_nb.kernel.run_tasks import Supervisor


async def test_a_failing_task_with_a_failing_handler_harms_no_other_task() -> None:
    supervisor, done, told = Supervisor(), asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        raise OSError("the disk is gone")

    async def go_on() -> None:
        await told.wait()
        done.set()

    def mistaken(error: Exception) -> None:
        told.set()
        raise ValueError("not in the list")

    await supervisor.start()
    supervisor.spawn("the other", go_on(), lambda error: None)
    await asyncio.wait([supervisor.spawn("the one", fail(), mistaken)])
    async with asyncio.timeout(5):
        await done.wait()
    await supervisor.close()
