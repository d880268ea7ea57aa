"""Who is asked before a run that lasts commits more money: what knows of budgets is above the kernel.

Stands alone because the kernel, the frames and the reviews each hand it on, and none of them knows what a budget is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mephisto_nb.model.changes import Guard
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Raise, TaskRun


class SpendingCheck(Protocol):
    """Whether more may be committed in a run. Each method blocks, and raises `BudgetExceededError` if it may not.

    Each is called twice: before anything is done, so that a refusal costs nothing; and as the guard of what commits the
    money, as somebody else may have committed some meanwhile.
    """

    def check_raise(self, run: TaskRun, raised: Raise) -> None:
        """Called before another reward is in force."""

    def check_places(self, run: TaskRun, places: int, cost: Money) -> None:
        """Called before a crowd is asked for so many places altogether; `cost` is what all of them come to, with fees.

        What is booked already for the run's work counts for them.
        """

    def check_bonuses(self, given: Sequence[tuple[TaskRun, Sequence[Money]]]) -> None:
        """Called before bonuses are owed, or answers that were rejected are paid after all: all together, by run."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a launch may commit.

    Parameters
    ----------
    most
        What it comes to at most, with fees; None: nobody has to know.
    guard
        Asked once more when it is committed.
    confirm
        Asked about what a crowd says that it costs: it raises `ConfirmationNeededError` where somebody has to confirm
        that first. None: nobody has to.
    """

    most: Money | None = None
    guard: Guard | None = None
    confirm: Callable[[Money], None] | None = None
