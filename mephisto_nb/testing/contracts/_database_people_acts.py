"""Acts on people: foreseen, done whole or not at all, logged, undone; and what can be read of people."""

from __future__ import annotations

import pytest

from mephisto_nb.errors import ConflictError
from mephisto_nb.model import changes as c
from mephisto_nb.model.people import Act, ActKind, WorkerKey
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.people import undo_of
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun


def _workers(*names: str) -> tuple[WorkerKey, ...]:
    return tuple(WorkerKey(name, "mock") for name in names)


def _grant(*names: str, value: int | None = 1) -> Act:
    kind = ActKind.REVOKE if value is None else ActKind.GRANT
    return Act(kind, "careful", _workers(*names), (value,) * len(names), why="good work", who="kim")


def _block(*names: str) -> Act:
    return Act(ActKind.BLOCK, workers=_workers(*names), values=(1,) * len(names))


def _held(database: Database) -> dict[str, int]:
    return {row[1]: row[5] for row in database.read_grants()}


def _blocked(database: Database) -> set[str]:
    return {row[1] for row in database.read_workers() if row[3]}


class PeopleActsContract(DatabaseFixtures):
    """`PeopleStore.foresee`, `perform`, and what it reads."""

    def test_what_is_foreseen_is_not_done(self, database: Database) -> None:
        foreseen = database.foresee(_grant("ann", "bob"))
        assert (len(foreseen.changes), [change.is_new for change in foreseen.changes]) == (2, [True, True])
        assert (database.read_workers(), database.read_qualifications()) == ([], [])

    def test_one_act_is_about_many(self, database: Database) -> None:
        database.perform(_grant("ann", "bob", value=3))
        done = database.perform(_grant("ann", "bob", "eve", value=3))
        assert ([change.worker.worker_name for change in done.changes], done.unchanged) == (["eve"], 2)
        assert _held(database) == {"ann": 3, "bob": 3, "eve": 3}

    def test_each_worker_may_get_a_value_of_their_own(self, database: Database) -> None:
        database.perform(Act(ActKind.GRANT, "careful", _workers("ann", "bob", "eve"), (1, None, -7)))
        assert _held(database) == {"ann": 1, "eve": -7}

    def test_an_act_leaves_a_row_of_the_log_for_each_worker_it_changes(self, database: Database) -> None:
        database.perform(_grant("ann", value=1), at=1000.0)
        database.perform(_grant("ann", value=3), at=1001.0)
        database.perform(_grant("ann", value=3), at=1002.0)
        rows = [row for row in database.read_people_events() if row["subject"] == "worker"]
        told = [(row["at"], row["before"], row["after"], row["why"], row["who"]) for row in rows]
        assert told == [
            (1000.0, None, "granted", "good work", "kim"),
            (1001.0, "granted", "granted", "good work", "kim"),
        ]
        assert [(row["detail"]["was"], row["detail"]["value"]) for row in rows] == [(None, 1), (1, 3)]

    def test_an_undone_act_leaves_everything_as_it_was(self, database: Database) -> None:
        database.perform(_grant("ann", value=2))
        done = database.perform(Act(ActKind.GRANT, "careful", _workers("ann", "bob"), (5, 5)))
        database.perform(undo_of(done))
        assert _held(database) == {"ann": 2}

    @pytest.mark.parametrize("value", [7, None])
    def test_an_act_is_not_undone_once_somebody_has_changed_the_same(
        self, database: Database, another: Database, value: int | None
    ) -> None:
        done = database.perform(_grant("ann", "bob"))
        another.perform(_grant("bob", value=value))
        with pytest.raises(ConflictError, match="'bob'"):
            database.perform(undo_of(done))
        assert _held(database) == ({"ann": 1} if value is None else {"ann": 1, "bob": 7})

    def test_blocks_are_undone_where_they_were_made(self, database: Database) -> None:
        database.perform(_block("ann"))
        done = database.perform(_block("ann", "bob"))
        assert _blocked(database) == {"ann", "bob"}
        database.perform(undo_of(done))
        assert _blocked(database) == {"ann"}

    def test_who_was_made_by_what_was_undone_is_gone_until_there_is_something_of_them(self, database: Database) -> None:
        database.perform(_block("old"))
        done = database.perform(_grant("old", "new", "blocked"))
        database.perform(undo_of(done))
        ids = {row[1]: row[0] for row in database.read_workers()}
        assert database.find_gone_workers() == {ids["new"], ids["blocked"]}
        database.perform(_block("blocked"))
        assert database.find_gone_workers() == {ids["new"]}
        database.perform(_grant("new"))
        assert database.find_gone_workers() == set()

    def test_a_deleted_qualification_comes_back_with_its_holders_and_its_id(self, database: Database) -> None:
        before = database.create_qualification("careful", "passed the test")
        database.perform(Act(ActKind.GRANT, "careful", _workers("ann", "bob"), (1, 4)))
        done = database.perform(Act(ActKind.DELETE, "careful"))
        assert (database.read_qualifications(), _held(database)) == ([], {})
        database.perform(undo_of(done))
        assert database.create_qualification("careful") == before
        assert _held(database) == {"ann": 1, "bob": 4}

    def test_a_qualification_that_was_made_again_is_not_brought_back(self, database: Database) -> None:
        database.create_qualification("careful")
        done = database.perform(Act(ActKind.DELETE, "careful"))
        database.create_qualification("careful")
        with pytest.raises(ConflictError, match="made or deleted since"):
            database.perform(undo_of(done))

    def test_a_new_qualification_that_somebody_holds_is_not_taken_back(self, database: Database) -> None:
        done = database.perform(Act(ActKind.CREATE, "careful"))
        database.perform(_grant("ann"))
        with pytest.raises(ConflictError, match="'ann' hold"):
            database.perform(undo_of(done))
        database.perform(_grant("ann", value=None))
        database.perform(undo_of(done))
        assert database.read_qualifications() == []

    def test_a_description_is_changed_and_changed_back(self, database: Database) -> None:
        database.create_qualification("careful", "old")
        done = database.perform(Act(ActKind.DESCRIBE, "careful", text="new"))
        assert database.read_qualifications()[0]["description"] == "new"
        database.perform(undo_of(done))
        assert database.read_qualifications()[0]["description"] == "old"

    def test_workers_of_one_name_and_two_providers_are_two(self, database: Database) -> None:
        both = (WorkerKey("ann", "mock"), WorkerKey("ann", "prolific"))
        database.perform(Act(ActKind.GRANT, "careful", both, (1, 2)))
        assert {(row[2], row[5]) for row in database.read_grants()} == {("mock", 1), ("prolific", 2)}

    def test_thousands_are_granted_at_once(self, database: Database) -> None:
        names = [f"worker {n}" for n in range(3000)]
        assert len(database.perform(_grant(*names)).changes) == 3000
        assert database.read_qualifications()[0]["holders"] == 3000

    def test_names_of_any_kind_and_length_are_granted_and_undone(self, database: Database) -> None:
        names = ("x" * 5000, "<b>", "nul\0", "half \ud800", "' OR 1")
        done = database.perform(_grant(*names))
        assert len(done.changes) == len(_held(database)) == len(names)
        database.perform(undo_of(done))
        assert _held(database) == {}

    def test_work_is_read_by_worker(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        [row] = database.read_work()
        assert tuple(row)[:3] == (run.id, agent.worker_id, "completed")
        assert tuple(row)[5:] == ("completed", pytest.approx(row[6]))

    def test_payments_of_all_runs_are_read(self, database: Database, run: SampleRun) -> None:
        run.commit(c.AddPayment(run.make_payment(run.add_answered_unit({}))))
        assert database.read_payments(None) == database.read_payments([run.id])

    def test_news_of_people_are_told_from_other_news(self, database: Database, run: SampleRun) -> None:
        last, _ = database.find_people_news(0)
        assert database.find_people_news(last) == (last, False)
        run.add_units(1)
        later, of_people = database.find_people_news(last)
        assert (later >= last, of_people) == (True, False)
        database.perform(_grant("ann"))
        assert database.find_people_news(later)[1]

    def test_events_of_one_qualification_are_found_whatever_it_is_called(self, database: Database) -> None:
        for name in ("100 %", "100 x", "kůň", 'a "b"'):
            database.perform(Act(ActKind.CREATE, name))
            found = database.read_people_events(qualification_name=name)
            assert [row["detail"]["qualification"] for row in found] == [name]
        assert len(database.read_people_events(newest=2)) == 2
