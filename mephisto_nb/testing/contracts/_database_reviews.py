"""The part of the database's contract that is about decisions on answers, what is paid, and in which currency."""

from __future__ import annotations

import pytest

from mephisto_nb.errors import ConflictError, TransitionError
from mephisto_nb.model import changes as c
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import BookedSum, KnownPayment, RunPay, Steering
from mephisto_nb.model.states import PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import PAY, THANKS, DatabaseFixtures, SampleRun

K, P = PaymentKind, PaymentStatus


MORE, NOTHING = Money.of("0.75"), Money(0)


class ReviewsContract(DatabaseFixtures):
    """`AddReview`, `AddPayment` and `ChangePayment`; `ReviewStore`."""

    def test_a_decision_is_read_as_it_was_stored(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        bonus = run.make_payment(agent, amount=MORE)
        run.commit(c.AddPayment(bonus))
        effects = {"granted": {"careful": [2, None]}, "blocked": True}
        review = run.review(agent, bonus_payment_id=bonus.payment_id, note="kůň\0", effects=effects)
        (row,) = database.reviews.read_reviews([run.id])
        assert (row["note"], row["before"], row["after"], row["who"]) == ("kůň\ufffd", "completed", "accepted", "eve")
        assert (row["bonus"], row["granted"], row["blocked"]) == (MORE, {"careful": 2}, True)
        kept = database.reviews.find_kept_reviews(run.id, [agent.unit_id])[agent.unit_id]
        assert kept.review.review_id == review.review_id
        assert (kept.payments, kept.review.effects) == ({bonus.payment_id: P.OWED}, effects)

    def test_a_decision_is_undone_once(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        first = run.review(agent)
        undoing = run.make_review(agent, UnitStatus.COMPLETED, before=UnitStatus.ACCEPTED, undoes=first.review_id)
        again = run.make_review(agent, UnitStatus.COMPLETED, before=UnitStatus.ACCEPTED, undoes=first.review_id)
        run.commit(c.AddReview(undoing))
        assert isinstance(run.refusal(c.AddReview(again)), ConflictError)
        undone_by = {row["review_id"]: row["undone_by"] for row in database.reviews.read_reviews([run.id])}
        assert undone_by == {first.review_id: undoing.review_id, undoing.review_id: None}
        assert database.reviews.find_kept_reviews(run.id, [agent.unit_id]) == {}

    def test_reviews_of_all_runs_are_read_together(self, database: Database, run: SampleRun) -> None:
        other = SampleRun(database)
        run.review(run.add_answered_unit({}, "ann"))
        other.review(other.add_answered_unit({}, "bob"))
        assert {row["task_run_id"] for row in database.reviews.read_reviews(None)} == {run.id, other.id}
        assert database.reviews.count_reviews() == 2
        assert [row["worker_name"] for row in database.reviews.read_reviews([other.id])] == ["bob"]

    def test_answers_are_read_with_who_gave_them(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        open_unit = run.add_unit()
        units, agents = database.reviews.load_answers(run.id, [agent.unit_id, open_unit.unit_id, "none"])
        assert {unit.unit_id: unit.status.value for unit in units} == {
            agent.unit_id: "completed",
            open_unit.unit_id: "launched",
        }
        assert [(one.agent_id, one.status.value) for one in agents] == [(agent.agent_id, "completed")]
        assert database.reviews.load_answers("another run", [agent.unit_id]) == ([], [])

    def test_a_payment_goes_on_from_where_it_is_alone(self, database: Database, run: SampleRun) -> None:
        payment = run.make_payment(run.add_answered_unit({}))
        run.commit(c.AddPayment(payment))
        run.commit(c.ChangePayment(payment.payment_id, P.OWED, P.SENT, 1007.0))
        cancel = c.ChangePayment(payment.payment_id, P.OWED, P.CANCELLED)
        assert isinstance(run.refusal(cancel), ConflictError)
        (row,) = database.reviews.read_payments(None)
        assert (row["status"], row["sent_at"]) == ("sent", 1007.0)
        assert database.reviews.read_payment_statuses([payment.payment_id, "none"]) == {payment.payment_id: P.SENT}

    def test_pay_is_told_by_run_status_amount_and_what_is_booked(self, database: Database, run: SampleRun) -> None:
        agent, empty = run.add_answered_unit({}), SampleRun(database)
        first, second = run.make_payment(agent), run.make_payment(agent, key="more", amount=MORE)
        run.commit(c.AddPayment(first), c.AddPayment(second), run.make_work(2))
        run.commit(c.ChangePayment(first.payment_id, P.OWED, P.CANCELLED))
        found = database.reviews.read_pay([run.id, empty.id])
        assert found[run.id].units == {(UnitStatus.COMPLETED, PAY): 1, (UnitStatus.CREATED, PAY): 2}
        assert found[run.id].booked == {
            (K.BONUS, P.CANCELLED): BookedSum(THANKS, NOTHING, THANKS),
            (K.BONUS, P.OWED): BookedSum(MORE, NOTHING, MORE),
        }
        assert found[empty.id] == RunPay()

    def test_an_answer_that_is_paid_already_is_not_counted_again(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        reward = run.make_payment(agent, key="pay", kind=K.REWARD, status=P.SENDING, fees=THANKS)
        run.commit(c.AddPayment(reward))
        found = database.reviews.read_pay([run.id])[run.id]
        assert (found.units, found.booked) == ({}, {(K.REWARD, P.SENDING): BookedSum(THANKS, THANKS, NOTHING)})

    @pytest.mark.parametrize("status", list(PaymentStatus))
    def test_payments_are_loaded_as_they_stand(self, database: Database, run: SampleRun, status: PaymentStatus) -> None:
        payment = run.make_payment(run.add_answered_unit({}), status=status, fees=MORE, asked_at=1006.0, visit_id="v")
        run.commit(c.AddPayment(payment))
        about = (payment.kind, payment.amount, status, MORE, payment.unit_id, "v", 1006.0)
        found = {payment.key: KnownPayment(payment.payment_id, *about)}
        assert database.reviews.load_payments(run.id) == found == database.runs.load_run(run.id).payments

    def test_payments_are_settled_once_and_leave_a_row_each(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        first, second = run.make_payment(agent), run.make_payment(agent, key="more")
        run.commit(c.AddPayment(first), c.AddPayment(second))
        ids = [first.payment_id, second.payment_id]
        assert database.reviews.settle_payments(ids[:1], P.OWED, P.SENT, 1008.0, "eve") == {ids[0]}
        assert database.reviews.settle_payments([*ids, "none"], P.OWED, P.SENT, 1009.0, "eve") == {ids[1]}
        assert {row["payment_id"]: row["sent_at"] for row in database.reviews.read_payments([run.id])} == {
            ids[0]: 1008.0,
            ids[1]: 1009.0,
        }
        assert [(event.subject_id, event.after) for event in database.runs.read_events([run.id])] == [
            (id_, "sent") for id_ in ids
        ]

    def test_a_payment_that_was_settled_by_mistake_is_owed_again(self, database: Database, run: SampleRun) -> None:
        payment = run.make_payment(run.add_answered_unit({}))
        run.commit(c.AddPayment(payment))
        id_ = payment.payment_id
        assert database.reviews.read_payers([id_]) == {}
        database.reviews.settle_payments([id_], P.OWED, P.SENT, 1008.0, "eve")
        assert database.reviews.read_payers([id_, "none"]) == {id_: "eve"}
        assert database.reviews.settle_payments([id_], P.SENT, P.OWED, 1009.0, "mia") == {id_}
        assert database.reviews.read_payments([run.id])[0]["sent_at"] is None
        assert database.reviews.settle_payments([id_], P.OWED, P.SENT, 1010.0, "ann") == {id_}
        assert database.reviews.read_payers([id_]) == {id_: "ann"}

    def test_reviews_of_a_run_that_is_taken_back_are_gone(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        bonus = run.make_payment(agent)
        run.commit(c.AddPayment(bonus))
        run.review(agent, bonus_payment_id=bonus.payment_id)
        database.runs.delete_run(run.id)
        assert database.reviews.read_reviews(None) == []

    def test_a_payment_is_stored_once_for_each_key(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        first, again = run.make_payment(agent), run.make_payment(agent, amount=Money.of(5))
        run.commit(
            c.AddPayment(first), c.AddPayment(run.make_payment(agent, key="more", unit_id=None, created_at=1006.0))
        )
        run.commit(c.AddPayment(again))
        rows = [(row["amount"], row["unit_id"], row["status"]) for row in database.reviews.read_payments([run.id])]
        assert rows == [(THANKS, agent.unit_id, "owed"), (THANKS, None, "owed")]

    def test_payments_of_a_run_that_is_taken_back_are_gone(self, database: Database, run: SampleRun) -> None:
        run.commit(c.AddPayment(run.make_payment(run.add_answered_unit({}))))
        database.runs.delete_run(run.id)
        assert database.reviews.read_payments([run.id]) == []

    def test_payments_of_all_runs_are_read(self, database: Database, run: SampleRun) -> None:
        run.commit(c.AddPayment(run.make_payment(run.add_answered_unit({}))))
        assert database.reviews.read_payments(None) == database.reviews.read_payments([run.id])

    def test_a_payment_is_read_as_it_was_stored(self, database: Database, run: SampleRun) -> None:
        about = {"amount": Money(1), "fees": Money(12_345), "visit_id": "visit", "reference": "sub\0mission"}
        run.commit(c.AddPayment(run.make_payment(run.add_answered_unit({}), asked_at=1.0, confirmed_at=2.0, **about)))
        (row,) = database.reviews.read_payments([run.id])
        assert (row["amount"], row["fees"], row["currency"]) == (Money(1), Money(12_345), "USD")
        assert (row["visit_id"], row["reference"]) == ("visit", "sub\ufffdmission")
        assert (row["asked_at"], row["sent_at"], row["confirmed_at"]) == (1.0, None, 2.0)

    def test_what_the_crowd_has_told_of_a_payment_stays(self, database: Database, run: SampleRun) -> None:
        payment = run.make_payment(run.add_answered_unit({}))
        run.commit(c.AddPayment(payment))
        ids, fees = [payment.payment_id], {payment.payment_id: Money(7)}
        database.reviews.settle_payments(ids, P.OWED, P.SENDING, 1.0, "eve", reference="a batch", fees=fees)
        database.reviews.settle_payments(ids, P.SENDING, P.SENT, 2.0, "eve")
        (row,) = database.reviews.read_payments([run.id])
        assert (row["reference"], row["fees"], row["status"]) == ("a batch", Money(7), "sent")

    def test_each_step_of_a_payment_is_timed(self, database: Database, run: SampleRun) -> None:
        payment = run.make_payment(run.add_answered_unit({}))
        run.commit(c.AddPayment(payment))
        for at, (before, after) in enumerate([(P.OWED, P.SENDING), (P.SENDING, P.SENT), (P.SENT, P.CONFIRMED)], 1):
            database.reviews.settle_payments([payment.payment_id], before, after, float(at), "eve")
        (row,) = database.reviews.read_payments([run.id])
        assert [row["status"], *(row[name] for name in ("asked_at", "sent_at", "confirmed_at"))] == [
            "confirmed", 1.0, 2.0, 3.0
        ]  # fmt: skip

    def test_a_payment_goes_no_way_that_its_table_lacks(self, database: Database, run: SampleRun) -> None:
        payment = run.make_payment(run.add_answered_unit({}), status=P.CONFIRMED)
        run.commit(c.AddPayment(payment))
        with pytest.raises(TransitionError, match="'confirmed' to 'owed'"):
            database.reviews.settle_payments([payment.payment_id], P.CONFIRMED, P.OWED, 1.0, "eve")
        assert isinstance(run.refusal(c.ChangePayment(payment.payment_id, P.CONFIRMED, P.CANCELLED)), TransitionError)
        assert database.reviews.read_payments([run.id])[0]["status"] == "confirmed"

    def test_all_of_a_run_is_in_its_currency(self, database: Database) -> None:
        pay, more = Money.of("0.123", "JPY"), Money(1, "JPY")
        run = SampleRun(database, currency="JPY", steering=Steering(task_reward=more))
        agent = run.add_answered_unit({}, pay=pay)
        bonus = run.make_payment(agent, amount=more)
        run.commit(c.AddPayment(bonus))
        run.review(agent, bonus_payment_id=bonus.payment_id)
        snapshot = database.runs.load_run(run.id)
        assert snapshot.run == database.runs.find_runs()[0] == run.run
        assert [unit.pay_amount for unit in snapshot.units] == [pay]
        assert [unit.pay_amount for unit in database.reviews.load_answers(run.id, [agent.unit_id])[0]] == [pay]
        for row in (*database.runs.read_units([run.id]), *database.runs.read_results([run.id])):
            assert (row["pay_amount"], row["currency"]) == (pay, "JPY")
        (review,) = database.reviews.read_reviews([run.id])
        assert (review["bonus"], review["currency"]) == (more, "JPY")
        kept = database.reviews.find_kept_reviews(run.id, [agent.unit_id])[agent.unit_id]
        assert (snapshot.payments[bonus.key].amount, kept.amounts) == (more, {bonus.payment_id: more})
        booked = {(K.BONUS, P.OWED): BookedSum(more, Money(0, "JPY"), more)}
        pays = RunPay({(UnitStatus.ACCEPTED, pay): 1}, booked=booked)
        assert database.reviews.read_pay([run.id]) == {run.id: pays}
        assert tuple(database.people.read_work()[0])[6:] == (pay.thousandths, "JPY", None)

    def test_units_that_pay_the_same_share_one_amount(self, database: Database, run: SampleRun) -> None:
        run.add_units(3)
        assert len({id(unit.pay_amount) for unit in database.runs.load_run(run.id).units}) == 1
        assert len({id(row["pay_amount"]) for row in database.runs.read_units([run.id])}) == 1
