"""The half of the database that is about people."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConflictError
from mephisto_nb.model.people import Act, ActKind, Outcome
from mephisto_nb.model.records import Qualification, Requester, Task, WorkerFacts
from mephisto_nb.ports.database import PeopleStore
from mephisto_nb.storage import gates, people, people_acts, people_reads, runs

_TRIES = 2
_DOING = {
    ActKind.CREATE: "Storing a qualification",
    ActKind.DESCRIBE: "Describing a qualification",
    ActKind.DELETE: "Deleting a qualification",
    ActKind.GRANT: "Granting a qualification",
    ActKind.REVOKE: "Revoking a qualification",
    ActKind.BLOCK: "Blocking workers",
    ActKind.UNBLOCK: "Unblocking workers",
    ActKind.NOTE: "Noting something about workers",
    ActKind.WITHDRAW: "Withdrawing a note",
}


class SQLPeople(PeopleStore):
    """Workers, requesters, tasks and qualifications in tables; `SQLDatabase` lends the connections."""

    @abstractmethod
    def _writing(self, what: str) -> AbstractContextManager[Connection]:
        """Open a transaction that writes; `what` is for errors."""

    @abstractmethod
    def _reading(self, what: str) -> AbstractContextManager[Connection]:
        """Open a connection to read from."""

    def get_or_create_task(self, name: str) -> Task:
        """Find the task of this name, or make it."""
        with self._writing("Storing a task") as connection:
            return people.get_or_create_task(connection, name)

    def get_or_create_requester(self, name: str, provider_type: str) -> Requester:
        """Find the requester of this name and provider, or make it."""
        with self._writing("Storing a requester") as connection:
            return people.get_or_create_requester(connection, name, provider_type)

    def create_qualification(self, name: str, description: str = "") -> Qualification:
        """Make a qualification, or find the one of this name."""
        with self._writing("Storing a qualification") as connection:
            return people.create_qualification(connection, name, description)

    def foresee(self, act: Act) -> Outcome:
        """Say what an act would do now."""
        with self._reading("Looking at what would change") as connection:
            return people_acts.foresee(connection, act, time.time())

    def perform(self, act: Act, at: float | None = None) -> Outcome:
        """Do an act, whole or not at all; again where a step of a run has made the same worker at the same moment."""
        for _ in range(_TRIES):
            try:
                return self._perform(act, time.time() if at is None else at)
            except ConflictError as error:
                if not isinstance(error.__cause__, IntegrityError):
                    raise
        return self._perform(act, time.time() if at is None else at)

    def _perform(self, act: Act, at: float) -> Outcome:
        with self._writing(_DOING[act.kind]) as connection:
            return people_acts.perform(connection, act, at)

    def read_qualifications(self) -> list[JSONObject]:
        """Give one row a qualification."""
        with self._reading("Reading qualifications") as connection:
            return people_reads.read_qualifications(connection)

    def read_grants(self) -> Sequence[Sequence[Any]]:
        """Give one row a grant."""
        with self._reading("Reading grants") as connection:
            return people_reads.read_grants(connection)

    def read_values(self) -> Mapping[str, Mapping[str, int]]:
        """Give what each worker holds."""
        with self._reading("Reading grants") as connection:
            return people_reads.read_values(connection)

    def read_workers(self) -> Sequence[Sequence[Any]]:
        """Give one row a worker."""
        with self._reading("Reading workers") as connection:
            return people_reads.read_workers(connection)

    def find_gone_workers(self) -> set[str]:
        """Give the ids of workers whom an act made that was undone, and of whom there is nothing else."""
        with self._reading("Reading workers") as connection:
            return people_reads.find_gone_workers(connection)

    def read_work(self) -> Sequence[Sequence[Any]]:
        """Give one row an agent."""
        with self._reading("Reading who did what") as connection:
            return people_reads.read_work(connection)

    def read_people_events(
        self,
        *,
        worker_id: str | None = None,
        qualification_name: str | None = None,
        notes: bool = False,
        newest: int | None = None,
    ) -> list[JSONObject]:
        """Give what happened to people, oldest first."""
        with self._reading("Reading what happened to people") as connection:
            return people_reads.read_people_events(connection, worker_id, qualification_name, notes, newest)

    def find_people_news(self, after: int) -> tuple[int, bool]:
        """Say how far the event log goes, and whether what follows `after` is about people."""
        with self._reading("Looking for news of people") as connection:
            return people_reads.find_people_news(connection, after)

    def get_worker_facts(
        self, task_run_id: str, provider_type: str, worker_names: Sequence[str]
    ) -> dict[str, WorkerFacts]:
        """Give what is known of these workers, by name."""
        with self._reading("Looking up workers") as connection:
            return runs.get_worker_facts(connection, task_run_id, provider_type, worker_names)

    def read_gates(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Give one row for each time that somebody was looked at."""
        with self._reading("Reading gates") as connection:
            return gates.read_gates(connection, task_run_ids)
