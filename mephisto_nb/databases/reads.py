"""From SQL to records and plain rows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import NotFoundError
from mephisto_nb.model.packets import Packet
from mephisto_nb.model.records import (
    Agent,
    Assignment,
    Event,
    RunPay,
    RunSnapshot,
    Steering,
    TaskRun,
    Unit,
    Worker,
    WorkerFacts,
)
from mephisto_nb.model.states import UNIT_ANSWERED, AgentStatus, PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.storage import gates
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.values import fetch_rows, make_key

#: Databases limit how many values one statement may hold.
_CHUNK = 500

#: What is paid beside units' own pay, which is counted by unit.
_BESIDE_PAY = [PaymentKind.BONUS, PaymentKind.WAITING, PaymentKind.COMPENSATION]
_STEERING = [field.name for field in fields(Steering)]
_HELD = [status.value for status in UNIT_ANSWERED | {UnitStatus.ASSIGNED}]


def select_runs() -> Select[Any]:
    """Select task runs with their task's name."""
    return select(t.task_runs, t.tasks.c.task_name).join(t.tasks, t.tasks.c.task_id == t.task_runs.c.task_id)


def to_run(row: Row[Any]) -> TaskRun:
    """Make a record of a row of `select_runs`."""
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
        steering=Steering(**{name: getattr(row, name) for name in _STEERING}),
    )


def load_run(connection: Connection, task_run_id: str) -> RunSnapshot:
    """Read all that is needed to go on with a run; raise `NotFoundError` where there is none."""
    row = connection.execute(select_runs().where(t.task_runs.c.task_run_id == task_run_id)).first()
    if row is None:
        raise NotFoundError(f"There is no task run {task_run_id!r} in this database.")
    last_submission = select(func.max(t.RECEIVED_AT)).join(t.agents, t.agents.c.agent_id == t.submissions.c.agent_id)
    return RunSnapshot(
        run=to_run(row),
        assignments=_load_assignments(connection, task_run_id),
        units=_load_units(connection, task_run_id),
        agents=_load_agents(connection, task_run_id),
        last_seq=row.last_seq,
        last_n=row.last_n,
        outbox=_load_outbox(connection, task_run_id),
        last_submission_at=connection.execute(last_submission.where(t.agents.c.task_run_id == task_run_id)).scalar(),
        worker_names=_load_worker_names(connection, task_run_id),
        payments=_load_payments(connection, task_run_id),
        gates=gates.load_gates(connection, task_run_id),
    )


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


def _load_units(connection: Connection, run: str) -> list[Unit]:
    u = t.units.c
    query = select(u.unit_id, u.assignment_id, u.unit_index, u.pay_amount, u.status, u.agent_id, u.worker_id)
    return [
        Unit(id_, assignment, index, pay, UnitStatus(status), agent, worker)
        for id_, assignment, index, pay, status, agent, worker in connection.execute(query.where(u.task_run_id == run))
    ]


def _load_agents(connection: Connection, run: str) -> list[Agent]:
    a, s = t.agents.c, t.submissions.c
    query = (
        select(
            a.agent_id, a.unit_id, a.worker_id, a.registration_id, a.status, a.accepted_at, a.deadline, t.RECEIVED_AT
        )
        .outerjoin(t.submissions, s.agent_id == a.agent_id)
        .where(a.task_run_id == run)
        .order_by(a.accepted_at)
    )
    return [
        Agent(id_, unit, worker, registration, AgentStatus(status), accepted, deadline, submitted)
        for id_, unit, worker, registration, status, accepted, deadline, submitted in connection.execute(query)
    ]


def _load_worker_names(connection: Connection, run: str) -> dict[str, str]:
    w, a, o = t.workers.c, t.agents.c, t.onboarding_agents.c
    came = select(a.worker_id).where(a.task_run_id == run).union(select(o.worker_id).where(o.task_run_id == run))
    found = connection.execute(select(w.worker_id, w.worker_name).where(w.worker_id.in_(came)))
    return {row.worker_id: row.worker_name for row in found}


def _load_payments(connection: Connection, run: str) -> dict[str, float]:
    p = t.payments.c
    found = connection.execute(select(p.key, p.amount, _counts_beside_pay()).where(p.task_run_id == run))
    return {key: amount if does_count else 0.0 for key, amount, does_count in found}


def _counts_beside_pay() -> ColumnElement[bool]:
    p = t.payments.c
    return p.status.in_([PaymentStatus.OWED, PaymentStatus.SENT]) & p.kind.in_(_BESIDE_PAY)


