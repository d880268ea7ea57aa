"""Budgets: what is spent and committed of each, and whether a launch, a raise or a bonus still fits.

`rules.budget` decides; here is what it is told. A launch commits its worst case: every unit answered and paid, the
units of gates as far as the settings bound them, and the crowd's fees on all that. Bonuses are checked when they are
given: what a hook may pay is known to nobody before, and `maximum_bonus` for each answer would stop every launch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.task_run_settings import RESERVED, TaskRunSettings
from mephisto_nb.errors import BudgetExceededError, ConfigError, ConfirmationNeededError
from mephisto_nb.frames.frames import typed
from mephisto_nb.kernel.launch import RunPlan
from mephisto_nb.kernel.launching.spending import Allowance
from mephisto_nb.kernel.recruiting.study import KEPT, OPEN, OPENING
from mephisto_nb.model.money import Money, count, total
from mephisto_nb.model.records import Raise, TaskRun
from mephisto_nb.model.states import PaymentKind, UnitStatus
from mephisto_nb.model.task_run_args import read_task_pay
from mephisto_nb.money.costs import run_costs, terms_of
from mephisto_nb.money.fees import crowd_fees, fee_rate_of, with_fees
from mephisto_nb.money.forecast import Forecast
from mephisto_nb.money.forecast_input import ForecastOptions, count_units, forecast_of
from mephisto_nb.money.limits import SetBudgets, read_limits
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.budget import (
    OF_RUN,
    Booked,
    Budget,
    BudgetDecision,
    BudgetScope,
    Confirmation,
    Wanted,
    decide,
    month_of,
)

BUDGET_COLUMNS = ("scope", "name", "currency", "limit", "spent", "committed", "free", "source")
#: Payments that are made, as far as anybody knows; and those that are still to be made.
_SPENT, _COMMITTED = ("sent", "confirmed"), ("owed", "sending")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One sum of the books: of which run and task, in which month (None: still to be paid), fees included.

    `is_work` tells whether it is for work itself, rather than beside it, as bonuses are.
    """

    task_run_id: str | None
    task_name: str
    month: str | None
    amount: Money
    is_work: bool = True


@dataclass(frozen=True, slots=True)
class Books:
    """What all runs of a database have spent and committed, fees included; what programs were owed is left out."""

    entries: tuple[_Entry, ...] = ()

    def of(self, budget: Budget) -> Booked:
        """Return what is gone of a budget. What is still to be paid counts in the month in which it is asked."""
        own = [one for one in self.entries if _counts(budget, one)]
        currency = budget.limit.currency
        spent, committed = Money(0, currency), Money(0, currency)
        elsewhere: dict[str, Money] = {}
        for one in own:
            if one.amount.currency != currency:
                code = one.amount.currency
                elsewhere[code] = elsewhere.get(code, Money(0, code)) + one.amount
            elif one.month is None:
                committed += one.amount
            else:
                spent += one.amount
        return Booked(spent, committed, elsewhere)

    def work_of(self, run: TaskRun) -> Money:
        """Return what is booked for the work of a run, in its currency."""
        own = (one.amount for one in self.entries if one.task_run_id == run.task_run_id and one.is_work)
        return total((one for one in own if one.currency == run.currency), run.currency)


def _counts(budget: Budget, entry: _Entry) -> bool:
    if budget.scope is BudgetScope.RUN:
        return bool(budget.name) and entry.task_run_id == budget.name
    if budget.scope is BudgetScope.TASK:
        return entry.task_name == budget.name
    return entry.month is None or entry.month == budget.name


# -- the books


def read_books(database: Database) -> Books:
    """Return what all runs have spent and committed. Blocks."""
    runs = {run.task_run_id: run for run in database.runs.find_runs()}
    rates = {kind: crowd_fees(kind).most for kind in {run.provider_type for run in runs.values()}}
    # Work first: what is approved in between is then counted twice, and not forgotten.
    work = list(_work(database, list(runs.values())))
    entries = list(_payments(database, runs, rates))
    entries += [_Entry(run_id, runs[run_id].task_name, None, amount) for run_id, amount in work]
    for run in runs.values():
        if run.ended_at is None and not run.is_imported:
            beyond = _promised(database, run) - Books(tuple(entries)).work_of(run)
            if beyond.thousandths > 0:
                entries.append(_Entry(run.task_run_id, run.task_name, None, beyond))
    return Books(tuple(entries))


