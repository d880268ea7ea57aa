"""The heart of the matter: kernel and router are killed in the middle of a run, and no answer is lost."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb._typing import JSON
from mephisto_nb.errors import RunBusyError
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.inside import live_of
from tests.kernel.runs import crowd_of, kill, launch, router_pid, rows

pytestmark = pytest.mark.usefixtures("routers_by_command")

UNITS, WORKERS, HOLDERS, ENOUGH = 200, 50, 5, 60


@dataclass
class Tally:
    """What workers were told is received, and when enough of it is."""

    received: dict[str, JSON] = field(default_factory=dict)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    broken: asyncio.Event = field(default_factory=asyncio.Event)

    async def submit(self, worker: SimulatedWorker, agent_id: str) -> None:
        answer = {"by": worker.name, "agent": agent_id}
        await worker.submit(agent_id, answer)
        self.received[agent_id] = answer
        if len(self.received) == ENOUGH:
            self.enough.set()

    async def work(self, worker: SimulatedWorker) -> None:
        while (agent_id := (await worker.register())["agent_id"]) is not None:
            await self.submit(worker, agent_id)

    async def hold(self, worker: SimulatedWorker) -> None:
        agent_id = (await worker.register())["agent_id"]
        await self.broken.wait()
        await self.submit(worker, agent_id)


async def work_through(url: str, break_down: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]) -> Tally:
    """Let workers do a run, and break something in the middle.

    `break_down` is called with what lets those who hold a unit submit it, and waits until they have.
    """
    tally = Tally()
    async with crowd_of(url) as worker, asyncio.TaskGroup() as group:
        holders = [group.create_task(tally.hold(worker(f"holder-{i}"))) for i in range(HOLDERS)]
        for i in range(WORKERS - HOLDERS):
            group.create_task(tally.work(worker(f"worker-{i}")))

        async def holders_submit() -> None:
            tally.broken.set()
            await asyncio.gather(*holders)

        await tally.enough.wait()
        await break_down(holders_submit)
    return tally


def check(run: TaskRun, tally: Tally) -> None:
    """Every answer that was acknowledged is there, exactly once, with its content; and the run is complete."""
    results = run.results()
    assert results["agent_id"].is_unique
    found = dict(zip(results["agent_id"], results["answer.by"], strict=True))
    assert found == {agent_id: answer["by"] for agent_id, answer in tally.received.items()}  # type: ignore[index, call-overload]
    assert live_of(run).progress == (UNITS, UNITS, 0)
    assert sorted(results["assignment_index"]) == list(range(UNITS))


@pytest.fixture
async def kernel(data_dir: Path) -> AsyncIterator[tuple[Process, dict[str, str]]]:
    """A kernel in a process of its own, with a run."""
    command = (sys.executable, "-m", "tests.kernel.kernel", str(data_dir), str(UNITS))
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    assert process.stdout is not None
    about: dict[str, str] = json.loads(await process.stdout.readline())
    yield process, about
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_a_killed_kernel_loses_no_answer_and_its_run_keeps_its_url(
    kernel: tuple[Process, dict[str, str]], make_operator: Callable[..., Operator]
) -> None:
    process, about = kernel
    runs: list[TaskRun] = []
    with pytest.raises(RunBusyError, match="driven by another kernel"):
        await make_operator().reconnect(about["run_id"])

    async def break_down(holders_submit: Callable[[], Awaitable[None]]) -> None:
        process.kill()
        await process.wait()
        await holders_submit()
        operator = make_operator()
        assert about["run_id"] in repr(operator)
        runs.append(await operator.reconnect(about["run_id"]))

    tally = await work_through(about["url"], break_down)
    await runs[0].completed()
    assert runs[0].url == about["url"]
    check(runs[0], tally)


async def test_a_killed_router_restarts_at_its_url_and_loses_no_answer(operator: Operator) -> None:
    run = await launch(operator, rows(UNITS))
    url, pid = run.url, router_pid(run)

    async def break_down(holders_submit: Callable[[], Awaitable[None]]) -> None:
        await kill(pid)
        await holders_submit()

    tally = await work_through(url, break_down)
    await run.completed()
    assert (run.url, router_pid(run) != pid) == (url, True)
    check(run, tally)


async def test_kernel_and_router_killed_together_lose_no_answer(
    kernel: tuple[Process, dict[str, str]], make_operator: Callable[..., Operator], data_dir: Path
) -> None:
    process, about = kernel
    runs: list[TaskRun] = []

    async def break_down(holders_submit: Callable[[], Awaitable[None]]) -> None:
        process.kill()
        await process.wait()
        await kill(json.loads((data_dir / "runs" / about["run_id"] / "router.json").read_text())["pid"])
        runs.append(await make_operator().reconnect(about["run_id"]))
        await holders_submit()

    tally = await work_through(about["url"], break_down)
    await runs[0].completed()
    assert runs[0].url == about["url"]
    check(runs[0], tally)
