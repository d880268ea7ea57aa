"""Dozens of runs with gates in which arrivals, verdicts, restarts and departures come in any order.

Nobody who failed gets a further unit, nobody who passed sees a gate again, no page waits for ever, and what is in
memory is what is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from mephisto_nb.kernel.gates import outstanding
from mephisto_nb.model.gates import GateFinding, GateRow, OnboardingAgent
from mephisto_nb.model.records import Agent, Submission, TaskRun, WorkerFacts
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.model.states import AGENT_ACTIVE, AGENT_LEFT, AgentStatus, Gate
from mephisto_nb.model.visits import VisitRules
from mephisto_nb.rules import visits
from mephisto_nb.rules.arrivals import Arrival, Held, Outcome, arrive, release
from mephisto_nb.rules.departures import leave, pass_time
from mephisto_nb.rules.gates.state import GateJob, GateJobKind
from mephisto_nb.rules.gates.verdicts import Supply, conclude, give_up, hand_in
from mephisto_nb.rules.run_state import RunRules, RunState, state_from_snapshot
from mephisto_nb.rules.steering import create, launch_more
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.submissions import submit
from mephisto_nb.storage.sql_database import SQLDatabase
from tests.rules.gated import gate_rules
from tests.rules.state_summary import recount, summarize

_RULES = st.fixed_dictionaries(
    {
        "onboarding": st.sampled_from(["", "trained"]),
        "screening": st.sampled_from(["", "able"]),
        "max_screening_units": st.sampled_from([None, 2]),
        "gold": st.sampled_from(["", "moods"]),
        "max_gold_units": st.sampled_from([None, 3]),
        "min_golds": st.sampled_from([1, 2]),
        "max_incorrect_golds": st.sampled_from([0, 1]),
        "block": st.sampled_from(["", "banned"]),
        "checks": st.just("careless"),
        "judges_attention": st.booleans(),
        "repeats_failed": st.booleans(),
        "max_failed_checks": st.sampled_from([None, 0, 1]),
        "visits": st.sampled_from([None, None, VisitRules(3), VisitRules(2, serves_again=True)]),
    }
)
#: What happens: a method of `Story`, how often, and two numbers that say to whom.
_KINDS = {"come": 6, "send": 5, "leave": 1, "job": 5, "fail_job": 1, "pass_time": 1, "commit": 2, "restart": 1}
_KIND = st.sampled_from([kind for kind, weight in _KINDS.items() for _ in range(weight)])
_EVENTS = st.lists(st.tuples(_KIND, st.integers(0, 11), st.integers(0, 3)), min_size=20, max_size=45)
_run_numbers = count()
#: Of three workers, one is always right, one always wrong, and one now this and now that.
_SKILL = {0: lambda luck: True, 1: lambda luck: False, 2: lambda luck: luck % 2 == 0}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLDatabase]:
    database = SQLDatabase(f"sqlite:///{tmp_path_factory.mktemp('gates') / 'runs.db'}")
    yield database
    database.close()


class Story:
    """One run. A step may hold several arrivals and answers; a job is a step of its own, with facts looked up."""

    def __init__(self, database: SQLDatabase, settings: dict[str, Any]) -> None:
        self.database, self._number, self._ids = database, next(_run_numbers), count()
        task = database.runs.get_or_create_task(f"task {self._number}")
        requester = database.people.get_or_create_requester("lab", "mock").requester_id
        run = TaskRun(self._new_id(), task.task_id, task.name, requester, "mock", "local", "mock", {}, [], 0.0, 0.0)
        database.runs.add_run(run)
        self.now, self.jobs = 0.0, list[GateJob]()
        # Names of qualifications are known in all runs, so each run has its own.
        own = {name: f"{value} {self._number}" for name in ("onboarding", "screening", "gold", "block", "checks")
               if (value := settings[name])}  # fmt: skip
        self.gates = {**settings, **own}
        of_visits = self.gates.pop("visits")
        self.rules = RunRules("mock", assignment_duration=50.0, gates=gate_rules(**self.gates), visits=of_visits)
        self.state = RunState(run.task_run_id, self.rules, opened_at=0.0)
        #: What each page was told last, the worker of each page, and who is known to have failed.
        self.told: dict[str, Outcome] = {}
        self.waiting: set[str] = set()
        self.failed: set[str] = set()
        self.passed: set[tuple[str, Gate]] = set()
        self._next_step()
        create(self.step, [InitializationData({}, [{}, {}]) for _ in range(5)])
        self.step.finish_generator()
        self.commit()

    def _new_id(self) -> str:
        return f"{self._number:06}-{next(self._ids):04}"

    def _next_step(self) -> None:
        self.now += 1.0
        self.step = Step(self.state, self.now, self._new_id)

    def _facts(self, name: str) -> WorkerFacts:
        found = self.database.people.get_worker_facts(self.state.task_run_id, "mock", [name])
        return found.get(name, WorkerFacts())

    # -- what can happen -------------------------------------------------------------------------------------

    def come(self, who: int, where: int) -> None:
        name, request = f"{self._number} worker {who % 3}", f"{self._number} request {next(self._ids)}"
        before = set(self.state.agents) | set(self.state.gates.onboarding)
        outcome = arrive(self.step, Arrival(request, name, f"page {where}", self._facts(name)))
        self._tell(request, outcome, before)

    def _tell(self, request: str, outcome: Outcome, before: set[str]) -> None:
        assert request not in self.told
        if isinstance(outcome, Held):
            self.waiting.add(request)
            return
        self.waiting.discard(request)
        self.told[request] = outcome
        if isinstance(outcome, Agent | OnboardingAgent) and outcome.agent_id not in before:
            self._check_fair(outcome)

    def _check_fair(self, agent: Agent | OnboardingAgent) -> None:
        worker_id = agent.worker_id
        self._note_grants()  # the verdict may be part of this very step
        assert worker_id not in self.failed
        assert not self.state.gates.being_judged(worker_id)
        if isinstance(agent, OnboardingAgent):
            assert (worker_id, Gate.ONBOARDING) not in self.passed
            return
        unit = self.state.units[agent.unit_id]
        if unit.unit_index == -1:
            assert (worker_id, Gate.SCREENING) not in self.passed
        if unit.is_real:
            for gate, name in ((Gate.ONBOARDING, self.gates["onboarding"]), (Gate.SCREENING, self.gates["screening"])):
                assert not name or (worker_id, gate) in self.passed

    def send(self, who: int, luck: int) -> None:
        agents: list[Agent | OnboardingAgent] = [*self.state.agents.values(), *self.state.gates.onboarding.values()]
        if not agents:
            return
        agent = agents[who % len(agents)]
        name = self.state.worker_names[agent.worker_id]
        answer = _SKILL[int(name[-1])](luck)
        if isinstance(agent, Agent):
            submit(self.step, Submission(agent.agent_id, answer, self.now))
        else:
            request = f"{self._number} request {next(self._ids)}"
            assert hand_in(self.step, agent.agent_id, answer, self.now, request, None)
            self.waiting.add(request)
        launch_more(self.step)

    def leave(self, who: int, how: int) -> None:
        agents = [*self.state.agents, *self.state.gates.onboarding]
        if agents:
            leave(self.step, agents[who % len(agents)], sorted(AGENT_LEFT)[how], "left", "worker")
            launch_more(self.step)

    def pass_time(self, by: int, _: int) -> None:
        self.commit()
        self.step.now = self.now = self.now + by * 5
        pass_time(self.step)
        visits.pass_time(self.step)
        launch_more(self.step)

    def job(self, which: int, _: int, *, fails: bool = False) -> None:
        """Run a job that a committed step has asked for; now and then one that was run already."""
        self.commit()
        if not self.jobs:
            return
        job = self.jobs[which % len(self.jobs)]
        if which % 5:
            self.jobs.remove(job)
        if (name := self.state.worker_names.get(job.worker_id)) is not None:
            self._run(job, name, fails)

    def _run(self, job: GateJob, name: str, fails: bool) -> None:
        facts, supply = self._facts(name), Supply()
        if job.kind is GateJobKind.JUDGE and job.gate is not None:
            supply = self._judge(job.agent_id, job.gate, facts, fails)
        elif job.kind is GateJobKind.FETCH and not fails:
            row = next((key for key in "abc" if key not in facts.rows_seen), None)
            supply = Supply(job.gate, None if row is None else GateRow(row, {}, {"row": row}))
        elif job.kind is GateJobKind.FETCH:
            supply = Supply(job.gate, failed=True)
        before = set(self.state.agents) | set(self.state.gates.onboarding)
        for held, outcome in release(self.step, job.worker_id, facts, supply):
            self._tell(held.request_id, outcome, before)
        self.commit()

    def _judge(self, agent_id: str, gate: Gate, facts: WorkerFacts, fails: bool) -> Supply:
        if fails:
            give_up(self.step, agent_id, gate, "it raised")
            return Supply(failed=True)
        if gate is Gate.ONBOARDING:
            passed = bool(self.state.gates.onboarding[agent_id].data)
        else:
            (row,) = self.database.runs.read_results([self.state.task_run_id], agent_ids=[agent_id])
            passed = bool(row["data"])
        conclude(self.step, agent_id, gate, [GateFinding(gate.value, passed)], facts)
        return Supply()

    def fail_job(self, which: int, _: int) -> None:
        self.job(which, 0, fails=True)

    # -- storing ---------------------------------------------------------------------------------------------

    def commit(self, *_: int) -> None:
        launch_more(self.step)
        changes = self.step.changes
        if not changes:  # it may have jobs all the same
            self.jobs += self.step.gate_jobs
            self.step.gate_jobs = []
            return
        changes.last_seq = self.state.last_seq = self.state.last_seq + 1
        assert self.database.apply([changes]) == [None]
        self.jobs += self.step.gate_jobs
        self._note_grants()
        stored = state_from_snapshot(self.database.runs.load_run(self.state.task_run_id), self.rules)
        assert summarize(stored) == summarize(self.state)
        self.stored = stored
        self._next_step()

    def _note_grants(self) -> None:
        failing = {f"{self.gates['onboarding']}-failed", f"{self.gates['screening']}-failed"}
        failing |= {f"{self.gates['gold']}-disqualified"}
        if self.gates["max_failed_checks"] is not None:
            failing.add(f"{self.gates['checks']}-blocked")
        for worker_id, granted in self.step.granted.items():
            self.failed |= {worker_id for name in granted if name in failing}
            for gate, name in ((Gate.ONBOARDING, self.gates["onboarding"]), (Gate.SCREENING, self.gates["screening"])):
                if granted.get(name):
                    self.passed.add((worker_id, gate))

    def restart(self, *_: int) -> None:
        """Let another kernel take the run up: what was on its way is lost, and found again from what is stored."""
        self.commit()
        self.state = self.step.state = self.stored
        self.jobs = outstanding(self.state)

    # -- what is always so -----------------------------------------------------------------------------------

    def check(self) -> None:
        indexes = summarize(self.state)
        assert recount(self.state).items() <= indexes.items()
        shown = Counter((unit.worker_id, unit.row.key) for unit in self.state.gates.units.values())
        assert not shown or max(shown.values()) == 1
        held = {request for waiting in self.state.gates.held.values() for request in waiting}
        assert held == self.waiting
        for worker_id, agents in self.state.active_agents.items():
            at_gates = [id_ for id_ in agents if not self.state.units[self.state.agents[id_].unit_id].is_real]
            assert len(at_gates) <= 1, worker_id

        # A visit that has ended holds nothing; one of which all was sent goes on only until that is judged.
        book = self.state.visits
        for visit in book.visits.values():
            assert visit.ended_at is None or book.agent_at_work(visit) is None
            assert (
                visit.ended_at is not None or visit.done < visit.asked or visit.worker_id in self.state.gates.unjudged
            )

    def end(self) -> None:
        """Let every job be run: then everybody has their answer, and every answer its verdict."""
        while True:
            self.commit()
            if not self.jobs:
                break
            self.job(1, 0)
        assert self.waiting == set()
        assert not any(set(agents) - self.state.gates.stuck for agents in self.state.gates.unjudged.values())
        active = [agent for agent in self.state.agents.values() if agent.status in AGENT_ACTIVE]
        assert self.state.gates.is_busy == any(not self.state.units[agent.unit_id].is_real for agent in active)
        approved = [a for a in self.state.gates.onboarding.values() if a.status is AgentStatus.APPROVED]
        assert len({agent.worker_id for agent in approved}) == len(approved)


@pytest.mark.slow  # it computes for seconds
@pytest.mark.timeout(600)  # where it fails, the shortest story that does is looked for
@settings(max_examples=40, phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck))
@given(rules=_RULES, events=_EVENTS)
def test_who_failed_gets_no_more_and_who_passed_is_not_asked_again(
    database: SQLDatabase, rules: dict[str, Any], events: list[tuple[str, int, int]]
) -> None:
    story: Any = Story(database, rules)
    for kind, first, second in events:
        getattr(story, kind)(first, second)
        story.check()
    story.end()
