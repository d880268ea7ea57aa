"""Visits in SQL: how they are written by a run's steps, and read again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, update

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConflictError
from mephisto_nb.model import changes as c
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.states import PAYMENT_OF_WORK, PaymentStatus, UnitStatus
from mephisto_nb.model.visits import BookedPay, Short, UnvouchedArrival, Visit, VisitBooks, VisitStanding
from mephisto_nb.rules.visit_pay import is_accepted, is_decided
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.tables import dump, in_chunks, read_money

_END_VISIT = (
    update(t.visits)
    .where(t.visits.c.visit_id == bindparam("id"), t.visits.c.ended_at.is_(None))
    .values(ended_at=bindparam("at"), outcome=bindparam("how"), short=bindparam("is_short"), why=bindparam("because"))
)
_CHANGE_DEADLINE = update(t.visits).where(t.visits.c.visit_id == bindparam("id")).values(deadline=bindparam("at"))
_NOTE_TOLD = update(t.visits).where(t.visits.c.visit_id == bindparam("id")).values(told_at=bindparam("at"))


# -- writing


def add_visits(connection: Connection, run: str | None, found: list[c.AddVisit]) -> None:
    """Store new visits as they are at the end of their step."""
    connection.execute(insert(t.visits), [{**_row(add.visit), "task_run_id": run} for add in found])


def _row(visit: Visit) -> JSONObject:
    row = asdict(visit) | {"captured": dump(visit.captured), "reward": visit.reward.thousandths}
    del row["done"]
    row["outcome"] = None if visit.outcome is None else visit.outcome.value
    row["short"] = None if visit.short is None else visit.short.value
    return row


def end_visits(connection: Connection, run: str | None, found: list[c.EndVisit]) -> None:
    """Store how visits have ended. Raises `ConflictError` where one had ended already."""
    for end in found:
        short = None if end.short is None else end.short.value
        values = {"id": end.visit_id, "at": end.ended_at, "how": end.outcome.value, "is_short": short}
        if connection.execute(_END_VISIT, {**values, "because": end.why}).rowcount != 1:
            raise ConflictError(f"Visit {end.visit_id!r} was ended by somebody else in the meantime.")


def change_visit_deadlines(connection: Connection, run: str | None, found: list[c.ChangeVisitDeadline]) -> None:
    """Store until when visits may last."""
    connection.execute(_CHANGE_DEADLINE, [{"id": change.visit_id, "at": change.deadline} for change in found])


def note_visits_told(connection: Connection, run: str | None, found: list[c.NoteVisitTold]) -> None:
    """Store that the crowd was told of visits' ends."""
    connection.execute(_NOTE_TOLD, [{"id": told.visit_id, "at": told.told_at} for told in found])


def await_vouching(connection: Connection, run: str | None, found: list[c.AwaitVouching]) -> None:
    """Store pages that wait until their crowd was asked about them."""
    rows = [{**asdict(wait.arrival), "data": dump(wait.arrival.data), "task_run_id": run} for wait in found]
    connection.execute(insert(t.unvouched_arrivals), rows)


def end_vouching(connection: Connection, run: str | None, found: list[c.EndVouching]) -> None:
    """Forget pages whose crowd was asked about them."""
    for some in in_chunks([request_id for end in found for request_id in end.request_ids]):
        connection.execute(delete(t.unvouched_arrivals).where(t.unvouched_arrivals.c.request_id.in_(some)))


def keep_crowd_memory(connection: Connection, run: str, values: Mapping[str, object]) -> None:
    """Store values beside those that a run's recruiter has kept."""
    m = t.crowd_memory.c
    found = connection.execute(select(m.data).where(m.task_run_id == run).with_for_update()).scalar_one_or_none()
    if found is None:
        connection.execute(insert(t.crowd_memory), {"task_run_id": run, "data": dump(dict(values))})
    else:
        kept = dump({**json.loads(found), **values})
        connection.execute(update(t.crowd_memory).where(m.task_run_id == run).values(data=kept))


