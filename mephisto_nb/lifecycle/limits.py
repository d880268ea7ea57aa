"""The limits that can be changed while a run lasts, and whom a change concerns."""

from __future__ import annotations

from collections.abc import Mapping

from mephisto_nb.model.records import Unit
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.rules.run_state import RunRules, RunState

#: What `TaskRunArgs` calls each, and `RunRules`.
LIMITS: Mapping[str, str] = {
    "max_num_concurrent_units": "max_num_concurrent_units",
    "maximum_units_per_worker": "maximum_units_per_worker",
    "task_reward": "pay_amount",
}


def limits_of(rules: RunRules) -> dict[str, float]:
    """Give the limits in force, by the names that `TaskRunArgs` has for them."""
    return {name: getattr(rules, field) for name, field in LIMITS.items()}


def unheld_units(state: RunState) -> list[Unit]:
    """Give the units that nobody has or answered yet."""
    return state.units_in(UnitStatus.CREATED, UnitStatus.LAUNCHED)


def count_over_limit(state: RunState, limit: float) -> int:
    """Tell how many units on offer would have to wait if no more than `limit` (0: all) were open at once."""
    return min(state.counts[UnitStatus.LAUNCHED], max(0, state.num_out - int(limit))) if limit else 0
