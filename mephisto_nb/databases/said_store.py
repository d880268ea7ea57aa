"""What workers and task code said beside answers, as the database keeps it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection, select

from mephisto_nb._typing import JSONObject
from mephisto_nb.databases import tables as t


class SQLSaid(ABC):
    """Live messages and metadata in tables; `SQLDatabase` lends the connections."""

    @abstractmethod
    def _reading(self, what: str) -> AbstractContextManager[Connection]:
        """Open a connection to read from."""

    def read_live_updates(
        self, task_run_ids: Sequence[str], *, agent_ids: Sequence[str] | None = None
    ) -> list[JSONObject]:
        """Give one row a message of a live task."""
        with self._reading("Reading live messages") as connection:
            return _live_updates(connection, task_run_ids, agent_ids)

    def read_metadata(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Give one row for each thing that was sent beside an answer."""
        with self._reading("Reading what was sent beside answers") as connection:
            return _metadata(connection, task_run_ids)


def _live_updates(
    connection: Connection, run_ids: Sequence[str], agent_ids: Sequence[str] | None = None
) -> list[JSONObject]:
    """Give one row a message of a live task, in the order in which they were said."""
    u, g = t.live_updates.c, t.agents.c
    query = (
        select(u.agent_id, u.sender, u.data, u.at)
        .join(t.agents, g.agent_id == u.agent_id)
        .where(g.task_run_id.in_(run_ids))
        .order_by(u.id)
    )
    if agent_ids is not None:
        query = query.where(u.agent_id.in_(agent_ids))
    return [{**row, "data": json.loads(row["data"])} for row in connection.execute(query).mappings()]


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