# -- reading


def read_crowd_memory(connection: Connection, run: str) -> JSONObject:
    """Return what a run's recruiter has kept."""
    query = select(t.crowd_memory.c.data).where(t.crowd_memory.c.task_run_id == run)
    found = connection.execute(query).scalar_one_or_none()
    kept: JSONObject = {} if found is None else json.loads(found)
    return kept


def load_visits(connection: Connection, run: str) -> list[Visit]:
    """Return the visits of a run, the first to begin first; how many units were sent is not counted."""
    return [_to_visit(*row) for row in connection.execute(_select_whole(run))]


def _select_whole(run: str) -> Select[Any]:
    v = t.visits.c
    return (
        select(
            v.visit_id, v.worker_id, v.registration_id, v.captured, t.task_runs.c.currency, v.reward, v.asked,
            v.begun_at, v.deadline, v.ended_at, v.outcome, v.short, v.why, v.told_at,
        )
        .join(t.task_runs, t.task_runs.c.task_run_id == v.task_run_id)
        .where(v.task_run_id == run)
        .order_by(v.begun_at, v.visit_id)
    )  # fmt: skip


def load_books(
    connection: Connection, run: str, visit_ids: Sequence[str]
) -> tuple[list[Visit], list[VisitBooks], list[str]]:
    """Return visits of a run, what was booked for each, and the units done in them; `done` is not counted."""
    visits, units, booked = list[Visit](), list[str](), dict[str, list[BookedPay]]()
    a, u, p = t.agents.c, t.units.c, t.payments.c
    for some in in_chunks(visit_ids):
        whole = _select_whole(run).where(t.visits.c.visit_id.in_(some))
        visits += [_to_visit(*row) for row in connection.execute(whole)]
        done = select(u.unit_id).join(t.agents, u.agent_id == a.agent_id).where(a.visit_id.in_(some))
        units += connection.execute(done).scalars()
        paid = select(p.visit_id, p.payment_id, p.amount, p.currency, p.status, p.key)
        paid = paid.where(p.visit_id.in_(some), p.kind.in_(sorted(PAYMENT_OF_WORK))).order_by(
            p.created_at, p.payment_id
        )
        for visit_id, payment_id, amount, currency, status, key in connection.execute(paid):
            number = int(key.rpartition(":")[2])
            pay = BookedPay(payment_id, number, read_money(amount, currency), PaymentStatus(status))
            booked.setdefault(visit_id, []).append(pay)
    books = [VisitBooks(one.visit_id, tuple(booked.get(one.visit_id, ()))) for one in visits]
    return visits, books, units


def find_visits(connection: Connection, run: str, unit_ids: Sequence[str]) -> list[str]:
    """Return the visits in which some units of a run were done."""
    a, u, found = t.agents.c, t.units.c, dict[str, None]()
    for some in in_chunks(unit_ids):
        query = select(a.visit_id).join(t.units, u.agent_id == a.agent_id)
        query = query.where(u.task_run_id == run, u.unit_id.in_(some), a.visit_id.is_not(None))
        found |= dict.fromkeys(connection.execute(query).scalars())
    return list(found)


def _to_visit(id_: str, worker: str, registration: str, captured: str, currency: str, reward: int, *rest: Any) -> Visit:
    asked, begun_at, deadline, ended_at, outcome, short, why, told_at = rest
    how = None if outcome is None else Outcome(outcome)
    is_short = None if short is None else Short(short)
    about = (asked, begun_at, deadline, ended_at, how, is_short, why, told_at)
    return Visit(id_, worker, registration, json.loads(captured), *about, reward=read_money(reward, currency))


def load_unvouched(connection: Connection, run: str) -> list[UnvouchedArrival]:
    """Return the pages of a run that wait until their crowd was asked about them, the first to come first."""
    u = t.unvouched_arrivals.c
    query = select(u.request_id, u.data, u.asked_at).where(u.task_run_id == run).order_by(u.asked_at, u.request_id)
    return [UnvouchedArrival(id_, json.loads(data), at) for id_, data, at in connection.execute(query)]


