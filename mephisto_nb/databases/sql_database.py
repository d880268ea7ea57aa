"""The database on SQLAlchemy Core: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ClosedError
from mephisto_nb.model.changes import Changes
from mephisto_nb.model.records import Event, RunPay, RunSnapshot, TaskRun
from mephisto_nb.ports.database import Database
from mephisto_nb.storage import runs
from mephisto_nb.storage import tables as t
from mephisto_nb.storage.apply import apply_changes, run_row
from mephisto_nb.storage.connect import make_engine, migrate, parse_url, told_plainly
from mephisto_nb.storage.messages import SQLSaid
from mephisto_nb.storage.people_store import SQLPeople
from mephisto_nb.storage.review_store import SQLReviews

#: Tables with rows of one run, each before those that its rows point at.
_OF_A_RUN = (
    t.reviews, t.payments, t.verdicts, t.held_arrivals, t.gate_units, t.onboarding_agents, t.agents, t.units,
    t.assignments, t.events, t.outbox, t.task_runs,
)  # fmt: skip


class SQLDatabase(SQLPeople, SQLReviews, SQLSaid, Database):
    """A database behind a URL: ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``.

    Raises
    ------
    ConfigError
        The URL cannot be read, or its driver is missing.
    DatabaseError
        The database does not answer; `SchemaVersionError` where it was written by a newer version.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self._closed = False
        self._writer = make_engine(self._url, for_writing=True)
        self._reader = make_engine(self._url, for_writing=False)
        try:
            with told_plainly("Opening the database", self._url):
                if self._url.get_backend_name() == "sqlite":
                    Path(str(self._url.database)).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                migrate(self._writer)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"SQLDatabase({self._url.render_as_string(hide_password=True)!r})"

    @contextmanager
    def _writing(self, what: str) -> Iterator[Connection]:
        self._check_open(what)
        with told_plainly(what, self._url), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self, what: str) -> Iterator[Connection]:
        self._check_open(what)
        with told_plainly(what, self._url), self._reader.connect() as connection:
            yield connection

    def _check_open(self, what: str) -> None:
        if self._closed:
            raise ClosedError(f"{what} failed: {self!r} was closed before. Open the database again.")

    def apply(self, group: Sequence[Changes]) -> list[Exception | None]:
        """Commit several runs' changes together; each stands or falls alone."""
        if len(group) > 1 and self._try(group) is None:
            return [None] * len(group)
        return [self._try([changes]) for changes in group]

    def _try(self, group: Sequence[Changes]) -> Exception | None:
        try:
            with self._writing("Storing a step of a run") as connection:
                for changes in group:
                    apply_changes(connection, changes)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for this commit
            return error
        return None

    def add_run(self, run: TaskRun) -> None:
        """Store a new run."""
        with self._writing("Storing a new run") as connection:
            connection.execute(insert(t.task_runs), run_row(run))

    def delete_run(self, task_run_id: str) -> None:
        """Take back a run whose launch failed, with all that hangs on it."""
        with self._writing("Taking back a run") as connection:
            agents = select(t.agents.c.agent_id).where(t.agents.c.task_run_id == task_run_id)
            for table in (t.submissions, t.agent_metadata, t.live_updates):
                connection.execute(delete(table).where(table.c.agent_id.in_(agents)))
            for table in _OF_A_RUN:
                connection.execute(delete(table).where(table.c.task_run_id == task_run_id))

    def load_run(self, task_run_id: str) -> RunSnapshot:
        """Read all that is needed to go on with a run."""
        with self._reading("Reading a run") as connection:
            return runs.load_run(connection, task_run_id)

    def find_runs(self, *, task_name: str | None = None, live: bool | None = None) -> list[TaskRun]:
        """Give the runs, newest first."""
        query = runs.select_runs().order_by(t.task_runs.c.created_at.desc())
        if task_name is not None:
            query = query.where(t.tasks.c.task_name == task_name)
        if live is not None:
            ended = t.task_runs.c.ended_at
            query = query.where(ended.is_(None) if live else ended.is_not(None))
        with self._reading("Looking for runs") as connection:
            return [runs.to_run(row) for row in connection.execute(query)]

    def read_units(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Give one row a unit."""
        with self._reading("Reading units") as connection:
            return runs.read_units(connection, task_run_ids)

    def read_agents(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Give one row an agent."""
        with self._reading("Reading agents") as connection:
            return runs.read_agents(connection, task_run_ids)

    def read_results(self, task_run_ids: Sequence[str], *, agent_ids: Sequence[str] | None = None) -> list[JSONObject]:
        """Give one row a submission."""
        with self._reading("Reading results") as connection:
            return runs.read_results(connection, task_run_ids, agent_ids)

    def read_events(self, task_run_ids: Sequence[str], *, why: str | None = None) -> Iterator[Event]:
        """Give the event log, oldest first."""
        with self._reading("Reading the event log") as connection:
            yield from runs.read_events(connection, task_run_ids, why)

    def count_units(self, task_run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Count units by run and status."""
        with self._reading("Counting units") as connection:
            return runs.count_units(connection, task_run_ids)

    def read_pay(self, task_run_ids: Sequence[str]) -> dict[str, RunPay]:
        """Give what units are paid, and what comes beside it, by run."""
        with self._reading("Reading pay") as connection:
            return runs.read_pay(connection, task_run_ids)

    def release(self) -> None:
        """Close all connections; reading and writing open new ones."""
        self._writer.dispose()
        self._reader.dispose()

    def close(self) -> None:
        """Close all connections for good."""
        self._closed = True
        self.release()
