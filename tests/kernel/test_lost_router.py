"""Runs whose router is gone: what became of it is told, and a run whose router cannot be started is no dead end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mephisto_nb.kernel import run_tasks
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from mephisto_nb.utils.machine import MachineTrouble
from tests.inside import parts_of
from tests.kernel.runs import crowd_of, kill, launch, router_pid, rows, take


async def gone_for_good(run: TaskRun) -> None:
    """Spoil the inbox of a run's router, and kill that."""
    pid = router_pid(run)
    for inbox in parts_of(run).directory.glob("inbox.db*"):
        inbox.write_bytes(b"x" * 5000)
    await kill(pid)


async def test_each_restart_of_a_router_is_in_the_event_log(operator: Operator) -> None:
    run = await launch(operator, rows(1))
    parts = parts_of(run)
    for _ in range(2):
        await parts.link.catch_up()
        await kill(router_pid(run))
        await parts.engine.wait_until(lambda _, link=parts.link: not link.is_connected)  # type: ignore[misc]
    await parts.link.catch_up()
    assert run.events().why.str.contains("was started again").sum() == 2
    assert any("has ended 2 times since" in line for line in run.attention)


async def test_a_run_whose_router_is_gone_for_good_can_be_ended(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_tasks, "ROUTER_TIMEOUT", 0.1)
    run = await launch(operator, rows(1))
    async with crowd_of(run.url) as worker:
        await take(worker("ann"))
    await gone_for_good(run)
    await run.force_shutdown()
    assert run.status == "ended"
    told = "\n".join(run.attention)
    assert f"is kept in {parts_of(run).directory / 'inbox.db'}" in told
    assert "resume_incomplete_run=true" in told
    assert run.events().why.str.contains("ended without its router").any()


async def test_a_run_whose_router_is_gone_can_be_taken_up_and_ended(
    make_operator: Callable[..., Operator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_tasks, "ROUTER_TIMEOUT", 0.1)
    operator = make_operator()
    run = await launch(operator, rows(1))
    await operator.detach()
    await gone_for_good(run)
    again = await make_operator().reconnect(run.task_run_id)
    await again.force_shutdown()
    assert again.status == "ended"


async def test_a_run_goes_on_though_its_routers_file_is_lost(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    run = await launch(operator, rows(1))
    await operator.detach()
    await kill(router_pid(run))
    (parts_of(run).directory / "router_config.json").unlink()
    again = await make_operator().reconnect(run.task_run_id)
    async with crowd_of(again.url) as worker:
        await worker("ann").submit(await take(worker("ann")), {"mood": "grim"})
    await again.completed()
    assert again.results()["answer.mood"].tolist() == ["grim"]


@pytest.mark.parametrize(("directory", "count"), [(None, 1), (Path("/far/away"), 2)], ids=["here", "elsewhere"])
async def test_one_disk_is_told_by_router_or_kernel(operator: Operator, directory: Path | None, count: int) -> None:
    run = await launch(operator, rows(1))
    parts = parts_of(run)
    reason = f"The disk of the router, {directory or parts.directory}, is nearly full: 1.0 MB are left."
    parts.link.router_troubles = (MachineTrouble("router disk", 0.0, reason, "Make room there."),)
    parts.watch._own.note("kernel disk", f"The disk of the run, {parts.directory}, is nearly full.", "Make room there.")
    assert sum("is nearly full" in line for line in run.attention) == count
