"""A run that this kernel drives: what it is made of, how it is, who waits for it, and what it has been answered.

`read_answers` is here because hooks, displays and frames have to read an answer the same way.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ClosedError, ConfigError, RunFailedError, UsageError
from mephisto_nb.kernel.writer import DatabaseWriter
from mephisto_nb.model.answers import REST, StoredFile, split, whole
from mephisto_nb.model.changes import AddAgent
from mephisto_nb.model.records import AS_LAUNCHED, PAGE_ERROR, Event, Steering, TaskRun, own_data_of
from mephisto_nb.model.states import UNIT_ANSWERED, UnitStatus
from mephisto_nb.ports.architect import Architect, RouterPlan, events_url_at
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.progress import Progress, Troubles
from mephisto_nb.rules.run_state import stage_of
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import neutralise, tell
from mephisto_nb.utils.machine import MachineTrouble
from mephisto_nb.utils.user_code import describe

if TYPE_CHECKING:
    from mephisto_nb.kernel.client_io_handler import ClientIOHandler
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.kernel.launching.spending import SpendingCheck
    from mephisto_nb.kernel.recruiting.study import RunStudy
    from mephisto_nb.kernel.task_launcher import TaskLauncher
    from mephisto_nb.kernel.watch import MachineWatch
    from mephisto_nb.kernel.worker_pool import WorkerPool


def read_answers(
    database: Database, task_run_id: str, blueprint: Blueprint[Any], directory: Path, agent_ids: Sequence[str]
) -> list[JSONObject]:
    """Read a few answers, whole, as rows with ``inputs``, ``answer`` and the ``paths`` of files."""
    rows, asked = database.runs.read_results([task_run_id], agent_ids=agent_ids), asked_of(blueprint)
    for row in rows:
        row["data"] = whole(row["data"], row.pop("rest", None))
        row["inputs"] = blueprint.get_inputs(row["shared"], own_data(row))
        row["paths"] = [str(directory / "files" / file["filename"]) for file in row["files"]]
        own, others = split(with_files(directory, row["data"], row["files"]), asked)
        row["answer"] = {**blueprint.get_answer(own), **({REST: others} if others else {})}
    return rows


def asked_of(blueprint: Blueprint[Any]) -> frozenset[str] | None:
    """Return the names of the fields that a task's page asks for; None: nobody can tell."""
    try:
        return blueprint.get_asked_fields()
    except UsageError:
        return None  # a file of the page is gone since the launch


def own_data(row: JSONObject) -> JSONObject:
    """Return what the data holds for the unit of an answer alone."""
    return own_data_of(row["unit_data"], row["unit_index"])


def with_files(directory: Path, data: JSON, sent: list[JSONObject]) -> JSON:
    """Return an answer in which each file that was sent stands as the path of where it is stored.

    What else was sent under a file's name stands before the files, in a list; but for their own names, which pages of
    Mephisto 1.x send there. What a worker writes is text, though it looks like a file, or a list of files, of ours.
    """
    if not isinstance(data, dict):
        return data
    data = {**data, _LISTED: json.dumps(data[_LISTED])} if isinstance(data.get(_LISTED), dict | list) else data
    if not sent:
        return data
    found: JSONObject = {}
    for name, files in _by_field(sent).items():
        said, own = data.get(name), {file.get("originalname") for file in files}
        others = [one for one in (said if isinstance(said, list) else [said]) if not _is_of_files(one, own)]
        values = [*others, *(StoredFile(directory / "files" / file["filename"]) for file in files)]
        found[name] = values[0] if len(values) == 1 else values
    return {**data, **found}


#: Where Mephisto 1.x lists, in an answer itself, which files came with it.
_LISTED = "filesByFields"


def _by_field(sent: list[JSONObject]) -> dict[str, list[JSONObject]]:
    fields: dict[str, list[JSONObject]] = {}
    for file in sent:
        fields.setdefault(file["fieldname"], []).append(file)
    return fields


def _is_of_files(value: JSON, own_names: set[JSON]) -> bool:
    """Return whether what stands in the place of files says nothing beside them."""
    return value is None or value in ("", {}) or (isinstance(value, str) and value in own_names)


