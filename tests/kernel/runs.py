"""Real runs for tests: launched into a temporary directory, worked on by simulated workers, and looked after."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from mephisto_nb.architects.local import LocalArchitect, LocalArchitectArgs
from mephisto_nb.config.hydra_config import compose
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.page_client import PageClient
from mephisto_nb.testing.simulated_workers import Run, SimulatedWorker, make_worker, simulate_workers
from tests.inside import parts_of

ABOUT = {"task_name": "moods", "task_title": "Moods", "task_description": "Name them", "task_tags": "mood"}

#: ``worker(name)`` makes a simulated worker of the run.
Crowd = Callable[[str], SimulatedWorker]


def mock_config(blueprint: dict[str, Any] | None = None, **task: Any) -> Any:
    """Compose the configuration of a mock task whose links are not signed: a URL is enough to come by."""
    task = {**ABOUT, "task_reward": 0.1, **task}
    return compose("mock", blueprint_args=blueprint or {}, provider_args={"signed_links": False}, task=task)


async def launch(
    operator: Operator, data: Any = None, *, blueprint: dict[str, Any] | None = None, shared: Any = None, **task: Any
) -> TaskRun:
    """Launch a mock task; `shared` are fields of its `SharedTaskState`, `task` those of its `TaskRunArgs`."""
    state = SharedTaskState(static_task_data=data, **(shared or {}))
    return await operator.launch_task_run(mock_config(blueprint, **task), state)


def rows(count: int) -> list[dict[str, Any]]:
    """Return task data."""
    return [{"text": f"text {index}"} for index in range(count)]


@asynccontextmanager
async def crowd_of(run: Run | str) -> AsyncIterator[Crowd]:
    """Return the workers of a run, who come by their own links if there is more than its URL."""
    async with PageClient() as session:
        yield lambda name: make_worker(run, name, session)


async def take(worker: SimulatedWorker, registration: str | None = None) -> str:
    """Let a worker take a unit; give the agent's id."""
    details = await worker.register(registration)
    assert details["agent_id"] is not None, details
    return str(details["agent_id"])


async def work_to_the_end(run: TaskRun) -> None:
    """Let a worker do whatever comes on offer, until nothing is left."""
    while True:
        await parts_of(run).engine.wait_until(lambda state: bool(state.launched) or state.is_complete)
        if parts_of(run).engine.state.is_complete:
            return await run.completed()
        await simulate_workers(run.url, lambda data: data, num_workers=1, name="diligent")


def router_pid(run: TaskRun) -> int:
    """Return the process of a run's router."""
    return int(json.loads((parts_of(run).directory / "router.json").read_text())["pid"])


async def has_ended(pid: int) -> None:
    """Wait for the end of a process, which may be anybody's child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def kill(pid: int) -> None:
    """Kill a process, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    await has_ended(pid)


async def end_routers(directory: Path) -> None:
    """End every router below a directory."""
    for config in directory.glob("**/router_config.json"):
        await LocalArchitect(LocalArchitectArgs(), config.parent).shutdown()


def run_directories(directory: Path) -> list[Path]:
    """Return the runs' own directories."""
    return list((directory / "runs").glob("*"))


def routers_in(directory: Path) -> list[int]:
    """Return the processes that this one has started, or had forked, for runs below a directory, and that live."""
    return [pid for pid in descendants(os.getpid()) if (log := log_of(pid)) and directory in log.parents]


def descendants(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    tasks = Path(f"/proc/{pid}/task")
    children = [int(child) for task in tasks.glob("*/children") for child in task.read_text().split()]
    return [*children, *(grandchild for child in children for grandchild in descendants(child))]


def log_of(pid: int) -> Path | None:
    """Return the file to which a process writes its errors; None of one that is no more."""
    try:
        return Path(f"/proc/{pid}/fd/2").readlink()
    except FileNotFoundError:
        return None


def nothing_is_left(data_dir: Path) -> bool:
    """Return whether a launch that failed has left no directory, no row and no process."""
    with closing(sqlite3.connect(data_dir / "mephisto_nb.db")) as database:
        tables = ("task_runs", "assignments", "units", "agents", "events", "outbox")
        counts = {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
    assert not any(counts.values()), counts
    assert run_directories(data_dir) == []
    assert routers_in(data_dir) == []
    return True
