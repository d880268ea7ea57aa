"""The half of the database that is about people."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from mephisto_nb._typing import JSONObject
from mephisto_nb.abstractions.database import PeopleStore
from mephisto_nb.data_model.records import Qualification, Requester, Task
from mephisto_nb.data_model.snapshots import WorkerFacts
from mephisto_nb.databases import gates, people, reads


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

    def read_qualifications(self) -> list[JSONObject]:
        """Give one row a qualification, by name."""
        with self._reading("Reading qualifications") as connection:
            return reads.read_qualifications(connection)

    def grant_qualification(self, name: str, worker_name: str, provider_type: str, value: int) -> None:
        """Grant a qualification, or change the value granted."""
        with self._writing("Granting a qualification") as connection:
            people.grant_qualification(connection, name, worker_name, provider_type, value)

    def revoke_qualification(self, name: str, worker_name: str, provider_type: str) -> bool:
        """Take a grant back; tell whether there was one."""
        with self._writing("Revoking a qualification") as connection:
            return people.revoke_qualification(connection, name, worker_name, provider_type)

    def set_worker_blocked(self, worker_name: str, provider_type: str, blocked: bool) -> None:
        """Block or unblock a worker."""
        with self._writing("Blocking a worker") as connection:
            people.set_worker_blocked(connection, worker_name, provider_type, blocked)

    def get_worker_facts(
        self, task_run_id: str, provider_type: str, worker_names: Sequence[str]
    ) -> dict[str, WorkerFacts]:
        """Give what is known of these workers, by name."""
        with self._reading("Looking up workers") as connection:
            return reads.get_worker_facts(connection, task_run_id, provider_type, worker_names)

    def read_gates(self, task_run_ids: Sequence[str]) -> list[JSONObject]:
        """Give one row for each time that somebody was looked at."""
        with self._reading("Reading gates") as connection:
            return gates.read_gates(connection, task_run_ids)
