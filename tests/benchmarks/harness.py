"""What every benchmark needs: a launched run, a bare server, the load beside them, and a table of figures."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mephisto_nb as mnb

ABOUT = {"task_name": "bench", "task_title": "Bench", "task_description": "A task", "task_tags": "", "task_reward": 0.1}


@dataclass(frozen=True)
class Figure:
    """One row of the table: what was measured, its floor or peer in the same run, and what is asked for."""

    what: str
    value: float
    unit: str
    floor: float | None = None
    floor_is: str = ""
    limit: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None

    def row(self) -> str:
        floor = f"{self.floor:.4g} ({self.floor_is})" if self.floor is not None else self.floor_is
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else ""
        return f"| {self.what} | {self.value:.4g} {self.unit} | {floor} | {ratio} | {self.limit} |"


HEADER = "| figure | measured | floor or peer, same run | ratio | wanted |\n|---|---|---|---|---|"


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


def rows(count: int) -> list[dict[str, str]]:
    return [{"text": f"Sentence number {index} of those to be judged."} for index in range(count)]


@asynccontextmanager
async def launched(count: int, blueprint: str = "mock", shared: Any = None, **args: Any) -> AsyncIterator[Any]:
    with tempfile.TemporaryDirectory() as folder:
        operator = mnb.Operator(data_dir=folder)
        config = mnb.compose(blueprint, task=ABOUT, blueprint_args=args, provider_args={"signed_links": False})
        run = await operator.launch_task_run(
            config, mnb.SharedTaskState(static_task_data=rows(count), **(shared or {}))
        )
        try:
            yield run
        finally:
            await operator.force_shutdown()


@asynccontextmanager
async def bare_server() -> AsyncIterator[int]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.benchmarks.bare_server", str(Path(folder) / "bare.db")]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        # The socket is bound, and listens before the first request is answered.
        try:
            yield port
        finally:
            process.terminate()
            await process.wait()


async def load(kind: str, url: str, workers: int, units: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.load", kind, url, str(workers), str(units)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    result: dict[str, Any] = json.loads(output)
    return result
