"""What a run's committed steps add up to: counts, times, and how long the rest will take.

All is kept up step by step; nothing here looks at all units or all agents again.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mephisto_nb._typing import JSON
from mephisto_nb.display.dashboard.pay_book import PayBook
from mephisto_nb.model.changes import AddAgent, AddSubmission
from mephisto_nb.model.records import Agent, KnownPayment, RunPay
from mephisto_nb.model.states import AGENT_ACTIVE, AGENT_LEFT, AgentStatus, UnitStatus
from mephisto_nb.rules.run_state import RunState, stage_of
from mephisto_nb.rules.step import Step


class RunningMedian:
    """Keeps numbers in order, so that asking costs nothing and adding next to nothing.

    Examples
    --------
    >>> median = RunningMedian()
    >>> median.value is None
    True
    >>> for number in (5.0, 1.0, 3.0, 2.0):
    ...     median.add(number)
    >>> median.value, len(median)
    (2.5, 4)
    """

    def __init__(self) -> None:
        self._numbers: list[float] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: float) -> None:
        """Take a number in."""
        insort(self._numbers, number)

    def count_below(self, limit: float) -> int:
        """Count the numbers that are smaller."""
        return bisect_left(self._numbers, limit)

    @property
    def value(self) -> float | None:
        """The median, which for an even number lies between the two in the middle; None where there is none."""
        if not self._numbers:
            return None
        half, is_odd = divmod(len(self._numbers), 2)
        return self._numbers[half] if is_odd else (self._numbers[half - 1] + self._numbers[half]) / 2


#: How many answers the rate is taken from.
WINDOW = 50
#: From how many answers on the time left is shown.
ENOUGH = 3
#: How far to each side 80 % of a normal distribution reach, in standard deviations.
_Z80 = 1.2816
#: How many slices a picture of the pace has, and how long one may be (seconds).
NUM_SLICES = 30
SLICE_LENGTHS = (1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """How long the rest takes, in seconds, and between which bounds in four cases of five."""

    seconds: float
    low: float
    high: float


class Pace:
    """The times of recent answers.

    Parameters
    ----------
    opened_at, resumed_at
        When work was first handed out, and when it last was again after a pause (epoch seconds).
    """

    def __init__(self, opened_at: float, resumed_at: float | None = None) -> None:
        self._opened_at = opened_at
        self._since = max(opened_at, resumed_at or opened_at)
        #: One more than the window: its first is where the window begins.
        self._times: deque[float] = deque(maxlen=WINDOW + 1)
        self._slices = [_Slices(length) for length in SLICE_LENGTHS]

    def add(self, at: float) -> None:
        """Note an answer."""
        if at >= self._since:
            self._times.append(at)
        for one in self._slices:
            one.add(at)

    def restart(self, at: float) -> None:
        """Let the rate be taken from what comes from now on: the run was paused until then."""
        self._since = at
        self._times.clear()

    def per_hour(self, now: float) -> float | None:
        """Return the rate in answers per hour; None where no answer has come yet."""
        n, t = self._window(now)
        return 3600 * n / t if n else None

    def time_left(self, remaining: int, now: float) -> TimeLeft | None:
        """Return how long `remaining` units will take; None while fewer than `ENOUGH` answers tell too little.

        Answers are taken to come at random at a steady rate: that of the last `WINDOW`, or of all where fewer are,
        since the run was opened or last resumed. With n of them in t seconds until now, ``rate = n / t``, and what is
        left of m units takes about ``m * t / n`` seconds. Both the rate and the coming of the m answers are uncertain:
        the logarithm of their quotient has a variance of about ``1/n + 1/m`` (two gamma distributions), so that the
        80 % interval is ``m * t / n * exp(±1.2816 * sqrt(1/n + 1/m))``.
        """
        n, t = self._window(now)
        if n < ENOUGH or not remaining:
            return None
        seconds = remaining * t / n
        factor = math.exp(_Z80 * math.sqrt(1 / n + 1 / remaining))
        return TimeLeft(seconds, seconds / factor, seconds * factor)

    def recent(self, now: float) -> list[int]:
        """Return how many answers came in each of the last 30 slices of time, the latest last.

        The slices are as short as they can be while all of them together cover the run, an hour each at most.
        """
        elapsed = now - self._opened_at
        fitting = (one for one in self._slices if one.length * NUM_SLICES >= elapsed)
        return next(fitting, self._slices[-1]).read(now)

    def _window(self, now: float) -> tuple[int, float]:
        full = len(self._times) > WINDOW
        begin = self._times[0] if full else self._since
        return min(len(self._times), WINDOW), max(now - begin, 1e-3)


class _Slices:
    """Counts in slices of one length, at whole multiples of it."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._counts: deque[int] = deque([0] * NUM_SLICES, maxlen=NUM_SLICES)
        self._last = 0

    def add(self, at: float) -> None:
        """Count an answer; one that is older than all slices is left out."""
        self._go_on_to(at)
        index = NUM_SLICES - 1 - (self._last - int(at // self.length))
        if index >= 0:
            self._counts[index] += 1

    def read(self, now: float) -> list[int]:
        """Return the counts of the slices up to now."""
        self._go_on_to(now)
        return list(self._counts)

    def _go_on_to(self, at: float) -> None:
        current = int(at // self.length)
        if current > self._last:
            self._counts.extend([0] * min(current - self._last, NUM_SLICES))
            self._last = current


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
        self.pay_book = PayBook(state)
        #: What the run pays, as of the last step that was taken in.
        self.pay: RunPay = self.pay_book.read()
        self._resumed_at = state.steering.resumed_at
        self.pace = Pace(state.opened_at, self._resumed_at)
        #: How long answers took their workers (seconds; those to screening and gold units are left out), and what those
        #: earned by the hour (in the run's currency).
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
        self.pay_book.take(step)
        self._copy()

    def settle(self, payments: Mapping[str, KnownPayment]) -> None:
        """Take in how payments stand, by their keys: crowds are asked, and people note payments, beside all steps."""
        self.pay_book.settle(payments)
        self.pay = replace(self.pay, booked=self.pay_book.read().booked)

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
            self.hourly.add(3600 * float(unit.pay_amount) / took)
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
        self.pay = self.pay_book.read()
        self.num_seen = len(state.worker_names)
        self.rules, self.steering, self.generator_done = state.rules, state.steering, state.generator_done
        self.ended_at, self.opened_at, self.stage = state.ended_at, state.opened_at, stage_of(state)
        if state.steering.resumed_at != self._resumed_at:
            self._resumed_at = state.steering.resumed_at
            self.pace.restart(state.steering.resumed_at or state.opened_at)

    def revise(self, counts: Mapping[str, int], pay: RunPay) -> None:
        """Take in what was decided and paid beside all steps: how many units have which status, and their pay."""
        self.counts = {UnitStatus(status): count for status, count in counts.items()}
        self.pay = pay
