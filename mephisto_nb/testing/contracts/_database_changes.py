"""Each kind of change reaches the database, and so does how far the link has come."""

from __future__ import annotations

from mephisto_nb.model import changes as c
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun, change_agent, change_unit, make_event


def _status(number: int) -> Packet:
    return Packet(PacketType.UPDATE_STATUS, f"agent {number}", {"status": "timeout"})


class ChangesContract(DatabaseFixtures):
    """`Database.apply` stores what it is given."""

    def test_new_assignments_are_stored_with_their_units(self, database: Database, run: SampleRun) -> None:
        work = run.make_work(num_units=3)
        run.commit(work)
        found = database.load_run(run.id)
        assert found.assignments == work.assignments
        assert sorted(found.units, key=lambda unit: unit.unit_index) == work.units

    def test_a_unit_without_a_new_assignment_joins_an_old_one(self, database: Database, run: SampleRun) -> None:
        first, second = run.make_work(num_units=2).units
        run.commit(c.AddAssignments(run.assignments, [first]))
        run.commit(c.AddAssignments([], [second]))
        assert {unit.unit_index for unit in database.load_run(run.id).units} == {0, 1}

    def test_a_thousand_assignments_are_stored_in_order(self, database: Database, run: SampleRun) -> None:
        works = [run.make_work() for _ in range(1000)]
        run.commit(*works)
        assert database.load_run(run.id).assignments == run.assignments

    def test_a_unit_changes_status_and_holder(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        agent = run.add_agent(unit, run.add_worker())
        assert database.load_run(run.id).units == [unit]
        assert (unit.status, unit.agent_id, unit.worker_id) == ("assigned", agent.agent_id, agent.worker_id)

    def test_a_unit_that_is_given_back_is_held_by_nobody(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        run.add_agent(unit, run.add_worker())
        run.commit(change_unit(unit, UnitStatus.LAUNCHED))
        (found,) = database.load_run(run.id).units
        assert (found.agent_id, found.worker_id) == (None, None)

    def test_a_unit_may_change_several_times_in_one_step(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        run.commit(*(change_unit(unit, to) for to in (UnitStatus.EXPIRED, UnitStatus.CREATED, UnitStatus.EXPIRED)))
        assert database.load_run(run.id).units[0].status is UnitStatus.EXPIRED

    def test_an_agent_is_stored_as_it_is(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        agent = run.add_agent(unit, run.add_worker(), deadline=1800.25)
        assert database.load_run(run.id).agents == [agent]

    def test_an_agent_changes_status_and_unit(self, database: Database, run: SampleRun) -> None:
        first, second = run.add_units(2)
        agent = run.add_agent(first, run.add_worker())
        agent.unit_id = second.unit_id
        run.commit(change_agent(agent, AgentStatus.TIMEOUT))
        assert database.load_run(run.id).agents == [agent]

    def test_a_deadline_is_moved_and_lifted(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        agent = run.add_agent(unit, run.add_worker(), deadline=1800.0)
        run.commit(c.ChangeDeadline(agent.agent_id, 2000.0))
        assert database.load_run(run.id).agents[0].deadline == 2000.0
        run.commit(c.ChangeDeadline(agent.agent_id, None))
        assert database.load_run(run.id).agents[0].deadline is None

    def test_an_answer_is_stored_with_the_time_it_came(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({"label": "cat"})
        found = database.load_run(run.id)
        assert found.agents == [agent]
        assert found.last_submission_at == agent.submitted_at == 1003.0

    def test_metadata_and_live_updates_are_stored(self, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        run.commit(c.AddMetadata(agent.agent_id, {"tips": {"text": "zoom in"}}, 1005.0))
        run.commit(*(c.AddLiveUpdate(agent.agent_id, who, {"text": "hi"}, 1006.0) for who in ("worker", "operator")))

    def test_the_end_and_the_reopening_of_a_run_are_stored(self, database: Database, run: SampleRun) -> None:
        run.commit(c.EndRun(2000.0))
        assert database.load_run(run.id).run.ended_at == 2000.0
        run.commit(c.ReopenRun(3000.0))
        found = database.load_run(run.id).run
        assert (found.ended_at, found.opened_at) == (None, 3000.0)

    def test_it_is_stored_that_all_work_was_created(self, database: Database, run: SampleRun) -> None:
        assert not database.load_run(run.id).run.generator_done
        run.commit(c.GeneratorDone())
        assert database.load_run(run.id).run.generator_done

    def test_events_keep_their_order(self, database: Database, run: SampleRun) -> None:
        events = [make_event(f"reason {n}", at=1004.0 - n, detail={"n": n}) for n in range(20)]
        run.commit(events=events[:12])
        run.commit(events=events[12:])
        assert list(database.read_events([run.id])) == events

    def test_packets_wait_in_the_outbox_until_the_router_has_them(self, database: Database, run: SampleRun) -> None:
        run.commit(packets=[_status(1), _status(2)], first_n=1)
        run.commit(packets=[_status(3)], first_n=3, delivered_n=1)
        found = database.load_run(run.id)
        assert found.outbox == [(2, _status(2)), (3, _status(3))]
        assert found.last_n == 3

    def test_an_emptied_outbox_does_not_number_from_the_start(self, database: Database, run: SampleRun) -> None:
        run.commit(packets=[_status(1), _status(2)], first_n=1)
        run.commit(delivered_n=2)
        found = database.load_run(run.id)
        assert (found.outbox, found.last_n) == ([], 2)

    def test_the_last_message_handled_is_remembered(self, database: Database, run: SampleRun) -> None:
        assert database.load_run(run.id).last_seq == 0
        run.commit(last_seq=7)
        run.commit(events=[make_event()])
        assert database.load_run(run.id).last_seq == 7

    def test_one_run_leaves_the_link_of_another_alone(self, database: Database, run: SampleRun) -> None:
        other = SampleRun(database)
        run.commit(packets=[_status(1)], last_seq=4)
        other.commit(packets=[_status(2)], last_seq=9, delivered_n=1)
        assert database.load_run(run.id).outbox == [(1, _status(1))]
        assert database.load_run(run.id).last_seq == 4
