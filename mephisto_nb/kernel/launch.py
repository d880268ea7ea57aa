"""Starts runs: new ones, unfinished ones once more, and those that another kernel left behind.

`make_plan` refuses whatever can be refused before anything is written or started. From then on a start either succeeds
or leaves nothing behind: each part that is started first says how it is taken back.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.registry import get_architect_from_type, get_blueprint_from_type, get_crowd_provider_from_type
from mephisto_nb.config.task_run_settings import RESERVED, TaskRunSettings, settings_from_dict
from mephisto_nb.errors import ConfigError, NotFoundError, RouterGoneError
from mephisto_nb.kernel.can_do_unit import CanDoUnitCalls, CanDoUnitHook, async_hook_of
from mephisto_nb.kernel.client_io_handler import ClientIOHandler
from mephisto_nb.kernel.engine import RunEngine
from mephisto_nb.kernel.gates import GateWorker, Judges, RowSource, source_of
from mephisto_nb.kernel.hooks import SubmissionHooks
from mephisto_nb.kernel.launching.crowd_script import CROWD_SCRIPT, read_crowd_script
from mephisto_nb.kernel.launching.run_secret import RunSecret, log_new_secret, say_links_are_dead
from mephisto_nb.kernel.launching.spending import Allowance, SpendingCheck
from mephisto_nb.kernel.live_run import LiveRun, RunParts, RunTally, asked_of
from mephisto_nb.kernel.recruiting.recruiting import offer, recruiting_of
from mephisto_nb.kernel.run_tasks import PID_FILE, RunHelper, RunTasks, Supervisor, take_lock
from mephisto_nb.kernel.steering import say_ended
from mephisto_nb.kernel.talk.agents import AgentsAtWork
from mephisto_nb.kernel.talk.talk import Transcripts
from mephisto_nb.kernel.talk.task_code import TaskCode
from mephisto_nb.kernel.talk.voices import Voices
from mephisto_nb.kernel.task_launcher import Data, TaskLauncher
from mephisto_nb.kernel.visits.telling import VisitTeller
from mephisto_nb.kernel.visits.vouching import Vouching, asks_crowd
from mephisto_nb.kernel.watch import MachineWatch
from mephisto_nb.kernel.worker_pool import AgentData, WorkerPool
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread, wholly
from mephisto_nb.model.money import Money
from mephisto_nb.model.qualifications import Comparator, Requirement, make_requirement, requirement_from_dict
from mephisto_nb.model.records import PAGE_ERROR, Assignment, TaskRun, Unit, Worker
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.states import Gate
from mephisto_nb.model.task_run_args import make_visit_rules, stored_task_pay, unit_share
from mephisto_nb.model.visits import VisitRules
from mephisto_nb.ports.architect import Architect, RouterPlan
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.ports.database import Database
from mephisto_nb.ports.progress import Progress
from mephisto_nb.ports.task_runner import TaskRunner
from mephisto_nb.rules.departures import expire_open
from mephisto_nb.rules.gates._base import GateRules
from mephisto_nb.rules.gates.table import check_settings, noted_settings, open_gates
from mephisto_nb.rules.run_state import CanDoUnit, RunRules
from mephisto_nb.rules.shares import PART
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.visits import check_visits, tell_rules
from mephisto_nb.utils.ids import new_id
from mephisto_nb.utils.logging import get_logger, warn_once
from mephisto_nb.utils.private_files import close_below, make_private_folder, write_private
from mephisto_nb.utils.proofs import Secret, crowd_events_key

logger = get_logger(__name__)


@dataclass(frozen=True)
class RunPlan:
    """A run that could be launched: its settings, and the plugins made for it."""

    settings: TaskRunSettings
    shared_state: SharedTaskState
    requirements: tuple[Requirement, ...]
    blueprint: Blueprint[Any]
    provider: CrowdProvider[Any]
    gates: GateRules

    def make_architect(self, directory: Path) -> Architect[Any]:
        """Return a new architect for the run."""
        return get_architect_from_type(self.settings.architect_type)(self.settings.architect_args, directory)

    def check(self, directory: Path) -> None:
        """Raise `ConfigError` for whatever cannot be launched; `directory` need not exist."""
        self.provider.assert_task_args(self.settings.task)
        self.blueprint.assert_task_args()
        own_fields = frozenset(one.name for one in fields(self.blueprint.ArgsClass))
        partners = self.blueprint.get_partner_rules()
        if partners is not None:
            Money.of(partners.waiting_pay, self.settings.task.currency, "mephisto.blueprint.waiting_pay")
        check_settings(self.settings.blueprint_args, self.shared_state, own_fields, together=partners is not None)
        check_visits(self.visits, self.gates, together=partners is not None)
        for source in self.sources.values():
            source.check(self.blueprint.check_row)
        self.make_architect(directory).assert_task_args()

    @cached_property
    def runner(self) -> TaskRunner | None:
        """The task's own code, if it has any: made once, on the loop that it will run on.

        Raises
        ------
        ConfigError
            It has not what it would be called by.
        """
        runner, together = self.blueprint.make_task_runner(), self.blueprint.get_partner_rules() is not None
        name = "run_assignment" if together else "run_unit"
        if runner is not None and getattr(type(runner), name) is getattr(TaskRunner, name):
            who = "several people do an assignment together" if together else "everybody works alone"
            raise ConfigError(f"{type(runner).__name__} has no {name}, which is called where {who}. Define it.")
        return runner

    @cached_property
    def sources(self) -> dict[Gate, RowSource]:
        """Where the rows of gates come from. The first time blocks: a function of the researcher may make them."""
        return {gate.KIND: source_of(gate) for gate in self.gates.unit_gates}

    def config_to_store(self) -> JSONObject:
        """Return the whole configuration, with the gates that the shared state has opened."""
        config = self.settings.as_dict()
        config["mephisto"]["blueprint"] |= noted_settings(self.settings.blueprint_args, self.shared_state)
        return config

    @property
    def visits(self) -> VisitRules | None:
        """What the visits of the run are; None: there are none."""
        return make_visit_rules(self.settings.task, serves_again=self.provider.SERVES_AGAIN)

    def make_rules(self, hook: CanDoUnitHook | None) -> RunRules:
        """Return the limits of the run."""
        task, pay = self.settings.task, stored_task_pay(self.settings.config)
        partners = self.blueprint.get_partner_rules()
        return RunRules(
            provider_type=self.provider.PROVIDER_TYPE,
            pay_amount=unit_share(pay.task_reward, task.units_per_visit),
            task_reward=pay.task_reward,
            visits=self.visits,
            is_undecided=hook.is_undecided if hook else None,
            waiting_pay=Money.nearest(partners.waiting_pay if partners else 0, pay.currency),
            assignment_duration=task.assignment_duration_in_seconds,
            submission_timeout=task.submission_timeout,
            lifetime=task.task_lifetime_in_seconds,
            patience=task.no_submission_patience,
            allowed_concurrent=task.allowed_concurrent,
            part_of_open=PART,
            maximum_units_per_worker=task.maximum_units_per_worker,
            max_num_concurrent_units=task.max_num_concurrent_units,
            requirements=self.requirements,
            can_do_unit=hook.may_do if hook else _can_do_unit(self.shared_state.worker_can_do_unit),
            partners=partners,
            gates=self.gates,
            page_knows_its_end=self.blueprint.PAGE_KNOWS_ITS_END,
            serves_again=self.provider.SERVES_AGAIN,
            has_own_links=self.provider.has_own_links,
            asked=asked_of(self.blueprint),
        )

    @property
    def _next_unit(self) -> str:
        """What follows a worker's answer, if there is more for them: the next unit ``comes``, or they are ``asked``."""
        together = self.blueprint.get_partner_rules() is not None
        return "comes" if self.settings.task.next_unit_by_itself and not together else "asked"

    def build_site(self, directory: Path) -> None:
        """Write what browsers load into the directory of a run that is locked; blocks."""
        site = directory / "site"
        shutil.rmtree(site, ignore_errors=True)
        make_private_folder(site)
        self.blueprint.build_site(site)
        write_private(site / CROWD_SCRIPT, read_crowd_script(self.provider))
        close_below(site)  # a blueprint may be anybody's, and need not know of modes

    def make_router_plan(self, task_run_id: str, directory: Path, secret: Secret) -> RouterPlan:
        """Return what the architect has to serve; `secret` is the run's."""
        task = self.settings.task
        about: JSONObject = {
            "run_id": task_run_id,
            "task_title": task.task_title,
            "task_description": task.task_description,
        }
        about["next_unit"] = self._next_unit
        if (rules := self.visits) is not None:
            seconds, is_paid = task.assignment_duration_in_seconds, task.task_reward > 0
            about["visit"] = tell_rules(rules, is_paid=is_paid, seconds=seconds)
        if self.provider.name_parameter is not None:
            about["name_parameter"] = self.provider.name_parameter
        return RouterPlan(
            task_run_id=task_run_id,
            directory=directory,
            task_config={**about, **self.blueprint.get_frontend_args(), **self.shared_state.task_config},
            content_security_policy=self.blueprint.get_content_security_policy(),
            frame_ancestors=self.provider.FRAME_ANCESTORS,
            disconnect_after=self.blueprint.disconnect_after,
            linked_files={name: str(path.absolute()) for name, path in self.blueprint.get_linked_files().items()},
            crowd_events_key=self.events_key_of(secret),
        )

    def events_key_of(self, secret: Secret) -> str:
        """Return the key with which the run's crowd may post events; '' where it has no recruiter."""
        return "" if self.provider.recruiter is None else crowd_events_key(secret.reveal())


