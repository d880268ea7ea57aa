"""Intervals of forecasts hold what comes, in trials of every kind of crowd; `python -m tests.forecast` makes 200."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from mephisto_nb.money.forecast import Estimate
from mephisto_nb.storage.sql_database import SQLDatabase
from tests.forecast.__main__ import share, table
from tests.forecast.crowds import KINDS, live, make_world
from tests.forecast.trial import Trial, run_trial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Trial]]:
    """Two trials of each kind."""
    database = SQLDatabase(f"sqlite:///{tmp_path_factory.mktemp('trials') / 'trials.db'}")
    yield [run_trial(seed, database) for seed in range(20)]
    database.close()


@pytest.mark.parametrize("name", ["cost", "last"])
def test_the_intervals_hold_what_comes(trials: list[Trial], name: str) -> None:
    assert share(trials, name) >= 0.85


def test_with_a_pilot_the_cost_is_known_closely(trials: list[Trial]) -> None:
    widths = sorted(trial.width("cost") for trial in trials if trial.has_pilot)
    assert widths[len(widths) // 2] < 0.15


def test_a_forecast_that_is_too_sure_would_be_found_out(trials: list[Trial]) -> None:
    def sure(trial: Trial) -> Trial:
        cost = trial.forecast.cost
        narrow = Estimate(cost.point, cost.point, cost.point)
        return replace(trial, forecast=replace(trial.forecast, cost=narrow))

    assert share([sure(trial) for trial in trials], "cost") < 0.85


def test_the_table_has_each_kind(trials: list[Trial]) -> None:
    shown = table(trials)
    assert all(kind in shown for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_made_crowd_sends_no_more_than_was_wanted(kind: str) -> None:
    for per_visit, once in ((1, True), (20, True), (1, False)):
        story = live(make_world(kind, Random(5), 100), 60, per_visit, once=once, hour=10)
        assert sum(one.is_sent for one in story.work) <= 60


def test_a_trial_is_the_same_each_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = []
    for name in ("first", "second"):
        database = SQLDatabase(f"sqlite:///{tmp_path_factory.mktemp(name) / 'trials.db'}")
        found.append(run_trial(3, database))
        database.close()
    assert found[0].cost == found[1].cost
    assert found[0].forecast.cost == found[1].forecast.cost
