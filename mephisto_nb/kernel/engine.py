"""The engine of one run: one step after the other, decided in memory, committed, and only then announced.

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

from mephisto_nb.errors import ClosedError, ConflictError, DatabaseError
from mephisto_nb.kernel.numbers import LinkNumbers
from mephisto_nb.kernel.writer import DatabaseWriter, Retry, in_thread
from mephisto_nb.model.changes import Guard
from mephisto_nb.model.packets import Packet, PacketType, Received
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.run_state import RunRules, RunState, state_from_snapshot
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.garbage import no_collection
from mephisto_nb.utils.ids import new_id
from mephisto_nb.utils.logging import get_logger, tell
from mephisto_nb.utils.run_sync import HomeLoop

T = TypeVar("T")

logger = get_logger(__name__)

#: How many messages one step handles at most.
_BATCH = 500
#: How many of them at most say who comes: each may get a row of a megabyte, and what is decided together is written
#: together, before any of it is sent.
_ARRIVALS = 32
#: How often a step is tried again that another writer came before.
CONFLICTS = 3


class MessageHandler(Protocol):
    """Who knows what a worker's packet means, and what is due: `ClientIOHandler`."""

    async def prepare(self, received: Sequence[Received]) -> Any:
        """Return what the rules will need to know. Called before the step that handles these packets."""

    def handle(self, step: Step, received: Received, prepared: Any) -> None:
        """Apply the rule for one packet."""

    def set_aside(self, step: Step, received: Received) -> None:
        """Answer whoever waits for a packet whose rule failed."""

    def pass_time(self, step: Step) -> None:
        """Apply the rules for what is due. Called after all packets that the router had by then."""


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
        self.numbers = LinkNumbers()
        #: Called with each step once it is committed.
        self.listeners: list[Callable[[Step], None]] = []
        self._database, self._writer, self._clock = database, writer, clock
        self._handler: MessageHandler | None = None
        self._end_step: Callable[[Step], object] | None = None
        self._messages: deque[Received] = deque()
        self._jobs = JobQueue()
        self._wake = asyncio.Event()
        self.waiters, self._retry = Waiters(task_run_id, writer.home), Retry(self._jobs.tell_at_once)
        self._is_deciding = False
        self._clock_waits_for: int | None = None
        self._committed_n = self._dropped_n = 0

    @property
    def trouble(self) -> str | None:
        """Why nothing can be stored, if so."""
        return self._retry.trouble

    # -- for everybody ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the run from the database. Called before anything else, and after a step that failed."""
        snapshot = await in_thread(self._database.runs.load_run, self.task_run_id)
        self.state = state_from_snapshot(snapshot, self.rules)
        self.committed_seq, self._committed_n = snapshot.last_seq, snapshot.last_n
        self.numbers.committed_era = snapshot.era
        self.numbers.received_seq = max(self.numbers.received_seq, snapshot.last_seq)
        self.outbox = deque(item for item in snapshot.outbox if item[0] > self.numbers.delivered_n)

    def receive(self, received: Sequence[Received]) -> list[Received]:
        """Take in what the router sent, and return what of it is new; it is acknowledged once it is committed.

        After a broken link the router sends again what was not acknowledged, though some of it waits here.
        """
        new = [message for message in received if message.seq > self.numbers.received_seq]
        if new:
            self.numbers.received_seq = new[-1].seq
            self._messages.extend(new)
            self._wake.set()
        return new

    async def agree(self, last_n: int) -> bool:
        """Agree with a router on numbers, where its database, or ours, was put back to what it was earlier.

        Packets that the router has forgotten, or that it would take for others that it had from us, are sent anew, and
        so is the status of everybody; `last_n` is the number of the last packet that it has. Returns whether that was
        so.
        """
        had_n = self.outbox[0][0] - 1 if self.outbox else self._committed_n
        if had_n <= last_n <= self._committed_n:
            return False
        waiting = [packet for _, packet in self.outbox]
        await self.do(partial(_send_anew, waiting=waiting, last_n=last_n), retry=True)
        return True

    def delivered(self, n: int) -> None:
        """Forget the packets that the router has."""
        while self.outbox and self.outbox[0][0] <= n:
            self.outbox.popleft()
        self.numbers.delivered_n = max(n, self.numbers.delivered_n)  # an old acknowledgement may come late

    def clock_may_go_on(self, last_seq: int) -> None:
        """Let the clock decide, once every message up to `last_seq` has been handled."""
        self._clock_waits_for = last_seq
        self._wake.set()

    async def do(
        self,
        rule: Callable[[Step], T],
        *,
        retry: bool = False,
        look_up: Callable[[], Awaitable[None]] | None = None,
        guard: Guard | None = None,
    ) -> T:
        """Apply a rule, and return its result once its effects are committed.

        Parameters
        ----------
        rule
            What to change; called again should the database have to be read anew.
        retry
            Whether to try again for as long as the database does not answer, rather than to raise that.
        look_up
            Finds out what the rule has to know of the database, when everything before it is committed.
        guard
            Asked within the transaction that commits it, which has nothing else: what it raises is raised here.

        Raises
        ------
        ClosedError
            The run is no longer driven from here.
        TransitionError, DatabaseError
            The rule, or the database, refused; nothing has changed.
        """
        if self.trouble is not None and not retry:
            raise DatabaseError(self.trouble)
        future: asyncio.Future[T] = self.waiters.future()
        self._jobs.append(Job(rule, future=future, retry=retry, look_up=look_up, guard=guard))
        self._wake.set()
        return await future

    def do_soon(self, rule: Callable[[Step], object]) -> None:
        """Apply a rule once it is its turn, and do not wait for it. What follows from nothing but a log is noted so."""
        self._jobs.append(Job(rule))
        self._wake.set()

    async def wait_until(self, condition: Callable[[RunState], bool]) -> None:
        """Wait until a step that is committed makes a condition true.

        Raises
        ------
        ClosedError
            The run is no longer driven from here.
        """
        future = self.waiters.watch(condition)
        if not self._is_deciding:
            self.waiters.tell(self.state)
        await future

    async def handled(self, seq: int) -> None:
        """Wait until the effects of all messages up to `seq` are committed."""
        await self.wait_until(lambda _: self.committed_seq >= seq)

    # -- the loop --------------------------------------------------------------------------------------------

    async def run(self, handler: MessageHandler, end_step: Callable[[Step], object]) -> None:
        """Apply what comes, for ever. Called once, as a task of the run.

        Parameters
        ----------
        handler
            Who knows what packets mean.
        end_step
            A rule that is applied at the end of each step: it puts units on offer.
        """
        self._handler, self._end_step = handler, end_step
        try:
            while True:
                while jobs := await self._take():
                    self._is_deciding = True
                    if (error := await self._attempt(jobs)) is not None:
                        await self._recover(jobs, error)
                    self._is_deciding = False
                    self.waiters.tell(self.state)
                await self._wake.wait()
                self._wake.clear()
        finally:
            self.waiters.close()

    async def _take(self) -> list[Job[Any]]:
        jobs = self._jobs.take()
        for job in jobs:
            await job.find_out(self._retry)
        if jobs and jobs[0].guard is not None:
            return jobs  # refused alone
        if self._messages:
            batch = _next_batch(self._messages)
            jobs += await _prepare(self._handler, self._retry, batch)
        if self._clock_waits_for is not None and self.state.last_seq >= self._clock_waits_for and not self._messages:
            self._clock_waits_for = None
            if self._handler is not None:
                jobs.append(Job(self._handler.pass_time))
        return jobs

    async def _attempt(self, jobs: Sequence[Job[Any]]) -> Exception | None:
        """Do some jobs in one step; return what went wrong."""
        try:
            with no_collection():
                step, results = self._decide(jobs)
            if step.changes:
                await self._writer.commit(step.changes)
        except Exception as error:  # noqa: BLE001 - what it means is decided elsewhere
            return error
        self._publish(step)
        for job, result in zip(jobs, results, strict=True):
            job.settle(result)
        return None

    def _decide(self, jobs: Sequence[Job[Any]]) -> tuple[Step, list[Any]]:
        step = Step(self.state, self._clock.now(), new_id)
        results = [job.rule(step) for job in jobs]
        step.changes.guard = next((job.guard for job in jobs if job.guard is not None), None)
        if self._end_step is not None:
            self._end_step(step)
        seqs = [job.received.seq for job in jobs if job.received is not None]
        if seqs:
            self.numbers.note_handled(step, seqs[-1])
        if self.numbers.delivered_n > self._dropped_n and step.changes:
            step.changes.delivered_n = self.numbers.delivered_n
        return step, results

    def _publish(self, step: Step) -> None:
        self._retry.reset()
        self.numbers.committed_era = step.changes.era or self.numbers.committed_era
        self.committed_seq, self._committed_n = self.state.last_seq, self.state.last_n
        self._dropped_n = step.changes.delivered_n or self._dropped_n
        self.outbox.extend(enumerate(step.changes.packets, start=step.changes.first_n))
        tell(self.listeners, step)
        self.waiters.tell(self.state)

    # -- when something fails --------------------------------------------------------------------------------

    async def _recover(self, jobs: Sequence[Job[Any]], error: Exception) -> None:
        """Forget a step that failed: read the run again, and go through its parts one by one."""
        waiting = [job for job in jobs if not job.tell_at_once(error)]
        await self._retry.persist(self.load)
        if not waiting:
            self._retry.reset()
        for job in waiting:
            await self._do_alone(job, error if len(jobs) == 1 else None)

    async def _do_alone(self, job: Job[Any], error: Exception | None) -> None:
        """Do a job that failed with `error`, or together with others (None), for as long as there is hope."""
        while True:
            if error is not None and not job.may_wait(error):
                await self._give_up(job, error)
                return
            if error is not None and not isinstance(error, ConflictError):
                await self._retry.pause(error)
            again = await self._afresh(job)
            if again is None:  # it was committed, though the database could not say so: the link sends what it said
                self._publish(Step(self.state, self._clock.now(), new_id))
                return
            error, job = await self._attempt([again]), again
            if error is None:
                return
            told = job.tell_at_once(error)
            await self._retry.persist(self.load)
            if told:
                self._retry.reset()
                return

    async def _afresh(self, job: Job[Any]) -> Job[Any] | None:
        """Return a job after the run was read again, with what is known of workers now; None: it is done."""
        if job.received is None:
            await job.find_out(self._retry)
            return job
        if job.received.seq <= self.state.last_seq:
            return None
        (again,) = await _prepare(self._handler, self._retry, [job.received])
        again.conflicts = job.conflicts
        return again

    async def _give_up(self, job: Job[Any], error: Exception) -> None:
        if job.future is not None:
            self._retry.reset()
            job.settle(error=error)
            return
        logger.error("a message could not be handled and was set aside", exc_info=error)
        step = Step(self.state, self._clock.now(), new_id)
        seq = None if job.received is None else job.received.seq
        why = f"a message could not be handled and was set aside: {error!r}"
        step.log("run", self.task_run_id, None, None, why, "operator", {"seq": seq})
        if job.received is not None and self._handler is not None:
            self._handler.set_aside(step, job.received)
            self.numbers.note_handled(step, job.received.seq)
        await self._retry.persist(lambda: self._writer.commit(step.changes))
        self._publish(step)