def make_plan(settings: TaskRunSettings, shared_state: SharedTaskState) -> RunPlan:
    """Return the plan of a run, with the plugins that it names.

    Raises
    ------
    UnknownTypeError, ConfigError
        A plugin is not registered, or the shared state holds something of the wrong kind.
    """
    _check_shared_state(shared_state)
    gates = open_gates(
        settings.blueprint_args, shared_state, settings.task.task_name, lambda message: warn_once(logger, message)
    )
    blueprint = get_blueprint_from_type(settings.blueprint_type)(settings.blueprint_args, shared_state)
    return RunPlan(
        settings=settings,
        shared_state=shared_state,
        requirements=_requirements(settings, shared_state, blueprint),
        blueprint=blueprint,
        provider=get_crowd_provider_from_type(settings.provider_type)(settings.provider_args),
        gates=gates,
    )


def _check_shared_state(shared_state: object) -> None:
    if not isinstance(shared_state, SharedTaskState):
        raise ConfigError(f"shared_state is {shared_state!r}. Pass mephisto_nb.SharedTaskState(static_task_data=...).")
    for name in ("worker_can_do_unit", "on_unit_submitted"):
        hook = getattr(shared_state, name)
        if hook is not None and not callable(hook):
            raise ConfigError(f"SharedTaskState.{name} is {hook!r}, which cannot be called.")


