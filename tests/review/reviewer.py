"""A second notebook: decides on a run's answers when it is told to, and tells what came of it.

Reads one JSON object a line: the verdict, and the arguments of `Reviewing.decide` (``size`` units at a time, in an
order of its own). Answers each with the number of units that it did something to, and what it was told of the others.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from mephisto_nb.operator import Operator


async def decide(run: Any, verdict: str, size: int, seed: int, **extras: Any) -> pd.DataFrame:
    """Decide on all that is answered, some units at a time."""
    unit_ids = list(run.results()["unit_id"])
    random.Random(seed).shuffle(unit_ids)
    parts = [unit_ids[start : start + size] for start in range(0, len(unit_ids), size)]
    return pd.concat([await run.review._reviewing.decide(verdict, part, **extras) for part in parts])


async def main(directory: str, task_run_id: str) -> None:
    """Serve until nothing more is asked for."""
    run = Operator(data_dir=Path(directory)).get_task_run(task_run_id)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := await asyncio.to_thread(sys.stdin.readline):
        outcome = await decide(run, **json.loads(line))
        told = sorted({why.partition(" at ")[0] for why in outcome.loc[~outcome["done"], "why"]})
        sys.stdout.write(json.dumps({"done": list(outcome.loc[outcome["done"], "unit_id"]), "told": told}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
