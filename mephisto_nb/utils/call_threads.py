"""Runs a researcher's functions that may block, a few at a time, where they hold up nobody."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Callable
from functools import partial
from typing import Any


class CallThreads:
    """Threads for functions that are not ours: they may take as long as they like, or never end.

    Each call has a thread of its own, which does not keep the process alive; so many at a time, and the others wait
    in order. A call whose caller was cancelled goes on to its end, and holds its place until then.

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

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function in a thread; give what it returns, or raise what it raises."""
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()

        def settle(value: Any, error: BaseException | None) -> None:
            self._places.release()
            if result.done():  # its caller was cancelled
                return
            if error is None:
                result.set_result(value)
            else:
                result.set_exception(error)

        def call() -> None:
            value, failure = None, None
            try:
                value = context.run(function, *args, **kwargs)
            except StopIteration as error:  # which a future cannot hold
                failure = RuntimeError(f"{self._name} raised {error!r}")
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                failure = error  # type: ignore[assignment]
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                loop.call_soon_threadsafe(settle, value, failure)

        threading.Thread(target=call, name=self._name, daemon=True).start()
        return await result


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether a function of a researcher is to be awaited on the loop: a coroutine function, or what calls one."""
    inner = function.func if isinstance(function, partial) else function
    call = getattr(inner, "__call__", None)  # noqa: B004 - of an object whose call is async
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(call)
