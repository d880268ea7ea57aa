"""What a recruiter keeps of its run in the database, read at once.

Stands alone because whoever reviews or compares a run that has ended needs it, and nothing else of recruiting.
"""

from __future__ import annotations

from collections.abc import Mapping

from mephisto_nb._typing import JSONObject
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread
from mephisto_nb.ports.database import Database


class RunMemory:
    """A `CrowdMemory` in the database. `load` it before it is read.

    Parameters
    ----------
    task_run_id
        Of which run.
    database, writer
        Where it is kept.
    """

    def __init__(self, task_run_id: str, database: Database, writer: DatabaseWriter) -> None:
        self._task_run_id, self._database, self._writer = task_run_id, database, writer
        self._kept: JSONObject = {}

    async def load(self) -> None:
        """Read what was kept."""
        self._kept = await in_thread(self._database.runs.read_crowd_memory, self._task_run_id)

    def read(self) -> JSONObject:
        """Return all that was kept."""
        return dict(self._kept)

    async def keep(self, values: Mapping[str, object]) -> None:
        """Keep values, beside those that are there; returns once they are committed."""
        await self._writer.call(self._database.runs.keep_crowd_memory, self._task_run_id, dict(values))
        self._kept.update(values)
