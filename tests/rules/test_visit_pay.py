"""A visit is paid once, as a whole, when the last of its answers is decided on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mephisto_nb.model.changes import AddPayment, ChangePayment
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.records import Payment
from mephisto_nb.model.reviews import Decision, KeptReview
from mephisto_nb.model.states import PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.model.visits import BookedPay, ShortPay, VisitBooks, VisitRules
from mephisto_nb.rules.reviewing import decide, undo
from mephisto_nb.rules.visits import end
from tests.rules.rehearsal import Rehearsal
from tests.rules.test_visits import do, visit_of

REWARD = Money.of("1.00")
ACCEPTED, REJECTED = UnitStatus.ACCEPTED, UnitStatus.REJECTED
REJECT, APPROVE = Decision(REJECTED, "eve"), Decision(ACCEPTED, "eve")


class Books:
    """What was booked of the payments of one run's visits, as the database keeps it."""

    def __init__(self, run: Rehearsal) -> None:
        self.run, self.payments = run, dict[str, Payment]()
        self.reviews = dict[str, KeptReview]()

    def of(self, visit_id: str) -> VisitBooks:
        made = [one for one in self.payments.values() if one.visit_id == visit_id]
        numbered = [(one, int(one.key.rpartition(":")[2])) for one in made]
        return VisitBooks(visit_id, tuple(BookedPay(p.payment_id, n, p.amount, p.status) for p, n in numbered))

    def decide(self, decision: Decision, *units: int) -> list[Any]:
        step = self.run.step()
        wanted = {self.run.units[place].unit_id: None for place in units}
        outcomes = decide(step, decision, wanted, {}, books=[self.of(visit_of(self.run).visit_id)])
        self.keep(step)
        for change in step.changes.changes:
            if type(change).__name__ == "AddReview":
                self.reviews[change.review.unit_id] = KeptReview(change.review, {}, {})  # type: ignore[union-attr]
        return outcomes

    def undo(self, *units: int) -> list[Any]:
        step = self.run.step()
        kept = [self.reviews[self.run.units[place].unit_id] for place in units]
        outcomes = undo(step, kept, "eve", "", {}, [self.of(visit_of(self.run).visit_id)])
        self.keep(step)
        return outcomes

    def keep(self, step: Any) -> None:
        for change in step.changes.changes:
            if isinstance(change, AddPayment):
                self.payments[change.payment.payment_id] = change.payment
            elif isinstance(change, ChangePayment):
                self.payments[change.payment_id] = replace(self.payments[change.payment_id], status=change.after)

    def standing(self) -> list[tuple[PaymentKind, str, str]]:
        return [(one.kind, str(one.amount), one.status.value) for one in self.payments.values()]


def a_visit(units: int = 3, done: int = 3, **rules: Any) -> tuple[Rehearsal, Books]:
    run = Rehearsal(*[1] * units, visits=VisitRules(3, **rules), task_reward=REWARD)
    do(run, done)
    return run, Books(run)


def test_it_is_paid_when_the_last_answer_is_decided_on() -> None:
    _, books = a_visit()
    assert [one.owed for one in books.decide(APPROVE, 0, 1)] == [Money(0), Money(0)]
    assert books.standing() == []
    (last,) = books.decide(APPROVE, 2)
    assert last.owed == REWARD
    assert books.standing() == [(PaymentKind.REWARD, "$1.00", "owed")]


def test_one_bad_answer_does_not_cost_the_pay() -> None:
    _, books = a_visit()
    books.decide(REJECT, 0)
    books.decide(APPROVE, 1, 2)
    assert books.standing() == [(PaymentKind.REWARD, "$1.00", "owed")]


def test_a_visit_of_rejected_answers_is_not_paid() -> None:
    _, books = a_visit()
    books.decide(REJECT, 0, 1, 2)
    assert books.standing() == []


def test_a_part_is_paid_out_in_whole_cents() -> None:
    run, books = a_visit(done=2, when_stopped_early=ShortPay.PAY_BY_UNIT)
    end(run.step(), visit_of(run), Outcome.RETURNED, "worker")
    books.decide(APPROVE, 0, 1)
    assert books.standing() == [(PaymentKind.COMPENSATION, "$0.67", "owed")]


def test_what_ends_after_its_answers_were_decided_on_is_paid_then() -> None:
    run, books = a_visit(done=2, when_stopped_early=ShortPay.PAY_FULL)
    books.decide(APPROVE, 0, 1)
    assert books.standing() == []
    step = run.step()
    end(step, visit_of(run), Outcome.RETURNED, "worker")
    books.keep(step)
    assert books.standing() == [(PaymentKind.REWARD, "$1.00", "owed")]


def test_a_decision_that_is_taken_back_takes_the_pay_back() -> None:
    _, books = a_visit()
    books.decide(APPROVE, 0, 1, 2)
    (undone,) = books.undo(1)
    assert undone.owed == -REWARD
    assert books.standing() == [(PaymentKind.REWARD, "$1.00", "cancelled")]
    books.decide(APPROVE, 1)
    assert books.standing()[1:] == [(PaymentKind.REWARD, "$1.00", "owed")]
    assert len({one.key for one in books.payments.values()}) == 2


@pytest.mark.parametrize("status", [PaymentStatus.SENDING, PaymentStatus.SENT, PaymentStatus.CONFIRMED])
def test_what_was_paid_is_neither_taken_back_nor_paid_again(status: PaymentStatus) -> None:
    _, books = a_visit()
    books.decide(APPROVE, 0, 1, 2)
    (payment,) = books.payments.values()
    books.payments[payment.payment_id] = replace(payment, status=status)
    (refused,) = books.undo(1)
    assert (refused.done, refused.why) == (
        False, f"the payment of its visit is {status.value}, and cannot be taken back",
    )  # fmt: skip
    assert len(books.payments) == 1