def _promised(database: Database, run: TaskRun) -> Money:
    """Return what the work of a run that lasts may come to by what was said of it, whatever of it is there by now.

    That is what its launch has asked the budgets for, until all of its units are there; and what its crowd was asked
    for, until its study is closed.
    """
    most = int(run.config.get(RESERVED) or 0) if not run.generator_done else 0
    study = database.runs.read_crowd_memory(run.task_run_id).get(KEPT)
    if isinstance(study, dict) and study.get("stage") in (OPENING, OPEN):
        most = max(most, int(study.get("each") or 0) * int(study.get("places") or 0))
    return Money(most, run.currency)


def _payments(database: Database, runs: Mapping[str, TaskRun], rates: Mapping[str, Decimal]) -> Iterable[_Entry]:
    for row in database.reviews.read_payments(None):
        if row["simulated"] or row["status"] not in (*_SPENT, *_COMMITTED):
            continue
        run = runs.get(row["task_run_id"] or "")
        amount, fees = row["amount"], row["fees"]
        if fees is None:  # not known yet
            fees = amount.share(rates[run.provider_type] if run else 0)
        month = month_of(row["sent_at"] or row["created_at"]) if row["status"] in _SPENT else None
        is_work = row["kind"] == PaymentKind.REWARD.value
        yield _Entry(row["task_run_id"], run.task_name if run else "", month, amount + fees, is_work)


def _work(database: Database, runs: Sequence[TaskRun]) -> Iterable[tuple[str, Money]]:
    """Yield what work may come to that is out, or undecided, by run, with fees; what programs did is worth nothing."""
    own = [run for run in runs if not run.is_imported]
    pay = database.reviews.read_pay([run.task_run_id for run in own], people_only=True)
    for run in own:
        costs = run_costs(replace(pay[run.task_run_id], booked={}), terms_of(run))
        yield run.task_run_id, costs.undecided + costs.spent_fees.total + costs.running + costs.running_fees
        if run.ended_at is None:
            yield run.task_run_id, costs.open + costs.open_fees


def budgets_of(database: Database, run: TaskRun, now: float) -> list[tuple[Budget, Booked]]:
    """Return the budgets that a run counts against now, the narrowest first, and what is gone of each. Blocks.

    Raises
    ------
    ConfigError
        The user's file cannot be read.
    """
    limits = read_limits()
    others = [one for one in limits.budgets(run.task_name, month_of(now)) if one.scope is not BudgetScope.RUN]
    budgets = [*run_budgets(run, limits), *others[::-1]]
    books = read_books(database) if budgets else Books()
    return [(one, books.of(one)) for one in budgets]


def budgets_frame(database: Database, now: float) -> pd.DataFrame:
    """Make a frame of all budgets: one row a budget (columns: `BUDGET_COLUMNS`).

    ``limit``, ``spent`` (sent and confirmed), ``committed`` (owed, being sent, work that is out or undecided) and
    ``free`` are in the currency's own unit, with fees; ``free`` is below 0 where more is gone. Budgets of a run are
    those of the runs that go on.
    """
    limits, books = read_limits(), read_books(database)
    names = sorted(limits.tasks) or [""]
    found: dict[tuple[BudgetScope, str, str], Budget] = {}
    for name in names:
        for budget in limits.budgets(name, month_of(now)):
            if budget.scope is not BudgetScope.RUN:
                found[budget.scope, budget.name, budget.limit.currency] = budget
    for run in database.runs.find_runs(live=True):
        for budget in run_budgets(run, limits):
            found[budget.scope, budget.name, budget.limit.currency] = budget
    rows = [_row(budget, books.of(budget)) for budget in found.values()]
    frame = pd.DataFrame(rows, columns=list(BUDGET_COLUMNS))
    amounts = dict.fromkeys(("limit", "spent", "committed", "free"), "float64")
    return typed(frame.astype(amounts), **amounts)


