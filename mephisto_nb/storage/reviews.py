"""Reviews in SQL: decisions on answers, and the payments that come with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, Event, KnownPayment, RunPay, Unit
from mephisto_nb.model.reviews import KeptReview, Review
from mephisto_nb.model.states import AgentStatus, PaymentStatus, UnitStatus, check_payment_transition
from mephisto_nb.model.visits import Visit, VisitBooks, VisitStanding
from mephisto_nb.ports.database import ReviewStore
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.apply import write_events
from mephisto_nb.storage.connect import Connections
from mephisto_nb.storage.payments import load_pay, load_payments
from mephisto_nb.storage.tables import in_chunks, read_fees, read_money
from mephisto_nb.storage.visits import find_visits, load_books, load_standings
from mephisto_nb.utils.garbage import no_collection


class SQLReviews(ReviewStore):
    """The part of a database that keeps decisions and payments."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    # -- decisions

    def read_reviews(self, task_run_ids: Sequence[str] | None) -> list[JSONObject]:
        """Return one row a decision, oldest first."""
        query = _select_reviews()
        if task_run_ids is not None:
            query = query.where(t.reviews.c.task_run_id.in_(task_run_ids))
        with self._connections.reading("Reading reviews") as connection:
            result = connection.execute(query)
            names = tuple(result.keys())  # quicker by far than SQLAlchemy's own mappings
            with no_collection():
                rows = [dict(zip(names, row, strict=True)) for row in result]
        for row in rows:
            row["bonus"] = read_fees(row["bonus"], row["currency"])
            effects = row.pop("effects")
            parsed = json.loads(effects) if effects != "{}" else {}
            row["granted"] = {name: value for name, (value, _) in parsed.get("granted", {}).items()} or None
            row["blocked"], row["category"] = bool(parsed.get("blocked")), str(parsed.get("category") or "")
        return rows

    def count_reviews(self) -> int:
        """Return how many decisions there are in all runs."""
        with self._connections.reading("Counting reviews") as connection:
            return connection.execute(select(func.count()).select_from(t.reviews)).scalar_one()

    def find_kept_reviews(self, task_run_id: str, unit_ids: Sequence[str]) -> dict[str, KeptReview]:
        """Return the latest decision of each unit that neither was undone nor undoes another."""
        r, undoing, p = t.reviews.c, t.reviews.alias("undoing"), t.payments.c
        reviews = (
            select(t.reviews)
            .outerjoin(undoing, undoing.c.undoes == r.review_id)
            .where(r.task_run_id == task_run_id, r.undoes.is_(None), undoing.c.review_id.is_(None))
            .order_by(r.at, r.review_id)
        )
        payments = select(p.payment_id, p.status, p.amount, p.currency)
        with self._connections.reading("Reading reviews") as connection:
            found = {row.unit_id: _to_review(row) for row in _select_in(connection, reviews, r.unit_id, unit_ids)}
            ids = [id_ for one in found.values() for id_ in (one.reward_payment_id, one.bonus_payment_id) if id_]
            paid = {row.payment_id: row for row in _select_in(connection, payments, p.payment_id, ids)}
        return {unit_id: _to_kept(review, paid) for unit_id, review in found.items()}

    def load_answers(self, task_run_id: str, unit_ids: Sequence[str]) -> tuple[list[Unit], list[Agent]]:
        """Return some units of a run, and the agents that hold them."""
        u, a = t.units.c, t.agents.c
        query = select(
            u.unit_id, u.assignment_id, u.unit_index, u.pay_amount, u.status, u.agent_id, u.worker_id,
            t.task_runs.c.currency, a.registration_id, a.status.label("agent_status"), a.accepted_at, a.deadline,
            a.visit_id,
        ).join(
            t.task_runs, t.task_runs.c.task_run_id == u.task_run_id
        ).outerjoin(t.agents, a.agent_id == u.agent_id).where(u.task_run_id == task_run_id)  # fmt: skip
        units, agents = [], []
        with self._connections.reading("Reading units") as connection:
            for row in _select_in(connection, query, u.unit_id, unit_ids):
                id_, assignment, index, pay, status, agent, worker, currency, *of_agent = tuple(row)
                pay_amount = read_money(pay, currency)
                units.append(Unit(id_, assignment, index, pay_amount, UnitStatus(status), agent, worker))
                registration, agent_status, accepted, deadline, visit = of_agent
                if agent_status is not None:
                    about = registration, AgentStatus(agent_status), accepted, deadline
                    agents.append(Agent(agent, id_, worker, *about, visit_id=visit))
        return units, agents

    def load_visit_books(
        self, task_run_id: str, unit_ids: Sequence[str]
    ) -> tuple[list[Visit], list[VisitBooks], list[str]]:
        """Return the visits in which some units were done, what was booked for each, and all units of these visits."""
        with self._connections.reading("Reading visits") as connection:
            return load_books(connection, task_run_id, find_visits(connection, task_run_id, unit_ids))

    # -- payments

    def settle_payments(
        self,
        payment_ids: Sequence[str],
        before: PaymentStatus,
        after: PaymentStatus,
        at: float,
        who: str,
        *,
        reference: str = "",
        fees: Mapping[str, Money] | None = None,
    ) -> set[str]:
        """Bring payments from one status to another, and return which were; each leaves a row in the event log."""
        check_payment_transition(", ".join(payment_ids[:1]), before, after, f"said {who}")
        p = t.payments.c
        query = select(p.payment_id, p.task_run_id, p.worker_id, p.amount, p.currency, p.kind)
        query = query.where(p.status == before.value)
        with self._connections.writing("Settling payments") as connection:
            found = list(_select_in(connection, query, p.payment_id, payment_ids))
            told = {id_: _told(reference, (fees or {}).get(id_)) for id_ in payment_ids}
            return {
                row.payment_id
                for row in found
                if _settle(connection, row, before, after, at, who, told[row.payment_id])
            }

    def read_payments(self, task_run_ids: Sequence[str] | None) -> list[JSONObject]:
        """Return one row a payment, in the order in which they came to be owed; None: of all runs, and of none."""
        p = t.payments.c
        query = (
            select(
                p.payment_id, p.task_run_id, p.worker_id, t.workers.c.worker_name, p.unit_id, p.kind, p.amount,
                p.fees, p.currency, p.reason, p.status, p.created_at, p.asked_at, p.sent_at, p.confirmed_at,
                p.reference, p.visit_id, p.key, t.visits.c.registration_id,
                t.workers.c.is_simulated.label("simulated"),
            )
            .join(t.workers, t.workers.c.worker_id == p.worker_id)
            .outerjoin(t.visits, t.visits.c.visit_id == p.visit_id)
            .order_by(p.created_at, p.payment_id)
        )  # fmt: skip
        if task_run_ids is not None:
            query = query.where(p.task_run_id.in_(task_run_ids))
        with self._connections.reading("Reading payments") as connection:
            return [_to_payment_row(dict(row)) for row in connection.execute(query).mappings()]

    def read_payment_statuses(self, payment_ids: Sequence[str]) -> dict[str, PaymentStatus]:
        """Return how payments stand, by their ids."""
        p = t.payments.c
        query = select(p.payment_id, p.status)
        with self._connections.reading("Reading payments") as connection:
            rows = _select_in(connection, query, p.payment_id, payment_ids)
            return {row.payment_id: PaymentStatus(row.status) for row in rows}

    def read_payers(self, payment_ids: Sequence[str]) -> dict[str, str]:
        """Return who has noted payments as sent, the latest of each."""
        e = t.events.c
        query = (
            select(e.subject_id, e.who)
            .where(e.subject == "payment", e.after == PaymentStatus.SENT.value)
            .order_by(e.event_id)
        )
        with self._connections.reading("Reading payments") as connection:
            return {row.subject_id: row.who for row in _select_in(connection, query, e.subject_id, payment_ids)}

    def load_payments(self, task_run_id: str) -> dict[str, KnownPayment]:
        """Return all payments of a run, by their keys, as they are added up."""
        with self._connections.reading("Reading payments") as connection:
            return load_payments(connection, task_run_id)

    def read_pay(self, task_run_ids: Sequence[str], *, people_only: bool = False) -> dict[str, RunPay]:
        """Count units, those of gates too, and visits by what they pay; and add up what is booked."""
        with self._connections.reading("Reading pay") as connection:
            return load_pay(connection, task_run_ids, people_only=people_only)

    def read_standings(self, task_run_ids: Sequence[str]) -> list[tuple[str, str, str, VisitStanding]]:
        """Return how visits stand, each with the ids of its run, its own, and its worker's."""
        with self._connections.reading("Reading visits") as connection:
            return load_standings(connection, task_run_ids)


