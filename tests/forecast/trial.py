"""One trial: a crowd, perhaps a pilot run of it in a database, a forecast by that, and what then came of the run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from mephisto_nb.model import changes as c
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, Assignment, Payment, Submission, Unit, Worker
from mephisto_nb.model.states import AgentStatus, PaymentKind, UnitStatus
from mephisto_nb.money.evidence import Evidence, read_evidence
from mephisto_nb.money.fees import FeeRate
from mephisto_nb.money.forecast import Estimate, Forecast, Prices, make_forecast
from mephisto_nb.money.simulation import Plan
from mephisto_nb.ports.database import Database
from mephisto_nb.testing.contracts._samples import SampleRun
from mephisto_nb.utils.ids import new_id
from tests.forecast.crowds import KINDS, Story, Work, live, make_world

REWARD, FEE = Money.of("0.20"), Decimal("0.333")
#: (units a visit, whether each comes once)
WAYS = ((1, True), (20, True), (1, False))
EPOCH = 1_790_000_000.0 - 1_790_000_000.0 % 86400


@dataclass(frozen=True, slots=True)
class Trial:
    """What was foretold, and what came."""

    kind: str
    per_visit: int
    once: bool
    units: int
    has_pilot: bool
    forecast: Forecast
    cost: float
    until_last: float
    until_most: float
    hourly: float

    def holds(self, name: str) -> bool:
        """Return whether an interval holds what came."""
        found: dict[str, tuple[Estimate[Any], float]] = {
            "cost": (self.forecast.cost, self.cost),
            "last": (self.forecast.duration, self.until_last * 3600),
            "most": (self.forecast.duration_most, self.until_most * 3600),
            "hourly": (self.forecast.pay_per_hour, self.hourly),
        }
        estimate, value = found[name]
        return float(estimate.low) - 1e-6 <= value <= float(estimate.high) + 1e-6

    def width(self, name: str) -> float:
        """Return how far from the point the interval reaches to either side, on average, as a share of it."""
        estimate: Estimate[Money] | Estimate[float] = self.forecast.cost if name == "cost" else self.forecast.duration
        return (float(estimate.high) - float(estimate.low)) / 2 / max(float(estimate.point), 1e-9)

    def ratio(self) -> float:
        """Return how many times as long the high end of the duration is as its low end."""
        return self.forecast.duration.high / max(self.forecast.duration.low, 1.0)


def run_trial(seed: int, database: Database) -> Trial:
    """Make a trial; the same seed makes the same."""
    rng = Random(seed)
    kind = KINDS[seed % len(KINDS)]
    per_visit, once = WAYS[rng.randrange(len(WAYS))]
    units = rng.choice((40, 120, 400, 1000))
    if per_visit > 1:
        units = max(units, 120)
    has_pilot = rng.random() < 0.7
    pilot_units = rng.choice((40, 60, 100)) * (1 if per_visit == 1 else 5)
    needed = (units + pilot_units * has_pilot) // per_visit
    world = make_world(kind, Random(rng.randrange(2**31)), needed if once else max(4, needed // 3))
    evidence, hour = Evidence(), rng.uniform(0, 24)
    if not has_pilot:
        world.bonus = 0.0  # what a hook pays can only be known once it has paid
    if has_pilot:
        story = live(world, pilot_units, per_visit, once=once, hour=hour)
        name = f"task-{seed}"
        store(database, name, story, pilot_units, per_visit, hour)
        evidence = read_evidence(database, name, "link", now=EPOCH + 90 * 86400)
    hour = rng.uniform(0, 24)
    drift = rng.uniform(0.8, 1.25)  # another day is another day
    per_person = 1 if once and per_visit == 1 else 0
    plan = Plan(units, per_visit, per_person, seconds_allowed=1800.0 * per_visit, hour=hour)
    prices = Prices(REWARD * per_visit, per_visit, FeeRate(FEE, FEE))
    forecast = make_forecast(kind, plan, prices, evidence, [], seed)
    story = _slower(live(world, units, per_visit, once=once, hour=hour), drift)
    return _trial(kind, once, plan, has_pilot, forecast, story)


def _slower(story: Story, drift: float) -> Story:
    """Let people come later, or sooner, than in the pilot; how long they take stays."""
    lasted = max((one.ended - one.begun for one in story.work), default=0.0)
    story.until_last = max(story.until_last * drift, min(story.until_last, lasted))
    story.until_most *= drift
    return story


def _trial(kind: str, once: bool, plan: Plan, has_pilot: bool, forecast: Forecast, story: Story) -> Trial:
    paid, seconds = _paid(story.work, plan)
    cost = float(paid + paid.share(FEE))
    hourly = float(REWARD * plan.per_visit) * 3600 / max(seconds, 0.5)
    return Trial(
        *(kind, plan.per_visit, once, plan.units, has_pilot, forecast, cost),
        *(story.until_last, story.until_most, hourly),
    )


def _paid(work: list[Work], plan: Plan) -> tuple[Money, float]:
    """Return what all of it is paid, and the median time (seconds) of what is paid at once."""
    sent = [one for one in work if one.is_sent]
    bonus = sum((Money.of(one.bonus) for one in sent), Money(0))
    rejected = sum(one.is_rejected for one in sent)
    if plan.per_visit == 1:
        times = sorted((one.ended - one.begun) * 3600 for one in sent)
        return REWARD * (len(sent) - rejected) + bonus, times[len(times) // 2] if times else math.nan
    visits: dict[int, list[Work]] = {}
    for one in work:
        visits.setdefault(one.visit, []).append(one)
    total, times = bonus, []
    for parts in visits.values():
        done = [one for one in parts if one.is_sent]
        if len(done) == len(parts):  # a short last one is paid as a whole
            total += REWARD * plan.per_visit if any(not one.is_rejected for one in done) else Money(0)
            times.append((done[-1].ended - done[0].begun) * 3600)
        else:
            total += REWARD * sum(not one.is_rejected for one in done)
    times.sort()
    return total, times[len(times) // 2] if times else math.nan


def store(database: Database, name: str, story: Story, units: int, per_visit: int, hour: float) -> None:
    """Store a run that is over, as its kernel left it, with all answers decided on."""
    opened = EPOCH + hour * 3600
    ended = max((one.ended for one in story.work), default=0.0)
    config = {"mephisto": {"task": {"task_name": name, "units_per_visit": per_visit}}}
    is_done = math.isfinite(story.until_last)
    end = opened + (ended if is_done else ended + 24 * 30) * 3600 + 1
    run = SampleRun(
        database, task_name=name, config=config, created_at=opened, opened_at=opened, ended_at=end, generator_done=True
    )
    people = {one.person: Worker(new_id(), f"{name} {one.person}", "link") for one in story.work}
    run.commit(*(c.AddWorker(worker, opened) for worker in people.values()))
    assignments: list[Assignment] = []
    made: list[Unit] = []
    others: list[c.Change] = []

    def add_unit(status: UnitStatus, agent_id: str | None = None, worker_id: str | None = None) -> Unit:
        assignments.append(Assignment(new_id(), run.id, len(assignments), {}, [{}]))
        about = (assignments[-1].assignment_id, 0, REWARD, status, agent_id, worker_id)
        made.append(Unit(new_id(), *about))
        return made[-1]

    for one in sorted(story.work, key=lambda one: not one.is_sent):  # what was left, somebody else has done
        agent_id, worker = new_id(), people[one.person]
        begun, sent_at = opened + one.begun * 3600, opened + one.ended * 3600
        if one.is_sent:
            status = UnitStatus.REJECTED if one.is_rejected else UnitStatus.ACCEPTED
            unit = add_unit(status, agent_id, worker.worker_id)
            agent = AgentStatus.REJECTED if one.is_rejected else AgentStatus.APPROVED
            others.append(c.AddSubmission(Submission(agent_id, {}, sent_at)))
            if one.bonus:
                about = (PaymentKind.BONUS, Money.of(one.bonus), "well done", sent_at)
                others.append(c.AddPayment(Payment(new_id(), new_id(), worker.worker_id, *about, run.id, unit.unit_id)))
        else:
            unit = made[0] if made else add_unit(UnitStatus.EXPIRED)
            agent = AgentStatus.TIMEOUT if one.slept else AgentStatus.RETURNED
        about_time = (agent, begun, begun + 1800, sent_at if one.is_sent else None)
        others.append(c.AddAgent(Agent(agent_id, unit.unit_id, worker.worker_id, new_id(), *about_time)))
    if not is_done:
        add_unit(UnitStatus.EXPIRED)
    run.commit(c.AddAssignments(assignments, made), *others)
