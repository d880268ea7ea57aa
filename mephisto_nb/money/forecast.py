"""A forecast of a run before it is launched: what it costs, how long it lasts, what an hour earns, and why.

Each number has a 90 % interval: the 5 % and 95 % quantiles of simulated runs (`money.simulation`), each with a crowd
that fits what was seen (`money.crowd_model`). So it holds what chance does, and what is not known of the crowd.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

import numpy as np
import pandas as pd

from mephisto_nb.frames.frames import typed
from mephisto_nb.model.money import Money, count, digits_of, total
from mephisto_nb.model.task_run_args import unit_share
from mephisto_nb.money.crowd_model import draw_crowds
from mephisto_nb.money.evidence import Evidence, Floats
from mephisto_nb.money.fees import FeeRate
from mephisto_nb.money.simulation import Course, Plan, simulate

T = TypeVar("T", Money, float)

FORECAST_COLUMNS = ("what", "count", "each", "point", "low", "high", "unit")
#: How many runs are simulated; of large ones fewer, as chance evens out in them.
_DRAWS, _FEWEST_DRAWS, _LARGE = 500, 150, 2000
_LOW, _HIGH = 0.05, 0.95
_WIDTH = 72


@dataclass(frozen=True, slots=True)
class Estimate(Generic[T]):
    """A number that is not known yet: its likeliest value, and the ends of an interval that holds it 9 times in 10.

    An amount of money; or a number, which may be infinite: it is not done within a year.
    """

    point: T
    low: T
    high: T

    def __str__(self) -> str:
        return f"{self.point} ({self.low} to {self.high})"


@dataclass(frozen=True, slots=True)
class CostLine:
    """One part of the cost: so many (None: no number of things) at so much each make the amount.

    The amounts of all lines add up to the cost exactly. Their intervals do not: not all are high at the same time.
    """

    what: str
    amount: Estimate[Money]
    count: int | None = None
    each: Money | None = None


@dataclass(frozen=True, slots=True)
class Assumption:
    """What a forecast rests on: `about` what, in `words`, and from where (`source`)."""

    about: str
    words: str
    source: str

    @property
    def is_assumed(self) -> bool:
        """Whether nothing was seen that it could come from."""
        return self.source == ASSUMED

    def __str__(self) -> str:
        return f"{self.about}: {self.words} ({self.source})"


#: The source of what nobody has seen.
ASSUMED = "assumed"


@dataclass(frozen=True, repr=False)
class Forecast:
    """What a run will cost, how long it will last, and what people will earn by the hour.

    Attributes
    ----------
    task_name, units
        Of which task, and how many answers are wanted.
    cost
        All that is paid, with the crowd's fees and taxes on them; amounts of `model.money.Money`.
    lines
        What the cost is made of; their amounts add up to it exactly.
    duration, duration_most
        Seconds from the launch to the last answer, and to 9 out of 10 of them. Infinite: not within a year.
    pay_per_hour
        What an hour of work earns, in the currency's own unit: the median over answers, or visits.
    unfinished
        How likely it is (0 to 1) that not all answers come, as the crowd runs dry or the lifetime ends.
    assumptions
        What all this rests on, and from where that is known.
    seed
        Which random numbers were used: the same make the same forecast.
    """

    task_name: str
    units: int
    cost: Estimate[Money]
    lines: tuple[CostLine, ...]
    duration: Estimate[float]
    duration_most: Estimate[float]
    pay_per_hour: Estimate[float]
    unfinished: float
    assumptions: tuple[Assumption, ...]
    seed: int = 0

    @property
    def currency(self) -> str:
        """The currency's code."""
        return self.cost.point.currency

    def facts(self) -> list[tuple[str, str, str]]:
        """Return what it says in words: of what, the likeliest value, and the interval."""
        return [
            ("Cost", shown(self.cost.point), f"{shown(self.cost.low)} to {shown(self.cost.high)}"),
            ("Until the last answer", *_times(self.duration)),
            ("Until 90 % of them", *_times(self.duration_most)),
            ("Pay per hour", *_hourly(self.pay_per_hour, self.currency)),
        ]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a line of the cost, then their sum, the durations (seconds) and the pay per hour.

        Columns ``what``; ``count`` and ``each``, where the amount is so many at so much; ``point``, ``low`` and
        ``high``, the likeliest value and its 90 % interval; ``unit``, the currency's code, ``seconds``, or ``USD/h``.
        """
        rows = [
            (
                line.what,
                line.count,
                None if line.each is None else float(line.each),
                *_floats(line.amount),
                self.currency,
            )
            for line in self.lines
        ]
        rows.append(("cost", None, None, *_floats(self.cost), self.currency))
        rows.append(("until the last answer", None, None, *_floats(self.duration), "seconds"))
        rows.append(("until 90 % of the answers", None, None, *_floats(self.duration_most), "seconds"))
        rows.append(("pay per hour", None, None, *_floats(self.pay_per_hour), f"{self.currency}/h"))
        frame = pd.DataFrame(rows, columns=list(FORECAST_COLUMNS))
        frame["count"] = frame["count"].astype("Int64")
        return typed(frame.astype(dict.fromkeys(("each", "point", "low", "high"), "float64")))

    def __repr__(self) -> str:
        cost, name = self.cost, f"{self.task_name!r}, {count(self.units, 'answer')}"
        return f"<Forecast of {name}: {shown(cost.point)} ({shown(cost.low)} to {shown(cost.high)})>"

    def __str__(self) -> str:
        lines = [f"Forecast of {self.task_name!r}, {count(self.units, 'answer')} (in brackets: 90 % intervals)", ""]
        lines += [f"{name:<24}{point:<14}({between})" for name, point, between in self.facts()]
        lines += ["", "The cost is made of:"]
        lines += [f"  {line.what:<34}{_times_each(line):<22}{shown(line.amount.point):>14}" for line in self.lines]
        lines += [f"  {'all together':<56}{shown(self.cost.point):>14}", "", "It rests on:"]
        lines += [f"  {one}" for one in self.assumptions]
        return "\n".join(lines)


def shown(amount: Money) -> str:
    """Write an amount to the smallest unit that is paid out."""
    digits = digits_of(amount.currency)
    return str(Money.of(round(amount.decimal, digits), amount.currency))


def _times_each(line: CostLine) -> str:
    return "" if line.count is None or line.each is None else f"{line.count:,} x {line.each}"


def _times(estimate: Estimate[float]) -> tuple[str, str]:
    return lasting(estimate.point), f"{lasting(estimate.low)} to {lasting(estimate.high)}"


def lasting(seconds: float) -> str:
    """Write a length of time that is not known exactly.

    >>> lasting(5_000), lasting(math.inf)
    ('1.4 h', 'never')
    """
    if not math.isfinite(seconds):
        return "never"
    for size, name in ((86400 * 2, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            value = seconds / (86400 if name == "d" else size)
            return f"{value:.0f} {name}" if value >= 10 else f"{value:.1f}".removesuffix(".0") + f" {name}"
    return f"{seconds:.0f} s"


def _hourly(estimate: Estimate[float], currency: str) -> tuple[str, str]:
    point, low, high = (
        shown(Money.nearest(value, currency)) for value in (estimate.point, estimate.low, estimate.high)
    )
    return point, f"{low} to {high}"


def _floats(estimate: Estimate[Money] | Estimate[float]) -> tuple[float, float, float]:
    return float(estimate.point), float(estimate.low), float(estimate.high)


# -- from simulated runs to a forecast


@dataclass(frozen=True, slots=True)
class Prices:
    """What is paid: for a unit, or where visits have several (`per_visit`) for a visit; and the crowd's fees."""

    reward: Money
    per_visit: int
    fees: FeeRate

    @property
    def each_unit(self) -> Money:
        """What one unit is paid: its part of a visit's reward."""
        return unit_share(self.reward, self.per_visit)


