"""What an operator can do for, and to, workers."""

from __future__ import annotations

from functools import cached_property

from mephisto_nb.errors import ClosedError, NotFoundError
from mephisto_nb.kernel.writer import DatabaseWriter
from mephisto_nb.model.records import Qualification
from mephisto_nb.people.acts import PeopleActs
from mephisto_nb.people.qualifications import Qualifications
from mephisto_nb.people.workers import Workers
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database


class People:
    """Qualifications and blocks; `Operator` is one of these.

    A worker is known by name and provider ('mock' unless another is named). `qualifications` and `workers` do the same
    for many at once, and much more. `who` does it; None: the name that this computer knows you by.
    """

    #: What a display knows of the people here, kept with them.
    people_watched_by: object | None = None
    _database: Database
    _writer: DatabaseWriter
    _clock: Clock
    _closed: bool

    @cached_property
    def people_acts(self) -> PeopleActs:
        """Through which everything goes that is done to people."""
        return PeopleActs(self._database, self._writer, self._clock)

    @cached_property
    def qualifications(self) -> Qualifications:
        """Everything about qualifications: acts, frames, and in a notebook a panel."""
        return Qualifications(self.people_acts)

    @cached_property
    def workers(self) -> Workers:
        """Everything about workers: acts, frames, and in a notebook a panel."""
        return Workers(self.people_acts)

    async def create_qualification(self, name: str, description: str = "") -> Qualification:
        """Make a qualification, or find the one of this name."""
        outcome = await self.qualifications.create(name, description)
        if outcome.now is None:
            raise NotFoundError(f"The qualification {name!r} was deleted while it was made. Make it again.")
        return outcome.now

    async def grant_qualification(
        self, name: str, worker_name: str, value: int = 1, provider: str = "mock", *, who: str | None = None
    ) -> None:
        """Grant a worker a qualification, or change its value; both are made if they are new."""
        await self.qualifications.grant(name, worker_name, value, provider=provider, who=who)

    async def revoke_qualification(
        self, name: str, worker_name: str, provider: str = "mock", *, who: str | None = None
    ) -> None:
        """Take a grant back.

        Raises
        ------
        NotFoundError
            The worker does not have the qualification.
        """
        outcome = await self.qualifications.revoke(name, worker_name, provider=provider, who=who)
        if not outcome.has_changed:
            raise NotFoundError(f"Worker {worker_name!r} of provider {provider!r} does not have {name!r}.")

    async def block_worker(self, worker_name: str, provider: str = "mock", *, who: str | None = None) -> None:
        """Offer this worker nothing any more."""
        await self.workers.block(worker_name, provider=provider, who=who)

    async def unblock_worker(self, worker_name: str, provider: str = "mock", *, who: str | None = None) -> None:
        """Offer this worker work again."""
        await self.workers.unblock(worker_name, provider=provider, who=who)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("This operator was shut down. Make a new one: operator = mephisto_nb.Operator().")
