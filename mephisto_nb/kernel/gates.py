"""Does the jobs of gates: judges answers and finds rows outside of any step, and hands the rules what came of it.

`Judges` ask the gates and the researcher's functions, a `RowSource` says which row a worker gets, and `GateWorker` does
one job after the other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ClosedError, ConfigError, DatabaseError, DataFileError, MephistoError
from mephisto_nb.kernel.engine import RunEngine
from mephisto_nb.kernel.run_tasks import OnFailure, RunHelper, Supervisor
from mephisto_nb.kernel.writer import Retry, in_thread
from mephisto_nb.model.answers import whole
from mephisto_nb.model.gates import GateFinding, GateRow
from mephisto_nb.model.records import Agent, Worker, WorkerFacts
from mephisto_nb.model.shared_state import InitializationData, NotJSONError, read_frame, to_json
from mephisto_nb.model.states import Gate
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.gates._base import BaseGate, GateRules, SentAnswer, UnitGate
from mephisto_nb.rules.gates.state import GateJob, GateJobKind, gate_of
from mephisto_nb.rules.gates.steps import let_go
from mephisto_nb.rules.gates.verdicts import Supply, conclude, give_up, row_of
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.patience import patience
from mephisto_nb.utils.user_code import call, in_own_thread

logger = get_logger(__name__)


@dataclass(slots=True)
class RowSource:
    """The rows of one gate: all of them, or what gives one."""

    gate: UnitGate[Any]
    rows: list[GateRow] | None = None
    function: Any = None
    drawn: Iterator[Any] | None = None
    #: What was drawn for somebody who did not need it after all, or had seen it before.
    _spare: list[GateRow] = field(default_factory=list)
    #: Held while rows are drawn: a generator gives one at a time.
    _drawing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def check(self, check_row: Callable[[str, JSONObject], None]) -> None:
        """Refuse rows that are too few, or (`Blueprint.check_row`) that the page could not show.

        Raises
        ------
        ConfigError, DataFileError
            Naming what is missing.
        """
        if self.rows is None:
            return
        self.gate.check_rows(len(self.rows))
        for number, row in enumerate(self.rows):
            check_row(f"row {number} of the {self.gate.NAME} rows", row.shared)

    async def find(self, worker: Worker, seen: Collection[str]) -> GateRow | None:
        """Return a row that the worker has not seen; None: there is none.

        Raises
        ------
        ConfigError, DataFileError
            There are no rows here, or what came is no row.
        """
        if self.rows is not None:
            return next((row for row in self._shuffled(worker) if row.key not in seen), None)
        if self.function is not None:
            row = await call(self.function, worker)
            made = None if row is None else self._make(row, f"what {self.gate.OTHER} gave")
            return None if made is None or made.key in seen else made
        return await self._draw(seen)

    def give_back(self, row: GateRow) -> None:
        """Take a row back that was not needed."""
        if self.drawn is not None:
            self._spare.append(row)

    def _make(self, value: Any, label: str) -> GateRow:
        return make_row(value, self.gate.answers, f"{label}, {value!r:.60}")

    def _shuffled(self, worker: Worker) -> list[GateRow]:
        """Return the rows in an order of this worker's own, which is the same each time."""
        return sorted(
            self.rows or (), key=lambda row: hashlib.sha256(f"{worker.worker_name} {row.key}".encode()).digest()
        )

    async def _draw(self, seen: Collection[str]) -> GateRow | None:
        if self.drawn is None:
            raise ConfigError(
                f"The run has no rows for its {self.gate.NAME} units here. Take it up with its SharedTaskState: "
                "operator.reconnect(task_run_id, shared_state)."
            )
        async with self._drawing:
            for row in self._spare:
                if row.key not in seen:
                    self._spare.remove(row)
                    return row
            return await self._draw_unseen(self.drawn, seen)

    async def _draw_unseen(self, drawn: Iterator[Any], seen: Collection[str]) -> GateRow | None:
        """Draw until a row comes that the worker has not seen; the others are kept for those who have not."""
        passed, num_again = {row.key for row in self._spare}, 0
        while num_again <= len(passed):  # or else it begins again and again with what they have seen
            value = await in_own_thread(next, drawn, None)
            if value is None:
                return None
            row = self._make(value, f"a row of {self.gate.OTHER}")
            if row.key not in seen:
                return row
            if row.key in passed:
                num_again += 1
            else:
                passed.add(row.key)
                self._spare.append(row)
        return None


