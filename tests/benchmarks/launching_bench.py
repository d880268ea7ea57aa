"""Launching and ending units."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from pathlib import Path

import mephisto_nb as mnb
from mephisto_nb.model.states import UnitStatus
from tests.benchmarks.harness import ABOUT, Figure, launched, rows
from tests.inside import parts_of


async def _launch(count: int) -> tuple[float, Path, tempfile.TemporaryDirectory[str]]:
    folder = tempfile.TemporaryDirectory()
    operator = mnb.Operator(data_dir=folder.name)
    config = mnb.compose("mock", task=ABOUT)
    # From the moment when the router answers: starting a process has its own price, whatever the data.
    empty = await operator.launch_task_run(config, mnb.SharedTaskState(static_task_data=rows(1)))
    base = time.perf_counter()
    one = await operator.launch_task_run(config, mnb.SharedTaskState(static_task_data=rows(1)))
    base = time.perf_counter() - base
    start = time.perf_counter()
    run = await operator.launch_task_run(config, mnb.SharedTaskState(static_task_data=rows(count)))
    await parts_of(run).engine.wait_until(lambda state: state.counts[UnitStatus.LAUNCHED] == count)
    seconds = time.perf_counter() - start - base
    for other in (empty, one, run):
        await other.force_shutdown() if other is not run else None
    await operator.detach()
    return seconds, Path(folder.name) / "mephisto_nb.db", folder


def _floor(source: Path, run_rows: int) -> float:
    """Insert the same rows into the same schema by executemany, in chunks of the same size."""
    target = source.with_name("floor.db")
    old, new = sqlite3.connect(source), sqlite3.connect(target, isolation_level=None)
    new.execute("PRAGMA journal_mode=WAL")
    new.execute("PRAGMA synchronous=FULL")
    for (statement,) in old.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"):
        new.execute(statement)
    data = {}
    for table in ("assignments", "units", "events"):
        found = old.execute(f"SELECT * FROM {table}").fetchall()[-run_rows * (2 if table == "events" else 1) :]
        data[table] = found
    start = time.perf_counter()
    for at in range(0, run_rows, 1000):
        new.execute("BEGIN")
        for table, found in data.items():
            step = 2 if table == "events" else 1
            chunk = found[at * step : (at + 1000) * step]
            new.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(chunk[0]))})", chunk)
        new.execute("COMMIT")
    seconds = time.perf_counter() - start
    old.close()
    new.close()
    return seconds


async def launching() -> list[Figure]:
    figures = []
    await _end((await _launch(10))[2])  # what is imported late, is imported now
    for count in (5_000, 50_000):
        seconds, database, folder = await _launch(count)
        floor = _floor(database, count)
        await _end(folder)
        figures.append(
            Figure(f"launching {count:,} assignments", seconds, "s", floor, "executemany of the same rows", "≤ 3")
        )
    small, large = figures
    figures.append(Figure("launching 50,000 per 5,000", large.value, "s", small.value, "10 is linear", "≈ 10"))
    return figures


async def _end(folder: tempfile.TemporaryDirectory[str]) -> None:
    operator = mnb.Operator(data_dir=folder.name)
    for run in operator.find_live_runs():
        await operator.reconnect(run.task_run_id)
    await operator.force_shutdown()
    folder.cleanup()


async def ending() -> list[Figure]:
    async with launched(1_000) as run:
        start = time.perf_counter()
        await run.steering.expire_units()
        seconds = time.perf_counter() - start
    return [Figure("expiring 1,000 open units", seconds, "s", floor_is="-", limit="< 1 s")]
