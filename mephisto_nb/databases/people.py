"""Workers, requesters, tasks and qualifications: small writes that people make one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mephisto_nb.model.records import Qualification, Requester, Task
from mephisto_nb.storage import tables as t
from mephisto_nb.utils.ids import new_id

#: How each database says INSERT ... ON CONFLICT.
INSERT: dict[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def _find_or_add(connection: Connection, table: Table, key: dict[str, Any], new: dict[str, Any]) -> Any:
    query = select(table)
    for name, value in key.items():
        query = query.where(table.c[name] == value)
    found = connection.execute(query).first()
    if found is not None:
        return found
    # Two processes may be here at once; on PostgreSQL, the second waits for the first and finds its row.
    connection.execute(INSERT[connection.dialect.name](table).values(**key, **new).on_conflict_do_nothing())
    return connection.execute(query).one()


def get_or_create_task(connection: Connection, name: str) -> Task:
    """Find or make a task."""
    new = {"task_id": new_id(), "created_at": time.time()}
    row = _find_or_add(connection, t.tasks, {"task_name": name}, new)
    return Task(row.task_id, row.task_name)


def get_or_create_requester(connection: Connection, name: str, provider_type: str) -> Requester:
    """Find or make a requester."""
    key = {"requester_name": name, "provider_type": provider_type}
    row = _find_or_add(connection, t.requesters, key, {"requester_id": new_id()})
    return Requester(row.requester_id, row.requester_name, row.provider_type)


def create_qualification(connection: Connection, name: str, description: str = "") -> Qualification:
    """Find or make a qualification."""
    new = {"qualification_id": new_id(), "description": description}
    row = _find_or_add(connection, t.qualifications, {"qualification_name": name}, new)
    return Qualification(row.qualification_id, row.qualification_name, row.description)


def set_grant(connection: Connection, name: str, worker_id: str, value: int | None, at: float | None = None) -> None:
    """Grant a value of a qualification, which is made if it is new, or (None) take the grant back, if there is one."""
    g, q = t.granted_qualifications, t.qualifications.c
    if value is None:
        known = select(q.qualification_id).where(q.qualification_name == name).scalar_subquery()
        connection.execute(delete(g).where(g.c.worker_id == worker_id, g.c.qualification_id == known))
        return
    key = {"worker_id": worker_id, "qualification_id": create_qualification(connection, name).qualification_id}
    new = {"value": value, "granted_at": time.time() if at is None else at}
    if _find_or_add(connection, g, key, new).value != value:
        ours = g.c.worker_id == worker_id, g.c.qualification_id == key["qualification_id"]
        connection.execute(update(g).where(*ours).values(**new))


def set_blocked(connection: Connection, worker_id: str, blocked: bool) -> None:
    """Block or unblock a worker."""
    connection.execute(update(t.workers).where(t.workers.c.worker_id == worker_id).values(blocked=blocked))


def add_payments(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Keep payments, save those whose keys are known already."""
    connection.execute(INSERT[connection.dialect.name](t.payments).on_conflict_do_nothing(), rows)
