"""A task run as a researcher holds it: its frames, its numbers, and what can be done with it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from mephisto_nb.display.actions import preview
from mephisto_nb.errors import ClosedError, RunFailedError
from mephisto_nb.kernel.run_parts import RunParts
from mephisto_nb.kernel.steering import SteeredRun
from mephisto_nb.model.states import UNIT_ANSWERED, UnitStatus
from mephisto_nb.people.worker_selection import read_names
from mephisto_nb.review.reviewed_run import ReviewedRun

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.ports.database import Database


class LiveTaskRun(SteeredRun, ReviewedRun):
    """A task run that this kernel drives, or drove until it ended.

    Frames can be asked for at any time, before, during and after the run. What changes something is a
    coroutine, to be awaited.
    """

    def __init__(self, parts: RunParts) -> None:
        made_for = (parts.run, parts.directory, parts.blueprint, parts.database, parts.writer, parts.clock)
        super().__init__(*made_for, parts.progress)
        self._parts = parts
        #: Why the run stopped working, if so.
        self.failure: Exception | None = None
        #: Who is told of what befalls the run beside its steps: that it failed, ended, or is driven no longer.
        self.listeners: list[Callable[[], None]] = []
        #: Why no more work could be created, if so: the data's own generator failed.
        self.launch_failure: Exception | None = None
        #: What the researcher's `on_unit_submitted` raised.
        self.failed_hooks: list[Exception] = []
        #: Set when the run is over, and its router was told so.
        self.over = asyncio.Event()
        #: Set when the last unit has come to its end.
        self.done = asyncio.Event()
        self.is_driven = True
        self._let_go = asyncio.Event()

    # -- what it is ------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where the router serves the task. Who opens it gets a preview, and takes no unit.

        Where names are believed (``mephisto.provider.signed_links=false``), they are asked for one, and may take part.
        """
        return self._parts.architect.url

    @property
    def status(self) -> str:
        """How the run is.

        ``live``, ``paused``, ``closing`` (nothing more is handed out), ``done`` (every unit has come to its end, and
        the router is about to), ``ended``, ``detached`` or ``failed``.
        """
        if self.failure is not None:
            return "failed"
        if self.over.is_set():
            return "ended"
        if not self.is_driven:
            return "detached"
        state = self._parts.engine.state
        if state.is_complete:
            return "done"
        return "closing" if state.closing else "paused" if state.is_paused else "live"

    @property
    def is_running(self) -> bool:
        """Whether this kernel drives the run, be it paused or about to end."""
        return self.status in ("live", "paused", "closing", "done")

    @property
    def engine(self) -> RunEngine | None:
        """What drives the run, while this kernel does."""
        return self._parts.engine if self.is_running else None

    @property
    def attention(self) -> list[str]:
        """What somebody should know of, each with its reason; empty when all is well."""
        found = [str(self.failure)] if self.failure else []
        if self.launch_failure is not None:
            found.append(f"The task's data failed, so no more work is created: {self.launch_failure!r}")
        if self.failed_hooks:
            found.append(f"on_unit_submitted failed {len(self.failed_hooks)} times: {self.failed_hooks[-1]!r}")
        found += self._parts.tally.troubles
        found += self._parts.engine.state.gates.notices.values()
        troubles = (self._parts.engine.trouble, self._parts.link.trouble)
        return found + [trouble for trouble in troubles if trouble and self.is_running]

    @property
    def counts(self) -> dict[str, int]:
        """How many units have which status, in the order of a unit's life; statuses nobody has are left out."""
        state = self._parts.engine.state
        counts = state.counts if self.is_running else _count_stored(self._database, self.task_run_id)
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
        return self._parts.engine.state.counts[UnitStatus.ASSIGNED]

    def get_worker_url(self, worker_name: str) -> str:
        """Give the link by which one worker comes to the task: for them alone, as it shows who they are.

        A link that begins with ``http://127.0.0.1`` works on this computer alone: `LocalArchitectArgs` says how to let
        people in from others, by its `hostname` and `url`. Space around the name does not count; capital letters do.
        """
        return self._parts.provider.get_worker_url(self.url, worker_name.strip())

    def get_worker_urls(self, names: Iterable[str]) -> pd.DataFrame:
        """Give the links of several workers, one row a name (columns: ``worker_name``, ``url``); see `get_worker_url`.

        Parameters
        ----------
        names
            Who is to get one: a list, or a column of a DataFrame.

        Raises
        ------
        ConfigError
            One is no name; or two are the same, but for capital letters and spaces.

        Examples
        --------
        ``run.get_worker_urls(["ann", "bob"]).to_csv("links.csv")``
        """
        found = read_names(names)
        return pd.DataFrame(
            {"worker_name": found, "url": [self.get_worker_url(name) for name in found]}, dtype="string"
        )

    @property
    def has_own_links(self) -> bool:
        """Whether each worker comes by a link of their own, rather than all by `url`."""
        return self.get_worker_url("NAME") != self.url

    def preview(self, action: str, **arguments: Any) -> str:
        """Say what an action would do now, in numbers; nothing is done.

        Parameters
        ----------
        action
            The name of a button of the dashboard: ``pause``, ``resume``, ``limits``, ``expire``, ``shutdown`` ...
        arguments
            What the button's form asks for, as those of `change_limits` for ``limits``.

        Raises
        ------
        ConfigError
            There is no such action, it takes no such argument, or a value cannot be.

        Examples
        --------
        ``run.preview("limits", task_reward=0.20)``
        """
        return preview(self, action, arguments)

    def __repr__(self) -> str:
        answered, total = self.progress
        return f"<TaskRun {self.task_name!r} {self.task_run_id} {self.status}: {answered} of {total} units answered>"

    # -- waiting ----------------------------------------------------------------------------------

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

    # -- for the operator ------------------------------------------------------------------------------------

    @property
    def parts(self) -> RunParts:
        """What the run is made of; for the operator, and for tests."""
        return self._parts

    def fail(self, error: Exception) -> None:
        """Note that the run stopped working; the next call tells it."""
        if self.failure is None:
            self.failure = error
        self.done.set()
        self._let_go.set()
        self._tell_listeners()

    def note_failed_hook(self, error: Exception) -> None:
        """Note that the researcher's `on_unit_submitted` raised; the run goes on."""
        self.failed_hooks.append(error)
        self._tell_listeners()

    def let_go(self) -> None:
        """Note that this kernel drives the run no longer."""
        self.is_driven = False
        self.done.set()
        self._let_go.set()
        self._tell_listeners()

    def _tell_listeners(self) -> None:
        for listener in list(self.listeners):
            listener()

    def _raise_failure(self) -> None:
        if self.failure is not None:
            raise RunFailedError(
                f"Run {self.task_run_id} stopped working: {self.failure!r}. What workers sent is safe; "
                "await operator.reconnect(...) takes the run up again."
            ) from self.failure


def _count_stored(database: Database, task_run_id: str) -> Counter[UnitStatus]:
    """Count the units of a run that is driven from here no longer: what is decided on them is no step of it."""
    counts: Counter[UnitStatus] = Counter()
    for (status, _), count in database.read_pay([task_run_id])[task_run_id].units.items():
        counts[status] += count
    return counts
