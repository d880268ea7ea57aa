"""Runs of any time can be looked up."""

from __future__ import annotations

import pandas as pd
import pytest

from mephisto_nb.errors import NotFoundError
from mephisto_nb.testing.simulated_workers import simulate_workers
from tests.kernel.runs import launch, rows


async def test_frames_are_the_same_after_shutdown_and_in_a_later_kernel(make_operator):
    operator = make_operator()
    run = await launch(operator, rows(3))
    await simulate_workers(run.url, lambda data: {"label": data["text"].upper()}, num_workers=1)
    await run.completed()
    results, units = run.results(), run.units()
    await operator.shutdown()
    pd.testing.assert_frame_equal(run.results(), results)
    later = make_operator()
    found = later.get_task_run(later.task_runs()["task_run_id"][0])
    pd.testing.assert_frame_equal(found.results(), results)
    pd.testing.assert_frame_equal(found.units(), units)
    assert list(found.results()["answer.label"]) == ["TEXT 0", "TEXT 1", "TEXT 2"]


async def test_a_run_of_this_kernel_is_the_one_that_was_launched(operator):
    run = await launch(operator, rows(1))
    assert operator.get_task_run(run.task_run_id) is run


async def test_a_run_that_does_not_exist_is_refused_by_name(operator):
    with pytest.raises(NotFoundError, match="no task run 'nobody'"):
        operator.get_task_run("nobody")
