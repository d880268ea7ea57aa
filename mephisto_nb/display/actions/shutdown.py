"""Actions that take work back: expire what nobody is working on, end a run gently, or end it at once."""

from __future__ import annotations

from itertools import islice

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.actions._base import (
    Action,
    ActionQuestion,
    ActionResult,
    DrivenRun,
    at_work,
    closes_study,
    count_at_work,
    state_of,
    takes_back,
    when_it_ends,
)
from mephisto_nb.display.words import count
from mephisto_nb.model.states import AGENT_ACTIVE


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


#: How many of the interrupted are named.
_NAMED = 5


class Shutdown(Action):
    """Take back what nobody is working on, and end when those who are at work are done."""

    name = "shutdown"
    label = "Stop…"
    hint = "Who is at work may finish; the rest expires"
    question = ActionQuestion("Stop gently?", "Stop gently")
    during = "Stopping, once those at work are done…"
    done = "The run has ended."

    def preview(self, run: DrivenRun, args: JSONObject) -> str:
        """Say how many units are taken back, and who is waited for."""
        state = state_of(run)
        return f"{takes_back(state)} {at_work(state)} {when_it_ends(state)}{closes_study(run)}"

    async def do(self, run: DrivenRun, args: JSONObject) -> ActionResult:
        """End it gently."""
        await run.steering.shutdown()
        return ActionResult()


class ForceShutdown(Action):
    """End at once: workers who are at work are interrupted."""

    name = "force_shutdown"
    label = "Stop at once…"
    hint = "Who is at work is interrupted"
    statuses = ("live", "paused", "closing")
    danger = True
    question = ActionQuestion("Stop at once?", "Stop at once")
    during = "Stopping at once…"
    done = "The run has ended."

    def preview(self, run: DrivenRun, args: JSONObject) -> str:
        """Say how many units are taken back, and who is interrupted."""
        state = state_of(run)
        working = count_at_work(state)
        if not working:
            return f"{takes_back(state)} Nobody is at work. The run ends at once.{closes_study(run)}"
        active = (agent for agent in state.agents.values() if agent.status in AGENT_ACTIVE)
        names = [state.worker_names.get(agent.worker_id, agent.worker_id) for agent in islice(active, _NAMED)]
        others = f" and {working - len(names):,} more" if working > len(names) else ""
        return (
            f"{takes_back(state)} {count(working, 'worker')} at work {'is' if working == 1 else 'are'} interrupted, "
            f"and told that their unit has expired: {', '.join(names)}{others}. The run ends at once."
            f"{closes_study(run)}"
        )

    async def do(self, run: DrivenRun, args: JSONObject) -> ActionResult:
        """End it at once."""
        await run.steering.force_shutdown()
        return ActionResult()
