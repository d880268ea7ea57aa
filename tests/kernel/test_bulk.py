"""Much at once, in small: large rows, a long history, and a crowd that comes while no kernel is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from mephisto_nb.kernel import task_launcher
from mephisto_nb.model.packets import MADE_ANEW
from mephisto_nb.operator import Operator
from mephisto_nb.ports.architect import Channel
from mephisto_nb.storage import large_rows
from tests.benchmarks.bulk_bench import bulk
from tests.inside import parts_of
from tests.kernel.runs import crowd_of, launch


@pytest.mark.slow
async def test_a_crowd_is_served_from_large_rows_after_a_return(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_rows, "READ_AT_ONCE", 1_000_000)
    served, _ = await bulk(rows=24, history=12, workers=20)
    assert served.value < 10


async def test_large_rows_are_written_a_few_at_a_time(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_launcher, "CHUNK_BYTES", 25_000)
    run = await launch(operator, [{"text": "x" * 10_000} for _ in range(10)])
    assert len(run.units()) == 10  # all are there when the launch returns: nobody is sent away for want of them
    written = run.events().query("why == 'created'").groupby("at").size()
    assert written.max() == 3


async def test_large_work_is_made_anew_for_a_page_that_waited(make_operator: Callable[..., Operator]) -> None:
    data = [{"text": f"{n}" + "x" * 100_000} for n in range(3)]
    operator = make_operator()
    run = await launch(operator, data)
    async with crowd_of(run.url) as worker:
        coming = asyncio.create_task(worker("ann").register())
        parts_of(run).link._sender._send_all = _nothing_is_sent  # type: ignore[method-assign]
        await parts_of(run).engine.wait_until(lambda state: bool(state.agents))
        ((_, packet),) = parts_of(run).database.runs.load_run(run.task_run_id).outbox[-1:]
        assert len(packet.to_text()) < 1000  # the row is in the database once
        await operator.detach()
        await make_operator().reconnect(run.task_run_id)
        details = await coming
    assert details["init_task_data"] == data[0]
    assert MADE_ANEW not in details


async def _nothing_is_sent(channel: Channel) -> None:
    """Send nothing, as a kernel that is killed at the wrong moment."""
