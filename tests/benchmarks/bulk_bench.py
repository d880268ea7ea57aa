"""Much at once: rows of a megabyte, a long history, and a crowd that comes while no kernel is there."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import mephisto_nb as mnb
from mephisto_nb.model.changes import AddLiveUpdate, Changes
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.simulated_workers import make_worker
from tests.benchmarks.harness import ABOUT, Figure
from tests.inside import parts_of

MB = 1_000_000


class Pulse:
    """How long the loop was held at most, looked at every few milliseconds."""

    def __init__(self) -> None:
        self.longest, self._last = 0.0, time.perf_counter()
        self._timer: asyncio.TimerHandle | None = None
        self._beat()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last - 0.005)
        self._last = now
        self._timer = asyncio.get_running_loop().call_later(0.005, self._beat)

    def end(self) -> float:
        if self._timer is not None:
            self._timer.cancel()
        return self.longest


def _config(folder: str) -> Any:
    source = Path(folder) / "bundle.js"
    source.write_text("mephisto.begin();" + "/*x*/" * 300)
    return mnb.compose(
        "remote_procedure",
        task={**ABOUT, "allowed_concurrent": 0},
        blueprint_args={"task_source": str(source)},
        provider_args={"signed_links": False},
    )


def _state(rows: int = 0) -> mnb.SharedTaskState:
    data = [{"picture": f"{n:06d}" + "A" * MB} for n in range(rows)]
    return mnb.SharedTaskState(static_task_data=data or None, function_registry={"look": lambda args: 1})


async def _talk(run: Any, agent_id: str, megabytes: int) -> None:
    """Write a history of so many calls of a megabyte, as if one worker had made them."""
    parts, text = parts_of(run), json.dumps({"text": "b" * MB})
    for start in range(0, megabytes, 10):
        changes = Changes(run.task_run_id)
        for n in range(start, min(megabytes, start + 10)):
            call = {"update_id": f"c{n}", "request_id": f"c{n}", "target": "look", "args": text}
            answer = {"update_id": f"a{n}", "handles": f"c{n}", "response": "1"}
            changes.changes += [
                AddLiveUpdate(agent_id, "worker", call, 1.0),
                AddLiveUpdate(agent_id, "operator", answer, 1.0),
            ]
        await parts.writer.commit(changes)


_CROWD = """
import asyncio, sys, time
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.simulated_workers import make_worker

async def main(url, count, first):
    async with PageClient() as session:
        async def come(number):
            details = await make_worker(url, f"w{number}", session).register()
            assert details["agent_id"], details
            return time.time()
        tasks = [asyncio.create_task(come(number)) for number in range(count)]
        again = asyncio.create_task(make_worker(url, "talker", session).register(first))
        print("coming", flush=True)
        print(max(await asyncio.gather(*tasks)), flush=True)
        assert (await again)["agent_id"]

asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
"""


async def bulk(rows: int = 2000, history: int = 500, workers: int = 200) -> list[Figure]:
    """Launch, let no kernel be there while all come, and measure until the last one has work."""
    with tempfile.TemporaryDirectory() as folder:
        operator = mnb.Operator(data_dir=folder)
        run = await operator.launch_task_run(_config(folder), _state(rows))
        await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.LAUNCHED] == rows)
        async with PageClient() as session:
            details = await make_worker(run.url, "talker", session).register("first")
        await _talk(run, details["agent_id"], history)
        url, task_run_id = run.url, run.task_run_id
        await operator.detach()
        command = [sys.executable, "-c", _CROWD, url, str(workers), "first"]
        crowd = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env=dict(os.environ))
        assert crowd.stdout is not None
        await crowd.stdout.readline()
        operator, pulse, start = mnb.Operator(data_dir=folder), Pulse(), time.time()
        await operator.reconnect(task_run_id, _state())
        last = float(await crowd.stdout.readline()) - start
        held = pulse.end()
        await crowd.wait()
        assert crowd.returncode == 0
        await operator.force_shutdown()
    what = f"{rows:,} rows of 1 MB, {history} MB of history"
    return [
        Figure(f"{what}: {workers} workers served after the kernel's return", last, "s", floor_is="-", limit="< 10 s"),
        Figure("the longest that the loop was held meanwhile", 1000 * held, "ms", floor_is="-"),
    ]
