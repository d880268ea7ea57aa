"""What the panels of people have read of a database, between one change and the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.table import Table
from mephisto_nb.errors import ConfigError
from mephisto_nb.frames.people_frames import history_frame
from mephisto_nb.people.qualifications import requires

if TYPE_CHECKING:
    from mephisto_nb.operator import Operator

#: So much of a history is shown, the newest.
MOST_HISTORY = 500
#: So many names of qualifications are offered to choose from.
MOST_NAMES = 1000


class Snapshot:
    """Tables of people, each read when it is first asked for.

    Parameters
    ----------
    operator
        Whose database.
    last_event
        How far the event log was known to go before.
    """

    def __init__(self, operator: Operator, last_event: int) -> None:
        self._operator = operator
        self._tables: dict[tuple[str, str], Table] = {}
        #: How far the event log went before anything was read here: what comes later is news.
        self.last_event, _ = operator.people_acts.database.find_people_news(last_event)

    def table(self, name: str, of: str = "") -> Table:
        """Give a table: workers, qualifications, grants, eligibility; and `of` one qualification, holders or history.

        Raises
        ------
        ConfigError
            There is no such table.
        """
        if (name, of) not in self._tables:
            self._tables[name, of] = self._make(name, of)
        return self._tables[name, of]

    def forget(self, name: str) -> None:
        """Read a table anew when it is next asked for."""
        self._tables.pop((name, ""), None)

    def counts(self) -> JSONObject:
        """Give how many there are, and the names of qualifications."""
        workers, qualifications = self.table("workers").frame, self.table("qualifications").frame
        return {
            "workers": len(workers),
            "blocked": int(workers["blocked"].sum()),
            "below_minimum": int(workers["below_minimum"].sum()),
            "qualifications": len(qualifications),
            "names": qualifications["qualification_name"].head(MOST_NAMES).tolist(),
        }

    def history(self, *, qualification_name: str | None = None, worker_id: str | None = None) -> pd.DataFrame:
        """Give the newest of what was done, newest first."""
        database = self._operator.people_acts.database
        events = database.read_people_events(
            qualification_name=qualification_name, worker_id=worker_id, newest=MOST_HISTORY
        )
        return history_frame(events, database.read_workers())[::-1]

    def _make(self, name: str, of: str) -> Table:
        if name == "workers":
            return self._make_workers()
        if name == "qualifications":
            return self._make_qualifications()
        if name == "grants":
            return Table(self._operator.qualifications.grants(), ("worker_name",))
        if name == "holders":
            grants = self.table("grants").frame
            return Table(grants[grants["qualification_name"] == of], ("worker_name", "provider_type"))
        if name == "history":
            return Table(self.history(qualification_name=of), ("worker_name", "why", "who"))
        if name == "eligibility":
            frame = self._operator.qualifications.who_would_qualify()
            frame["fails"] = ~frame["passes"]
            return Table(frame, ("worker_name", "reason"))
        raise ConfigError(f"There is no table {name!r}.")

    def _make_workers(self) -> Table:
        frame = self._operator.workers.frame()
        frame["noted"] = frame["notes"] > 0
        return Table(frame, ("worker_name", "provider_type", "qualifications"))

    def _make_qualifications(self) -> Table:
        frame = self._operator.qualifications.frame()
        live = self._operator.people_acts.database.find_runs(live=True)
        required = [[run.task_name for run in live if requires(run, one)] for one in frame["qualification_name"]]
        frame["required_by"] = pd.Series([", ".join(dict.fromkeys(names)) for names in required], dtype=object)
        return Table(frame, ("qualification_name", "description"))