def _load_outbox(connection: Connection, run: str) -> list[tuple[int, Packet]]:
    o = t.outbox.c
    query = select(o.n, o.packet).where(o.task_run_id == run).order_by(o.n)
    return [(n, Packet.from_dict(json.loads(packet))) for n, packet in connection.execute(query)]


def get_worker_facts(
    connection: Connection, task_run_id: str, provider_type: str, names: Sequence[str]
) -> dict[str, WorkerFacts]:
    """Read what the rules need to know of workers, by name."""
    workers = _find_workers(connection, provider_type, names)
    ids = [worker.worker_id for worker in workers.values()]
    grants, elsewhere = _grants(connection, ids), _units_elsewhere(connection, task_run_id, ids)
    seen = gates.rows_seen(connection, task_run_id, ids)
    facts = {
        stored: WorkerFacts(worker, grants.get(id_, {}), elsewhere.get(id_, 0), seen.get(id_, frozenset()))
        for stored, worker, id_ in ((stored, worker, worker.worker_id) for stored, worker in workers.items())
    }
    return {name: facts[stored] for name in names if (stored := make_key(name)) in facts}


def _find_workers(connection: Connection, provider_type: str, names: Sequence[str]) -> dict[str, Worker]:
    w = t.workers.c
    found: dict[str, Worker] = {}
    for start in range(0, len(names), _CHUNK):
        query = select(w.worker_id, w.worker_name, w.blocked).where(
            w.provider_type == provider_type, w.worker_name.in_(names[start : start + _CHUNK])
        )
        for id_, name, blocked in connection.execute(query):
            found[name] = Worker(id_, name, provider_type, bool(blocked))
    return found


def _grants(connection: Connection, worker_ids: list[str]) -> dict[str, dict[str, int]]:
    g, q = t.granted_qualifications.c, t.qualifications.c
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for start in range(0, len(worker_ids), _CHUNK):
        query = (
            select(g.worker_id, q.qualification_name, g.value)
            .join(t.qualifications, q.qualification_id == g.qualification_id)
            .where(g.worker_id.in_(worker_ids[start : start + _CHUNK]))
        )
        for worker_id, name, value in connection.execute(query):
            found[worker_id][name] = value
    return found


def _units_elsewhere(connection: Connection, task_run_id: str, worker_ids: list[str]) -> dict[str, int]:
    u, r = t.units.c, t.task_runs.c
    same_task = select(r.task_id).where(r.task_run_id == task_run_id).scalar_subquery()
    found: dict[str, int] = {}
    for start in range(0, len(worker_ids), _CHUNK):
        query = (
            select(u.worker_id, func.count())
            .join(t.task_runs, r.task_run_id == u.task_run_id)
            .where(u.worker_id.in_(worker_ids[start : start + _CHUNK]), u.status.in_(_HELD))
            .where(r.task_id == same_task, u.task_run_id != task_run_id, u.unit_index >= 0)
            .group_by(u.worker_id)
        )
        found.update((worker_id, count) for worker_id, count in connection.execute(query))
    return found


def read_units(connection: Connection, run_ids: Sequence[str]) -> list[JSONObject]:
    """Give one row a unit, in the order in which they were made."""
    u, a = t.units.c, t.assignments.c
    query = (
        select(
            u.unit_id, u.task_run_id, u.assignment_id, a.assignment_index, u.unit_index, u.status, u.pay_amount,
            u.worker_id, t.workers.c.worker_name, u.agent_id,
        )
        .join(t.assignments, a.assignment_id == u.assignment_id)
        .outerjoin(t.workers, t.workers.c.worker_id == u.worker_id)
        .where(u.task_run_id.in_(run_ids))
        .order_by(u.task_run_id, a.assignment_index, u.unit_index)
    )  # fmt: skip
    names = query.selected_columns.keys()
    return [dict(zip(names, row, strict=True)) for row in fetch_rows(connection, query)]


def read_agents(connection: Connection, run_ids: Sequence[str]) -> list[JSONObject]:
    """Give one row an agent, in the order in which they came."""
    a, s = t.agents.c, t.submissions.c
    query = (
        select(
            a.agent_id, a.task_run_id, a.unit_id, a.worker_id, t.workers.c.worker_name, a.status, a.accepted_at,
            a.deadline, t.RECEIVED_AT.label("submitted_at"),
        )
        .join(t.workers, t.workers.c.worker_id == a.worker_id)
        .outerjoin(t.submissions, s.agent_id == a.agent_id)
        .where(a.task_run_id.in_(run_ids))
        .order_by(a.accepted_at, a.agent_id)
    )  # fmt: skip
    return [dict(row) for row in connection.execute(query).mappings()]


