"""The people of a database: qualifications, grants, blocks and notes; acts on them, and what arriving workers meet."""

from __future__ import annotations

import pytest

from mephisto_nb.errors import ConflictError
from mephisto_nb.model import changes as c
from mephisto_nb.model.people import Act, ActKind, WorkerKey
from mephisto_nb.model.records import WorkerFacts
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.people import undo_of
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun, change_unit


def _facts(database: Database, run: SampleRun, name: str = "ann") -> WorkerFacts:
    return database.people.get_worker_facts(run.id, "mock", [name])[name]


class PeopleContract(DatabaseFixtures):
    """Requesters, qualifications and grants one by one, and `PeopleStore.get_worker_facts`."""

    def test_a_requester_is_made_once_for_each_provider(self, database: Database) -> None:
        lab = database.people.get_or_create_requester("lab", "mock")
        assert lab == database.people.get_or_create_requester("lab", "mock")
        assert lab.requester_id != database.people.get_or_create_requester("lab", "mturk").requester_id

    def test_a_qualification_is_made_once(self, database: Database) -> None:
        made = database.people.create_qualification("careful", "passed the test")
        assert database.people.create_qualification("careful") == made
        assert (made.name, made.description) == ("careful", "passed the test")

    def test_a_worker_never_seen_has_no_facts(self, database: Database, run: SampleRun) -> None:
        assert database.people.get_worker_facts(run.id, "mock", ["ann"]) == {}
        assert database.people.get_worker_facts(run.id, "mock", []) == {}

    def test_a_worker_is_known_to_their_provider_only(self, database: Database, run: SampleRun) -> None:
        worker = run.add_worker("ann")
        assert _facts(database, run) == WorkerFacts(worker)
        assert database.people.get_worker_facts(run.id, "mturk", ["ann"]) == {}

    def test_a_grant_makes_worker_and_qualification(self, database: Database, run: SampleRun) -> None:
        database.people.grant_qualification("careful", "ann", "mock", 3)
        assert _facts(database, run).grants == {"careful": 3}

    def test_a_second_grant_changes_the_value(self, database: Database, run: SampleRun) -> None:
        for value in (3, 0, -5):
            database.people.grant_qualification("careful", "ann", "mock", value)
        database.people.grant_qualification("quick", "ann", "mock", 1)
        assert _facts(database, run).grants == {"careful": -5, "quick": 1}

    def test_a_grant_belongs_to_one_worker(self, database: Database, run: SampleRun) -> None:
        run.add_worker("ben")
        database.people.grant_qualification("careful", "ann", "mock", 3)
        facts = database.people.get_worker_facts(run.id, "mock", ["ann", "ben", "eve"])
        assert {name: known.grants for name, known in facts.items()} == {"ann": {"careful": 3}, "ben": {}}

    def test_a_revoked_grant_is_gone(self, database: Database, run: SampleRun) -> None:
        database.people.grant_qualification("careful", "ann", "mock", 3)
        assert database.people.revoke_qualification("careful", "ann", "mock")
        assert _facts(database, run).grants == {}

    def test_what_there_is_not_is_revoked_without_making_it(self, database: Database, run: SampleRun) -> None:
        ann = run.add_worker("ann")
        run.commit(c.SetGrant(ann.worker_id, "mistyped", None))
        assert database.people.read_qualifications() == []

    def test_revoking_tells_whether_there_was_a_grant(self, database: Database) -> None:
        assert not database.people.revoke_qualification("careful", "ann", "mock")
        database.people.grant_qualification("careful", "ann", "mturk", 3)
        assert not database.people.revoke_qualification("careful", "ann", "mock")

    def test_a_worker_is_blocked_and_unblocked(self, database: Database, run: SampleRun) -> None:
        for blocked in (True, True, False):
            database.people.set_worker_blocked("ann", "mock", blocked)
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
            database.people.grant_qualification("careful", name, "mock", 3)
        names = ["ann", *(f"worker {n}" for n in range(3000)), "zoe"]
        assert list(database.people.get_worker_facts(run.id, "mock", names)) == ["ann", "zoe"]


def _workers(*names: str) -> tuple[WorkerKey, ...]:
    return tuple(WorkerKey(name, "mock") for name in names)


