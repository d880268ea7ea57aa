"""Coroutines for those who cannot await: scripts, and plain functions inside a running loop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import nest_asyncio2

from mephisto_nb.errors import LoopError

T = TypeVar("T")

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


def own_loop(known: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
    """Return the running loop, which has to be the one that is `known` already.

    Raises
    ------
    LoopError
        It is another.
    """
    loop = asyncio.get_running_loop()
    if known is not None and known is not loop:
        raise LoopError(
            "This operator lives on another event loop. Use it on that one: always through `await` in one loop, "
            "or always through run_sync()."
        )
    return loop


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
