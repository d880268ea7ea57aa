"""Where large texts are read and written: in one thread beside the loop, so that no request holds up all others.

Python runs one thread at a time, and lets another one go on between two calls. So no single call may take long: what
comes in is bounded in its shape, see `mephisto_nb.router.shape`, before it comes here. There is one thread, for with
two the loop would have to wait for both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

#: What is smaller is done at once, on the loop (bytes).
_LARGE = 48 * 1024

T = TypeVar("T")


class Desk:
    """Does what takes time, one thing after the other.

    Parameters
    ----------
    spent
        Called on the loop with for whom something was done, and how long it took (seconds).
    """

    def __init__(self, spent: Callable[[str, float], None] = lambda _who, _seconds: None) -> None:
        self._spent = spent
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="router-desk")

    async def do(self, work: Callable[[], T], size: int, who: str = "") -> T:
        """Return what `work` returns, and raise what it raises; `size` says how much text it is about.

        Parameters
        ----------
        work
            What to do: in this thread or another, so it must not touch what the loop owns.
        size
            Bytes.
        who
            For which agent; '' where that is not known.
        """
        seconds = 0.0

        def timed() -> T:
            nonlocal seconds
            started = time.thread_time()
            try:
                return work()
            finally:
                seconds = time.thread_time() - started

        try:
            if size <= _LARGE:
                return timed()
            return await asyncio.get_running_loop().run_in_executor(self._thread, timed)
        finally:
            self._spent(who, seconds)

    def close(self) -> None:
        """Do nothing more. Closing twice is fine."""
        self._thread.shutdown(wait=False, cancel_futures=True)
