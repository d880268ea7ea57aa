"""One run, simulated for one crowd: when people come, what they take, how long they need, and what is paid. Pure.

Units are as good as each other: each start of work, in the order of time, takes what is not taken, and gives back what
it leaves. People who find nothing, or no place where only so many units are open at once, are lost; how many those are
is Erlang's loss formula (Erlang 1917; Gross et al., "Fundamentals of Queueing Theory", section 3.6), which holds for
times of any kind. Arrival times come from unit exponentials by the inverse of the summed intensity (Cinlar 1975,
"Introduction to Stochastic Processes", section 4.7).
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mephisto_nb.money.crowd_model import ArrivalModel, LikelyCrowd, TimeModel
from mephisto_nb.money.evidence import Floats

Ints = npt.NDArray[np.int64]

#: Who is not done after so many hours never will be, as far as a forecast says.
HORIZON = 24.0 * 365
#: The clock of arrivals is exact for so long (hours), and goes on at the rate of the last week.
_EXACT = 24.0 * 60
_PER_HOUR = 3600.0
#: How varied people are in how often they go on: the strength of a beta distribution.
_ALIKE = 4.0
#: Runs of more units are simulated as smaller ones.
_LARGE = 4000
#: Some answers take much longer than any that was seen: by how much (in logarithms), and how many.
_TAIL_FACTOR, _TAIL_SHARE = 0.8, 0.02


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, as far as a simulation has to know.

    Parameters
    ----------
    units
        How many answers are wanted.
    per_visit
        How many units of the work a visit has; 1: people do as many as they like.
    per_person
        How many units one person may do; 0: any number.
    at_once
        How many units are open at a time; 0: all.
    seconds_allowed
        How long somebody may hold a unit, or where visits have several may take for a visit.
    lifetime
        After so many hours nothing is handed out any more; 0: never.
    hour
        The hour of the day (UTC) at which it begins.
    repeats_failed, redoes_rejected
        Whether an answer that fails a check, or is rejected, is asked for once more.
    is_screened
        Whether newcomers do a screening unit first.
    min_golds
        How many gold units come first, where they come beside the work; None: there are none.
    golds_per_visit
        How many gold units a visit has among its units.
    most_golds, most_screenings
        At most so many of them are given out; None: any number.
    part_paid
        Whether who stops a visit early is paid by unit. False: as for a whole visit; None: nothing.
    fewer_paid
        The same of visits for which there were fewer units.
    """

    units: int
    per_visit: int = 1
    per_person: int = 0
    at_once: int = 0
    seconds_allowed: float = 1800.0
    lifetime: float = 0.0
    hour: float = 12.0
    repeats_failed: bool = False
    redoes_rejected: bool = False
    is_screened: bool = False
    min_golds: int | None = None
    golds_per_visit: int = 0
    most_golds: int | None = None
    most_screenings: int | None = None
    part_paid: bool | None = True
    fewer_paid: bool | None = False


@dataclass(slots=True)
class Course:
    """What became of one simulated run. Durations are in hours; `until_last` is infinite if it is never done.

    `wanted` answers are those that were asked for, `again` those that came in place of others. `whole_visits` are paid
    as a whole; `part_units` are answers of visits that are paid by unit. `seconds` is the median time of what is paid
    for at once: an answer, or a visit.
    """

    until_last: float
    until_most: float
    wanted: int
    again: int
    rejected: int
    golds: int
    screenings: int
    whole_visits: int
    part_units: int
    bonus: float
    seconds: float
    fee: float = 0.0
    tax: float = 0.0


@dataclass(slots=True)
class _Starts:
    """Starts of work in the order of time: what each takes (`asked`, where there is less), gets done, and its end."""

    begun: Floats
    ended: Floats
    takes: int
    done: Ints
    good: Ints
    person: Ints
    asked: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    accepted: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))


def simulate(plan: Plan, crowd: LikelyCrowd, rng: np.random.Generator) -> Course:
    """Return what becomes of the run with this crowd.

    A large run is simulated as a smaller one with as much less of a crowd: the course is the same, but for chance,
    which evens out in both.
    """
    scale = plan.units / _LARGE
    if plan.at_once:
        scale = min(scale, plan.at_once / (5 * plan.per_visit))
    if scale <= 1:
        return _simulate(plan, crowd, rng)
    course = _simulate(_smaller(plan, scale), _fewer(crowd, scale), rng)
    counts = ("wanted", "again", "rejected", "golds", "screenings", "whole_visits", "part_units")
    larger = {name: round(getattr(course, name) * scale) for name in counts}
    if math.isfinite(course.until_most) and abs(larger["wanted"] - plan.units) <= scale:
        larger["wanted"] = plan.units
    return replace(course, **larger, bonus=course.bonus * scale)