def read_results(
    connection: Connection, run_ids: Sequence[str], agent_ids: Sequence[str] | None = None
) -> list[JSONObject]:
    """Give one row a submission, its JSON parsed, in the order of the data."""
    u, a, g, s = t.units.c, t.assignments.c, t.agents.c, t.submissions.c
    query = (
        select(
            u.task_run_id, a.assignment_index, u.unit_index, t.workers.c.worker_name, u.status, g.accepted_at,
            t.RECEIVED_AT.label("submitted_at"), u.pay_amount, u.unit_id, u.assignment_id, g.agent_id, g.worker_id,
            a.shared, a.unit_data, s.data, s.files,
        )
        .join(t.agents, g.agent_id == s.agent_id)
        .join(t.units, u.agent_id == g.agent_id)
        .join(t.assignments, a.assignment_id == u.assignment_id)
        .join(t.workers, t.workers.c.worker_id == g.worker_id)
        .where(u.task_run_id.in_(run_ids))
        .order_by(u.task_run_id, a.assignment_index, u.unit_index)
    )  # fmt: skip
    if agent_ids is not None:
        query = query.where(g.agent_id.in_(agent_ids))
    rows = [dict(row) for row in connection.execute(query).mappings()]
    for row in rows:
        for name in ("shared", "unit_data", "data", "files"):
            row[name] = json.loads(row[name])
    return rows


def read_payments(connection: Connection, run_ids: Sequence[str] | None) -> list[JSONObject]:
    """Give one row a payment, in the order in which they came to be owed; None: of all runs, and of none."""
    p = t.payments.c
    query = (
        select(
            p.payment_id, p.task_run_id, p.worker_id, t.workers.c.worker_name, p.unit_id, p.kind, p.amount, p.reason,
            p.status, p.created_at, p.sent_at,
        )
        .join(t.workers, t.workers.c.worker_id == p.worker_id)
        .order_by(p.created_at, p.payment_id)
    )  # fmt: skip
    if run_ids is not None:
        query = query.where(p.task_run_id.in_(run_ids))
    return [dict(row) for row in connection.execute(query).mappings()]


def read_events(connection: Connection, run_ids: Sequence[str], reason: str | None = None) -> Iterator[Event]:
    """Give the event log, oldest first."""
    e = t.events.c
    query = (
        select(e.at, e.subject, e.subject_id, e.before, e.after, e.why, e.who, e.detail)
        .where(e.task_run_id.in_(run_ids))
        .order_by(e.event_id)
    )
    if reason is not None:
        query = query.where(e.why == reason)
    for at, subject, subject_id, before, after, why, who, detail in connection.execute(query):
        parsed = None if detail is None else json.loads(detail)
        yield Event(at, subject, subject_id, before, after, why, who, parsed)


def count_units(connection: Connection, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Count units by run and status; those of gates are left out."""
    u = t.units.c
    query = (
        select(u.task_run_id, u.status, func.count())
        .where(u.task_run_id.in_(run_ids), u.unit_index >= 0)
        .group_by(u.task_run_id, u.status)
    )
    found: dict[str, dict[str, int]] = {run_id: {} for run_id in run_ids}
    for run_id, status, count in connection.execute(query):
        found[run_id][status] = count
    return found


def read_pay(connection: Connection, run_ids: Sequence[str]) -> dict[str, RunPay]:
    """Count units, those of gates too, by run, status and pay; and add up what is paid beside it."""
    u, p = t.units.c, t.payments.c
    found = {run_id: RunPay() for run_id in run_ids}
    units = (
        select(u.task_run_id, u.status, u.pay_amount, func.count())
        .where(u.task_run_id.in_(run_ids))
        .group_by(u.task_run_id, u.status, u.pay_amount)
    )
    for run_id, status, amount, count in connection.execute(units):
        found[run_id].units[UnitStatus(status), amount] = count
    beside = (
        select(p.task_run_id, func.sum(p.amount))
        .where(p.task_run_id.in_(run_ids), _counts_beside_pay())
        .group_by(p.task_run_id)
    )
    for run_id, amount in connection.execute(beside):
        found[run_id].beside = float(amount)
    booked = (
        select(p.task_run_id, p.status, func.sum(p.amount))
        .where(p.task_run_id.in_(run_ids))
        .group_by(p.task_run_id, p.status)
    )
    for run_id, status, amount in connection.execute(booked):
        if status == PaymentStatus.OWED:
            found[run_id].owed = float(amount)
        elif status == PaymentStatus.SENT:
            found[run_id].sent = float(amount)
    return found
