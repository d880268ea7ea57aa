"""Much at once, in small: large rows, a long history, and a crowd that comes while no kernel is there."""

from __future__ import annotations

import pytest

from mephisto_nb.kernel import task_launcher
from mephisto_nb.operator import Operator
from mephisto_nb.storage import large_rows
from tests.benchmarks.bulk_bench import bulk
from tests.inside import parts_of
from tests.kernel.runs import launch


@pytest.mark.slow
async def test_a_crowd_is_served_from_large_rows_after_a_return(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_rows, "READ_AT_ONCE", 1_000_000)
    served, _ = await bulk(rows=24, history=12, workers=20)
    assert served.value < 10


async def test_large_rows_are_written_a_few_at_a_time(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_launcher, "CHUNK_BYTES", 25_000)
    run = await launch(operator, [{"text": "x" * 10_000} for _ in range(10)])
    await parts_of(run).engine.wait_until(lambda state: state.generator_done)
    assert len(run.units()) == 10
    written = run.events().query("why == 'created'").groupby("at").size()
    assert written.max() == 3
