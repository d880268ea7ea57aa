"""``python -m tests.forecast [--seeds 0-199]``: make trials, and print by kind of crowd what the intervals held."""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from mephisto_nb.storage.sql_database import SQLDatabase
from tests.forecast.crowds import KINDS
from tests.forecast.trial import Trial, run_trial

#: In so many of 100 runs an interval has to hold what came.
WANTED = 0.85


def share(trials: Sequence[Trial], name: str) -> float:
    """Return in which part of the trials an interval held."""
    return sum(trial.holds(name) for trial in trials) / len(trials) if trials else math.nan


def line(name: str, trials: Sequence[Trial]) -> str:
    """Return one row of the table."""
    held = "".join(f"{share(trials, which):8.0%}" for which in ("cost", "last", "most", "hourly"))
    ratios = [trial.ratio() for trial in trials]
    widths = [trial.width("cost") for trial in trials]
    width, ratio = statistics.median(widths), statistics.median(ratios)
    return f"{name:<28}{len(trials):>5}{held}{width:>10.1%}{ratio:>12.1f}"


def table(trials: Sequence[Trial]) -> str:
    """Return how often the intervals held, and how wide they were, by kind of crowd and of run."""
    rows = [
        f"{'':<28}{'runs':>5}{'cost':>8}{'last':>8}{'90 %':>8}{'pay/h':>8}{'cost +-':>10}{'high/low':>12}",
    ]
    groups: list[tuple[str, Callable[[Trial], bool]]] = [
        *((kind, lambda one, kind=kind: one.kind == kind) for kind in KINDS),
        ("with a pilot", lambda one: one.has_pilot),
        ("without", lambda one: not one.has_pilot),
        ("one unit a person", lambda one: one.per_visit == 1 and one.once),
        ("visits of 20", lambda one: one.per_visit > 1),
        ("as many as people like", lambda one: not one.once),
        ("up to 120 units", lambda one: one.units <= 120),
        ("more", lambda one: one.units > 120),
        ("ordinary, with a pilot", lambda one: one.has_pilot and one.kind in ("ordinary", "fast", "slow")),
        ("all", lambda one: True),
    ]
    for name, chosen in groups:
        found = [one for one in trials if chosen(one)]
        if found:
            rows.append(line(name, found))
    return "\n".join(rows)


def main() -> int:
    """Make the trials, print the table, and return whether enough was held."""
    parser = argparse.ArgumentParser(prog="python -m tests.forecast", description=__doc__)
    parser.add_argument("--seeds", default="0-199", help="which trials to make, as 0-199")
    first, _, last = parser.parse_args().seeds.partition("-")
    with tempfile.TemporaryDirectory() as folder:
        database = SQLDatabase(f"sqlite:///{Path(folder) / 'trials.db'}")
        trials = [run_trial(seed, database) for seed in range(int(first), int(last or first) + 1)]
        database.close()
    sys.stdout.write(table(trials) + "\n")
    failed = [name for name in ("cost", "last") if share(trials, name) < WANTED]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
