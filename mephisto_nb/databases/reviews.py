"""Decisions on answers, and the payments that come with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.money import dollars
from mephisto_nb.model.records import Agent, Unit
from mephisto_nb.model.reviews import KeptReview, Review
from mephisto_nb.model.states import AgentStatus, PaymentStatus, UnitStatus
from mephisto_nb.storage import tables as t
from mephisto_nb.utils.garbage import no_collection

#: Databases limit how many values one statement may hold.
_CHUNK = 500


def read_reviews(connection: Connection, run_ids: Sequence[str] | None) -> list[JSONObject]:
    """Give one row a decision, oldest first."""
    r, undoing = t.reviews.c, t.reviews.alias("undoing")
    query = (
        select(
            r.review_id, r.task_run_id, r.unit_id, r.agent_id, r.worker_id, t.workers.c.worker_name, r.before, r.after,
            r.note, r.message, t.payments.c.amount.label("bonus"), r.bonus_payment_id, r.reward_payment_id, r.effects,
            r.who, r.at, r.undoes, undoing.c.review_id.label("undone_by"),
        )
        .join(t.workers, t.workers.c.worker_id == r.worker_id)
        .outerjoin(t.payments, t.payments.c.payment_id == r.bonus_payment_id)
        .outerjoin(undoing, undoing.c.undoes == r.review_id)
        .order_by(r.at, r.review_id)
    )  # fmt: skip
    if run_ids is not None:
        query = query.where(r.task_run_id.in_(run_ids))
    result = connection.execute(query)
    names = tuple(result.keys())  # quicker by far than SQLAlchemy's own mappings
    with no_collection():
        rows = [dict(zip(names, row, strict=True)) for row in result]
    for row in rows:
        effects = row.pop("effects")
        parsed = json.loads(effects) if effects != "{}" else {}
        row["granted"] = {name: value for name, (value, _) in parsed.get("granted", {}).items()} or None
        row["blocked"] = bool(parsed.get("blocked"))
    return rows


def count_reviews(connection: Connection) -> int:
    """Count the decisions of all runs."""
    return connection.execute(select(func.count()).select_from(t.reviews)).scalar_one()


def find_kept_reviews(connection: Connection, run_id: str, unit_ids: Sequence[str]) -> dict[str, KeptReview]:
    """Give the latest decision of each unit that neither was undone nor undoes another."""
    r, undoing = t.reviews.c, t.reviews.alias("undoing")
    query = (
        select(t.reviews)
        .outerjoin(undoing, undoing.c.undoes == r.review_id)
        .where(r.task_run_id == run_id, r.undoes.is_(None), undoing.c.review_id.is_(None))
        .order_by(r.at, r.review_id)
    )
    found = {row.unit_id: _to_review(row) for row in _in_chunks(connection, query, r.unit_id, unit_ids)}
    ids = [id_ for one in found.values() for id_ in (one.reward_payment_id, one.bonus_payment_id) if id_]
    p = t.payments.c
    query = select(p.payment_id, p.status, p.amount)
    paid = {row.payment_id: row for row in _in_chunks(connection, query, p.payment_id, ids)}
    return {unit_id: _to_kept(review, paid) for unit_id, review in found.items()}


def read_payment_statuses(connection: Connection, payment_ids: Sequence[str]) -> dict[str, PaymentStatus]:
    """Give how payments stand, by their ids."""
    p = t.payments.c
    rows = _in_chunks(connection, select(p.payment_id, p.status), p.payment_id, payment_ids)
    return {row.payment_id: PaymentStatus(row.status) for row in rows}


def read_payers(connection: Connection, payment_ids: Sequence[str]) -> dict[str, str]:
    """Give who has noted payments as sent, the latest of each."""
    e = t.events.c
    query = (
        select(e.subject_id, e.who)
        .where(e.subject == "payment", e.after == PaymentStatus.SENT.value)
        .order_by(e.event_id)
    )
    return {row.subject_id: row.who for row in _in_chunks(connection, query, e.subject_id, payment_ids)}


def _to_kept(review: Review, paid: dict[str, Row[Any]]) -> KeptReview:
    rows = [paid[id_] for id_ in (review.reward_payment_id, review.bonus_payment_id) if id_]
    statuses = {row.payment_id: PaymentStatus(row.status) for row in rows}
    return KeptReview(review, statuses, {row.payment_id: row.amount for row in rows})


def _to_review(row: Row[Any]) -> Review:
    return Review(
        review_id=row.review_id,
        unit_id=row.unit_id,
        agent_id=row.agent_id,
        worker_id=row.worker_id,
        before=UnitStatus(row.before),
        after=UnitStatus(row.after),
        note=row.note,
        message=row.message,
        who=row.who,
        at=row.at,
        reward_payment_id=row.reward_payment_id,
        bonus_payment_id=row.bonus_payment_id,
        effects=json.loads(row.effects),
        undoes=row.undoes,
    )


def load_answers(connection: Connection, run_id: str, unit_ids: Sequence[str]) -> tuple[list[Unit], list[Agent]]:
    """Read some units of a run, and the agents that hold them."""
    u, a = t.units.c, t.agents.c
    query = select(
        u.unit_id, u.assignment_id, u.unit_index, u.pay_amount, u.status, u.agent_id, u.worker_id,
        a.registration_id, a.status.label("agent_status"), a.accepted_at, a.deadline,
    ).outerjoin(t.agents, a.agent_id == u.agent_id).where(u.task_run_id == run_id)  # fmt: skip
    units, agents = [], []
    for row in _in_chunks(connection, query, u.unit_id, unit_ids):
        id_, assignment, index, pay, status, agent, worker, *of_agent = tuple(row)
        units.append(Unit(id_, assignment, index, pay, UnitStatus(status), agent, worker))
        registration, agent_status, accepted, deadline = of_agent
        if agent_status is not None:
            agents.append(Agent(agent, id_, worker, registration, AgentStatus(agent_status), accepted, deadline))
    return units, agents


def settle_payments(
    connection: Connection,
    payment_ids: Sequence[str],
    before: PaymentStatus,
    after: PaymentStatus,
    at: float,
    who: str,
) -> set[str]:
    """Bring payments from one status to another, and tell which were; each leaves a row in the event log."""
    p = t.payments.c
    settled: set[str] = set()
    query = select(p.payment_id, p.task_run_id, p.worker_id, p.amount, p.kind).where(p.status == before.value)
    for row in list(_in_chunks(connection, query, p.payment_id, payment_ids)):
        change: Any = connection.execute(
            update(t.payments)
            .where(p.payment_id == row.payment_id, p.status == before.value)
            .values(status=after.value, sent_at=at if after is PaymentStatus.SENT else None)
        )
        if change.rowcount:
            settled.add(row.payment_id)
            why = f"{row.kind} of {dollars(row.amount)}: {after.value}"
            about = {"subject": "payment", "subject_id": row.payment_id, "before": before.value, "after": after.value}
            connection.execute(insert(t.events).values(task_run_id=row.task_run_id, at=at, why=why, who=who, **about))
    return settled


def _in_chunks(connection: Connection, query: Select[Any], column: Any, ids: Sequence[str]) -> Iterator[Row[Any]]:
    for start in range(0, len(ids), _CHUNK):
        yield from connection.execute(query.where(column.in_(ids[start : start + _CHUNK])))
