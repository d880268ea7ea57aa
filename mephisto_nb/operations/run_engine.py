"""The engine of one run: one step after the other, decided in memory, committed, and only then told to anybody.

Everything that happens to a run (workers' packets, the passing of time, what the researcher asks for) goes
through here, one step at a time, so that two arrivals can never win the same unit. A step that cannot be
committed is forgotten whole: the run is read from the database again, and what came from workers is still in
the router's inbox.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from mephisto_nb.abstractions.clock import Clock, Timer
from mephisto_nb.abstractions.database import Database
from mephisto_nb.data_model.changes import Changes
from mephisto_nb.data_model.packets import Packet, Received
from mephisto_nb.data_model.records import Event
from mephisto_nb.errors import ClosedError, ConflictError, DatabaseError
from mephisto_nb.lifecycle.departures import pass_time
from mephisto_nb.lifecycle.launching import launch_more
from mephisto_nb.lifecycle.loading import state_from_snapshot
from mephisto_nb.lifecycle.run_state import RunRules, RunState
from mephisto_nb.lifecycle.step import Step
from mephisto_nb.operations.threads import DatabaseWriter, in_thread
from mephisto_nb.utils.ids import new_id
from mephisto_nb.utils.logging import get_logger

logger = get_logger(__name__)

T = TypeVar("T")

#: How many messages one step handles at most.
_BATCH = 500
#: How often a step is tried again that another writer came before.
_CONFLICTS = 3
#: How long to wait before a database that failed is tried again: the first time, and at most (seconds).
_PATIENCE = (0.25, 15.0)


class MessageHandler(Protocol):
    """Who knows what a worker's packet means: `WorkerPool`."""

    async def prepare(self, received: Sequence[Received]) -> Any:
        """Look up what the rules will need to know."""

    def handle(self, step: Step, received: Received, prepared: Any) -> None:
        """Apply the rule for one packet."""


@dataclass(slots=True)
class _Job(Generic[T]):
    """One rule to apply: for a message (`seq`), or for somebody who waits for its result (`future`)."""

    rule: Callable[[Step], T]
    seq: int | None = None
    future: asyncio.Future[T] | None = None
    conflicts: int = 0

    def settle(self, result: T | None = None, error: Exception | None = None) -> None:
        """Wake whoever waits for this job."""
        if self.future is None or self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)  # type: ignore[arg-type]  # a rule may well return None


