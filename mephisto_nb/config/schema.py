"""The shape of a task's configuration: what Hydra is told, and where each part of it is looked up.

The settings of gates (`rules.gates.table`) are composed onto those of whatever blueprint there is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from mephisto_nb.config import registry
from mephisto_nb.model.task_run_args import MISSING, TaskRunArgs
from mephisto_nb.rules.gates._base import BaseGate
from mephisto_nb.rules.gates.table import GATES, settings_fields


def with_gates(args_class: type[Any]) -> type[Any]:
    """Return a class of a blueprint's settings with those of all gates beside them; what it has stays its own."""
    key: Any = args_class
    return _with_gates(key, tuple(GATES))


@cache
def _with_gates(args_class: type[Any], gates: tuple[type[BaseGate[Any]], ...]) -> type[Any]:
    own = {one.name for one in dataclasses.fields(args_class)}
    more = [(name, type_, _copy(one)) for name, type_, one in settings_fields() if name not in own]
    merged = dataclasses.make_dataclass(args_class.__name__, more, bases=(args_class,))
    merged.__module__, merged.__qualname__ = args_class.__module__, args_class.__qualname__
    return merged


def _copy(one: dataclasses.Field[Any]) -> Any:
    if one.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=one.default_factory)
    return dataclasses.field(default=one.default)


@dataclass(slots=True)
class DatabaseArgs:
    """Where a run is kept.

    Parameters
    ----------
    _database_type
        "sqlite" or "postgresql". Mephisto 1.x's "singleton" and "local" mean "sqlite".
    url
        The database's address, such as ``postgresql://user@host/name``; None: a file in the data directory.
        It is never stored with a run. Write a password as ``${oc.env:NAME}``, so that the environment holds it.
    """

    _database_type: str = "sqlite"
    url: str | None = field(default=None, repr=False)


@dataclass
class MephistoConfig:
    """All that a run is made of. The first three are the `ArgsClass` of the plugin that is chosen.

    Parameters
    ----------
    log_level
        What the log holds: ``debug``, ``info``, ``warning`` or ``error``.
    """

    blueprint: Any = MISSING
    provider: Any = MISSING
    architect: Any = MISSING
    task: TaskRunArgs = field(default_factory=TaskRunArgs)
    database: DatabaseArgs = field(default_factory=DatabaseArgs)
    log_level: str = "info"


@dataclass
class TaskConfig:
    """The whole configuration of a task. Derive from it to give a task of yours settings of its own.

    Parameters
    ----------
    task_dir
        The task's folder, for ``${task_dir}`` in a configuration.
    num_tasks
        For a script's own use, as in Mephisto 1.x.
    """

    mephisto: MephistoConfig = field(default_factory=MephistoConfig)
    task_dir: str = MISSING
    num_tasks: int = 5


@dataclass(frozen=True, slots=True)
class Section:
    """A part of ``mephisto`` whose settings belong to a plugin."""

    name: str
    default_type: str | None
    type_attribute: str
    get_class: Callable[[str], type[Any]]
    get_valid_types: Callable[[], list[str]]

    @property
    def type_key(self) -> str:
        """The setting that names the plugin, such as ``_blueprint_type``."""
        return f"_{self.name}_type"


SECTIONS = {
    section.name: section
    for section in (
        Section(
            "blueprint", None, "BLUEPRINT_TYPE", registry.get_blueprint_from_type, registry.get_valid_blueprint_types
        ),
        Section(
            "architect", "local", "ARCHITECT_TYPE", registry.get_architect_from_type, registry.get_valid_architect_types
        ),
        Section(
            "provider",
            "mock",
            "PROVIDER_TYPE",
            registry.get_crowd_provider_from_type,
            registry.get_valid_provider_types,
        ),
    )
}