def _requirements(
    settings: TaskRunSettings, shared_state: SharedTaskState, blueprint: Blueprint[Any]
) -> tuple[Requirement, ...]:
    asked = [*shared_state.qualifications, *blueprint.get_required_qualifications()]
    required = [requirement_from_dict(raw) for raw in asked]
    blocking = getattr(settings.blueprint_args, "block_qualification", None)
    if blocking:
        required.append(make_requirement(blocking, Comparator.DOES_NOT_EXIST))
    return tuple(required)


def _can_do_unit(hook: Callable[..., Any] | None) -> CanDoUnit | None:
    if hook is None:
        return None

    def can_do_unit(worker: Worker, unit: Unit, assignment: Assignment) -> bool:
        return bool(hook(worker, unit))

    return can_do_unit


class LaunchCheck(Protocol):
    """Whether a run may be launched, or this one resumed: what refuses raises a `UsageError`. Called in a thread."""

    def __call__(self, plan: RunPlan, resumed: TaskRun | None = None) -> Allowance:
        """Return what it may commit; raise `UsageError` if it may not."""


#: A launch is checked and stored, gets its page, its router, and is offered to the crowd.
_STAGES = 4
#: Where the runs' secrets are once more, beside the runs.
_SECRETS = "link_secrets"


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
    spending: SpendingCheck | None = None
    #: What else works beside a run, made by who knows more than the kernel does.
    make_more: Callable[[LiveRun], Sequence[RunHelper]] = lambda run: ()

    async def launch(
        self, settings: TaskRunSettings, shared_state: SharedTaskState, check: LaunchCheck | None = None
    ) -> RunTasks:
        """Start a new run, or go on with an unfinished one if the settings ask for that; `check` may refuse it."""
        task_run_id = new_id()
        plan, what = make_plan(settings, shared_state), f"Launching {settings.task.task_name}"
        self.progress(what, 0, _STAGES)
        try:
            await in_thread(plan.check, self._directory_of(task_run_id))
            _ = plan.runner  # refused here, too, before anything is written
            if settings.task.resume_incomplete_run:
                return await self._resume(plan, check)
            allowed = Allowance() if check is None else await in_thread(check, plan)
            async with _undoing() as undo:
                run = await self._store(plan, task_run_id, allowed, undo)
                return await self._start(run, plan, allowed, undo)
        finally:
            self.progress(what, _STAGES, _STAGES)

    async def reconnect(self, task_run_id: str, shared_state: SharedTaskState | None) -> RunTasks:
        """Take up a run that another kernel left behind: same router, same URL, same agents."""
        run = await in_thread(_find_run, self.database, task_run_id)
        if run.ended_at is not None:
            raise NotFoundError(say_ended(task_run_id))
        given = shared_state or SharedTaskState()
        # What was required at the launch stays required, even of those who come after a restart.
        given = replace(given, qualifications=[*given.qualifications, *run.qualifications])
        plan = make_plan(settings_from_dict(run.config), given)
        async with _undoing() as undo:
            lock = _locked(self._directory_of(task_run_id), run, undo)
            tasks = await self._assemble(run, plan, lock, undo, is_launched=True)
            architect = tasks.run.parts.architect
            architect.plan_anew_by(tasks.run.parts.make_router_plan)
            await _find_router(architect)
            undo.push_async_callback(tasks.let_go)
            await tasks.start()
            await _create_first(tasks.run.parts.launcher)
            tasks.keep()
            return tasks

    # -- the three ways --------------------------------------------------------------------------------------

    async def _resume(self, plan: RunPlan, check: LaunchCheck | None) -> RunTasks:
        runs = await in_thread(self.database.runs.find_runs, task_name=plan.settings.task.task_name, live=False)
        counts = await in_thread(self.database.runs.count_units, [run.task_run_id for run in runs])
        unfinished = [run for run in runs if counts[run.task_run_id].get("expired") and not run.is_imported]
        if not unfinished:
            raise ConfigError(
                f"mephisto.task.resume_incomplete_run is true, but no ended run of {plan.settings.task.task_name!r} "
                "has units left to do. Launch a new run: leave the key out."
            )
        run = unfinished[0]
        if run.currency != plan.settings.task.currency:
            raise ConfigError(
                f"mephisto.task.currency is {plan.settings.task.currency}, but run {run.task_run_id} of "
                f"{run.task_name!r}, which is to be resumed, pays in {run.currency}. Give that, or launch a new run: "
                "leave resume_incomplete_run out."
            )
        allowed = Allowance() if check is None else await in_thread(check, plan, run)
        async with _undoing() as undo:
            return await self._start(_with_budget(run, plan), plan, allowed, undo, reopen=True)

    async def _start(
        self, run: TaskRun, plan: RunPlan, allowed: Allowance, undo: AsyncExitStack, *, reopen: bool = False
    ) -> RunTasks:
        directory, what = self._directory_of(run.task_run_id), f"Launching {run.task_name}"
        self.progress(what, 1, _STAGES)
        lock = _locked(directory, run, undo)  # before anything of a run is touched that another kernel may drive
        await wholly(in_thread(plan.build_site, directory))
        self.progress(what, 2, _STAGES)
        tasks = await self._assemble(run, plan, lock, undo, is_launched=False)
        parts = tasks.run.parts
        undo.push_async_callback(parts.architect.shutdown)
        await parts.architect.deploy(parts.make_router_plan())
        undo.push_async_callback(tasks.let_go)
        await tasks.start()
        if reopen:
            undo.push_async_callback(parts.engine.do, _end_again)
            await parts.launcher.resume_assignments(allowed.guard, plan.settings.task.budget)
        self.progress(what, 3, _STAGES)
        await _create_first(parts.launcher)
        await offer(parts, undo, allowed.confirm)
        tasks.keep()
        return tasks

    # -- the parts -------------------------------------------------------------------------------------------

    async def _store(self, plan: RunPlan, task_run_id: str, allowed: Allowance, undo: AsyncExitStack) -> TaskRun:
        settings, now = plan.settings, self.clock.now()
        provider_type = plan.provider.PROVIDER_TYPE
        requester_name = getattr(settings.provider_args, "requester_name", None) or f"{provider_type}_requester"
        task = await self.writer.call(self.database.runs.get_or_create_task, settings.task.task_name)
        requester = await self.writer.call(self.database.people.get_or_create_requester, requester_name, provider_type)
        config = _with_notes(plan.config_to_store(), plan.blueprint)
        if allowed.most is not None:
            config[RESERVED] = allowed.most.thousandths
        run = TaskRun(
            task_run_id=task_run_id,
            task_id=task.task_id,
            task_name=task.name,
            requester_id=requester.requester_id,
            blueprint_type=settings.blueprint_type,
            architect_type=settings.architect_type,
            provider_type=provider_type,
            config=config,
            qualifications=[requirement.to_dict() for requirement in plan.requirements],
            created_at=now,
            opened_at=now,
            currency=settings.task.currency,
        )
        directory = self._directory_of(task_run_id)
        for folder in (directory, self._secret_of(task_run_id).copy.parent):
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
        make_private_folder(directory.parent)
        directory.mkdir(mode=0o700)
        undo.push_async_callback(self.writer.call, self.database.runs.delete_run, task_run_id)
        await self.writer.call(self.database.runs.add_run, run, allowed.guard)
        return run

    async def _assemble(
        self, run: TaskRun, plan: RunPlan, lock: FileLock, undo: AsyncExitStack, *, is_launched: bool
    ) -> RunTasks:
        """Return the tasks of a run whose parts are all made, each complete; nothing of it is started."""
        run_id, directory, database = run.task_run_id, self._directory_of(run.task_run_id), self.database
        kept = self._secret_of(run_id)
        secret, is_new = await in_thread(kept.keep)
        plan.provider.take_run_secret(secret)
        function = async_hook_of(plan.shared_state)
        hook = None if function is None else CanDoUnitHook()
        engine = RunEngine(run_id, plan.make_rules(hook), database, self.writer, self.clock)
        await engine.load()
        runner, transcripts = plan.runner, Transcripts(run_id, database)
        data, agents = AgentData(plan.blueprint, runner, transcripts), AgentsAtWork(Voices(secret))
        pool = WorkerPool(run_id, plan.provider, database, data, hook)
        architect = plan.make_architect(directory)
        tally = RunTally(self.clock.now(), plan.blueprint.explain_page_error, plan.blueprint.troubles)
        voucher = plan.provider, engine, pool, self.supervisor, tally.note_failure
        vouching = Vouching(*voucher) if asks_crowd(plan.provider) else None
        link = ClientIOHandler(engine, pool, architect, self.clock, agents, tally.noted.note, vouching)
        await in_thread(tally.recall, database.runs.read_events([run_id], why=PAGE_ERROR))
        engine.listeners.append(tally.note)
        if is_new and (dead := say_links_are_dead(plan.provider, engine.state)):
            tally.noted.note(dead)
            engine.do_soon(log_new_secret)
        launcher = TaskLauncher(
            engine,
            plan.provider,
            _data_of(plan, run, engine.state.num_assignments),
            skip=engine.state.num_assignments,
            is_launched=is_launched,
            note_created=tally.note_created,
        )
        undo.push_async_callback(launcher.shutdown)
        watch = MachineWatch(
            directory,
            lock,
            (*kept.paths, directory / PID_FILE),
            database,
            self.writer,
            lambda look: self.supervisor.spawn(f"watch of run {run_id}", look, tally.note_failure),
        )
        parts = RunParts(
            run=run,
            directory=directory,
            blueprint=plan.blueprint,
            provider=plan.provider,
            architect=architect,
            database=database,
            writer=self.writer,
            clock=self.clock,
            engine=engine,
            pool=pool,
            link=link,
            launcher=launcher,
            tally=tally,
            watch=watch,
            progress=self.progress,
            make_router_plan=partial(plan.make_router_plan, run_id, directory, secret),
            events_key=plan.events_key_of(secret),
            spending=self.spending,
        )
        live = LiveRun(parts)
        # Who recruits ends first: nobody is to be sent to a run that is about to end.
        helpers = recruiting_of(parts, plan.settings.task, self.supervisor, is_launched=is_launched)
        helpers += [_Watching(watch), *([] if vouching is None else [vouching])]
        if engine.rules.visits is not None:
            troubles = tally.noted, tally.note_failure
            helpers.append(VisitTeller(plan.provider.exits, engine, self.supervisor, self.clock, *troubles))
        if plan.shared_state.on_unit_submitted is not None:
            helpers.append(SubmissionHooks(live, self.supervisor, plan.shared_state.on_unit_submitted))
        if function is not None and hook is not None:
            helpers.append(CanDoUnitCalls(function, hook, pool, engine, self.supervisor, database, tally.note_failure))
        judges, sources = Judges(plan.gates, plan.blueprint.get_answer), await in_thread(lambda: plan.sources)
        helpers.append(GateWorker(engine, pool, self.supervisor, database, judges, sources, tally.note_failure))
        if runner is not None:
            made_of = (agents, runner, plan.blueprint, data.init_data, transcripts, tally.note_failure)
            # Started first: those who are at work already wait for nothing else.
            helpers.insert(0, TaskCode(engine, link, self.supervisor, *made_of))
        return RunTasks(live, self.supervisor, lock, [*helpers, *self.make_more(live)])

    def _directory_of(self, task_run_id: str) -> Path:
        return self.directory / task_run_id

    def _secret_of(self, task_run_id: str) -> RunSecret:
        return RunSecret(self._directory_of(task_run_id), self.directory.parent / _SECRETS)


