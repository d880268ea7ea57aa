"""Pause a run, and let it go on: whether work is handed out.

Stands alone because actions that do not belong together have files of their own.
"""

from __future__ import annotations

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.actions._base import Action, ActionResult, DrivenRun, at_work, count_unheld, state_of
from mephisto_nb.display.words import count


class Pause(Action):
    """Hand nothing out until the run is resumed."""

    name = "pause"
    label = "Pause"
    statuses = ("live",)
    during = "Pausing…"
    done = "Paused: nothing more is handed out until you resume."

    def preview(self, run: DrivenRun, args: JSONObject) -> str:
        """Say how many units will wait."""
        state = state_of(run)
        if state.is_paused:
            return "The run is paused already: nothing changes."
        return (
            f"Nothing is handed out until you resume: {count(count_unheld(state), 'unit')} will wait. "
            f"{at_work(state)} Who arrives is told that the task is paused."
        )

    async def do(self, run: DrivenRun, args: JSONObject) -> ActionResult:
        """Pause it."""
        await run.steering.pause_launching()
        return ActionResult()


class Resume(Action):
    """Hand work out again."""

    name = "resume"
    label = "Resume"
    statuses = ("paused",)
    during = "Resuming…"
    done = "Resumed."

    def preview(self, run: DrivenRun, args: JSONObject) -> str:
        """Say how many units can be taken again."""
        state = state_of(run)
        if not state.is_paused:
            return "The run is not paused: nothing changes."
        return f"Work is handed out again: {count(count_unheld(state), 'unit')} can be taken or will follow."

    async def do(self, run: DrivenRun, args: JSONObject) -> ActionResult:
        """Resume it."""
        await run.steering.resume_launching()
        return ActionResult()
