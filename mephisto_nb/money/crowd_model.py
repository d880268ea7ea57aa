"""What a crowd may be like: parameters drawn from what was seen of it, and widely where little was. Pure.

Each draw is one crowd that fits what was seen. Arrivals follow a Poisson process whose intensity is

    r * (1 + A exp(-t / tau)) * (1 + a cos(2 pi (h(t) - p) / 24)) * (1 - n(t) / P) * noise(t):

a rate, a burst after work was put on offer, a rhythm of day and night, a pool of P people of whom n have come, and
lognormal noise by the hour and by the day (a Cox process). The shape (A, tau, a, p, P) is drawn by sampling importance
resampling: many draws from the prior, each weighed by its likelihood of the arrivals that were seen, in which the rate
is integrated out by its conjugate gamma distribution (Rubin 1987, "The SIR algorithm"; Gelman et al., "Bayesian Data
Analysis", 3rd ed., sections 2.6 and 10.4). Rates of leaving, failing and rejecting are beta posteriors; times are drawn
by the Bayesian bootstrap over people (Rubin 1981), smoothed, with a small weight on tails that nobody has shown yet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mephisto_nb.money.evidence import Evidence, Floats, SeenRun

#: How many crowds are tried for those that are kept.
_TRIED = 3000
#: Arrivals count for so many at most: they come in crowds, and another run is another day.
_MOST_ARRIVALS = 40.0
#: How many arrivals of a run are looked at one by one.
_LOOKED_AT = 250

# -- what is assumed where nothing was seen; `forecast` tells each of them

#: Arrivals an hour: median, and the standard deviation of its logarithm.
PRIOR_ARRIVALS = (20.0, 1.5)
#: Seconds for a unit: as above.
PRIOR_SECONDS = (60.0, 1.0)
#: How often a unit is left: parameters of a beta distribution, with a mean of about a tenth.
PRIOR_LEAVING = (0.7, 6.0)
#: How often an answer is rejected, or fails a check.
PRIOR_REJECTED = (0.4, 12.0)
PRIOR_FAILED = (0.6, 8.0)
PRIOR_SCREENED_OUT = (1.5, 4.5)
#: How often somebody goes on to a further unit after an answer.
PRIOR_GOING_ON = (3.0, 1.0)
#: How much the next run differs from those seen, as standard deviations of logarithms: arrivals, times, and odds.
BETWEEN_RUNS = (0.25, 0.06, 0.2)
#: The same of the first two where another crowd was seen.
BETWEEN_CROWDS = (1.0, 0.3)
#: How likely the crowd is so small that it may run dry.
SMALL_POOL = 0.04


@dataclass(frozen=True, slots=True)
class ArrivalModel:
    """The arrivals of one crowd: `rate` an hour, and their shape."""

    rate: float
    burst: float
    burst_hours: float
    rhythm: float
    peak: float
    pool: float
    hourly_noise: float
    daily_noise: float


@dataclass(frozen=True, slots=True)
class TimeModel:
    """How long people of one crowd take, in logarithms of seconds.

    `values` are those seen, in their first position, one person after the other; the person `i` has `sizes[i]` of
    them from `starts[i]` on, and stands for the share `weights[i]` of people. The last stands for those not yet seen.
    """

    values: Floats
    starts: Floats
    sizes: Floats
    weights: Floats
    between: float
    within: float
    slope: float
    shift: float
    unseen: float


@dataclass(frozen=True, slots=True)
class LikelyCrowd:
    """One crowd that fits what was seen.

    `leaving` is how often a visit (where it has a number of units) or a unit is left, of which `by_timeout` until the
    time is over. `going_on` is how often somebody takes another unit after an answer.
    """

    arrivals: ArrivalModel
    times: TimeModel
    leaving: float
    by_timeout: float
    going_on: float
    rejected: float
    failed: float
    screened_out: float
    bonus: float
    bonus_noise: float
    fee: float
    tax: float


def draw_crowds(
    evidence: Evidence, per_visit: int, draws: int, rng: np.random.Generator, fees: tuple[Floats, Floats]
) -> list[LikelyCrowd]:
    """Return crowds that fit what was seen, for a run with `per_visit` units a visit (1: as many as people like).

    `fees` holds the crowd's rate, and that of taxes on it: the values between which each lies.
    """
    arrivals = _draw_arrivals(evidence, draws, rng)
    times = _draw_times(evidence, draws, rng)
    leaving = _draw_leaving(evidence, per_visit, draws, rng)
    timeouts = [visit.by_timeout for visit in evidence.visits if visit.left]
    by_timeout = _beta((1.0, 2.0), sum(timeouts), len(timeouts), draws, rng, between=0)
    going_on = _draw_going_on(evidence, draws, rng)
    rejected = _beta(PRIOR_REJECTED, evidence.rejected, evidence.reviewed, draws, rng)
    failed = _beta(PRIOR_FAILED, evidence.failed, evidence.checked, draws, rng)
    out = _beta(PRIOR_SCREENED_OUT, evidence.screened_out, evidence.screened, draws, rng)
    bonus, bonus_noise = _draw_bonuses(evidence, draws, rng)
    fee, tax = (rng.uniform(low, high, draws) for low, high in fees)
    columns = zip(leaving, by_timeout, going_on, rejected, failed, out, bonus, bonus_noise, fee, tax, strict=True)
    return [
        LikelyCrowd(arrival, time, *map(float, row))
        for arrival, time, row in zip(arrivals, times, columns, strict=True)
    ]  # fmt: skip


def _differs(evidence: Evidence) -> Sequence[float]:
    return BETWEEN_RUNS if evidence.same_crowd else BETWEEN_CROWDS


# -- arrivals


def _draw_arrivals(evidence: Evidence, draws: int, rng: np.random.Generator) -> list[ArrivalModel]:
    runs = evidence.runs
    tried = _TRIED if runs else draws
    burst = np.where(rng.random(tried) < 0.35, 0.0, np.exp(rng.uniform(math.log(0.3), math.log(25), tried)))
    burst_hours = np.exp(rng.uniform(math.log(0.1), math.log(24), tried))
    rhythm = np.where(rng.random(tried) < 0.4, rng.uniform(0, 0.3, tried), rng.uniform(0.3, 0.97, tried))
    peak = rng.normal(16, 6, tried) % 24
    seen = max((len(run.visits) for run in runs), default=0)
    pool = np.exp(rng.uniform(math.log(max(20.0, 1.05 * seen)), math.log(max(3000.0, 20.0 * seen)), tried))
    pool = np.where(rng.random(tried) < SMALL_POOL, pool, np.inf)
    if runs:
        kept, rate = _fit(runs, (burst, burst_hours, rhythm, peak, pool), draws, rng)
        burst, burst_hours, rhythm, peak, pool = (one[kept] for one in (burst, burst_hours, rhythm, peak, pool))
        rate = rate * np.exp(rng.normal(0, _differs(evidence)[0], draws))
    else:
        median, spread = PRIOR_ARRIVALS
        rate = median * np.exp(rng.normal(0, spread, draws))
    hourly, daily = np.abs(rng.normal(0, 0.45, draws)), np.abs(rng.normal(0, 0.3, draws))
    columns = zip(rate, burst, burst_hours, rhythm, peak, pool, hourly, daily, strict=True)
    return [ArrivalModel(*map(float, row)) for row in columns]


def _fit(
    runs: Sequence[SeenRun], shape: tuple[Floats, ...], draws: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return which of the tried shapes are kept, and a rate for each; see the module's docstring."""
    tried = len(shape[0])
    score, exposure = np.zeros(tried), np.full(tried, 1e-3)
    seen = [_seen_arrivals(run) for run in runs]
    total = sum(map(len, seen))
    weight = min(1.0, _MOST_ARRIVALS / max(total, 1))
    for run, begun in zip(runs, seen, strict=True):
        nth = np.arange(len(begun), dtype=float)
        step = max(1, len(begun) // _LOOKED_AT)
        at, earlier = begun[::step], nth[::step]
        score += step * weight * np.log(_shape(at, run.hour, shape) * _left(earlier, shape[4])).sum(axis=1)
        exposure += weight * _exposure(begun, run, shape)
    events = 0.5 + total * weight
    score -= events * np.log(exposure)
    chances = np.exp(score - score.max())
    kept = rng.choice(tried, size=draws, p=chances / chances.sum())
    return kept, rng.gamma(events, 1 / exposure[kept])


def _seen_arrivals(run: SeenRun) -> Floats:
    """Return when people came while there was anything to take."""
    ends = [(since, to) for since, to in run.closed]
    begun = [visit.begun for visit in run.visits if not any(since < visit.begun < to for since, to in ends)]
    return np.array(begun)


def _shape(at: Floats, hour: float, shape: tuple[Floats, ...]) -> Floats:
    burst, burst_hours, rhythm, peak, _ = (one[:, None] for one in shape)
    day = 1 + rhythm * np.cos(2 * np.pi * (hour + at[None, :] - peak) / 24)
    shown: Floats = (1 + burst * np.exp(-at[None, :] / burst_hours)) * np.maximum(day, 0.01)
    return shown


def _left(earlier: Floats, pool: Floats) -> Floats:
    left: Floats = np.clip(1 - earlier[None, :] / pool[:, None], 1e-3, 1)
    return left


def _exposure(begun: Floats, run: SeenRun, shape: tuple[Floats, ...]) -> Floats:
    """Integrate the intensity over the time for which a run was looked at."""
    until = max(run.until, 1e-3)
    steps = until * np.linspace(0, 1, 97) ** 2  # finer at the beginning, where the burst is
    edges = np.unique(np.clip([*steps, *(end for gap in run.closed for end in gap)], 0, until))
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    for since, to in run.closed:
        width = np.where((middle > since) & (middle < to), 0.0, width)
    earlier = np.searchsorted(begun, middle).astype(float)
    total: Floats = (_shape(middle, run.hour, shape) * _left(earlier, shape[4])) @ width
    return total


# -- times


def _draw_times(evidence: Evidence, draws: int, rng: np.random.Generator) -> list[TimeModel]:
    people: dict[str, list[tuple[int, float]]] = {}
    for visit in evidence.visits:
        people.setdefault(visit.worker, []).extend((n, math.log(one)) for n, one in enumerate(visit.seconds))
    known = [rows for rows in people.values() if rows]
    if not known:
        return [_unseen_times(rng) for _ in range(draws)]
    slope, error = _slope(known)
    sizes = np.array([len(rows) for rows in known] + [1])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    positions = np.array([np.log1p(n) for rows in known for n, _ in rows])
    values = np.array([value for rows in known for _, value in rows])
    slopes = rng.normal(slope, error, draws)
    means = np.add.reduceat(values, starts[:-1].astype(int)) / sizes[:-1]
    within = float(np.sqrt(_variance_within(known, means)))
    spread = float(np.std(means)) if len(known) > 3 else 0.6
    between = 0.9 * min(spread, 1.0) * len(known) ** -0.2  # Silverman's rule of thumb for a kernel's width
    unseen = float(np.median(means))
    too_few = 0.7 * spread / math.sqrt(len(known)) if len(known) < 8 else 0.0  # bootstraps of few are too narrow
    found = []
    for one in slopes:
        weights = rng.dirichlet(np.append(np.ones(len(known)), 1.0))
        flat = np.append(values - one * positions, unseen)
        shift = rng.normal(0, math.hypot(_differs(evidence)[1], too_few))
        found.append(TimeModel(flat, starts, sizes, weights, between, within, float(one), shift, 1.0))
    return found


def _unseen_times(rng: np.random.Generator) -> TimeModel:
    median, spread = PRIOR_SECONDS
    one = np.ones(1)
    centre = math.log(median) + rng.normal(0, spread)
    return TimeModel(np.full(1, centre), np.zeros(1), one, one, 0.0, 0.4, rng.normal(-0.05, 0.1), 0.0, 0.5)


def _slope(known: Sequence[Sequence[tuple[int, float]]]) -> tuple[float, float]:
    """Return by how much logarithms of times change with that of the position, within people, and how sure that is.

    A ridge regression: the prior is a slope of 0, give or take 0.15.
    """
    products = squares = 0.0
    rest, free = 0.0, 0
    for rows in known:
        if len(rows) < 2:
            continue
        x = np.log1p([n for n, _ in rows])
        y = np.array([value for _, value in rows])
        x, y = x - x.mean(), y - y.mean()
        products, squares = products + float(x @ y), squares + float(x @ x)
        rest, free = rest + float(y @ y), free + len(rows) - 1
    noise = rest / free if free else 0.16
    precision = squares / max(noise, 1e-3) + 1 / 0.15**2
    return products / max(noise, 1e-3) / precision, 1 / math.sqrt(precision)


def _variance_within(known: Sequence[Sequence[tuple[int, float]]], means: Floats) -> float:
    """Return how much the times of one person vary: pooled, and an everyday value for as much as 5 answers say."""
    squares = sum((value - mean) ** 2 for rows, mean in zip(known, means, strict=True) for _, value in rows)
    free = sum(len(rows) - 1 for rows in known)
    return float((squares + 5 * 0.16) / (free + 5))


# -- rates


def _beta(
    prior: tuple[float, float],
    hits: float,
    cases: float,
    draws: int,
    rng: np.random.Generator,
    *,
    between: float = BETWEEN_RUNS[2],
) -> Floats:
    """Draw a rate from its posterior, and let the next run differ from those seen."""
    rate = rng.beta(prior[0] + hits, prior[1] + cases - hits, draws).clip(1e-6, 1 - 1e-6)
    odds = np.log(rate / (1 - rate)) + (rng.normal(0, between, draws) if cases else 0)
    found: Floats = 1 / (1 + np.exp(-odds))
    return found


def _draw_leaving(evidence: Evidence, per_visit: int, draws: int, rng: np.random.Generator) -> Floats:
    """Draw how often a visit, or where people do as they like a unit, is left."""
    visits = evidence.visits
    left = sum(visit.left for visit in visits)
    if per_visit == 1:
        return _beta(PRIOR_LEAVING, left, left + evidence.answers, draws, rng)
    rate = _beta(PRIOR_LEAVING, left, len(visits), draws, rng)
    planned = [max(run.per_visit, len(visit.seconds)) for run in evidence.runs for visit in run.visits]
    usual = float(np.mean(planned)) if planned else float(per_visit)
    longer = (per_visit / usual) ** rng.uniform(0.1, 0.9, draws)  # how much more often longer visits are left
    found: Floats = 1 - (1 - rate) ** longer
    return found


def _draw_going_on(evidence: Evidence, draws: int, rng: np.random.Generator) -> Floats:
    further = sum(max(0, len(visit.seconds) - 1) for visit in evidence.visits)
    ends = sum(not visit.cut for visit in evidence.visits)
    cases = further + ends
    fewer = min(1.0, 200 / cases) if cases else 0.0
    return _beta(PRIOR_GOING_ON, further * fewer, cases * fewer, draws, rng)


def _draw_bonuses(evidence: Evidence, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw the mean bonus of an answer, and how much single ones differ."""
    seen = evidence.bonuses
    if not seen.size:
        most = evidence.rehearsed_bonus
        return rng.uniform(0, most, draws) if most else np.zeros(draws), np.full(draws, most / 4)
    if not seen.any():
        return np.zeros(draws), np.zeros(draws)
    weights = rng.dirichlet(np.ones(seen.size), draws) if seen.size * draws <= 4_000_000 else None
    if weights is None:
        means = rng.normal(seen.mean(), seen.std() / math.sqrt(seen.size), draws).clip(0)
    else:
        means = weights @ seen
    return means, np.full(draws, seen.std())
