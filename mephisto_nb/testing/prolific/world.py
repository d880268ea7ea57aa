"""All that one stand-in holds: the account of one researcher, and the people who may take part."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TypeVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.testing.prolific.books import StandInAccount, StandInBooks
from mephisto_nb.testing.prolific.filters import TRAITS, passes
from mephisto_nb.testing.prolific.records import (
    ACTIVE,
    RESERVED,
    StandInBonuses,
    StandInGroup,
    StandInMessage,
    StandInPerson,
    StandInStudy,
    StandInSubmission,
)
from mephisto_nb.testing.prolific.refusals import not_found
from mephisto_nb.testing.standin_clock import StandInClock

Held = TypeVar("Held")

#: Pay per hour in the smallest unit: the least that is allowed, and what is recommended.
PER_HOUR = {"GBP": (600, 900), "USD": (800, 1200)}
#: What has to be switched on for a workspace.
SCREEN_OUT, DYNAMIC_PAYMENT = "screen_out", "dynamic_payment"


@dataclass(frozen=True, slots=True)
class StandInSettings:
    """How this Prolific behaves; seconds are those of its own clock.

    Parameters
    ----------
    currency, balance
        Of the first workspace; the balance in the smallest unit.
    fees_percentage, vat_percentage
        What comes on top of what people get, and on top of those fees.
    publishing, processing, bulk, paying
        How many seconds a study is being published, a decision is being taken in, a bulk approval waits, and a
        bonus takes to arrive.
    seeing
        How many seconds pass between a participant handing in and Prolific knowing of it.
    features
        What is switched on for the workspaces: ``screen_out``, ``dynamic_payment``.
    requests_per_second
        Beyond so many, requests are answered 429; None: no limit.
    loopback_hooks
        Whether hooks may go to this computer and by plain http, which Prolific itself would refuse.
    """

    currency: str = "GBP"
    balance: int = 1_000_000
    fees_percentage: Decimal = Decimal("33.3")
    vat_percentage: Decimal = Decimal(20)
    publishing: float = 3.0
    processing: float = 2.0
    seeing: float = 0.0
    bulk: float = 5.0
    paying: float = 60.0
    features: frozenset[str] = frozenset({SCREEN_OUT, DYNAMIC_PAYMENT})
    requests_per_second: float | None = None
    loopback_hooks: bool = True


@dataclass(slots=True, eq=False)
class StandInWorkspace:
    """A workspace and its projects (id to title)."""

    id: str
    title: str
    description: str = ""
    projects: dict[str, str] = field(default_factory=dict)


class ProlificWorld:
    """What is there, and the helpers that everything which changes it needs.

    Parameters
    ----------
    clock
        Its time.
    settings
        How it behaves.
    seed
        Of all that is left to chance, ids too.
    """

    def __init__(self, clock: StandInClock, settings: StandInSettings, seed: int) -> None:
        self.clock, self.settings = clock, settings
        self.random = random.Random(seed)
        self.books = StandInBooks(settings.fees_percentage, settings.vat_percentage)
        self.user_id = self.new_id()
        self.workspaces: dict[str, StandInWorkspace] = {}
        self.studies: dict[str, StandInStudy] = {}
        self.submissions: dict[str, StandInSubmission] = {}
        self.people: dict[str, StandInPerson] = {}
        self.groups: dict[str, StandInGroup] = {}
        self.messages: list[StandInMessage] = []
        self.bonuses: dict[str, StandInBonuses] = {}
        #: Called with the workspace's id, the type of an event, and what it tells.
        self.listeners: list[Callable[[str, str, JSONObject], None]] = []
        self._by_person: dict[tuple[str, str], list[StandInSubmission]] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self.home = self.add_workspace("My workspace", settings.currency, settings.balance)

    def now(self) -> float:
        """Return the time as seconds since the epoch."""
        return self.clock.now()

    def new_id(self) -> str:
        """Return an id of 24 hexadecimal digits, which begins with the time."""
        return f"{int(self.clock.now()) & 0xFFFFFFFF:08x}{self.random.getrandbits(64):016x}"

    def add_workspace(self, title: str, currency: str, balance: int = 0) -> StandInWorkspace:
        """Make a workspace with one project and money in it."""
        made = StandInWorkspace(self.new_id(), title, projects={self.new_id(): "Project"})
        self.workspaces[made.id] = made
        self.books.accounts[made.id] = StandInAccount(currency, balance)
        return made

    def account_of(self, study: StandInStudy) -> StandInAccount:
        """Return the money that a study is paid from."""
        return self.books.accounts[study.workspace_id]

    def add_submission(self, study: StandInStudy, participant_id: str) -> StandInSubmission:
        """Make a submission that holds a place, as yet unopened."""
        made = StandInSubmission(self.new_id(), study, participant_id, self.now(), self._strata(participant_id))
        self.submissions[made.id] = made
        study.submissions.append(made)
        study.counts[RESERVED] += 1
        self._by_person.setdefault((study.id, participant_id), []).append(made)
        return made

    def submissions_of(self, study: StandInStudy, participant_id: str) -> list[StandInSubmission]:
        """Return what a participant did in a study, the oldest first."""
        return self._by_person.get((study.id, participant_id), [])

    def study(self, study_id: str) -> StandInStudy:
        """Return a study, or raise `ApiRefusal`."""
        return found(self.studies, study_id)

    def submission(self, submission_id: str) -> StandInSubmission:
        """Return a submission, or raise `ApiRefusal`."""
        return found(self.submissions, submission_id)

    def tell(self, workspace_id: str, event_type: str, told: JSONObject) -> None:
        """Tell of an event whoever listens, and wake those who wait for a change."""
        for listener in self.listeners:
            listener(workspace_id, event_type, told)
        self.wake()

    def wake(self) -> None:
        """Wake whoever waits for a change."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def change(self) -> None:
        """Wait until anything has changed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await self.clock.wait_for(future)
        finally:
            self._waiting.discard(future)

    def _strata(self, participant_id: str) -> JSONObject:
        traits = self.people[participant_id].traits
        born = datetime.fromtimestamp(self.now(), UTC).year - int(traits.get("age", 30))
        sex = TRAITS["sex"]["choices"].get(traits.get("sex"), "")
        return {"date of birth": f"{born}-01-01", "ethnicity (simplified)": "", "sex": sex}


def found(held: Mapping[str, Held], one_id: str) -> Held:
    """Return what has an id.

    Raises
    ------
    ApiRefusal
        There is nothing; or it may not be seen, which is answered alike.
    """
    if one_id not in held:
        raise not_found()
    return held[one_id]


def workspace_of_project(world: ProlificWorld, project_id: str) -> StandInWorkspace | None:
    """Return the workspace that a project is in."""
    return next((one for one in world.workspaces.values() if project_id in one.projects), None)


def exists(world: ProlificWorld, kind: str, one_id: str) -> bool:
    """Return whether there is something of a kind (as ``StudyID``, ``ParticipantGroupID``) with this id."""
    if kind == "StudyID":
        return one_id in world.studies
    if kind == "ParticipantGroupID":
        return one_id in world.groups
    return len(one_id) == 24  # people whom nobody has met yet may be listed


def is_eligible(world: ProlificWorld, filters: list[JSONObject], person: StandInPerson) -> bool:
    """Return whether somebody passes all filters, as things are now."""
    return all(passes(one, person.traits, partial(_belongs, world, person)) for one in filters)


def may_take(world: ProlificWorld, study: StandInStudy, person: StandInPerson) -> bool:
    """Return whether somebody is offered a place in a study at this moment."""
    limits, own = study.limits, world.submissions_of(study, person.id)
    most, at_once = limits.get("max_submissions_per_participant", 1), limits.get("max_concurrent_submissions", -1)
    at_work = study.counts[ACTIVE] + study.counts[RESERVED]
    return (
        study.status == ACTIVE
        and study.open_places > 0
        and (most == -1 or len(own) < most)
        and (at_once == -1 or at_work < at_once)
        and is_eligible(world, study.fields["filters"], person)
    )


def _belongs(world: ProlificWorld, person: StandInPerson, kind: str, one_id: str) -> bool:
    if kind == "ParticipantID":
        return person.id == one_id
    if kind == "StudyID":
        return one_id in world.studies and bool(world.submissions_of(world.studies[one_id], person.id))
    group = world.groups.get(one_id)
    return group is not None and person.id in group.members
