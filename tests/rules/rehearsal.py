"""A run in memory whose workers do as they are told."""

from __future__ import annotations

from itertools import count
from typing import Any

from mephisto_nb._typing import JSON
from mephisto_nb.model.gates import OnboardingAgent
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, Submission, Unit, Worker, WorkerFacts
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.rules.arrivals import Arrival, Outcome, arrive
from mephisto_nb.rules.departures import leave, pass_time
from mephisto_nb.rules.eligibility import Refusal
from mephisto_nb.rules.run_state import RunRules, RunState
from mephisto_nb.rules.steering import create, launch_more
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.submissions import submit
from mephisto_nb.rules.visits import give_back
from mephisto_nb.rules.visits import pass_time as pass_visits


class Rehearsal:
    """One run: assignments of so many units each, put on offer at time 0, under the given limits.

    Each method is a step of its own, at the time `now`; `last` is the latest step.
    """

    #: What the next arrival is answered by.
    request = "request"

    def __init__(self, *units_each: int, launched: bool = True, **limits: Any) -> None:
        self.now = 0.0
        limits |= {name: Money.of(limits[name]) for name in ("pay_amount", "waiting_pay") if name in limits}
        self.state = RunState("run", RunRules("mock", **limits), opened_at=0.0)
        self._numbers = count(1)
        self.last = self.step()
        create(self.last, [InitializationData({"n": n}, [{}] * size) for n, size in enumerate(units_each)])
        self.last.finish_generator()
        if launched:
            launch_more(self.last)

    def step(self) -> Step:
        self.last = Step(self.state, self.now, lambda: f"id{next(self._numbers):06}")
        return self.last

    def ask(self, name: str, registration: str | None = None, facts: WorkerFacts | None = None) -> Outcome:
        """Let a worker's page ask for a unit; a page has a registration of its own unless one is given."""
        known = facts or WorkerFacts(self.state.new_workers.get(name))
        return arrive(self.step(), Arrival(self.request, name, registration or f"page {next(self._numbers)}", known))

    def take(self, name: str, registration: str | None = None, facts: WorkerFacts | None = None) -> Agent:
        """Let a worker take a unit."""
        agent = self.ask(name, registration, facts)
        assert isinstance(agent, Agent), agent
        return agent

    def refuse(self, name: str, facts: WorkerFacts | None = None, registration: str | None = None) -> Refusal:
        """Let a worker ask for a unit in vain."""
        refusal = self.ask(name, registration, facts)
        assert isinstance(refusal, Refusal), refusal
        return refusal

    def submit(self, agent: Agent, data: JSON = None) -> Step:
        submit(self.step(), Submission(agent.agent_id, data, self.now))
        return self.last

    def give_back(self, agent: Agent | OnboardingAgent, reason: str = "") -> Step:
        give_back(self.step(), agent.agent_id, reason, "gave it back", "worker")
        return self.last

    def pass_time(self, now: float) -> Step:
        """Let the clock say so late a time, and do what it demands."""
        self.now = now
        pass_time(self.step())
        pass_visits(self.last)
        return self.last

    def leave(self, agent: Agent, how: AgentStatus = AgentStatus.RETURNED) -> bool:
        return leave(self.step(), agent.agent_id, how, "gave it back", "worker")

    def unit_of(self, agent: Agent) -> Unit:
        return self.state.units[agent.unit_id]

    @property
    def units(self) -> list[Unit]:
        return list(self.state.units.values())


def facts_of(name: str = "ann", **fields: Any) -> WorkerFacts:
    """Return the facts of a worker who has been here before."""
    blocked = fields.pop("blocked", False)
    return WorkerFacts(Worker(f"id of {name}", name, "mock", blocked), **fields)