def describe_files(directory: Path, sent: list[JSONObject]) -> list[JSONObject]:
    """Return what is known of files that were sent: ``field``, ``name``, ``type``, ``size`` and ``path``.

    ``name`` is what the worker's computer called it, without folders, and ``type`` what kind of content their browser
    took it for, such as ``audio/mp4``: neither need be true. Files of Mephisto 1.x may lack type and size.
    """
    return [
        {
            "field": file["fieldname"],
            "name": file.get("originalname") or file["filename"].rpartition("/")[2],
            "type": file.get("mimetype"),
            "size": file.get("size"),
            "path": str(directory / "files" / file["filename"]),
        }
        for file in sent
    ]


#: How many of those turned away are remembered.
_REMEMBERED = 1000
#: Refusals that hold only for the units that were on offer then.
_OF_THE_OFFER = "no_available_units"
#: Refusals that hold only within the limits that were in force then.
_OF_THE_LIMITS = "max_for_task"
#: What to do about a failure that nobody foresaw.
_REMEDY = (
    "The log has the traceback. Somebody may wait for what it was to do: await operator.detach(), and take the run up "
    "by operator.reconnect(...) of a new one, which does it again."
)


@dataclass(slots=True)
class RunParts:
    """What a live run is made of, and who it was made for."""

    run: TaskRun
    directory: Path
    blueprint: Blueprint[Any]
    provider: CrowdProvider[Any]
    architect: Architect[Any]
    database: Database
    writer: DatabaseWriter
    clock: Clock
    engine: RunEngine
    pool: WorkerPool
    link: ClientIOHandler
    launcher: TaskLauncher
    tally: RunTally
    watch: MachineWatch
    progress: Progress
    make_router_plan: Callable[[], RouterPlan]
    #: With which the run's crowd may post events; '' where it has no recruiter. A plan says it too, but wants the data
    #: of the task, which a kernel that takes a run up need not have.
    events_key: str = field(default="", repr=False)
    #: Asked before more money is committed; None: nobody has to be.
    spending: SpendingCheck | None = None
    #: What the run's crowd was offered; None: whoever is given the address comes.
    study: RunStudy | None = None

    @property
    def events_url(self) -> str:
        """Where the run's crowd may post events, for its ears alone; '' where it has no recruiter."""
        return events_url_at(self.architect.url, self.events_key)

    @property
    def machine_troubles(self) -> tuple[MachineTrouble, ...]:
        """What is wrong with the files, disks and processes of the run, or was: the router's, and this kernel's."""
        routers = (*self.architect.troubles.all(), *self.link.router_troubles)
        told = "".join(one.reason for one in routers if one.what == "router disk")
        # On this machine both look at the disk of the run's directory.
        is_told_twice = f"{self.directory}," in told
        return (*routers, *(one for one in self.watch.troubles if not (is_told_twice and one.what == "kernel disk")))


