"""Tasks, requesters, workers and qualifications, and what an arriving worker is held against."""

from __future__ import annotations

from mephisto_nb.model import changes as c
from mephisto_nb.model.records import WorkerFacts
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun, change_unit


def _facts(database: Database, run: SampleRun, name: str = "ann") -> WorkerFacts:
    return database.get_worker_facts(run.id, "mock", [name])[name]


class PeopleContract(DatabaseFixtures):
    """The people functions, and `Database.get_worker_facts`."""

    def test_a_task_is_made_once(self, database: Database) -> None:
        assert database.get_or_create_task("survey") == database.get_or_create_task("survey")
        assert database.get_or_create_task("other").task_id != database.get_or_create_task("survey").task_id

    def test_a_requester_is_made_once_for_each_provider(self, database: Database) -> None:
        lab = database.get_or_create_requester("lab", "mock")
        assert lab == database.get_or_create_requester("lab", "mock")
        assert lab.requester_id != database.get_or_create_requester("lab", "mturk").requester_id

    def test_a_qualification_is_made_once(self, database: Database) -> None:
        made = database.create_qualification("careful", "passed the test")
        assert database.create_qualification("careful") == made
        assert (made.name, made.description) == ("careful", "passed the test")

    def test_a_worker_never_seen_has_no_facts(self, database: Database, run: SampleRun) -> None:
        assert database.get_worker_facts(run.id, "mock", ["ann"]) == {}
        assert database.get_worker_facts(run.id, "mock", []) == {}

    def test_a_worker_is_known_to_their_provider_only(self, database: Database, run: SampleRun) -> None:
        worker = run.add_worker("ann")
        assert _facts(database, run) == WorkerFacts(worker)
        assert database.get_worker_facts(run.id, "mturk", ["ann"]) == {}

    def test_a_grant_makes_worker_and_qualification(self, database: Database, run: SampleRun) -> None:
        database.grant_qualification("careful", "ann", "mock", 3)
        assert _facts(database, run).grants == {"careful": 3}

    def test_a_second_grant_changes_the_value(self, database: Database, run: SampleRun) -> None:
        for value in (3, 0, -5):
            database.grant_qualification("careful", "ann", "mock", value)
        database.grant_qualification("quick", "ann", "mock", 1)
        assert _facts(database, run).grants == {"careful": -5, "quick": 1}

    def test_a_grant_belongs_to_one_worker(self, database: Database, run: SampleRun) -> None:
        run.add_worker("ben")
        database.grant_qualification("careful", "ann", "mock", 3)
        facts = database.get_worker_facts(run.id, "mock", ["ann", "ben", "eve"])
        assert {name: known.grants for name, known in facts.items()} == {"ann": {"careful": 3}, "ben": {}}

    def test_a_revoked_grant_is_gone(self, database: Database, run: SampleRun) -> None:
        database.grant_qualification("careful", "ann", "mock", 3)
        assert database.revoke_qualification("careful", "ann", "mock")
        assert _facts(database, run).grants == {}

    def test_what_there_is_not_is_revoked_without_making_it(self, database: Database, run: SampleRun) -> None:
        ann = run.add_worker("ann")
        run.commit(c.SetGrant(ann.worker_id, "mistyped", None))
        assert database.read_qualifications() == []

    def test_revoking_tells_whether_there_was_a_grant(self, database: Database) -> None:
        assert not database.revoke_qualification("careful", "ann", "mock")
        database.grant_qualification("careful", "ann", "mturk", 3)
        assert not database.revoke_qualification("careful", "ann", "mock")

    def test_a_worker_is_blocked_and_unblocked(self, database: Database, run: SampleRun) -> None:
        for blocked in (True, True, False):
            database.set_worker_blocked("ann", "mock", blocked)
            worker = _facts(database, run).worker
            assert worker is not None
            assert worker.blocked is blocked

    def test_units_of_other_runs_of_the_task_are_counted(self, database: Database, run: SampleRun) -> None:
        run.add_answered_unit({})
        again, later = SampleRun(database), SampleRun(database)
        facts = _facts(database, run)
        assert (facts.units_elsewhere, _facts(database, again).units_elsewhere) == (0, 1)
        assert facts.worker is not None
        again.add_agent(again.add_unit(), facts.worker)
        assert [_facts(database, one).units_elsewhere for one in (run, again, later)] == [1, 1, 2]

    def test_units_of_other_tasks_are_not_counted(self, database: Database, run: SampleRun) -> None:
        SampleRun(database, task_name="another survey").add_answered_unit({})
        assert _facts(database, run).units_elsewhere == 0

    def test_units_that_a_worker_gave_back_are_not_counted(self, database: Database, run: SampleRun) -> None:
        other = SampleRun(database)
        worker, (first, second) = other.add_worker(), other.add_units(2)
        held = other.add_agent(first, worker), other.add_agent(second, worker)
        other.commit(change_unit(first, UnitStatus.LAUNCHED), change_unit(second, UnitStatus.EXPIRED, held[1]))
        assert _facts(database, run).units_elsewhere == 0

    def test_thousands_of_workers_are_looked_up_at_once(self, database: Database, run: SampleRun) -> None:
        for name in ("ann", "zoe"):
            database.grant_qualification("careful", name, "mock", 3)
        names = ["ann", *(f"worker {n}" for n in range(3000)), "zoe"]
        assert list(database.get_worker_facts(run.id, "mock", names)) == ["ann", "zoe"]
