"""Workers who arrive, work and submit."""

from __future__ import annotations

import os
import time
from pathlib import Path

from mephisto_nb.architects.local import LocalArchitect
from mephisto_nb.run import TaskRun
from tests.benchmarks.harness import Figure, bare_server, launched, load, p95
from tests.inside import live_of, parts_of


async def arrivals() -> list[Figure]:
    async with bare_server() as port:
        floor = p95((await load("bare", f"http://127.0.0.1:{port}", 200, 1))["seconds"]["post"])
    seconds = {}
    for units in (1_000, 10_000):
        async with launched(units) as run:
            result = await load("arrive", run.url, 200, 1)
            assert not result["failed"], result["errors"]
            seconds[units] = p95(result["seconds"]["arrive"])
    return [
        Figure("200 workers at once, 95 % have their unit", seconds[1_000], "s", floor, "bare POST + commit", "≤ 4"),
        Figure("the same with 10,000 units", seconds[10_000], "s", seconds[1_000], "with 1,000 units", "≈ 1"),
    ]


async def throughput() -> list[Figure]:
    workers, units = 100, 20
    async with bare_server() as port:
        wall = (await load("bare", f"http://127.0.0.1:{port}", workers, 2 * units))["wall"]
        floor = 2 * workers * units / wall
    async with launched(workers * units) as run:
        result = await load("work", run.url, workers, units)
        assert not result["failed"], result["errors"]
        requests = 2 * workers * units / result["wall"]
        start = time.perf_counter()
        await run.completed()
        completed = time.perf_counter() - start
    return [
        Figure("requests of 100 workers, arrival to submission", requests, "/s", floor, "bare POST + commit", "≥ 0.33"),
        Figure("from the last submission to completed()", completed, "s", floor_is="-", limit="< 0.1 s"),
    ]


def _router_pid(run: TaskRun) -> int:
    architect = parts_of(run).architect
    assert isinstance(architect, LocalArchitect)
    return int(architect._state()["pid"])


async def crowd() -> list[Figure]:
    """1,000 workers, thinking for 1 to 3 s about each of two units; and the same without a thought."""
    workers, figures = 1_000, []
    for kind, limit in (("think", "≤ 0.2 s"), ("work", "")):
        async with launched(2 * workers) as run:
            result = await load(kind, run.url, workers, 2)
            await run.completed()
            answered = live_of(run).progress[0]
            kernel, router = _memory(os.getpid()), _memory(_router_pid(run))
        what = "1,000 workers at once" if kind == "think" else "the same without a thought"
        late = p95(result["seconds"]["submit"])
        figures += [
            Figure(f"{what}: units done", 50 * answered / workers, "%", floor_is="-", limit="≥ 99.9 %"),
            Figure(f"{what}: 95 % of submissions within", late, "s", floor_is="-", limit=limit),
            Figure(f"{what}: memory of the kernel", kernel, "MB", floor_is="-"),
            Figure(f"{what}: memory of the router", router, "MB", floor_is="-"),
        ]
    return figures


def _memory(pid: int) -> float:
    """Return the resident memory of a process, where /proc tells it."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
