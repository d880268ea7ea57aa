"""The port of studies: how a crowd is offered a run, and what it says of the people whom it sent.

A crowd that sends people by itself has a recruiter. Where there is none, whoever is given the address comes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import UsageError
from mephisto_nb.model.crowd import CrowdEvent, CrowdStanding, CrowdStudy, CrowdVisit, Offer, RecruitingQuote


class CrowdMemory(Protocol):
    """What a recruiter keeps of its run, in the database: a few small values, such as its study's id."""

    def read(self) -> JSONObject:
        """Return all that was kept."""
        ...

    async def keep(self, values: Mapping[str, object]) -> None:
        """Keep values, beside those that are there; returns once they are committed."""
        ...


class Recruiter(ABC):
    """Offers one run to a crowd, and says what the crowd makes of it. All calls are made in the kernel's loop.

    Every method may raise `WorldError` where the crowd refuses or cannot be reached. `open`, `set_places` and `close`
    may be called again after a kernel has died, and must find what they did before rather than do it twice.
    """

    @abstractmethod
    async def quote(self, offer: Offer) -> RecruitingQuote:
        """Say what an offer would cost, and what stands in its way. Nothing is posted."""

    @abstractmethod
    async def open(self, offer: Offer, memory: CrowdMemory) -> CrowdStudy:
        """Offer the run; or find the study that was opened for it."""

    #: How many places the researcher has set, to which none are added by themselves; 0: as many as are needed.
    fixed_places: int = 0

    def recall(self, task_run_id: str, memory: CrowdMemory) -> None:  # noqa: B027 - some find it by the run's id alone
        """Know the study that was opened for a run, if one was, without asking for it.

        Called before anything else once a run is taken up, or looked up after its end.
        """

    @abstractmethod
    async def read_study(self) -> CrowdStudy:
        """Return how the study stands."""

    @abstractmethod
    def read_visits(self) -> AsyncIterator[CrowdVisit]:
        """Yield all visits that the crowd knows of."""

    @abstractmethod
    async def read_visit(self, registration_id: str) -> CrowdVisit | None:
        """Return one visit; None: the study has no such one."""

    @abstractmethod
    async def pause(self) -> None:
        """Send nobody for the time being."""

    @abstractmethod
    async def resume(self) -> None:
        """Send people again."""

    @abstractmethod
    async def set_places(self, places: int) -> CrowdStudy:
        """Have so many places altogether; most crowds only take more than there are."""

    @abstractmethod
    async def close(self) -> None:
        """Send nobody any more; who is there may go on."""

    @property
    def allows_local(self) -> bool:
        """Whether people may come by an address of this computer alone, and without TLS: those of a stand-in may.

        Before `open`, a launch tries the run's address from outside, and fails where the crowd's people could not come.
        """
        return False

    async def ask_to_return(self, registration_id: str, reason: str) -> None:
        """Ask a person to give a visit back; raises `UsageError` where the crowd knows no such thing."""
        raise UsageError(f"{type(self).__name__} cannot ask anybody to return. Write to them instead.")

    async def tell_standing(self, standing: CrowdStanding) -> None:  # noqa: B027 - most crowds keep no such lists
        """Keep the crowd's own lists in step with who is blocked, and who holds a qualification."""

    def read_event(self, headers: Mapping[str, str], body: bytes, now: float) -> CrowdEvent | None:
        """Read what the crowd has posted to the run's address for events; None: it is nothing of ours.

        Raises
        ------
        ValueError
            It is not signed as the crowd signs, or too old.
        """
        return None