class LiveRun:
    """A run that this kernel drives, or drove until it ended.

    `RunTasks` reports here what becomes of it; the faces and the displays read it.
    """

    def __init__(self, parts: RunParts) -> None:
        self.parts = parts
        #: Why the run stopped working, if so.
        self.failure: Exception | None = None
        #: Why no more work could be created, if so: the data's own generator failed.
        self.launch_failure: Exception | None = None
        #: What the researcher's `on_unit_submitted` raised.
        self.failed_hooks: list[Exception] = []
        #: Called when something happens to the run beside its steps: it failed, ended, or is driven no longer.
        self.listeners: list[Callable[[], None]] = []
        #: Set when the run is over: its router was told so, and the database has it. Never set for one that is let go.
        self.over = asyncio.Event()
        #: Set when the last unit has come to its end.
        self.done = asyncio.Event()
        #: Set when this kernel drives the run no longer.
        self.released = asyncio.Event()
        self.is_driven = True

    @property
    def task_run_id(self) -> str:
        """The run's id."""
        return self.parts.run.task_run_id

    @property
    def task_run(self) -> TaskRun:
        """The run's record."""
        return self.parts.run

    @property
    def url(self) -> str:
        """Where the router serves the task."""
        return self.parts.architect.url

    @property
    def status(self) -> str:
        """How the run is: ``live``, ``paused``, ``closing``, ``done``, ``ended``, ``detached`` or ``failed``."""
        if self.failure is not None:
            return "failed"
        if self.over.is_set():
            return "ended"
        if not self.is_driven:
            return "detached"
        return stage_of(self.parts.engine.state)

    @property
    def is_running(self) -> bool:
        """Whether this kernel drives the run, be it paused or about to end."""
        return self.status in ("live", "paused", "closing", "done")

    @property
    def engine(self) -> RunEngine | None:
        """What drives the run, while this kernel does."""
        return self.parts.engine if self.is_running else None

    @property
    def attention(self) -> list[str]:
        """What somebody should know of, each with its reason; empty when all is well."""
        found = [str(self.failure)] if self.failure else []
        if self.launch_failure is not None:
            found.append(f"The task's data failed, so no more work is created: {self.launch_failure!r}")
        if self.failed_hooks:
            found.append(f"on_unit_submitted failed {len(self.failed_hooks)} times: {self.failed_hooks[-1]!r}")
        found += self.parts.tally.troubles
        found += self.parts.engine.state.gates.notices.values()
        troubles = (self.parts.engine.trouble, self.parts.link.trouble)
        found += [trouble for trouble in troubles if trouble and self.is_running]
        # What is over stays known when the run has ended; what was wrong last may be mended by then.
        found += [str(one) for one in self.parts.machine_troubles if self.is_running or one.is_past]
        return [*found, *self.parts.tally.crowd.values(), *self.parts.tally.noted.remarks]

    @property
    def progress(self) -> tuple[int, int, int]:
        """How many units have an answer, how many there are, and how many of these have expired."""
        counts = self.parts.engine.state.counts
        return sum(counts[status] for status in UNIT_ANSWERED), sum(counts.values()), counts[UnitStatus.EXPIRED]

    @property
    def has_own_links(self) -> bool:
        """Whether each worker comes by a link of their own, rather than all by `url`."""
        try:
            return self.get_worker_url("NAME") != self.url
        except ConfigError:  # names are ids of its own, for which the crowd makes the links
            return True

    def get_worker_url(self, worker_name: str) -> str:
        """Return the link by which one worker comes to the task. Raises `ConfigError`."""
        if not isinstance(worker_name, str) or not worker_name.strip():
            raise ConfigError(f"{worker_name!r} is no name, so there is no link for it. Give text, such as 'ann'.")
        return self.parts.provider.get_worker_url(self.url, worker_name.strip())

    def __repr__(self) -> str:
        return f"<LiveRun {self.parts.run.task_name!r} {self.task_run_id} {self.status}>"

    async def completed(self) -> None:
        """Wait until no unit is open any more.

        Raises
        ------
        RunFailedError
            The run stopped working; the cause is chained.
        ClosedError
            The run was let go of before it was over.
        LoopError
            It is driven on another event loop.
        """
        self.parts.writer.home.enter()
        await self.done.wait()
        self.raise_failure()
        if self.launch_failure is not None:
            raise RunFailedError(
                f"Run {self.task_run_id} ended early, because its data failed: {self.launch_failure!r}."
            ) from self.launch_failure
        self.raise_if_released()

    def raise_failure(self) -> None:
        """Raise `RunFailedError` if the run has stopped working."""
        if self.failure is not None:
            raise RunFailedError(
                f"Run {self.task_run_id} stopped working: {self.failure!r}. What workers sent is safe; "
                "await operator.reconnect(...) takes the run up again."
            ) from self.failure

    def raise_if_released(self) -> None:
        """Raise `ClosedError` if this kernel has let go of the run before it was over."""
        if not self.is_driven and not self.over.is_set():
            raise ClosedError(f"Run {self.task_run_id} was let go of. Take it up: await operator.reconnect(...).")

    # -- called by RunTasks and the hooks ----------------------------------------------------------------------

    def fail(self, error: Exception) -> None:
        """Note that the run stopped working; the next call of a method raises it."""
        if self.failure is None:
            self.failure = error
        self.done.set()
        self.released.set()
        tell(self.listeners)

    def note_failed_hook(self, error: Exception) -> None:
        """Note that the researcher's `on_unit_submitted` raised; the run goes on."""
        self.failed_hooks.append(error)
        tell(self.listeners)

    def let_go(self) -> None:
        """Note that this kernel drives the run no longer."""
        self.is_driven = False
        self.done.set()
        self.released.set()
        tell(self.listeners)