def source_of(gate: UnitGate[Any]) -> RowSource:
    """Find out where the rows of a gate come from.

    Raises
    ------
    DataFileError
        What was given are no rows, or they lack the columns with the right answers.
    """
    source, name = RowSource(gate), gate.ROWS
    given, other = getattr(gate.shared, name), getattr(gate.shared, gate.OTHER)
    if given is not None:
        rows = enumerate(_listed(given, name))
        source.rows = [make_row(row, gate.answers, f"row {number} of {name}") for number, row in rows]
    elif gate.ASKS_FOR_EACH:
        source.function = other
    elif other is not None:
        source.drawn = iter(other() if callable(other) else other)
    return source


def make_row(value: Any, answers: Sequence[str], label: str) -> GateRow:
    """Return a row made of a dictionary. Raises `DataFileError`."""
    if isinstance(value, InitializationData):
        value = {**value.shared, **(value.unit_data[0] if value.unit_data else {})}
    if not isinstance(value, Mapping):
        raise DataFileError(f"{label} is a {type(value).__name__}, not a dictionary of fields.")
    try:
        text = json.dumps(to_json(dict(value)), sort_keys=True, allow_nan=False)
    except (NotJSONError, RecursionError) as error:
        raise DataFileError(f"{label}: {error}") from error
    row: JSONObject = json.loads(text)
    lacking = [name for name in answers if row.get(name) is None]
    if lacking:
        raise DataFileError(
            f"{label} has no {lacking[0]!r}, which should hold its right answer. Its fields are: {', '.join(row)}."
        )
    shared = {name: item for name, item in row.items() if name not in answers}
    return GateRow(hashlib.sha256(text.encode()).hexdigest()[:32], shared, row)


def _listed(given: Any, name: str) -> Sequence[Any]:
    if isinstance(given, pd.DataFrame):
        return read_frame(given, name, unnamed_index=False)[0]
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return given
    raise DataFileError(f"{name} is a {type(given).__name__}. Give a DataFrame, or a list of dictionaries.")


#: How long a function may take to judge an answer, in seconds.
PATIENCE = 300.0


class JudgeError(MephistoError):
    """An answer could not be judged; the message says by what, and why."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found of an answer; `failure` says which function failed to judge it, and why."""

    findings: list[GateFinding]
    failure: str | None = None


class Judges:
    """Those who judge for one run.

    Parameters
    ----------
    rules
        The run's gates.
    read_answer
        Returns the fields of what was submitted: `Blueprint.get_answer`.
    """

    def __init__(self, rules: GateRules, read_answer: Callable[[JSON], JSONObject]) -> None:
        self._rules, self._read_answer = rules, read_answer

    def read(self, data: JSON) -> JSONObject:
        """Return the fields of what was submitted. Raises `JudgeError` if the blueprint cannot read it."""
        try:
            return self._read_answer(data)
        except Exception as error:
            raise JudgeError(f"the answer cannot be read: {error!r}") from error

    @property
    def need_others(self) -> bool:
        """Whether a check needs the answers of others to the same assignment."""
        return any(check.needs_others for check in self._rules.later_checks)

    async def judge(self, kind: Gate, sent: SentAnswer) -> Judgement:
        """Judge one answer: at the gate before the work that `kind` names, or else by all checks that judge later."""
        entry = self._rules.entry(kind)
        found: list[GateFinding] = []
        failure = None
        for gate in [entry] if entry is not None else self._rules.later_checks:
            try:
                one = await _judge(gate, sent)
            except JudgeError as error:
                failure = failure or str(error)
                found.append(gate.found(None, {"error": str(error)}))
            else:
                found += [] if one is None else [one]
        if entry is not None and not found:
            failure = f"{entry.FUNCTION} is not there: take the run up again with its SharedTaskState"
        return Judgement(found, failure)


async def _judge(gate: BaseGate[Any], sent: SentAnswer) -> GateFinding | None:
    """Judge an answer at one gate; None: there is no finding.

    Raises
    ------
    JudgeError
        The researcher's function raised, took too long, or said neither yes nor no.
    """
    try:
        async with patience(PATIENCE):
            found = await in_thread(gate.look, sent) if gate.TAKES_TIME else gate.look(sent)
            if gate.function is None or (found is not None and found.passed is False):
                return found
            return gate.found(_yes_or_no(gate.FUNCTION, await call(gate.function, *gate.arguments(sent))))
    except TimeoutError as error:
        raise JudgeError(f"{gate.FUNCTION} took more than {PATIENCE:g} seconds") from error
    except Exception as error:
        raise JudgeError(f"{gate.FUNCTION or gate.NAME} raised {error!r}") from error


def _yes_or_no(name: str, result: object) -> bool:
    if result is None:
        raise ConfigError(f"{name} gave None; it must give True or False")
    return bool(result)


#: What a verdict changes: gets the step, and what is known of the worker by then.
Rule = Callable[[Step, WorkerFacts], None]


