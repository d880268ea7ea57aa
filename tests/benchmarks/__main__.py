"""``python -m tests.benchmarks [NAME ...] [--runs N]``: print one table of figures, medians over N runs (5)."""

from __future__ import annotations

import argparse
import asyncio
import statistics
from dataclasses import replace

from tests.benchmarks import (
    dashboard_bench,
    frames_bench,
    launching_bench,
    live_bench,
    observing_bench,
    restart_bench,
    worker_bench,
)
from tests.benchmarks.harness import HEADER, Figure

BENCHMARKS = {
    "launching": launching_bench.launching,
    "ending": launching_bench.ending,
    "restart": restart_bench.restart,
    "arrivals": worker_bench.arrivals,
    "throughput": worker_bench.throughput,
    "live": live_bench.live_messages,
    "frames": frames_bench.results,
    "observing": observing_bench.observing,
    "crowd": worker_bench.crowd,
    "dashboard": dashboard_bench.dashboard,
}


async def measure(name: str, runs: int) -> list[Figure]:
    samples = [await BENCHMARKS[name]() for _ in range(runs)]
    return [median(list(figures)) for figures in zip(*samples, strict=True)]


def median(figures: list[Figure]) -> Figure:
    floors = [figure.floor for figure in figures if figure.floor is not None]
    value = statistics.median(figure.value for figure in figures)
    return replace(figures[0], value=value, floor=statistics.median(floors) if floors else None)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(HEADER, flush=True)
    for name in options.names or BENCHMARKS:
        for figure in await measure(name, options.runs):
            print(figure.row(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
