"""Where threads are: the database's one writer, functions that block, what is done to its end, and trying again."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from mephisto_nb.errors import ClosedError, DatabaseError
from mephisto_nb.model.changes import Changes
from mephisto_nb.utils.logging import get_logger, tell
from mephisto_nb.utils.run_sync import HomeLoop

if TYPE_CHECKING:
    from mephisto_nb.ports.database import Database


logger = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: How many steps share one commit at most.
_GROUP = 64


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that blocks without stopping the loop."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def wholly(work: Coroutine[Any, Any, T]) -> T:
    """Return what some work gives; who is cancelled meanwhile is so once it is done, for it may be writing."""
    task, cancelled = asyncio.ensure_future(work), None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        await asyncio.gather(task, return_exceptions=True)  # what it raised, nobody is there to hear
        raise cancelled
    return task.result()


@dataclass(slots=True)
class _Job:
    """Something for the writer: changes to commit, or a function to call; and who waits for it."""

    work: Changes | Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]

    def settle(self, result: object, error: Exception | None) -> None:
        """Wake whoever waits; if their loop has ended, nobody does."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(_settle, self.future, result, error)


def _settle(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if future.done():  # its waiter was cancelled
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class DatabaseWriter:
    """The one thread that writes to a database: what comes while it commits is committed together next.

    Parameters
    ----------
    database
        Where to write; the writer does not close it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        #: The loop of all who write here: the operator's.
        self.home = HomeLoop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        #: Called with each step that is committed, on the loop of whoever committed it.
        self.listeners: list[Callable[[Changes], None]] = []
        #: Called when something was written by `call`, on the loop of whoever called.
        self.call_listeners: list[Callable[[], None]] = []
        #: Called when it has been closed by `aclose`, on the loop of whoever closed it.
        self.close_listeners: list[Callable[[], None]] = []

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._closed

    async def commit(self, changes: Changes) -> None:
        """Commit one step of a run.

        Raises
        ------
        ConflictError
            A row was not in the state that a change starts from; nothing of the step was written.
        DatabaseError
            The database could not be written; nothing of the step was.
        """
        await self._put(changes)
        tell(self.listeners, changes)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a writing method of the database in the writer's thread."""
        result: T = await self._put(lambda: function(*args, **kwargs))
        tell(self.call_listeners)
        return result

    async def look_after(self) -> None:
        """Have the database see whether it can be written: see `Database.stay_in_place`. It changes nothing."""
        await self._put(self._database.stay_in_place)

    def close(self) -> None:
        """Write what is still waiting, and end the thread. May be called twice."""
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    async def aclose(self) -> None:
        """Do so without blocking the loop, and tell whoever shows that nothing can be written any more."""
        await in_thread(self.close)
        tell(self.close_listeners)

    async def _put(self, work: Changes | Callable[[], Any]) -> Any:
        if self._closed:
            raise ClosedError("The operator was shut down. Make a new one: operator = mephisto_nb.Operator().")
        if self._thread is None:
            # A daemon, so that a script that forgets to shut down still ends; every commit is atomic.
            self._thread = threading.Thread(target=self._serve, name="mephisto_nb-writer", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        job = _Job(work, loop, loop.create_future())
        self._jobs.put(job)
        return await job.future

    def _serve(self) -> None:
        while True:
            jobs, go_on = self._take()
            steps = [job for job in jobs if isinstance(job.work, Changes)]
            if steps:
                self._commit(steps)
            for job in jobs:
                if not isinstance(job.work, Changes):
                    _call(job, job.work)
            if not go_on:
                return

    def _take(self) -> tuple[list[_Job], bool]:
        jobs: list[_Job] = []
        item = self._jobs.get()
        while item is not None:
            jobs.append(item)
            if len(jobs) == _GROUP or self._jobs.empty():
                return jobs, True
            item = self._jobs.get()
        return jobs, False

    def _commit(self, jobs: Sequence[_Job]) -> None:
        errors = self._database.apply([job.work for job in jobs if isinstance(job.work, Changes)])
        for job, error in zip(jobs, errors, strict=True):
            job.settle(None, error)


def _call(job: _Job, function: Callable[[], Any]) -> None:
    try:
        result = function()
    except Exception as error:  # noqa: BLE001 - handed to whoever asked for this call
        job.settle(None, error)
    else:
        job.settle(result, None)


#: How long to wait before a database that failed is tried again: the first time, and at most (seconds).
FIRST, MOST = 0.25, 15.0


class Retry:
    """Tries again after longer and longer pauses, and says what is wrong meanwhile.

    Any number of tasks may call `persist` at once, each with pauses of its own; `pause` and `reset` are for one.

    Parameters
    ----------
    on_pause
        Called with what is wrong before each pause, to tell those who will not wait.
    """

    def __init__(self, on_pause: Callable[[Exception], None] = lambda error: None) -> None:
        self._on_pause = on_pause
        #: Why nothing can be stored, if so.
        self.trouble: str | None = None
        self._pause = 0.0

    async def persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until the database is there."""
        pause = 0.0
        while True:
            try:
                return await attempt()
            except DatabaseError as error:
                pause = await self._wait(error, pause)

    async def pause(self, error: Exception) -> None:
        """Wait a while, after a failure: longer each time, until `reset`."""
        self._pause = await self._wait(error, self._pause)

    async def _wait(self, error: Exception, last: float) -> float:
        """Wait for longer than the last time; return for how long."""
        pause = min(MOST, 2 * last) or FIRST
        self.trouble = f"The database does not answer; workers' answers wait safely in the router. {error}"
        logger.warning("%s", self.trouble)
        self._on_pause(error)
        await asyncio.sleep(pause)
        return pause

    def reset(self) -> None:
        """Note that the database is there, and takes what it is given."""
        self.trouble, self._pause = None, 0.0
