"""Two notebooks on one database: no decision is lost, nobody is paid twice, and no live run is disturbed."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from tests.inside import live_of, parts_of
from tests.kernel.runs import crowd_of, launch, rows, take
from tests.review.answers import said, stored_run
from tests.review.reviewer import decide


class Notebook:
    """A reviewer in a process of their own."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def decide(self, verdict: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"verdict": verdict, **arguments}).encode() + b"\n")
        return json.loads(await self.read())  # type: ignore[no-any-return]

    async def read(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the notebook has ended"
        return line


@pytest.fixture
async def open_notebook(data_dir: Path) -> AsyncIterator[Callable[[str], Awaitable[Notebook]]]:
    processes: list[Process] = []

    async def open_one(task_run_id: str) -> Notebook:
        command = (sys.executable, "-m", "tests.review.reviewer", str(data_dir), task_run_id)
        processes.append(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE))
        notebook = Notebook(processes[-1])
        assert await notebook.read() == b"ready\n"
        return notebook

    yield open_one
    for process in processes:
        process.kill()
        await process.communicate()


async def answer(run: TaskRun, units: int, name: str = "simulated") -> None:
    """Let one worker answer so many units, and wait until they are taken in."""
    before = live_of(run).progress[0]
    async with crowd_of(run.url) as worker:
        one = worker(name)
        for _ in range(units):
            await one.submit(await take(one), {"label": name})
    await parts_of(run).engine.wait_until(lambda _: live_of(run).progress[0] == before + units)


async def test_two_notebooks_that_review_one_run_decide_on_each_answer_once(
    operator: Operator, open_notebook: Callable[[str], Awaitable[Notebook]]
) -> None:
    run = stored_run(operator, [said(item, f"w{item % 7}", "glad") for item in range(40)])
    eve = await open_notebook(run.task_run_id)
    theirs, ours = await asyncio.gather(
        eve.decide("approve", size=3, seed=1, who="eve", bonus=0.5),
        decide(run, "approve", size=4, seed=2, who="ann", bonus=0.5),
    )
    done = [*theirs["done"], *ours.loc[ours["done"], "unit_id"]]
    assert sorted(done) == sorted(run.units()["unit_id"])
    assert set(theirs["told"]) <= {"was approved by ann"}
    reviews, payments = run.review.decisions(), run.payments()
    assert sorted(reviews["unit_id"]) == sorted(done)
    assert payments.groupby(["unit_id", "kind"]).size().eq(1).all()
    assert payments["amount"].sum() == 40 * 0.75


async def test_deciding_on_a_live_run_of_another_kernel_does_not_disturb_it(
    operator: Operator, open_notebook: Callable[[str], Awaitable[Notebook]]
) -> None:
    run = await launch(operator, rows(8))
    await answer(run, 4)
    other = await open_notebook(run.task_run_id)
    assert len((await other.decide("reject", size=4, seed=1, who="mia"))["done"]) == 4
    outcome = await run.review.approve(run.results()["unit_id"], who="eve")
    assert outcome["why"].str.startswith("was rejected by mia at ").all()  # and its engine has heard of it
    await answer(run, 1, "ann")
    assert list((await run.review.approve(worker="ann", who="eve"))["done"]) == [True]
    await answer(run, 3, "late")
    await run.completed()
    told = await other.decide("approve", size=8, seed=1, who="mia")
    assert (len(told["done"]), told["told"]) == (3, ["was approved by eve", "was rejected by mia"])
    await live_of(run).over.wait()
    assert run.counts == {"accepted": 4, "rejected": 4}
    assert sorted(run.units()["status"]) == ["accepted"] * 4 + ["rejected"] * 4


async def test_decisions_on_a_run_of_this_kernel_go_through_its_engine(operator: Operator) -> None:
    run = await launch(operator, rows(3))
    steps: list[Any] = []
    await answer(run, 2)
    parts_of(run).engine.listeners.append(steps.append)
    await run.review.approve()
    assert (run.counts, len(steps)) == ({"launched": 1, "accepted": 2}, 1)
    await run.review.undo(run.units().query("status == 'accepted'"))
    assert (run.counts, len(steps)) == ({"launched": 1, "completed": 2}, 2)
