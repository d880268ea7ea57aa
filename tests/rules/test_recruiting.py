"""How many visits a run needs, and how many places its crowd should have."""

from __future__ import annotations

import pytest

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.model.visits import Visit, VisitRules
from mephisto_nb.rules.run_state import RunRules, RunState
from mephisto_nb.rules.visits import count_places_used, count_visits_needed, places_wanted


def state_with(open_units: int, *visits: Visit, units: int = 5) -> RunState:
    """Return a run with so many open units, whose visits hold so many."""
    state = RunState("run", RunRules("fair", visits=VisitRules(units)), 0.0)
    state.counts[UnitStatus.LAUNCHED] = open_units
    for visit in visits:
        state.visits.add(visit)
    return state


def visit(name: str, outcome: Outcome | None = None, done: int = 0, asked: int = 5) -> Visit:
    ended_at = None if outcome is None else 2.0
    return Visit(name, name, f"s-{name}", {}, asked, 1.0, 99.0, ended_at, outcome, done=done)


@pytest.mark.parametrize(("open_units", "needed"), [(0, 0), (1, 1), (5, 1), (6, 2), (20, 4)])
def test_units_become_visits_rounded_up(open_units: int, needed: int) -> None:
    assert count_visits_needed(state_with(open_units)) == needed


def test_what_is_under_way_is_not_asked_for_again() -> None:
    # ann has three to go, bob five: eight of the twelve.
    assert count_visits_needed(state_with(12, visit("ann", done=2), visit("bob"))) == 1
    assert count_visits_needed(state_with(3, visit("bob"))) == 0


def test_a_run_without_visits_needs_one_for_each_unit() -> None:
    state = RunState("run", RunRules("fair"), 0.0)
    state.counts[UnitStatus.CREATED] = 3
    assert count_visits_needed(state) == 3


@pytest.mark.parametrize(
    ("outcome", "used"),
    [
        (None, 1),
        (Outcome.COMPLETED, 1),
        (Outcome.FAILED_CHECKS, 1),
        (Outcome.QUOTA_FULL, 1),
        (Outcome.RETURNED, 0),
        (Outcome.TIMED_OUT, 0),
        (Outcome.NO_CONSENT, 0),
    ],
)
def test_a_place_is_free_again_that_was_given_back(outcome: Outcome | None, used: int) -> None:
    assert count_places_used(state_with(1, visit("ann", outcome))) == used


def test_who_is_on_the_way_is_counted_once() -> None:
    # Three places, of which one is taken by somebody who comes; three visits are needed: they are one of them.
    assert places_wanted(taken=1, coming=1, needed=3) == 3
    assert places_wanted(taken=3, coming=3, needed=0) == 3
    assert places_wanted(taken=3, coming=0, needed=1) == 4