class PageAnswerer(Protocol):
    """Who knows workers, and decides about their pages: `WorkerPool`."""

    async def look_up(self, worker_name: str) -> WorkerFacts:
        """Return what is known of a worker."""

    def release(self, step: Step, worker_id: str, facts: WorkerFacts, supply: Supply) -> None:
        """Decide about the pages of a worker that wait, and answer those that wait no longer."""

    def refuse(self, step: Step, request_id: str) -> None:
        """Answer a page that something went wrong here."""


@dataclass(slots=True)
class _Conclusion:
    """What a job has come to, as a rule to apply: a verdict, and answers to the pages that waited for it."""

    pages: PageAnswerer
    worker: Worker
    rule: Rule | None = None
    supply: Supply = field(default_factory=Supply)
    facts: WorkerFacts = field(default_factory=WorkerFacts)

    async def look_up(self) -> None:
        """Find out what is known of the worker."""
        self.facts = await self.pages.look_up(self.worker.worker_name)

    def __call__(self, step: Step) -> bool:
        """Apply it; return whether what was supplied was used."""
        if self.rule is not None:
            self.rule(step, self.facts)
        supply = replace(self.supply)  # if the step fails, it is applied again
        self.pages.release(step, self.worker.worker_id, self.facts, supply)
        return supply.row is None


class GateWorker(RunHelper):
    """Does the jobs of one run.

    Parameters
    ----------
    engine, pages, supervisor
        The run, who answers its workers, and the owner of its tasks.
    database
        Where answers are read.
    judges, sources
        Who judges, and where rows come from.
    on_failure
        Hears of what failed unforeseen.
    """

    def __init__(
        self,
        engine: RunEngine,
        pages: PageAnswerer,
        supervisor: Supervisor,
        database: Database,
        judges: Judges,
        sources: Mapping[Gate, RowSource],
        on_failure: OnFailure,
    ) -> None:
        self._engine, self._pages, self._supervisor = engine, pages, supervisor
        self._database, self._judges, self._sources = database, judges, sources
        self._on_failure = on_failure
        self._running: dict[GateJob, asyncio.Task[None]] = {}
        #: Jobs that were asked for once more while they were done.
        self._again: set[GateJob] = set()
        self._state: RunState | None = None
        self._retry = Retry()
        engine.listeners.append(self._on_step)

    async def start(self) -> None:
        """Do what another kernel has left undone, when a run is taken up again."""
        await self._engine.do(lambda step: None, retry=True)

    def stop(self) -> None:
        """Do nothing more: the run is no longer driven from here."""
        self._engine.listeners.remove(self._on_step)
        for task in self._running.values():
            task.cancel()
        self._running.clear()

    def _on_step(self, step: Step) -> None:
        if step.state is not self._state:  # read from the database: for the first time, or after a failure
            self._state = step.state
            for job in outstanding(step.state):
                self._run(job)
        for job in step.gate_jobs:
            self._run(job)

    def _run(self, job: GateJob) -> None:
        if job in self._running:
            self._again.add(job)
            return
        name = f"{job.kind.value} for worker {job.worker_id} of run {self._engine.task_run_id}"
        self._running[job] = self._supervisor.spawn(name, self._do(job), self._on_failure)

    async def _do(self, job: GateJob) -> None:
        try:
            # A page waits for what comes of this: a database that does not answer now is asked again.
            conclusion = await self._retry.persist(lambda: self._conclude(job))
            if conclusion is not None:
                used = await self._engine.do(conclusion, retry=True, look_up=conclusion.look_up)
                if not used and job.gate is not None and conclusion.supply.row is not None:
                    self._sources[job.gate].give_back(conclusion.supply.row)
        except ClosedError:
            return  # the run is no longer driven from here; another kernel does it anew
        except Exception as error:
            logger.exception("%s for worker %s failed", job.kind.value, job.worker_id)
            self._on_failure(error)
            self._again.discard(job)  # whoever asked for it until now is answered here
            await self._engine.do(partial(self._give_up, job=job, error=error), retry=True)
        finally:
            self._running.pop(job, None)
        if job in self._again:
            self._again.discard(job)
            self._run(job)

    def _give_up(self, step: Step, job: GateJob, error: Exception) -> None:
        """Let nobody wait for a job that failed unforeseen: neither an answer for its verdict, nor a page."""
        if job.kind is GateJobKind.JUDGE and job.gate is not None:
            give_up(step, job.agent_id, job.gate, f"an answer could not be judged: {error!r}")
        waiting = list(step.state.gates.held.get(job.worker_id, {}).values())
        let_go(step, waiting)
        for held in waiting:
            self._pages.refuse(step, held.request_id)

    async def _conclude(self, job: GateJob) -> _Conclusion | None:
        state = self._engine.state
        name = state.worker_names.get(job.worker_id)
        if name is None:
            return None  # the step that asked for this was forgotten
        worker = Worker(job.worker_id, name, state.rules.provider_type)
        if job.kind is GateJobKind.JUDGE and job.gate is not None:
            if state.gates.is_unjudged(job.worker_id, job.agent_id):
                return await self._judge(worker, job.agent_id, job.gate)
        elif job.kind is GateJobKind.FETCH and job.gate is not None and job.worker_id in state.gates.held:
            return await self._fetch(worker, job.gate)
        return _Conclusion(self._pages, worker)

    async def _judge(self, worker: Worker, agent_id: str, gate: Gate) -> _Conclusion:
        try:
            judgement = await self._judges.judge(gate, await self._read(agent_id))
        except JudgeError as error:
            judgement = Judgement([], str(error))
        findings, why = judgement.findings, judgement.failure
        if why is None:
            return _Conclusion(self._pages, worker, lambda step, facts: conclude(step, agent_id, gate, findings, facts))
        return _Conclusion(
            self._pages,
            worker,
            lambda step, facts: give_up(step, agent_id, gate, why, findings),
            Supply(failed=True),
        )

    async def _read(self, agent_id: str) -> SentAnswer:
        """Read what is to be judged: the answer, and what it answers. Raises `JudgeError` if it cannot be read."""
        state = self._engine.state
        onboarding = state.gates.onboarding.get(agent_id)
        if onboarding is not None:
            return SentAnswer(onboarding.data)
        agent, read = state.agents[agent_id], self._judges.read
        unit = state.units[agent.unit_id]
        kept = state.gates.units.get(unit.unit_id)
        before = earlier_answers(state, agent) if kept is None and self._judges.need_others else []
        sent = await in_thread(self._read_answers, agent_id, before)
        return SentAnswer(
            data=sent[agent_id],
            answer=read(sent[agent_id]),
            row=row_of(state, unit) if kept is None else kept.row.row,
            seconds=(agent.submitted_at or 0.0) - agent.accepted_at,
            others=[read(sent[id_]) for id_ in before if id_ in sent],
        )

    def _read_answers(self, agent_id: str, others: list[str]) -> dict[str, Any]:
        """Return answers by agent: one whole, which may be large, and of others no more than is read each time."""
        run_ids, agent_ids = [self._engine.state.task_run_id], [agent_id, *others]
        return {
            row["agent_id"]: whole(row["data"], row.get("rest")) if row["agent_id"] == agent_id else row["data"]
            for row in self._database.runs.read_results(run_ids, agent_ids=agent_ids)
        }

    async def _fetch(self, worker: Worker, gate: Gate) -> _Conclusion:
        facts = await self._pages.look_up(worker.worker_name)
        try:
            row = await self._sources[gate].find(worker, facts.rows_seen)
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001 - a researcher's function or rows; their failure must not stop the run
            why = f"no {gate.value} row could be found: {error}"
            supply = Supply(gate, failed=True)
            return _Conclusion(self._pages, worker, lambda step, facts: _note_failure(step, worker, gate, why), supply)
        return _Conclusion(self._pages, worker, supply=Supply(gate, row))


