"""Gold units: rows whose right answer is known are mixed in, the more a worker has done the rarer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mephisto_nb.errors import ConfigError
from mephisto_nb.model.outcomes import Outcome
from mephisto_nb.model.states import Gate
from mephisto_nb.rules.gates._base import GateDecision, GateWords, Standing, UnitGate
from mephisto_nb.rules.gates.screening import NO_ROOM


@dataclass(slots=True)
class GoldSettings:
    """The settings of gold units.

    Parameters
    ----------
    use_golds
        Units with a known answer are mixed in. None: if `SharedTaskState` has rows for it.
    gold_qualification_base
        ``BASE-correct-golds`` and ``BASE-wrong-golds`` count, over all runs, what a worker got right and wrong;
        ``BASE-disqualified`` keeps out who got too many wrong. None: made of the task's name.
    max_gold_units
        At most so many gold units are given out in a run. None: any number.
    min_golds
        So many come first; later ones the rarer, the more a worker has done.
    max_incorrect_golds
        So many may be wrong.
    """

    use_golds: bool | None = None
    gold_qualification_base: str | None = None
    max_gold_units: int | None = None
    min_golds: int = 1
    max_incorrect_golds: int = 0


def gold_is_due(units_completed: int, num_correct: int, num_incorrect: int, min_golds: int) -> bool:
    """Return whether a worker's next unit is a gold one: `min_golds` come first, then fewer and fewer."""
    done = num_correct + num_incorrect
    if done < min_golds:
        return True
    return done < math.ceil(math.pow(math.log10(units_completed + 1), 2.2)) - 1


def has_few_wrong(units_completed: int, num_correct: int, num_incorrect: int, max_incorrect_golds: int) -> bool:
    """Return whether a worker may go on after so many golds that were wrong."""
    return num_incorrect <= max_incorrect_golds


class GoldGate(UnitGate[GoldSettings]):
    """Counts in two qualifications what a worker gets right and wrong, and keeps out who gets too much wrong."""

    NAME, KIND, UNIT_INDEX = Gate.GOLD.value, Gate.GOLD, -2
    SETTINGS = GoldSettings
    NOT_NEGATIVE = ("max_gold_units", "min_golds", "max_incorrect_golds")
    USE, LIMIT = "use_golds", "max_gold_units"
    ROWS, OTHER, ANSWER, ASKS_FOR_EACH = "golds", "get_gold_for_worker", "gold_answer", True
    FUNCTION = "judge_gold"
    OTHER_FUNCTIONS, PLAIN_FUNCTIONS = ("get_gold_for_worker",), ("worker_needs_gold", "worker_qualifies")
    QUALIFICATION, DEFAULT_ENDING = "gold_qualification_base", ""
    ENDINGS = ("-correct-golds", "-wrong-golds", "-disqualified")
    SHOWS_ACCURACY = True
    FAILED = GateWords(
        "gold_failed",
        "Some units have answers that are known beforehand, and too many of yours were different, so there is no more "
        "of this work for you.",
        "wrong about too many gold units",
    )
    OUTCOME = Outcome.FAILED_CHECKS
    FULL = GateWords("gold_full", NO_ROOM, "without a gold unit to be given", "raise max_gold_units, or give more rows")

    def check_rows(self, num_rows: int) -> None:
        """Refuse to launch with fewer rows than come first. Raises `ConfigError`."""
        if num_rows < self.settings.min_golds:
            raise ConfigError(
                f"mephisto.blueprint.min_golds is {self.settings.min_golds}, but there are {num_rows} gold rows, and a "
                "worker sees each of them once. Give more rows, or ask for fewer."
            )
        super().check_rows(num_rows)

    def is_shut_to(self, standing: Standing) -> bool:
        """Return whether a worker got too many golds wrong."""
        return f"{self.name}-disqualified" in standing.grants or not self._may_go_on(standing, *self._golds(standing))

    def is_due(self, standing: Standing) -> bool:
        """Return whether the next unit is a gold one: by the researcher's function, or by Mephisto's schedule."""
        asked = self._guarded("worker_needs_gold", gold_is_due)
        return asked(standing.num_units, *self._golds(standing), self.settings.min_golds)

    def decide(self, standing: Standing, *, passed: bool) -> GateDecision:
        """Count a gold, and keep a worker out who may not go on."""
        correct, wrong = self._golds(standing)
        correct, wrong = correct + passed, wrong + (not passed)
        known, counts = standing.grants, {f"{self.name}-correct-golds": correct, f"{self.name}-wrong-golds": wrong}
        changed = [
            (name, value)
            for name, value in counts.items()
            if known.get(name) != value and (value or name in known)
        ]  # fmt: skip
        why = f"got a gold unit {'right' if passed else 'wrong'}"
        if self._may_go_on(standing, correct, wrong):
            return GateDecision(why, changed)
        return GateDecision(why, changed, f"{self.name}-disqualified", f"got {wrong} gold units wrong")

    def may_go_on_without(self, standing: Standing) -> bool:
        """Return whether a worker has been looked at often enough to do without a further gold."""
        return sum(self._golds(standing)) >= self.settings.min_golds

    def _golds(self, standing: Standing) -> tuple[int, int]:
        grants = standing.grants
        return grants.get(f"{self.name}-correct-golds", 0), grants.get(f"{self.name}-wrong-golds", 0)

    def _may_go_on(self, standing: Standing, correct: int, wrong: int) -> bool:
        asked = self._guarded("worker_qualifies", has_few_wrong)
        return asked(standing.num_units, correct, wrong, self.settings.max_incorrect_golds)

    def _guarded(self, name: str, otherwise: Callable[..., bool]) -> Callable[..., bool]:
        """Return the researcher's function, or what holds where there is none, or where it raises."""
        wanted = getattr(self.shared, name)
        if wanted is None:
            return otherwise

        def guarded(*args: int) -> bool:
            try:
                found = wanted(*args)
                if found is None:
                    raise TypeError("it gave None; it must give True or False")
                return bool(found)
            except Exception as error:  # noqa: BLE001 - a researcher's function; its failure must not stop the run
                self.warn(f"{name} raised {error!r}; the usual rule holds instead.")
                return otherwise(*args)

        return guarded
