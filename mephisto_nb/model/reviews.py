"""Decisions on answers: what somebody wants, what is kept of it, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.money import Money
from mephisto_nb.model.states import PaymentStatus, UnitStatus
from mephisto_nb.utils.calling import brief

#: What a verdict is called when it has been given.
SAID: Mapping[UnitStatus, str] = {
    UnitStatus.ACCEPTED: "approved",
    UnitStatus.SOFT_REJECTED: "soft-rejected",
    UnitStatus.REJECTED: "rejected",
}
#: Why nothing was done about a unit that somebody else has decided on.
DECIDED = "was decided on before"


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decides about one or more answers.

    `bonus` is for each unit; None, or nothing: there is none. `grants` (values by qualification) and `block` are for
    each worker once. `note` is for researchers, `message` for the worker; `category` is the crowd's own word for why
    something is rejected. A unit that was decided on before is left alone unless `again` is set.
    """

    verdict: UnitStatus
    who: str
    note: str = ""
    message: str = ""
    bonus: Money | None = None
    grants: Mapping[str, int] = field(default_factory=dict)
    block: bool = False
    again: bool = False
    category: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """One decision on one answer, as it is kept; none is ever changed.

    `reward_payment_id` and `bonus_payment_id` are what came to be owed with it. `effects` is what else came with it:
    ``{"granted": {NAME: [VALUE, EARLIER VALUE OR None]}, "blocked": True}``, for the first of a worker's units alone.
    `undoes` is the decision that this one takes back.
    """

    review_id: str
    unit_id: str
    agent_id: str
    worker_id: str
    before: UnitStatus
    after: UnitStatus
    note: str
    message: str
    who: str
    at: float
    reward_payment_id: str | None = None
    bonus_payment_id: str | None = None
    effects: JSONObject = field(default_factory=dict)
    undoes: str | None = None


@dataclass(frozen=True, slots=True)
class KeptReview:
    """A decision that was not undone yet, what has become of the payments that came with it, and how much each was."""

    review: Review
    payments: Mapping[str, PaymentStatus]
    amounts: Mapping[str, Money] = field(default_factory=dict)


@brief
@dataclass(frozen=True, slots=True)
class ReviewOutcome:
    """What a decision, or its undoing, did to one unit; `why` says why nothing happened where `done` is False.

    `owed` is what came to be owed by it; below 0: what is owed no longer; None: nothing. `also` says what else it did
    to the worker: ``blocked``, ``granted 'careful'`` ...
    """

    unit_id: str
    worker_id: str | None
    before: UnitStatus
    after: UnitStatus
    done: bool
    why: str = ""
    review_id: str | None = None
    owed: Money | None = None
    also: str = ""
