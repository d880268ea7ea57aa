"""What a researcher changes of a run while it lasts is stored."""

from __future__ import annotations

from mephisto_nb.model import changes as c
from mephisto_nb.model.records import AS_LAUNCHED, Steering
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun


class SteeringContract(DatabaseFixtures):
    """`Steer` and `ChangePay`."""

    def test_what_was_steered_is_stored_the_last_word_counts(self, database: Database, run: SampleRun) -> None:
        for steering in (Steering(paused_at=1500.0, task_reward=0.5), Steering(None, 1600.0, 3, 0)):
            run.commit(c.Steer(Steering(paused_at=1.0)), c.Steer(steering))
            assert database.load_run(run.id).run.steering == database.find_runs()[0].steering == steering
        run.commit(c.Steer(AS_LAUNCHED))
        assert database.load_run(run.id).run.steering == AS_LAUNCHED

    def test_a_run_may_be_steered_when_it_is_stored_first(self, database: Database) -> None:
        run = SampleRun(database, steering=Steering(paused_at=1500.0))
        assert database.load_run(run.id).run == run.run

    def test_pay_changes_for_some_units_and_not_for_others(self, database: Database, run: SampleRun) -> None:
        first, second, third = run.add_units(3)
        run.commit(c.ChangePay([first.unit_id, second.unit_id], 0.5), c.ChangePay([second.unit_id], 0.75))
        pay = {row["unit_id"]: row["pay_amount"] for row in database.read_units([run.id])}
        assert pay == {first.unit_id: 0.5, second.unit_id: 0.75, third.unit_id: 0.25}
