"""What an engine has to do: rules to apply, each for a worker's packet or for somebody who waits for its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from mephisto_nb.errors import ConflictError, DatabaseError
from mephisto_nb.kernel.writer import Patience
from mephisto_nb.model.packets import Received
from mephisto_nb.rules.step import Step

T = TypeVar("T")

#: How often a step is tried again that another writer came before.
CONFLICTS = 3


class MessageHandler(Protocol):
    """Who knows what a worker's packet means: `WorkerPool`."""

    async def prepare(self, received: Sequence[Received]) -> Any:
        """Look up what the rules will need to know."""

    def handle(self, step: Step, received: Received, prepared: Any) -> None:
        """Apply the rule for one packet."""

    def set_aside(self, step: Step, received: Received) -> None:
        """Answer whoever waits for a packet whose rule failed."""


@dataclass(slots=True)
class Job(Generic[T]):
    """One rule to apply.

    `received` is the message that it is for, `future` what somebody waits for. One that is `patient` waits for a
    database that does not answer; any other is told. `look_up` finds out what the rule has to know, anew each time
    before it is applied. `conflicts` counts how often another writer came first.
    """

    rule: Callable[[Step], T]
    received: Received | None = None
    future: asyncio.Future[T] | None = None
    patient: bool = True
    look_up: Callable[[], Awaitable[None]] | None = None
    conflicts: int = 0

    async def find_out(self, patience: Patience) -> None:
        """Find out what the rule has to know, however long the database does not answer."""
        if self.look_up is not None:
            await patience.persist(self.look_up)

    def may_wait(self, error: Exception) -> bool:
        """Tell whether to try again: once another writer is done, or once the database is back."""
        if isinstance(error, ConflictError):
            self.conflicts += 1
            return self.conflicts <= CONFLICTS
        return isinstance(error, DatabaseError)

    def tell_at_once(self, error: Exception) -> bool:
        """Tell who waits that the database failed, unless it was asked for patiently; say whether they were told."""
        if self.patient or isinstance(error, ConflictError) or not isinstance(error, DatabaseError):
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

    def take_all(self) -> list[Job[Any]]:
        """Take all jobs out."""
        jobs, self._jobs = self._jobs, []
        return jobs

    def tell_at_once(self, error: Exception) -> None:
        """Tell those who will not wait for the database."""
        self._jobs = [job for job in self._jobs if not job.tell_at_once(error)]


def message_job(handler: MessageHandler, received: Received, prepared: Any) -> Job[None]:
    """Make the job of handling one message."""
    return Job(partial(_handle, handler, received=received, prepared=prepared), received=received)


def _handle(handler: MessageHandler, step: Step, *, received: Received, prepared: Any) -> None:
    handler.handle(step, received, prepared)
