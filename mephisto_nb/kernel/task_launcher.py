"""Creates the assignments and units of a run, puts them on offer, and takes them back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator, Sized
from functools import partial
from itertools import islice
from typing import Any, cast

from mephisto_nb.kernel.engine import RunEngine
from mephisto_nb.model.changes import Guard
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.rules import steering
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.steering import create, launch_more, reopen_expired
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.json_size import json_size
from mephisto_nb.utils.user_code import in_own_thread, no_exit

Data = Iterable[InitializationData] | AsyncIterable[InitializationData]

#: How many assignments are written in one go, and about how many bytes of them, if there are several: nothing else of
#: any run is written meanwhile.
CHUNK, CHUNK_BYTES = 1000, 16 * 1024 * 1024
#: How many units of a generator wait for workers, where the run itself sets no limit.
AHEAD = 100
#: How long a generator is drawn from before what it gave is put on offer, in seconds.
DRAWING = 0.05


class TaskLauncher:
    """Creates and launches the units of one run.

    A list (or anything else that can be gone through twice) is written at once; a generator, plain or async, is
    drawn from only as far ahead as workers need. No unit is on offer before it is written, and at most
    ``max_num_concurrent_units`` are out at a time. Screening and gold units do not come from here: the rules make each
    in the very step in which its worker takes it (`rules.gates.steps.add_gate_unit`), so nobody else is offered it.

    Parameters
    ----------
    engine, provider
        The run, and the crowd that it is offered to.
    data
        Its assignments, from `Blueprint.get_initialization_data`.
    skip
        How many of them exist already, from before the run was taken up again.
    is_launched
        Whether the run was offered to the crowd before, by an earlier kernel.
    note_created
        ``f(count, total)``: called with how many assignments there are, of how many (None: the generator knows).
    """

    def __init__(
        self,
        engine: RunEngine,
        provider: CrowdProvider[Any],
        data: Data,
        *,
        skip: int = 0,
        is_launched: bool = False,
        note_created: Callable[[int, int | None], None] = lambda count, total: None,
    ) -> None:
        self._engine, self._provider, self._note_created = engine, provider, note_created
        self._total = len(data) if isinstance(data, Sized) else None
        self._is_lazy = isinstance(data, (AsyncIterable, Iterator))
        self._source = aiter(data) if isinstance(data, AsyncIterable) else iter(data)
        self._skip, self._is_launched = skip, is_launched
        #: The next assignment, asked for and not here yet.
        self._coming: asyncio.Future[InitializationData | None] | None = None

    # -- creating --------------------------------------------------------------------------------------------

    async def create_assignments(self) -> None:
        """Write the next assignments and their units: of a list up to `CHUNK`, of a generator what workers need.

        Called by a launch for the first ones, so that data that cannot be read fail the launch and not the run; then by
        `run` for all others.
        """
        while self._skip > 0:
            skipped, is_last = await self._draw(self._skip)
            self._skip = 0 if is_last else self._skip - len(skipped)
        wanted = _num_wanted(self._engine.state) if self._is_lazy else CHUNK
        while True:  # large ones in several steps: who comes meanwhile does not wait until all are written
            chunk, is_last = await self._draw(wanted)
            await self._engine.do(partial(_create, data=chunk, is_last=is_last), retry=True)
            self._note_created(self._engine.state.num_assignments, self._total)
            wanted -= len(chunk)
            if self._is_lazy or is_last or wanted <= 0:
                return

    def get_assignments_are_all_created(self) -> bool:
        """Return whether there is no data left to create assignments from."""
        return self._engine.state.generator_done

    async def run(self) -> None:
        """Create the rest, as workers need it; woken by a unit's end, not by a clock. Called as a task of the run."""
        while not self.get_assignments_are_all_created() and self._engine.state.closing is None:
            if self._is_lazy:
                await self._engine.wait_until(_wants_more)
            await self.create_assignments()

    async def shutdown(self) -> None:
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

    # -- launching -------------------------------------------------------------------------------------------

    async def launch_units(self, url: str) -> None:
        """Offer the run, whose task is served at `url`, to the crowd, and put its units on offer.

        What is created later, or is offered again because a worker has left, follows by itself.
        """
        await self._provider.setup_resources_for_task_run(self._engine.task_run_id, url)
        self._is_launched = True
        await self._engine.do(lambda step: None, retry=True)

    def launch_limited_units(self, step: Step) -> None:
        """Put units on offer, up to ``max_num_concurrent_units``. Called by the engine at the end of each step.

        So the end of one unit makes room for the next at once.
        """
        if self._is_launched:
            launch_more(step)

    async def resume_assignments(self, guard: Guard | None = None, budget: float | None = None) -> None:
        """Bring back the units of an ended run that nobody answered; `launch_units` puts them on offer.

        The guard may refuse that. `budget` is the run's own from then on; None: what it was.
        """
        await self._engine.do(partial(_resume, budget=budget), guard=guard)

    async def expire_units(self) -> int:
        """Take back the units that nobody is working on; return how many those were."""
        return await self._engine.do(steering.expire)

    # -- the data --------------------------------------------------------------------------------------------

    async def _draw(self, wanted: int) -> tuple[list[InitializationData], bool]:
        if self._is_lazy:
            return await self._draw_lazily(wanted)
        chunk: list[InitializationData] = []
        left = CHUNK_BYTES
        for item in islice(cast(Iterator[InitializationData], self._source), wanted):
            chunk.append(item)
            left -= json_size([item.shared, item.unit_data], left)
            if left <= 0:
                return chunk, False
        return chunk, len(chunk) < wanted

    async def _draw_lazily(self, wanted: int) -> tuple[list[InitializationData], bool]:
        """Draw `wanted` units, but let what there is not wait for what is slow to come."""
        drawn: list[InitializationData] = []
        until = time.monotonic() + DRAWING
        # Those that are skipped are counted by assignments, of which a blueprint may make some without any unit.
        while max(len(drawn), sum(len(item.unit_data) for item in drawn)) < wanted:
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
            with no_exit("the task's data"):
                return await anext(self._source, None)
        return await in_own_thread(next, self._source, None)  # a researcher's generator may block


def _num_wanted(state: RunState) -> int:
    """Return how many units more a generator should give."""
    waiting = state.counts[UnitStatus.CREATED] + state.counts[UnitStatus.LAUNCHED]
    return max(0, (2 * state.rules.max_num_concurrent_units or AHEAD) - waiting)


def _wants_more(state: RunState) -> bool:
    return state.closing is not None or (_num_wanted(state) > 0 and not state.is_paused)


def _create(step: Step, data: list[InitializationData], is_last: bool) -> None:
    if step.state.closing is not None:
        return  # nobody would take them
    if data:
        create(step, data)
    if is_last:
        step.finish_generator()


def _resume(step: Step, budget: float | None) -> None:
    step.reopen_run(budget)
    reopen_expired(step)
