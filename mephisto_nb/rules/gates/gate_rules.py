"""How the workers of a run are looked at: which gates there are, what they are called, and when they are due."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mephisto_nb._typing import JSON

#: ``needs_gold(units_completed, num_correct, num_incorrect, min_golds)``: whether the next unit is a gold one.
NeedsGold = Callable[[int, int, int, int], bool]
#: ``qualifies(units_completed, num_correct, num_incorrect, max_incorrect_golds)``: whether a worker may go on.
Qualifies = Callable[[int, int, int, int], bool]


def gold_is_due(units_completed: int, num_correct: int, num_incorrect: int, min_golds: int) -> bool:
    """Tell whether a worker's next unit is a gold one: `min_golds` come first, then fewer and fewer."""
    done = num_correct + num_incorrect
    if done < min_golds:
        return True
    return done < math.ceil(math.pow(math.log10(units_completed + 1), 2.2)) - 1


def has_few_wrong(units_completed: int, num_correct: int, num_incorrect: int, max_incorrect_golds: int) -> bool:
    """Tell whether a worker may go on after so many golds that were wrong."""
    return num_incorrect <= max_incorrect_golds


@dataclass(frozen=True, slots=True)
class GateRules:
    """The gates of a run, by the names of the qualifications that stand for them; an empty name: there is no such gate.

    `max_screening_units` and `max_gold_units` are None for any number, as is `max_failed_checks`. `attention` says, by
    the name of an answer's field, which field of the row holds the right answer; `judges_attention` that a function of
    the researcher's judges as well. `hidden` are fields of rows that no page gets to see.
    """

    onboarding: str = ""
    onboarding_data: JSON = None
    screening: str = ""
    max_screening_units: int | None = None
    gold: str = ""
    max_gold_units: int | None = None
    min_golds: int = 1
    max_incorrect_golds: int = 0
    needs_gold: NeedsGold = gold_is_due
    qualifies: Qualifies = has_few_wrong
    block: str = ""
    checks: str = ""
    attention: Mapping[str, str] = field(default_factory=dict)
    judges_attention: bool = False
    minimum_seconds: float = 0.0
    repeats_failed: bool = False
    max_failed_checks: int | None = None
    hidden: frozenset[str] = frozenset()

    @property
    def onboarding_failed(self) -> str:
        """What those are granted who fail the introduction."""
        return f"{self.onboarding}-failed"

    @property
    def screening_failed(self) -> str:
        """What those are granted who fail screening."""
        return f"{self.screening}-failed"

    @property
    def golds_correct(self) -> str:
        """What counts the golds that a worker got right."""
        return f"{self.gold}-correct-golds"

    @property
    def golds_wrong(self) -> str:
        """What counts the golds that a worker got wrong."""
        return f"{self.gold}-wrong-golds"

    @property
    def gold_disqualified(self) -> str:
        """What those are granted who got too many golds wrong."""
        return f"{self.gold}-disqualified"

    @property
    def checks_blocked(self) -> str:
        """What those are granted who failed too many checks."""
        return f"{self.checks}-blocked"


#: Everybody who may work gets work.
NO_GATES = GateRules()