def select_visits(run_ids: Sequence[str]) -> Select[Any]:
    """Select one row a visit, with its worker's name and how many of its units were sent."""
    v, a = t.visits.c, t.agents.c
    sent = (
        select(a.visit_id, func.count().label("done"))
        .join(t.submissions, t.submissions.c.agent_id == a.agent_id)
        .where(a.task_run_id.in_(run_ids), a.visit_id.is_not(None))
        .group_by(a.visit_id)
        .subquery()
    )
    return (
        select(
            v.visit_id, v.task_run_id, t.workers.c.worker_name, v.registration_id, v.asked,
            func.coalesce(sent.c.done, 0).label("done"), v.begun_at, v.deadline, v.ended_at, v.outcome, v.short, v.why,
            v.told_at, v.reward, t.task_runs.c.currency, v.captured, v.worker_id,
        )
        .join(t.workers, t.workers.c.worker_id == v.worker_id)
        .join(t.task_runs, t.task_runs.c.task_run_id == v.task_run_id)
        .outerjoin(sent, sent.c.visit_id == v.visit_id)
        .where(v.task_run_id.in_(run_ids))
        .order_by(v.begun_at, v.visit_id)
    )  # fmt: skip


def read_visits(connection: Connection, run_ids: Sequence[str]) -> list[JSONObject]:
    """Return the rows of `select_visits`, their JSON parsed."""
    rows = [dict(row) for row in connection.execute(select_visits(run_ids)).mappings()]
    for row in rows:
        row["captured"], row["reward"] = json.loads(row["captured"]), read_money(row["reward"], row["currency"])
    return rows


def load_standings(
    connection: Connection, run_ids: Sequence[str], *, people_only: bool = False
) -> list[tuple[str, str, str, VisitStanding]]:
    """Return how visits stand, each with the ids of its run, its own, and its worker's; perhaps without programs'."""
    a, u, p = t.agents.c, t.units.c, t.payments.c
    visits = select_visits(run_ids)
    if people_only:
        visits = visits.where(~t.workers.c.is_simulated)
    rows = connection.execute(visits).all()
    if not rows:
        return []
    is_real = (u.unit_index >= 0).label("is_real")
    units = (
        select(a.visit_id, u.status, is_real, func.count())
        .join(t.units, u.agent_id == a.agent_id)
        .where(a.task_run_id.in_(run_ids), a.visit_id.is_not(None))
        .group_by(a.visit_id, u.status, is_real)
    )
    counts: dict[str, list[tuple[UnitStatus, bool, int]]] = {}
    for visit_id, status, real, number in connection.execute(units):
        counts.setdefault(visit_id, []).append((UnitStatus(status), bool(real), number))
    paid = select(p.visit_id).where(p.task_run_id.in_(run_ids), p.visit_id.is_not(None), t.COUNTS_AS_PAY)
    booked = set(connection.execute(paid).scalars())
    return [
        (row.task_run_id, row.visit_id, row.worker_id, _standing(row, counts.get(row.visit_id, ()), booked))
        for row in rows
    ]


def _standing(row: Any, counts: Sequence[tuple[UnitStatus, bool, int]], booked: set[str]) -> VisitStanding:
    def number(is_it: Callable[[UnitStatus, bool], bool]) -> int:
        return sum(count for status, real, count in counts if is_it(status, real))

    return VisitStanding(
        reward=read_money(row.reward, row.currency),
        asked=row.asked,
        done=row.done,
        accepted=number(lambda one, real: is_accepted(one, is_real=real)),
        decided=number(lambda one, real: is_decided(one, is_real=real)),
        waiting=number(lambda one, real: real and one is UnitStatus.COMPLETED),
        at_work=number(lambda one, _: one is UnitStatus.ASSIGNED),
        outcome=None if row.outcome is None else Outcome(row.outcome),
        short=None if row.short is None else Short(row.short),
        is_booked=row.visit_id in booked,
    )