def _to_payment_row(row: JSONObject) -> JSONObject:
    row["amount"], row["fees"] = read_money(row["amount"], row["currency"]), read_fees(row["fees"], row["currency"])
    return row


def _select_reviews() -> Select[Any]:
    r, undoing = t.reviews.c, t.reviews.alias("undoing")
    return (
        select(
            r.review_id, r.task_run_id, r.unit_id, r.agent_id, r.worker_id, t.workers.c.worker_name, r.before, r.after,
            r.note, r.message, t.payments.c.amount.label("bonus"), t.task_runs.c.currency,
            r.bonus_payment_id, r.reward_payment_id, r.effects,
            r.who, r.at, r.undoes, undoing.c.review_id.label("undone_by"),
        )
        .join(t.workers, t.workers.c.worker_id == r.worker_id)
        .join(t.task_runs, t.task_runs.c.task_run_id == r.task_run_id)
        .outerjoin(t.payments, t.payments.c.payment_id == r.bonus_payment_id)
        .outerjoin(undoing, undoing.c.undoes == r.review_id)
        .order_by(r.at, r.review_id)
    )  # fmt: skip


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


def _to_kept(review: Review, paid: dict[str, Row[Any]]) -> KeptReview:
    rows = [paid[id_] for id_ in (review.reward_payment_id, review.bonus_payment_id) if id_]
    statuses = {row.payment_id: PaymentStatus(row.status) for row in rows}
    return KeptReview(review, statuses, {row.payment_id: read_money(row.amount, row.currency) for row in rows})


