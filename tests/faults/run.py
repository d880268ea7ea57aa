"""The run of one seed, from its plan to what the checker says."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.checker import check, read_facts
from tests.faults.crowd import Crowd, Told
from tests.faults.machine import Machine
from tests.faults.plan import Fault, Plan
from tests.faults.postgresql import PostgreSQL
from tests.faults.zygote import Zygote

#: No run takes as long as this, unless it hangs.
_TOO_LONG = 90.0


@dataclass
class Outcome:
    """What became of a plan: which kinds of fault happened, what is wrong, and what there is to look at."""

    plan: Plan
    problems: list[str] = field(default_factory=list)
    happened: set[str] = field(default_factory=set)
    seconds: float = 0.0
    answers: int = 0
    heard: int = 0
    log: str = ""


@contextlib.asynccontextmanager
async def started(plan: Plan, zygote: Zygote, postgresql: PostgreSQL | None = None) -> AsyncIterator[Machine]:
    """A machine with a run, in a directory that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="faults", ignore_cleanup_errors=True) as directory:
        machine = Machine(plan, Path(directory), zygote, postgresql)
        try:
            await machine.start()
            yield machine
        finally:
            await machine.close()


async def run_plan(plan: Plan, zygote: Zygote, postgresql: PostgreSQL | None = None) -> Outcome:
    """Run a plan, and check what it leaves."""
    start, outcome = time.monotonic(), Outcome(plan)
    async with started(plan, zygote, postgresql if plan.postgresql else None) as machine:
        run = _Run(machine, outcome)
        try:
            async with asyncio.timeout(_TOO_LONG):
                error = await run.to_its_end()
        except TimeoutError:
            error = f"the run was not over after {_TOO_LONG:g} s"
        outcome.problems += [error] if error else []
        await machine.close()
        outcome.problems += check(read_facts(machine.database, machine.run_directory), run.told, plan)
        outcome.answers = len(run.told.received)
        outcome.heard = sum(len(talk.heard) for talk in run.told.talks.values())
        outcome.log = _logs(machine.directory) if outcome.problems else ""
    outcome.seconds = time.monotonic() - start
    return outcome


class _Run:
    """Workers at work, faults as they come due, and the end."""

    def __init__(self, machine: Machine, outcome: Outcome) -> None:
        self._machine, self._plan, self._outcome = machine, machine.plan, outcome
        self._crowd = Crowd(machine.plan, machine.url, self._on_progress)
        self._due = list(machine.plan.faults)
        self._breaking: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    @property
    def told(self) -> Told:
        return self._crowd.told

    async def to_its_end(self) -> str | None:
        """Return why the run failed, if it did."""
        self._outcome.happened |= set(self._plan.pages.values())
        working: asyncio.Future[Any] = asyncio.create_task(self._crowd.work())
        stopping = asyncio.create_task(self._stop())
        try:
            done, _ = await asyncio.wait([self._machine.over, working], return_when=asyncio.FIRST_COMPLETED)
            return f"the crowd failed: {working.exception()!r}" if working in done else await self._machine.over
        finally:
            for task in (working, stopping, *self._breaking):
                task.cancel()
            await asyncio.gather(working, stopping, *self._breaking, return_exceptions=True)

    def _on_progress(self, answers: int) -> None:
        while self._due and self._due[0].after <= answers:
            task = asyncio.create_task(self._break(self._due.pop(0)))
            self._breaking.add(task)
        if answers >= self._plan.stop_after:
            self._stopping.set()

    async def _break(self, fault: Fault) -> None:
        self._outcome.happened.add(fault.kind)
        try:
            await self._machine.break_down(fault)
        except Exception as error:  # noqa: BLE001 - a fault that cannot be made is a failure of the seed
            if not self._machine.over.done():
                self._outcome.problems.append(f"{fault.kind} could not be made: {error!r}")

    async def _stop(self) -> None:
        """Shut the run down in the middle, once nothing is broken any more."""
        if self._plan.ending == "complete":
            return
        await self._stopping.wait()
        await asyncio.gather(*self._breaking)
        await self._machine.end(self._plan.ending)


def _logs(directory: Path) -> str:
    logs = sorted(directory.glob("**/*.log"))
    return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-6000:]}" for log in logs)
