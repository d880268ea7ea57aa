"""What an operator can do for, and to, workers."""

from __future__ import annotations

from mephisto_nb.abstractions.database import Database
from mephisto_nb.data_model.records import Qualification
from mephisto_nb.errors import ClosedError, NotFoundError
from mephisto_nb.operations.threads import DatabaseWriter


class People:
    """Qualifications and blocks; `Operator` is one of these.

    A worker is known by name and provider ('mock' unless another is named).
    """

    _database: Database
    _writer: DatabaseWriter
    _closed: bool

    async def create_qualification(self, name: str, description: str = "") -> Qualification:
        """Make a qualification, or find the one of this name."""
        return await self._writer.call(self._database.create_qualification, name, description)

    async def grant_qualification(self, name: str, worker_name: str, value: int = 1, provider: str = "mock") -> None:
        """Grant a worker a qualification, or change its value; both are made if they are new."""
        await self._writer.call(self._database.grant_qualification, name, worker_name, provider, value)

    async def revoke_qualification(self, name: str, worker_name: str, provider: str = "mock") -> None:
        """Take a grant back.

        Raises
        ------
        NotFoundError
            The worker does not have the qualification.
        """
        if not await self._writer.call(self._database.revoke_qualification, name, worker_name, provider):
            raise NotFoundError(f"Worker {worker_name!r} of provider {provider!r} does not have {name!r}.")

    async def block_worker(self, worker_name: str, provider: str = "mock") -> None:
        """Offer this worker nothing any more."""
        await self._writer.call(self._database.set_worker_blocked, worker_name, provider, True)

    async def unblock_worker(self, worker_name: str, provider: str = "mock") -> None:
        """Offer this worker work again."""
        await self._writer.call(self._database.set_worker_blocked, worker_name, provider, False)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("This operator was shut down. Make a new one: operator = mephisto_nb.Operator().")
