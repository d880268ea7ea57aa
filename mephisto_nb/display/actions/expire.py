"""Expire the units that nobody is working on. Stands alone because each action has a file of its own."""

from __future__ import annotations

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.actions._base import (
    Action,
    ActionQuestion,
    ActionResult,
    DrivenRun,
    at_work,
    state_of,
    takes_back,
    when_it_ends,
)
from mephisto_nb.display.words import count


class Expire(Action):
    """Take back the units that nobody is working on; more may come from the run's data."""

    name = "expire"
    label = "Expire open units…"
    needs = ("units.launched", "units.created")
    question = ActionQuestion("Expire what is left?", "Expire")
    during = "Expiring…"
    done = "The open units have expired."

    def preview(self, run: DrivenRun, args: JSONObject) -> str:
        """Say how many units are taken back, and whether the run ends by it."""
        state = state_of(run)
        rest = "More may come from the run's data." if not state.generator_done else when_it_ends(state)
        return f"{takes_back(state)} {at_work(state)} {rest}"

    async def do(self, run: DrivenRun, args: JSONObject) -> ActionResult:
        """Take them back, and say how many those were."""
        expired = await run.steering.expire_units()
        return ActionResult(f"{count(expired, 'unit')} {'has' if expired == 1 else 'have'} expired.")