def _row(budget: Budget, booked: Booked) -> tuple[object, ...]:
    sums = (budget.limit, booked.spent, booked.committed, budget.limit - booked.total)
    return (budget.scope.value, budget.name, budget.limit.currency, *map(float, sums), budget.source)


def run_budgets(run: TaskRun, limits: SetBudgets) -> list[Budget]:
    """Return the budgets of one run alone: of the user's file, and of its configuration or call."""
    found = [Budget(BudgetScope.RUN, run.task_run_id, one, f"{_RUN_KEY} in the user's file") for one in limits.run]
    own = run.config.get("mephisto", {}).get("task", {}).get("budget")
    if own is not None:
        limit = Money.nearest(float(own), run.currency)
        found.append(Budget(BudgetScope.RUN, run.task_run_id, limit, OF_RUN))
    return found


_RUN_KEY, _OWN = "budget.run", "mephisto.task.budget"


def with_budget(settings: TaskRunSettings, budget: Money | float | str) -> TaskRunSettings:
    """Return the settings of a run that may cost so much, as if its configuration said it; it is stored with the run.

    Raises
    ------
    ConfigError
        It is no amount above 0 of the run's currency.
    """
    limit = Money.of(budget, settings.task.currency, "budget=")
    if limit.thousandths <= 0:
        raise ConfigError(f"budget= is {budget!r}. Give an amount above 0, or leave it out: then nothing is limited.")
    config = settings.as_dict()
    config["mephisto"]["task"]["budget"] = float(limit)
    return replace(settings, task=replace(settings.task, budget=float(limit)), config=config)


# -- checks


def check_budget(
    database: Database,
    wanted: Wanted,
    task_name: str,
    now: float,
    own: Sequence[Budget] = (),
    run_id: str = "",
    beside: Sequence[_Entry] = (),
) -> BudgetDecision:
    """Return what the budgets say of what is wanted for a task. Blocks.

    Parameters
    ----------
    database
        Where all runs are.
    wanted
        What is to be committed now.
    task_name
        For a run of which task.
    now
        In which month (epoch seconds).
    own
        Budgets of that run alone, beside those of the user's file.
    run_id
        The run; "": it is about to be launched, so nothing of it is spent.
    beside
        What is to be committed together with it.

    Raises
    ------
    BudgetExceededError
        It does not fit; the message says what is free, and what would fit.
    ConfigError
        The user's file cannot be read.
    """
    limits = read_limits()
    budgets = [*limits.budgets(task_name, month_of(now), run_id), *own]
    if not budgets:
        return BudgetDecision(wanted, True)
    books = Books((*read_books(database).entries, *beside))
    decision = decide(wanted, [(budget, books.of(budget)) for budget in budgets])
    if not decision.allowed:
        raise BudgetExceededError(str(decision), decision)
    return decision


