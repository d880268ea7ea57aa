"""Change the limits of a run while it lasts: how many units at once, how many for one worker, and what they pay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.actions._base import (
    Action,
    ActionField,
    ActionForm,
    ActionQuestion,
    ActionResult,
    DrivenRun,
    state_of,
)
from mephisto_nb.display.words import count
from mephisto_nb.model.money import DEFAULT_CURRENCY, Money
from mephisto_nb.money.fees import FeeRate, crowd_fees, with_fees
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.steering import check_limits, count_over_limit, limits_of
from mephisto_nb.rules.visits import raise_to


class ChangeLimits(Action):
    """Change the limits that are given; the others stay."""

    name = "limits"
    label = "Limits…"
    form = ActionForm(
        "Change limits",
        "Apply",
        (
            ActionField(
                "max_num_concurrent_units",
                "Units on offer at once",
                "0: all of them",
                now="limits.max_num_concurrent_units",
            ),
            ActionField(
                "maximum_units_per_worker",
                "Units for each worker",
                "0: any number",
                now="limits.maximum_units_per_worker",
            ),
            ActionField(
                "task_reward",
                "Pay for a unit",
                "for units that nobody has yet",
                kind="amount",
                now="limits.task_reward",
            ),
        ),
    )
    question = ActionQuestion("Change the limits?", "Change them")
    during = "Changing the limits…"
    done = "The limits are changed."

    def check(self, args: Mapping[str, object]) -> None:
        """Raise if a limit is none, or a value cannot be.

        Raises
        ------
        ConfigError
            There is no such limit, none is given, or one cannot be.
        """
        reward = args.get("task_reward")
        check_limits(reward.currency if isinstance(reward, Money) else DEFAULT_CURRENCY, **args)

    def preview(self, run: DrivenRun, args: JSONObject) -> str:
        """Say which limits change, from what to what, and what that does and costs."""
        state = state_of(run)
        limits = check_limits(state.rules.currency, **args)
        in_force = limits_of(state.rules)
        changed = {name: value for name, value in limits.items() if value != in_force[name]}
        if not changed:
            return "These limits are in force already: nothing changes."
        sentences: Mapping[str, Callable[[Any, Any], str]] = {
            "max_num_concurrent_units": partial(_concurrent, state),
            "maximum_units_per_worker": _per_worker,
            "task_reward": partial(_pay, state, crowd_fees(state.rules.provider_type)),
        }
        return " ".join(say(in_force[name], changed[name]) for name, say in sentences.items() if name in changed)

    async def do(self, run: DrivenRun, args: JSONObject) -> ActionResult:
        """Change them."""
        await run.steering.change_limits(**args)
        return ActionResult()


def _concurrent(state: RunState, before: int, after: int) -> str:
    waiting = count_over_limit(state, after)
    effect = f": {count(waiting, 'unit')} on offer will wait again" if waiting else ""
    return f"Units open to workers at once: {_limit(after)} instead of {_limit(before)}{effect}."


def _per_worker(before: int, after: int) -> str:
    return f"Units that one worker may do: {_limit(after)} instead of {_limit(before)}."


def _pay(state: RunState, rate: FeeRate, before: Money, after: Money) -> str:
    raised = raise_to(state, after)
    added, fees = with_fees(raised.cost, rate), ", fees included" if rate.most else ""
    effect = f"adds {added}{fees}" if added.thousandths >= 0 else f"saves {-added}{fees}"
    later = "" if state.generator_done else " Units that are made later get it, too."
    return (
        f"Pay for a {raised.noun}: {after} instead of {before}, for {count(raised.number, raised.noun)} that nobody "
        f"has yet: {effect}.{later}"
    )


def _limit(limit: int) -> str:
    return f"{limit:,}" if limit else "any number"