class RunEngine:
    """Applies rules to one run.

    Parameters
    ----------
    task_run_id, rules
        The run.
    database, writer, clock
        Where it is read from, who writes it, and what time it is.
    """

    def __init__(
        self, task_run_id: str, rules: RunRules, database: Database, writer: DatabaseWriter, clock: Clock
    ) -> None:
        self.task_run_id = task_run_id
        self.rules = rules
        self.state: RunState
        #: Packets that the router does not have yet, with their numbers.
        self.outbox: deque[tuple[int, Packet]] = deque()
        #: The number of the last message whose effects are committed.
        self.committed_seq = 0
        #: Who is told of each step once it is committed.
        self.listeners: list[Callable[[Step], None]] = []
        #: Asks the router how far its inbox goes, before the clock may decide anything.
        self.request_sync: Callable[[], None] = lambda: None
        self.trouble: str | None = None
        self._database, self._writer, self._clock = database, writer, clock
        self._handler: MessageHandler | None = None
        self._messages: deque[Received] = deque()
        self._jobs: deque[_Job[Any]] = deque()
        self._wake = asyncio.Event()
        self._changed = asyncio.Condition()
        self._timer: Timer | None = None
        self._clock_waits_for: int | None = None
        self._delivered_n = self._dropped_n = 0
        self._closing: str | None = None
        self._waiting: set[asyncio.Future[Any]] = set()
        self._stopped = False

    # -- for everybody ---------------------------------------------------------------------------------------

    async def load(self, handler: MessageHandler | None = None) -> None:
        """Read the run from the database."""
        self._handler = handler or self._handler
        snapshot = await in_thread(self._database.load_run, self.task_run_id)
        self.state = state_from_snapshot(snapshot, self.rules)
        self.state.closing = self._closing
        self.committed_seq = snapshot.last_seq
        self.outbox = deque(item for item in snapshot.outbox if item[0] > self._delivered_n)

    def receive(self, received: Sequence[Received]) -> None:
        """Take in what the router sent; it is acknowledged once it is committed."""
        self._messages.extend(received)
        self._wake.set()

    def delivered(self, n: int) -> None:
        """Forget the packets that the router has."""
        while self.outbox and self.outbox[0][0] <= n:
            self.outbox.popleft()
        self._delivered_n = n

    def clock_may_go_on(self, last_seq: int) -> None:
        """Let the clock decide, once every message up to `last_seq` has been handled."""
        self._clock_waits_for = last_seq
        self._wake.set()

    async def do(self, rule: Callable[[Step], T]) -> T:
        """Apply a rule, and give its result once its effects are committed.

        Raises
        ------
        ClosedError
            The run is no longer driven from here.
        TransitionError, DatabaseError
            The rule, or the database, refused; nothing has changed.
        """
        if self._stopped:
            raise ClosedError(f"Run {self.task_run_id} has ended, or is no longer driven from this kernel.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        self._jobs.append(_Job(rule, future=future))
        self._wake.set()
        return await future

    async def wait_until(self, condition: Callable[[RunState], bool]) -> None:
        """Wait until a step makes a condition true."""
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self.state))

    # -- the loop --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Apply what comes, for ever."""
        try:
            self._arm()
            while True:
                while jobs := await self._take():
                    await self._do(jobs)
                await self._wake.wait()
                self._wake.clear()
        finally:
            self._stop()

    async def _take(self) -> list[_Job[Any]]:
        jobs = [self._jobs.popleft() for _ in range(len(self._jobs))]
        if self._messages:
            jobs += await self._message_jobs()
        if self._clock_waits_for is not None and self.state.last_seq >= self._clock_waits_for and not self._messages:
            self._clock_waits_for = None
            jobs.append(_Job(pass_time))
        return jobs

    async def _message_jobs(self) -> list[_Job[Any]]:
        batch = [self._messages.popleft() for _ in range(min(_BATCH, len(self._messages)))]
        fresh = [received for received in batch if received.seq > self.state.last_seq]
        handler = self._handler
        if not fresh or handler is None:
            return []
        prepared = await self._persist(lambda: handler.prepare(fresh))
        return [
            _Job(partial(_handle, handler, received=received, prepared=prepared), seq=received.seq)
            for received in fresh
        ]

    async def _do(self, jobs: Sequence[_Job[Any]]) -> None:
        try:
            step, results = self._decide(jobs)
            if step.changes:
                await self._writer.commit(step.changes)
        except Exception as error:  # noqa: BLE001 - what it means is decided below
            await self._recover(jobs, error)
        else:
            await self._publish(step)
            for job, result in zip(jobs, results, strict=True):
                job.settle(result)

    def _decide(self, jobs: Sequence[_Job[Any]]) -> tuple[Step, list[Any]]:
        step = Step(self.state, self._clock.now(), new_id)
        results = [job.rule(step) for job in jobs]
        launch_more(step)
        seqs = [job.seq for job in jobs if job.seq is not None]
        if seqs:
            step.changes.last_seq = self.state.last_seq = seqs[-1]
        if self._delivered_n > self._dropped_n and step.changes:
            step.changes.delivered_n = self._delivered_n
        return step, results

    async def _publish(self, step: Step) -> None:
        self._closing = self.state.closing
        self.committed_seq = self.state.last_seq
        self._dropped_n = step.changes.delivered_n or self._dropped_n
        self.outbox.extend(enumerate(step.changes.packets, start=step.changes.first_n))
        self._arm()
        for listener in self.listeners:
            listener(step)
        async with self._changed:
            self._changed.notify_all()

    # -- when something fails --------------------------------------------------------------------------------

    async def _recover(self, jobs: Sequence[_Job[Any]], error: Exception) -> None:
        """Forget a step that failed: read the run again, and go through its parts one by one."""
        await self._persist(self.load)
        if len(jobs) > 1:
            for job in jobs:
                await self._do([job])
        elif self._may_wait(jobs[0], error):
            if not isinstance(error, ConflictError):
                await self._pause(error)
            await self._do(jobs)
        else:
            await self._give_up(jobs[0], error)

    def _may_wait(self, job: _Job[Any], error: Exception) -> bool:
        """Tell whether a job is tried again: once another writer is done, or once the database is back."""
        if isinstance(error, ConflictError):
            job.conflicts += 1
            return job.conflicts <= _CONFLICTS
        # A worker's message, and the clock's turn, wait for the database; a person is told.
        return isinstance(error, DatabaseError) and job.future is None

    async def _give_up(self, job: _Job[Any], error: Exception) -> None:
        if job.future is not None:
            job.settle(error=error)
            return
        logger.error("a message could not be handled and was set aside", exc_info=error)
        why = f"a message could not be handled and was set aside: {error!r}"
        event = Event(self._clock.now(), "run", self.task_run_id, None, None, why, "operator", {"seq": job.seq})
        await self._persist(lambda: self._writer.commit(Changes(self.task_run_id, events=[event], last_seq=job.seq)))
        if job.seq is not None:
            self.committed_seq = self.state.last_seq = job.seq

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until the database is there."""
        while True:
            try:
                result = await attempt()
            except DatabaseError as error:
                await self._pause(error)
            else:
                self.trouble = None
                return result

    async def _pause(self, error: Exception) -> None:
        first, most = _PATIENCE
        self._pause_for = min(most, 2 * self._pause_for) if self.trouble else first
        self.trouble = f"The database does not answer; workers' answers wait safely in the router. {error}"
        logger.warning("%s", self.trouble)
        await asyncio.sleep(self._pause_for)

    _pause_for = 0.0

    # -- the clock -------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        when = self.state.next_deadline()
        self._timer = None if when is None else self._clock.call_at(when, self._time_has_come)

    def _time_has_come(self) -> None:
        # Nobody is timed out before all that the router has received until now was handled: an answer that
        # came in time may still be on its way.
        self.request_sync()

    def _stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        for future in list(self._waiting):
            if not future.done():
                future.set_exception(ClosedError(f"Run {self.task_run_id} ended before this could be done."))


def _handle(handler: MessageHandler, step: Step, *, received: Received, prepared: Any) -> None:
    handler.handle(step, received, prepared)
