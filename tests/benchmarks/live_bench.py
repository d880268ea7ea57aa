"""Live messages between a worker's page and the task's code."""

from __future__ import annotations

import statistics

from tests.benchmarks.harness import Figure, bare_server, launched, load


async def live_messages() -> list[Figure]:
    async with bare_server() as first, bare_server() as second:
        floor = (await load("talk", f"ws://127.0.0.1:{first}/chain?{second}", 1, 300))["seconds"]["talk"]
    async with launched(1, run_live=True) as run:
        talk = (await load("talk", run.url, 1, 300))["seconds"]["talk"]
    return [
        Figure(
            "a live message, worker to Python and back",
            1000 * statistics.median(talk),
            "ms",
            1000 * statistics.median(floor),
            "two chained echoes",
            "≤ 3",
        )
    ]
