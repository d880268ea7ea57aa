"""Visits: stored as they begin and end, found again after a restart, and counted by what was sent in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mephisto_nb.errors import ConflictError
from mephisto_nb.model import changes as c
from mephisto_nb.model.gates import HeldArrival
from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.records import Assignment, Unit, Worker
from mephisto_nb.model.states import PaymentKind, UnitStatus
from mephisto_nb.model.visits import Short, UnvouchedArrival, Visit, VisitStanding
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import THANKS, DatabaseFixtures, SampleRun
from mephisto_nb.utils.ids import new_id


def _begin(run: SampleRun, worker_id: str, **fields: Any) -> Visit:
    given: dict[str, Any] = {"asked": 3, "begun_at": 1001.0, "deadline": 1060.0}
    visit = Visit(new_id(), worker_id, "session \N{SNOWMAN}", {"STUDY_ID": "s1"}, **given | fields)
    run.commit(c.AddVisit(visit))
    return visit


class VisitsContract(DatabaseFixtures):
    """A `Database` keeps visits."""

    def test_a_visit_is_stored_as_it_is(self, database: Database, run: SampleRun) -> None:
        worker = run.add_worker("ann")
        first, second = (_begin(run, worker.worker_id, begun_at=at) for at in (1001.0, 1002.0))
        found = database.runs.load_run(run.id)
        assert found.visits == [first, second]
        assert found.worker_names == {worker.worker_id: "ann"}

    def test_a_visit_that_ends_as_it_begins_is_stored_whole(self, database: Database, run: SampleRun) -> None:
        ended = {"ended_at": 1001.0, "outcome": Outcome.QUOTA_FULL, "why": "Nothing is left."}
        visit = _begin(run, run.add_worker().worker_id, **ended)
        assert database.runs.load_run(run.id).visits == [visit]

    def test_how_a_visit_ends_is_stored(self, database: Database, run: SampleRun) -> None:
        visit = _begin(run, run.add_worker().worker_id)
        run.commit(c.ChangeVisitDeadline(visit.visit_id, 1090.5))
        run.commit(c.EndVisit(visit.visit_id, 1050.0, Outcome.RETURNED, Short.STOPPED_EARLY, "You have stopped."))
        run.commit(c.NoteVisitTold(visit.visit_id, 1051.0))
        (found,) = database.runs.load_run(run.id).visits
        assert (found.deadline, found.ended_at, found.told_at) == (1090.5, 1050.0, 1051.0)
        assert (found.outcome, found.short, found.why) == ("returned", "stopped_early", "You have stopped.")

    def test_a_visit_ends_once(self, database: Database, run: SampleRun) -> None:
        visit = _begin(run, run.add_worker().worker_id)
        run.commit(c.EndVisit(visit.visit_id, 1050.0, Outcome.COMPLETED, None, ""))
        with pytest.raises(ConflictError, match="Visit"):
            run.commit(c.EndVisit(visit.visit_id, 1051.0, Outcome.RETURNED, None, ""))
        assert database.runs.load_run(run.id).visits[0].outcome is Outcome.COMPLETED

    def test_agents_know_their_visit(self, database: Database, run: SampleRun) -> None:
        unit, worker = run.add_unit(), run.add_worker()
        visit = _begin(run, worker.worker_id)
        agent = run.add_agent(unit, worker, visit_id=visit.visit_id)
        run.add_answer(agent, unit, {})
        assert database.runs.load_run(run.id).agents == [agent]
        rows = [database.runs.read_units, database.runs.read_agents, database.runs.read_results]
        assert [read([run.id])[0]["visit_id"] for read in rows] == [visit.visit_id] * 3

    def test_rows_of_visits_count_what_was_sent(self, database: Database, run: SampleRun) -> None:
        worker, units = run.add_worker("ann"), run.add_units(3)
        visit, empty = _begin(run, worker.worker_id), _begin(run, worker.worker_id, begun_at=1002.0)
        for unit in units:
            agent = run.add_agent(unit, worker, visit_id=visit.visit_id)
            if unit is not units[-1]:
                run.add_answer(agent, unit, {})
        rows = database.runs.read_visits([run.id, SampleRun(database).id])
        assert [(row["visit_id"], row["done"], row["asked"]) for row in rows] == [
            (visit.visit_id, 2, 3), (empty.visit_id, 0, 3)
        ]  # fmt: skip
        assert (rows[0]["worker_name"], rows[0]["captured"]) == ("ann", {"STUDY_ID": "s1"})

    def test_what_a_visit_pays_is_told_by_how_it_stands(self, database: Database, run: SampleRun) -> None:
        worker, pay = run.add_worker("ann"), Money.of(3)
        visit = _begin(run, worker.worker_id, reward=pay)
        units = run.add_units(3)
        agents = [run.add_agent(unit, worker, visit_id=visit.visit_id) for unit in units]
        for agent, unit in zip(agents[:2], units, strict=False):
            run.add_answer(agent, unit, {})
        run.review(agents[0], UnitStatus.REJECTED)
        standing = VisitStanding(pay, 3, done=2, decided=1, waiting=1, at_work=1)
        assert database.reviews.read_standings([run.id]) == [(run.id, visit.visit_id, worker.worker_id, standing)]
        (told,) = database.reviews.read_pay([run.id]).values()
        assert (told.units, told.visits) == ({}, {standing: 1})
        reward = run.make_payment(agents[0], kind=PaymentKind.REWARD, visit_id=visit.visit_id, unit_id=None)
        ended = c.EndVisit(visit.visit_id, 1050.0, Outcome.RETURNED, Short.STOPPED_EARLY, "")
        run.commit(c.AddPayment(reward), ended)
        ((_, _, _, now),) = database.reviews.read_standings([run.id])
        assert now == replace(standing, outcome=Outcome.RETURNED, short=Short.STOPPED_EARLY, is_booked=True)

    def test_units_of_gates_count_as_accepted_until_one_is_rejected(self, database: Database, run: SampleRun) -> None:
        worker = run.add_worker("ann")
        visit = _begin(run, worker.worker_id)
        assignment = Assignment(new_id(), run.id, 0, {}, [{}])
        gold = Unit(new_id(), assignment.assignment_id, -3, Money(0), UnitStatus.LAUNCHED)
        run.commit(c.AddAssignments([assignment], [gold]))
        agent = run.add_agent(gold, worker, visit_id=visit.visit_id)
        run.add_answer(agent, gold, {})
        ((_, _, _, standing),) = database.reviews.read_standings([run.id])
        assert (standing.accepted, standing.decided, standing.waiting) == (1, 1, 0)
        run.review(agent, UnitStatus.REJECTED)
        ((_, _, _, standing),) = database.reviews.read_standings([run.id])
        assert (standing.accepted, standing.decided, standing.waiting) == (0, 1, 0)

    def test_what_programs_did_is_left_out_of_what_people_are_paid(self, database: Database, run: SampleRun) -> None:
        robot = Worker(new_id(), "robot", run.run.provider_type, is_simulated=True)
        run.commit(c.AddWorker(robot, 1001.0))
        for worker in (robot, run.add_worker("ann")):
            unit, one = run.add_units(2)
            visit = _begin(run, worker.worker_id)
            run.add_answer(run.add_agent(unit, worker, visit_id=visit.visit_id), unit, {})
            agent = run.add_agent(one, worker)
            run.add_answer(agent, one, {})
            run.commit(c.AddPayment(run.make_payment(agent, key=worker.worker_name)))
        told = database.reviews.read_pay([run.id], people_only=True)[run.id]
        counted = sum(told.units.values()), sum(told.visits.values()), [one.amount for one in told.booked.values()]
        assert counted == (1, 1, [THANKS])

    def test_pages_that_wait_to_be_vouched_for_are_kept(self, database: Database, run: SampleRun) -> None:
        first, second = (UnvouchedArrival(new_id(), {"token": f"t{at}"}, at) for at in (1001.0, 1002.0))
        run.commit(c.AwaitVouching(second), c.AwaitVouching(first))
        assert database.runs.load_run(run.id).unvouched == [first, second]
        run.commit(c.EndVouching([first.request_id, "never there"]))
        assert database.runs.load_run(run.id).unvouched == [second]

    def test_pages_that_wait_keep_what_the_crowd_gave(self, database: Database, run: SampleRun) -> None:
        held = HeldArrival("request", run.add_worker("ann").worker_id, "ann", "page", 1010.0, {"STUDY_ID": "s1"})
        run.commit(c.HoldArrival(held))
        assert database.runs.load_run(run.id).gates.held == [held]

    def test_a_run_is_taken_back_with_its_visits(self, database: Database, run: SampleRun) -> None:
        unit, worker = run.add_unit(), run.add_worker()
        run.add_agent(unit, worker, visit_id=_begin(run, worker.worker_id).visit_id)
        run.commit(c.AwaitVouching(UnvouchedArrival(new_id(), {}, 1.0)))
        database.runs.delete_run(run.id)
        assert database.runs.read_visits([run.id]) == []

    def test_what_a_recruiter_keeps_is_kept_for_each_run(self, database: Database, run: SampleRun) -> None:
        other = SampleRun(database)
        assert database.runs.read_crowd_memory(run.id) == {}
        database.runs.keep_crowd_memory(run.id, {"study_id": "s\N{SNOWMAN}", "most": 12})
        database.runs.keep_crowd_memory(run.id, {"most": 13, "own": {"stage": "open"}})
        database.runs.keep_crowd_memory(other.id, {"most": 1})
        kept = {"study_id": "s\N{SNOWMAN}", "most": 13, "own": {"stage": "open"}}
        assert database.runs.read_crowd_memory(run.id) == kept
        database.runs.delete_run(run.id)
        assert database.runs.read_crowd_memory(run.id) == {}
        assert database.runs.read_crowd_memory(other.id) == {"most": 1}

    def test_nothing_is_kept_of_a_run_that_is_not_there(self, database: Database) -> None:
        with pytest.raises(ConflictError):
            database.runs.keep_crowd_memory("none", {"most": 1})
