"""What a run's committed steps add up to; nothing here looks at all units or all agents again."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass

from mephisto_nb._typing import JSON
from mephisto_nb.display.dashboard.statistics import Pace, RunningMedian
from mephisto_nb.model.changes import AddAgent, AddSubmission
from mephisto_nb.model.records import Agent, RunPay
from mephisto_nb.model.states import AGENT_ACTIVE, AGENT_LEFT, AgentStatus, UnitStatus
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step

#: How many of the newest answers are kept.
NEWEST = 10
#: How often a unit may be left before it is said to be left again and again.
TOO_OFTEN = 3


@dataclass(slots=True)
class Answer:
    """One of the newest answers. `data` is None until it is known, `preview` until somebody asks."""

    agent: Agent
    data: JSON = None
    preview: str | None = None


class RunStatistics:
    """Numbers of one run, kept up by `take`.

    Parameters
    ----------
    state
        The run as it is now; it is gone through once.
    """

    def __init__(self, state: RunState) -> None:
        self.state = state
        self._resumed_at = state.steering.resumed_at
        self.pace = Pace(state.opened_at, self._resumed_at)
        #: How long answers took their workers (seconds), and what those earned by the hour (US dollars).
        self.seconds, self.hourly = RunningMedian(), RunningMedian()
        #: Who is at work, who came first being first.
        self.at_work: dict[str, Agent] = {}
        self.newest: deque[Answer] = deque(maxlen=NEWEST)
        #: How many agents have left without an answer, by the way they went, and how many have answered.
        self.left: Counter[AgentStatus] = Counter()
        self.num_answered = 0
        #: How often a unit was left that nobody has answered; and those that were left again and again.
        self.times_left: Counter[str] = Counter()
        self.often_left: dict[str, int] = {}
        self._take_all()

    def _take_all(self) -> None:
        agents = self.state.agents.values()
        answered = [agent for agent in agents if agent.submitted_at is not None]
        for agent in sorted(agents, key=lambda agent: agent.accepted_at):
            if agent.status in AGENT_ACTIVE:
                self.at_work[agent.agent_id] = agent
            elif agent.status in AGENT_LEFT:
                self._leave(agent)
        for agent in sorted(answered, key=lambda agent: agent.submitted_at or 0.0):
            self._answer(agent, None)
        self._copy()

    def take(self, step: Step) -> None:
        """Take a committed step in."""
        for change in step.changes.changes:
            if type(change) is AddAgent:  # who waits for partners is at work as well
                self.at_work[change.agent.agent_id] = change.agent
        data = self._submitted(step) if step.submitted else {}
        for agent in step.ended:
            self.at_work.pop(agent.agent_id, None)
            if agent.agent_id in data:
                self._answer(agent, data[agent.agent_id])
            elif agent.status in AGENT_LEFT:
                self._leave(agent)
        self._copy()

    def _submitted(self, step: Step) -> dict[str, JSON]:
        found = (change.submission for change in step.changes.changes if type(change) is AddSubmission)
        return {submission.agent_id: submission.data for submission in found}

    def _answer(self, agent: Agent, data: JSON) -> None:
        at = agent.submitted_at or 0.0
        unit = self.state.units[agent.unit_id]
        took = at - agent.accepted_at
        self.num_answered += 1
        if unit.is_real:  # how long the work takes is told from the work alone
            self.pace.add(at)
        self.seconds.add(took)
        if took > 0:  # two clocks may disagree by more than the work took
            self.hourly.add(3600 * unit.pay_amount / took)
        self.times_left.pop(agent.unit_id, None)
        self.often_left.pop(agent.unit_id, None)
        self.newest.appendleft(Answer(agent, data))

    def _leave(self, agent: Agent) -> None:
        self.left[agent.status] += 1
        if agent.status is not AgentStatus.EXPIRED and self.state.units[agent.unit_id].is_real:
            self.times_left[agent.unit_id] += 1
            if self.times_left[agent.unit_id] >= TOO_OFTEN:
                self.often_left[agent.unit_id] = self.times_left[agent.unit_id]

    def _copy(self) -> None:
        """Keep what the next step, while it is not committed yet, would change already."""
        state = self.state
        self.counts: dict[UnitStatus, int] = dict(state.counts)
        self.pay: dict[tuple[UnitStatus, float], int] = dict(state.pay)
        self.extra_pay = math.fsum(state.payments.values())
        self.num_seen = len(state.worker_names)
        self.rules, self.steering, self.generator_done = state.rules, state.steering, state.generator_done
        self.ended_at, self.opened_at = state.ended_at, state.opened_at
        if state.steering.resumed_at != self._resumed_at:
            self._resumed_at = state.steering.resumed_at
            self.pace.restart(state.steering.resumed_at or state.opened_at)

    def revise(self, pay: RunPay) -> None:
        """Take in what was decided and paid beside all steps."""
        counts: Counter[UnitStatus] = Counter()
        for (status, _), count in pay.units.items():
            counts[status] += count
        self.counts, self.pay, self.extra_pay = dict(counts), dict(pay.units), pay.beside
