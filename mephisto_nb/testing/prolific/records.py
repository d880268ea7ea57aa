"""What the stand-in holds: studies, submissions, groups and the like, as it sees them itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mephisto_nb._typing import JSONObject
from mephisto_nb.ports.clock import Timer
from mephisto_nb.testing.prolific.books import StandInPrice

#: The states of a study.
UNPUBLISHED, SCHEDULED, PUBLISHING, ACTIVE, PAUSED = "UNPUBLISHED", "SCHEDULED", "PUBLISHING", "ACTIVE", "PAUSED"
AWAITING_REVIEW, COMPLETED = "AWAITING REVIEW", "COMPLETED"
#: The states of a submission; ``ACTIVE`` and ``AWAITING REVIEW`` are among them.
RESERVED, APPROVED, REJECTED, RETURNED = "RESERVED", "APPROVED", "REJECTED", "RETURNED"
TIMED_OUT, SCREENED_OUT = "TIMED-OUT", "SCREENED OUT"
PARTIALLY_APPROVED, PROCESSING = "PARTIALLY APPROVED", "PROCESSING"

#: The states of a submission that hold a place, and those in which it has been handed in.
HANDED_IN = (AWAITING_REVIEW, PROCESSING, APPROVED, PARTIALLY_APPROVED)
HOLDING = (RESERVED, ACTIVE, *HANDED_IN)
#: The states of a study in which people may still come, now or later.
RECRUITING = (SCHEDULED, PUBLISHING, ACTIVE, PAUSED)


@dataclass(slots=True, eq=False)
class StandInStudy:
    """A study: `fields` are those it was made with, by the names that they have on the wire."""

    id: str
    fields: JSONObject
    workspace_id: str
    created_at: float
    place: StandInPrice
    screen_out: StandInPrice
    status: str = UNPUBLISHED
    published_at: float | None = None
    is_stopped: bool = False
    screened_out: int = 0
    submissions: list[StandInSubmission] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    durations: list[int] = field(default_factory=list)

    @property
    def reward(self) -> int:
        """What each participant gets."""
        return int(self.fields["reward"])

    @property
    def places(self) -> int:
        """How many submissions are wanted."""
        return int(self.fields["total_available_places"])

    @property
    def codes(self) -> list[JSONObject]:
        """Its completion codes."""
        return list(self.fields["completion_codes"])

    @property
    def slots(self) -> int:
        """How many people may be paid for being screened out."""
        return sum(int(action.get("slots", 0)) for code in self.codes for action in code["actions"])

    @property
    def handed_in(self) -> int:
        """How many submissions have been handed in, and not turned down."""
        return sum(self.counts[status] for status in HANDED_IN)

    @property
    def open_places(self) -> int:
        """How many more people may reserve a place."""
        return self.places - sum(self.counts[status] for status in HOLDING)

    @property
    def maximum_seconds(self) -> float:
        """How long one may take."""
        return float(self.fields["maximum_allowed_time"]) * 60

    @property
    def limits(self) -> JSONObject:
        """How many submissions one may hand in, and how many may be at work at once."""
        return dict(self.fields.get("submissions_config") or {})


@dataclass(slots=True, eq=False)
class StandInSubmission:
    """One participant's work in a study."""

    id: str
    study: StandInStudy
    participant_id: str
    started_at: float
    #: What a list tells of the participant; nobody asked for it.
    strata: JSONObject = field(default_factory=dict)
    status: str = RESERVED
    completed_at: float | None = None
    code: str | None = None
    bonuses: list[int] = field(default_factory=list)
    return_requested: float | None = None
    rejection: JSONObject | None = None
    #: What is decided, while the status is still PROCESSING.
    becoming: str | None = None
    timer: Timer | None = None

    @property
    def seconds(self) -> int | None:
        """How long it took."""
        return None if self.completed_at is None else round(self.completed_at - self.started_at)


@dataclass(slots=True, eq=False)
class StandInPerson:
    """A participant, and what filters know of them."""

    id: str
    traits: JSONObject = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class StandInGroup:
    """A group of participants: `members` by id, with the time at which they came into it."""

    id: str
    name: str
    description: str
    workspace_id: str
    members: dict[str, float] = field(default_factory=dict)
    is_deleted: bool = False


@dataclass(slots=True, eq=False)
class StandInMessage:
    """A message, to or from a participant."""

    id: str
    sender_id: str
    recipient_id: str
    body: str
    study_id: str | None
    at: float
    is_read: bool = False


@dataclass(slots=True, eq=False)
class StandInBonuses:
    """Bonuses that were set up: which submission gets what."""

    id: str
    study: StandInStudy
    rows: list[tuple[StandInSubmission, StandInPrice]]
    times_paid: int = 0
