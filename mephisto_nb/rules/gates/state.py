"""What one live run knows of its gates: who is at one, whose answer waits for its verdict, and who waits for that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from typing import Any

from mephisto_nb.model.gates import GateUnit, GateVerdict, HeldArrival, OnboardingAgent
from mephisto_nb.model.records import Agent, Unit
from mephisto_nb.model.states import AGENT_LEFT, AgentStatus, Gate, UnitStatus
from mephisto_nb.rules.gates._base import AnswerCheck, UnitGate

#: So many pages of one worker wait at once.
MOST_HELD = 5


class GateJobKind(StrEnum):
    """What has to be done outside of a step."""

    JUDGE = "judge"
    FETCH = "fetch"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class GateJob:
    """Something to do outside of a step, where functions of the researcher may take their time.

    Judge the answer of an agent, fetch a worker a row for a gate, or answer a worker's pages that wait. `gate` is the
    gate before the work, or what the findings of checks are stored as.
    """

    kind: GateJobKind
    worker_id: str
    agent_id: str = ""
    gate: Gate | None = None


@dataclass(slots=True)
class GateBook:
    """The gates of a run in memory. Changed only by `rules.gates.steps`, and by `RunState`'s indexing."""

    onboarding: dict[str, OnboardingAgent] = field(default_factory=dict)
    #: The newest onboarding agent of a worker.
    onboarding_of: dict[str, str] = field(default_factory=dict)
    units: dict[str, GateUnit] = field(default_factory=dict)
    #: How many units of a gate have which status.
    counts: Counter[tuple[int, UnitStatus]] = field(default_factory=Counter)
    #: Whose answers wait for a verdict, by worker; and those that nothing tries to judge at the moment.
    unjudged: dict[str, set[str]] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    #: The pages that wait, by worker and request.
    held: dict[str, dict[str, HeldArrival]] = field(default_factory=dict)
    #: How often each gate has found what.
    verdicts: Counter[tuple[str, bool | None]] = field(default_factory=Counter)
    failed_checks: Counter[str] = field(default_factory=Counter)
    #: What the researcher should know, by what it is about; it is found again after a restart.
    notices: dict[str, str] = field(default_factory=dict)
    _deadlines: list[tuple[float, str]] = field(default_factory=list)

    # -- keeping it ------------------------------------------------------------------------------------------

    def add_onboarding(self, agent: OnboardingAgent) -> None:
        """Take an onboarding agent in; the newest of a worker is the one that their pages find."""
        self.onboarding[agent.agent_id] = agent
        self.onboarding_of[agent.worker_id] = agent.agent_id
        if agent.status is AgentStatus.ONBOARDING and agent.deadline is not None:
            heappush(self._deadlines, (agent.deadline, agent.agent_id))

    def index_unit(self, unit: Unit, by: int) -> None:
        """Count a unit of a gate, or (-1) count it no longer."""
        self.counts[unit.unit_index, unit.status] += by

    def await_verdict(self, worker_id: str, agent_id: str) -> None:
        """Note that an answer has to be judged."""
        self.unjudged.setdefault(worker_id, set()).add(agent_id)

    def note_verdict(self, agent: Agent | OnboardingAgent, verdict: GateVerdict) -> None:
        """Take a verdict in."""
        for found in verdict.findings:
            self.verdicts[found.gate, found.passed] += 1
            if found.passed is False and not self.is_at_entry(agent):
                self.failed_checks[agent.worker_id] += 1

    def settle(self, worker_id: str, agent_id: str) -> None:
        """Note that an answer is judged."""
        waiting = self.unjudged.get(worker_id, set())
        waiting.discard(agent_id)
        self.stuck.discard(agent_id)
        if not waiting:
            self.unjudged.pop(worker_id, None)

    # -- asking ----------------------------------------------------------------------------------------------

    def is_unjudged(self, worker_id: str, agent_id: str) -> bool:
        """Return whether an answer waits for its verdict."""
        return agent_id in self.unjudged.get(worker_id, ())

    def being_judged(self, worker_id: str) -> list[str]:
        """Return the agents of a worker whose answers are about to be judged."""
        return [agent_id for agent_id in self.unjudged.get(worker_id, ()) if agent_id not in self.stuck]

    def stuck_of(self, worker_id: str) -> list[str]:
        """Return the agents of a worker whose answers could not be judged."""
        return [agent_id for agent_id in self.unjudged.get(worker_id, ()) if agent_id in self.stuck]

    def is_at_entry(self, agent: Agent | OnboardingAgent) -> bool:
        """Return whether an agent's answer is to a gate before the work, rather than to the work."""
        return isinstance(agent, OnboardingAgent) or agent.unit_id in self.units

    def num_used(self, gate: UnitGate[Any]) -> int:
        """Count the units of a gate that were given out and did not come back unanswered."""
        index = gate.UNIT_INDEX
        return sum(n for (of, status), n in self.counts.items() if of == index and status is not UnitStatus.EXPIRED)

    @property
    def is_busy(self) -> bool:
        """Whether somebody is at a gate's unit, or waits for a verdict that will come."""
        at_work = sum(n for (_, status), n in self.counts.items() if status is UnitStatus.ASSIGNED)
        return at_work > 0 or any(agents - self.stuck for agents in self.unjudged.values())

    def current(self, worker_id: str) -> OnboardingAgent | None:
        """Return the onboarding agent that a worker is at, or has handed in, unless they left it."""
        agent = self.onboarding.get(self.onboarding_of.get(worker_id, ""))
        return None if agent is None or agent.status in AGENT_LEFT else agent

    def at_onboarding(self) -> list[OnboardingAgent]:
        """Return those who are at the introduction now."""
        return [agent for agent in self.onboarding.values() if agent.status is AgentStatus.ONBOARDING]

    def overdue(self, now: float) -> Iterator[OnboardingAgent]:
        """Return those at the introduction whose time is over."""
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, agent_id = heappop(self._deadlines)
            if self._is_due_at(agent_id, deadline):
                yield self.onboarding[agent_id]

    def next_deadline(self) -> float | None:
        """Return the earliest time at which somebody's time is over."""
        while self._deadlines and not self._is_due_at(self._deadlines[0][1], self._deadlines[0][0]):
            heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def _is_due_at(self, agent_id: str, deadline: float) -> bool:
        agent = self.onboarding[agent_id]
        return agent.status is AgentStatus.ONBOARDING and agent.deadline == deadline


def gate_of(book: GateBook, agent: Agent | OnboardingAgent) -> Gate:
    """Return at which gate an agent's answer is, or would be, judged; checks are judged together."""
    if isinstance(agent, OnboardingAgent):
        return Gate.ONBOARDING
    kept = book.units.get(agent.unit_id)
    return AnswerCheck.STORED_AS if kept is None else kept.gate
