"""Payments go the ways of their table, and no other: nothing that costs money happens on doubt."""

from __future__ import annotations

from itertools import product

import pytest

from mephisto_nb.errors import TransitionError
from mephisto_nb.model.states import (
    PAYMENT_COUNTS,
    PAYMENT_GONE,
    PAYMENT_TRANSITIONS,
    PaymentStatus,
    check_payment_transition,
)

P = PaymentStatus
#: What may follow, as a person would say it.
WAYS = {
    P.OWED: "sending sent failed cancelled",
    P.SENDING: "sent confirmed failed owed",
    P.SENT: "confirmed owed failed",
    P.CONFIRMED: "",
    P.FAILED: "owed cancelled",
    P.CANCELLED: "sent confirmed",
}


@pytest.mark.parametrize(("before", "after"), [*product(P, P)])
def test_a_payment_goes_the_ways_of_its_table_alone(before: P, after: P) -> None:
    if after.value in WAYS[before].split():
        check_payment_transition("p", before, after, "why")
        return
    with pytest.raises(TransitionError, match=f"Payment 'p' cannot go from '{before}' to '{after}'"):
        check_payment_transition("p", before, after, "why")


def test_what_the_crowd_is_asked_for_is_not_owed_once_more() -> None:
    assert P.SENDING in PAYMENT_GONE
    assert {P.SENDING, P.SENT, P.CONFIRMED} == PAYMENT_GONE == PAYMENT_COUNTS - {P.OWED}
    assert {*PAYMENT_TRANSITIONS} == {*P}
    assert P.CANCELLED not in PAYMENT_TRANSITIONS[P.SENDING]
