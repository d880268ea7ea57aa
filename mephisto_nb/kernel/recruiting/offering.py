"""A run that is launched is offered to its crowd: its address is tried, and the crowd and the budgets are asked."""

from __future__ import annotations

from contextlib import AsyncExitStack

from mephisto_nb.errors import UsageError, WorldError
from mephisto_nb.kernel.live_run import RunParts
from mephisto_nb.kernel.outside.address_check import check_before_offer
from mephisto_nb.kernel.recruiting.memory import RunMemory
from mephisto_nb.kernel.recruiting.recruiting import CLOSED_WITHIN, RunRecruiting
from mephisto_nb.kernel.recruiting.study import RecruitedRun, RunStudy
from mephisto_nb.kernel.run_tasks import RunHelper, Supervisor
from mephisto_nb.model.crowd import Offer
from mephisto_nb.model.task_run_args import TaskRunArgs
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.patience import patience

logger = get_logger(__name__)


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


async def offer(parts: RunParts, undo: AsyncExitStack) -> None:
    """Offer a run that is launched to its crowd, and put its units on offer; `undo` is told how that is taken back.

    What cannot be offered is refused before anything is posted.

    Raises
    ------
    LaunchError, ConfigError, BudgetExceededError, WorldError
        People could not come; the crowd would refuse it, or a budget does; the crowd cannot be asked, or has refused.
    """
    study, run_id = parts.study, parts.run.task_run_id
    if study is not None:
        site, note = parts.directory / "site", parts.tally.noted.note
        await check_before_offer(study.recruiter, parts.architect, run_id, site, note)
        await study.check()
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