def _smaller(plan: Plan, scale: float) -> Plan:
    limits = {name: getattr(plan, name) for name in ("at_once", "most_golds", "most_screenings")}
    scaled = {name: value and max(1, round(value / scale)) for name, value in limits.items()}
    return replace(plan, units=round(plan.units / scale), **scaled)


def _fewer(crowd: LikelyCrowd, scale: float) -> LikelyCrowd:
    arrivals = crowd.arrivals
    return replace(crowd, arrivals=replace(arrivals, rate=arrivals.rate / scale, pool=arrivals.pool / scale))


def _simulate(plan: Plan, crowd: LikelyCrowd, rng: np.random.Generator) -> Course:
    per_person = _mean_units(plan, crowd)
    again = 1 - _again_rate(plan, crowd)
    people = int(plan.units / max(per_person * again, 1e-3) * 1.25) + 40
    people = min(people, 40 * plan.units + 100)
    for _ in range(5):
        arrived = _arrivals(plan, crowd.arrivals, people, rng)
        starts = _work(plan, crowd, arrived, rng)
        is_done = _hand_out(plan, starts)
        if is_done or len(arrived) < people:
            break
        done = max(1, int(starts.good[starts.accepted].sum()))
        people = int(people * min(30.0, max(1.5, 1.3 * plan.units / done)))
    return _sum_up(plan, crowd, starts, is_done, rng)


def _again_rate(plan: Plan, crowd: LikelyCrowd) -> float:
    kept = 1.0
    if plan.repeats_failed:
        kept *= 1 - crowd.failed
    if plan.redoes_rejected:
        kept *= 1 - crowd.rejected
    return min(0.95, 1 - kept)


def _mean_units(plan: Plan, crowd: LikelyCrowd) -> float:
    passing = 1 - crowd.screened_out if plan.is_screened else 1.0
    if plan.per_visit > 1:
        return passing * plan.per_visit * (1 - crowd.leaving / 2)
    going = crowd.going_on * (1 - crowd.leaving)
    mean = (1 - crowd.leaving) / max(1 - going, 0.02)
    return passing * min(mean, plan.per_person or mean)


# -- arrivals