class _Watching(RunHelper):
    """Has the machine watched for as long as the run is driven."""

    def __init__(self, watch: MachineWatch) -> None:
        self._watch = watch

    async def start(self) -> None:
        """Begin."""
        self._watch.begin()

    def stop(self) -> None:
        """Watch no longer."""
        self._watch.end()


async def _find_router(architect: Architect[Any]) -> None:
    """Find or start the router of a run that is taken up; where neither is possible, the run can at least be ended."""
    try:
        await architect.revive()
    except RouterGoneError as error:
        _ = architect.url  # without an address nothing can be shown: raises `RouterError`
        logger.warning("The run is taken up without its router, which is tried again by itself: %s", error)


def _find_run(database: Database, task_run_id: str) -> TaskRun:
    """Return the record of a run alone; raise `NotFoundError` where there is none."""
    for run in database.runs.find_runs():
        if run.task_run_id == task_run_id:
            return run
    return database.runs.load_run(task_run_id).run  # which says that there is none


def _locked(directory: Path, run: TaskRun, undo: AsyncExitStack) -> FileLock:
    """Return the lock of a run, taken, and given back if its start fails. Raises `LaunchError`, `RunBusyError`."""
    lock = take_lock(directory, run)
    undo.callback(lock.release)
    return lock


@asynccontextmanager
async def _undoing() -> AsyncIterator[AsyncExitStack]:
    """Take back what was started, in reverse order, unless all of it succeeds."""
    async with AsyncExitStack() as undo:
        yield undo
        undo.pop_all()


