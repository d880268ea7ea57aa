"""``python -m tests.benchmarks [NAME ...] [--runs N]``: print one table of figures, medians over N runs (5)."""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import subprocess
import sys
from dataclasses import replace

from tests.benchmarks import (
    big_answers_bench,
    bulk_bench,
    chat_bench,
    dashboard_bench,
    frames_bench,
    launching_bench,
    live_bench,
    observing_bench,
    people_bench,
    reconciling_bench,
    restart_bench,
    reviewing_bench,
    strangers_bench,
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
    "chats": chat_bench.chats,
    "frames": frames_bench.results,
    "big": big_answers_bench.big_answers,
    "reviewing": reviewing_bench.reviewing,
    "reconciling": reconciling_bench.reconciling,
    "observing": observing_bench.observing,
    "people": people_bench.people,
    "crowd": worker_bench.crowd,
    "strangers": strangers_bench.strangers,
    "dashboard": dashboard_bench.dashboard,
    "bulk": bulk_bench.bulk,
}


async def measure(name: str, runs: int) -> list[Figure]:
    samples = []
    for _ in range(runs):
        gc.collect()  # what one run has left behind is not for the next one to sweep up
        samples.append(await BENCHMARKS[name]())
    return [median(list(figures)) for figures in zip(*samples, strict=True)]


def median(figures: list[Figure]) -> Figure:
    floors = [figure.floor for figure in figures if figure.floor is not None]
    value = statistics.median(figure.value for figure in figures)
    return replace(figures[0], value=value, floor=statistics.median(floors) if floors else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", action="store_true", help="of one benchmark, print the rows alone")
    options = parser.parse_args()
    if len(options.names) == 1 and options.rows:
        for figure in asyncio.run(measure(options.names[0], options.runs)):
            print(figure.row(), flush=True)
        return
    print(HEADER, flush=True)
    for name in options.names or BENCHMARKS:
        # Each in a process of its own, whose memory is its own.
        again = [sys.executable, "-m", "tests.benchmarks", name, "--rows", "--runs", str(options.runs)]
        subprocess.run(again, check=True)


if __name__ == "__main__":
    main()