@lru_cache(maxsize=1)
def _clock() -> tuple[Floats, Floats, Ints, Ints]:
    """Return the edges of the clock (hours): fine at the beginning; their widths, and which hour and day each is of."""
    minutes = np.arange(0, 2, 1 / 60)
    tenths = np.arange(2, 48, 0.1)
    hours = np.arange(48, _EXACT + 1, 1.0)
    edges = np.concatenate([minutes, tenths, hours])
    middle = (edges[1:] + edges[:-1]) / 2
    return edges, np.diff(edges), middle.astype(np.int64), (middle // 24).astype(np.int64)


def _arrivals(plan: Plan, model: ArrivalModel, people: int, rng: np.random.Generator) -> Floats:
    """Return when people come, in hours since the beginning; fewer than asked for where the crowd runs dry."""
    edges, widths, of_hour, of_day = _clock()
    middle = edges[:-1] + widths / 2
    day = 1 + model.rhythm * np.cos(2 * np.pi * (plan.hour + middle - model.peak) / 24)
    noise = rng.normal(0, model.hourly_noise, of_hour[-1] + 1)[of_hour]
    noise = noise + rng.normal(0, model.daily_noise, of_day[-1] + 1)[of_day]
    noise -= (model.hourly_noise**2 + model.daily_noise**2) / 2
    burst = 1 + model.burst * np.exp(-middle / model.burst_hours)
    intensity = model.rate * burst * np.maximum(day, 0.01) * np.exp(noise)
    total = np.concatenate([[0.0], np.cumsum(intensity * widths)])
    waits = rng.exponential(size=people)
    if math.isfinite(model.pool):
        left = 1 - np.arange(people) / model.pool
        waits = waits[left > 0] / left[left > 0]
    reached = np.cumsum(waits)
    found = np.interp(reached, total, edges)
    later = reached > total[-1]
    lasting = (total[-1] - total[-169]) / (edges[-1] - edges[-169])
    found[later] = edges[-1] + (reached[later] - total[-1]) / max(lasting, 1e-9)
    last = min(HORIZON, plan.lifetime or HORIZON)
    arrived: Floats = found[found <= last]
    return arrived


def loss(load: float, places: int) -> float:
    """Return which share finds no place: Erlang's formula B, for `load` visits at a time on average.

    >>> round(loss(2.0, 3), 4)
    0.2105
    """
    if load <= 0:
        return 0.0
    if places > 2000:
        return max(0.0, 1 - places / load)
    inverse = 1.0
    for place in range(1, places + 1):
        inverse = 1 + inverse * place / load
        if inverse > 1e12:
            return 0.0
    return 1 / inverse


# -- work


def _work(plan: Plan, crowd: LikelyCrowd, arrived: Floats, rng: np.random.Generator) -> _Starts:
    """Return what those who have come would take, if there is enough for all."""
    people = len(arrived)
    passed = rng.random(people) >= (crowd.screened_out if plan.is_screened else 0.0)
    if plan.per_visit > 1:
        starts = _visits(plan, crowd, arrived, passed, rng)
    else:
        starts = _units(plan, crowd, arrived, passed, rng)
    rate = _again_rate(plan, crowd)
    starts.good = starts.done - rng.binomial(starts.done, rate) if rate else starts.done.copy()
    return _thinned(plan, starts, rng)


def _thinned(plan: Plan, starts: _Starts, rng: np.random.Generator) -> _Starts:
    """Leave out those who find no place where only so many units are open at a time."""
    places = plan.at_once // starts.takes
    if not plan.at_once or places * starts.takes >= plan.units or len(starts.begun) < 2:
        return starts
    places = max(1, places)
    span = max(starts.begun[-1] - starts.begun[0], 1e-6)
    groups = np.array_split(np.arange(len(starts.begun)), max(1, len(starts.begun) // 50))
    kept = np.ones(len(starts.begun), bool)
    for group in groups:
        hold = float((starts.ended[group] - starts.begun[group]).mean())
        lasted = max(starts.begun[group[-1]] - starts.begun[group[0]], span * len(group) / len(starts.begun) / 20)
        kept[group] = rng.random(len(group)) >= loss(len(group) / lasted * hold, places)
    return _chosen(starts, kept)


def _chosen(starts: _Starts, which: npt.NDArray[np.bool_] | Ints) -> _Starts:
    arrays = starts.begun[which], starts.ended[which]
    return _Starts(*arrays, starts.takes, starts.done[which], starts.good[which], starts.person[which])


def _visits(
    plan: Plan, crowd: LikelyCrowd, arrived: Floats, passed: npt.NDArray[np.bool_], rng: np.random.Generator
) -> _Starts:
    people, size = len(arrived), plan.per_visit
    left = rng.random(people) < crowd.leaving
    done = np.where(left, (rng.random(people) * size).astype(np.int64), size)
    seconds = _seconds(crowd.times, np.full(people, size), rng).reshape(people, size)
    seconds = seconds * (1 + plan.golds_per_visit / size)
    summed = np.cumsum(seconds, axis=1)
    worked = np.where(done > 0, summed[np.arange(people), np.maximum(done, 1) - 1], 0.0)
    late = worked > plan.seconds_allowed
    done = np.where(late, (summed <= plan.seconds_allowed).sum(axis=1), done)
    left, worked = left | late, np.minimum(worked, plan.seconds_allowed)
    timed_out = left & (late | (rng.random(people) < crowd.by_timeout))
    held = np.where(timed_out, plan.seconds_allowed, worked + seconds.mean(axis=1) * rng.random(people))
    ended = arrived + np.where(left, held, worked) / _PER_HOUR
    kept = np.flatnonzero(passed)
    none = np.zeros(len(kept), np.int64)
    return _Starts(arrived[kept], ended[kept], size, done[kept].astype(np.int64), none, kept)


def _units(
    plan: Plan, crowd: LikelyCrowd, arrived: Floats, passed: npt.NDArray[np.bool_], rng: np.random.Generator
) -> _Starts:
    people = len(arrived)
    mean = min(max(crowd.going_on, 1e-3), 0.999)
    own = rng.beta(mean * _ALIKE, (1 - mean) * _ALIKE, people).clip(0, 0.9995)
    counts = rng.geometric(1 - own)
    most = min(plan.per_person or plan.units, plan.units, 2000)
    counts = np.where(passed, np.minimum(counts, most), 0)
    stop = rng.geometric(min(max(crowd.leaving, 1e-9), 1.0), people)  # the unit at which they leave
    left = stop <= counts
    counts = np.where(left, stop, counts)
    total = int(counts.sum())
    person = np.repeat(np.arange(people), counts)
    firsts = np.cumsum(counts) - counts
    nth = np.arange(total) - np.repeat(firsts, counts)
    seconds = _seconds(crowd.times, counts, rng)
    late = seconds > plan.seconds_allowed
    is_left = (left[person] & (nth == counts[person] - 1)) | late
    timed_out = is_left & (late | (rng.random(total) < crowd.by_timeout))
    held = np.where(timed_out, plan.seconds_allowed, seconds * np.where(is_left, rng.random(total), 1.0))
    summed = np.cumsum(held)
    before = summed - held
    offset = before - np.repeat(before[firsts[counts > 0]], counts[counts > 0])
    begun = arrived[person] + offset / _PER_HOUR
    order = np.argsort(begun, kind="stable")
    done = (~is_left).astype(np.int64)
    starts = _Starts(begun, begun + held / _PER_HOUR, 1, done, np.zeros(total, np.int64), person)
    return _chosen(starts, order)


def _seconds(model: TimeModel, counts: Ints, rng: np.random.Generator) -> Floats:
    """Return the times of units, person by person, `counts` for each."""
    people = len(counts)
    who = rng.choice(len(model.weights), size=people, p=model.weights)
    unseen = who == len(model.weights) - 1
    own = rng.normal(0, 1, people) * np.where(unseen, model.unseen, model.between)
    person = np.repeat(np.arange(people), counts)
    total = len(person)
    firsts = np.cumsum(counts) - counts
    nth = np.arange(total) - np.repeat(firsts, counts)
    of = who[person]
    sizes = model.sizes[of]
    which = (model.starts[of] + (rng.random(total) * sizes)).astype(np.int64)
    single = np.where(sizes > 1, 0.0, model.within)
    drift = np.clip(model.slope * np.log1p(nth), -1.0, 1.0)
    logs = model.values[which] + own[person] + single * rng.normal(0, 1, total) + drift + model.shift
    tail = rng.random(total) < _TAIL_SHARE
    logs = logs + tail * np.abs(rng.normal(0, _TAIL_FACTOR, total))
    found: Floats = np.exp(np.minimum(logs, 14.0))
    return found


# -- handing out


def _hand_out(plan: Plan, starts: _Starts) -> bool:
    """Note which starts get work, and return whether all that was wanted was done."""
    starts.accepted = np.zeros(len(starts.begun), bool)
    starts.asked = np.full(len(starts.begun), starts.takes)
    back = starts.takes - starts.good
    earlier = np.cumsum(starts.good) - starts.good
    taken = np.cumsum(back) - back
    order = np.argsort(starts.ended, kind="stable")
    returned = np.concatenate([[0], np.cumsum(back[order])])
    free = plan.units - earlier - taken + returned[np.searchsorted(starts.ended[order], starts.begun, side="right")]
    short = np.flatnonzero(free < starts.takes)
    first = int(short[0]) if len(short) else len(starts.begun)
    starts.accepted[:first] = True
    return _hand_out_rest(plan, starts, first)


def _hand_out_rest(plan: Plan, starts: _Starts, first: int) -> bool:
    """Go on one by one, where there may be less than a start would take; most find nothing any more."""
    good = int(starts.good[:first].sum())
    pending: list[tuple[float, int]] = []
    begun = float(starts.begun[first]) if first < len(starts.begun) else math.inf
    for n in np.flatnonzero(starts.ended[:first] > begun):
        if number := starts.takes - int(starts.good[n]):
            heapq.heappush(pending, (float(starts.ended[n]), number))
    held = sum(number for _, number in pending)
    index = first
    while good < plan.units and index < len(starts.begun):
        now = starts.begun[index]
        while pending and pending[0][0] <= now:
            held -= heapq.heappop(pending)[1]
        free = plan.units - good - held
        if free <= 0:
            if not pending:
                break
            index = max(index + 1, int(np.searchsorted(starts.begun, pending[0][0])))
            continue
        takes = min(free, starts.takes)
        starts.accepted[index], starts.asked[index] = True, takes
        starts.done[index] = min(takes, starts.done[index])
        starts.good[index] = min(takes, starts.good[index])
        good += int(starts.good[index])
        if number := takes - int(starts.good[index]):
            heapq.heappush(pending, (float(starts.ended[index]), number))
            held += number
        index += 1
    return good >= plan.units


# -- summing up


def _sum_up(plan: Plan, crowd: LikelyCrowd, starts: _Starts, is_done: bool, rng: np.random.Generator) -> Course:
    which = starts.accepted
    begun, ended, done, good = starts.begun[which], starts.ended[which], starts.done[which], starts.good[which]
    answers, kept = int(done.sum()), int(good.sum())
    counts = done > 0
    until_last = float(ended[counts].max()) if is_done and counts.any() else math.inf
    golds, screenings = _gate_units(plan, starts.person[which], done, crowd)
    full = counts & (done == starts.asked[which])
    times = (ended - begun)[full] if full.any() else ended - begun
    noise = crowd.bonus_noise * math.sqrt(answers) * rng.normal() if crowd.bonus else 0.0
    whole, parts = _visits_paid(plan, starts) if starts.takes > 1 else (0, 0)
    return Course(
        until_last=min(until_last, plan.lifetime) if plan.lifetime else until_last,
        until_most=_until_most(begun[counts], ended[counts], done[counts], good[counts], 0.9 * plan.units),
        wanted=kept,
        again=answers - kept,
        rejected=int(rng.binomial(answers, crowd.rejected)),
        golds=golds,
        screenings=screenings,
        whole_visits=whole,
        part_units=parts,
        bonus=max(0.0, crowd.bonus * answers + noise),
        seconds=float(np.median(times)) * _PER_HOUR if len(times) else math.nan,
        fee=crowd.fee,
        tax=crowd.tax,
    )


def _until_most(begun: Floats, ended: Floats, done: Ints, good: Ints, wanted: float) -> float:
    """Return when so many good answers have come; those of a visit come one after the other."""
    nth = np.arange(int(done.sum())) - np.repeat(np.cumsum(done) - done, done)
    lasted = np.repeat((ended - begun) / np.maximum(done, 1), done)
    at = np.repeat(begun, done) + (nth + 1) * lasted
    order = np.argsort(at, kind="stable")
    reached = np.cumsum(np.repeat(good / np.maximum(done, 1), done)[order])
    index = int(np.searchsorted(reached, wanted - 1e-6))
    return float(at[order[index]]) if index < len(order) else math.inf


def _visits_paid(plan: Plan, starts: _Starts) -> tuple[int, int]:
    """Return how many visits are paid as a whole, and how many units of others by their part."""
    done, asked = starts.done[starts.accepted], starts.asked[starts.accepted]
    is_whole, parts = done == starts.takes, 0
    for which, by_unit in (
        ((done < asked) & (done > 0), plan.part_paid),
        ((done == asked) & ~is_whole, plan.fewer_paid),
    ):
        if by_unit:
            parts += int(done[which].sum())
        elif by_unit is not None:
            is_whole = is_whole | which
    return int(is_whole.sum()), parts


def _gate_units(plan: Plan, people: Ints, done: Ints, crowd: LikelyCrowd) -> tuple[int, int]:
    """Return how many gold and screening units come beside: those by Mephisto's schedule, for those who took work."""
    who, inverse = np.unique(people, return_inverse=True)
    screenings = 0
    if plan.is_screened:
        screenings = round(len(who) / max(1 - crowd.screened_out, 0.02))
        screenings = screenings if plan.most_screenings is None else min(screenings, plan.most_screenings)
    golds = 0
    if plan.min_golds is not None and len(who):
        units = np.bincount(inverse, weights=done)
        scheduled = np.ceil(np.log10(units + 1) ** 2.2) - 1
        golds = int(np.maximum(scheduled, plan.min_golds).sum())
        golds = golds if plan.most_golds is None else min(golds, plan.most_golds)
    return golds, screenings
