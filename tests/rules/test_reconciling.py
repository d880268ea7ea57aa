"""What we have is held against what a crowd says; what may still settle by itself is no difference yet."""

from __future__ import annotations

from typing import Any

import pytest

from mephisto_nb.model.crowd import CrowdVisit
from mephisto_nb.model.crowd import CrowdVisitStatus as C
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.states import PaymentStatus as P
from mephisto_nb.rules.reconciling import SETTLES_IN, OurPayment, OurVisit, compare

NOW = 100_000.0
LONG_AGO, JUST_NOW = NOW - SETTLES_IN - 1, NOW - SETTLES_IN
HALF = Money.of("0.5")


def ours(**about: Any) -> OurVisit:
    """Return a visit that ended well long ago."""
    given = {"outcome": Outcome.COMPLETED, "done": 1, "began_at": LONG_AGO, "ended_at": LONG_AGO, **about}
    return OurVisit("v", "s", "ann", **given)


def pays(status: P, at: float = LONG_AGO, amount: Money = HALF) -> OurPayment:
    return OurPayment(status.value, amount, status, at)


def theirs(status: C, **about: Any) -> CrowdVisit:
    return CrowdVisit("s", "ann", status, **{"paid": HALF, **about})


def found(visit: OurVisit | None, other: CrowdVisit | None) -> list[str]:
    there = [] if other is None else [other]
    return [f"{one.kind}: {one.repair}" for one in compare([] if visit is None else [visit], there, NOW)]


@pytest.mark.parametrize(
    ("visit", "other", "expected"),
    [
        # one side alone
        (ours(began_at=LONG_AGO), None, ["unknown there: look"]),
        (ours(began_at=JUST_NOW), None, []),
        (None, theirs(C.SUBMITTED), ["handed in there alone: ask to return"]),
        (None, theirs(C.APPROVED), ["handed in there alone: look"]),
        (None, theirs(C.ACTIVE, began_at=LONG_AGO), ["never came here: look"]),
        (None, theirs(C.ACTIVE, began_at=JUST_NOW), []),
        (None, theirs(C.RETURNED), []),
        # a visit that goes on here
        (ours(outcome=None), theirs(C.ACTIVE), []),
        (ours(outcome=None), theirs(C.RETURNED), ["left there: end visit"]),
        (ours(outcome=None), theirs(C.SUBMITTED), ["handed in there alone: ask to return"]),
        # one that has ended
        (ours(), theirs(C.ACTIVE), ["finished here alone: tell"]),
        (ours(ended_at=JUST_NOW), theirs(C.ACTIVE), []),
        (ours(), theirs(C.RETURNED), ["left there: look"]),
        (ours(done=0), theirs(C.RETURNED), []),
        (ours(outcome=Outcome.NO_CONSENT), theirs(C.SUBMITTED), ["handed in there alone: ask to return"]),
        (ours(outcome=Outcome.NO_CONSENT, ended_at=JUST_NOW), theirs(C.SUBMITTED), []),
        (ours(outcome=Outcome.FAILED_CHECKS), theirs(C.SUBMITTED), []),
        # its reward
        (ours(), theirs(C.APPROVED), ["paid there: book"]),
        (ours(reward=pays(P.OWED)), theirs(C.APPROVED), ["paid there: confirm"]),
        (ours(reward=pays(P.CONFIRMED)), theirs(C.APPROVED), []),
        (ours(reward=pays(P.CANCELLED)), theirs(C.APPROVED), ["paid there: look"]),
        (ours(reward=pays(P.OWED)), theirs(C.REJECTED), ["rejected there: look"]),
        (ours(reward=pays(P.CANCELLED)), theirs(C.REJECTED), []),
        (ours(reward=pays(P.OWED)), theirs(C.RETURNED), ["left there: pay by bonus"]),
        (ours(reward=pays(P.SENT)), theirs(C.SUBMITTED), ["not paid there: settle"]),
        (ours(reward=pays(P.SENT, JUST_NOW)), theirs(C.SUBMITTED), []),
        (ours(reward=pays(P.OWED)), theirs(C.SUBMITTED), []),
    ],
)
def test_a_difference_has_a_name_and_a_repair(
    visit: OurVisit | None, other: CrowdVisit | None, expected: list[str]
) -> None:
    assert found(visit, other) == expected


@pytest.mark.parametrize(
    ("bonuses", "there", "expected"),
    [
        # What is known to be there is found first, whichever of ours is the older.
        ([P.OWED, P.CONFIRMED], 1, []),
        ([P.OWED, P.SENT], 1, ["paid there: confirm"]),
        ([P.SENT, P.CONFIRMED], 1, ["bonus not there: settle"]),
        ([P.SENDING], 1, ["paid there: confirm"]),
        ([P.OWED], 1, ["bonus there alone: settle"]),
        ([P.OWED], 0, []),
        ([P.CONFIRMED], 3, ["bonus there alone: book"] * 2),
    ],
)
def test_bonuses_are_told_apart_by_their_amounts(bonuses: list[P], there: int, expected: list[str]) -> None:
    visit = ours(reward=pays(P.CONFIRMED), bonuses=tuple(map(pays, bonuses)))
    assert found(visit, theirs(C.APPROVED, bonuses=(HALF,) * there)) == expected


def test_a_bonus_that_was_asked_for_just_now_may_be_missing() -> None:
    visit = ours(reward=pays(P.CONFIRMED), bonuses=(pays(P.SENT, JUST_NOW),))
    assert found(visit, theirs(C.APPROVED)) == []
