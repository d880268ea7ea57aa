"""The runs of a database: what was written comes back, rows for frames come in their order; so do rows of gates."""

from __future__ import annotations

import pytest

from mephisto_nb.errors import NotFoundError
from mephisto_nb.model import changes as c
from mephisto_nb.model.gates import GateFinding, GateVerdict, HeldArrival, join_findings
from mephisto_nb.model.packets import Packet, PacketType
from mephisto_nb.model.records import LINK, RunSnapshot, Submission
from mephisto_nb.model.states import AgentStatus, Gate, UnitStatus
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import (
    PAY,
    DatabaseFixtures,
    SampleRun,
    change_agent,
    change_unit,
    make_event,
)


class RunsContract(DatabaseFixtures):
    """`RunStore`, but for gates."""

    def test_a_task_is_made_once(self, database: Database) -> None:
        assert database.runs.get_or_create_task("survey") == database.runs.get_or_create_task("survey")
        assert database.runs.get_or_create_task("other").task_id != database.runs.get_or_create_task("survey").task_id

    def test_a_run_comes_back_as_it_was_written(self, database: Database, another: Database) -> None:
        run = SampleRun(database, config={"a": [1, None, 0.5]}, qualifications=[{"qualification_name": "careful"}])
        first, second = run.add_units(2)
        ann, ben = run.add_worker("ann"), run.add_worker("ben")
        agents = [run.add_agent(first, ann), run.add_agent(second, ben, accepted_at=1002.5, deadline=1800.0)]
        run.add_answer(agents[0], first, {"label": "cat"})
        packet = Packet(PacketType.AGENT_DETAILS, "q1", {"agent_id": None})
        run.commit(c.GeneratorDone(), packets=[packet], last_seq=12)
        expected = RunSnapshot(
            database.runs.find_runs()[0], run.assignments, [first, second], agents, 12, 1, [(1, packet)], 1003.0,
            {ann.worker_id: "ann", ben.worker_id: "ben"},
        )  # fmt: skip
        found = another.runs.load_run(run.id)
        found.units.sort(key=lambda unit: unit.unit_index)  # they may come in any order
        assert found == expected
        assert (expected.run.config, expected.run.generator_done) == (run.run.config, True)

    def test_a_run_without_work_comes_back_empty(self, database: Database, run: SampleRun) -> None:
        assert database.runs.load_run(run.id) == RunSnapshot(run.run, [], [], [], 0, 0, [])

    def test_loading_a_run_that_is_not_there_says_so(self, database: Database) -> None:
        with pytest.raises(NotFoundError, match="no such run"):
            database.runs.load_run("no such run")

    def test_results_of_some_agents_come_alone(self, database: Database, run: SampleRun) -> None:
        agents = [run.add_answered_unit({"n": n}, worker_name=f"worker {n}") for n in range(3)]
        found = database.runs.read_results([run.id], agent_ids=[agents[0].agent_id, agents[2].agent_id, "nobody"])
        assert [row["data"] for row in found] == [{"n": 0}, {"n": 2}]
        assert database.runs.read_results([run.id], agent_ids=[]) == []

    def test_events_of_one_reason_come_alone(self, database: Database, run: SampleRun) -> None:
        events = [make_event(reason, at=float(at)) for at, reason in enumerate(("lost", "found", "lost"))]
        run.commit(events=events)
        assert list(database.runs.read_events([run.id], why="lost")) == [events[0], events[2]]

    def test_agents_come_back_in_the_order_in_which_they_came(self, database: Database, run: SampleRun) -> None:
        worker = run.add_worker()
        for at, unit in zip((5.0, 3.0, 4.0), run.add_units(3), strict=True):
            run.add_agent(unit, worker, accepted_at=at)
        assert [agent.accepted_at for agent in database.runs.load_run(run.id).agents] == [3.0, 4.0, 5.0]

    def test_runs_are_found_newest_first(self, database: Database) -> None:
        runs = [SampleRun(database, created_at=at).run for at in (20.0, 30.0, 10.0)]
        assert database.runs.find_runs() == [runs[1], runs[0], runs[2]]

    def test_runs_are_found_by_task_and_by_whether_they_live(self, database: Database) -> None:
        live, ended = SampleRun(database), SampleRun(database, ended_at=99.0)
        other = SampleRun(database, task_name="other")
        assert {run.task_run_id for run in database.runs.find_runs(task_name="survey")} == {live.id, ended.id}
        assert {run.task_run_id for run in database.runs.find_runs(live=True)} == {live.id, other.id}
        assert database.runs.find_runs(task_name="survey", live=False) == [ended.run]
        assert database.runs.find_runs(task_name="unheard of") == []

    def test_a_run_taken_back_leaves_nothing(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({})
        run.commit(
            c.AddMetadata(agent.agent_id, {}, 1.0),
            c.AddLiveUpdate(agent.agent_id, "worker", {}, 1.0),
            events=[make_event()],
            packets=[Packet(PacketType.UPDATE_STATUS, "a1")],
        )
        database.runs.delete_run(run.id)
        assert database.runs.find_runs() == []
        assert database.runs.read_results([run.id]) == database.runs.read_agents([run.id]) == []
        assert list(database.runs.read_events([run.id])) == []

    def test_a_run_taken_back_takes_nothing_of_others(self, database: Database, run: SampleRun) -> None:
        other = SampleRun(database)
        agent = other.add_answered_unit({"n": 1})
        before = database.runs.load_run(other.id)
        database.runs.delete_run(run.id)
        database.runs.delete_run("never there")
        assert database.runs.load_run(other.id) == before
        assert [row["agent_id"] for row in database.runs.read_results([other.id])] == [agent.agent_id]

    def test_rows_of_units_come_in_the_order_of_the_data(self, database: Database, run: SampleRun) -> None:
        works = [run.make_work(num_units=2) for _ in range(12)]
        run.commit(*reversed(works))
        rows = database.runs.read_units([run.id])
        assert [row["unit_id"] for row in rows] == [unit.unit_id for work in works for unit in work.units]
        assert rows[3] == {
            "unit_id": works[1].units[1].unit_id,
            "task_run_id": run.id,
            "assignment_id": works[1].assignments[0].assignment_id,
            "assignment_index": 1,
            "unit_index": 1,
            "status": "created",
            "pay_amount": PAY,
            "currency": "USD",
            "worker_id": None,
            "worker_name": None,
            "agent_id": None,
            "visit_id": None,
        }

    def test_rows_of_agents_say_who_and_when(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({}, worker_name="ann")
        assert database.runs.read_agents([run.id]) == [
            {
                "agent_id": agent.agent_id,
                "task_run_id": run.id,
                "unit_id": agent.unit_id,
                "worker_id": agent.worker_id,
                "worker_name": "ann",
                "status": "completed",
                "accepted_at": 1002.0,
                "deadline": None,
                "submitted_at": 1003.0,
                "visit_id": None,
            }
        ]

    def test_rows_of_results_hold_question_and_answer(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({"label": "cat"})
        (row,) = database.runs.read_results([run.id])
        assert (row["shared"], row["unit_data"], row["data"], row["files"]) == (
            {"text": "Is this a cat?"}, [{"n": 0}], {"label": "cat"}, []
        )  # fmt: skip
        assert (row["agent_id"], row["worker_name"], row["status"]) == (agent.agent_id, "ann", "completed")
        assert (row["accepted_at"], row["submitted_at"], row["pay_amount"]) == (1002.0, 1003.0, PAY)

    def test_files_of_an_answer_come_back(self, database: Database, run: SampleRun) -> None:
        unit = run.add_unit()
        agent = run.add_agent(unit, run.add_worker())
        files = [{"fieldname": "photo", "size": 3}]
        run.commit(
            c.AddSubmission(Submission(agent.agent_id, {}, 1.0, files)),
            change_agent(agent, AgentStatus.COMPLETED),
            change_unit(unit, UnitStatus.COMPLETED, agent),
        )
        assert database.runs.read_results([run.id])[0]["files"] == files

    def test_rows_of_several_runs_come_together(self, database: Database, run: SampleRun) -> None:
        other = SampleRun(database)
        for number, one in enumerate((run, other)):
            one.add_answered_unit({"n": number}, worker_name=f"worker {number}")
        assert {row["data"]["n"] for row in database.runs.read_results([run.id, other.id])} == {0, 1}
        assert database.runs.read_results([]) == database.runs.read_units([]) == database.runs.read_agents([]) == []

    def test_units_are_counted_by_run_and_status(self, database: Database, run: SampleRun) -> None:
        empty = SampleRun(database)
        run.add_units(2)
        run.commit(run.make_work())
        assert database.runs.count_units([run.id, empty.id]) == {run.id: {"launched": 2, "created": 1}, empty.id: {}}

    def test_the_event_log_may_be_left_half_read(self, database: Database, run: SampleRun) -> None:
        run.commit(events=[make_event(f"reason {n}") for n in range(50)])
        assert next(iter(database.runs.read_events([run.id]))).why == "reason 0"
        run.commit(events=[make_event("another")])
        assert len(list(database.runs.read_events([run.id]))) == 51


G = Gate


class GatesContract(DatabaseFixtures):
    """The changes of gates, and what `RunStore` and `PeopleStore` read of them."""

    def test_an_introduction_comes_back_as_it_was(self, database: Database, run: SampleRun) -> None:
        agent = run.add_onboarding("ann")
        assert database.runs.load_run(run.id).gates.onboarding == [agent]
        run.commit(
            c.AddOnboardingAnswer(agent.agent_id, {"sure": "kůň\0"}, 1010.0),
            c.ChangeOnboarding(agent.agent_id, AgentStatus.ONBOARDING, AgentStatus.WAITING),
            c.ChangeOnboarding(agent.agent_id, AgentStatus.WAITING, AgentStatus.APPROVED),
        )
        (found,) = database.runs.load_run(run.id).gates.onboarding
        assert (found.status, found.submitted_at, found.data) == (AgentStatus.APPROVED, 1010.0, {"sure": "kůň\0"})
        assert database.runs.load_run(run.id).worker_names == {agent.worker_id: "ann"}

    def test_an_introduction_changed_meanwhile_refuses_the_step(self, database: Database, run: SampleRun) -> None:
        agent = run.add_onboarding("ann")
        wrong = c.ChangeOnboarding(agent.agent_id, AgentStatus.WAITING, AgentStatus.APPROVED)
        assert run.refusal(wrong, c.AddVerdict(GateVerdict(agent.agent_id, G.ONBOARDING, True, 1011.0))) is not None
        assert database.runs.load_run(run.id).gates.verdicts == []

    def test_a_gate_unit_keeps_its_right_answers_from_the_assignment(self, database: Database, run: SampleRun) -> None:
        agent, kept = run.add_gate_unit("ann")
        found = database.runs.load_run(run.id)
        assert found.gates.units == [kept]
        assert [(a.index, a.shared) for a in found.assignments] == [(-1, kept.row.shared)]
        assert [(u.unit_index, u.agent_id) for u in found.units] == [(-2, agent.agent_id)]

    def test_a_row_counts_as_seen_in_all_runs_of_the_task(self, database: Database, run: SampleRun) -> None:
        _, kept = run.add_gate_unit("ann")
        again, other = SampleRun(database), SampleRun(database, task_name="another")
        seen = [database.people.get_worker_facts(one.id, LINK, ["ann"])["ann"].rows_seen for one in (run, again, other)]
        assert seen == [{kept.row.key}, {kept.row.key}, frozenset()]

    def test_units_of_gates_are_not_counted_with_the_work(self, database: Database, run: SampleRun) -> None:
        run.add_gate_unit("ann")
        again = SampleRun(database)
        assert database.runs.count_units([run.id]) == {run.id: {}}
        assert database.people.get_worker_facts(again.id, LINK, ["ann"])["ann"].units_elsewhere == 0

    def test_pages_wait_until_they_are_released(self, database: Database, run: SampleRun) -> None:
        ann = run.add_worker("ann").worker_id
        first, second = (HeldArrival(f"request {n}", ann, "ann", f"page {n}", 1000.0 + n) for n in (1, 2))
        run.commit(c.HoldArrival(second), c.HoldArrival(first))
        assert database.runs.load_run(run.id).gates.held == [first, second]
        run.commit(c.ReleaseArrivals([first.request_id]))
        assert database.runs.load_run(run.id).gates.held == [second]

    def test_all_that_was_found_is_read_in_one_row_each(self, database: Database, run: SampleRun) -> None:
        onboarding = run.add_onboarding("bob")
        agent, kept = run.add_gate_unit("ann")
        real = run.add_answered_unit({"label": "cat"}, worker_name="eve")
        found = [
            GateVerdict(agent.agent_id, G.GOLD, False, 1011.0, {"wrong": ["label"]}),
            GateVerdict(real.agent_id, G.TIME, True, 1012.0),
            GateVerdict(real.agent_id, G.ATTENTION, None, 1012.0, {"error": "it raised"}),
        ]
        run.commit(*(c.AddVerdict(one) for one in found))
        assert sorted(database.runs.load_run(run.id).gates.verdicts, key=lambda one: one.gate) == [
            found[2], found[0], found[1]
        ]  # fmt: skip
        rows = {(row["gate"], row["worker_name"]): row for row in database.runs.read_gates([run.id])}
        assert {key: row["passed"] for key, row in rows.items()} == {
            ("onboarding", "bob"): None, ("gold", "ann"): False, ("time", "eve"): True, ("attention", "eve"): None
        }  # fmt: skip
        gold = rows["gold", "ann"]
        assert (gold["row"], gold["detail"], gold["at"]) == (kept.row.row, {"wrong": ["label"]}, 1011.0)
        assert rows["time", "eve"]["answer"] == {"label": "cat"}
        assert rows["onboarding", "bob"]["agent_id"] == onboarding.agent_id

    def test_findings_that_share_a_verdict_come_back_one_by_one(self, database: Database, run: SampleRun) -> None:
        agent = run.add_answered_unit({"label": "cat"}, worker_name="eve")
        findings = [GateFinding("attention", True, {"wrong": []}), GateFinding("haste", False, {"seconds": 1.0})]
        verdict = join_findings(agent.agent_id, G.ATTENTION, findings, 1012.0)
        run.commit(c.AddVerdict(verdict))
        (stored,) = database.runs.load_run(run.id).gates.verdicts
        assert (stored, stored.passed, stored.findings) == (verdict, False, findings)
        rows = [(row["gate"], row["passed"], row["detail"]) for row in database.runs.read_gates([run.id])]
        assert rows == [("attention", True, {"wrong": []}), ("haste", False, {"seconds": 1.0})]

    def test_a_launch_taken_back_leaves_nothing_of_its_gates(self, database: Database, run: SampleRun) -> None:
        agent, _ = run.add_gate_unit("ann")
        ann = agent.worker_id
        run.add_onboarding("bob")
        run.commit(
            c.HoldArrival(HeldArrival("request", ann, "ann", "page", 1000.0)),
            c.AddVerdict(GateVerdict(agent.agent_id, G.GOLD, True, 1011.0)),
        )
        database.runs.delete_run(run.id)
        assert database.runs.read_gates([run.id]) == []
        assert database.people.get_worker_facts(run.id, LINK, ["ann"])["ann"].rows_seen == frozenset()
