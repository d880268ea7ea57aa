"""Whether a run and its router get on: links that break before anything is through, and a router that is silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from mephisto_nb.utils.patience import patience

if TYPE_CHECKING:
    from mephisto_nb.errors import RouterError
    from mephisto_nb.kernel.engine import RunEngine

#: How long to wait before a broken channel is opened again: the first time, and at most (seconds).
_BACKOFF = (0.1, 10.0)
#: How many links in a row may break before anything is through, until it is told.
_FRUITLESS = 2
#: How often the router is asked for a sign of life, and how long it may take over one until it is told (seconds).
_EVERY, _WITHIN = 3.0, 5.0
#: How long a link has to last for the router's answers to be progress: each link begins with one (seconds).
_LASTS = 5.0


class LinkProgress:
    """Follows what gets through by the channels of a run, one after the other.

    Parameters
    ----------
    engine
        The run.
    ask
        Asks the router how far its inbox goes.
    now
        What time it is, in seconds of any clock that is never put back.
    """

    def __init__(self, engine: RunEngine, ask: Callable[[], None], now: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._ask, self._now = engine, ask, now
        self._opened_at = now()
        self._before = (0, 0, 0)
        self._num_answers, self._answer = 0, asyncio.Event()
        self._fruitless, self._pause = 0, 0.0
        self._broken: str | None = None
        #: Why nothing can be sent, though the link is open.
        self.unsent: str | None = None

    @property
    def trouble(self) -> str | None:
        """What is wrong with the link though it is open; None: it gets on."""
        return self._broken or self.unsent

    def note_open(self) -> None:
        """Note that another channel is open."""
        self._opened_at = self._now()

    def note_answer(self) -> None:
        """Note that the router has said how far its inbox goes."""
        self._num_answers += 1
        self._answer.set()

    def is_made(self) -> bool:
        """Return whether something got through since this was asked last."""
        # What the router answers in between is no progress while packets wait that it does not take; nor is it on a
        # link that breaks at once, as those of two kernels do that take it from each other.
        counts = not self._engine.outbox and self._now() - self._opened_at >= _LASTS
        now = (*self._through(), self._num_answers if counts else self._before[2])
        if now == self._before:
            return False
        self._before, self._fruitless, self._pause, self._broken = now, 0, 0.0, None
        return True

    def pause_after(self, error: RouterError, *, was_open: bool) -> float:
        """Return how long to wait before the next channel (seconds): longer each time that nothing got through.

        Never at once: a link that is broken by what it carries would be opened as fast as the machine can.
        """
        if was_open and self.is_made():
            self._pause = _BACKOFF[0]
            return self._pause
        self._fruitless += was_open
        if self._fruitless >= _FRUITLESS:
            self._broken = (
                f"The link to the router does not get on: it broke {self._fruitless} times in a row before anything "
                f"was through. What workers send waits in the router. {error}"
            )
        self._pause = min(2 * self._pause, _BACKOFF[1]) or _BACKOFF[0]
        return self._pause

    async def watch(self, tell: Callable[[], None]) -> None:
        """Ask the router for signs of life for as long as one channel is open, and call `tell` when `trouble` changes.

        A kernel that stood still itself, and a router that takes in much at once, are not taken for a silent one.
        """
        while True:
            self._answer.clear()
            before = self._through()
            self._ask()
            try:
                async with patience(_WITHIN):
                    await self._answer.wait()
            except TimeoutError:
                if self._through() != before:
                    continue
                self._broken = (
                    f"The router has not answered for {_WITHIN:g} s, though the link to it is open: its process stands "
                    "still, or its disk does. Workers cannot be served meanwhile."
                )
                tell()
                await self._answer.wait()
                self._broken = None
                tell()
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await asyncio.Event().wait()

    def _through(self) -> tuple[int, int]:
        """Return how much has got through, in and out."""
        return self._engine.committed_seq, self._engine.numbers.delivered_n
