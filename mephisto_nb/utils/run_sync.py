"""Coroutines for those who cannot await: scripts, and plain functions inside a running loop; and whose loop it is."""

from __future__ import annotations

import asyncio
import functools
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

import nest_asyncio2

from mephisto_nb.errors import LoopError

P = ParamSpec("P")
T = TypeVar("T")
Method: TypeAlias = Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]

#: The loop that `run_sync` uses in scripts: kept from call to call, because an operator lives on its loop.
_script_loops = threading.local()


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and give its result, from code that is not a coroutine.

    In a script it runs on a loop that is kept for the next call. Inside a running loop (a plain function called
    from a notebook cell) it is nested into that loop, for which nest-asyncio is applied; nowhere else is it ever.

    Nesting has its price, so ``await`` wherever you can: calls return in the reverse order of their starts, two
    that wait for each other never end, and a time-out around a call takes effect only when the call is over. An
    interrupt (the stop button) cancels the nested call alone, never the operator's own tasks.

    Raises
    ------
    LoopError
        The running loop cannot be nested into (uvloop).
    KeyboardInterrupt
        The call was interrupted.

    Examples
    --------
    >>> async def answer():
    ...     return 42
    >>> run_sync(answer())
    42
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _run_in_script(work)
    try:
        nest_asyncio2.apply(loop)
    except ValueError as error:
        work.close()
        raise LoopError(
            f"run_sync() cannot be used inside a running {type(loop).__module__} loop. Use `await` instead."
        ) from error
    task = loop.create_task(work)
    with _interrupting(loop, task):
        return loop.run_until_complete(task)


class HomeLoop:
    """The event loop that an operator and all that belongs to it live on: runs, menus, and those who talk.

    It is the first that they are used on. As long as no run was launched or taken up there, one that has ended, or
    stands still, is left for the next.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = ""
        self._is_settled = False

    @property
    def has_ended(self) -> bool:
        """Whether there is a loop to stay on for good, and it is closed; any other is left for the next."""
        return self._loop is not None and self._is_settled and self._loop.is_closed()

    def enter(self, called: str = "") -> None:
        """Let whoever calls do their work on the running loop. Called before anything is done.

        Parameters
        ----------
        called
            What was called, as ``Operator.shutdown``.

        Raises
        ------
        LoopError
            It is another loop than that of the operator.
        """
        running, known = asyncio.get_running_loop(), self._loop
        if known is running:
            return
        if known is not None and (self._is_settled or known.is_running()):
            raise LoopError(
                f"This operator lives on another event loop, in the thread {self._thread!r}"
                f"{' which has ended' if known.is_closed() else ''}; {called or 'this'} was called on a loop in the "
                f"thread {threading.current_thread().name!r}, and nothing was done. Use the operator on its own loop: "
                "always through `await` in one loop, or always through run_sync(). From another thread: "
                "asyncio.run_coroutine_threadsafe(work(), loop), where work() awaits it."
            )
        self._loop, self._thread = running, threading.current_thread().name

    def settle(self) -> None:
        """Stay on the running loop for good: tasks live on it from now on. Raises `LoopError` as `enter` does."""
        self.enter()
        self._is_settled = True


def at_home(work: Method[P, T]) -> Method[P, T]:
    """Have a coroutine of an object raise `LoopError`, before it does anything, on another loop than its ``_home``."""

    @functools.wraps(work)
    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        self._home.enter(work.__qualname__)
        return await work(self, *args, **kwargs)

    return call


def _run_in_script(work: Coroutine[Any, Any, T]) -> T:
    loop: asyncio.AbstractEventLoop | None = getattr(_script_loops, "loop", None)
    if loop is None or loop.is_closed():
        loop = _script_loops.loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    with _interrupting(loop, task):
        return loop.run_until_complete(task)


@contextmanager
def _interrupting(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> Iterator[None]:
    """Let an interrupt cancel this one task, instead of breaking whichever task happens to run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = False

    def interrupt(signum: int, frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        loop.call_soon_threadsafe(task.cancel)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)