#: How many different troubles that pages report are shown.
_MOST_REPORTED = 8


@dataclass(slots=True)
class RunTally:
    """Counts, since this kernel took the run up at `since` (epoch seconds), what only steps show.

    `turned_away` are the workers who were refused since a unit was last taken, the latest last, with the code of the
    reason. Those are no longer among them whose reason may have passed: because there was nothing on offer, more has
    been put on offer, or limits have changed. `page_errors` are reports by agent. `explain` knows what to say of
    an error (see `Blueprint.explain_page_error`). Troubles are noted in `noted`, and those that pages report in
    `reported`: anybody can have pages report anything, and so must push nothing else out.
    """

    since: float
    explain: Callable[[JSONObject], str | None] = lambda report: None
    noted: Troubles = field(default_factory=Troubles)
    reported: Troubles = field(default_factory=lambda: Troubles(_MOST_REPORTED))
    #: What somebody should know of the run's crowd and its books, by what it is of; gone once it is mended. It has a
    #: reason, and behind ". " what to do.
    crowd: dict[str, str] = field(default_factory=dict)
    turned_away: OrderedDict[str, str] = field(default_factory=OrderedDict)
    page_errors: Counter[str] = field(default_factory=Counter)
    last_arrival_at: float | None = None
    #: How many assignments of the run's data have been created, and how many there are (None: a generator knows).
    created: tuple[int, int | None] = (0, None)
    _on_offer: int = 0
    _steering: Steering = AS_LAUNCHED

    @property
    def troubles(self) -> list[str]:
        """What the researcher should know of pages, and of their own code; of what fails again and again, how often."""
        return [*self.noted.texts(), *self.reported.texts()]

    def note_created(self, count: int, total: int | None) -> None:
        """Take note of how many assignments there are, of how many. Called by the `TaskLauncher`."""
        self.created = count, total

    def note_failure(self, error: Exception) -> None:
        """Take note of a task beside the run's steps that failed unforeseen. Called by the `Supervisor`."""
        if isinstance(error, ClosedError):
            return  # the run is no longer driven from here
        self.noted.note(
            f"Something failed beside the run, which goes on: {describe(error)}. {_REMEDY}", "the machinery"
        )

    def recall(self, reports: Iterable[Event]) -> None:
        """Take note of what pages reported before this kernel took the run up."""
        self._explain(event.detail or {} for event in reports)

    def note(self, step: Step) -> None:
        """Take note of a step. Called by the engine once it is committed."""
        on_offer, steering = step.state.counts[UnitStatus.LAUNCHED], step.state.steering
        if any(isinstance(change, AddAgent) for change in step.changes.changes):
            self.turned_away.clear()
            self.last_arrival_at = step.now
        elif self.turned_away and on_offer > self._on_offer:
            self._forget(_OF_THE_OFFER)
        if steering is not self._steering:
            self._forget(_OF_THE_LIMITS)
        self._on_offer, self._steering = on_offer, steering
        for worker_name, code in step.refused:
            self.last_arrival_at = step.now
            if on_offer or code != _OF_THE_OFFER:
                self._remember(worker_name, code)
        if step.page_errors:
            self.page_errors.update(step.page_errors)
            self._explain(event.detail or {} for event in step.changes.events if event.why == PAGE_ERROR)
        for trouble in step.troubles:
            self.noted.note(trouble)
        for of, trouble in step.failures:
            self.noted.note(trouble, of)

    def _explain(self, reports: Iterable[JSONObject]) -> None:
        for trouble in filter(None, map(self.explain, reports)):
            self.reported.note(neutralise(trouble))

    def _remember(self, worker_name: str, code: str) -> None:
        self.turned_away[worker_name] = code
        self.turned_away.move_to_end(worker_name)
        if len(self.turned_away) > _REMEMBERED:
            self.turned_away.popitem(last=False)

    def _forget(self, code: str) -> None:
        for worker_name in [name for name, reason in self.turned_away.items() if reason == code]:
            del self.turned_away[worker_name]
