"""A run is taken up again after its kernel was restarted."""

from __future__ import annotations

import tempfile
import time

import mephisto_nb as mnb
from mephisto_nb.model.states import UnitStatus
from tests.benchmarks.harness import ABOUT, Figure, rows
from tests.inside import live_of, parts_of


async def _take_up(count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        operator = mnb.Operator(data_dir=folder)
        config = mnb.compose("mock", task=ABOUT)
        run = await operator.launch_task_run(config, mnb.SharedTaskState(static_task_data=rows(count)))
        await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.LAUNCHED] == count)
        await operator.detach()
        start = time.perf_counter()
        operator = mnb.Operator(data_dir=folder)
        again = await operator.reconnect(run.task_run_id)
        seconds = time.perf_counter() - start
        assert live_of(again).progress == (0, count, 0)
        await operator.force_shutdown()
    return seconds


async def restart() -> list[Figure]:
    small, large = await _take_up(1_000), await _take_up(10_000)
    return [
        Figure("taking up a run of 10,000 units", large, "s", floor_is="-", limit="< 2 s"),
        Figure("the same, per 1,000 units", large, "s", small, "10 is linear", "≤ 10"),
    ]
