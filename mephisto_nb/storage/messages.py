"""Messages in SQL: what was said beside answers."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import select

from mephisto_nb._typing import JSONObject
from mephisto_nb.ports.database import HISTORY_PAGE, MessageStore
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.connect import Connections
from mephisto_nb.storage.tables import in_chunks

#: So many turns make a page at most, and so many are read by one query.
_LOOKED_UP, _AT_A_TIME = 1000, 8


class SQLMessages(MessageStore):
    """The part of a database that keeps conversations and metadata."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def read_live_updates(
        self, task_run_ids: Sequence[str], *, agent_ids: Sequence[str] | None = None
    ) -> list[JSONObject]:
        """Return one row a turn of a live task, in the order in which they were recorded."""
        v, g, u, a = t.live_updates.c, t.agents.c, t.units.c, t.assignments.c
        query = (
            select(
                v.id, g.task_run_id, u.assignment_id, a.assignment_index, u.unit_index, g.unit_id, v.agent_id,
                g.worker_id, t.workers.c.worker_name, v.sender, v.at, v.data,
            )
            .join(t.agents, g.agent_id == v.agent_id)
            .join(t.units, u.unit_id == g.unit_id)
            .join(t.assignments, a.assignment_id == u.assignment_id)
            .join(t.workers, t.workers.c.worker_id == g.worker_id)
            .where(g.task_run_id.in_(task_run_ids), v.sender != t.SET_ASIDE)
            .order_by(v.id)
        )  # fmt: skip
        queries = [query] if agent_ids is None else [query.where(v.agent_id.in_(some)) for some in in_chunks(agent_ids)]
        with self._connections.reading("Reading conversations") as connection:
            found = (row for part in queries for row in connection.execute(part).mappings())
            rows = [{**row, "data": json.loads(row["data"])} for row in found]
        return rows if len(queries) == 1 else sorted(rows, key=lambda row: row["id"])

    def read_history(
        self, task_run_id: str, agent_ids: Sequence[str], *, after: int = 0, most: int = HISTORY_PAGE
    ) -> list[JSONObject]:
        """Return the next page of what some agents said and heard."""
        v, g = t.live_updates.c, t.agents.c
        # The ids first, which are in an index: to sort turns is to read them all, however few are wanted.
        ids = (
            select(v.id)
            .join(t.agents, g.agent_id == v.agent_id)
            .where(g.task_run_id == task_run_id, v.agent_id.in_(agent_ids), v.id > after, v.sender != t.SET_ASIDE)
            .order_by(v.id)
            .limit(_LOOKED_UP)
        )
        turns = select(v.id, v.agent_id, v.sender, v.data).order_by(v.id)
        found: list[JSONObject] = []
        with self._connections.reading("Reading the history of conversations") as connection:
            wanted = connection.execute(ids).scalars().all()
            for start in range(0, len(wanted), _AT_A_TIME):
                page = turns.where(v.id.in_(wanted[start : start + _AT_A_TIME]))
                for row in connection.execute(page).mappings():
                    most -= len(row["data"])
                    if found and most < 0:
                        return found
                    found.append({**row, "data": json.loads(row["data"])})
        return found

    def read_metadata(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Return one row for each thing that was sent beside an answer, in the order in which it came."""
        m, g = t.agent_metadata.c, t.agents.c
        query = (
            select(
                m.id, g.task_run_id, m.agent_id, g.unit_id, g.worker_id, t.workers.c.worker_name, m.received_at, m.data
            )
            .join(t.agents, g.agent_id == m.agent_id)
            .join(t.workers, t.workers.c.worker_id == g.worker_id)
            .where(g.task_run_id.in_(task_run_ids))
            .order_by(m.id)
        )
        with self._connections.reading("Reading what was sent beside answers") as connection:
            return [{**row, "data": json.loads(row["data"])} for row in connection.execute(query).mappings()]
