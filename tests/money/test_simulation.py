"""One simulated run: nothing is taken twice, nothing is lost, and what is known by formula comes out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mephisto_nb.money.crowd_model import ArrivalModel, LikelyCrowd, TimeModel
from mephisto_nb.money.evidence import Floats
from mephisto_nb.money.simulation import Course, Plan, loss, simulate


def crowd(seconds: float = 60.0, rate: float = 60.0, pool: float = math.inf, **rates: float) -> LikelyCrowd:
    """Return a crowd without any surprise: people come at one rate, and all take the same time."""
    arrivals = ArrivalModel(rate, 0.0, 1.0, 0.0, 12.0, pool, 0.0, 0.0)
    one: Floats = np.ones(2)
    times = TimeModel(
        values=np.full(2, math.log(seconds)), starts=np.arange(2.0), sizes=one, weights=np.array([1.0, 0.0]),
        between=0.0, within=0.0, slope=0.0, shift=0.0, unseen=0.0,
    )  # fmt: skip
    usual = dict.fromkeys(("leaving", "by_timeout", "going_on", "rejected", "failed", "screened_out"), 0.0)
    return LikelyCrowd(arrivals, times, **usual | {"bonus": 0.0, "bonus_noise": 0.0, "fee": 0.0, "tax": 0.0} | rates)


def course(plan: Plan, people: LikelyCrowd, seed: int = 1) -> Course:
    return simulate(plan, people, np.random.default_rng(seed))


ONCE = Plan(200, per_person=1)


def test_as_many_answers_come_as_were_wanted() -> None:
    found = course(ONCE, crowd())
    assert (found.wanted, found.again, found.rejected) == (200, 0, 0)
    assert 0 < found.until_most < found.until_last < math.inf


def test_the_time_is_that_of_the_arrivals() -> None:
    lasted = [course(ONCE, crowd(), seed).until_last for seed in range(40)]
    assert np.mean(lasted) == pytest.approx(200 / 60 + 1 / 60, rel=0.05)  # the last of 200 comes, and needs a minute


def test_what_is_left_is_done_by_others() -> None:
    found = course(ONCE, crowd(leaving=0.5))
    assert found.wanted == 200
    assert found.until_last > 1.5 * course(ONCE, crowd()).until_last


@pytest.mark.parametrize("leaving", [0.0, 0.3])
def test_units_of_visits_add_up(leaving: float) -> None:
    plan = Plan(203, per_visit=20)
    found = course(plan, crowd(leaving=leaving))
    assert found.wanted == 203
    short = course(replace(plan, fewer_paid=True), crowd(leaving=leaving))
    assert 20 * short.whole_visits + short.part_units == 203


def test_a_last_visit_that_is_short_is_paid_whole() -> None:
    assert course(Plan(41, per_visit=20), crowd()).whole_visits == 3


def test_visits_that_stop_early_may_be_paid_nothing() -> None:
    found = course(Plan(400, per_visit=20, part_paid=None), crowd(leaving=0.4))
    assert (found.part_units, found.wanted) == (0, 400)


def test_a_crowd_of_too_few_never_ends_it() -> None:
    found = course(ONCE, crowd(pool=50))
    assert math.isinf(found.until_last)
    assert found.wanted <= 50


def test_a_lifetime_ends_it() -> None:
    found = course(replace(ONCE, lifetime=1.0), crowd(rate=20))
    assert found.until_last == 1.0
    assert 0 < found.wanted < 60


def test_answers_that_fail_are_paid_and_done_again() -> None:
    found = course(replace(ONCE, repeats_failed=True), crowd(failed=0.2))
    assert found.wanted == 200
    assert 20 < found.again < 90


def test_rejected_answers_are_done_again_if_asked() -> None:
    assert course(ONCE, crowd(rejected=0.2)).again == 0
    found = course(replace(ONCE, redoes_rejected=True), crowd(rejected=0.2))
    assert (found.wanted, found.again > 20, found.rejected > 20) == (200, True, True)


def test_who_goes_on_does_more_and_is_done_sooner() -> None:
    many = course(Plan(200), crowd(going_on=0.9))
    assert many.until_last < 0.6 * course(ONCE, crowd()).until_last


def test_gold_units_follow_the_schedule() -> None:
    assert course(replace(ONCE, min_golds=2), crowd()).golds == 2 * 200
    assert course(replace(ONCE, min_golds=2, most_golds=30), crowd()).golds == 30


def test_newcomers_who_fail_screening_cost_a_unit() -> None:
    found = course(replace(ONCE, is_screened=True), crowd(screened_out=0.5))
    assert found.wanted == 200
    assert found.screenings == pytest.approx(400, rel=0.05)


def test_few_open_units_hold_a_run_up() -> None:
    slow = crowd(seconds=600)
    assert course(replace(ONCE, at_once=2), slow).until_last > 3 * course(ONCE, slow).until_last


def test_the_loss_is_that_of_erlang() -> None:
    assert loss(1.0, 1) == pytest.approx(0.5)
    assert loss(10.0, 10) == pytest.approx(0.2146, abs=1e-4)  # as tables have it
    assert loss(0.0, 3) == 0.0
    assert loss(50.0, 3000) == 0.0


def test_the_same_seed_makes_the_same() -> None:
    assert course(ONCE, crowd(leaving=0.2), 7) == course(ONCE, crowd(leaving=0.2), 7)


def test_a_visit_has_so_long_as_a_whole() -> None:
    found = course(Plan(100, per_visit=10, seconds_allowed=330), crowd(seconds=60))
    assert found.whole_visits <= 1  # 5 of 10 fit in; a short one at the end may be whole
    assert 90 <= found.part_units <= 100


def test_fewer_units_than_a_visit_has_make_one_short_visit() -> None:
    assert course(Plan(7, per_visit=20), crowd()).whole_visits == 1
    assert course(Plan(7, per_visit=20, fewer_paid=True), crowd()).part_units == 7


@pytest.mark.parametrize("plan", [Plan(20_000, per_person=1), Plan(20_001, per_visit=10)])
def test_a_large_run_is_as_its_smaller_likeness(plan: Plan) -> None:
    found = course(plan, crowd(rate=600, leaving=0.1, rejected=0.05, bonus=0.01))
    assert found.wanted == plan.units
    people = plan.units / plan.per_visit / (0.9 if plan.per_visit == 1 else 0.95)
    assert found.until_last == pytest.approx(people / 600, rel=0.05)
    assert found.rejected == pytest.approx(0.05 * plan.units, rel=0.2)
    assert found.bonus == pytest.approx(0.01 * plan.units, rel=0.01)
