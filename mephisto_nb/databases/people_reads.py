"""What is known of people, as rows: qualifications, grants, workers, their work, and what happened to them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.people import UNMADE
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.values import dump, fetch_rows

_g, _q, _w, _e = t.granted_qualifications.c, t.qualifications.c, t.workers.c, t.events.c


def read_qualifications(connection: Connection) -> list[JSONObject]:
    """Give one row a qualification, by name, with how many hold it and what values they have."""
    query = (
        select(
            _q.qualification_id, _q.qualification_name, _q.description, func.count(_g.worker_id).label("holders"),
            func.min(_g.value).label("lowest"), func.max(_g.value).label("highest"),
            func.max(_g.granted_at).label("last_granted_at"),
        )
        .outerjoin(t.granted_qualifications, _g.qualification_id == _q.qualification_id)
        .group_by(_q.qualification_id, _q.qualification_name, _q.description)
        .order_by(_q.qualification_name)
    )  # fmt: skip
    return [dict(row) for row in connection.execute(query).mappings()]


def read_grants(connection: Connection) -> Sequence[Sequence[Any]]:
    """Give one row a grant, the latest first."""
    query = (
        select(
            _w.worker_id, _w.worker_name, _w.provider_type, _q.qualification_id, _q.qualification_name, _g.value,
            _g.granted_at,
        )
        .join(t.granted_qualifications, _g.worker_id == _w.worker_id)
        .join(t.qualifications, _q.qualification_id == _g.qualification_id)
        .order_by(_g.granted_at.desc(), _w.worker_name)
    )  # fmt: skip
    return fetch_rows(connection, query)


def read_values(connection: Connection) -> dict[str, dict[str, int]]:
    """Give, by worker's id, the values of the qualifications that they hold, by name."""
    names = dict(
        fetch_rows(connection, select(_q.qualification_id, _q.qualification_name).order_by(_q.qualification_name))
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for worker_id, qualification_id, value in fetch_rows(
        connection, select(_g.worker_id, _g.qualification_id, _g.value)
    ):
        found[worker_id][names[qualification_id]] = value
    return found


def read_workers(connection: Connection) -> Sequence[Sequence[Any]]:
    """Give one row a worker, by name."""
    query = select(_w.worker_id, _w.worker_name, _w.provider_type, _w.blocked, _w.created_at)
    return fetch_rows(connection, query.order_by(_w.worker_name, _w.provider_type))


def find_gone_workers(connection: Connection) -> set[str]:
    """Give the ids of workers whom an act made that was undone, and of whom there is nothing else."""
    unmade = select(_e.subject_id).where(t.OF_PEOPLE, _e.detail.contains(dump({UNMADE: True})[1:-1], autoescape=True))
    noted = select(_e.subject_id).where(t.OF_PEOPLE, _e.after == "noted")
    query = select(_w.worker_id).where(_w.worker_id.in_(unmade), ~_w.blocked, _w.worker_id.not_in(noted))
    for table in (t.granted_qualifications, t.agents, t.onboarding_agents, t.payments):
        query = query.where(~exists().where(table.c.worker_id == _w.worker_id))
    return {row[0] for row in connection.execute(query)}


def read_work(connection: Connection) -> Sequence[Sequence[Any]]:
    """Give one row a worker at a unit."""
    a, u, s = t.agents.c, t.units.c, t.submissions.c
    query = (
        select(a.task_run_id, a.worker_id, a.status, a.accepted_at, t.RECEIVED_AT, u.status, u.pay_amount)
        .outerjoin(t.submissions, s.agent_id == a.agent_id)
        .outerjoin(t.units, and_(u.unit_id == a.unit_id, u.agent_id == a.agent_id))
    )
    return fetch_rows(connection, query)


def read_people_events(
    connection: Connection, worker_id: str | None, qualification_name: str | None, notes: bool, newest: int | None
) -> list[JSONObject]:
    """Give what happened to people, oldest first."""
    query = select(
        _e.event_id, _e.task_run_id, _e.at, _e.subject, _e.subject_id, _e.before, _e.after, _e.why, _e.who, _e.detail
    )
    query = query.where(t.OF_PEOPLE).order_by(_e.event_id.desc()).limit(newest)
    if worker_id is not None:
        query = query.where(_e.subject_id == worker_id)
    if qualification_name is not None:
        query = query.where(_e.detail.contains(dump({"qualification": qualification_name})[1:-1], autoescape=True))
    if notes:
        query = query.where(or_(_e.before == "noted", _e.after == "noted"))
    rows = [dict(row) for row in connection.execute(query).mappings()]
    for row in rows:
        row["detail"] = json.loads(row["detail"]) if row["detail"] else {}
    if qualification_name is not None:  # databases may take capitals for small letters
        rows = [row for row in rows if row["detail"].get("qualification") == qualification_name]
    return rows[::-1]


def find_people_news(connection: Connection, after: int) -> tuple[int, bool]:
    """Say how far the event log goes, and whether any of it after the row `after` is about people."""
    last = connection.execute(select(func.max(_e.event_id))).scalar() or 0
    if last <= after:
        return last, False
    query = select(_e.event_id).where(_e.event_id > after, t.OF_PEOPLE).limit(1)
    return last, connection.execute(query).first() is not None
