"""Budgets in the user's file: what is understood, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.money import Money
from mephisto_nb.money.limits import read_amount, read_limits
from mephisto_nb.rules.budget import BudgetScope

WriteConfig = Callable[[str], None]


def test_without_a_file_nothing_is_limited(write_config: WriteConfig) -> None:
    limits = read_limits()
    assert limits.budgets("moods", "2026-11") == []
    assert limits.confirmed_above("USD") is None


def test_each_key_is_read(write_config: WriteConfig) -> None:
    write_config("budget: {month: 500 USD, run: 20 USD, tasks: {moods: 50.5 USD}, ask_above: 100 USD}")
    limits = read_limits()
    found = {one.scope: one.limit for one in limits.budgets("moods", "2026-11")}
    assert found == {
        BudgetScope.MONTH: Money.of(500),
        BudgetScope.TASK: Money.of("50.5"),
        BudgetScope.RUN: Money.of(20),
    }
    assert limits.confirmed_above("USD") == Money.of(100)
    assert limits.confirmed_above("GBP") is None


def test_a_task_without_a_budget_has_none(write_config: WriteConfig) -> None:
    write_config("budget: {tasks: {moods: 50 USD}}")
    assert read_limits().budgets("others", "2026-11") == []


def test_there_may_be_one_a_currency(write_config: WriteConfig) -> None:
    write_config("budget: {month: [500 USD, 300 GBP]}")
    assert [one.limit for one in read_limits().budgets("moods", "2026-11")] == [Money.of(500), Money.of(300, "GBP")]


def test_a_budget_says_where_it_was_set(write_config: WriteConfig) -> None:
    write_config("budget: {month: 500 USD}")
    assert "budget.month in " in read_limits().budgets("moods", "2026-11")[0].source


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("budget: {month: 500}", "budget.month in .* is 500. Give an amount with its currency, such as 500 USD"),
        ("budget: {month: lots}", "budget.month in .* is 'lots'"),
        ("budget: {month: -5 USD}", "budget.month"),
        ("budget: {month: 0 USD}", "above 0"),
        ("budget: {month: '5,5 USD'}", "Write decimals with a point"),
        ("budget: {month: 1.2.3 USD}", "budget.month"),
        ("budget: {month: 0.000001 USD}", "decimal places"),
        ("budget: {month: [5 USD, 6 USD]}", "two amounts of USD"),
        ("budget: {moth: 5 USD}", "no key 'moth'. It knows month, run, tasks, ask_above"),
        ("budget: {tasks: 50 USD}", "budget.tasks in .* Give an amount a task"),
        ("budget: {tasks: {moods: much}}", "budget.tasks.moods in "),
        ("budget: 500 USD", "must hold sections of keys"),
        ("budget: {ask_above: true}", "budget.ask_above"),
    ],
)
def test_nonsense_is_refused_by_its_key(write_config: WriteConfig, text: str, words: str) -> None:
    write_config(text)
    with pytest.raises(ConfigError, match=words):
        read_limits()


@pytest.mark.parametrize("text", ["1,500.50 USD", "1500.50usd", "USD 1500.50", " 1_500.50 USD "])
def test_amounts_are_read_as_people_write_them(text: str) -> None:
    assert read_amount(text, "budget.month") == Money.of("1500.50")