def _settle(
    connection: Connection,
    row: Row[Any],
    before: PaymentStatus,
    after: PaymentStatus,
    at: float,
    who: str,
    told: Mapping[str, str | int],
) -> bool:
    p = t.payments.c
    change: Any = connection.execute(
        update(t.payments)
        .where(p.payment_id == row.payment_id, p.status == before.value)
        .values(status=after.value, **_times(after, at), **told)
    )
    if not change.rowcount:
        return False
    why = f"{row.kind} of {read_money(row.amount, row.currency)}: {after.value}"
    event = Event(at, "payment", row.payment_id, before.value, after.value, why, who)
    write_events(connection, row.task_run_id, [event])
    return True


def _told(reference: str, fees: Money | None) -> dict[str, str | int]:
    """Return what is to be kept of what a crowd has told of a payment."""
    told: dict[str, str | int] = {"reference": reference} if reference else {}
    return told if fees is None else told | {"fees": fees.thousandths}


def _times(after: PaymentStatus, at: float) -> dict[str, float | None]:
    """Return what is to be kept of when a payment came to a status; what was asked for, or sent, stays known."""
    match after:
        case PaymentStatus.SENDING:
            return {"asked_at": at}
        case PaymentStatus.SENT:
            return {"sent_at": at}
        case PaymentStatus.CONFIRMED:
            return {"confirmed_at": at}
    return {"sent_at": None}  # it was not sent after all


def _select_in(connection: Connection, query: Select[Any], column: Any, ids: Sequence[str]) -> Iterator[Row[Any]]:
    """Yield the rows of a query whose column is one of these ids, however many there are."""
    for some in in_chunks(ids):
        yield from connection.execute(query.where(column.in_(some)))
