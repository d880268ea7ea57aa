"""A step is stored whole or not at all, and only onto the rows it was decided on."""

from __future__ import annotations

from mephisto_nb.errors import ConflictError
from mephisto_nb.model import changes as c
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.records import Agent, Submission, Worker
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun, make_event
from mephisto_nb.utils.ids import new_id

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
        assert isinstance(run.refusal(c.ChangePay(["nobody's"], 0.5)), ConflictError)

    def test_a_second_answer_is_a_conflict(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({"n": 1})
        second = c.AddSubmission(Submission(agent.agent_id, {"n": 2}, 1009.0))
        assert isinstance(run.refusal(second), ConflictError)
        assert [row["data"] for row in database.read_results([run.id])] == [{"n": 1}]

    def test_a_worker_whom_somebody_else_added_is_a_conflict(self, run: SampleRun) -> None:
        run.add_worker("ann")
        assert isinstance(run.refusal(c.AddWorker(Worker(new_id(), "ann", "mock"), 1.0)), ConflictError)

    def test_an_agent_of_a_unit_that_is_not_there_is_a_conflict(self, run: SampleRun) -> None:
        agent = Agent(new_id(), "no unit", run.add_worker().worker_id, "r", AgentStatus.IN_TASK, 1.0)
        assert isinstance(run.refusal(c.AddAgent(agent)), ConflictError)

    def test_a_packet_number_that_was_given_before_is_a_conflict(self, run: SampleRun) -> None:
        run.commit(packets=[_PACKET], first_n=1)
        assert isinstance(run.refusal(packets=[_PACKET], first_n=1), ConflictError)

    def test_a_step_of_a_run_that_was_taken_back_is_a_conflict(self, database: Database, run: SampleRun) -> None:
        database.delete_run(run.id)
        assert isinstance(run.refusal(run.make_work()), ConflictError)
        assert isinstance(run.refusal(last_seq=3), ConflictError)

    def test_nothing_of_a_refused_step_is_stored(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        before, good = database.load_run(run.id), c.ChangeUnit(unit.unit_id, *_TAKE, None, None)
        bad = c.ChangeUnit("nobody's", *_TAKE, None, None)
        link = {"events": [make_event()], "packets": [_PACKET], "last_seq": 5, "delivered_n": 1}
        assert isinstance(run.refusal(run.make_work(), c.EndRun(1.0), good, bad, **link), ConflictError)
        assert database.load_run(run.id) == before
        assert list(database.read_events([run.id])) == []

    def test_the_others_of_a_group_are_stored_without_the_refused(self, database: Database) -> None:
        first, refused, last = (SampleRun(database) for _ in range(3))
        bad = c.ChangeUnit("nobody's", *_TAKE, None, None)
        steps = [first.step(first.make_work(), last_seq=1), refused.step(refused.make_work(), bad, last_seq=1)]
        outcome = database.apply([*steps, last.step(last.make_work(), last_seq=1)])
        assert [type(error) for error in outcome] == [type(None), ConflictError, type(None)]
        assert [database.load_run(run.id).last_seq for run in (first, refused, last)] == [1, 0, 1]
        assert [len(database.load_run(run.id).units) for run in (first, refused, last)] == [1, 0, 1]

    def test_a_group_is_stored_in_its_order(self, database: Database, run: SampleRun) -> None:
        work = run.make_work()
        launch = c.ChangeUnit(work.units[0].unit_id, UnitStatus.CREATED, UnitStatus.LAUNCHED, None, None)
        assert database.apply([run.step(work), run.step(launch)]) == [None, None]
        assert database.load_run(run.id).units[0].status is UnitStatus.LAUNCHED

    def test_an_empty_group_is_no_trouble(self, database: Database) -> None:
        assert database.apply([]) == []


_TAKE = (UnitStatus.LAUNCHED, UnitStatus.EXPIRED)