def _grant(*names: str, value: int | None = 1) -> Act:
    kind = ActKind.REVOKE if value is None else ActKind.GRANT
    return Act(kind, "careful", _workers(*names), (value,) * len(names), why="good work", who="kim")


def _block(*names: str) -> Act:
    return Act(ActKind.BLOCK, workers=_workers(*names), values=(1,) * len(names))


def _held(database: Database) -> dict[str, int]:
    return {row[1]: row[5] for row in database.people.read_grants()}


def _blocked(database: Database) -> set[str]:
    return {row[1] for row in database.people.read_workers() if row[3]}


class PeopleActsContract(DatabaseFixtures):
    """`PeopleStore.foresee` and `perform`, and what is read of people."""

    def test_what_is_foreseen_is_not_done(self, database: Database) -> None:
        foreseen = database.people.foresee(_grant("ann", "bob"))
        assert (len(foreseen.changes), [change.is_new for change in foreseen.changes]) == (2, [True, True])
        assert (database.people.read_workers(), database.people.read_qualifications()) == ([], [])

    def test_one_act_is_about_many(self, database: Database) -> None:
        database.people.perform(_grant("ann", "bob", value=3))
        done = database.people.perform(_grant("ann", "bob", "eve", value=3))
        assert ([change.worker.worker_name for change in done.changes], done.unchanged) == (["eve"], 2)
        assert _held(database) == {"ann": 3, "bob": 3, "eve": 3}

    def test_each_worker_may_get_a_value_of_their_own(self, database: Database) -> None:
        database.people.perform(Act(ActKind.GRANT, "careful", _workers("ann", "bob", "eve"), (1, None, -7)))
        assert _held(database) == {"ann": 1, "eve": -7}

    def test_an_act_leaves_a_row_for_each_worker_it_changes(self, database: Database) -> None:
        database.people.perform(_grant("ann", value=1), at=1000.0)
        database.people.perform(_grant("ann", value=3), at=1001.0)
        database.people.perform(_grant("ann", value=3), at=1002.0)
        rows = [row for row in database.people.read_people_events() if row["subject"] == "worker"]
        told = [(row["at"], row["before"], row["after"], row["why"], row["who"]) for row in rows]
        assert told == [
            (1000.0, None, "granted", "good work", "kim"),
            (1001.0, "granted", "granted", "good work", "kim"),
        ]
        assert [(row["detail"]["was"], row["detail"]["value"]) for row in rows] == [(None, 1), (1, 3)]

    def test_an_undone_act_leaves_everything_as_it_was(self, database: Database) -> None:
        database.people.perform(_grant("ann", value=2))
        done = database.people.perform(Act(ActKind.GRANT, "careful", _workers("ann", "bob"), (5, 5)))
        database.people.perform(undo_of(done))
        assert _held(database) == {"ann": 2}

    @pytest.mark.parametrize("value", [7, None])
    def test_an_act_is_not_undone_once_somebody_has_changed_the_same(
        self, database: Database, another: Database, value: int | None
    ) -> None:
        done = database.people.perform(_grant("ann", "bob"))
        another.people.perform(_grant("bob", value=value))
        with pytest.raises(ConflictError, match="'bob'"):
            database.people.perform(undo_of(done))
        assert _held(database) == ({"ann": 1} if value is None else {"ann": 1, "bob": 7})

    def test_blocks_are_undone_where_they_were_made(self, database: Database) -> None:
        database.people.perform(_block("ann"))
        done = database.people.perform(_block("ann", "bob"))
        assert _blocked(database) == {"ann", "bob"}
        database.people.perform(undo_of(done))
        assert _blocked(database) == {"ann"}

    def test_who_was_made_by_an_undone_act_is_gone_until_known_again(self, database: Database) -> None:
        database.people.perform(_block("old"))
        done = database.people.perform(_grant("old", "new", "blocked"))
        database.people.perform(undo_of(done))
        ids = {row[1]: row[0] for row in database.people.read_workers()}
        assert database.people.find_gone_workers() == {ids["new"], ids["blocked"]}
        database.people.perform(_block("blocked"))
        assert database.people.find_gone_workers() == {ids["new"]}
        database.people.perform(_grant("new"))
        assert database.people.find_gone_workers() == set()

    def test_a_deleted_qualification_comes_back_with_holders_and_id(self, database: Database) -> None:
        before = database.people.create_qualification("careful", "passed the test")
        database.people.perform(Act(ActKind.GRANT, "careful", _workers("ann", "bob"), (1, 4)))
        done = database.people.perform(Act(ActKind.DELETE, "careful"))
        assert (database.people.read_qualifications(), _held(database)) == ([], {})
        database.people.perform(undo_of(done))
        assert database.people.create_qualification("careful") == before
        assert _held(database) == {"ann": 1, "bob": 4}

    def test_a_qualification_that_was_made_again_is_not_brought_back(self, database: Database) -> None:
        database.people.create_qualification("careful")
        done = database.people.perform(Act(ActKind.DELETE, "careful"))
        database.people.create_qualification("careful")
        with pytest.raises(ConflictError, match="made or deleted since"):
            database.people.perform(undo_of(done))

    def test_a_new_qualification_that_is_held_is_not_taken_back(self, database: Database) -> None:
        done = database.people.perform(Act(ActKind.CREATE, "careful"))
        database.people.perform(_grant("ann"))
        with pytest.raises(ConflictError, match="'ann' hold"):
            database.people.perform(undo_of(done))
        database.people.perform(_grant("ann", value=None))
        database.people.perform(undo_of(done))
        assert database.people.read_qualifications() == []

    def test_a_description_is_changed_and_changed_back(self, database: Database) -> None:
        database.people.create_qualification("careful", "old")
        done = database.people.perform(Act(ActKind.DESCRIBE, "careful", text="new"))
        assert database.people.read_qualifications()[0]["description"] == "new"
        database.people.perform(undo_of(done))
        assert database.people.read_qualifications()[0]["description"] == "old"

    def test_workers_of_one_name_and_two_providers_are_two(self, database: Database) -> None:
        both = (WorkerKey("ann", "mock"), WorkerKey("ann", "prolific"))
        database.people.perform(Act(ActKind.GRANT, "careful", both, (1, 2)))
        assert {(row[2], row[5]) for row in database.people.read_grants()} == {("mock", 1), ("prolific", 2)}

    def test_thousands_are_granted_at_once(self, database: Database) -> None:
        names = [f"worker {n}" for n in range(3000)]
        assert len(database.people.perform(_grant(*names)).changes) == 3000
        assert database.people.read_qualifications()[0]["holders"] == 3000

    def test_names_of_any_kind_and_length_are_granted_and_undone(self, database: Database) -> None:
        names = ("x" * 5000, "<b>", "nul\0", "half \ud800", "' OR 1")
        done = database.people.perform(_grant(*names))
        assert len(done.changes) == len(_held(database)) == len(names)
        database.people.perform(undo_of(done))
        assert _held(database) == {}

    def test_work_is_read_by_worker(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        [row] = database.people.read_work()
        assert tuple(row)[:3] == (run.id, agent.worker_id, "completed")
        assert tuple(row)[5:] == ("completed", pytest.approx(row[6]))

    def test_news_of_people_are_told_from_other_news(self, database: Database, run: SampleRun) -> None:
        last, _ = database.people.find_people_news(0)
        assert database.people.find_people_news(last) == (last, False)
        run.add_units(1)
        later, of_people = database.people.find_people_news(last)
        assert (later >= last, of_people) == (True, False)
        database.people.perform(_grant("ann"))
        assert database.people.find_people_news(later)[1]

    def test_events_of_a_qualification_of_any_name_are_found(self, database: Database) -> None:
        for name in ("100 %", "100 x", "kůň", 'a "b"'):
            database.people.perform(Act(ActKind.CREATE, name))
            found = database.people.read_people_events(qualification_name=name)
            assert [row["detail"]["qualification"] for row in found] == [name]
        assert len(database.people.read_people_events(newest=2)) == 2


class StepsAboutPeopleContract(DatabaseFixtures):
    """`SetGrant` and `SetBlocked`: what a step of a run does to people."""

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
        assert (_facts(database, run).grants, database.reviews.read_payments([run.id])) == ({}, [])
