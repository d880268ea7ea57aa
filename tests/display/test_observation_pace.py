"""How fast answers come, and how well the time left is estimated."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from mephisto_nb.display.dashboard.statistics import ENOUGH, NUM_SLICES, WINDOW, Pace, RunningMedian


def test_the_rate_is_that_of_all_answers_while_they_are_few() -> None:
    pace = Pace(opened_at=100.0)
    assert pace.per_hour(160.0) is None
    for at in (110.0, 130.0, 150.0):
        pace.add(at)
    assert pace.per_hour(160.0) == 3600 * 3 / 60


def test_the_rate_is_that_of_the_newest_answers_where_there_are_many() -> None:
    pace = Pace(opened_at=0.0)
    for n in range(100):
        pace.add(1000.0 + n)
    for n in range(WINDOW):
        pace.add(2000.0 + 10 * n)
    # The window begins with the answer before the newest 50, the last of the quick ones.
    assert pace.per_hour(2500.0) == pytest.approx(3600 * WINDOW / (2500.0 - 1099.0))


def test_the_rate_sinks_while_nothing_comes() -> None:
    pace = Pace(0.0)
    for at in (10.0, 20.0, 30.0):
        pace.add(at)
    assert pace.per_hour(30.0) > pace.per_hour(300.0) > pace.per_hour(3000.0)  # type: ignore[operator]


def test_a_pause_does_not_count() -> None:
    pace = Pace(0.0)
    pace.add(10.0)
    pace.restart(1000.0)
    assert pace.per_hour(1010.0) is None
    pace.add(1010.0)
    assert pace.per_hour(1020.0) == 3600 / 20
    again = Pace(0.0, resumed_at=1000.0)
    for at in (10.0, 1010.0):
        again.add(at)
    assert again.per_hour(1020.0) == 3600 / 20


def test_the_time_left_follows_its_formula() -> None:
    pace = Pace(0.0)
    for n in range(1, 11):
        pace.add(6.0 * n)
    left = pace.time_left(40, now=60.0)
    assert left is not None
    factor = math.exp(1.2816 * math.sqrt(1 / 10 + 1 / 40))
    assert (left.seconds, left.low, left.high) == (240.0, pytest.approx(240 / factor), pytest.approx(240 * factor))


def test_no_time_left_is_shown_from_few_answers_or_without_units() -> None:
    pace = Pace(0.0)
    for _ in range(ENOUGH - 1):
        pace.add(5.0)
    assert pace.time_left(10, 60.0) is None
    pace.add(6.0)
    assert pace.time_left(10, 60.0) is not None
    assert pace.time_left(0, 60.0) is None


@pytest.mark.slow  # it computes for seconds
@pytest.mark.parametrize(("answers", "remaining"), [(5, 50), (30, 30), (200, 10), (200, 400)])
def test_four_times_in_five_the_truth_lies_between_the_bounds(answers: int, remaining: int) -> None:
    chance, hits = random.Random(7), 0
    for _ in range(1000):
        pace, at = Pace(0.0), 0.0
        for _ in range(answers):
            at += chance.expovariate(0.5)
            pace.add(at)
        left = pace.time_left(remaining, at)
        truth = sum(chance.expovariate(0.5) for _ in range(remaining))
        hits += left is not None and left.low <= truth <= left.high
    assert 0.76 < hits / 1000 < 0.84


def test_the_picture_has_the_shortest_slices_that_cover_the_run() -> None:
    pace = Pace(0.0)
    for at in (0.5, 1.5, 1.6, 29.5):
        pace.add(at)
    assert pace.recent(29.9) == [1, 2, *[0] * 27, 1]
    assert pace.recent(59.0)[:1] == [3]  # slices of 2 s
    pace.add(59.5)
    assert sum(pace.recent(59.9)) == 5
    assert len(pace.recent(1e9)) == NUM_SLICES


def test_what_is_older_than_the_picture_is_left_out() -> None:
    pace = Pace(0.0)
    pace.add(40 * 3600.0)
    pace.add(3600.0)  # as after a clock was put right
    assert sum(pace.recent(40 * 3600.0)) == 1


def test_a_running_median_is_the_median() -> None:
    chance, median, numbers = random.Random(3), RunningMedian(), []
    for _ in range(200):
        numbers.append(chance.random())
        median.add(numbers[-1])
        assert median.value == pytest.approx(statistics.median(numbers))
