"""What a launch or a preview is called with: a configuration and a shared state, or a task that holds both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from mephisto_nb.errors import ConfigError, UnknownKeyError
from mephisto_nb.model.shared_state import SharedTaskState


def read_launch_input(config: Any, shared_state: Any = None) -> tuple[DictConfig | Mapping[str, Any], SharedTaskState]:
    """Return the configuration and the shared state that a launch or a preview was called with.

    Parameters
    ----------
    config
        A configuration; or what `form_task` or `chat_task` made, which is one with its data.
    shared_state
        A `SharedTaskState`; or rows alone, as a DataFrame or a list. None: the task's own, or one without data.

    Raises
    ------
    ConfigError
        It cannot be told what is meant, or there are data twice.
    """
    if isinstance(config, DictConfig | Mapping):
        return config, _to_state(shared_state)
    made = _unpacked(config)
    if shared_state is not None:
        raise ConfigError(
            "The task has its data already, and there are more beside it. Hand over the task alone: "
            "launch_task_run(task)."
        )
    return made


@contextmanager
def naming_parameters(call: str) -> Iterator[None]:
    """Raise an unknown setting that was meant for a parameter as an error that says how to call the function."""
    try:
        yield
    except UnknownKeyError as error:
        if "'mephisto.task." not in str(error):
            raise
        raise UnknownKeyError(f"{error} Rows are the second argument, with or without its name: {call}.") from None


def _unpacked(task: Any) -> tuple[DictConfig | Mapping[str, Any], SharedTaskState]:
    has_parts = isinstance(task, tuple) or hasattr(task, "shared_state")
    parts = tuple(task) if has_parts else ()
    if len(parts) == 2 and isinstance(parts[0], DictConfig | Mapping):
        return parts[0], _to_state(parts[1])
    raise ConfigError(
        f"The configuration is a {type(task).__name__}. Hand over what mephisto_nb.compose(...) gave, or a task that "
        "form_task or chat_task made."
    )


def _to_state(given: Any) -> SharedTaskState:
    if given is None:
        return SharedTaskState()
    if isinstance(given, SharedTaskState):
        return given
    if isinstance(given, pd.DataFrame | list):
        return SharedTaskState(static_task_data=given)
    raise ConfigError(
        f"shared_state is a {type(given).__name__}. Pass mephisto_nb.SharedTaskState(static_task_data=...), or the "
        "rows alone, as a DataFrame or a list."
    )
