"""What a step of a run does to people: payments, grants and blocks."""

from __future__ import annotations

from mephisto_nb.model import changes as c
from mephisto_nb.model.records import WorkerFacts
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun


def _facts(database: Database, run: SampleRun) -> WorkerFacts:
    return database.get_worker_facts(run.id, "mock", ["ann"])["ann"]


class StepsAboutPeopleContract(DatabaseFixtures):
    """`AddPayment`, `SetGrant` and `SetBlocked`."""

    def test_a_payment_is_stored_once_for_each_key(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        first, again = run.make_payment(agent), run.make_payment(agent, amount=5.0)
        run.commit(
            c.AddPayment(first), c.AddPayment(run.make_payment(agent, key="more", unit_id=None, created_at=1006.0))
        )
        run.commit(c.AddPayment(again))
        rows = [(row["amount"], row["unit_id"], row["status"]) for row in database.read_payments([run.id])]
        assert rows == [(0.5, agent.unit_id, "owed"), (0.5, None, "owed")]

    def test_payments_of_a_run_that_is_taken_back_are_gone(self, database: Database, run: SampleRun) -> None:
        run.commit(c.AddPayment(run.make_payment(run.add_answered_unit({}))))
        database.delete_run(run.id)
        assert database.read_payments([run.id]) == []

    def test_the_last_of_several_grants_counts(self, database: Database, run: SampleRun) -> None:
        ann = run.add_worker("ann").worker_id
        run.commit(c.SetGrant(ann, "careful", 1), c.SetGrant(ann, "careful", None), c.SetGrant(ann, "careful", 3))
        assert _facts(database, run).grants == {"careful": 3}
        run.commit(c.SetGrant(ann, "careful", None), c.SetGrant(ann, "quick", None))
        assert _facts(database, run).grants == {}

    def test_a_worker_is_blocked_by_a_step(self, database: Database, run: SampleRun) -> None:
        ann = run.add_worker("ann").worker_id
        for blocked in (True, False):
            run.commit(c.SetBlocked(ann, blocked))
            worker = _facts(database, run).worker
            assert worker is not None
            assert worker.blocked is blocked

    def test_nothing_is_done_to_people_by_a_step_that_is_refused(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        ann = agent.worker_id
        wrong = c.ChangeDeadline("nobody", 1.0)
        assert run.refusal(c.SetGrant(ann, "careful", 1), c.AddPayment(run.make_payment(agent)), wrong) is not None
        assert (_facts(database, run).grants, database.read_payments([run.id])) == ({}, [])
