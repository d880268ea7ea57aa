"""The data of a run whose rows are large: it stays in the database until somebody works on it.

A run of thousands of rows of a megabyte would take minutes to be taken up, and more memory than there may be; of its
rows, those on which people work now are a few.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, func, select

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import NotFoundError
from mephisto_nb.model.records import Assignment
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.connect import Connections
from mephisto_nb.storage.tables import in_chunks

#: What the rows of a run may take together, to be read at once when the run is (bytes of JSON, estimated).
READ_AT_ONCE = 64 * 1024 * 1024
#: Of how many rows the size is looked up, to estimate that of all.
_SAMPLE = 16
#: How much of the rows that were read last is kept (bytes of JSON), however many of them are worked on.
_KEPT = 256 * 1024 * 1024
#: How many rows are read by one query.
_AT_A_TIME = 20


def are_large(connection: Connection, task_run_id: str) -> bool:
    """Return whether the rows of a run are so large together that they are not to be read at once."""
    a = t.assignments.c
    count, last = connection.execute(
        select(func.count(), func.max(a.assignment_index)).where(a.task_run_id == task_run_id)
    ).one()
    if not count or last is None:
        return False
    some = {last * n // _SAMPLE for n in range(_SAMPLE)}
    size = func.avg(func.length(a.shared) + func.length(a.unit_data))
    sampled = select(size).where(a.task_run_id == task_run_id, a.assignment_index.in_(some))
    return float(connection.execute(sampled).scalar() or 0.0) * int(count) > READ_AT_ONCE


class LargeRows:
    """Reads the data of one run's assignments when it is needed; may be used from any thread."""

    def __init__(self, connections: Connections, kept: int = _KEPT) -> None:
        self._connections, self._most = connections, kept
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[JSONObject, list[JSONObject], int]] = OrderedDict()
        self._size = 0

    def read(self, assignment_id: str) -> tuple[JSONObject, list[JSONObject]]:
        """Return what all workers see, and the parts of each unit; blocks if that was not read before.

        Raises
        ------
        NotFoundError
            The assignment is no longer in the database.
        """
        with self._lock:
            found = self._kept.get(assignment_id)
            if found is not None:
                self._kept.move_to_end(assignment_id)
                return found[:2]
        for id_, shared, unit_data, size in self._fetch([assignment_id]):
            self._keep(id_, shared, unit_data, size)
            return shared, unit_data
        raise NotFoundError(f"The data of assignment {assignment_id!r} is no longer in the database.")

    def prefetch(self, assignment_ids: Iterable[str]) -> None:
        """Read the data of assignments that are about to be worked on."""
        with self._lock:
            wanted = [id_ for id_ in assignment_ids if id_ not in self._kept]
        for start in range(0, len(wanted), _AT_A_TIME):
            for row in self._fetch(wanted[start : start + _AT_A_TIME]):
                self._keep(*row)

    def _fetch(self, assignment_ids: Sequence[str]) -> Iterable[tuple[str, JSONObject, list[JSONObject], int]]:
        a = t.assignments.c
        with self._connections.reading("Reading the data of assignments") as connection:
            for some in in_chunks(assignment_ids):
                query = select(a.assignment_id, a.shared, a.unit_data).where(a.assignment_id.in_(some))
                for id_, shared, unit_data in connection.execute(query):
                    yield id_, json.loads(shared), json.loads(unit_data), len(shared) + len(unit_data)

    def _keep(self, id_: str, shared: JSONObject, unit_data: list[JSONObject], size: int) -> None:
        with self._lock:
            if id_ in self._kept:
                return
            self._kept[id_] = shared, unit_data, size
            self._size += size
            while self._size > self._most and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1][2]


class StoredAssignment(Assignment):
    """An assignment whose data is read when it is asked for."""

    __slots__ = ("_parts", "rows")

    def __init__(self, assignment_id: str, task_run_id: str, index: int, rows: LargeRows, parts: int | None) -> None:
        self.assignment_id, self.task_run_id, self.index = assignment_id, task_run_id, index
        self.rows, self._parts = rows, parts

    @property
    def shared(self) -> JSONObject:  # type: ignore[override]
        """What all its workers see."""
        return self.rows.read(self.assignment_id)[0]

    @property
    def unit_data(self) -> list[JSONObject]:  # type: ignore[override]
        """What each unit alone has."""
        return self.rows.read(self.assignment_id)[1]

    @property
    def num_parts(self) -> int:
        """How many units the data has."""
        return len(self.unit_data) if self._parts is None else self._parts

    def __repr__(self) -> str:
        return f"<StoredAssignment {self.assignment_id} of run {self.task_run_id}>"
