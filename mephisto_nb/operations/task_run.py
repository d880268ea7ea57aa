"""A task run as a researcher holds it: its frames, its numbers, and what can be done with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mephisto_nb.abstractions.architect import Architect
from mephisto_nb.abstractions.blueprint import Blueprint
from mephisto_nb.abstractions.crowd_provider import CrowdProvider
from mephisto_nb.abstractions.database import Database
from mephisto_nb.data_model.records import TaskRun
from mephisto_nb.data_model.states import AGENT_ACTIVE, UNIT_ANSWERED, UnitStatus
from mephisto_nb.errors import ClosedError, RunFailedError
from mephisto_nb.lifecycle.departures import expire_assigned, expire_open
from mephisto_nb.lifecycle.step import Step
from mephisto_nb.operations.run_frames import RunFrames

if TYPE_CHECKING:
    from mephisto_nb.operations.client_io_handler import ClientIOHandler
    from mephisto_nb.operations.run_engine import RunEngine

T = TypeVar("T")


@dataclass(slots=True)
class RunParts:
    """What a live run is made of, and who it was made for."""

    run: TaskRun
    directory: Path
    blueprint: Blueprint[Any]
    provider: CrowdProvider[Any]
    architect: Architect[Any]
    database: Database
    engine: RunEngine
    link: ClientIOHandler


class LiveTaskRun(RunFrames):
    """A task run that this kernel drives, or drove until it ended.

    Frames can be asked for at any time, before, during and after the run. What changes something is a
    coroutine, to be awaited.
    """

    def __init__(self, parts: RunParts) -> None:
        super().__init__(parts.run, parts.directory, parts.blueprint, parts.database)
        self._parts = parts
        self._failure: Exception | None = None
        #: Why no more work could be created, if so: the data's own generator failed.
        self.launch_failure: Exception | None = None
        self._failed_hooks: list[Exception] = []
        #: Set when the run is over, and its router was told so.
        self.over = asyncio.Event()
        #: Set when the last unit has come to its end.
        self.done = asyncio.Event()
        self.is_driven = True
        self._let_go = asyncio.Event()

    # -- what it is ------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where the router serves the task. Who opens it without a name gets a preview, and takes no unit."""
        return self._parts.architect.url

    @property
    def status(self) -> str:
        """``live``, ``closing`` (nothing more is handed out), ``ended``, ``detached`` or ``failed``."""
        if self._failure is not None:
            return "failed"
        if self.over.is_set():
            return "ended"
        if not self.is_driven:
            return "detached"
        return "closing" if self._parts.engine.state.closing else "live"

    @property
    def attention(self) -> list[str]:
        """What somebody should know of, each with its reason; empty when all is well."""
        found = [str(self._failure)] if self._failure else []
        if self.launch_failure is not None:
            found.append(f"The task's data failed, so no more work is created: {self.launch_failure!r}")
        if self._failed_hooks:
            found.append(f"on_unit_submitted failed {len(self._failed_hooks)} times: {self._failed_hooks[-1]!r}")
        troubles = (self._parts.engine.trouble, self._parts.link.trouble)
        return found + [trouble for trouble in troubles if trouble and self.status in ("live", "closing")]

    @property
    def counts(self) -> dict[str, int]:
        """How many units have which status, in the order of a unit's life; statuses nobody has are left out."""
        counts = self._parts.engine.state.counts
        return {status.value: counts[status] for status in UnitStatus if counts[status]}

    @property
    def progress(self) -> tuple[int, int]:
        """How many units have an answer, and how many there are (without those that expired)."""
        counts = self._parts.engine.state.counts
        answered = sum(counts[status] for status in UNIT_ANSWERED)
        return answered, sum(counts.values()) - counts[UnitStatus.EXPIRED]

    @property
    def num_working(self) -> int:
        """How many workers are at work now."""
        return sum(agent.status in AGENT_ACTIVE for agent in self._parts.engine.state.agents.values())

    def get_worker_url(self, worker_name: str) -> str:
        """Give the link by which one worker comes to the task: for them alone, as it shows who they are."""
        return self._parts.provider.get_worker_url(self.url, worker_name)

    def __repr__(self) -> str:
        answered, total = self.progress
        return f"<TaskRun {self.task_name!r} {self.task_run_id} {self.status}: {answered} of {total} units answered>"

    # -- waiting and ending ----------------------------------------------------------------------------------

    async def completed(self) -> None:
        """Wait until no unit is open any more.

        Raises
        ------
        RunFailedError
            The run stopped working; the cause is chained.
        ClosedError
            The run was let go of before it was over.
        """
        await self.done.wait()
        self._raise_failure()
        if self.launch_failure is not None:
            raise RunFailedError(
                f"Run {self.task_run_id} ended early, because its data failed: {self.launch_failure!r}."
            ) from self.launch_failure
        if not self.is_driven and not self.over.is_set():
            raise ClosedError(f"Run {self.task_run_id} was let go of. Take it up: await operator.reconnect(...).")

    async def expire_units(self) -> int:
        """Take back the units that nobody is working on, and give how many those were."""
        return await self._do(lambda step: expire_open(step, "expired by the researcher", "operator"))

    async def shutdown(self) -> None:
        """End gently: take back what nobody is working on, wait for those who are at work, end the router."""
        await self._close(_close)

    async def force_shutdown(self) -> None:
        """End at once: workers who are at work are told that their unit has expired."""
        await self._close(_close_at_once)

    async def _close(self, rule: Callable[[Step], None]) -> None:
        self._raise_failure()
        if self.over.is_set() or not self.is_driven:
            return
        with contextlib.suppress(ClosedError):  # it was about to end by itself, or to be let go of
            await self._do(rule)
        await self._let_go.wait()
        self._raise_failure()
        if not self.over.is_set():
            raise ClosedError(f"Run {self.task_run_id} was let go of. Take it up: await operator.reconnect(...).")

    async def _do(self, rule: Callable[[Step], T]) -> T:
        self._raise_failure()
        return await self._parts.engine.do(rule)

    # -- for the operator ------------------------------------------------------------------------------------

    @property
    def parts(self) -> RunParts:
        """What the run is made of; for the operator, and for tests."""
        return self._parts

    def fail(self, error: Exception) -> None:
        """Note that the run stopped working; the next call tells it."""
        if self._failure is None:
            self._failure = error
        self.done.set()
        self._let_go.set()

    def note_failed_hook(self, error: Exception) -> None:
        """Note that the researcher's `on_unit_submitted` raised; the run goes on."""
        self._failed_hooks.append(error)

    def let_go(self) -> None:
        """Note that this kernel drives the run no longer."""
        self.is_driven = False
        self.done.set()
        self._let_go.set()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise RunFailedError(
                f"Run {self.task_run_id} stopped working: {self._failure!r}. What workers sent is safe; "
                "await operator.reconnect(...) takes the run up again."
            ) from self._failure


def _close(step: Step) -> None:
    step.close_run("shut down by the researcher", "operator")
    expire_open(step, "shut down by the researcher", "operator")


def _close_at_once(step: Step) -> None:
    _close(step)
    expire_assigned(step, "shut down at once by the researcher", "operator")
