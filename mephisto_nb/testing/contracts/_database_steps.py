"""The database as a whole: steps are stored whole or not at all, and several kernels or threads may have it open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from operator import methodcaller
from threading import Barrier, Event
from typing import TypeVar

import pytest

from mephisto_nb.errors import BudgetExceededError, ClosedError, ConflictError
from mephisto_nb.model import changes as c
from mephisto_nb.model.money import Money
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.records import AS_LAUNCHED, LINK, Agent, Steering, Submission, TaskRun, Worker
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import (
    PAY,
    THANKS,
    DatabaseFixtures,
    SampleRun,
    change_agent,
    change_unit,
    grant_to,
    make_event,
)
from mephisto_nb.utils.ids import new_id


def _status(number: int) -> Packet:
    return Packet(PacketType.UPDATE_STATUS, f"agent {number}", {"status": "timeout"})


class ChangesContract(DatabaseFixtures):
    """`Database.apply` stores what it is given."""

    def test_new_assignments_are_stored_with_their_units(self, database: Database, run: SampleRun) -> None:
        work = run.make_work(num_units=3)
        run.commit(work)
        found = database.runs.load_run(run.id)
        assert found.assignments == work.assignments
        assert sorted(found.units, key=lambda unit: unit.unit_index) == work.units

    def test_a_unit_without_a_new_assignment_joins_an_old_one(self, database: Database, run: SampleRun) -> None:
        first, second = run.make_work(num_units=2).units
        run.commit(c.AddAssignments(run.assignments, [first]))
        run.commit(c.AddAssignments([], [second]))
        assert {unit.unit_index for unit in database.runs.load_run(run.id).units} == {0, 1}

    def test_a_thousand_assignments_are_stored_in_order(self, database: Database, run: SampleRun) -> None:
        works = [run.make_work() for _ in range(1000)]
        run.commit(*works)
        assert database.runs.load_run(run.id).assignments == run.assignments

    def test_a_unit_changes_status_and_holder(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        agent = run.add_agent(unit, run.add_worker())
        assert database.runs.load_run(run.id).units == [unit]
        assert (unit.status, unit.agent_id, unit.worker_id) == ("assigned", agent.agent_id, agent.worker_id)

    def test_a_unit_that_is_given_back_is_held_by_nobody(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        run.add_agent(unit, run.add_worker())
        run.commit(change_unit(unit, UnitStatus.LAUNCHED))
        (found,) = database.runs.load_run(run.id).units
        assert (found.agent_id, found.worker_id) == (None, None)

    def test_a_unit_may_change_several_times_in_one_step(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        run.commit(*(change_unit(unit, to) for to in (UnitStatus.EXPIRED, UnitStatus.CREATED, UnitStatus.EXPIRED)))
        assert database.runs.load_run(run.id).units[0].status is UnitStatus.EXPIRED

    def test_an_agent_is_stored_as_it_is(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        agent = run.add_agent(unit, run.add_worker(), deadline=1800.25)
        assert database.runs.load_run(run.id).agents == [agent]

    def test_an_agent_changes_status_and_unit(self, database: Database, run: SampleRun) -> None:
        first, second = run.add_units(2)
        agent = run.add_agent(first, run.add_worker())
        agent.unit_id = second.unit_id
        run.commit(change_agent(agent, AgentStatus.TIMEOUT))
        assert database.runs.load_run(run.id).agents == [agent]

    def test_a_deadline_is_moved_and_lifted(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        agent = run.add_agent(unit, run.add_worker(), deadline=1800.0)
        run.commit(c.ChangeDeadline(agent.agent_id, 2000.0))
        assert database.runs.load_run(run.id).agents[0].deadline == 2000.0
        run.commit(c.ChangeDeadline(agent.agent_id, None))
        assert database.runs.load_run(run.id).agents[0].deadline is None

    def test_an_answer_is_stored_with_the_time_it_came(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({"label": "cat"})
        found = database.runs.load_run(run.id)
        assert found.agents == [agent]
        assert found.last_submission_at == agent.submitted_at == 1003.0

    def test_metadata_and_live_updates_are_stored(self, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        run.commit(c.AddMetadata(agent.agent_id, {"tips": {"text": "zoom in"}}, 1005.0))
        run.commit(*(c.AddLiveUpdate(agent.agent_id, who, {"text": "hi"}, 1006.0) for who in ("worker", "operator")))

    def test_the_end_and_the_reopening_of_a_run_are_stored(self, database: Database, run: SampleRun) -> None:
        run.commit(c.EndRun(2000.0))
        assert database.runs.load_run(run.id).run.ended_at == 2000.0
        run.commit(c.ReopenRun(3000.0))
        found = database.runs.load_run(run.id).run
        assert (found.ended_at, found.opened_at, found.config) == (None, 3000.0, run.run.config)
        run.commit(c.ReopenRun(4000.0, budget=5.5))
        (found,) = database.runs.find_runs()
        assert found.config["mephisto"]["task"] == {**run.run.config["mephisto"]["task"], "budget": 5.5}

    def test_it_is_stored_that_all_work_was_created(self, database: Database, run: SampleRun) -> None:
        assert not database.runs.load_run(run.id).run.generator_done
        run.commit(c.GeneratorDone())
        assert database.runs.load_run(run.id).run.generator_done

    def test_events_keep_their_order(self, database: Database, run: SampleRun) -> None:
        events = [make_event(f"reason {n}", at=1004.0 - n, detail={"n": n}) for n in range(20)]
        run.commit(events=events[:12])
        run.commit(events=events[12:])
        assert list(database.runs.read_events([run.id])) == events

    def test_packets_wait_in_the_outbox_until_the_router_has_them(self, database: Database, run: SampleRun) -> None:
        run.commit(packets=[_status(1), _status(2)], first_n=1)
        run.commit(packets=[_status(3)], first_n=3, delivered_n=1)
        found = database.runs.load_run(run.id)
        assert found.outbox == [(2, _status(2)), (3, _status(3))]
        assert found.last_n == 3

    def test_an_emptied_outbox_does_not_number_from_the_start(self, database: Database, run: SampleRun) -> None:
        run.commit(packets=[_status(1), _status(2)], first_n=1)
        run.commit(delivered_n=2)
        found = database.runs.load_run(run.id)
        assert (found.outbox, found.last_n) == ([], 2)

    def test_the_last_message_handled_is_remembered(self, database: Database, run: SampleRun) -> None:
        assert database.runs.load_run(run.id).last_seq == 0
        run.commit(last_seq=7)
        run.commit(events=[make_event()])
        assert database.runs.load_run(run.id).last_seq == 7

    def test_one_run_leaves_the_link_of_another_alone(self, database: Database, run: SampleRun) -> None:
        other = SampleRun(database)
        run.commit(packets=[_status(1)], last_seq=4)
        other.commit(packets=[_status(2)], last_seq=9, delivered_n=1)
        assert database.runs.load_run(run.id).outbox == [(1, _status(1))]
        assert database.runs.load_run(run.id).last_seq == 4

    def test_a_run_is_stored_with_its_work_or_not_at_all(self, database: Database, run: SampleRun) -> None:
        fields = {name: getattr(run.run, name) for name in TaskRun.__slots__}
        other = TaskRun(**fields | {"task_run_id": new_id(), "ended_at": 2000.0})
        wrong = c.ChangeDeadline("nobody", 1.0)
        whole = c.Changes(other.task_run_id, [c.AddRun(other), run.make_work()])
        assert database.apply([c.Changes(other.task_run_id, [*whole.changes, wrong])]) != [None]
        assert len(database.runs.find_runs()) == 1
        assert database.apply([whole]) == [None]
        loaded = database.runs.load_run(other.task_run_id)
        assert (loaded.run, len(loaded.units)) == (other, 1)


_PACKET = Packet(PacketType.UPDATE_STATUS, "a1", {"status": "expired"})


class GuardsContract(DatabaseFixtures):
    """`Database.apply` refuses what somebody else has overtaken."""

    def test_a_unit_that_somebody_else_changed_is_a_conflict(self, run: SampleRun) -> None:
        unit = run.add_unit()
        change = c.ChangeUnit(unit.unit_id, UnitStatus.CREATED, UnitStatus.EXPIRED, None, None)
        assert isinstance(run.refusal(change), ConflictError)

    def test_a_unit_that_is_not_there_is_a_conflict(self, run: SampleRun) -> None:
        change = c.ChangeUnit("nobody's", UnitStatus.CREATED, UnitStatus.EXPIRED, None, None)
        assert isinstance(run.refusal(change), ConflictError)

    def test_an_agent_that_somebody_else_changed_is_a_conflict(self, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        change = c.ChangeAgent(agent.agent_id, AgentStatus.IN_TASK, AgentStatus.TIMEOUT, agent.unit_id)
        assert isinstance(run.refusal(change), ConflictError)

    def test_a_deadline_of_nobody_is_a_conflict(self, run: SampleRun) -> None:
        assert isinstance(run.refusal(c.ChangeDeadline("nobody", 5.0)), ConflictError)

    def test_pay_for_a_unit_that_is_not_there_is_a_conflict(self, run: SampleRun) -> None:
        assert isinstance(run.refusal(c.ChangePay(["nobody's"], PAY)), ConflictError)

    def test_a_second_answer_is_a_conflict(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({"n": 1})
        second = c.AddSubmission(Submission(agent.agent_id, {"n": 2}, 1009.0))
        assert isinstance(run.refusal(second), ConflictError)
        assert [row["data"] for row in database.runs.read_results([run.id])] == [{"n": 1}]

    def test_a_worker_whom_somebody_else_added_is_a_conflict(self, run: SampleRun) -> None:
        run.add_worker("ann")
        assert isinstance(run.refusal(c.AddWorker(Worker(new_id(), "ann", LINK), 1.0)), ConflictError)

    def test_an_agent_of_a_unit_that_is_not_there_is_a_conflict(self, run: SampleRun) -> None:
        agent = Agent(new_id(), "no unit", run.add_worker().worker_id, "r", AgentStatus.IN_TASK, 1.0)
        assert isinstance(run.refusal(c.AddAgent(agent)), ConflictError)

    def test_a_packet_number_that_was_given_before_is_a_conflict(self, run: SampleRun) -> None:
        run.commit(packets=[_PACKET], first_n=1)
        assert isinstance(run.refusal(packets=[_PACKET], first_n=1), ConflictError)

    def test_a_step_of_a_run_that_was_taken_back_is_a_conflict(self, database: Database, run: SampleRun) -> None:
        database.runs.delete_run(run.id)
        assert isinstance(run.refusal(run.make_work()), ConflictError)
        assert isinstance(run.refusal(last_seq=3), ConflictError)

    def test_nothing_of_a_refused_step_is_stored(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        before, good = database.runs.load_run(run.id), c.ChangeUnit(unit.unit_id, *_TAKE, None, None)
        bad = c.ChangeUnit("nobody's", *_TAKE, None, None)
        link = {"events": [make_event()], "packets": [_PACKET], "last_seq": 5, "delivered_n": 1}
        assert isinstance(run.refusal(run.make_work(), c.EndRun(1.0), good, bad, **link), ConflictError)
        assert database.runs.load_run(run.id) == before
        assert list(database.runs.read_events([run.id])) == []

    def test_the_others_of_a_group_are_stored_without_the_refused(self, database: Database) -> None:
        first, refused, last = (SampleRun(database) for _ in range(3))
        bad = c.ChangeUnit("nobody's", *_TAKE, None, None)
        steps = [first.step(first.make_work(), last_seq=1), refused.step(refused.make_work(), bad, last_seq=1)]
        outcome = database.apply([*steps, last.step(last.make_work(), last_seq=1)])
        assert [type(error) for error in outcome] == [type(None), ConflictError, type(None)]
        assert [database.runs.load_run(run.id).last_seq for run in (first, refused, last)] == [1, 0, 1]
        assert [len(database.runs.load_run(run.id).units) for run in (first, refused, last)] == [1, 0, 1]

    def test_what_a_guard_refuses_is_not_stored(self, database: Database) -> None:
        first, refused, last = (SampleRun(database) for _ in range(3))
        error = BudgetExceededError("too much")

        def refuse() -> None:
            raise error

        steps = [one.step(one.make_work()) for one in (first, refused, last)]
        steps[1].guard = refuse
        assert database.apply(steps) == [None, error, None]
        assert [len(database.runs.load_run(run.id).units) for run in (first, refused, last)] == [1, 0, 1]

    def test_a_guard_sees_what_came_before_it(self, database: Database, run: SampleRun) -> None:
        seen: list[int] = []
        steps = [run.step(run.make_work()) for _ in range(3)]
        for step in steps[1:]:
            step.guard = lambda: seen.append(len(database.runs.load_run(run.id).units))
        assert database.apply(steps) == [None, None, None]
        assert seen == [1, 2]

    def test_a_guard_refuses_a_run_and_what_is_kept_of_it(self, database: Database, run: SampleRun) -> None:
        def refuse() -> None:
            raise BudgetExceededError("too much")

        with pytest.raises(BudgetExceededError):
            database.runs.add_run(replace(run.run, task_run_id=new_id()), refuse)
        with pytest.raises(BudgetExceededError):
            database.runs.keep_crowd_memory(run.id, {"places": 2}, refuse)
        assert len(database.runs.find_runs()) == 1
        assert database.runs.read_crowd_memory(run.id) == {}

    def test_a_group_is_stored_in_its_order(self, database: Database, run: SampleRun) -> None:
        work = run.make_work()
        launch = c.ChangeUnit(work.units[0].unit_id, UnitStatus.CREATED, UnitStatus.LAUNCHED, None, None)
        assert database.apply([run.step(work), run.step(launch)]) == [None, None]
        assert database.runs.load_run(run.id).units[0].status is UnitStatus.LAUNCHED

    def test_an_empty_group_is_no_trouble(self, database: Database) -> None:
        assert database.apply([]) == []


_TAKE = (UnitStatus.LAUNCHED, UnitStatus.EXPIRED)


class SteeringContract(DatabaseFixtures):
    """`Steer` and `ChangePay`."""

    def test_what_was_steered_is_stored_the_last_word_counts(self, database: Database, run: SampleRun) -> None:
        for steering in (Steering(paused_at=1500.0, task_reward=THANKS), Steering(None, 1600.0, 3, 0)):
            run.commit(c.Steer(Steering(paused_at=1.0)), c.Steer(steering))
            assert database.runs.load_run(run.id).run.steering == database.runs.find_runs()[0].steering == steering
        run.commit(c.Steer(AS_LAUNCHED))
        assert database.runs.load_run(run.id).run.steering == AS_LAUNCHED

    def test_a_run_may_be_steered_when_it_is_stored_first(self, database: Database) -> None:
        run = SampleRun(database, steering=Steering(paused_at=1500.0))
        assert database.runs.load_run(run.id).run == run.run

    def test_pay_changes_for_some_units_and_not_for_others(self, database: Database, run: SampleRun) -> None:
        first, second, third = run.add_units(3)
        run.commit(c.ChangePay([first.unit_id, second.unit_id], THANKS), c.ChangePay([second.unit_id], Money(1)))
        pay = {row["unit_id"]: row["pay_amount"] for row in database.runs.read_units([run.id])}
        assert pay == {first.unit_id: THANKS, second.unit_id: Money(1), third.unit_id: PAY}


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
    """What is promised when others read and write meanwhile, and of closing."""

    def test_what_one_has_stored_another_reads(self, another: Database, run: SampleRun) -> None:
        run.add_answered_unit({"n": 1})
        assert another.runs.read_results([run.id])[0]["data"] == {"n": 1}

    def test_two_writers_wait_for_each_other(self, database: Database, another: Database) -> None:
        runs = [SampleRun(one) for one in (database, another)]

        def work(run: SampleRun) -> None:
            for number in range(20):
                run.commit(run.make_work(), last_seq=number, events=[make_event()])

        _at_once(work, runs)
        assert [len(database.runs.load_run(run.id).units) for run in runs] == [20, 20]

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
            first, second = _at_once(methodcaller("get_or_create_task", name), [database.runs, another.runs])
            assert first == second

    def test_two_who_grant_the_same_leave_one_grant(
        self, database: Database, another: Database, run: SampleRun
    ) -> None:
        def grant(one: Database) -> None:
            for number in range(20):
                grant_to(one, "careful", f"worker {number}", number)

        _at_once(grant, [database, another])
        facts = database.people.get_worker_facts(run.id, LINK, [f"worker {n}" for n in range(20)])
        assert [known.grants for known in facts.values()] == [{"careful": n} for n in range(20)]

    def test_those_who_have_guards_take_turns(self, database: Database, another: Database) -> None:
        runs, seen = [SampleRun(one) for one in (database, another)], list[int]()

        def commit(run: SampleRun) -> None:
            def guard() -> None:
                seen.append(sum(len(run.database.runs.load_run(one.id).units) for one in runs))

            for _ in range(10):
                step = run.step(run.make_work())
                step.guard = guard
                assert run.database.apply([step]) == [None]

        _at_once(commit, runs)
        assert seen == list(range(20))

    def test_a_run_is_loaded_as_it_was_at_one_moment(self, database: Database, another: Database) -> None:
        run, done = SampleRun(database), Event()
        worker = run.add_worker()

        def write() -> None:
            for _ in range(60):
                run.add_agent(run.add_unit(), worker)
            done.set()

        def read() -> None:
            while not done.is_set():
                found = another.runs.load_run(run.id)
                assert {unit.agent_id for unit in found.units} - {None} == {agent.agent_id for agent in found.agents}

        _at_once(lambda call: call(), [write, read])

    def test_one_who_reads_does_not_hold_up_one_who_writes(self, another: Database, run: SampleRun) -> None:
        run.commit(events=[make_event(f"reason {n}") for n in range(2000)])
        log = another.runs.read_events([run.id])
        next(log)
        run.commit(events=[make_event("meanwhile")])
        assert len(list(log)) == 1999

    def test_a_released_database_can_still_be_read(self, database: Database, run: SampleRun) -> None:
        run.commit(events=[make_event("before")])
        database.release()
        assert [event.why for event in database.runs.read_events([run.id])] == ["before"]

    def test_a_database_may_be_closed_twice_and_is_not_used_after(self, database: Database, run: SampleRun) -> None:
        database.close()
        database.close()
        assert isinstance(run.refusal(last_seq=1), ClosedError)
        with pytest.raises(ClosedError, match="closed"):
            database.runs.load_run(run.id)
