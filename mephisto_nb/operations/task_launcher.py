"""Turns data into assignments and units, and keeps them coming while workers take them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator, Sized
from functools import partial
from itertools import islice
from typing import cast

from mephisto_nb.kernel.engine import RunEngine
from mephisto_nb.kernel.tally import RunTally
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.rules.launching import create
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step

Data = Iterable[InitializationData] | AsyncIterable[InitializationData]

#: How many assignments are written in one go.
CHUNK = 1000
#: How many units of a generator wait for workers, where the run itself sets no limit.
AHEAD = 100
#: How long a generator is drawn from before what it gave is put on offer, in seconds.
DRAWING = 0.05


class TaskLauncher:
    """Creates the assignments of one run.

    A list (or anything else that can be gone through twice) is written at once; a generator, plain or async, is
    drawn from only as far ahead as workers need.

    Parameters
    ----------
    engine
        The run.
    data
        Its assignments, from `Blueprint.get_initialization_data`.
    skip
        How many of them exist already, from before the run was taken up again.
    tally
        Where it is noted how far this is.
    """

    def __init__(self, engine: RunEngine, data: Data, skip: int, tally: RunTally) -> None:
        self._engine, self._tally = engine, tally
        self._total = len(data) if isinstance(data, Sized) else None
        self._is_lazy = isinstance(data, (AsyncIterable, Iterator))
        self._source = aiter(data) if isinstance(data, AsyncIterable) else iter(data)
        self._skip = skip
        #: The next assignment, asked for and not here yet.
        self._coming: asyncio.Future[InitializationData | None] | None = None

    async def start(self) -> None:
        """Create the first assignments: data that cannot be read fails the launch, not the run."""
        try:
            await self._create_next()
        except BaseException:
            await self.close()
            raise

    async def run(self) -> None:
        """Create the rest, as workers need it; woken by a unit's end, not by a clock."""
        while not self._engine.state.generator_done and self._engine.state.closing is None:
            if self._is_lazy:
                await self._engine.wait_until(_wants_more)
            await self._create_next()

    async def close(self) -> None:
        """Let go of the data; a generator's own tidying up is done, unless it is held up in a thread."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait({self._coming})
            self._coming = None
        if isinstance(self._source, AsyncGenerator):
            await self._source.aclose()
        elif isinstance(self._source, Generator):
            with contextlib.suppress(ValueError):  # it runs in a thread at the moment
                self._source.close()

    async def _create_next(self) -> None:
        while self._skip:
            skipped, is_last = await self._draw(self._skip)
            self._skip = 0 if is_last else self._skip - len(skipped)
        chunk, is_last = await self._draw(_room(self._engine.state) if self._is_lazy else CHUNK)
        await self._engine.do(partial(_create, data=chunk, is_last=is_last), patiently=True)
        self._tally.created = self._engine.state.num_assignments, self._total

    async def _draw(self, wanted: int) -> tuple[list[InitializationData], bool]:
        if self._is_lazy:
            return await self._draw_lazily(wanted)
        chunk = list(islice(cast(Iterator[InitializationData], self._source), wanted))
        return chunk, len(chunk) < wanted

    async def _draw_lazily(self, wanted: int) -> tuple[list[InitializationData], bool]:
        """Draw `wanted` units, but let what there is not wait for what is slow to come."""
        drawn: list[InitializationData] = []
        until = time.monotonic() + DRAWING
        while sum(len(item.unit_data) for item in drawn) < wanted:
            self._coming = self._coming or asyncio.ensure_future(self._next())
            left = max(0.0, until - time.monotonic()) if drawn else None
            if not (await asyncio.wait({self._coming}, timeout=left))[0]:
                break
            coming, self._coming = self._coming, None
            item = coming.result()
            if item is None:
                return drawn, True
            drawn.append(item)
        return drawn, False

    async def _next(self) -> InitializationData | None:
        if isinstance(self._source, AsyncIterator):
            return await anext(self._source, None)
        return await in_thread(next, self._source, None)  # a researcher's generator may block


def _room(state: RunState) -> int:
    """Tell how many units more a generator should give."""
    waiting = state.counts[UnitStatus.CREATED] + state.counts[UnitStatus.LAUNCHED]
    return max(0, (2 * state.rules.max_num_concurrent_units or AHEAD) - waiting)


def _wants_more(state: RunState) -> bool:
    return state.closing is not None or (_room(state) > 0 and not state.is_paused)


def _create(step: Step, data: list[InitializationData], is_last: bool) -> None:
    if step.state.closing is not None:
        return  # nobody would take them
    if data:
        create(step, data)
    if is_last:
        step.finish_generator()
