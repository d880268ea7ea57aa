"""Both sides of a run are held against each other, and each difference is repaired by the way that it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.errors import ConfigError, UsageError
from mephisto_nb.model import changes as c
from mephisto_nb.model.crowd import CrowdStudy, CrowdVisitStatus, StudyStatus
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.records import Payment
from mephisto_nb.model.states import PaymentKind, PaymentStatus
from mephisto_nb.model.visits import Visit
from mephisto_nb.operator import Operator
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.contracts._samples import SampleRun
from mephisto_nb.testing.fake_clock import FakeClock
from mephisto_nb.utils.ids import new_id
from tests.kernel.recruiting import Market, register_fair
from tests.kernel.visiting import Town, TownExits
from tests.money.people import settings

S, P = CrowdVisitStatus, PaymentStatus
HALF = Money.of("0.5")
LONG_AGO = 10_000.0


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> tuple[Market, Town]:
    return register_fair(monkeypatch)


@pytest.fixture
def market(crowd: tuple[Market, Town]) -> Market:
    return crowd[0]


class Past:
    """A run of the fair that has ended, as its kernel left it."""

    def __init__(self, operator: Operator, clock: FakeClock) -> None:
        self.now = clock.now()
        #: The unit that was answered in a visit.
        self.units: dict[str, str] = {}
        config = settings("fair").as_dict()
        about = {"provider_type": "fair", "generator_done": True, "config": config, "ended_at": self.now}
        self.sample = SampleRun(operator._runs.database, **about)
        self.face: TaskRun = operator.get_task_run(self.sample.id)

    def visit(self, name: str, outcome: Outcome = Outcome.COMPLETED, done: int = 1, **about: Any) -> Visit:
        """Store a visit that ended long ago."""
        worker, at = self.sample.add_worker(name), self.now - LONG_AGO
        times = {"begun_at": at, "deadline": at + 60, "ended_at": at + 50, "told_at": at + 51}
        visit = Visit(new_id(), worker.worker_id, f"s-{name}", {}, 1, **{**times, "outcome": outcome, **about})
        self.sample.commit(c.AddVisit(visit))
        if done:
            unit = self.sample.add_unit()
            about = {"visit_id": visit.visit_id, "registration_id": visit.registration_id}
            agent = self.sample.add_agent(unit, worker, **about)
            self.sample.add_answer(agent, unit, {})
            self.units[visit.visit_id] = unit.unit_id
        return visit

    def pay(self, visit: Visit, status: P, kind: PaymentKind = PaymentKind.REWARD, amount: Money = HALF) -> str:
        """Store a payment of a visit, of long ago; a reward is of its unit."""
        at = self.now - LONG_AGO
        unit = self.units.get(visit.visit_id) if kind is PaymentKind.REWARD else None
        about = (kind, amount, "", at, self.sample.id, unit, status, None if status is P.OWED else at)
        payment = Payment(new_id(), new_id(), visit.worker_id, *about, visit_id=None if unit else visit.visit_id)
        self.sample.commit(c.AddPayment(payment))
        return payment.payment_id

    def payments(self) -> list[tuple[str, str, float]]:
        frame = self.face.payments()
        return [tuple(row) for row in frame[["kind", "status", "amount"]].to_numpy().tolist()]


@pytest.fixture
def past(timed_operator: Operator, clock: FakeClock, market: Market) -> Past:
    return Past(timed_operator, clock)


def found(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return [tuple(row) for row in frame[["kind", "repair"]].to_numpy().tolist()]


async def test_where_both_sides_agree_there_is_nothing(past: Past, market: Market) -> None:
    past.pay(past.visit("ann"), P.CONFIRMED)
    market.put("s-ann", S.APPROVED, paid=HALF)
    frame = await past.face.reconcile()
    assert frame.empty
    assert list(frame.columns) == [
        "kind", "repair", "automatic", "visit_id", "registration_id", "worker_name", "ours", "theirs", "amount",
        "currency", "payment_id",
    ]  # fmt: skip
    assert (await past.face.reconcile.repair()).empty


async def test_a_row_says_both_sides(past: Past, market: Market) -> None:
    visit = past.visit("ann")
    payment = past.pay(visit, P.SENT)
    market.put("s-ann", S.APPROVED, paid=HALF)
    (row,) = (await past.face.reconcile()).to_dict("records")
    assert row == {
        "kind": "paid there", "repair": "confirm", "automatic": True, "visit_id": visit.visit_id,
        "registration_id": "s-ann", "worker_name": "ann", "ours": "$0.50 is sent", "theirs": "is approved",
        "amount": 0.5, "currency": "USD", "payment_id": payment,
    }  # fmt: skip


@pytest.mark.parametrize("status", [P.OWED, P.SENDING, P.SENT])
async def test_what_the_crowd_has_paid_is_confirmed(past: Past, market: Market, status: P) -> None:
    past.pay(past.visit("ann"), status)
    market.put("s-ann", S.APPROVED, paid=HALF)
    assert list((await past.face.reconcile.repair())["done"]) == [True]
    assert past.payments() == [("reward", "confirmed", 0.5)]
    assert (await past.face.reconcile()).empty


async def test_what_somebody_else_paid_is_booked_once(past: Past, market: Market) -> None:
    past.pay(past.visit("ann"), P.CONFIRMED)
    past.visit("bob")
    market.put("s-ann", S.APPROVED, paid=HALF, bonuses=(Money.of("0.2"), Money.of("0.2"), Money.of(1)))
    market.put("s-bob", S.APPROVED, paid=HALF)
    for _ in range(2):
        await past.face.reconcile.repair()
    assert sorted(past.payments()) == [
        ("bonus", "confirmed", 0.2), ("bonus", "confirmed", 0.2), ("bonus", "confirmed", 1.0),
        ("compensation", "confirmed", 0.5), ("reward", "confirmed", 0.5),
    ]  # fmt: skip
    assert (await past.face.reconcile()).empty


async def test_two_who_book_at_the_same_time_book_once(past: Past, market: Market, timed_operator: Operator) -> None:
    from mephisto_nb.money.reconciliation import Repairer, compare_all, recruiter_of
    from tests.inside import frames_of

    past.pay(past.visit("ann"), P.CONFIRMED)
    market.put("s-ann", S.APPROVED, paid=HALF, bonuses=(HALF, HALF))
    run = frames_of(past.face)
    recruiter = await recruiter_of(run)
    sides = [await compare_all(run, recruiter) for _ in range(2)]
    for side in sides:
        await Repairer(run, recruiter, side).repair(side.differences)
    assert [kind for kind, *_ in past.payments()].count("bonus") == 2


async def test_one_more_bonus_of_an_amount_that_was_booked_is_booked(past: Past, market: Market) -> None:
    past.pay(past.visit("ann"), P.CONFIRMED)
    for number in (1, 2, 3):
        market.put("s-ann", S.APPROVED, paid=HALF, bonuses=(HALF,) * number)
        assert (await past.face.reconcile.repair())["done"].all()
        assert [kind for kind, *_ in past.payments()].count("bonus") == number


async def test_one_of_two_equal_bonuses_is_ours(past: Past, market: Market) -> None:
    visit = past.visit("ann")
    past.pay(visit, P.CONFIRMED)
    past.pay(visit, P.SENT, PaymentKind.BONUS)
    market.put("s-ann", S.APPROVED, paid=HALF, bonuses=(HALF, HALF))
    assert found(await past.face.reconcile()) == [("paid there", "confirm"), ("bonus there alone", "book")]
    assert (await past.face.reconcile.repair())["done"].all()
    assert sorted(past.payments())[:2] == [("bonus", "confirmed", 0.5)] * 2


async def test_an_amount_that_the_crowd_does_not_say_is_not_booked(past: Past, market: Market) -> None:
    past.visit("ann")
    market.put("s-ann", S.APPROVED)
    (row,) = (await past.face.reconcile.repair()).to_dict("records")
    assert (row["done"], row["why"]) == (False, "the crowd does not say how much it has paid")
    assert past.payments() == []


async def test_the_crowd_is_told_again_who_has_finished(past: Past, crowd: tuple[Market, Town]) -> None:
    market, town = crowd
    visit = past.visit("ann", told_at=None)
    market.put("s-ann", S.ACTIVE)
    assert (await past.face.reconcile.repair())["done"].all()
    assert town.told == [("s-ann", "completed")]
    assert past.face.visits().set_index("visit_id").loc[visit.visit_id, "told_at"] is not pd.NaT


async def test_when_the_crowd_was_told_first_stays_known(past: Past, crowd: tuple[Market, Town]) -> None:
    market, town = crowd
    visit = past.visit("ann")
    market.put("s-ann", S.ACTIVE)
    for _ in range(2):
        assert (await past.face.reconcile.repair())["done"].all()
    assert len(town.told) == 2
    assert past.face.visits()["told_at"].item().timestamp() == pytest.approx(visit.told_at)
    assert past.face.events().empty


async def test_a_crowd_that_is_told_by_its_people_alone_is_not_told(
    past: Past, crowd: tuple[Market, Town], monkeypatch: pytest.MonkeyPatch
) -> None:
    market, town = crowd
    monkeypatch.setattr(TownExits, "TELLS_CROWD", False)
    past.visit("ann", told_at=None)
    market.put("s-ann", S.ACTIVE)
    (row,) = (await past.face.reconcile.repair()).to_dict("records")
    assert (row["done"], town.told) == (False, [])
    assert row["why"] == "this crowd is told by its people alone, who have not gone back to it"


async def test_a_crowd_that_cannot_be_told_is_told_the_next_time(past: Past, crowd: tuple[Market, Town]) -> None:
    market, town = crowd
    town.is_open = False
    past.visit("ann", told_at=None)
    market.put("s-ann", S.ACTIVE)
    (row,) = (await past.face.reconcile.repair()).to_dict("records")
    assert (row["done"], row["why"]) == (False, "the crowd is closed")


async def test_what_a_person_has_to_say_is_left_to_them(past: Past, market: Market) -> None:
    visit = past.visit("ann")
    payment = past.pay(visit, P.SENT)
    market.put("s-ann", S.SUBMITTED)
    market.put("s-dan", S.SUBMITTED, code="LUCKY")
    rows = await past.face.reconcile()
    assert found(rows) == [("not paid there", "settle"), ("handed in there alone", "ask to return")]
    assert not rows["automatic"].any()
    assert (await past.face.reconcile.repair()).empty
    outcome = (await past.face.reconcile.repair(rows)).to_dict("records")
    assert [one["done"] for one in outcome] == [False, False]
    assert f"await operator.ledger.settle('{payment}', paid=True)" in outcome[0]["why"]
    assert "cannot ask anybody to return" in outcome[1]["why"]


async def test_of_rows_that_are_alike_as_many_are_repaired_as_are_named(past: Past, market: Market) -> None:
    past.pay(past.visit("ann"), P.CONFIRMED)
    market.put("s-ann", S.APPROVED, paid=HALF, bonuses=(HALF, HALF))
    rows = await past.face.reconcile()
    assert len(await past.face.reconcile.repair(rows.head(1))) == 1
    assert [kind for kind, *_ in past.payments()].count("bonus") == 1


async def test_pay_for_a_visit_that_was_given_back_is_owed_in_its_place(past: Past, market: Market) -> None:
    visit = past.visit("ann")
    key, at = f"{past.sample.id}:visit:{visit.visit_id}:0", past.now - LONG_AGO
    about = (PaymentKind.REWARD, HALF, "", at, past.sample.id)
    past.sample.commit(c.AddPayment(Payment(new_id(), key, visit.worker_id, *about, visit_id=visit.visit_id)))
    market.put("s-ann", S.RETURNED)
    rows = await past.face.reconcile()
    assert found(rows) == [("left there", "pay by bonus")]
    for _ in range(2):
        await past.face.reconcile.repair(rows)
    assert sorted(past.payments()) == [("compensation", "owed", 0.5), ("reward", "cancelled", 0.5)]


async def test_only_the_rows_that_are_named_are_repaired(past: Past, market: Market) -> None:
    for name in ("ann", "bob"):
        past.pay(past.visit(name), P.SENT)
        market.put(f"s-{name}", S.APPROVED, paid=HALF)
    rows = await past.face.reconcile()
    outcome = await past.face.reconcile.repair(rows[rows["worker_name"] == "bob"])
    assert list(outcome["worker_name"]) == ["bob"]
    assert list((await past.face.reconcile())["worker_name"]) == ["ann"]
    with pytest.raises(ConfigError, match="rows of a frame that await"):
        await past.face.reconcile.repair(pd.DataFrame({"x": [1]}))


async def test_a_visit_that_goes_on_in_a_run_nobody_drives_stays(past: Past, market: Market) -> None:
    past.visit("ann", ended_at=None, outcome=None, told_at=None, done=0)
    market.put("s-ann", S.RETURNED)
    (row,) = (await past.face.reconcile.repair()).to_dict("records")
    assert (row["repair"], row["done"]) == ("end visit", False)
    assert "await operator.reconnect(" in row["why"]


async def test_a_run_that_is_looked_up_knows_its_study(past: Past, market: Market) -> None:
    past.sample.database.runs.keep_crowd_memory(past.sample.id, {"study_id": "s1"})
    await past.face.reconcile()
    assert market.recalled == [{"study_id": "s1"}]


async def test_a_study_that_could_not_be_closed_is_closed_later(past: Past, market: Market) -> None:
    market.study = CrowdStudy("s1", StudyStatus.OPEN, 1)
    past.sample.database.runs.keep_crowd_memory(past.sample.id, {"study": {"stage": "open", "places": 1}})
    await past.face.reconcile()
    await past.face.reconcile()
    assert market.asked.count("close") == 1
    kept = past.sample.database.runs.read_crowd_memory(past.sample.id)
    assert kept["study"] == {"stage": "closed", "places": 1}


async def test_what_is_owed_in_a_run_that_is_looked_up_is_paid(past: Past, market: Market) -> None:
    past.pay(past.visit("ann"), P.OWED)
    market.put("s-ann", S.SUBMITTED)
    assert await past.face.review.tell_crowd() == []
    assert [status for _, status, _ in past.payments()] == ["sent"]
    assert (await past.face.reconcile.repair())["done"].all()
    assert [status for _, status, _ in past.payments()] == ["confirmed"]


async def test_a_crowd_without_books_cannot_be_compared(make_operator: Callable[..., Operator]) -> None:
    operator = make_operator()
    run = SampleRun(operator._runs.database, config=settings().as_dict())
    with pytest.raises(UsageError, match=r"keeps no books of visits.*\(link\)"):
        await operator.get_task_run(run.id).reconcile()
