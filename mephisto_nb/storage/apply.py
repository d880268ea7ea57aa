"""From the `Changes` of a step to SQL: how each kind of change is written.

Changes of one kind go out together: nothing of one kind depends on the order between kinds other than the
one in `_ORDER`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.sql.base import Executable

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConflictError
from mephisto_nb.model import changes as c
from mephisto_nb.model.answers import pack
from mephisto_nb.model.gates import ONBOARDING_PREFIX
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, Event, Payment, Steering, Submission, TaskRun, Unit
from mephisto_nb.model.reviews import Review
from mephisto_nb.model.states import check_payment_transition
from mephisto_nb.storage import tables as t
from mephisto_nb.storage import visits
from mephisto_nb.storage.tables import INSERT, BulkInsert, dump, find_or_add, in_chunks, make_storable
from mephisto_nb.utils import steady_time
from mephisto_nb.utils.ids import new_id

_ADD_ASSIGNMENTS = BulkInsert(t.assignments, "assignment_id", "task_run_id", "assignment_index", "shared", "unit_data")
_ADD_UNITS = BulkInsert(
    t.units,
    "unit_id", "assignment_id", "task_run_id", "unit_index", "pay_amount", "status", "agent_id", "worker_id",
)  # fmt: skip
_ADD_EVENTS = BulkInsert(
    t.events, "task_run_id", "at", "subject", "subject_id", "before", "after", "why", "who", "detail"
)
_CHANGE_UNIT = (
    update(t.units)
    .where(t.units.c.unit_id == bindparam("id"), t.units.c.status == bindparam("before"))
    .values(status=bindparam("after"), agent_id=bindparam("agent"), worker_id=bindparam("worker"))
)
_CHANGE_AGENT = (
    update(t.agents)
    .where(t.agents.c.agent_id == bindparam("id"), t.agents.c.status == bindparam("before"))
    .values(status=bindparam("after"), unit_id=bindparam("unit"))
)
_CHANGE_PAY = update(t.units).where(t.units.c.unit_id == bindparam("id")).values(pay_amount=bindparam("pay"))
_ADD_REVIEWS = BulkInsert(
    t.reviews,
    "review_id", "task_run_id", "unit_id", "agent_id", "worker_id", "before", "after", "note", "message", "who", "at",
    "reward_payment_id", "bonus_payment_id", "effects", "undoes",
)  # fmt: skip
_CHANGE_PAYMENT = (
    update(t.payments)
    .where(t.payments.c.payment_id == bindparam("id"), t.payments.c.status == bindparam("before"))
    .values(status=bindparam("after"), sent_at=bindparam("sent_at"))
)
_CHANGE_ONBOARDING = (
    update(t.onboarding_agents)
    .where(t.onboarding_agents.c.agent_id == bindparam("id"), t.onboarding_agents.c.status == bindparam("before"))
    .values(status=bindparam("after"))
)
_CHANGE_DEADLINE, _CHANGE_ONBOARDING_DEADLINE = (
    update(table).where(table.c.agent_id == bindparam("id")).values(deadline=bindparam("at"))
    for table in (t.agents, t.onboarding_agents)
)


def apply_changes(connection: Connection, changes: c.Changes) -> None:
    """Write one run's changes inside the caller's transaction.

    Raises
    ------
    ConflictError
        A row was not in the status that a change starts from.
    """
    by_kind: dict[type, list[Any]] = defaultdict(list)
    for change in changes.changes:
        by_kind[type(change)].append(change)
    for kind, write in _ORDER:
        if found := by_kind.get(kind):
            write(connection, changes.task_run_id, found)
    write_events(connection, changes.task_run_id, changes.events)
    _write_link(connection, changes)


def write_events(connection: Connection, task_run_id: str | None, events: Iterable[Event]) -> None:
    """Add rows to the event log; what is of no run has None for its run."""
    _ADD_EVENTS(connection, (_event_row(task_run_id, event) for event in events))


def _event_row(run: str | None, event: Event) -> tuple[Any, ...]:
    detail = None if event.detail is None else dump(event.detail)
    words = (make_storable(event.why), make_storable(event.who), detail)
    return (run, event.at, event.subject, make_storable(event.subject_id), event.before, event.after, *words)


def run_row(run: TaskRun) -> JSONObject:
    """Return the row of a new run."""
    return {
        "task_run_id": run.task_run_id,
        "task_id": run.task_id,
        "requester_id": run.requester_id,
        "blueprint_type": run.blueprint_type,
        "architect_type": run.architect_type,
        "provider_type": run.provider_type,
        "config": dump(run.config),
        "qualifications": dump(run.qualifications),
        "created_at": run.created_at,
        "opened_at": run.opened_at,
        "ended_at": run.ended_at,
        "generator_done": run.generator_done,
        "currency": run.currency,
        **_steering_row(run.steering),
        **asdict(run.service),
    }


def _steering_row(steering: Steering) -> JSONObject:
    return {one.name: _stored(getattr(steering, one.name)) for one in fields(steering)}


def _stored(value: Any) -> Any:
    return value.thousandths if isinstance(value, Money) else value


def _insert(connection: Connection, table: Any, rows: Iterable[JSONObject]) -> None:
    if found := list(rows):
        connection.execute(insert(table), found)


def _update(connection: Connection, statement: Executable, rows: Sequence[JSONObject], what: str) -> None:
    # SQLAlchemy gives a CursorResult for DML, whose rowcount adds up over all rows.
    result: Any = connection.execute(statement, rows)
    if result.rowcount != len(rows):
        raise ConflictError(
            f"{len(rows) - result.rowcount} of {len(rows)} {what} were changed by somebody else in the meantime."
        )


# -- units and agents


def _add_assignments(connection: Connection, run: str | None, found: list[c.AddAssignments]) -> None:
    assignments = (assignment for change in found for assignment in change.assignments)
    _ADD_ASSIGNMENTS(
        connection, ((a.assignment_id, run, a.index, dump(a.shared), dump(a.unit_data)) for a in assignments)
    )
    _ADD_UNITS(connection, (_unit_row(run, unit) for change in found for unit in change.units))


def _unit_row(run: str | None, unit: Unit) -> tuple[Any, ...]:
    holder = (unit.agent_id, unit.worker_id)
    return (
        unit.unit_id,
        unit.assignment_id,
        run,
        unit.unit_index,
        unit.pay_amount.thousandths,
        unit.status.value,
        *holder,
    )


def _add_workers(connection: Connection, run: str | None, found: list[c.AddWorker]) -> None:
    _insert(connection, t.workers, ({**asdict(add.worker), "created_at": add.created_at} for add in found))


def _set_real(connection: Connection, run: str | None, found: list[c.SetReal]) -> None:
    for change in found:
        ours = t.workers.c.worker_id == change.worker_id
        connection.execute(update(t.workers).where(ours).values(is_simulated=False))


def _agent_row(run: str | None, agent: Agent) -> JSONObject:
    return {
        "agent_id": agent.agent_id,
        "unit_id": agent.unit_id,
        "task_run_id": run,
        "worker_id": agent.worker_id,
        "registration_id": agent.registration_id,
        "status": agent.status.value,
        "accepted_at": agent.accepted_at,
        "deadline": agent.deadline,
        "visit_id": agent.visit_id,
    }


def _add_agents(connection: Connection, run: str | None, found: list[c.AddAgent]) -> None:
    _insert(connection, t.agents, (_agent_row(run, add.agent) for add in found))


def _change_units(connection: Connection, run: str | None, found: list[c.ChangeUnit]) -> None:
    rows = [
        {"id": u.unit_id, "before": u.before.value, "after": u.after.value, "agent": u.agent_id, "worker": u.worker_id}
        for u in found
    ]
    _update(connection, _CHANGE_UNIT, rows, "units")


def _change_agents(connection: Connection, run: str | None, found: list[c.ChangeAgent]) -> None:
    rows = [{"id": a.agent_id, "before": a.before.value, "after": a.after.value, "unit": a.unit_id} for a in found]
    _update(connection, _CHANGE_AGENT, rows, "agents")


def _change_deadlines(connection: Connection, run: str | None, found: list[c.ChangeDeadline]) -> None:
    rows = [{"id": change.agent_id, "at": change.deadline} for change in found]
    for is_onboarding, statement in ((False, _CHANGE_DEADLINE), (True, _CHANGE_ONBOARDING_DEADLINE)):
        if some := [row for row in rows if str(row["id"]).startswith(ONBOARDING_PREFIX) is is_onboarding]:
            _update(connection, statement, some, "agents")


def _change_pay(connection: Connection, run: str | None, found: list[c.ChangePay]) -> None:
    # In their order: a unit may be in several of these.
    for change in found:
        if change.unit_ids:
            rows = [{"id": unit_id, "pay": change.pay_amount.thousandths} for unit_id in change.unit_ids]
            _update(connection, _CHANGE_PAY, rows, "units")


# -- what they said


def _submission_row(submission: Submission, text: str) -> JSONObject:
    return {
        "agent_id": submission.agent_id,
        "data": text,
        "files": dump(submission.files),
        "received_at": t.NOBODY_KNOWS if submission.received_at is None else submission.received_at,
    }


def _add_submissions(connection: Connection, run: str | None, found: list[c.AddSubmission]) -> None:
    texts = [pack(add.submission.data, add.submission.asked, dump) for add in found]
    both = list(zip((add.submission for add in found), texts, strict=True))
    _insert(connection, t.submissions, (_submission_row(submission, text) for submission, (text, _) in both))
    aside = [(submission, rest) for submission, (_, rest) in both if rest is not None]
    if aside:
        rows = (
            {"agent_id": one.agent_id, "sender": t.SET_ASIDE, "data": rest, "at": one.received_at or t.NOBODY_KNOWS}
            for one, rest in aside
        )
        _insert(connection, t.live_updates, rows)


def _add_metadata(connection: Connection, run: str | None, found: list[c.AddMetadata]) -> None:
    rows = ({"agent_id": m.agent_id, "data": dump(m.data), "received_at": m.received_at} for m in found)
    _insert(connection, t.agent_metadata, rows)


def _add_live_updates(connection: Connection, run: str | None, found: list[c.AddLiveUpdate]) -> None:
    rows = ({"agent_id": u.agent_id, "sender": u.sender, "data": dump(u.data), "at": u.at} for u in found)
    _insert(connection, t.live_updates, rows)


# -- payments, decisions, grants and blocks


def _add_payments(connection: Connection, run: str | None, found: list[c.AddPayment]) -> None:
    rows = [_payment_row(add.payment) for add in found]
    # A payment whose key is known already is left out.
    connection.execute(INSERT[connection.dialect.name](t.payments).on_conflict_do_nothing(), rows)


def _payment_row(payment: Payment) -> JSONObject:
    row = {one.name: _stored(getattr(payment, one.name)) for one in fields(payment)}
    about = {"kind": payment.kind.value, "status": payment.status.value, "currency": payment.amount.currency}
    return row | about


def _change_payments(connection: Connection, run: str | None, found: list[c.ChangePayment]) -> None:
    for change in found:
        check_payment_transition(change.payment_id, change.before, change.after, "a step of its run")
    rows = [{"id": p.payment_id, "before": p.before.value, "after": p.after.value, "sent_at": p.sent_at} for p in found]
    _update(connection, _CHANGE_PAYMENT, rows, "payments")


def _add_reviews(connection: Connection, run: str | None, found: list[c.AddReview]) -> None:
    _ADD_REVIEWS(connection, (_review_row(run, add.review) for add in found))


def _review_row(run: str | None, review: Review) -> tuple[Any, ...]:
    words = (make_storable(text) for text in (review.note, review.message, review.who))
    about = (review.review_id, run, review.unit_id, review.agent_id, review.worker_id)
    came_with = (review.reward_payment_id, review.bonus_payment_id, dump(review.effects), review.undoes)
    return (*about, review.before.value, review.after.value, *words, review.at, *came_with)


def _set_grants(connection: Connection, run: str | None, found: list[c.SetGrant]) -> None:
    # In their order: a worker may be granted and lose the same thing.
    for change in found:
        if change.value is None:
            _take_back(connection, change.qualification_name, change.worker_id)
        else:
            _grant(connection, change.qualification_name, change.worker_id, change.value, change.at)


def _take_back(connection: Connection, name: str, worker_id: str) -> None:
    g, q = t.granted_qualifications, t.qualifications.c
    known = select(q.qualification_id).where(q.qualification_name == name).scalar_subquery()
    connection.execute(delete(g).where(g.c.worker_id == worker_id, g.c.qualification_id == known))


def _grant(connection: Connection, name: str, worker_id: str, value: int, at: float | None) -> None:
    """Grant a value of a qualification, which is made if it is new."""
    made = {"qualification_id": new_id(), "description": ""}
    qualification = find_or_add(connection, t.qualifications, {"qualification_name": name}, made)
    g = t.granted_qualifications
    key = {"worker_id": worker_id, "qualification_id": qualification.qualification_id}
    new = {"value": value, "granted_at": steady_time.now() if at is None else at}
    if find_or_add(connection, g, key, new).value != value:
        ours = g.c.worker_id == worker_id, g.c.qualification_id == qualification.qualification_id
        connection.execute(update(g).where(*ours).values(**new))


def _set_blocked(connection: Connection, run: str | None, found: list[c.SetBlocked]) -> None:
    for change in found:
        ours = t.workers.c.worker_id == change.worker_id
        connection.execute(update(t.workers).where(ours).values(blocked=change.blocked))


# -- gates


def _add_onboarding(connection: Connection, run: str | None, found: list[c.AddOnboarding]) -> None:
    rows = [{**asdict(add.agent), "status": add.agent.status.value, "task_run_id": run} for add in found]
    for row in rows:
        row["data"] = None if row["submitted_at"] is None else dump(row["data"])
    connection.execute(insert(t.onboarding_agents), rows)


def _change_onboarding(connection: Connection, run: str | None, found: list[c.ChangeOnboarding]) -> None:
    for one in found:
        values = {"id": one.agent_id, "before": one.before.value, "after": one.after.value}
        if connection.execute(_CHANGE_ONBOARDING, values).rowcount != 1:
            raise ConflictError(f"Onboarding agent {one.agent_id!r} was changed by somebody else in the meantime.")


def _add_onboarding_answers(connection: Connection, run: str | None, found: list[c.AddOnboardingAnswer]) -> None:
    o = t.onboarding_agents
    for one in found:
        values = {"data": dump(one.data), "submitted_at": one.received_at}
        connection.execute(update(o).where(o.c.agent_id == one.agent_id).values(**values))


def _add_gate_units(connection: Connection, run: str | None, found: list[c.AddGateUnit]) -> None:
    rows = [
        {
            "unit_id": unit.unit_id,
            "task_run_id": run,
            "worker_id": unit.worker_id,
            "gate": unit.gate.value,
            "row_key": unit.row.key,
            "row": dump(unit.row.row),
        }
        for unit in (add.unit for add in found)
    ]
    connection.execute(insert(t.gate_units), rows)


def _add_verdicts(connection: Connection, run: str | None, found: list[c.AddVerdict]) -> None:
    rows = [
        {**asdict(verdict), "gate": verdict.gate.value, "detail": dump(verdict.detail), "task_run_id": run}
        for verdict in (add.verdict for add in found)
    ]
    connection.execute(insert(t.verdicts), rows)


def _hold_arrivals(connection: Connection, run: str | None, found: list[c.HoldArrival]) -> None:
    rows = [{**asdict(hold.arrival), "captured": dump(hold.arrival.captured), "task_run_id": run} for hold in found]
    connection.execute(insert(t.held_arrivals), rows)


def _release_arrivals(connection: Connection, run: str | None, found: list[c.ReleaseArrivals]) -> None:
    ids = [request_id for release in found for request_id in release.request_ids]
    for some in in_chunks(ids):
        connection.execute(delete(t.held_arrivals).where(t.held_arrivals.c.request_id.in_(some)))


# -- the run itself, and its link


def _set_run(connection: Connection, run: str | None, **values: object) -> None:
    statement = update(t.task_runs).where(t.task_runs.c.task_run_id == run).values(**values)
    if connection.execute(statement).rowcount != 1:
        raise ConflictError(f"Task run {run!r} is no longer in this database: somebody took it back.")


def _reopen_run(connection: Connection, run: str | None, change: c.ReopenRun) -> None:
    values: dict[str, object] = {"ended_at": None, "opened_at": change.opened_at}
    if change.budget is not None:
        query = select(t.task_runs.c.config).where(t.task_runs.c.task_run_id == run)
        config = json.loads(connection.execute(query).scalar_one_or_none() or "{}")
        config.setdefault("mephisto", {}).setdefault("task", {})["budget"] = change.budget
        values["config"] = dump(config)
    _set_run(connection, run, **values)


def _write_link(connection: Connection, changes: c.Changes) -> None:
    run, values = changes.task_run_id, {}
    packets = [
        {"task_run_id": run, "n": n, "packet": packet.to_stored_text()}
        for n, packet in enumerate(changes.packets, start=changes.first_n)
    ]
    _insert(connection, t.outbox, packets)
    if packets:
        values["last_n"] = packets[-1]["n"]
    if changes.last_seq is not None:
        values["last_seq"] = changes.last_seq
        if changes.era is not None:
            values["era"] = changes.era
    if values:
        _set_run(connection, run, **values)
    if changes.delivered_n is not None:
        connection.execute(delete(t.outbox).where(t.outbox.c.task_run_id == run, t.outbox.c.n <= changes.delivered_n))


_Writer = Callable[[Connection, str | None, list[Any]], None]

_ORDER: tuple[tuple[type, _Writer], ...] = (
    (c.AddRun, lambda connection, run, found: _insert(connection, t.task_runs, (run_row(add.run) for add in found))),
    (c.AddWorker, _add_workers),
    (c.SetReal, _set_real),
    (c.AddAssignments, _add_assignments),
    (c.AddGateUnit, _add_gate_units),
    (c.AddVisit, visits.add_visits),
    (c.EndVisit, visits.end_visits),
    (c.ChangeVisitDeadline, visits.change_visit_deadlines),
    (c.NoteVisitTold, visits.note_visits_told),
    (c.AwaitVouching, visits.await_vouching),
    (c.EndVouching, visits.end_vouching),
    (c.AddAgent, _add_agents),
    (c.ChangeAgent, _change_agents),
    (c.ChangeDeadline, _change_deadlines),
    (c.ChangeUnit, _change_units),
    (c.ChangePay, _change_pay),
    (c.AddSubmission, _add_submissions),
    (c.AddMetadata, _add_metadata),
    (c.AddLiveUpdate, _add_live_updates),
    (c.AddPayment, _add_payments),
    (c.ChangePayment, _change_payments),
    (c.AddReview, _add_reviews),
    (c.SetGrant, _set_grants),
    (c.SetBlocked, _set_blocked),
    (c.AddOnboarding, _add_onboarding),
    (c.ChangeOnboarding, _change_onboarding),
    (c.AddOnboardingAnswer, _add_onboarding_answers),
    (c.AddVerdict, _add_verdicts),
    (c.HoldArrival, _hold_arrivals),
    (c.ReleaseArrivals, _release_arrivals),
    (c.GeneratorDone, lambda connection, run, found: _set_run(connection, run, generator_done=True)),
    (c.Steer, lambda connection, run, found: _set_run(connection, run, **_steering_row(found[-1].steering))),
    (c.Serve, lambda connection, run, found: _set_run(connection, run, **asdict(found[-1].service))),
    (c.EndRun, lambda connection, run, found: _set_run(connection, run, ended_at=found[-1].ended_at)),
    (
        c.ReopenRun,
        lambda connection, run, found: _reopen_run(connection, run, found[-1]),
    ),
)
