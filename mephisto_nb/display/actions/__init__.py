"""The buttons of a dashboard: a file for each action, or for two that belong together, and the table that finds them.

To add one, write a file like `pause.py` (`_base.py` says what an action is), and put it into `ACTIONS`. The front end,
notices and `run.preview` go by the table.
"""

from __future__ import annotations

from collections.abc import Mapping

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.actions._base import Action, ActionResult, DrivenRun
from mephisto_nb.display.actions.limits import ChangeLimits
from mephisto_nb.display.actions.pause import Pause, Resume
from mephisto_nb.display.actions.shutdown import Expire, ForceShutdown, Shutdown
from mephisto_nb.display.actions.worker_links import WorkerLinks
from mephisto_nb.errors import ConfigError

#: Every action by its name, in the order of the buttons.
ACTIONS: Mapping[str, Action] = {
    one.name: one
    for one in (
        Pause(),
        Resume(),
        ChangeLimits(),
        WorkerLinks(),
        Expire(),
        Shutdown(),
        ForceShutdown(),
    )
}


def find_action(name: str, args: Mapping[str, object]) -> Action:
    """Return the action of a name, if it can be done with these arguments.

    Raises
    ------
    ConfigError
        There is no such action, it takes no such argument, or a value cannot be.
    """
    action = ACTIONS.get(name)
    if action is None:
        raise ConfigError(f"There is no action {name!r}. Name one of {', '.join(ACTIONS)}.")
    action.check(args)
    return action


def preview(run: DrivenRun, name: str, args: JSONObject) -> str:
    """Say what an action would do to a run now.

    Raises
    ------
    ConfigError
        There is no such action, it takes no such argument, or a value cannot be.
    """
    return find_action(name, args).preview(run, args)


async def act(run: DrivenRun, name: str, args: JSONObject) -> ActionResult:
    """Do an action, and say what came of it.

    Raises
    ------
    ConfigError
        There is no such action, or it cannot be done so.
    """
    return await find_action(name, args).do(run, args)


def describe_actions() -> list[JSON]:
    """Return the table as the front end gets it."""
    return [action.describe() for action in ACTIONS.values()]
