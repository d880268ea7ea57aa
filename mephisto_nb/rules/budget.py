"""What may be spent: budgets for a run, a task and a calendar month, and whether what is wanted now still fits.

What counts against a budget is what is spent, what is committed (owed, being sent, work that is out, or answered and
undecided, places published with a crowd), and what is wanted now, each with the crowd's fees and taxes. A budget is of
one currency. What is spent in another one is not held against it, as nobody here knows a rate; that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.money import Money

#: Where the budget of a run is set that was launched with it: it cannot be set anew while the run goes on.
OF_RUN = "mephisto.task.budget of this run"


class BudgetScope(StrEnum):
    """What a budget is for."""

    RUN = "run"
    TASK = "task"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent: on the run, the task or in the month (``2026-11``) of this `name`.

    `source` says where it was set, to be told to whoever wants to raise it.
    """

    scope: BudgetScope
    name: str
    limit: Money
    source: str

    def __str__(self) -> str:
        about = f" {self.name!r}" if self.scope is BudgetScope.TASK else f" {self.name}" if self.name else ""
        return f"the budget of the {self.scope.value}{about}"


@dataclass(frozen=True, slots=True)
class Booked:
    """What is gone of a budget, fees included: `spent` (sent, confirmed) and `committed` (all that may still come).

    `elsewhere` are the sums of both in other currencies, which do not count.
    """

    spent: Money
    committed: Money
    elsewhere: Mapping[str, Money] = field(default_factory=dict)

    @property
    def total(self) -> Money:
        """Both together."""
        return self.spent + self.committed


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to commit now, with fees.

    Parameters
    ----------
    what
        In words, as "launching 500 units of 'moods'".
    amount
        What it comes to at most.
    units, each
        That it is so many things at so much each; None: it is one thing.
    noun, holds
        What such a thing is called; and how many units it holds.
    """

    what: str
    amount: Money
    units: int | None = None
    each: Money | None = None
    noun: str = "unit"
    holds: int = 1


@dataclass(frozen=True, slots=True)
class BudgetDecision:
    """Whether something may be spent; where not, `budget` is the one that it does not fit in, by least free.

    `free` is what is left of it, and `most` how many of what is wanted would fit in all budgets (None: it cannot be
    counted). `notes` say what was left out of account.
    """

    wanted: Wanted
    allowed: bool
    budget: Budget | None = None
    booked: Booked | None = None
    free: Money | None = None
    most: int | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        wanted = f"{self.wanted.what} comes to {self.wanted.amount} with fees"
        if self.allowed or self.budget is None or self.booked is None:
            return " ".join([f"{wanted}, which the budgets allow.", *self.notes])
        booked = f"{self.booked.spent} is spent and {self.booked.committed} committed"
        left = f"{self.budget} is {self.budget.limit}, of which {booked}, so {_none_below(self.free)} is free"
        return " ".join([f"{_capital(wanted)}, but {left}.", self.mend, *self.notes])

    @property
    def mend(self) -> str:
        """What to do about a refusal."""
        if self.budget is None:
            return ""
        raising = f"raise the budget ({self.budget.source})"
        if self.budget.source == OF_RUN:
            raising = "end the run, and resume it with a higher one (resume_incomplete_run=true, budget=...)"
        if self.most:
            holds = self.wanted.holds
            held = f" ({self.most * holds:,} units)" if holds > 1 else ""
            return f"Lower the number of {self.wanted.noun}s to at most {self.most:,}{held}, or {raising}."
        if self.most == 0:
            return f"Not one {self.wanted.noun} fits: {raising}."
        return f"Want less, or {raising}."


def decide(wanted: Wanted, budgets: Sequence[tuple[Budget, Booked]]) -> BudgetDecision:
    """Say whether what is wanted fits in all budgets of its currency.

    Examples
    --------
    >>> limit = Budget(BudgetScope.TASK, "moods", Money.of(10), "config.yml")
    >>> each = Money.of("0.12")
    >>> decide(Wanted("launching 100 units", each * 100, 100, each), [(limit, Booked(Money(0), Money(0)))]).mend
    'Lower the number of units to at most 83, or raise the budget (config.yml).'
    """
    currency = wanted.amount.currency
    own = [(budget, booked) for budget, booked in budgets if budget.limit.currency == currency]
    notes = _notes(wanted, budgets)
    nothing = Money(0, currency)
    if wanted.amount <= nothing or not own:
        return BudgetDecision(wanted, True, notes=notes)
    budget, booked = min(own, key=lambda pair: pair[0].limit - pair[1].total)
    free = budget.limit - booked.total
    if wanted.amount <= free:
        return BudgetDecision(wanted, True, budget, booked, free, notes=notes)
    return BudgetDecision(wanted, False, budget, booked, free, _most(wanted, free), notes)


def _most(wanted: Wanted, free: Money) -> int | None:
    """Return how many of what is wanted would fit."""
    if wanted.each is None or wanted.units is None or wanted.each.thousandths <= 0:
        return None
    return max(0, min(wanted.units, free.thousandths // wanted.each.thousandths))


def _notes(wanted: Wanted, budgets: Sequence[tuple[Budget, Booked]]) -> tuple[str, ...]:
    currency = wanted.amount.currency
    other = [budget for budget, _ in budgets if budget.limit.currency != currency]
    notes = [
        f"{_capital(str(budget))} is in {budget.limit.currency}, and does not limit what is paid in {currency}."
        for budget in other
    ]
    for budget, booked in budgets:
        sums = [amount for amount in booked.elsewhere.values() if amount]
        if sums and budget.limit.currency == currency:
            listed = " and ".join(map(str, sums))
            notes.append(f"{listed} in other currencies is not held against {budget}.")
    return tuple(notes)


def _none_below(amount: Money | None) -> str:
    return "nothing" if amount is None or amount.thousandths <= 0 else str(amount)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def month_of(at: float) -> str:
    """Return the calendar month of a moment (epoch seconds, UTC), as budgets are named by.

    >>> month_of(0.0)
    '1970-01'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Whether a sum is so high that it has to be confirmed, and whether it was; `limit` None: none has to be."""

    amount: Money
    limit: Money | None
    given: bool | str | None = None

    @property
    def expected(self) -> str:
        """What to type to confirm exactly this sum."""
        return str(self.amount.rounded_up())

    @property
    def is_needed(self) -> bool:
        """Whether the sum has to be confirmed, and was not: neither by True, nor by the sum itself or a higher one."""
        if self.limit is None or self.limit.currency != self.amount.currency or self.amount <= self.limit:
            return False
        if self.given is True:
            return False
        return not (isinstance(self.given, str) and _confirms(self.given, self.amount))


def _confirms(given: str, amount: Money) -> bool:
    """Return whether a typed sum is of this currency, and no less than the amount: `$120.00`, `120 USD`, `120`."""
    try:
        return Money.of(given, amount.currency) >= amount
    except ConfigError:
        return False
