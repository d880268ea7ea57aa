"""Live messages between a worker's page and the task's code."""

from __future__ import annotations

import statistics

from tests.benchmarks.harness import Figure, bare_server, launched, load

#: No more than a router takes from one worker at once.
MESSAGES = 150
#: What is measured, and how many times the floor it may be. In a rush each message waits for the record of the last.
WHAT = {
    "talk": ("a live message, worker to Python and back", "≤ 3"),
    "rush": ("the same in a rush: each waits for two commits", ""),
}


async def _figure(kind: str) -> Figure:
    async with bare_server() as first, bare_server() as second:
        floor = (await load(kind, f"ws://127.0.0.1:{first}/chain?{second}", 1, MESSAGES))["seconds"]["talk"]
    async with launched(1, run_live=True) as run:
        talk = (await load(kind, run.url, 1, MESSAGES))["seconds"]["talk"]
    measured, least = 1000 * statistics.median(talk), 1000 * statistics.median(floor)
    what, limit = WHAT[kind]
    return Figure(what, measured, "ms", least, "two chained echoes", limit)


async def live_messages() -> list[Figure]:
    return [await _figure(kind) for kind in WHAT]
