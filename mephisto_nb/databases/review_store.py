"""The half of the database that is about decisions on answers, and what is paid."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.records import Agent, Unit
from mephisto_nb.model.reviews import KeptReview
from mephisto_nb.model.states import PaymentStatus
from mephisto_nb.ports.database import ReviewStore
from mephisto_nb.storage import reviews, runs


class SQLReviews(ReviewStore):
    """Decisions and payments in tables; `SQLDatabase` lends the connections."""

    @abstractmethod
    def _writing(self, what: str) -> AbstractContextManager[Connection]:
        """Open a transaction that writes; `what` is for errors."""

    @abstractmethod
    def _reading(self, what: str) -> AbstractContextManager[Connection]:
        """Open a connection to read from."""

    def read_reviews(self, task_run_ids: Sequence[str] | None) -> list[JSONObject]:
        """Give one row a decision."""
        with self._reading("Reading reviews") as connection:
            return reviews.read_reviews(connection, task_run_ids)

    def count_reviews(self) -> int:
        """Count the decisions of all runs."""
        with self._reading("Counting reviews") as connection:
            return reviews.count_reviews(connection)

    def find_kept_reviews(self, task_run_id: str, unit_ids: Sequence[str]) -> dict[str, KeptReview]:
        """Give the latest decision of each of these units that was not undone."""
        with self._reading("Reading reviews") as connection:
            return reviews.find_kept_reviews(connection, task_run_id, unit_ids)

    def load_answers(self, task_run_id: str, unit_ids: Sequence[str]) -> tuple[list[Unit], list[Agent]]:
        """Read some units, and who holds them."""
        with self._reading("Reading units") as connection:
            return reviews.load_answers(connection, task_run_id, unit_ids)

    def read_payment_statuses(self, payment_ids: Sequence[str]) -> dict[str, PaymentStatus]:
        """Give how payments stand, by their ids."""
        with self._reading("Reading payments") as connection:
            return reviews.read_payment_statuses(connection, payment_ids)

    def read_payers(self, payment_ids: Sequence[str]) -> dict[str, str]:
        """Give who has noted payments as sent."""
        with self._reading("Reading payments") as connection:
            return reviews.read_payers(connection, payment_ids)

    def settle_payments(
        self, payment_ids: Sequence[str], before: PaymentStatus, after: PaymentStatus, at: float, who: str
    ) -> set[str]:
        """Bring payments from one status to another, and tell which were."""
        with self._writing("Settling payments") as connection:
            return reviews.settle_payments(connection, payment_ids, before, after, at, who)

    def read_payments(self, task_run_ids: Sequence[str] | None) -> list[JSONObject]:
        """Give one row a payment."""
        with self._reading("Reading payments") as connection:
            return runs.read_payments(connection, task_run_ids)
