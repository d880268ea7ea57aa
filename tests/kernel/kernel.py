"""A kernel that is killed: launches a run, tells which, and waits."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from mephisto_nb.operator import Operator
from tests.kernel.runs import launch, rows


async def main(directory: str, units: int, *, steered: bool) -> None:
    """Launch a run of so many units, maybe pause it and raise its pay, and never end."""
    run = await launch(Operator(data_dir=Path(directory)), rows(units))
    if steered:
        await run.steering.change_limits(task_reward=0.5)
        await run.steering.pause_launching()
    sys.stdout.write(json.dumps({"run_id": run.task_run_id, "url": run.url}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), steered="steered" in sys.argv))