@dataclass(slots=True)
class Job(Generic[T]):
    """One rule to apply.

    `received` is the message that it is for, `future` what somebody waits for. With `retry` it is tried again for as
    long as the database does not answer; without, who waits is told. `look_up` finds out what the rule has to know,
    anew each time before it is applied. `guard` may refuse the commit. `conflicts` counts how often another writer came
    first.
    """

    rule: Callable[[Step], T]
    received: Received | None = None
    future: asyncio.Future[T] | None = None
    retry: bool = True
    look_up: Callable[[], Awaitable[None]] | None = None
    conflicts: int = 0
    guard: Guard | None = None

    async def find_out(self, retry: Retry) -> None:
        """Find out what the rule has to know, however long the database does not answer."""
        if self.look_up is not None:
            await retry.persist(self.look_up)

    def may_wait(self, error: Exception) -> bool:
        """Return whether to try again: once another writer is done, or once the database is back."""
        if isinstance(error, ConflictError):
            self.conflicts += 1
            return self.conflicts <= CONFLICTS
        return isinstance(error, DatabaseError)

    def tell_at_once(self, error: Exception) -> bool:
        """Raise the failure of the database in whoever waits, unless it is tried again; return whether it did."""
        if self.retry or isinstance(error, ConflictError) or not isinstance(error, DatabaseError):
            return False
        self.settle(error=error)
        return True

    def settle(self, result: T | None = None, error: Exception | None = None) -> None:
        """Wake whoever waits for this job."""
        if self.future is None or self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)  # type: ignore[arg-type]  # a rule may well return None


