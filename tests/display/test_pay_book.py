"""What a driven run pays is kept up by its steps, and is what counting anew says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mephisto_nb.display.dashboard.pay_book import PayBook
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.reviews import Decision
from mephisto_nb.model.states import AgentStatus, PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.model.visits import ShortPay, VisitBooks, VisitRules
from mephisto_nb.rules.reviewing import decide
from mephisto_nb.rules.visits import end
from tests.rules.rehearsal import Rehearsal
from tests.rules.test_visits import visit_of

P = PaymentStatus
APPROVE, REJECT = Decision(UnitStatus.ACCEPTED, "eve"), Decision(UnitStatus.REJECTED, "eve")


class Followed:
    """A run of visits of two units, at 1.00 each, whose book hears of each step."""

    def __init__(self, units: int, **rules: Any) -> None:
        self.run = Rehearsal(*[1] * units, visits=VisitRules(2, **rules), task_reward=Money.of(1))
        self.book = PayBook(self.run.state)

    def told(self) -> Any:
        """Take the newest step in, and return what the run pays, if counting anew says the same."""
        self.book.take(self.run.last)
        assert self.book.read() == PayBook(self.run.state).read()
        return self.book.read()

    def work(self, name: str, how: AgentStatus | None = None) -> None:
        agent = self.run.take(name, "page")
        self.told()
        if how is None:
            self.run.submit(agent)
        else:
            self.run.leave(agent, how)
        self.told()

    def decide(self, decision: Decision, *units: int) -> Any:
        wanted = {self.run.units[place].unit_id: None for place in units}
        visits = {self.run.state.agents[self.run.units[place].agent_id or ""].visit_id for place in units}
        decide(self.run.step(), decision, wanted, {}, books=[VisitBooks(one) for one in visits if one])
        return self.told()


def amounts(pay: Any) -> dict[tuple[str, str], str]:
    return {(kind.value, status.value): str(one.amount) for (kind, status), one in pay.booked.items()}


def test_a_visit_is_followed_from_its_begin_to_its_payment() -> None:
    followed = Followed(3)
    followed.work("ann")
    (standing,) = followed.book.read().visits
    assert (standing.done, standing.waiting, standing.outcome) == (1, 1, None)
    followed.work("ann")
    pay = followed.decide(REJECT, 0)
    assert (pay.booked, [one.is_booked for one in pay.visits]) == ({}, [False])
    pay = followed.decide(APPROVE, 1)
    assert (amounts(pay), [one.is_booked for one in pay.visits]) == ({("reward", "owed"): "$1.00"}, [True])
    assert {status for status, _ in pay.units} == {UnitStatus.LAUNCHED}


def test_who_leaves_gives_a_unit_back_to_be_counted_by_itself() -> None:
    followed = Followed(2, when_stopped_early=ShortPay.PAY_BY_UNIT)
    followed.work("ann")
    followed.work("ann", AgentStatus.RETURNED)
    end(followed.run.step(), visit_of(followed.run), Outcome.RETURNED, "worker")
    followed.told()
    pay = followed.decide(APPROVE, 0)
    assert amounts(pay) == {("compensation", "owed"): "$0.50"}
    assert sum(pay.units.values()) == 1


def test_how_payments_stand_elsewhere_is_taken_in() -> None:
    followed = Followed(2)
    followed.work("ann")
    followed.work("ann")
    followed.decide(APPROVE, 0, 1)
    ((key, payment),) = followed.run.state.payments.items()
    followed.book.settle({key: replace(payment, status=P.SENT, fees=Money.of("0.20"))})
    pay = followed.book.read()
    assert amounts(pay) == {("reward", "sent"): "$1.00"}
    assert pay.booked[PaymentKind.REWARD, P.SENT].fees == Money.of("0.20")
    followed.book.settle({key: replace(payment, status=P.FAILED)})
    assert [one.is_booked for one in followed.book.read().visits] == [False]


def test_an_older_reading_does_not_take_a_step_back() -> None:
    followed = Followed(2)
    followed.work("ann")
    followed.work("ann")
    followed.decide(APPROVE, 0, 1)
    ((key, owed),) = followed.run.state.payments.items()
    followed.book.settle({})
    assert amounts(followed.book.read()) == {("reward", "owed"): "$1.00"}
    followed.book.settle({key: replace(owed, status=P.CANCELLED)})
    followed.book.settle({key: owed})
    assert amounts(followed.book.read()) == {("reward", "cancelled"): "$1.00"}
