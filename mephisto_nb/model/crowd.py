"""What a crowd is offered, and what it says of a study and of the visits of its people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mephisto_nb.model.money import Money


@dataclass(frozen=True, slots=True)
class Offer:
    """What a run offers to a crowd.

    Parameters
    ----------
    task_run_id, title, description
        Which run it is, and what people read before they come.
    url
        Where the task is served, as the crowd's people reach it.
    reward
        What one visit is paid.
    places
        How many visits are wanted.
    visit_seconds
        How long a visit may take at most.
    concurrent
        How many people may be there at once; 0: any number.
    events_url
        Where the crowd may post what happens, if it does so; '': nowhere. It is known to the run and the crowd alone.
    """

    task_run_id: str
    title: str
    description: str
    url: str
    reward: Money
    places: int
    visit_seconds: float
    concurrent: int = 0
    events_url: str = field(default="", repr=False)


class StudyStatus(StrEnum):
    """How a study stands with its crowd."""

    DRAFT = "draft"
    STARTING = "starting"
    OPEN = "open"
    PAUSED = "paused"
    #: All places are taken, or it was stopped: nobody comes, but work is still looked at.
    FULL = "full"
    OVER = "over"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CrowdStudy:
    """A study as its crowd has it: what it is called there, how it stands, how many places it has, and what it costs.

    `cost` is all that the crowd says it takes for all places, fees and taxes included; `page` is where the researcher
    looks at it.
    """

    study_id: str
    status: StudyStatus
    places: int = 0
    places_taken: int = 0
    cost: Money | None = None
    page: str = ""


class CrowdVisitStatus(StrEnum):
    """How a visit stands with its crowd."""

    RESERVED = "reserved"
    ACTIVE = "active"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    PARTLY_PAID = "partly paid"
    SCREENED_OUT = "screened out"
    REJECTED = "rejected"
    RETURNED = "returned"
    TIMED_OUT = "timed out"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CrowdVisit:
    """A visit as its crowd has it.

    `registration_id` is what the crowd calls it, and `code` what the person handed in; of a code that is right it says
    which, not what it is. `paid` is what they got for it beside `bonuses`, as far as the crowd says; times are seconds
    since the epoch.
    """

    registration_id: str
    worker_name: str
    status: CrowdVisitStatus
    began_at: float | None = None
    ended_at: float | None = None
    code: str | None = None
    paid: Money | None = None
    bonuses: tuple[Money, ...] = ()


@dataclass(frozen=True, slots=True)
class CrowdEvent:
    """Something that a crowd has told of by itself: of a visit, of a study, or of something that is not ours."""

    event_id: str
    registration_id: str = ""
    study_id: str = ""
    at: float | None = None


@dataclass(frozen=True, slots=True)
class RecruitingQuote:
    """What an offer would cost, asked of the crowd before anything is posted; `troubles` are why it cannot be.

    `available` is what the account has for it; `remarks` are worth knowing, and hinder nothing.
    """

    rewards: Money
    fees: Money
    available: Money | None = None
    troubles: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def total(self) -> Money:
        """All that it costs."""
        return self.rewards + self.fees


@dataclass(frozen=True, slots=True)
class CrowdStanding:
    """Who may not come, and who holds what, so far as a crowd can be told: worker names by qualification."""

    blocked: frozenset[str] = frozenset()
    holders: Mapping[str, frozenset[str]] = field(default_factory=dict)
