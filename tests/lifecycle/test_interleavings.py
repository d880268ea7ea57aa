"""Hundreds of runs in which everything happens in any order, each held against a real database after every step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mephisto_nb.data_model.assignment_data import InitializationData
from mephisto_nb.data_model.records import Agent, Requester, Submission, TaskRun
from mephisto_nb.data_model.snapshots import WorkerFacts
from mephisto_nb.data_model.states import AGENT_ACTIVE, AGENT_LEFT, UNIT_ANSWERED, UnitStatus
from mephisto_nb.databases.sql_database import SQLDatabase
from mephisto_nb.lifecycle.arrivals import Arrival, arrive
from mephisto_nb.lifecycle.departures import expire_assigned, expire_open, leave, pass_time
from mephisto_nb.lifecycle.launching import create, launch_more, reopen_expired
from mephisto_nb.lifecycle.loading import state_from_snapshot
from mephisto_nb.lifecycle.run_state import RunRules, RunState
from mephisto_nb.lifecycle.step import Step
from mephisto_nb.lifecycle.submissions import submit
from tests.lifecycle.state_summary import recount, summarize

_NAMES = st.sampled_from(["ann", "ben", "eve"])
_PAGES = st.sampled_from(["page 1", "page 2"])
_SIZES = st.lists(st.integers(1, 3), min_size=1, max_size=3)
_LIMITS = st.fixed_dictionaries(
    {
        "allowed_concurrent": st.sampled_from([0, 0, 1, 2]),
        "maximum_units_per_worker": st.sampled_from([0, 0, 2]),
        "max_num_concurrent_units": st.sampled_from([0, 1, 2]),
        "assignment_duration": st.sampled_from([20.0, 60.0]),
        "lifetime": st.sampled_from([200.0, 1e6]),
        "patience": st.sampled_from([0.0, 100.0]),
    }
)
_run_numbers = count()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLDatabase]:
    database = SQLDatabase(f"sqlite:///{tmp_path_factory.mktemp('interleavings') / 'runs.db'}")
    AnyRun.database, AnyRun.lab = database, database.get_or_create_requester("lab", "mock")
    yield database
    database.close()


class AnyRun(RuleBasedStateMachine):
    """One run. A step may hold several events, as when many messages are waiting; `commit` ends it."""

    database: SQLDatabase
    lab: Requester

    @initialize(sizes=_SIZES, limits=_LIMITS)
    def open_run(self, sizes: list[int], limits: dict[str, float]) -> None:
        self._run_number, self._ids = next(_run_numbers), count()
        task = self.database.get_or_create_task(f"task {self._run_number}")
        run = TaskRun(
            self._new_id(), task.task_id, task.name, self.lab.requester_id, "mock", "local", "mock", {}, [], 0.0, 0.0
        )
        self.database.add_run(run)
        self.now = 0.0
        self.answers: dict[str, int] = {}
        self.state = RunState(run.task_run_id, RunRules("mock", **limits), opened_at=0.0)  # type: ignore[arg-type]
        self._next_step()
        self._create(sizes)
        self.commit()

    def _new_id(self) -> str:
        # In the order in which they are made, so that a story ends in the same way each time it is told.
        return f"{self._run_number:06}-{next(self._ids):04}"

    def _next_step(self) -> None:
        self.now += 1.0
        self.step = Step(self.state, self.now, self._new_id)

    def _create(self, sizes: list[int]) -> None:
        create(self.step, [InitializationData({}, [{}] * size) for size in sizes])
        launch_more(self.step)

    # -- what can happen -------------------------------------------------------------------------------------

    @rule(name=_NAMES, page=_PAGES)
    def arrive(self, name: str, page: str) -> None:
        facts = self.database.get_worker_facts(self.state.task_run_id, "mock", [name]).get(name, WorkerFacts())
        num_agents = len(self.state.agents)
        agent = arrive(self.step, Arrival("request", name, page, facts))
        if isinstance(agent, Agent) and len(self.state.agents) > num_agents:
            self._check_fair(agent)

    def _check_fair(self, agent: Agent) -> None:
        own = self.state.units[agent.unit_id]
        mates = [unit for unit in self.state.units.values() if unit.assignment_id == own.assignment_id]
        assert [unit for unit in mates if unit.worker_id == agent.worker_id and unit.status != "expired"] == [own]
        rules, worker = self.state.rules, agent.worker_id
        active = [a for a in self.state.agents.values() if a.worker_id == worker and a.status in AGENT_ACTIVE]
        assert not rules.allowed_concurrent or len(active) <= rules.allowed_concurrent
        assert self.state.closing is None

    @precondition(lambda self: self.state.agents)
    @rule(data=st.data(), answer=st.integers(0, 99))
    def submit(self, data: st.DataObject, answer: int) -> None:
        agent_id = data.draw(st.sampled_from(list(self.state.agents)))
        submit(self.step, Submission(agent_id, answer, self.now))
        self.answers.setdefault(agent_id, answer)

    @precondition(lambda self: self.state.active_agents)
    @rule(data=st.data(), how=st.sampled_from(sorted(AGENT_LEFT)))
    def leave(self, data: st.DataObject, how: str) -> None:
        agent_id = data.draw(st.sampled_from(list(self.state.agents)))
        leave(self.step, agent_id, how, "left", "worker")  # type: ignore[arg-type]

    @precondition(lambda self: self.state.active_agents)
    @rule(data=st.data(), more=st.sampled_from([None, 5.0, 500.0]))
    def move_deadline(self, data: st.DataObject, more: float | None) -> None:
        agent = self.state.agents[data.draw(st.sampled_from(list(self.state.agents)))]
        self.step.change_deadline(agent, None if more is None else self.now + more)

    @rule(by=st.sampled_from([10.0, 30.0, 80.0]))
    def pass_time(self, by: float) -> None:
        self.commit()
        self.step.now = self.now = self.now + by
        pass_time(self.step)

    @rule(sizes=_SIZES)
    def create_more(self, sizes: list[int]) -> None:
        if len(self.state.units) < 20:
            self._create(sizes)

    @rule()
    def launch(self) -> None:
        launch_more(self.step)

    @rule(at_once=st.booleans())
    def close(self, at_once: bool) -> None:
        self.step.close_run("enough", "operator")
        expire_open(self.step, "enough", "operator")
        if at_once:
            expire_assigned(self.step, "enough", "operator")

    @precondition(lambda self: self.state.closing is not None)
    @rule()
    def reopen(self) -> None:
        self.commit()
        self.step.reopen_run()
        reopen_expired(self.step)
        launch_more(self.step)

    # -- storing ---------------------------------------------------------------------------------------------

    @rule()
    def commit(self) -> None:
        changes = self.step.changes
        if not changes:
            return
        changes.last_seq = self.state.last_seq = self.state.last_seq + 1
        assert self.database.apply([changes]) == [None]
        self.stored = self._load()
        assert summarize(self.stored) == summarize(self.state)
        self._next_step()

    @rule()
    def restart(self) -> None:
        self.commit()
        self.state = self.step.state = self.stored

    def _load(self) -> RunState:
        state = state_from_snapshot(self.database.load_run(self.state.task_run_id), self.state.rules)
        state.closing = self.state.closing
        return state

    def teardown(self) -> None:
        self.commit()
        found = self.database.read_results([self.state.task_run_id])
        assert {row["agent_id"]: row["data"] for row in found} == self.answers
        assert len(found) == len(self.answers)

    # -- what is always so -----------------------------------------------------------------------------------

    @invariant()
    def each_unit_at_work_has_one_agent_and_each_agent_one_unit(self) -> None:
        at_work = {u.agent_id: u.unit_id for u in self.state.units.values() if u.status is UnitStatus.ASSIGNED}
        assert at_work == {a.agent_id: a.unit_id for a in self.state.agents.values() if a.status in AGENT_ACTIVE}

    @invariant()
    def each_answer_has_a_unit_of_its_own(self) -> None:
        answered = {u.agent_id: u.unit_id for u in self.state.units.values() if u.status in UNIT_ANSWERED}
        assert answered == {a.agent_id: a.unit_id for a in self.state.agents.values() if a.submitted_at is not None}
        assert answered.keys() == self.answers.keys()
        assert len(answered) == sum(self.state.counts[status] for status in UNIT_ANSWERED)

    @invariant()
    def holders_are_those_whose_agent_holds_the_unit(self) -> None:
        for unit in self.state.units.values():
            if unit.agent_id is not None:
                agent = self.state.agents[unit.agent_id]
                assert (agent.unit_id, agent.worker_id) == (unit.unit_id, unit.worker_id)

    @invariant()
    def the_indexes_say_what_the_rows_say(self) -> None:
        assert {name: value for name, value in summarize(self.state).items() if name in _COUNTED} == recount(self.state)

    @invariant()
    def no_more_is_out_than_allowed(self) -> None:
        limit = self.state.rules.max_num_concurrent_units
        assert not limit or self.state.num_out <= limit
        assert self.state.closing is None or not self.state.launched


_COUNTED = {"created", "launched", "workers_of", "units_of_worker", "active_agents", "counts"}


@pytest.mark.timeout(600)  # where it fails, the shortest story that does is looked for
@pytest.mark.usefixtures("database")
def test_any_interleaving_keeps_the_rules_and_the_database_in_step() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        AnyRun,
        settings=settings(
            max_examples=250,
            stateful_step_count=30,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )
