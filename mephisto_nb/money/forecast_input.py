"""From a configuration and its data to a forecast: the plan of a run, its prices, and what is assumed."""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Integral
from typing import Any

import numpy as np

from mephisto_nb.config.registry import get_blueprint_from_type, get_crowd_provider_from_type
from mephisto_nb.config.task_run_settings import TaskRunSettings
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.money import Money, count
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.model.task_run_args import read_task_pay
from mephisto_nb.model.visits import ShortPay
from mephisto_nb.money import crowd_model as assumed
from mephisto_nb.money.evidence import Evidence, read_evidence
from mephisto_nb.money.fees import FeeRate, fee_rate_of, read_rate
from mephisto_nb.money.forecast import (
    ASSUMED,
    Assumption,
    Forecast,
    Prices,
    lasting,
    make_forecast,
    percent,
    shown,
)
from mephisto_nb.money.simulation import Plan
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.gates._base import GateRules
from mephisto_nb.rules.gates.table import open_gates

#: What becomes of a short visit, as the settings say it: paid by unit, as a whole (False), or not.
_SHORT_PAID = {ShortPay.PAY_BY_UNIT.value: True, ShortPay.PAY_FULL.value: False, ShortPay.RETURN.value: None}


@dataclass(frozen=True, slots=True)
class ForecastOptions:
    """What can be said to a forecast beside the task: see `mephisto_nb.forecast`."""

    units: int | None = None
    rows: int | None = None
    fee_rate: float | tuple[float, float] | None = None
    tax_rate: float | tuple[float, float] | None = None
    redo_rejected: bool = False
    seed: int = 0


def forecast_of(
    settings: TaskRunSettings,
    state: SharedTaskState,
    database: Database | None,
    now: float,
    options: ForecastOptions | None = None,
) -> Forecast:
    """Forecast a run of these settings, by what the database knows of the task. Blocks; writes nothing.

    Parameters
    ----------
    settings
        Those of the run.
    state
        Its data and functions; of the data, how many there are.
    database
        Where earlier runs are; None: there are none.
    now
        When it would be launched (epoch seconds).
    options
        What else is known.

    Raises
    ------
    ConfigError
        The configuration, the data or an option cannot be used; or nobody can tell how many units there are.
    """
    options = options or ForecastOptions()
    reward = read_task_pay(settings.task).task_reward
    gates = open_gates(settings.blueprint_args, state, settings.task.task_name)
    provider = get_crowd_provider_from_type(settings.provider_type)
    evidence = Evidence()
    if database is not None:
        evidence = read_evidence(database, settings.task.task_name, provider.PROVIDER_TYPE, reward.currency, now=now)
    plan = _plan_of(settings, _units(settings, state, options), gates, provider, now, options)
    fees = _fees(fee_rate_of(provider), options)
    prices = Prices(reward, plan.per_visit + plan.golds_per_visit, fees)
    assumptions = assumptions_of(plan, prices, evidence, has_hook=state.on_unit_submitted is not None)
    return make_forecast(settings.task.task_name, plan, prices, evidence, assumptions, options.seed)


def count_units(blueprint: Blueprint[Any]) -> int | None:
    """Return how many units a task has; None: its rows come one by one, and nobody knows."""
    data = blueprint.get_initialization_data()
    if isinstance(data, Iterator | AsyncIterable):
        return None
    return sum(len(one.unit_data) for one in data)


def _units(settings: TaskRunSettings, state: SharedTaskState, options: ForecastOptions) -> int:
    for name, given in (("units", options.units), ("the number of rows", options.rows)):
        if given is not None and (isinstance(given, bool) or not isinstance(given, Integral) or given < 1):
            raise ConfigError(f"{name} cannot be {given!r}. Give a whole number of 1 or more.")
    found: int | None
    if options.units is not None:
        found = int(options.units)
    elif options.rows is not None:
        found = int(options.rows) * _units_per_assignment(settings)
    else:
        blueprint = get_blueprint_from_type(settings.blueprint_type)(settings.blueprint_args, state)
        found = count_units(blueprint)
    if found is None:
        raise ConfigError(
            "The data come one by one, so nobody can tell how many units there will be. Say it: "
            "forecast(config, data, units=1000)."
        )
    if found < 1:
        raise ConfigError(f"A forecast needs at least one unit, and there are {found}.")
    return found


def _units_per_assignment(settings: TaskRunSettings) -> int:
    return max(1, int(getattr(settings.blueprint_args, "units_per_assignment", 1)))


def _plan_of(
    settings: TaskRunSettings,
    units: int,
    gates: GateRules,
    provider: type[CrowdProvider[Any]],
    now: float,
    options: ForecastOptions,
) -> Plan:
    task = settings.task
    per_visit = task.units_per_visit
    gold = next((gate for gate in gates.unit_gates if gate.TAKES_PLACE), None)
    screening = next((gate for gate in gates.unit_gates if not gate.TAKES_PLACE), None)
    at = datetime.fromtimestamp(now, UTC)
    golds = 0 if gold is None or per_visit == 1 else _golds_among(per_visit, gold.settings.min_golds)
    return Plan(
        units=units,
        per_visit=max(1, per_visit - golds),
        per_person=_per_person(settings, units, provider, per_visit),
        at_once=task.max_num_concurrent_units,
        seconds_allowed=task.assignment_duration_in_seconds,
        lifetime=task.task_lifetime_in_seconds / 3600,
        hour=at.hour + at.minute / 60,
        repeats_failed=gates.repeats_failed and bool(gates.checks),
        redoes_rejected=options.redo_rejected,
        is_screened=screening is not None,
        min_golds=None if gold is None or per_visit > 1 else gold.settings.min_golds,
        golds_per_visit=golds,
        most_golds=None if gold is None else getattr(gold.settings, gold.LIMIT),
        most_screenings=None if screening is None else getattr(screening.settings, screening.LIMIT),
        part_paid=_SHORT_PAID[task.when_stopped_early],
        fewer_paid=_SHORT_PAID[task.when_fewer_units],
    )


def _golds_among(per_visit: int, first: int) -> int:
    """Return how many of a visit's units are gold ones: those that come first, or by the schedule more."""
    scheduled = math.ceil(math.pow(math.log10(per_visit + 1), 2.2)) - 1
    return min(per_visit - 1, max(first, scheduled))


def _per_person(settings: TaskRunSettings, units: int, provider: type[CrowdProvider[Any]], per_visit: int) -> int:
    """Return how many units one person may do: of each assignment one, and where they are sent once, one."""
    if per_visit == 1 and not provider.SERVES_AGAIN:
        return 1
    assignments = max(1, units // _units_per_assignment(settings))
    return min(settings.task.maximum_units_per_worker or assignments, assignments)


def _fees(known: FeeRate, options: ForecastOptions) -> FeeRate:
    if options.fee_rate is None and options.tax_rate is None:
        return known
    low, high, source = known.low, known.high, known.source
    tax_low, tax_high = known.tax_low, known.tax_high
    if options.fee_rate is not None:
        (low, high), source = read_rate(options.fee_rate, "fee_rate"), "you"
    if options.tax_rate is not None:
        tax_low, tax_high = read_rate(options.tax_rate, "tax_rate")
    return FeeRate(low, high, tax_low, tax_high, source)


# -- what it rests on


def assumptions_of(plan: Plan, prices: Prices, evidence: Evidence, *, has_hook: bool) -> list[Assumption]:
    """Say what a forecast rests on, and where that is known from."""
    found = [
        _arrivals(evidence),
        _pool(evidence),
        _times(evidence),
        _leaving(plan, evidence),
        *_going_on(plan, evidence),
        _rejected(plan, evidence),
        *_failed(plan, evidence),
        *_gates(plan, evidence),
        *_limits(plan),
        *_bonuses(prices, evidence, has_hook=has_hook),
        _fee(prices.fees),
    ]
    if evidence.rehearsed:
        words = (
            f"{count(evidence.rehearsed, 'answer')} of programs say nothing of how long people take, when they come or "
            "how often they leave, and are not used for that"
        )
        found.append(Assumption("rehearsals", words, "from a rehearsal"))
    return found


def _source(evidence: Evidence, number: int, noun: str) -> str:
    """Say from how many of what something is known."""
    latest, others = evidence.runs[0].task_run_id, len(evidence.runs) - 1
    more = f" and {count(others, 'run')} before it" if others else ""
    crowd = "" if evidence.same_crowd else ", of another crowd"
    return f"from {count(number, noun)} of run {latest}{more}{crowd}"


def _about(centre: float, spread: float) -> tuple[float, float]:
    """Return between what a lognormal value lies 9 times in 10."""
    factor = float(np.exp(1.645 * spread))
    return centre / factor, centre * factor


def _arrivals(evidence: Evidence) -> Assumption:
    if not evidence.runs:
        low, high = _about(*assumed.PRIOR_ARRIVALS)
        words = f"about {assumed.PRIOR_ARRIVALS[0]:.0f} people come in an hour, anything from {low:.0f} to {high:.0f}; "
        return Assumption("who comes", words + "many at first, or by day and night", ASSUMED)
    hours = sum(max(run.until, 1 / 60) for run in evidence.runs)
    number = len(evidence.visits)
    words = f"{count(number, 'visit')} in {lasting(hours * 3600)}; another run may differ by about a quarter"
    return Assumption("who comes", words, _source(evidence, number, "visit"))


def _pool(evidence: Evidence) -> Assumption:
    words = f"the crowd is large enough; with {assumed.SMALL_POOL:.0%} it is small, unless arrivals show more of that"
    return Assumption("how many there are", words, ASSUMED)


def _times(evidence: Evidence) -> Assumption:
    if not evidence.answers:
        low, high = _about(*assumed.PRIOR_SECONDS)
        words = (
            f"a unit takes about {lasting(assumed.PRIOR_SECONDS[0])}, anything from {lasting(low)} to {lasting(high)}"
        )
        return Assumption("time for a unit", words, ASSUMED)
    median = float(np.median([one for visit in evidence.visits for one in visit.seconds]))
    return Assumption("time for a unit", f"{lasting(median)} (median)", _source(evidence, evidence.answers, "answer"))


def _leaving(plan: Plan, evidence: Evidence) -> Assumption:
    what = "unit" if plan.per_visit == 1 else "visit"
    about = f"{what}s that are left"
    if not evidence.runs:
        first, second = assumed.PRIOR_LEAVING
        return Assumption(about, f"about {first / (first + second):.0%}, anything up to a third", ASSUMED)
    left = sum(visit.left for visit in evidence.visits)
    begun = len(evidence.visits) if plan.per_visit > 1 else evidence.answers + left
    return Assumption(about, f"{left} of {begun:,}", _source(evidence, begun, what))


def _going_on(plan: Plan, evidence: Evidence) -> list[Assumption]:
    about = "units that one person does"
    if plan.per_visit > 1:
        return [Assumption(about, f"{plan.per_visit} a visit", "the configuration")]
    if plan.per_person == 1:
        return [Assumption(about, "one: the crowd sends each person once", "the provider")]
    if not evidence.runs:
        return [Assumption(about, "after an answer, 3 of 4 take another unit, anything from a third to all", ASSUMED)]
    mean = evidence.answers / max(1, len(evidence.visits))
    return [Assumption(about, f"{mean:.3g} at a visit", _source(evidence, len(evidence.visits), "visit"))]


def _rejected(plan: Plan, evidence: Evidence) -> Assumption:
    then = "asked for again" if plan.redoes_rejected else "not asked for again (redo_rejected=True: they are)"
    if not evidence.reviewed:
        first, second = assumed.PRIOR_REJECTED
        words = f"about {first / (first + second):.0%}, not paid and {then}"
        return Assumption("rejected answers", words, ASSUMED)
    words = f"{evidence.rejected} of {evidence.reviewed:,}, not paid and {then}"
    return Assumption("rejected answers", words, _source(evidence, evidence.reviewed, "decision"))


def _failed(plan: Plan, evidence: Evidence) -> list[Assumption]:
    if not plan.repeats_failed:
        return []
    about = "answers that fail a check"
    if not evidence.checked:
        first, second = assumed.PRIOR_FAILED
        return [Assumption(about, f"about {first / (first + second):.0%}, paid and asked for again", ASSUMED)]
    words = f"{evidence.failed} of {evidence.checked:,}, paid and asked for again"
    return [Assumption(about, words, _source(evidence, evidence.checked, "answer"))]


def _gates(plan: Plan, evidence: Evidence) -> list[Assumption]:
    found = []
    if plan.golds_per_visit:
        words = f"{plan.golds_per_visit} among the units of a visit"
        found.append(Assumption("gold units", words, "the configuration"))
    if plan.min_golds is not None:
        words = f"{count(plan.min_golds, 'comes', 'come')} first, then the rarer, as the schedule has it"
        found.append(Assumption("gold units", words, "the configuration"))
    if plan.is_screened and evidence.screened:
        words = f"{evidence.screened_out} of {evidence.screened:,} newcomers"
        found.append(Assumption("do not pass screening", words, _source(evidence, evidence.screened, "screening")))
    elif plan.is_screened:
        first, second = assumed.PRIOR_SCREENED_OUT
        found.append(Assumption("do not pass screening", f"about {first / (first + second):.0%} of newcomers", ASSUMED))
    return found


def _limits(plan: Plan) -> list[Assumption]:
    found = []
    if plan.at_once:
        words = f"{count(plan.at_once, 'unit')} at a time; who finds none is lost"
        found.append(Assumption("open to people", words, "the configuration"))
    if plan.lifetime:
        words = f"after {lasting(plan.lifetime * 3600)} nothing is handed out any more"
        found.append(Assumption("lifetime", words, "the configuration"))
    return found


def _bonuses(prices: Prices, evidence: Evidence, *, has_hook: bool) -> list[Assumption]:
    seen, currency = evidence.bonuses, prices.reward.currency
    if seen.size:
        mean = Money.nearest(float(seen.mean()), currency)
        words = f"{shown(mean)} an answer on average" if seen.any() else "none"
        return [Assumption("bonuses", words, _source(evidence, seen.size, "answer"))]
    if evidence.rehearsed_bonus:
        words = f"anything up to {evidence.rehearsed_bonus:g} {currency} an answer, the most that a program was given"
        return [Assumption("bonuses", words, "from a rehearsal")]
    why = "none, as nobody knows what on_unit_submitted pays; a pilot run shows it" if has_hook else "none"
    return [Assumption("bonuses", why, ASSUMED)]


def _fee(fees: FeeRate) -> Assumption:
    words = percent(fees.low, fees.high) if fees.high else "none"
    if fees.high:
        taxed = percent(fees.tax_low, fees.tax_high) if fees.tax_high else "none"
        words = f"{words} of what people are paid; taxes on them: {taxed}"
    return Assumption("the crowd's fees", words, f"from {fees.source}")
