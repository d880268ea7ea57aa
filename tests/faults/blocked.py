"""Workers beside a kernel that a long cell blocks: ``python -m tests.faults.blocked [SECONDS]`` prints the figures."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from dataclasses import dataclass, field

from mephisto_nb.testing.simulated_workers import SimulatedWorker
from tests.faults.faulty_link import passes
from tests.faults.machine import Machine
from tests.faults.plan import Plan
from tests.faults.run import started
from tests.faults.zygote import Zygote
from tests.kernel.runs import crowd_of


@dataclass
class Figures:
    """Seconds of each submission, and of the newcomer's wait, in all and after the block; how many were refused."""

    submissions: list[float] = field(default_factory=list)
    newcomer: float = 0.0
    newcomer_after: float = 0.0
    refused: int = 0
    state: str = ""

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.submissions, n=20)[-1]

    def __str__(self) -> str:
        return (
            f"{len(self.submissions)} submissions: 95 % in {self.p95:.4f} s, all in {max(self.submissions):.4f} s; "
            f"{self.refused} refused; the operator was {self.state!r}; the newcomer was served "
            f"{self.newcomer_after:.3f} s after the block, having waited {self.newcomer:.1f} s"
        )


async def work_beside(machine: Machine, seconds: float) -> Figures:
    """Let 40 workers take units, block the kernel, let them submit over that time, and let somebody arrive."""
    figures = Figures()
    async with crowd_of(machine.url) as worker:
        crowd = [worker(f"w{index}") for index in range(40)]
        agents = [details["agent_id"] for details in await asyncio.gather(*(one.register() for one in crowd))]
        blocked = asyncio.create_task(machine.kernel_blocked(seconds))
        await passes(0.1)
        arriving = asyncio.create_task(_arrive(worker("newcomer"), figures))
        for one, agent_id in zip(crowd, agents, strict=True):
            await _submit(one, agent_id, figures)
            await passes(0.6 * seconds / len(crowd))
        figures.state = (await crowd[0].session.get(machine.url + "/status")).json()["operator"]
        await blocked
        back = time.monotonic()
        await arriving
        figures.newcomer_after = time.monotonic() - back
    return figures


async def _submit(worker: SimulatedWorker, agent_id: str, figures: Figures) -> None:
    start = time.monotonic()
    content = {"USED_AGENT_ID": agent_id, "final_data": {"by": worker.name}}
    figures.refused += (await worker.session.post_json(worker.url + "/submit_task", content)).status != 200
    figures.submissions.append(time.monotonic() - start)


async def _arrive(worker: SimulatedWorker, figures: Figures) -> None:
    start = time.monotonic()
    details = await worker.register()
    figures.newcomer = time.monotonic() - start
    figures.refused += details["agent_id"] is None


async def measure(seconds: float, zygote: Zygote) -> tuple[Figures, str]:
    """Return the figures, and what the run says of it afterwards."""
    async with started(Plan(0, assignments=100, units_per_assignment=1), zygote) as machine:
        figures = await work_beside(machine, seconds)
        return figures, await machine.ask_absence()


def main() -> None:
    with Zygote() as zygote:
        figures, absence = asyncio.run(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0, zygote))
    sys.stdout.write(f"{figures}\n{absence}\n")


if __name__ == "__main__":
    main()
