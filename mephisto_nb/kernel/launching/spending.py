"""Who is asked before a run that lasts commits more money: what knows of budgets is above the kernel.

Stands alone because the kernel, the frames and the reviews each hand it on, and none of them knows what a budget is.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from mephisto_nb.model.money import Money
from mephisto_nb.model.records import TaskRun


class SpendingCheck(Protocol):
    """Whether more may be committed in a run. Each method blocks, and raises `BudgetExceededError` if it may not.

    `fee_rate` is what the crowd takes on top, as a share.
    """

    def check_raise(self, run: TaskRun, fee_rate: Decimal, units: int, before: Money, after: Money) -> None:
        """Called before the reward of so many units changes that nobody has or answered yet."""

    def check_places(self, run: TaskRun, places: int, cost: Money) -> None:
        """Called before a crowd is asked for so many places altogether; `cost` is what all of them come to, with fees.

        What is booked already for the run's work counts for them.
        """

    def check_bonuses(self, run: TaskRun, fee_rate: Decimal, amounts: Sequence[Money]) -> None:
        """Called before bonuses are owed."""
