"""What workers and task code said beside answers, as the database keeps it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection, select

from mephisto_nb._typing import JSONObject
from mephisto_nb.storage import tables as t

#: Databases limit how many values one statement may hold.
_CHUNK = 500


class SQLSaid(ABC):
    """Conversations and metadata in tables; `SQLDatabase` lends the connections."""

    @abstractmethod
    def _reading(self, what: str) -> AbstractContextManager[Connection]:
        """Open a connection to read from."""

    def read_live_updates(
        self, task_run_ids: Sequence[str], *, agent_ids: Sequence[str] | None = None
    ) -> list[JSONObject]:
        """Give one row a turn of a live task."""
        with self._reading("Reading conversations") as connection:
            return _live_updates(connection, task_run_ids, agent_ids)

    def read_metadata(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Give one row for each thing that was sent beside an answer."""
        with self._reading("Reading what was sent beside answers") as connection:
            return _metadata(connection, task_run_ids)


def _live_updates(
    connection: Connection, run_ids: Sequence[str], agent_ids: Sequence[str] | None = None
) -> list[JSONObject]:
    """Give one row a turn of a live task, in the order in which they were recorded."""
    v, g, u, a = t.live_updates.c, t.agents.c, t.units.c, t.assignments.c
    query = (
        select(
            v.id, g.task_run_id, u.assignment_id, a.assignment_index, u.unit_index, g.unit_id, v.agent_id, g.worker_id,
            t.workers.c.worker_name, v.sender, v.at, v.data,
        )
        .join(t.agents, g.agent_id == v.agent_id)
        .join(t.units, u.unit_id == g.unit_id)
        .join(t.assignments, a.assignment_id == u.assignment_id)
        .join(t.workers, t.workers.c.worker_id == g.worker_id)
        .where(g.task_run_id.in_(run_ids))
        .order_by(v.id)
    )  # fmt: skip
    chunks = [None] if agent_ids is None else [agent_ids[i : i + _CHUNK] for i in range(0, len(agent_ids), _CHUNK)]
    rows: list[JSONObject] = []
    for chunk in chunks:
        part = query if chunk is None else query.where(v.agent_id.in_(chunk))
        rows += [{**row, "data": json.loads(row["data"])} for row in connection.execute(part).mappings()]
    return rows if len(chunks) == 1 else sorted(rows, key=lambda row: row["id"])


def _metadata(connection: Connection, run_ids: Sequence[str]) -> list[JSONObject]:
    """Give one row for each thing that was sent beside an answer, in the order in which it came."""
    m, g = t.agent_metadata.c, t.agents.c
    query = (
        select(m.id, g.task_run_id, m.agent_id, g.unit_id, g.worker_id, t.workers.c.worker_name, m.received_at, m.data)
        .join(t.agents, g.agent_id == m.agent_id)
        .join(t.workers, t.workers.c.worker_id == g.worker_id)
        .where(g.task_run_id.in_(run_ids))
        .order_by(m.id)
    )
    return [{**row, "data": json.loads(row["data"])} for row in connection.execute(query).mappings()]
