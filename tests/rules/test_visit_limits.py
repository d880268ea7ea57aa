"""At the limits of a visit: its last second, an answer that comes late, and pay that is gone already."""

from __future__ import annotations

from fractions import Fraction

import pytest

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.states import PaymentStatus
from mephisto_nb.model.visits import BookedPay, ShortPay, VisitBooks, VisitRules
from mephisto_nb.rules.steering import pause
from mephisto_nb.rules.visit_pay import pay_visits, share_due
from mephisto_nb.rules.visit_steps import change_visit_deadline
from mephisto_nb.rules.visits import too_many
from tests.rules.rehearsal import Rehearsal
from tests.rules.test_visit_pay import REJECT, REWARD, a_visit
from tests.rules.test_visits import CROWD, do, end_of, visit_of


@pytest.mark.parametrize(
    ("rule", "share"), [(ShortPay.PAY_FULL, 1), (ShortPay.PAY_BY_UNIT, Fraction(1, 3)), (ShortPay.RETURN, 0)]
)
def test_a_late_answer_makes_a_visit_a_short_one(rule: ShortPay, share: Fraction) -> None:
    run = Rehearsal(1, 1, 1, visits=CROWD, assignment_duration=60.0)
    agent = run.take("ann", "page")
    run.pass_time(60.0)
    run.submit(agent)
    assert end_of(run) == (Outcome.TIMED_OUT, None, 1)
    assert share_due(visit_of(run), VisitRules(3, when_stopped_early=rule), 1, 1).fraction == share


def test_who_had_a_few_seconds_left_when_we_went_away_gets_a_minute() -> None:
    run = Rehearsal(1, 1, visits=CROWD, assignment_duration=600.0)
    agent = run.take("ann", "page")
    run.now = 590.0
    run.submit(agent)
    run.now = 5000.0
    assert run.take("ann", "page").deadline == 5060.0


@pytest.mark.parametrize(("sent", "may"), [(0, True), (1, False)])
def test_a_visit_that_was_given_back_counts_once_anything_was_sent(sent: int, may: bool) -> None:
    run = Rehearsal(1, 1, visits=VisitRules(2, most_per_worker=1))
    do(run, sent)
    agent = run.take("ann", "page")
    run.give_back(agent)
    assert (too_many(run.state, agent.worker_id) is None) == may


def test_a_visit_ends_no_earlier_than_what_its_worker_holds() -> None:
    run = Rehearsal(1, 1, visits=CROWD, assignment_duration=60.0)
    agent = run.take("ann", "page")
    run.step().change_deadline(agent, 100.0)  # as of somebody whose partners came late
    run.pass_time(60.0)
    assert (visit_of(run).ended_at, visit_of(run).deadline) == (None, 100.0)
    run.pass_time(100.0)
    assert end_of(run) == (Outcome.TIMED_OUT, None, 0)


def test_a_deadline_that_was_moved_holds_no_longer() -> None:
    run = Rehearsal(1, 1, visits=CROWD, assignment_duration=60.0)
    do(run, 1)
    pause(run.step())
    run.refuse("ann", registration="page")
    change_visit_deadline(run.step(), visit_of(run), 120.0)
    run.pass_time(60.0)
    assert visit_of(run).ended_at is None
    assert run.state.next_deadline() == 120.0
    run.pass_time(120.0)
    assert visit_of(run).ended_at == 120.0


@pytest.mark.parametrize("status", [PaymentStatus.SENDING, PaymentStatus.SENT, PaymentStatus.CONFIRMED])
def test_pay_that_is_gone_is_never_cancelled(status: PaymentStatus) -> None:
    run, books = a_visit()
    books.decide(REJECT, 0, 1, 2)
    paid = VisitBooks(visit_of(run).visit_id, (BookedPay("p", 0, REWARD, status),))
    assert pay_visits(step := run.step(), [paid]) == {}
    assert not step.changes.changes
