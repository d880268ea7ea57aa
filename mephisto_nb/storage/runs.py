"""Task runs in SQL: the runs themselves, their units and agents, answers, gates, and the event log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, null, select, union

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import NotFoundError
from mephisto_nb.model.answers import REST, unpack
from mephisto_nb.model.changes import Guard
from mephisto_nb.model.gates import (
    GateRow,
    GateUnit,
    GateVerdict,
    HeldArrival,
    OnboardingAgent,
    StoredGates,
    split_findings,
)
from mephisto_nb.model.packets import Packet
from mephisto_nb.model.records import Agent, Assignment, Event, RunSnapshot, Service, Steering, Task, TaskRun, Unit
from mephisto_nb.model.states import AgentStatus, Gate, UnitStatus
from mephisto_nb.ports.database import RunStore
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.apply import run_row
from mephisto_nb.storage.connect import Connections
from mephisto_nb.storage.large_rows import LargeRows, StoredAssignment, are_large
from mephisto_nb.storage.payments import load_payments
from mephisto_nb.storage.tables import fetch_rows, find_or_add, read_fees, read_money
from mephisto_nb.storage.visits import keep_crowd_memory, load_unvouched, load_visits, read_crowd_memory, read_visits
from mephisto_nb.utils import steady_time
from mephisto_nb.utils.ids import new_id

#: Tables with rows of one run, each before those that its rows point at.
_OF_A_RUN = (
    t.reviews, t.payments, t.verdicts, t.held_arrivals, t.unvouched_arrivals, t.gate_units, t.onboarding_agents,
    t.agents, t.visits, t.units, t.assignments, t.events, t.outbox, t.crowd_memory, t.task_runs,
)  # fmt: skip
_STEERING, _SERVICE = [field.name for field in fields(Steering)], [field.name for field in fields(Service)]


class SQLRuns(RunStore):
    """The part of a database that keeps task runs."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    # -- writing

    def get_or_create_task(self, name: str) -> Task:
        """Find the task of this name, or make it."""
        with self._connections.writing("Storing a task") as connection:
            new = {"task_id": new_id(), "created_at": steady_time.now()}
            row = find_or_add(connection, t.tasks, {"task_name": name}, new)
        return Task(row.task_id, row.task_name)

    def add_run(self, run: TaskRun, guard: Guard | None = None) -> None:
        """Store a new run, unless the guard refuses."""
        with self._connections.writing("Storing a new run", guard) as connection:
            connection.execute(insert(t.task_runs), run_row(run))

    def delete_run(self, task_run_id: str) -> None:
        """Take back a run whose launch failed, with all that hangs on it."""
        with self._connections.writing("Taking back a run") as connection:
            agents = select(t.agents.c.agent_id).where(t.agents.c.task_run_id == task_run_id)
            for table in (t.submissions, t.agent_metadata, t.live_updates):
                connection.execute(delete(table).where(table.c.agent_id.in_(agents)))
            for table in _OF_A_RUN:
                connection.execute(delete(table).where(table.c.task_run_id == task_run_id))

    def keep_crowd_memory(self, task_run_id: str, values: Mapping[str, object], guard: Guard | None = None) -> None:
        """Store values beside those that a run's recruiter has kept, unless the guard refuses."""
        with self._connections.writing("Storing what a crowd's study is called", guard) as connection:
            keep_crowd_memory(connection, task_run_id, values)

    # -- reading

    def read_crowd_memory(self, task_run_id: str) -> JSONObject:
        """Return what a run's recruiter has kept."""
        with self._connections.reading("Reading what a crowd's study is called") as connection:
            return read_crowd_memory(connection, task_run_id)

    def load_run(self, task_run_id: str) -> RunSnapshot:
        """Return all that is needed to go on with a run; raise `NotFoundError` where there is none."""
        with self._connections.reading("Reading a run") as connection:
            row = connection.execute(_select_runs().where(t.task_runs.c.task_run_id == task_run_id)).first()
            if row is None:
                raise NotFoundError(f"There is no task run {task_run_id!r} in this database.")
            units = _load_units(connection, task_run_id, row.currency)
            if are_large(connection, task_run_id):
                assignments = _find_assignments(connection, task_run_id, units, LargeRows(self._connections))
            else:
                assignments = _load_assignments(connection, task_run_id)
            return RunSnapshot(
                run=_to_run(row),
                assignments=assignments,
                units=units,
                agents=_load_agents(connection, task_run_id),
                last_seq=row.last_seq,
                era=row.era,
                last_n=row.last_n,
                outbox=_load_outbox(connection, task_run_id),
                last_submission_at=_load_last_submission(connection, task_run_id),
                worker_names=_load_worker_names(connection, task_run_id),
                payments=load_payments(connection, task_run_id),
                gates=_load_gates(connection, task_run_id),
                visits=load_visits(connection, task_run_id),
                unvouched=load_unvouched(connection, task_run_id),
            )

    def fetch_data(self, assignments: Sequence[Assignment]) -> None:
        """Read the data of some assignments before it is asked for, where it was not read with their run."""
        stored = [one for one in assignments if isinstance(one, StoredAssignment)]
        for rows in {id(one.rows): one.rows for one in stored}.values():
            rows.prefetch([one.assignment_id for one in stored if one.rows is rows])

    def find_runs(self, *, task_name: str | None = None, live: bool | None = None) -> list[TaskRun]:
        """Return the runs, newest first."""
        query = _select_runs().order_by(t.task_runs.c.created_at.desc())
        if task_name is not None:
            query = query.where(t.tasks.c.task_name == task_name)
        if live is not None:
            ended = t.task_runs.c.ended_at
            query = query.where(ended.is_(None) if live else ended.is_not(None))
        with self._connections.reading("Looking for runs") as connection:
            return [_to_run(row) for row in connection.execute(query)]

    def count_units(self, task_run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return how many units there are by run and status; those of gates are left out."""
        u = t.units.c
        query = (
            select(u.task_run_id, u.status, func.count())
            .where(u.task_run_id.in_(task_run_ids), u.unit_index >= 0)
            .group_by(u.task_run_id, u.status)
        )
        found: dict[str, dict[str, int]] = {run_id: {} for run_id in task_run_ids}
        with self._connections.reading("Counting units") as connection:
            for run_id, status, count in connection.execute(query):
                found[run_id][status] = count
        return found

    def read_units(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Return one row a unit, in the order of the data."""
        u, a = t.units.c, t.assignments.c
        query = (
            select(
                u.unit_id, u.task_run_id, u.assignment_id, a.assignment_index, u.unit_index, u.status, u.pay_amount,
                u.worker_id, t.workers.c.worker_name, u.agent_id, t.agents.c.visit_id, t.task_runs.c.currency,
            )
            .join(t.assignments, a.assignment_id == u.assignment_id)
            .join(t.task_runs, t.task_runs.c.task_run_id == u.task_run_id)
            .outerjoin(t.workers, t.workers.c.worker_id == u.worker_id)
            .outerjoin(t.agents, t.agents.c.agent_id == u.agent_id)
            .where(u.task_run_id.in_(task_run_ids))
            .order_by(u.task_run_id, a.assignment_index, u.unit_index)
        )  # fmt: skip
        names = query.selected_columns.keys()
        with self._connections.reading("Reading units") as connection:
            rows = [dict(zip(names, row, strict=True)) for row in fetch_rows(connection, query)]
        for row in rows:
            row["pay_amount"] = read_money(row["pay_amount"], row["currency"])
        return rows

    def read_agents(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Return one row an agent, in the order in which they came."""
        a, s = t.agents.c, t.submissions.c
        query = (
            select(
                a.agent_id, a.task_run_id, a.unit_id, a.worker_id, t.workers.c.worker_name, a.status, a.accepted_at,
                a.deadline, t.RECEIVED_AT.label("submitted_at"), a.visit_id,
            )
            .join(t.workers, t.workers.c.worker_id == a.worker_id)
            .outerjoin(t.submissions, s.agent_id == a.agent_id)
            .where(a.task_run_id.in_(task_run_ids))
            .order_by(a.accepted_at, a.agent_id)
        )  # fmt: skip
        with self._connections.reading("Reading agents") as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def read_results(self, task_run_ids: Sequence[str], *, agent_ids: Sequence[str] | None = None) -> list[JSONObject]:
        """Return one row a submission, its JSON parsed, in the order of the data."""
        u, a, g, s = t.units.c, t.assignments.c, t.agents.c, t.submissions.c
        query = (
            select(
                u.task_run_id, a.assignment_index, u.unit_index, t.workers.c.worker_name, u.status, g.accepted_at,
                t.RECEIVED_AT.label("submitted_at"), u.pay_amount, u.unit_id, u.assignment_id, g.agent_id, g.worker_id,
                g.visit_id, a.shared, a.unit_data, s.data, s.files, t.task_runs.c.currency,
            )
            .join(t.agents, g.agent_id == s.agent_id)
            .join(t.units, u.agent_id == g.agent_id)
            .join(t.assignments, a.assignment_id == u.assignment_id)
            .join(t.workers, t.workers.c.worker_id == g.worker_id)
            .join(t.task_runs, t.task_runs.c.task_run_id == u.task_run_id)
            .where(u.task_run_id.in_(task_run_ids))
            .order_by(u.task_run_id, a.assignment_index, u.unit_index)
        )  # fmt: skip
        if agent_ids is not None:
            query = query.where(g.agent_id.in_(agent_ids))
        with self._connections.reading("Reading results") as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        for row in rows:
            row["pay_amount"] = read_money(row["pay_amount"], row["currency"])
            for name in ("shared", "unit_data", "files"):
                row[name] = json.loads(row[name])
            row["data"], row["rest"] = unpack(row["data"], partial(self._read_set_aside, row["agent_id"]))
        return rows

    def _read_set_aside(self, agent_id: str) -> str:
        v = t.live_updates.c
        query = select(v.data).where(v.agent_id == agent_id, v.sender == t.SET_ASIDE)
        with self._connections.reading("Reading the rest of an answer") as connection:
            return str(connection.execute(query).scalar_one())

    def read_visits(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Return one row a visit, in the order in which they began."""
        with self._connections.reading("Reading visits") as connection:
            return read_visits(connection, task_run_ids)

    def read_gates(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Return one row for each time that somebody was looked at, in the order in which they began."""
        with self._connections.reading("Reading gates") as connection:
            found = [connection.execute(query).mappings().all() for query in _select_gates(task_run_ids)]
        rows = [dict(row) for part in found for row in part]
        for row in rows:
            row["gate"] = row["gate"] or Gate.ONBOARDING.value
            row["passed"] = None if row["passed"] is None else bool(row["passed"])
            for name in ("row", "detail"):
                row[name] = None if row[name] is None else json.loads(row[name])
            load = partial(self._read_set_aside, row["agent_id"])
            data, rest = (None, None) if row["answer"] is None else unpack(row["answer"], load)
            row["answer"] = data if rest is None else {**(data or {}), REST: rest}
        rows = [one for row in rows for one in _by_finding(row)]
        return sorted(rows, key=lambda row: (row["started_at"], row["agent_id"], row["gate"]))

    def read_events(self, task_run_ids: Sequence[str], *, why: str | None = None) -> Iterator[Event]:
        """Yield the event log, oldest first."""
        e = t.events.c
        query = (
            select(e.at, e.subject, e.subject_id, e.before, e.after, e.why, e.who, e.detail)
            .where(e.task_run_id.in_(task_run_ids))
            .order_by(e.event_id)
        )
        if why is not None:
            query = query.where(e.why == why)
        with self._connections.reading("Reading the event log") as connection:
            for at, subject, subject_id, before, after, reason, who, detail in connection.execute(query):
                parsed = None if detail is None else json.loads(detail)
                yield Event(at, subject, subject_id, before, after, reason, who, parsed)


def _by_finding(row: JSONObject) -> list[JSONObject]:
    """Return a row for each thing that was found, where several checks share a verdict."""
    if row["detail"] is None:
        return [row]
    found = split_findings(row["gate"], row["passed"], row["detail"])
    return [{**row, "gate": one.gate, "passed": one.passed, "detail": one.detail} for one in found]


# -- a whole run


def _select_runs() -> Select[Any]:
    """Select task runs with their task's name."""
    return select(t.task_runs, t.tasks.c.task_name).join(t.tasks, t.tasks.c.task_id == t.task_runs.c.task_id)


def _to_run(row: Row[Any]) -> TaskRun:
    """Make a record of a row of `_select_runs`."""
    return TaskRun(
        task_run_id=row.task_run_id,
        task_id=row.task_id,
        task_name=row.task_name,
        requester_id=row.requester_id,
        blueprint_type=row.blueprint_type,
        architect_type=row.architect_type,
        provider_type=row.provider_type,
        config=json.loads(row.config),
        qualifications=json.loads(row.qualifications),
        created_at=row.created_at,
        opened_at=row.opened_at,
        ended_at=row.ended_at,
        generator_done=bool(row.generator_done),
        currency=row.currency,
        steering=_to_steering(row),
        service=Service(**{name: getattr(row, name) for name in _SERVICE}),
    )


def _to_steering(row: Row[Any]) -> Steering:
    values = {name: getattr(row, name) for name in _STEERING}
    return Steering(**values | {"task_reward": read_fees(row.task_reward, row.currency)})


def _load_assignments(connection: Connection, run: str) -> list[Assignment]:
    a = t.assignments.c
    query = (
        select(a.assignment_id, a.assignment_index, a.shared, a.unit_data)
        .where(a.task_run_id == run)
        .order_by(a.assignment_index)
    )
    return [
        Assignment(id_, run, index, json.loads(shared), json.loads(unit_data))
        for id_, index, shared, unit_data in connection.execute(query)
    ]


def _find_assignments(connection: Connection, run: str, units: list[Unit], rows: LargeRows) -> list[Assignment]:
    """Return the assignments of a run without their data, which is read when it is needed."""
    highest: dict[str, int] = {}
    for unit in units:
        highest[unit.assignment_id] = max(unit.unit_index, highest.get(unit.assignment_id, 0))
    a = t.assignments.c
    query = select(a.assignment_id, a.assignment_index).where(a.task_run_id == run).order_by(a.assignment_index)
    # Where a unit has a higher index, it may be a part of its own, or an extra one: the data knows.
    return [
        StoredAssignment(id_, run, index, rows, None if highest.get(id_, 0) else 1)
        for id_, index in connection.execute(query)
    ]


def _load_units(connection: Connection, run: str, currency: str) -> list[Unit]:
    u = t.units.c
    query = select(u.unit_id, u.assignment_id, u.unit_index, u.pay_amount, u.status, u.agent_id, u.worker_id)
    return [
        Unit(id_, assignment, index, read_money(pay, currency), UnitStatus(status), agent, worker)
        for id_, assignment, index, pay, status, agent, worker in connection.execute(query.where(u.task_run_id == run))
    ]


def _load_agents(connection: Connection, run: str) -> list[Agent]:
    a, s = t.agents.c, t.submissions.c
    query = (
        select(
            a.agent_id,
            a.unit_id,
            a.worker_id,
            a.registration_id,
            a.status,
            a.accepted_at,
            a.deadline,
            t.RECEIVED_AT,
            a.visit_id,
        )
        .outerjoin(t.submissions, s.agent_id == a.agent_id)
        .where(a.task_run_id == run)
        .order_by(a.accepted_at)
    )
    return [
        Agent(id_, unit, worker, registration, AgentStatus(status), *times_and_visit)
        for id_, unit, worker, registration, status, *times_and_visit in connection.execute(query)
    ]


def _load_last_submission(connection: Connection, run: str) -> float | None:
    g = t.agents.c
    query = select(func.max(t.RECEIVED_AT)).join(t.agents, g.agent_id == t.submissions.c.agent_id)
    return connection.execute(query.where(g.task_run_id == run)).scalar()


def _load_worker_names(connection: Connection, run: str) -> dict[str, str]:
    w, tables = t.workers.c, (t.agents.c, t.onboarding_agents.c, t.visits.c)
    came = union(*(select(of.worker_id).where(of.task_run_id == run) for of in tables))
    found = connection.execute(select(w.worker_id, w.worker_name).where(w.worker_id.in_(came)))
    return {row.worker_id: row.worker_name for row in found}


def _load_outbox(connection: Connection, run: str) -> list[tuple[int, Packet]]:
    o = t.outbox.c
    query = select(o.n, o.packet).where(o.task_run_id == run).order_by(o.n)
    return [(n, Packet.from_text(packet)) for n, packet in connection.execute(query)]


# -- gates


def _load_gates(connection: Connection, run: str) -> StoredGates:
    o, g, a, v, h = (
        t.onboarding_agents.c, t.gate_units.c, t.assignments.c, t.verdicts.c, t.held_arrivals.c
    )  # fmt: skip
    onboarding = select(
        o.agent_id, o.worker_id, o.registration_id, o.status, o.started_at, o.deadline, o.submitted_at, o.data
    ).where(o.task_run_id == run).order_by(o.started_at, o.agent_id)  # fmt: skip
    units = (
        select(g.unit_id, g.gate, g.worker_id, g.row_key, a.shared, g.row)
        .join(t.units, t.units.c.unit_id == g.unit_id)
        .join(t.assignments, a.assignment_id == t.units.c.assignment_id)
        .where(g.task_run_id == run)
    )
    verdicts = select(v.agent_id, v.gate, v.passed, v.at, v.detail).where(v.task_run_id == run)
    held = select(h.request_id, h.worker_id, h.worker_name, h.registration_id, h.held_at, h.captured)
    return StoredGates(
        onboarding=[
            OnboardingAgent(
                *row[:3], AgentStatus(row.status), *row[4:7], None if row.data is None else json.loads(row.data)
            )
            for row in connection.execute(onboarding)
        ],
        units=[
            GateUnit(id_, Gate(gate), worker, GateRow(key, json.loads(shared), json.loads(whole)))
            for id_, gate, worker, key, shared, whole in connection.execute(units)
        ],
        verdicts=[
            GateVerdict(id_, Gate(gate), None if passed is None else bool(passed), at, json.loads(detail))
            for id_, gate, passed, at, detail in connection.execute(verdicts)
        ],
        held=[
            HeldArrival(*row[:-1], json.loads(row.captured))
            for row in connection.execute(held.where(h.task_run_id == run).order_by(h.held_at))
        ],
    )


def _select_gates(run_ids: Sequence[str]) -> Iterator[Select[Any]]:
    """Select who was looked at: in an introduction, at a unit made for that, while they did real work."""
    o, v, w, a = t.onboarding_agents.c, t.verdicts.c, t.workers.c, t.agents.c
    g, s = t.gate_units.c, t.submissions.c
    judged = (v.passed, v.at, v.detail)
    yield (
        select(
            o.task_run_id, o.agent_id, null().label("unit_id"), o.worker_id, w.worker_name, o.status, o.started_at,
            o.submitted_at, o.data.label("answer"), null().label("row"), v.gate, *judged,
        )
        .join(t.workers, w.worker_id == o.worker_id)
        .outerjoin(t.verdicts, v.agent_id == o.agent_id)
        .where(o.task_run_id.in_(run_ids))
    )  # fmt: skip
    unit = (
        a.task_run_id, a.agent_id, a.unit_id, a.worker_id, w.worker_name, a.status, a.accepted_at.label("started_at"),
        t.RECEIVED_AT.label("submitted_at"), s.data.label("answer"),
    )  # fmt: skip
    yield (
        select(*unit, g.row, g.gate, *judged)
        .join(t.workers, w.worker_id == a.worker_id)
        .join(t.gate_units, g.unit_id == a.unit_id)
        .outerjoin(t.submissions, s.agent_id == a.agent_id)
        .outerjoin(t.verdicts, and_(v.agent_id == a.agent_id, v.gate == g.gate))
        .where(a.task_run_id.in_(run_ids))
    )
    yield (
        select(*unit, null().label("row"), v.gate, *judged)
        .join(t.workers, w.worker_id == a.worker_id)
        .join(t.verdicts, v.agent_id == a.agent_id)
        .outerjoin(t.submissions, s.agent_id == a.agent_id)
        .where(a.task_run_id.in_(run_ids), v.gate.in_([Gate.ATTENTION.value, Gate.TIME.value]))
    )
