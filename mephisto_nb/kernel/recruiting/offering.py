"""A run that is launched is offered to its crowd: its address is tried, the crowd asked what it costs, and the budgets.

Stands alone because it knows all parts of a run, which recruiting itself does not.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from mephisto_nb.kernel.live_run import RunParts
from mephisto_nb.kernel.outside.address_check import check_before_offer
from mephisto_nb.kernel.recruiting.memory import RunMemory
from mephisto_nb.kernel.recruiting.recruiting import RecruitedRun, RunRecruiting
from mephisto_nb.kernel.run_tasks import Supervisor
from mephisto_nb.model.crowd import Offer
from mephisto_nb.model.task_run_args import TaskRunArgs


def make_recruiting(
    parts: RunParts, task: TaskRunArgs, supervisor: Supervisor, *, is_launched: bool
) -> RunRecruiting | None:
    """Return what offers a run to its crowd; None: whoever is given the address comes."""
    recruiter = parts.provider.recruiter
    if recruiter is None:
        return None

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
    how = (memory, supervisor, parts.clock, tally.note_failure)
    return RunRecruiting(recruiter, recruited, parts.engine, *how, is_launched=is_launched)


async def offer(parts: RunParts, undo: AsyncExitStack) -> None:
    """Offer a run that is launched to its crowd, and put its units on offer; `undo` is told how that is taken back.

    What cannot be offered is refused before anything is posted.

    Raises
    ------
    LaunchError, ConfigError, BudgetExceededError, WorldError
        People could not come; the crowd would refuse it, or a budget does; the crowd cannot be asked, or has refused.
    """
    recruiting, run_id = parts.recruiting, parts.run.task_run_id
    if recruiting is not None:
        site, note = parts.directory / "site", parts.tally.noted.note
        await check_before_offer(recruiting.recruiter, parts.architect, run_id, site, note)
        await recruiting.check()
    undo.push_async_callback(parts.provider.cleanup_resources_from_task_run, run_id)
    await parts.launcher.launch_units(parts.architect.url)
    if recruiting is not None:
        undo.push_async_callback(recruiting.take_back)
        await recruiting.open()