def make_forecast(
    task_name: str, plan: Plan, prices: Prices, evidence: Evidence, assumptions: Sequence[Assumption], seed: int = 0
) -> Forecast:
    """Simulate a run often, and put together what came out. The same seed gives the same."""
    rng = np.random.default_rng(seed)
    fees = prices.fees
    ranges = [np.array([float(low), float(high)]) for low, high in _rates(fees)]
    draws = max(_FEWEST_DRAWS, min(_DRAWS, _DRAWS * _LARGE // max(plan.units, 1)))
    crowds = draw_crowds(evidence, plan.per_visit, draws, rng, (ranges[0], ranges[1]))
    courses = [simulate(plan, crowd, rng) for crowd in crowds]
    lines, totals = _lines(courses, prices, has_visits=plan.per_visit > 1)
    cost = total((line.amount.point for line in lines), prices.reward.currency)
    last, most = (np.array([getattr(one, name) for one in courses]) * 3600 for name in ("until_last", "until_most"))
    return Forecast(
        task_name=task_name,
        units=plan.units,
        cost=_around(cost, totals, prices.reward.currency),
        lines=tuple(lines),
        duration=_estimate(last),
        duration_most=_estimate(most),
        pay_per_hour=_estimate(_hourly_pay(courses, prices)),
        unfinished=float(np.mean([one.wanted < plan.units for one in courses])),
        assumptions=tuple(assumptions),
        seed=seed,
    )


def _rates(fees: FeeRate) -> Iterator[tuple[Decimal, Decimal]]:
    yield fees.low, fees.high
    yield fees.tax_low, fees.tax_high


def _hourly_pay(courses: Sequence[Course], prices: Prices) -> Floats:
    seconds = np.array([one.seconds for one in courses])
    seconds = seconds[np.isfinite(seconds)]
    return float(prices.reward) * 3600 / np.maximum(seconds if len(seconds) else np.ones(1), 0.5)


def _lines(courses: Sequence[Course], prices: Prices, *, has_visits: bool) -> tuple[list[CostLine], Floats]:
    """Return the parts of the cost, and the cost of each simulated run."""
    currency, unit, reward = prices.reward.currency, prices.each_unit, prices.reward
    counted: list[tuple[str, Floats, Money]] = []

    def add(what: str, names: Sequence[str], each: Money, sign: int = 1) -> None:
        counts = sum(np.array([getattr(one, name) for one in courses], dtype=float) for name in names)
        if np.any(counts):
            counted.append((what, np.asarray(counts) * sign, each))

    if has_visits:
        add("visits", ["whole_visits"], reward)
        add("units of short visits", ["part_units"], unit)
        add("screening units", ["screenings"], unit)
    else:
        add("answers", ["wanted"], reward)
        add("answers that are asked for again", ["again"], reward)
        add("gold units", ["golds"], reward)
        add("screening units", ["screenings"], reward)
        # A visit is paid as a whole, though some of its answers are rejected.
        add("rejected answers, not paid", ["rejected"], reward, sign=-1)
    lines = [_counted(what, counts, each) for what, counts, each in counted]
    totals = sum((counts * float(each) for _, counts, each in counted), np.zeros(len(courses)))
    bonuses = np.array([one.bonus for one in courses])
    if bonuses.any():
        lines.append(
            CostLine("bonuses", _around(Money.nearest(float(np.median(bonuses)), currency), bonuses, currency))
        )
    return _with_fees(lines, totals + bonuses, courses, prices)


def _with_fees(
    lines: list[CostLine], paid: Floats, courses: Sequence[Course], prices: Prices
) -> tuple[list[CostLine], Floats]:
    fees, currency = prices.fees, prices.reward.currency
    taken = paid * np.array([one.fee for one in courses])
    taxed = taken * np.array([one.tax for one in courses])
    point = total((line.amount.point for line in lines), currency).share(fees.point)
    if fees.high:
        lines.append(CostLine(f"the crowd's fees ({percent(fees.low, fees.high)})", _around(point, taken, currency)))
    if fees.tax_high and fees.high:
        what = f"taxes on the fees ({percent(fees.tax_low, fees.tax_high)})"
        lines.append(CostLine(what, _around(point.share(fees.tax_point), taxed, currency)))
    return lines, paid + taken + taxed


def percent(low: Decimal, high: Decimal) -> str:
    """Write a rate, or two that it lies between.

    >>> percent(Decimal("0.2"), Decimal("0.333"))
    '20 to 33.3 %'
    """
    first, second = (f"{float(rate * 100):.4g}" for rate in (low, high))
    return f"{first} %" if first == second else f"{first} to {second} %"


def _counted(what: str, counts: Floats, each: Money) -> CostLine:
    middle = round(float(np.median(counts)))
    return CostLine(what, _around(each * middle, counts * float(each), each.currency), middle, each)


def _around(point: Money, values: Floats, currency: str) -> Estimate[Money]:
    """Return an amount with the interval of simulated ones, which holds it."""
    low, high = np.quantile(values, [_LOW, _HIGH])
    return Estimate(
        point, min(point, Money.nearest(float(low), currency)), max(point, Money.nearest(float(high), currency))
    )


def _estimate(values: Floats) -> Estimate[float]:
    low, point, high = np.quantile(values, [_LOW, 0.5, _HIGH], method="inverted_cdf")
    return Estimate(float(point), float(low), float(high))
