"""Hundreds of runs in which everything happens in any order, each held against a real database after every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from mephisto_nb.model.money import Money
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.records import Agent, Submission, TaskRun, WorkerFacts
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.model.states import AGENT_ACTIVE, AGENT_LEFT, UNIT_ANSWERED, UnitStatus
from mephisto_nb.model.visits import VisitRules
from mephisto_nb.rules import visits
from mephisto_nb.rules.arrivals import Arrival, arrive
from mephisto_nb.rules.departures import expire_assigned, expire_open, leave, pass_time
from mephisto_nb.rules.run_state import RunRules, RunState, state_from_snapshot
from mephisto_nb.rules.steering import change_limits, create, expire, launch_more, pause, reopen_expired, resume
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.submissions import submit
from mephisto_nb.storage.sql_database import SQLDatabase
from tests.rules.state_summary import recount, summarize

_SIZES = st.lists(st.integers(1, 3), min_size=1, max_size=2)
_LIMITS = st.fixed_dictionaries(
    {
        "allowed_concurrent": st.sampled_from([0, 0, 1, 2]),
        "maximum_units_per_worker": st.sampled_from([0, 0, 2]),
        "max_num_concurrent_units": st.sampled_from([0, 0, 2, 3]),
        "assignment_duration": st.sampled_from([20.0, 60.0]),
        "lifetime": st.sampled_from([200.0, 1e6]),
        "patience": st.sampled_from([0.0, 100.0]),
        "visits": st.sampled_from(
            [None, None, VisitRules(), VisitRules(2), VisitRules(3, most_per_worker=2, serves_again=True)]
        ),
    }
)
#: What happens: a method of `Story`, how often, and two numbers that say to whom.
_KINDS = {
    "arrive": 5, "submit": 3, "leave": 2, "pass_time": 1, "move_deadline": 1, "create_more": 1, "launch": 1,
    "close": 1, "reopen": 3, "commit": 3, "restart": 1,
    "steer": 3, "give_back": 1,
}  # fmt: skip
_KIND = st.sampled_from([kind for kind, weight in _KINDS.items() for _ in range(weight)])
_EVENTS = st.lists(st.tuples(_KIND, st.integers(0, 11), st.integers(0, 11)), min_size=35, max_size=60)
_CHANGES = [
    {"max_num_concurrent_units": 1}, {"max_num_concurrent_units": 3, "task_reward": Money(2)},
    {"task_reward": Money(1)},
    {"maximum_units_per_worker": 1}, {"max_num_concurrent_units": 0, "maximum_units_per_worker": 0},
]  # fmt: skip
_UNHELD = {UnitStatus.CREATED, UnitStatus.LAUNCHED}
_INDEXES = {"created", "launched", "workers_of", "units_of_worker", "active_agents", "counts", "pay"}
_run_numbers = count()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLDatabase]:
    database = SQLDatabase(f"sqlite:///{tmp_path_factory.mktemp('interleavings') / 'runs.db'}")
    yield database
    database.close()


class Story:
    """One run. A step may hold several events, as when many messages are waiting; `commit` ends it."""

    def __init__(self, database: SQLDatabase, sizes: list[int], limits: dict[str, Any]) -> None:
        self.database = database
        self._run_number, self._ids = next(_run_numbers), count()
        task = database.runs.get_or_create_task(f"task {self._run_number}")
        requester = database.people.get_or_create_requester("lab", "mock").requester_id
        run = TaskRun(self._new_id(), task.task_id, task.name, requester, "mock", "local", "mock", {}, [], 0.0, 0.0)
        database.runs.add_run(run)
        self.now = 0.0
        self.answers: dict[str, int] = {}
        self.rules = RunRules("mock", **limits)
        self.state = RunState(run.task_run_id, self.rules, opened_at=0.0)
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

    def _any_agent(self, number: int) -> Agent | None:
        agents = list(self.state.agents.values())
        return agents[number % len(agents)] if agents else None

    # -- what can happen -------------------------------------------------------------------------------------

    def arrive(self, who: int, where: int) -> None:
        name, page = f"worker {who % 3}", f"page {where % 3}"
        facts = self.database.people.get_worker_facts(self.state.task_run_id, "mock", [name]).get(name, WorkerFacts())
        agents_before = set(self.state.agents)
        agent = arrive(self.step, Arrival("request", name, page, facts))
        if isinstance(agent, Agent) and agent.agent_id not in agents_before:
            self._check_fair(agent)

    def _check_fair(self, agent: Agent) -> None:
        held = [u for u in self.state.units.values() if u.worker_id == agent.worker_id and u.status != "expired"]
        own = self.state.units[agent.unit_id]
        assert [unit for unit in held if unit.assignment_id == own.assignment_id] == [own]
        rules, active = self.state.rules, self.state.active_agents[agent.worker_id]
        assert not rules.allowed_concurrent or len(active) <= rules.allowed_concurrent
        assert not rules.maximum_units_per_worker or len(held) <= rules.maximum_units_per_worker
        assert self.state.closing is None

    def submit(self, who: int, answer: int) -> None:
        if agent := self._any_agent(who):
            submit(self.step, Submission(agent.agent_id, answer, self.now))
            self.answers.setdefault(agent.agent_id, answer)
            launch_more(self.step)

    def leave(self, who: int, how: int) -> None:
        if agent := self._any_agent(who):
            leave(self.step, agent.agent_id, sorted(AGENT_LEFT)[how % len(AGENT_LEFT)], "left", "worker")
            launch_more(self.step)

    def give_back(self, who: int, how: int) -> None:
        if agent := self._any_agent(who):
            visits.give_back(self.step, agent.agent_id, visits.NO_CONSENT if how % 2 else "", "gave it back", "worker")
            launch_more(self.step)

    def move_deadline(self, who: int, more: int) -> None:
        if agent := self._any_agent(who):
            self.step.change_deadline(agent, None if more % 3 == 0 else self.now + more * 10)

    def pass_time(self, by: int, _: int) -> None:
        self.commit()
        self.step.now = self.now = self.now + by * 5
        pass_time(self.step)
        visits.pass_time(self.step)
        launch_more(self.step)

    def create_more(self, size: int, other: int) -> None:
        if len(self.state.units) < 20:
            self._create([size % 3, other % 2])

    def launch(self, *_: int) -> None:
        launch_more(self.step)

    def close(self, how: int, _: int) -> None:
        self.step.close_run("enough", "operator")
        expire_open(self.step, "enough", "operator")
        if how % 2:
            expire_assigned(self.step, "enough", "operator")
            visits.end_all(self.step)

    def reopen(self, *_: int) -> None:
        if self.state.closing is not None:
            self.step.reopen_run()
            reopen_expired(self.step)
            launch_more(self.step)

    def steer(self, how: int, number: int) -> None:
        acts = (pause, resume, partial(change_limits, limits=_CHANGES[number % len(_CHANGES)]), expire)
        acts[how % len(acts)](self.step)
        launch_more(self.step)

    # -- storing ---------------------------------------------------------------------------------------------

    def commit(self, *_: int) -> None:
        changes = self.step.changes
        if not changes:
            return
        changes.last_seq = self.state.last_seq = self.state.last_seq + 1
        assert self.database.apply([changes]) == [None]
        self.stored = self._load()
        assert summarize(self.stored) == summarize(self.state)
        self._next_step()

    def restart(self, *_: int) -> None:
        self.commit()
        self.state = self.step.state = self.stored

    def _load(self) -> RunState:
        return state_from_snapshot(self.database.runs.load_run(self.state.task_run_id), self.rules)

    # -- what is always so -----------------------------------------------------------------------------------

    def check(self) -> None:
        units, agents = list(self.state.units.values()), list(self.state.agents.values())
        # No unit is held by nobody, or by two, and nobody who is at work holds none.
        at_work = {unit.agent_id: unit.unit_id for unit in units if unit.status is UnitStatus.ASSIGNED}
        assert at_work == {agent.agent_id: agent.unit_id for agent in agents if agent.status in AGENT_ACTIVE}
        # Each answer has a unit of its own, and none is lost.
        answered = {unit.agent_id: unit.unit_id for unit in units if unit.status in UNIT_ANSWERED}
        assert answered == {agent.agent_id: agent.unit_id for agent in agents if agent.submitted_at is not None}
        assert answered.keys() == self.answers.keys()
        assert len(answered) == sum(self.state.counts[status] for status in UNIT_ANSWERED)
        indexes = {name: value for name, value in summarize(self.state).items() if name in _INDEXES}
        assert indexes == recount(self.state)
        limit, at_work = self.state.rules.max_num_concurrent_units, self.state.counts[UnitStatus.ASSIGNED]
        assert not limit or self.state.num_out <= max(limit, at_work)
        reward = self.state.steering.task_reward
        pay = set() if reward is None else {self.rules.unit_pay(reward)}
        assert reward is None or {unit.pay_amount for unit in units if unit.status in _UNHELD} <= pay
        assert self.state.closing is None or not self.state.launched

        self._check_visits()

    def _check_visits(self) -> None:
        rules, book, agents = self.rules.visits, self.state.visits, list(self.state.agents.values())
        assert (rules is None) == all(agent.visit_id is None for agent in agents) or not agents
        at_work = Counter(agent.visit_id for agent in agents if agent.visit_id and agent.status in AGENT_ACTIVE)
        # One unit at a time, and none in a visit that has ended.
        assert all(count == 1 for count in at_work.values())
        assert set(at_work) <= set(book.open)
        sent = Counter(agent.visit_id for agent in agents if agent.visit_id and agent.submitted_at is not None)
        assert {id_: visit.done for id_, visit in book.visits.items() if visit.done} == sent
        assert set(book.open) == {id_ for id_, visit in book.visits.items() if visit.outcome is None}
        for visit in book.visits.values():
            assert (visit.outcome is None) == (visit.ended_at is None)
            assert visit.short is None or visit.outcome is not Outcome.QUOTA_FULL

    def check_answers(self) -> None:
        found = self.database.runs.read_results([self.state.task_run_id])
        assert {row["agent_id"]: row["data"] for row in found} == self.answers
        assert len(found) == len(self.answers)


@pytest.mark.slow  # it computes for half a minute
@pytest.mark.timeout(600)  # where it fails, the shortest story that does is looked for
@settings(max_examples=300, phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck))
@given(sizes=_SIZES, limits=_LIMITS, events=_EVENTS)
def test_any_interleaving_keeps_the_rules_and_the_database_in_step(
    database: SQLDatabase, sizes: list[int], limits: dict[str, Any], events: list[tuple[str, int, int]]
) -> None:
    story = Story(database, sizes, limits)
    for kind, first, second in events:
        getattr(story, kind)(first, second)
        story.check()
    story.commit()
    story.check_answers()