class JobQueue:
    """What people and programs have asked for, in order."""

    def __init__(self) -> None:
        self._jobs: list[Job[Any]] = []

    def append(self, job: Job[Any]) -> None:
        """Add a job."""
        self._jobs.append(job)

    def take(self) -> list[Job[Any]]:
        """Take jobs out for one step: all up to the first that has a guard, or that one alone."""
        guarded = next((place for place, job in enumerate(self._jobs) if job.guard is not None), len(self._jobs))
        jobs = self._jobs[: max(1, guarded)]
        del self._jobs[: len(jobs)]
        return jobs

    def tell_at_once(self, error: Exception) -> None:
        """Raise the failure at once in those who do not wait for the database."""
        self._jobs = [job for job in self._jobs if not job.tell_at_once(error)]


class Waiters:
    """Futures that are settled by a run's steps, or when the run is no longer driven."""

    def __init__(self, task_run_id: str, home: HomeLoop) -> None:
        self._task_run_id, self.home = task_run_id, home
        self._waiting: set[asyncio.Future[Any]] = set()
        self._conditions: dict[asyncio.Future[None], Callable[[RunState], bool]] = {}
        self._is_closed = False

    def future(self) -> asyncio.Future[Any]:
        """Make something to wait for.

        Raises
        ------
        ClosedError
            The run is no longer driven from here.
        LoopError
            It is driven on another event loop.
        """
        if self._is_closed:
            raise ClosedError(f"Run {self._task_run_id} has ended, or is no longer driven from this kernel.")
        self.home.enter()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        return future

    def watch(self, condition: Callable[[RunState], bool]) -> asyncio.Future[None]:
        """Make something that is settled when a committed step makes `condition` true."""
        future: asyncio.Future[None] = self.future()
        self._conditions[future] = condition
        future.add_done_callback(self._conditions.pop)
        return future

    def tell(self, state: RunState) -> None:
        """Settle what the state makes true."""
        for future, condition in list(self._conditions.items()):
            if future.done():
                continue
            try:
                if condition(state):
                    future.set_result(None)
            except Exception as error:  # noqa: BLE001 - told to whoever gave the condition
                future.set_exception(error)

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._is_closed = True
        for future in list(self._waiting):
            if not future.done():
                future.set_exception(ClosedError(f"Run {self._task_run_id} ended before this could be done."))


def _next_batch(messages: deque[Received]) -> list[Received]:
    batch: list[Received] = []
    arrivals = 0
    while messages and len(batch) < _BATCH and arrivals < _ARRIVALS:
        arrivals += messages[0].packet.packet_type is PacketType.REGISTER_AGENT
        batch.append(messages.popleft())
    return batch


async def _prepare(handler: MessageHandler | None, retry: Retry, received: Sequence[Received]) -> list[Job[Any]]:
    if not received or handler is None:
        return []
    prepared = await retry.persist(lambda: handler.prepare(received))
    return [_message_job(handler, one, prepared) for one in received]


def _message_job(handler: MessageHandler, received: Received, prepared: Any) -> Job[None]:
    return Job(partial(_handle, handler, received=received, prepared=prepared), received=received)


def _send_anew(step: Step, waiting: Sequence[Packet], last_n: int) -> None:
    if last_n > step.state.last_n:
        step.state.last_n, step.changes.first_n = last_n, last_n + 1
        for packet in waiting:
            step.send(packet.packet_type, packet.subject_id, packet.data, packet.kept)
    for agent in step.state.agents.values():
        step.send_status(agent)
    for newcomer in step.state.gates.at_onboarding():
        step.send(PacketType.UPDATE_STATUS, newcomer.agent_id, {"status": newcomer.status.value})
    why = "the router had forgotten what it was sent, or knew more than was sent: its database or ours was replaced"
    step.log("run", step.state.task_run_id, None, None, why, "router")


def _handle(handler: MessageHandler, step: Step, *, received: Received, prepared: Any) -> None:
    handler.handle(step, received, prepared)
