"""Turns data into assignments and units, and keeps them coming while workers take them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from functools import partial

from mephisto_nb.data_model.assignment_data import InitializationData
from mephisto_nb.data_model.states import UnitStatus
from mephisto_nb.lifecycle.launching import create
from mephisto_nb.lifecycle.run_state import RunState
from mephisto_nb.lifecycle.step import Step
from mephisto_nb.operations.run_engine import RunEngine
from mephisto_nb.operations.threads import in_thread

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
    """

    def __init__(self, engine: RunEngine, data: Data, skip: int = 0) -> None:
        self._engine = engine
        self._is_lazy = isinstance(data, (AsyncIterable, Iterator))
        self._source = aiter(data) if isinstance(data, AsyncIterable) else iter(data)
        self._skip = skip

    async def start(self) -> None:
        """Create the first assignments: data that cannot be read fails the launch, not the run."""
        await self._create_next()

    async def run(self) -> None:
        """Create the rest, as workers need it; woken by a unit's end, not by a clock."""
        while not self._engine.state.generator_done and self._engine.state.closing is None:
            if self._is_lazy:
                await self._engine.wait_until(lambda state: _room(state) > 0 or state.closing is not None)
            await self._create_next()

    async def _create_next(self) -> None:
        wanted = _room(self._engine.state) if self._is_lazy else CHUNK
        chunk, is_last = await self._draw(self._skip or wanted)
        skipped, self._skip = chunk[: self._skip], 0
        await self._engine.do(partial(_create, data=chunk[len(skipped) :], is_last=is_last))

    async def _draw(self, wanted: int) -> tuple[list[InitializationData], bool]:
        if isinstance(self._source, AsyncIterator):
            return await _draw_async(self._source, wanted)
        if self._is_lazy:  # a researcher's generator may block
            return await in_thread(_draw, self._source, wanted)
        return _draw(self._source, wanted, patience=None)


def _room(state: RunState) -> int:
    """Tell how many assignments more a generator should give."""
    waiting = state.counts[UnitStatus.CREATED] + state.counts[UnitStatus.LAUNCHED]
    return max(0, (2 * state.rules.max_num_concurrent_units or AHEAD) - waiting)


def _create(step: Step, data: list[InitializationData], is_last: bool) -> None:
    if data:
        create(step, data)
    if is_last:
        step.finish_generator()


def _draw(
    source: Iterator[InitializationData], wanted: int, patience: float | None = DRAWING
) -> tuple[list[InitializationData], bool]:
    drawn: list[InitializationData] = []
    until = None if patience is None else time.monotonic() + patience
    while len(drawn) < wanted:
        item = next(source, None)
        if item is None:
            return drawn, True
        drawn.append(item)
        if until is not None and time.monotonic() > until:
            break
    return drawn, False


async def _draw_async(source: AsyncIterator[InitializationData], wanted: int) -> tuple[list[InitializationData], bool]:
    drawn: list[InitializationData] = []
    until = time.monotonic() + DRAWING
    while len(drawn) < wanted:
        item = await anext(source, None)
        if item is None:
            return drawn, True
        drawn.append(item)
        if time.monotonic() > until:
            break
    return drawn, False
