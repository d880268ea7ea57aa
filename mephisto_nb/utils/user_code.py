"""Runs a researcher's functions where they hold up nobody, and finds where in them an error was raised."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import os
import site
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_own_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that may block for ever in a thread that nobody else waits for; it keeps no process alive."""
    return await _start(partial(function, *args, **kwargs), "mephisto_nb-call", lambda: None)


async def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call a researcher's function, plain or async, so that it holds up nobody.

    Who is cancelled while waiting, or has waited long enough, goes on at once: what the function does about its being
    cancelled is its own affair.
    """
    task = asyncio.create_task(_call(function, args))
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        _let_go_of.add(task)
        task.add_done_callback(_forget)
        task.cancel()
        raise
    return task.result()


#: Calls whose callers wait no longer, and that have not ended yet.
_let_go_of: set[asyncio.Task[Any]] = set()


async def _call(function: Callable[..., Any], args: Sequence[Any]) -> Any:
    with no_exit(getattr(function, "__name__", type(function).__name__)):
        result = await (function(*args) if is_async(function) else in_own_thread(function, *args))
        return await result if inspect.isawaitable(result) else result


def _forget(task: asyncio.Task[Any]) -> None:
    _let_go_of.discard(task)
    if not task.cancelled():
        task.exception()  # or else the loop would say that nobody asked for it


@contextlib.contextmanager
def no_exit(name: str) -> Iterator[None]:
    """Let a researcher's code that calls `sys.exit`, which would end the loop and all that runs on it, fail instead.

    Raises
    ------
    RuntimeError
        It was called; `name` says by what.
    """
    try:
        yield
    except SystemExit as error:
        raise RuntimeError(f"{name} raised {error!r}") from error


class CallThreads:
    """Calls functions in threads of their own, so many at a time; the others wait in order.

    A call whose caller was cancelled goes on to its end, and holds its place until then.

    Parameters
    ----------
    at_most
        How many run at a time.
    name
        What the threads are called.
    """

    def __init__(self, at_most: int, name: str) -> None:
        self._places = asyncio.Semaphore(at_most)
        self._name = name

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread; give what it returns, or raise what it raises."""
        await self._places.acquire()
        return await _start(partial(function, *args, **kwargs), self._name, self._places.release)


def _start(function: Callable[[], T], name: str, at_end: Callable[[], None]) -> asyncio.Future[T]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(set_result: Callable[[], None]) -> None:
        at_end()
        if not future.done():  # or else its caller was cancelled
            set_result()

    def call() -> None:
        try:
            set_result = partial(future.set_result, context.run(function))
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            # A future cannot hold a StopIteration, and what is no Exception would end the caller's loop.
            is_held = isinstance(error, Exception) and not isinstance(error, StopIteration)
            held = error if is_held else RuntimeError(f"{name} raised {error!r}")
            set_result = partial(future.set_exception, held)
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
            loop.call_soon_threadsafe(settle, set_result)

    try:
        threading.Thread(target=call, name=name, daemon=True).start()
    except RuntimeError:  # there are too many
        at_end()
        raise
    return future


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether a researcher's function is to be awaited on the loop: a coroutine function, or what calls one."""
    inner = function.func if isinstance(function, partial) else function
    call = getattr(inner, "__call__", None)  # noqa: B004 - of an object whose call is async
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(call)


#: Where code lies that no researcher wrote: this package, Python, and what was installed.
_OTHERS = tuple(
    f"{folder}{os.sep}" for folder in (
        Path(__file__).parents[1], sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"), site.getusersitepackages(),
    )
)  # fmt: skip


def raised_in(error: BaseException) -> str:
    """Return the last line of a researcher's own code that an error came through; "" where there is none.

    Examples
    --------
    >>> raised_in(KeyError("never raised"))
    ''
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*_OTHERS, "<frozen "))]
    if not own:
        return ""
    last = own[-1]
    # What ipykernel names the code of a cell by says nothing to anybody.
    place = "a cell" if "ipykernel_" in last.filename or last.filename.startswith("<") else Path(last.filename).name
    return f"in {last.name} (line {last.lineno} of {place})"


def describe(error: BaseException) -> str:
    """Say what was raised, and where, as a part of one sentence: with a no-break space behind each full stop.

    Examples
    --------
    >>> describe(KeyError("mood"))
    "KeyError('mood')"
    """
    # A full stop and a space would end the sentence, for whoever takes the remedy from behind it.
    return f"{error!r} {raised_in(error)}".strip().replace(". ", ".\N{NO-BREAK SPACE}")
