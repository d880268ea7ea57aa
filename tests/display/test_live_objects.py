"""An operator and its runs show themselves without asking anybody, and without trusting any text."""

from __future__ import annotations

import shutil
from pathlib import Path

import mephisto_nb as mnb
from tests.inside import parts_of
from tests.kernel.runs import crowd_of, end_routers, launch, rows, take

HOSTILE = "<script>alert(1)</script>&\"'"


async def test_hostile_names_and_reasons_in_attention_are_escaped(data_dir: Path) -> None:
    async with mnb.Operator(data_dir=data_dir) as operator:
        run = await launch(operator, rows(2), task_name=HOSTILE)
        parts_of(run).link.trouble = f"broken by {HOSTILE}"
        shown = [run._repr_mimebundle_(), operator._repr_mimebundle_()]
        await run.force_shutdown()
    await end_routers(data_dir)
    for bundle in shown:
        assert "<script>" not in bundle["text/html"]
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in bundle["text/html"]
    assert "Needs attention" in shown[0]["text/html"]
    assert f"Needs attention: broken by {HOSTILE}" in shown[0]["text/plain"]


async def test_a_repr_asks_neither_the_database_nor_the_disk(data_dir: Path) -> None:
    async with mnb.Operator(data_dir=data_dir) as operator:
        run = await launch(operator, rows(2))
        async with crowd_of(run.url) as worker:
            await worker("ann").submit(await take(worker("ann")), {})
        await run.shutdown()
    await end_routers(data_dir)
    operator._runs.database.close()
    shutil.rmtree(data_dir)
    assert repr(run) == f"<TaskRun 'moods' {run.task_run_id} ended: 1 of 2 units answered; 1 expired>"
    assert "1 of 2 units answered" in run._repr_mimebundle_()["text/plain"]
    assert "shut down" in operator._repr_mimebundle_()["text/plain"]
    assert repr(operator) == "<Operator: shut down>"


async def test_a_run_of_an_earlier_kernel_is_offered_to_be_taken_up(data_dir: Path) -> None:
    operator = mnb.Operator(data_dir=data_dir)
    run = await launch(operator, rows(1), task_name=HOSTILE)
    await operator.detach()
    async with mnb.Operator(data_dir=data_dir) as again:
        assert f"await operator.reconnect({run.task_run_id!r})" in repr(again)
        page = again._repr_mimebundle_()["text/html"]
        assert (run.task_run_id in page, "<script>" in page) == (True, False)
        await (await again.reconnect(run.task_run_id)).force_shutdown()
    await end_routers(data_dir)