@dataclass(frozen=True, slots=True)
class BudgetAtLaunch:
    """Checks a launch before anything of it is written or started; called by `kernel.launch` in a thread.

    Parameters
    ----------
    database
        Where all runs are.
    now
        When (epoch seconds).
    confirm
        True, or the sum as it was asked for: high costs are meant.
    """

    database: Database
    now: float
    confirm: bool | str | None = None
    limits: SetBudgets = field(default_factory=read_limits)

    def __call__(self, plan: RunPlan, resumed: TaskRun | None = None) -> Allowance:
        """Check a new run, or one that is resumed; return what it may commit.

        Raises
        ------
        BudgetExceededError
            It does not fit in a budget.
        ConfirmationNeededError
            It may cost more than the sum from which on somebody has to confirm it; or the crowd already has a study
            of a run of this task that is live.
        ConfigError
            There is a budget, and nobody can tell how many units there will be.
        """
        allowance = self._check(plan, resumed)
        if resumed is None and self.confirm is not True:
            self._ask_beside_another(plan)
        return allowance

    def _check(self, plan: RunPlan, resumed: TaskRun | None) -> Allowance:
        task = plan.settings.task
        currency = task.currency
        run_id = resumed.task_run_id if resumed else ""
        own = self._own(plan, currency, resumed)
        confirmed_above = self.limits.confirmed_above(currency)
        others = self.limits.budgets(task.task_name, month_of(self.now))
        if not (own or confirmed_above or any(one.limit.currency == currency for one in others)):
            return Allowance()
        units = self._units(plan, resumed)
        if units is None:
            raise BudgetExceededError(
                f"There is a budget for {task.task_name!r}, but its data come one by one, so nobody can tell what they "
                "come to. Hand over a list or a DataFrame, or take the budget away."
            )
        wanted = worst_case(plan, units)
        check = partial(check_budget, self.database, wanted, task.task_name, self.now, own, run_id)
        check()
        if confirmed_above is not None and self.confirm is not True:
            self._ask(plan, units, confirmed_above)
        confirm = None if confirmed_above is None else partial(self._confirm, task.task_name, confirmed_above)
        return Allowance(wanted.amount, check, confirm)

    def _ask_beside_another(self, plan: RunPlan) -> None:
        """Refuse a second study of a task by mistake, as when all cells of a notebook are run once more."""
        if plan.provider.recruiter is None:
            return
        name, crowd = plan.settings.task.task_name, plan.settings.provider_type
        ours = _setup_of(plan.config_to_store())
        found = self.database.runs.find_runs(task_name=name, live=True)
        live = [run.task_run_id for run in found if run.provider_type == crowd and _setup_of(run.config) == ours]
        if live:
            raise ConfirmationNeededError(
                f"A run of {name!r} with these settings is live on {crowd!r} ({', '.join(live)}), and a second one "
                "would be paid for beside it. Nothing was launched. To go on with it: run = "
                f"operator.get_task_run({live[0]!r}); after a restart of the kernel, run = await "
                f"operator.reconnect({live[0]!r}). If a second study is meant, launch it with confirm=True."
            )

    def _own(self, plan: RunPlan, currency: str, resumed: TaskRun | None) -> list[Budget]:
        run_id = resumed.task_run_id if resumed else ""
        given = plan.settings.task.budget
        if given is None and resumed is not None:
            return run_budgets_of_configuration(resumed)
        if given is None:
            return []
        return [Budget(BudgetScope.RUN, run_id, Money.of(given, currency, _OWN), _OWN)]

    def _units(self, plan: RunPlan, resumed: TaskRun | None) -> int | None:
        if resumed is None:
            return count_units(plan.blueprint)
        counts = self.database.runs.count_units([resumed.task_run_id])[resumed.task_run_id]
        return counts.get(UnitStatus.EXPIRED.value, 0) if resumed.generator_done else count_units(plan.blueprint)

    def _ask(self, plan: RunPlan, units: int, limit: Money) -> None:
        forecast = launch_forecast(plan, units, self.database, self.now)
        asked = Confirmation(forecast.cost.high.rounded_up(), limit, self.confirm)
        if asked.is_needed:
            raise ConfirmationNeededError(
                f"Launching {plan.settings.task.task_name!r} may cost up to {asked.expected} (likeliest: "
                f"{forecast.cost.point.rounded_up()}), and you want to be asked above {limit}. If that is meant, "
                f"launch it with confirm={asked.expected!r}, or confirm=True.",
                asked.expected,
            )

    def _confirm(self, task_name: str, limit: Money, cost: Money) -> None:
        """Raise `ConfirmationNeededError` where a crowd's own price is above the limit, and was not confirmed."""
        asked = Confirmation(cost, limit, self.confirm)
        if asked.is_needed:
            raise ConfirmationNeededError(
                f"Launching {task_name!r} costs up to {asked.expected} by what its crowd says, and you want to be "
                f"asked above {limit}. If that is meant, launch it with confirm={asked.expected!r}, or confirm=True.",
                asked.expected,
            )


def _setup_of(config: JSONObject) -> list[object]:
    """Return what of a configuration is shown, where, and to whom; what of a task changes meanwhile aside."""
    return [config["mephisto"].get(part) for part in ("blueprint", "architect", "provider")]


def launch_forecast(plan: RunPlan, units: int, database: Database, now: float) -> Forecast:
    """Forecast a run that is about to be launched. Blocks."""
    return forecast_of(plan.settings, plan.shared_state, database, now, ForecastOptions(units=units))


