"""What is stored of how workers are looked at: introductions, screening and gold units, verdicts, pages that wait."""

from __future__ import annotations

from mephisto_nb.model import changes as c
from mephisto_nb.model.gates import HeldArrival, Verdict
from mephisto_nb.model.states import AgentStatus, Gate
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import DatabaseFixtures, SampleRun

G = Gate


class GatesContract(DatabaseFixtures):
    """The changes of gates, and what is read of them."""

    def test_an_introduction_comes_back_as_it_was(self, database: Database, run: SampleRun) -> None:
        agent = run.add_onboarding("ann")
        assert database.load_run(run.id).gates.onboarding == [agent]
        run.commit(
            c.AddOnboardingAnswer(agent.agent_id, {"sure": "kůň\0"}, 1010.0),
            c.ChangeOnboarding(agent.agent_id, AgentStatus.ONBOARDING, AgentStatus.WAITING),
            c.ChangeOnboarding(agent.agent_id, AgentStatus.WAITING, AgentStatus.APPROVED),
        )
        (found,) = database.load_run(run.id).gates.onboarding
        assert (found.status, found.submitted_at, found.data) == (AgentStatus.APPROVED, 1010.0, {"sure": "kůň\0"})
        assert database.load_run(run.id).worker_names == {agent.worker_id: "ann"}

    def test_an_introduction_that_was_changed_meanwhile_refuses_the_step(
        self, database: Database, run: SampleRun
    ) -> None:
        agent = run.add_onboarding("ann")
        wrong = c.ChangeOnboarding(agent.agent_id, AgentStatus.WAITING, AgentStatus.APPROVED)
        assert run.refusal(wrong, c.AddVerdict(Verdict(agent.agent_id, G.ONBOARDING, True, 1011.0))) is not None
        assert database.load_run(run.id).gates.verdicts == []

    def test_a_gate_unit_keeps_its_right_answers_from_the_assignment(self, database: Database, run: SampleRun) -> None:
        agent, kept = run.add_gate_unit("ann")
        found = database.load_run(run.id)
        assert found.gates.units == [kept]
        assert [(a.index, a.shared) for a in found.assignments] == [(-1, kept.row.shared)]
        assert [(u.unit_index, u.agent_id) for u in found.units] == [(-2, agent.agent_id)]

    def test_a_row_counts_as_seen_in_all_runs_of_the_task(self, database: Database, run: SampleRun) -> None:
        _, kept = run.add_gate_unit("ann")
        again, other = SampleRun(database), SampleRun(database, task_name="another")
        seen = [database.get_worker_facts(one.id, "mock", ["ann"])["ann"].rows_seen for one in (run, again, other)]
        assert seen == [{kept.row.key}, {kept.row.key}, frozenset()]

    def test_units_of_gates_are_not_counted_with_the_work(self, database: Database, run: SampleRun) -> None:
        run.add_gate_unit("ann")
        again = SampleRun(database)
        assert database.count_units([run.id]) == {run.id: {}}
        assert database.get_worker_facts(again.id, "mock", ["ann"])["ann"].units_elsewhere == 0

    def test_pages_wait_until_they_are_released(self, database: Database, run: SampleRun) -> None:
        ann = run.add_worker("ann").worker_id
        first, second = (HeldArrival(f"request {n}", ann, "ann", f"page {n}", 1000.0 + n) for n in (1, 2))
        run.commit(c.HoldArrival(second), c.HoldArrival(first))
        assert database.load_run(run.id).gates.held == [first, second]
        run.commit(c.ReleaseArrivals([first.request_id]))
        assert database.load_run(run.id).gates.held == [second]

    def test_all_that_was_found_is_read_in_one_row_each(self, database: Database, run: SampleRun) -> None:
        onboarding = run.add_onboarding("bob")
        agent, kept = run.add_gate_unit("ann")
        real = run.add_answered_unit({"label": "cat"}, worker_name="eve")
        found = [
            Verdict(agent.agent_id, G.GOLD, False, 1011.0, {"wrong": ["label"]}),
            Verdict(real.agent_id, G.TIME, True, 1012.0),
            Verdict(real.agent_id, G.ATTENTION, None, 1012.0, {"error": "it raised"}),
        ]
        run.commit(*(c.AddVerdict(one) for one in found))
        assert sorted(database.load_run(run.id).gates.verdicts, key=lambda one: one.gate) == [
            found[2], found[0], found[1]
        ]  # fmt: skip
        rows = {(row["gate"], row["worker_name"]): row for row in database.read_gates([run.id])}
        assert {key: row["passed"] for key, row in rows.items()} == {
            ("onboarding", "bob"): None, ("gold", "ann"): False, ("time", "eve"): True, ("attention", "eve"): None
        }  # fmt: skip
        gold = rows["gold", "ann"]
        assert (gold["row"], gold["detail"], gold["at"]) == (kept.row.row, {"wrong": ["label"]}, 1011.0)
        assert rows["time", "eve"]["answer"] == {"label": "cat"}
        assert rows["onboarding", "bob"]["agent_id"] == onboarding.agent_id

    def test_a_launch_taken_back_leaves_nothing_of_its_gates(self, database: Database, run: SampleRun) -> None:
        agent, _ = run.add_gate_unit("ann")
        ann = agent.worker_id
        run.add_onboarding("bob")
        run.commit(
            c.HoldArrival(HeldArrival("request", ann, "ann", "page", 1000.0)),
            c.AddVerdict(Verdict(agent.agent_id, G.GOLD, True, 1011.0)),
        )
        database.delete_run(run.id)
        assert database.read_gates([run.id]) == []
        assert database.get_worker_facts(run.id, "mock", ["ann"])["ann"].rows_seen == frozenset()
