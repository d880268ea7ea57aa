"""Where large texts are read and written: in one thread beside the loop, so that no request holds up all others.

Python runs one thread at a time, and lets another one go on between two calls. So no single call may take long: what
comes in is bounded in its shape, see `mephisto_nb.router.shape`, before it comes here. There is one thread, for with
two the loop would have to wait for both. Who brings little is not kept waiting by one who brings much.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

#: What is smaller is done at once, on the loop (bytes).
_LARGE = 48 * 1024
#: What a large text is thought to take until that is known (seconds for each byte), as texts do that take long.
_EACH_BYTE = 2e-7

T = TypeVar("T")


class Desk:
    """Does what takes time, one thing after the other.

    Parameters
    ----------
    spent
        Called on the loop with for whom something is done, and how long that takes (seconds): what is thought before
        it is done, and how much more or less it was.
    person_of
        Returns whose an agent is.
    """

    def __init__(
        self,
        spent: Callable[[str, float], None] = lambda _who, _seconds: None,
        person_of: Callable[[str], str] = str,
    ) -> None:
        self._spent, self._line = spent, _Line()
        self._person_of = person_of
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
        seconds: float | None = None
        is_begun = False

        def timed() -> T:
            nonlocal seconds, is_begun
            is_begun, started = True, time.thread_time()
            try:
                return work()
            finally:
                seconds = time.thread_time() - started

        if size <= _LARGE:
            try:
                return timed()
            finally:
                self._spent(who, seconds or 0.0)
        # At once: who brings much, many times, is known before any of it is done.
        thought = size * _EACH_BYTE
        self._spent(who, thought)
        try:
            await self._line.wait(self._person_of(who) if who else "", size)
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, timed)
            finally:
                self._line.go_on()
        finally:
            if seconds is not None or not is_begun:  # else nobody waits for it any more, and it is done nevertheless
                self._spent(who, (seconds or 0.0) - thought)

    def close(self) -> None:
        """Do nothing more. Closing twice is fine."""
        self._line.close()
        self._thread.shutdown(wait=False, cancel_futures=True)


class _Line:
    """Those who wait for one desk: each person's texts one after another, and of all persons the least first.

    A text's place is where its person would be, if all persons who wait were served side by side, byte by byte. So many
    small texts of many persons pass a large one, but not for ever.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._is_taken = False
        #: How far the one has come that is served, and the last of each person.
        self._now = 0.0
        self._last: dict[str, float] = {}

    async def wait(self, person: str, size: int) -> None:
        """Wait until it is this one's turn, and take the desk; call `go_on` afterwards."""
        place = max(self._now, self._last.get(person, 0.0)) + size
        self._last[person] = place
        if not self._is_taken:
            self._is_taken, self._now = True, place
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (place, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.go_on()  # it was this one's turn just now
            raise

    def go_on(self) -> None:
        """Leave the desk to the next."""
        while self._waiting:
            place, _, turn = heapq.heappop(self._waiting)
            if not turn.done():  # it has not gone away meanwhile
                self._now = place
                turn.set_result(None)
                return
        self._is_taken, self._now = False, 0.0
        self._last.clear()

    def close(self) -> None:
        """Send everybody away."""
        for _, _, turn in self._waiting:
            turn.cancel()