def worst_case(plan: RunPlan, units: int) -> Wanted:
    """Return what a launch comes to at most: all units paid, those of gates that are bounded, and the fees."""
    task = plan.settings.task
    reward = read_task_pay(task).task_reward
    fees = fee_rate_of(plan.provider)
    per_visit = task.units_per_visit
    visits = -(-units // per_visit)
    each = with_fees(reward, fees)
    beside = with_fees(reward, fees) * _gate_units(plan)
    what = f"Launching {count(units, 'unit')} of {task.task_name!r}"
    if per_visit > 1:
        return Wanted(what, each * visits + beside, visits, each, "visit", per_visit)
    return Wanted(what, each * units + beside, units, each)


def _gate_units(plan: RunPlan) -> int:
    return sum(getattr(gate.settings, gate.LIMIT) or 0 for gate in plan.gates.unit_gates)


def check_raise(database: Database, run: TaskRun, raised: Raise, now: float) -> BudgetDecision:
    """Check another reward, for what nobody has yet. Blocks; raises as `check_budget`. What saves money fits."""
    more = with_fees(max(Money(0, raised.cost.currency), raised.cost), crowd_fees(run.provider_type))
    of = f"{raised.noun} of {run.task_name!r} from {raised.before} to {raised.after}"
    what = f"Raising the pay of a {of}, for {count(raised.number, raised.noun)},"
    own = run_budgets_of_configuration(run)
    return check_budget(database, Wanted(what, more), run.task_name, now, own, run.task_run_id)


def check_places(database: Database, run: TaskRun, places: int, cost: Money, now: float) -> BudgetDecision:
    """Check so many places of a run at its crowd, altogether. Blocks; raises as `check_budget`.

    Parameters
    ----------
    database, run, places, now
        Where all runs are, which one it is, how many places are wanted, and when.
    cost
        What all of them come to, with fees. What is booked for the run's work counts for them.
    """
    more = max(Money(0, cost.currency), cost - read_books(database).work_of(run))
    wanted = Wanted(
        f"Offering {count(places, 'place')} of {run.task_name!r} to its crowd, for {cost} altogether,", more
    )
    own = run_budgets_of_configuration(run)
    return check_budget(database, wanted, run.task_name, now, own, run.task_run_id)


def check_bonuses(
    database: Database, given: Sequence[tuple[TaskRun, Sequence[Money]]], now: float
) -> list[BudgetDecision]:
    """Check bonuses that are to be given in runs, all together. Blocks; raises as `check_budget`."""
    decisions, beside = [], list[_Entry]()
    for run, amounts in given:
        wanted = with_fees(total(amounts, run.currency), crowd_fees(run.provider_type))
        others = f", beside those of {count(len(beside), 'other run')}," if beside else ""
        what = f"Giving {count(len(amounts), 'bonus', 'bonuses')} in {run.task_name!r}{others}"
        about = (run.task_name, now, run_budgets_of_configuration(run), run.task_run_id, beside)
        decisions.append(check_budget(database, Wanted(what, wanted), *about))
        beside.append(_Entry(run.task_run_id, run.task_name, None, wanted, is_work=False))
    return decisions


def run_budgets_of_configuration(run: TaskRun) -> list[Budget]:
    """Return the budgets that a run brings along itself."""
    return run_budgets(run, SetBudgets())


@dataclass(frozen=True, slots=True)
class Spending:
    """Checks what a run wants to commit while it lasts; handed down to what does not know of budgets.

    `database` and `clock` are those of an operator.
    """

    database: Database
    clock: Clock

    def check_raise(self, run: TaskRun, raised: Raise) -> None:
        """Raise `BudgetExceededError` if another reward does not fit; blocks."""
        check_raise(self.database, run, raised, self.clock.now())

    def check_places(self, run: TaskRun, places: int, cost: Money) -> None:
        """Raise `BudgetExceededError` if so many places at a crowd do not fit; blocks."""
        check_places(self.database, run, places, cost, self.clock.now())

    def check_bonuses(self, given: Sequence[tuple[TaskRun, Sequence[Money]]]) -> None:
        """Raise `BudgetExceededError` if bonuses do not fit together; blocks."""
        check_bonuses(self.database, given, self.clock.now())
