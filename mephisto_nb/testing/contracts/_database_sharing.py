"""Several kernels, or threads, have one database open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import methodcaller
from threading import Barrier, Event
from typing import TypeVar

from mephisto_nb.errors import ConflictError
from mephisto_nb.model import changes as c
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun, make_event

_T = TypeVar("_T")
_R = TypeVar("_R")


def _at_once(call: Callable[[_T], _R], values: Sequence[_T]) -> list[_R]:
    """Call with each value, each in a thread of its own, as nearly at the same time as can be."""
    barrier = Barrier(len(values))

    def wait_and_call(value: _T) -> _R:
        barrier.wait()
        return call(value)

    with ThreadPoolExecutor(len(values)) as pool:
        return list(pool.map(wait_and_call, values))


class SharingContract(DatabaseFixtures):
    """What is promised when others read and write meanwhile."""

    def test_what_one_has_stored_another_reads(self, another: Database, run: SampleRun) -> None:
        run.add_answered_unit({"n": 1})
        assert another.read_results([run.id])[0]["data"] == {"n": 1}

    def test_two_writers_wait_for_each_other(self, database: Database, another: Database) -> None:
        runs = [SampleRun(one) for one in (database, another)]

        def work(run: SampleRun) -> None:
            for number in range(20):
                run.commit(run.make_work(), last_seq=number, events=[make_event()])

        _at_once(work, runs)
        assert [len(database.load_run(run.id).units) for run in runs] == [20, 20]

    def test_of_two_who_take_the_same_unit_one_is_refused(
        self, database: Database, another: Database, run: SampleRun
    ) -> None:
        for unit in run.add_units(10):
            step = run.step(c.ChangeUnit(unit.unit_id, UnitStatus.LAUNCHED, UnitStatus.ASSIGNED, None, None))
            outcome = _at_once(methodcaller("apply", [step]), [database, another])
            assert sorted(type(error).__name__ for (error,) in outcome) == [ConflictError.__name__, "NoneType"]

    def test_two_who_look_for_the_same_names_make_them_once(self, database: Database, another: Database) -> None:
        for number in range(10):
            name = f"task {number}"
            first, second = _at_once(methodcaller("get_or_create_task", name), [database, another])
            assert first == second

    def test_two_who_grant_the_same_leave_one_grant(
        self, database: Database, another: Database, run: SampleRun
    ) -> None:
        def grant(one: Database) -> None:
            for number in range(20):
                one.grant_qualification("careful", f"worker {number}", "mock", number)

        _at_once(grant, [database, another])
        facts = database.get_worker_facts(run.id, "mock", [f"worker {n}" for n in range(20)])
        assert [known.grants for known in facts.values()] == [{"careful": n} for n in range(20)]

    def test_a_run_is_loaded_as_it_was_at_one_moment(self, database: Database, another: Database) -> None:
        run, done = SampleRun(database), Event()
        worker = run.add_worker()

        def write() -> None:
            for _ in range(60):
                run.add_agent(run.add_unit(), worker)
            done.set()

        def read() -> None:
            while not done.is_set():
                found = another.load_run(run.id)
                assert {unit.agent_id for unit in found.units} - {None} == {agent.agent_id for agent in found.agents}

        _at_once(lambda call: call(), [write, read])

    def test_one_who_reads_does_not_hold_up_one_who_writes(self, another: Database, run: SampleRun) -> None:
        run.commit(events=[make_event(f"reason {n}") for n in range(2000)])
        log = another.read_events([run.id])
        next(log)
        run.commit(events=[make_event("meanwhile")])
        assert len(list(log)) == 1999