def outstanding(state: RunState) -> list[GateJob]:
    """Return the jobs that a stored run needs: answers to judge, and pages that wait for nothing else."""
    book, jobs = state.gates, []
    for worker_id, agents in book.unjudged.items():
        for id_ in sorted(agents - book.stuck):
            gate = gate_of(book, book.onboarding.get(id_) or state.agents[id_])
            jobs.append(GateJob(GateJobKind.JUDGE, worker_id, id_, gate))
    jobs += [GateJob(GateJobKind.RELEASE, worker_id) for worker_id in book.held if worker_id not in book.unjudged]
    return jobs


def earlier_answers(state: RunState, agent: Agent) -> list[str]:
    """Return the agents of other workers who have answered the same assignment before, the first to answer first."""
    assignment_id, sent_at = state.units[agent.unit_id].assignment_id, (agent.submitted_at or 0.0, agent.agent_id)
    units = [unit for unit in state.units.values() if unit.assignment_id == assignment_id and unit.agent_id]
    others = [state.agents[unit.agent_id] for unit in units if unit.agent_id in state.agents]
    known = [
        (other.submitted_at, other.agent_id)
        for other in others
        if other.submitted_at is not None and other.worker_id != agent.worker_id
    ]
    return [agent_id for at, agent_id in sorted(known) if (at, agent_id) < sent_at]


def _note_failure(step: Step, worker: Worker, gate: Gate, why: str) -> None:
    step.state.gates.notices[f"{gate.value} rows"] = f"{why[0].upper()}{why[1:]}; who is due for one gets nothing."
    step.log("worker", worker.worker_id, None, None, why, "operator")