def _with_budget(run: TaskRun, plan: RunPlan) -> TaskRun:
    """Return a run that is resumed with the budget that it is resumed with; where none is given, its own stays."""
    budget = plan.settings.task.budget
    if budget is None:
        return run
    config = copy.deepcopy(run.config)
    config["mephisto"]["task"]["budget"] = budget
    return replace(run, config=config)


def _with_notes(config: JSONObject, blueprint: Blueprint[Any]) -> JSONObject:
    noted = blueprint.get_noted_args()
    if noted:
        config["mephisto"]["blueprint"] |= noted
    return config


def _data_of(plan: RunPlan, run: TaskRun, created: int) -> Data:
    """Return what the run's assignments are created from; nothing, where all are there."""
    if run.generator_done:
        return []
    if created:
        try:
            plan.blueprint.assert_task_args()
        except ConfigError:
            return []  # taken up again without its data: what was created until now is all there is
    return plan.blueprint.get_initialization_data()


async def _create_first(launcher: TaskLauncher) -> None:
    """Create the first assignments, if there are any: data that cannot be read fails the launch, not the run."""
    if not launcher.get_assignments_are_all_created():
        await launcher.create_assignments()


def _end_again(step: Step) -> None:
    if step.state.ended_at is not None:
        return  # it was refused, and never began
    step.close_run("the run could not be resumed", "operator")
    expire_open(step, "the run could not be resumed", "operator")
    step.end_run("the run could not be resumed")
