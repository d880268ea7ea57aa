"""How many visits a run still needs, and how many places its crowd should have for them.

A place is used up by whoever comes, but for those who give it back, or whose time is over: the crowd gives theirs to
somebody else by itself. Stands alone because visits know nothing of the crowd that they are offered to.
"""

from __future__ import annotations

from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.visits import Visit, VisitRules
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.visits import outcome_for_crowd

#: Ends after which a crowd gives the place to somebody else.
_GIVEN_BACK = frozenset({Outcome.RETURNED, Outcome.TIMED_OUT, Outcome.NO_CONSENT})


def count_visits_needed(state: RunState) -> int:
    """Return how many visits are needed beside those that are under way, for all units that are open."""
    visits = (state.visits.visits[id_] for id_ in state.visits.open)
    under_way = sum(max(0, visit.asked - visit.done) for visit in visits)
    return -(-max(0, state.num_open - under_way) // _per_visit(state))


def _per_visit(state: RunState) -> int:
    return 1 if state.rules.visits is None else state.rules.visits.units


def count_places_used(state: RunState) -> int:
    """Return how many places the visits of a run take up at their crowd, as far as is known here."""
    rules = state.rules.visits or VisitRules()
    return sum(1 for visit in state.visits.visits.values() if _takes_place(visit, rules))


def _takes_place(visit: Visit, rules: VisitRules) -> bool:
    return visit.outcome is None or outcome_for_crowd(visit, rules) not in _GIVEN_BACK


def places_wanted(taken: int, coming: int, needed: int) -> int:
    """Return how many places a crowd should have altogether.

    Parameters
    ----------
    taken
        How many of them the crowd counts as taken.
    coming
        How many of those are taken by people who are on their way, and have not come here.
    needed
        How many visits are needed, as `count_visits_needed` says.

    Examples
    --------
    >>> places_wanted(taken=3, coming=1, needed=1), places_wanted(taken=3, coming=0, needed=2)
    (3, 5)
    """
    return taken - coming + max(coming, needed)
