"""Which budgets there are: in the user's own file, in a task's configuration, and in a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mephisto_nb.config.config_handler import get_config, get_config_path
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.money import Money, check_currency, split_amount
from mephisto_nb.rules.budget import Budget, BudgetScope

#: The section of the user's file, and its keys.
SECTION = "budget"
_KEYS = ("month", "run", "tasks", "ask_above")


@dataclass(frozen=True, slots=True)
class SetBudgets:
    """The budgets of the user's file, each an amount a currency; `ask_above` is what has to be confirmed above it."""

    month: tuple[Money, ...] = ()
    run: tuple[Money, ...] = ()
    tasks: Mapping[str, tuple[Money, ...]] = field(default_factory=dict)
    ask_above: tuple[Money, ...] = ()

    def budgets(self, task_name: str, month: str, run_name: str = "") -> list[Budget]:
        """Return the budgets that a run of this task counts against in this month."""
        path = get_config_path()
        found = [Budget(BudgetScope.MONTH, month, one, f"budget.month in {path}") for one in self.month]
        task = self.tasks.get(task_name, ())
        found += [Budget(BudgetScope.TASK, task_name, one, f"budget.tasks in {path}") for one in task]
        return found + [Budget(BudgetScope.RUN, run_name, one, f"budget.run in {path}") for one in self.run]

    def confirmed_above(self, currency: str) -> Money | None:
        """Return the sum above which a launch in this currency has to be confirmed; None: none."""
        return next((one for one in self.ask_above if one.currency == currency), None)


def read_limits() -> SetBudgets:
    """Return the budgets of ``~/.mephisto/config.yml``.

    Raises
    ------
    ConfigError
        The file cannot be read, or the section ``budget`` holds what is no budget; the key is named.
    """
    section = get_config().get(SECTION) or {}
    if unknown := sorted(set(map(str, section)) - set(_KEYS)):
        raise ConfigError(
            f"The section budget of {get_config_path()} has no key {unknown[0]!r}. It knows {', '.join(_KEYS)}."
        )
    tasks = section.get("tasks") or {}
    if not isinstance(tasks, Mapping):
        raise ConfigError(f"{_place('tasks')} is {tasks!r}. Give an amount a task, as {{moods: 50 USD}}.")
    month, run, ask_above = (_amounts(section.get(key), key) for key in ("month", "run", "ask_above"))
    of_tasks = {str(name): _amounts(value, f"tasks.{name}") for name, value in tasks.items()}
    return SetBudgets(month, run, of_tasks, ask_above)


def _place(key: str) -> str:
    return f"budget.{key} in {get_config_path()}"


def _amounts(value: Any, key: str) -> tuple[Money, ...]:
    if value is None:
        return ()
    found = tuple(read_amount(one, _place(key)) for one in (value if isinstance(value, list) else [value]))
    twice = {one.currency for one in found if sum(other.currency == one.currency for other in found) > 1}
    if twice:
        raise ConfigError(f"{_place(key)} has two amounts of {min(twice)}. Keep one a currency.")
    return found


def read_amount(value: Any, name: str) -> Money:
    """Return an amount that is written with its currency.

    Raises
    ------
    ConfigError
        It has no currency, or is no amount above 0; `name` says where it stands.

    Examples
    --------
    >>> read_amount("500 USD", "budget.month")
    Money('500', 'USD')
    """
    code, number = split_amount(value, name) if isinstance(value, str) else ("", "")
    if not code:
        raise ConfigError(f"{name} is {value!r}. Give an amount with its currency, such as 500 USD.")
    amount = Money.of(number, check_currency(code, name), name)
    if amount.thousandths <= 0:
        raise ConfigError(f"{name} is {value!r}. Give an amount above 0, or leave it out: then nothing is limited.")
    return amount
