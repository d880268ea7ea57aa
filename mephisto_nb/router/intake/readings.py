"""The bodies that are on their way: each at a fair pace, all of them together in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

from starlette.requests import Request

from mephisto_nb.router.config import Limits
from mephisto_nb.router.http.answers import Refused


class Reading:
    """One body that is on its way, and how much of it is in memory."""

    def __init__(self, readings: Readings, limits: Limits) -> None:
        self._readings, self._limits = readings, limits
        self._wait: asyncio.Timeout | None = None
        self._gave_way = False
        self.held = 0

    async def each_piece(self, request: Request, take: Callable[[bytes], Awaitable[None]]) -> None:
        """Hand on the body piece by piece.

        Raises
        ------
        Refused
            It comes too slowly, or had to give way to others.
        """
        pieces, clock = request.stream(), asyncio.get_running_loop()
        # Only the time in which nothing comes counts: writing to a slow disk is not the browser's fault.
        left = float(self._limits.body_seconds)
        while True:
            started = clock.time()
            piece = await self._next(anext(pieces, None), left)
            if piece is None:
                return
            earned = left - (clock.time() - started) + len(piece) / self._limits.body_rate
            left = min(float(self._limits.body_seconds), earned)
            await take(piece)

    async def _next(self, piece: Awaitable[bytes | None], seconds: float) -> bytes | None:
        try:
            async with asyncio.timeout(seconds) as self._wait:
                return await piece
        except TimeoutError:
            raise self.refusal() from None
        finally:
            self._wait = None

    def hold(self, size: int) -> None:
        """Note that `size` more bytes (or fewer) are in memory; raise `Refused` if that is too much."""
        self.held += size
        self._readings.note(size)
        if self._gave_way:
            raise self.refusal()

    def give_way(self) -> None:
        """Be refused as soon as possible."""
        self._gave_way = True
        if self._wait is not None:
            self._wait.reschedule(asyncio.get_running_loop().time())

    def refusal(self) -> Refused:
        """Make the error for what was not read to its end."""
        if self._gave_way:
            return Refused(429, "busy", "Too much is being sent at the moment. Please try again.", retry_after=2)
        return Refused(408, "too_slow", "This was sent too slowly. Please try again.")


class Readings:
    """All bodies that are on their way.

    Where they hold too much, the largest gives way: who sends much and slowly cannot keep the others from sending.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0
        self._open: set[Reading] = set()

    @contextmanager
    def begin(self) -> Generator[Reading, None, None]:
        """Begin to read a body; what it holds counts until the end of the block."""
        reading = Reading(self, self._limits)
        self._open.add(reading)
        try:
            yield reading
        finally:
            self._open.discard(reading)
            self._held -= reading.held

    def note(self, size: int) -> None:
        """Note that `size` more bytes are in memory; make the largest give way if that is too much."""
        self._held += size
        if self._held > self._limits.bodies_held and self._open:
            largest = max(self._open, key=lambda reading: reading.held)
            self._open.discard(largest)
            largest.give_way()
