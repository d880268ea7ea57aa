"""Payments in SQL, as they are added up: each of a run, and what all of several runs come to with the work unpaid."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, case, func, or_, select

from mephisto_nb.model.money import DEFAULT_CURRENCY
from mephisto_nb.model.records import BookedSum, KnownPayment, RunPay
from mephisto_nb.model.states import PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.tables import read_fees, read_money
from mephisto_nb.storage.visits import load_standings


def load_payments(connection: Connection, run: str) -> dict[str, KnownPayment]:
    """Return all payments of a run, by their keys."""
    p = t.payments.c
    query = select(
        p.key, p.payment_id, p.kind, p.amount, p.currency, p.status, p.fees, p.unit_id, p.visit_id, p.asked_at
    ).where(p.task_run_id == run).order_by(p.created_at, p.payment_id)  # fmt: skip
    return {
        key: KnownPayment(
            id_,
            PaymentKind(kind),
            read_money(amount, currency),
            PaymentStatus(status),
            read_fees(fees, currency),
            *about,
        )
        for key, id_, kind, amount, currency, status, fees, *about in connection.execute(query)
    }


def load_pay(connection: Connection, run_ids: Sequence[str], *, people_only: bool) -> dict[str, RunPay]:
    """Count the work of runs by what it pays, and add up what is booked; perhaps without what programs did."""
    runs = select(t.task_runs.c.task_run_id, t.task_runs.c.currency).where(t.task_runs.c.task_run_id.in_(run_ids))
    currency_of = dict.fromkeys(run_ids, DEFAULT_CURRENCY)
    currency_of |= {row.task_run_id: row.currency for row in connection.execute(runs)}
    found = {run_id: RunPay() for run_id in run_ids}
    _count_units(connection, found, currency_of, people_only)
    for run_id, _, _, standing in load_standings(connection, run_ids, people_only=people_only):
        visits = found[run_id].visits
        visits[standing] = visits.get(standing, 0) + 1
    _add_up(connection, found, currency_of, people_only)
    return found


def _count_units(
    connection: Connection, found: dict[str, RunPay], currency_of: dict[str, str], people_only: bool
) -> None:
    u, a, p, w = t.units.c, t.agents.c, t.payments.c, t.workers.c
    paid = select(p.unit_id).where(p.task_run_id.in_(list(found)), p.unit_id.is_not(None), t.COUNTS_AS_PAY)
    is_covered = and_(u.status == UnitStatus.COMPLETED.value, u.unit_id.in_(paid))
    query = (
        select(u.task_run_id, u.status, u.pay_amount, func.count())
        .outerjoin(t.agents, a.agent_id == u.agent_id)
        .where(u.task_run_id.in_(list(found)), a.visit_id.is_(None), ~is_covered)
        .group_by(u.task_run_id, u.status, u.pay_amount)
    )
    if people_only:
        query = query.outerjoin(t.workers, w.worker_id == u.worker_id)
        query = query.where(or_(w.worker_id.is_(None), ~w.is_simulated))
    for run_id, status, amount, count in connection.execute(query):
        found[run_id].units[UnitStatus(status), read_money(amount, currency_of[run_id])] = count


def _add_up(connection: Connection, found: dict[str, RunPay], currency_of: dict[str, str], people_only: bool) -> None:
    p = t.payments.c
    unknown = func.sum(case((p.fees.is_(None), p.amount), else_=0))
    query = (
        select(p.task_run_id, p.kind, p.status, func.sum(p.amount), func.coalesce(func.sum(p.fees), 0), unknown)
        .where(p.task_run_id.in_(list(found)))
        .group_by(p.task_run_id, p.kind, p.status)
    )
    if people_only:
        query = query.join(t.workers, t.workers.c.worker_id == p.worker_id).where(~t.workers.c.is_simulated)
    for run_id, kind, status, *sums in connection.execute(query):
        amounts = [read_money(int(one), currency_of[run_id]) for one in sums]
        found[run_id].booked[PaymentKind(kind), PaymentStatus(status)] = BookedSum(*amounts)
