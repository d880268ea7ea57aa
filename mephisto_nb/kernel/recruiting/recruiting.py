"""A run is offered to its crowd at the launch, and its study follows it until the end, whoever drives it.

It is paused and goes on with the run, has as many places as are needed, and is closed when the run ends. A crowd that
cannot be reached is asked again after growing pauses, and never fails the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from mephisto_nb.errors import UsageError, WorldError
from mephisto_nb.kernel.outside.address_check import check_before_offer
from mephisto_nb.kernel.recruiting.study import RecruitedRun, RunMemory, RunStudy
from mephisto_nb.kernel.run_tasks import OnFailure, RunHelper, Supervisor
from mephisto_nb.model.crowd import Offer
from mephisto_nb.model.money import Money
from mephisto_nb.model.task_run_args import TaskRunArgs
from mephisto_nb.ports.clock import Clock, Timer
from mephisto_nb.rules.steering import ends_at_once
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.patience import patience

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.kernel.live_run import RunParts

logger = get_logger(__name__)

#: The first and the longest pause before a crowd is asked again, and how long the end of a run waits until its study is
#: closed (seconds).
FIRST, MOST, CLOSED_WITHIN = 5.0, 600.0, 60.0


class RunRecruiting(RunHelper):
    """Has the study of one run follow it.

    Parameters
    ----------
    study
        The study.
    engine, supervisor, clock
        What drives the run, the owner of its tasks, and what time it is.
    on_failure
        Hears of what failed unforeseen.
    is_launched
        Whether the run was offered before, by an earlier kernel.
    """

    def __init__(
        self,
        study: RunStudy,
        engine: RunEngine,
        supervisor: Supervisor,
        clock: Clock,
        on_failure: OnFailure,
        *,
        is_launched: bool,
    ) -> None:
        self._study, self._engine, self._supervisor, self._clock = study, engine, supervisor, clock
        self._on_failure, self._is_launched = on_failure, is_launched
        self._pause, self._has_failed = 0.0, False
        self._seen: tuple[Any, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        engine.listeners.append(self._on_step)

    async def load(self) -> None:
        """Read how far the study of an earlier kernel is."""
        await self._study.load()

    async def start(self) -> None:
        """Begin to follow the run; at its launch, once its study is open."""
        name = f"recruiting for run {self._engine.task_run_id}"
        self._task = self._supervisor.spawn(name, self._serve(), self._on_failure)

    async def finish(self) -> None:
        """Close the study, and wait for that, but not for ever."""
        study, id_ = self._study, self._engine.task_run_id
        if not study.is_open or self._has_failed:
            return
        is_at_once = ends_at_once(self._engine.state)
        try:
            async with patience(CLOSED_WITHIN / 20 if is_at_once else CLOSED_WITHIN), study.turn:
                await study.close()
        except (WorldError, UsageError, TimeoutError) as error:
            self._has_failed = True  # the end of a run comes here twice, and waits once
            logger.warning(
                "The study of run %s could not be closed, so people may still be sent: %s Close it on the crowd's own "
                "page; or, once the crowd can be reached: await operator.get_task_run(%r).reconcile().",
                *(id_, str(error) or "the crowd did not answer in time.", id_),
            )

    def stop(self) -> None:
        """Do nothing more; the next kernel goes on."""
        self._engine.listeners.remove(self._on_step)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _on_step(self, step: Step) -> None:
        state = step.state
        ended = len(state.visits.visits) - len(state.visits.open)
        seen = ended, state.num_assignments, state.is_paused, state.closing, state.is_complete
        if seen != self._seen:
            self._seen = seen
            self._study.news.set()

    async def _serve(self) -> None:
        study = self._study
        if not self._is_launched:
            await study.is_there.wait()
        study.news.set()
        while True:
            await study.news.wait()
            study.news.clear()
            try:
                async with study.turn:
                    wait = await study.follow()
            except (WorldError, UsageError) as error:
                self._pause = wait = min(MOST, 2 * self._pause) or FIRST
                reason = f"The crowd could not be asked to have the study follow the run: {error}"
                study.recruited.notes["recruiting"] = f"{reason.rstrip('.')}. It is asked again by itself."
                logger.info("the crowd of run %s could not be asked: %s", self._engine.task_run_id, error)
            else:
                self._pause = 0.0
                study.recruited.notes.pop("recruiting", None)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._clock.call_at(self._clock.now() + wait, study.news.set) if wait else None


def recruiting_of(parts: RunParts, task: TaskRunArgs, supervisor: Supervisor, *, is_launched: bool) -> list[RunHelper]:
    """Return what has the study of a run follow it, and put the study among its parts; nothing, where none is made."""
    recruiter = parts.provider.recruiter
    if recruiter is None:
        return []

    def make_offer(places: int) -> Offer:
        rules = parts.engine.state.rules
        return Offer(
            task_run_id=parts.run.task_run_id,
            title=task.task_title,
            description=task.task_description,
            url=parts.architect.url,
            reward=rules.visit_pay,
            places=places,
            visit_seconds=rules.assignment_duration,
            # Each person has one unit at a time.
            concurrent=rules.max_num_concurrent_units,
            events_url=parts.events_url,
        )

    tally = parts.tally
    recruited = RecruitedRun(parts.run, make_offer, parts.spending, tally.crowd, tally.noted.remarks)
    memory = RunMemory(parts.run.task_run_id, parts.database, parts.writer)
    parts.study = RunStudy(recruiter, recruited, parts.engine, memory, parts.clock)
    how = (parts.study, parts.engine, supervisor, parts.clock, tally.note_failure)
    return [RunRecruiting(*how, is_launched=is_launched)]


async def offer(parts: RunParts, undo: AsyncExitStack, confirm: Callable[[Money], None] | None = None) -> None:
    """Offer a run that is launched to its crowd, and put its units on offer; `undo` is told how that is taken back.

    `confirm` is asked about what the crowd says that it costs.

    What cannot be offered is refused before anything is posted.

    Raises
    ------
    LaunchError, ConfigError, BudgetExceededError, ConfirmationNeededError, WorldError
        People could not come; the crowd would refuse it, or a budget does, or somebody has to confirm what it costs;
        the crowd cannot be asked, or has refused.
    """
    study, run_id = parts.study, parts.run.task_run_id
    if study is not None:
        site, note = parts.directory / "site", parts.tally.noted.note
        await check_before_offer(study.recruiter, parts.architect, run_id, site, note)
        await study.check(confirm)
    undo.push_async_callback(parts.provider.cleanup_resources_from_task_run, run_id)
    await parts.launcher.launch_units(parts.architect.url)
    if study is not None:
        undo.push_async_callback(_take_back, study)
        await study.open()


async def _take_back(study: RunStudy) -> None:
    """Leave nothing posted of a run whose launch fails; what cannot be taken back now is told in the log."""
    try:
        async with patience(CLOSED_WITHIN), study.turn:
            await study.close()
    except (WorldError, UsageError, TimeoutError) as error:
        logger.warning(
            "A launch failed, and its study may still be there. Look at the crowd's own page. What was said: %s",
            str(error) or "nothing, for a minute",
        )
