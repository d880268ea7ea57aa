"""Starts runs: new ones, unfinished ones once more, and those that another kernel left behind.

A start either succeeds or leaves nothing behind: each part that is started first says how it is taken back.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.task_run_settings import TaskRunSettings, settings_from_dict
from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.kernel.can_do_unit import make_verdicts
from mephisto_nb.kernel.client_io_handler import ClientIOHandler
from mephisto_nb.kernel.engine import RunEngine
from mephisto_nb.kernel.gates.gate_judges import Judges
from mephisto_nb.kernel.gates.gate_worker import GateWorker
from mephisto_nb.kernel.hooks import SubmissionHooks
from mephisto_nb.kernel.launch.plan import RunPlan, make_plan
from mephisto_nb.kernel.launch.run_lock import keep_run_secret, take_lock
from mephisto_nb.kernel.live_run import LiveRun, RunParts
from mephisto_nb.kernel.run_tasks import RunKeeper
from mephisto_nb.kernel.supervisor import Supervisor
from mephisto_nb.kernel.talk.task_code import AgentKeeper
from mephisto_nb.kernel.talk.transcripts import Transcripts
from mephisto_nb.kernel.tally import RunTally
from mephisto_nb.kernel.task_launcher import TaskLauncher
from mephisto_nb.kernel.worker_pool import WorkerPool
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread, wholly_in_thread
from mephisto_nb.model.records import TaskRun
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.ports.architect import Architect
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.progress import Progress
from mephisto_nb.rules.departures import expire_open
from mephisto_nb.rules.launching import reopen_expired
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.ids import new_id

#: A launch is checked and stored, gets its page, its router, and is offered to the crowd.
_STAGES = 4


@dataclass(slots=True)
class RunStarter:
    """Starts the runs of one operator.

    `directory` is where the runs' own directories are; `progress` shows how far a launch is.
    """

    directory: Path
    database: Database
    writer: DatabaseWriter
    supervisor: Supervisor
    clock: Clock
    progress: Progress

    async def launch(self, settings: TaskRunSettings, shared_state: SharedTaskState) -> RunKeeper:
        """Start a new run, or go on with an unfinished one if the settings ask for that."""
        task_run_id = new_id()
        plan, what = make_plan(settings, shared_state), f"Launching {settings.task.task_name}"
        self.progress(what, 0, _STAGES)
        try:
            await in_thread(plan.check, self._directory_of(task_run_id))
            if settings.task.resume_incomplete_run:
                return await self._resume(plan)
            async with _undoing() as undo:
                run = await self._store(plan, task_run_id, undo)
                return await self._start(run, plan, undo)
        finally:
            self.progress(what, _STAGES, _STAGES)

    async def reconnect(self, task_run_id: str, shared_state: SharedTaskState | None) -> RunKeeper:
        """Take up a run that another kernel left behind: same router, same URL, same agents."""
        run = (await in_thread(self.database.runs.load_run, task_run_id)).run
        if run.ended_at is not None:
            raise NotFoundError(
                f"Run {task_run_id} has ended. To go on with it: launch its task with resume_incomplete_run=true."
            )
        given = shared_state or SharedTaskState()
        # What was required at the launch stays required, even of those who come after a restart.
        given = replace(given, qualifications=[*given.qualifications, *run.qualifications])
        plan = make_plan(settings_from_dict(run.config), given)
        async with _undoing() as undo:
            keeper, architect = await self._make(run, plan, undo)
            await architect.revive()
            undo.push_async_callback(keeper.let_go)
            await keeper.start()
            await self._keep(keeper, plan, run.generator_done)
            return keeper

    # -- the three ways --------------------------------------------------------------------------------------

    async def _resume(self, plan: RunPlan) -> RunKeeper:
        runs = await in_thread(self.database.runs.find_runs, task_name=plan.settings.task.task_name, live=False)
        counts = await in_thread(self.database.runs.count_units, [run.task_run_id for run in runs])
        unfinished = [run for run in runs if counts[run.task_run_id].get("expired") and not run.is_imported]
        if not unfinished:
            raise ConfigError(
                f"mephisto.task.resume_incomplete_run is true, but no ended run of {plan.settings.task.task_name!r} "
                "has units left to do. Launch a new run: leave the key out."
            )
        run = unfinished[0]
        async with _undoing() as undo:
            return await self._start(run, plan, undo, reopen=True)

    async def _start(self, run: TaskRun, plan: RunPlan, undo: AsyncExitStack, *, reopen: bool = False) -> RunKeeper:
        directory, what = self._directory_of(run.task_run_id), f"Launching {run.task_name}"
        self.progress(what, 1, _STAGES)
        await wholly_in_thread(plan.build_site, directory)
        self.progress(what, 2, _STAGES)
        keeper, architect = await self._make(run, plan, undo)
        undo.push_async_callback(architect.shutdown)
        url = await architect.deploy(plan.make_router_plan(run.task_run_id, directory))
        undo.push_async_callback(keeper.let_go)
        await keeper.start()
        if reopen:
            undo.push_async_callback(keeper.run.parts.engine.do, _end_again)
            await keeper.run.parts.engine.do(_reopen)
        self.progress(what, 3, _STAGES)
        undo.push_async_callback(plan.provider.cleanup_resources_from_task_run, run.task_run_id)
        await plan.provider.setup_resources_for_task_run(run.task_run_id, url)
        await self._keep(keeper, plan, run.generator_done)
        return keeper

    async def _keep(self, keeper: RunKeeper, plan: RunPlan, generator_done: bool) -> None:
        engine = keeper.run.parts.engine
        launcher = None
        if not generator_done:
            skip = engine.state.num_assignments
            launcher = TaskLauncher(engine, self._data(plan, skip), skip, keeper.run.parts.tally)
            await launcher.start()
        keeper.keep(launcher)

    def _data(self, plan: RunPlan, skip: int) -> Any:
        if not skip:
            return plan.blueprint.get_initialization_data()
        try:
            plan.blueprint.assert_task_args()
        except ConfigError:
            return []  # taken up again without its data: what was created until now is all there is
        return plan.blueprint.get_initialization_data()

    # -- the parts -------------------------------------------------------------------------------------------

    async def _store(self, plan: RunPlan, task_run_id: str, undo: AsyncExitStack) -> TaskRun:
        settings, now = plan.settings, self.clock.now()
        provider_type = plan.provider.PROVIDER_TYPE
        requester_name = getattr(settings.provider_args, "requester_name", None) or f"{provider_type}_requester"
        task = await self.writer.call(self.database.runs.get_or_create_task, settings.task.task_name)
        requester = await self.writer.call(self.database.people.get_or_create_requester, requester_name, provider_type)
        run = TaskRun(
            task_run_id=task_run_id,
            task_id=task.task_id,
            task_name=task.name,
            requester_id=requester.requester_id,
            blueprint_type=settings.blueprint_type,
            architect_type=settings.architect_type,
            provider_type=provider_type,
            config=_with_notes(plan.config_to_store(), plan.blueprint),
            qualifications=[requirement.to_dict() for requirement in plan.requirements],
            created_at=now,
            opened_at=now,
        )
        directory = self._directory_of(task_run_id)
        undo.callback(shutil.rmtree, directory, ignore_errors=True)
        directory.mkdir(parents=True, mode=0o700)
        undo.push_async_callback(self.writer.call, self.database.runs.delete_run, task_run_id)
        await self.writer.call(self.database.runs.add_run, run)
        return run

    async def _make(self, run: TaskRun, plan: RunPlan, undo: AsyncExitStack) -> tuple[RunKeeper, Architect[Any]]:
        directory = self._directory_of(run.task_run_id)
        lock = take_lock(directory, run)
        undo.callback(lock.release)
        plan.provider.take_run_secret(await in_thread(keep_run_secret, directory))
        architect = plan.make_architect(directory)
        verdicts = make_verdicts(plan.shared_state)
        engine = RunEngine(run.task_run_id, plan.make_rules(verdicts), self.database, self.writer, self.clock)
        pool = WorkerPool(run.task_run_id, plan.blueprint, plan.provider, self.database, verdicts)
        await engine.load(pool)
        link = ClientIOHandler(engine, architect, self.clock)
        tally = RunTally(since=self.clock.now(), explain=plan.blueprint.explain_page_error)
        engine.listeners.append(tally.note)
        plan.blueprint.report = tally.tell
        made_for = (run, directory, plan.blueprint, plan.provider, architect, self.database, self.writer, self.clock)
        parts = RunParts(*made_for, engine, link, tally, self.progress)
        keeper = RunKeeper(LiveRun(parts), self.supervisor, lock)
        if (hook := plan.shared_state.on_unit_submitted) is not None:
            keeper.hooks = SubmissionHooks(keeper.run, self.supervisor, hook)
        if verdicts is not None:
            verdicts.serve(engine, self.supervisor, self.database, plan.provider.PROVIDER_TYPE)
            keeper.verdicts = verdicts
        judges = Judges(plan.gates, plan.blueprint.get_answer)
        keeper.gates = GateWorker(engine, pool, self.supervisor, self.database, judges, plan.make_sources())
        if (runner := plan.blueprint.make_task_runner()) is not None:
            transcripts = Transcripts(run.task_run_id, self.database)
            made_of = (runner, plan.blueprint, pool.init_data, transcripts)
            keeper.agents = link.live = AgentKeeper(engine, link.send_ahead, self.supervisor, *made_of)
            pool.page_data = keeper.agents.page_data
        return keeper, architect

    def _directory_of(self, task_run_id: str) -> Path:
        return self.directory / task_run_id


@asynccontextmanager
async def _undoing() -> AsyncIterator[AsyncExitStack]:
    """Take back what was started, in reverse order, unless all of it succeeds."""
    async with AsyncExitStack() as undo:
        yield undo
        undo.pop_all()


def _with_notes(config: JSONObject, blueprint: Blueprint[Any]) -> JSONObject:
    noted = blueprint.get_noted_args()
    if noted:
        config["mephisto"]["blueprint"] |= noted
    return config


def _reopen(step: Step) -> None:
    step.reopen_run()
    reopen_expired(step)


def _end_again(step: Step) -> None:
    step.close_run("the run could not be resumed", "operator")
    expire_open(step, "the run could not be resumed", "operator")
    step.end_run("the run could not be resumed")
