"""The reviews of a database: decisions on answers, and the payments that come with them or otherwise."""

from __future__ import annotations

from mephisto_nb.errors import ConflictError
from mephisto_nb.model import changes as c
from mephisto_nb.model.records import RunPay
from mephisto_nb.model.states import PaymentKind, PaymentStatus, UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun

P = PaymentStatus


class ReviewsContract(DatabaseFixtures):
    """`AddReview`, `AddPayment` and `ChangePayment`; `ReviewStore`."""

    def test_a_decision_is_read_as_it_was_stored(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        bonus = run.make_payment(agent, amount=0.75)
        run.commit(c.AddPayment(bonus))
        effects = {"granted": {"careful": [2, None]}, "blocked": True}
        review = run.review(agent, bonus_payment_id=bonus.payment_id, note="kůň\0", effects=effects)
        (row,) = database.reviews.read_reviews([run.id])
        assert (row["note"], row["before"], row["after"], row["who"]) == ("kůň\ufffd", "completed", "accepted", "eve")
        assert (row["bonus"], row["granted"], row["blocked"]) == (0.75, {"careful": 2}, True)
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
        assert [row["undone_by"] for row in database.reviews.read_reviews([run.id])] == [undoing.review_id, None]
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

    def test_pay_is_told_by_run_status_amount_and_what_is_beside(self, database: Database, run: SampleRun) -> None:
        agent, empty = run.add_answered_unit({}), SampleRun(database)
        first, second = run.make_payment(agent), run.make_payment(agent, key="more", amount=0.75)
        reward = run.make_payment(agent, key="pay", kind=PaymentKind.REWARD)
        run.commit(c.AddPayment(first), c.AddPayment(second), c.AddPayment(reward), run.make_work(2))
        run.commit(c.ChangePayment(first.payment_id, P.OWED, P.CANCELLED))
        pay = {(UnitStatus.COMPLETED, 0.25): 1, (UnitStatus.CREATED, 0.25): 2}
        found, owed = database.reviews.read_pay([run.id, empty.id]), 0.75 + reward.amount
        assert found == {run.id: RunPay(pay, 0.75, owed), empty.id: RunPay()}
        run.commit(c.ChangePayment(second.payment_id, P.OWED, P.SENT, 1007.0))
        assert database.reviews.read_pay([run.id]) == {run.id: RunPay(pay, 0.75, reward.amount, 0.75)}

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
        first, again = run.make_payment(agent), run.make_payment(agent, amount=5.0)
        run.commit(
            c.AddPayment(first), c.AddPayment(run.make_payment(agent, key="more", unit_id=None, created_at=1006.0))
        )
        run.commit(c.AddPayment(again))
        rows = [(row["amount"], row["unit_id"], row["status"]) for row in database.reviews.read_payments([run.id])]
        assert rows == [(0.5, agent.unit_id, "owed"), (0.5, None, "owed")]

    def test_payments_of_a_run_that_is_taken_back_are_gone(self, database: Database, run: SampleRun) -> None:
        run.commit(c.AddPayment(run.make_payment(run.add_answered_unit({}))))
        database.runs.delete_run(run.id)
        assert database.reviews.read_payments([run.id]) == []

    def test_payments_of_all_runs_are_read(self, database: Database, run: SampleRun) -> None:
        run.commit(c.AddPayment(run.make_payment(run.add_answered_unit({}))))
        assert database.reviews.read_payments(None) == database.reviews.read_payments([run.id])
