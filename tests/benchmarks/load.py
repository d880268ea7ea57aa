"""The load, in a process of its own: ``python -m tests.benchmarks.load KIND URL WORKERS UNITS`` prints JSON.

KIND is ``bare`` (UNITS POSTs each), ``arrive`` (one registration each), ``work`` (UNITS units each), ``think`` (the
same, thinking for 1 to 3 s about each unit), ``talk`` (UNITS messages over WebSocket URL, as many a second as a router
takes of one worker for long) or ``rush`` (the same without a pause).
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

from websockets.asyncio.client import connect

from mephisto_nb.errors import RouterError
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.faults.faulty_link import passes

TALKS_PER_SECOND = 50
ANSWER = {"label": "positive", "comment": "x" * 200}


class Stopwatch:
    """Collects how long requests took, by kind."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.failed = 0

    async def time(self, kind: str, request: Any) -> Any:
        start = time.perf_counter()
        result = await request
        self.seconds.setdefault(kind, []).append(time.perf_counter() - start)
        return result


async def bare(worker: SimulatedWorker, units: int, watch: Stopwatch) -> None:
    for _ in range(units):
        await watch.time("post", worker.post("/", ANSWER))


async def arrive(worker: SimulatedWorker, units: int, watch: Stopwatch) -> None:
    details = await watch.time("arrive", worker.register())
    watch.failed += details["agent_id"] is None


async def work(worker: SimulatedWorker, units: int, watch: Stopwatch, thinking: tuple[int, int] = (0, 0)) -> None:
    chance = random.Random(worker.name)
    for _ in range(units):
        details = await watch.time("arrive", worker.register())
        if details["agent_id"] is None:
            watch.failed += 1
            return
        if any(thinking):
            await passes(chance.uniform(*thinking))
        await watch.time("submit", worker.submit(details["agent_id"], ANSWER))


async def think(worker: SimulatedWorker, units: int, watch: Stopwatch) -> None:
    await work(worker, units, watch, (1, 3))


async def http_load(kind: str, url: str, workers: int, units: int) -> dict[str, Any]:
    watch = Stopwatch()
    act = {"bare": bare, "arrive": arrive, "work": work, "think": think}[kind]
    async with PageClient() as session:
        crowd = [SimulatedWorker(f"w{index}", url, session) for index in range(workers)]
        start = time.perf_counter()
        outcomes = await asyncio.gather(*(act(worker, units, watch) for worker in crowd), return_exceptions=True)
    errors = [repr(outcome) for outcome in outcomes if isinstance(outcome, (RouterError, Exception))]
    return {"seconds": watch.seconds, "wall": time.perf_counter() - start, "failed": watch.failed, "errors": errors}


async def talk(
    url: str, messages: int, pause: float, hello: dict[str, Any] | None, packet: dict[str, Any]
) -> list[float]:
    seconds = []
    async with connect(url, proxy=None) as socket:
        if hello is not None:
            await socket.send(json.dumps(hello))
        for index in range(messages):
            packet["data"]["update_id"] = f"u{index}"
            start = time.perf_counter()
            await socket.send(json.dumps(packet))
            while f'"u{index}"' not in str(await socket.recv()):
                pass
            seconds.append(time.perf_counter() - start)
            await passes(pause)
    return seconds


async def main() -> dict[str, Any]:
    kind, url, workers, units = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if kind not in ("talk", "rush"):
        return await http_load(kind, url, workers, units)
    pause = 1 / TALKS_PER_SECOND if kind == "talk" else 0
    if url.startswith("ws"):  # a bare echo
        return {"seconds": {"talk": await talk(url, units, pause, None, {"data": {"text": "hello"}})}}
    async with PageClient() as session:
        details = await SimulatedWorker("talker", url, session).register()
    hello = {"packet_type": "alive", "subject_id": details["agent_id"], "data": {"update_id": "a"}}
    packet = {"packet_type": "mephisto_bound_live_update", "subject_id": details["agent_id"], "data": {"text": "hi"}}
    return {"seconds": {"talk": await talk(url.replace("http", "ws"), units, pause, hello, packet)}}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
