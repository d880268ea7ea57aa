"""What the buttons of a dashboard do: each is a method of the run, by a name that the front end may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError, MephistoError

#: The method of each action, and the arguments that it may be given.
ACTIONS: Mapping[str, tuple[str, frozenset[str]]] = {
    "pause": ("pause_launching", frozenset()),
    "resume": ("resume_launching", frozenset()),
    "limits": (
        "change_limits",
        frozenset({"max_num_concurrent_units", "maximum_units_per_worker", "task_reward"}),
    ),
    "expire": ("expire_units", frozenset()),
    "shutdown": ("shutdown", frozenset()),
    "force_shutdown": ("force_shutdown", frozenset()),
}


class Steerable(Protocol):
    """A run that is driven from this kernel; the methods of `ACTIONS` are its."""

    def preview(self, action: str, **arguments: Any) -> str:
        """Say what an action would do."""
        ...


def preview(run: Steerable, action: str, args: JSONObject) -> str:
    """Say what an action would do; empty: nothing that somebody has to be asked about first.

    Raises
    ------
    ConfigError
        There is no such action, or it cannot be done so.
    """
    _find(action, args)
    return run.preview(action, **args)


async def act(run: Steerable, action: str, args: JSONObject) -> str:
    """Do it, and say what came of it; empty: nothing but what the button says.

    Raises
    ------
    ConfigError
        There is no such action, or it cannot be done so.
    """
    result: Any = await getattr(run, _find(action, args))(**args)
    if action == "expire" and isinstance(result, int):
        return "1 unit has expired." if result == 1 else f"{result:,} units have expired."
    return ""


def error_words(error: Exception) -> str:
    """Say what went wrong, to somebody who pressed a button."""
    return str(error) if isinstance(error, MephistoError) else f"{type(error).__name__}: {error}"


def _find(action: str, args: JSONObject) -> str:
    if action not in ACTIONS:
        raise ConfigError(f"A dashboard cannot {action!r}; it can {', '.join(ACTIONS)}.")
    method, known = ACTIONS[action]
    if unknown := set(args) - known:
        raise ConfigError(f"{action!r} takes no {', '.join(sorted(unknown))}.")
    return method
