"""A configuration made final: every value there, of its type, and ready to be launched or stored."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mephisto_nb._typing import JSONObject
from mephisto_nb.config import typed_config
from mephisto_nb.config.foreign_settings import refuse_environment
from mephisto_nb.config.typed_config import SECTIONS, DatabaseArgs
from mephisto_nb.errors import ConfigError, MephistoError, MissingValueError
from mephisto_nb.model.task_run_args import MISSING, TaskRunArgs, check_task_run_args, read_task_pay
from mephisto_nb.utils.logging import level_number

_DATABASE_TYPES = {"sqlite": "sqlite", "singleton": "sqlite", "local": "sqlite", "postgresql": "postgresql"}

#: Under which key a run's stored configuration has what its launch may come to, in thousandths of the smallest unit.
RESERVED = "reserved"


@dataclasses.dataclass(frozen=True, slots=True)
class TaskRunSettings:
    """The settings of one run, as typed objects.

    The ``*_args`` are instances of the `ArgsClass` of the plugin that the ``*_type`` beside them names.
    """

    task: TaskRunArgs
    blueprint_type: str
    blueprint_args: Any
    architect_type: str
    architect_args: Any
    provider_type: str
    provider_args: Any
    database: DatabaseArgs
    log_level: str
    config: JSONObject = dataclasses.field(repr=False)

    def as_dict(self) -> JSONObject:
        """Return the whole configuration as plain data for JSON, without the database's address."""
        return copy.deepcopy(self.config)


def check_config(config: DictConfig | Mapping[str, Any]) -> None:
    """Tell of all values that are still missing, at once.

    Raises
    ------
    MissingValueError
        Naming every field that must have a value and has none.
    """
    _require_values(_typed(config))


def resolve_config(config: DictConfig | Mapping[str, Any]) -> TaskRunSettings:
    """Turn a composed configuration into the settings of a run. Nothing is written or started.

    Parameters
    ----------
    config
        What `compose` gave, changed since or not; or a configuration of the same shape from Hydra itself.

    Raises
    ------
    MissingValueError
        Fields without a value, all of them named.
    UnknownKeyError, UnknownTypeError, ConfigError
        A key, plugin, value or interpolation that cannot be.

    Examples
    --------
    >>> from mephisto_nb.config.hydra_config import compose
    >>> about = {"task_name": "colours", "task_title": "Colours", "task_description": "Name them", "task_tags": ""}
    >>> settings = resolve_config(compose("mock", task={**about, "task_reward": 0.15}))
    >>> settings.task.task_reward, settings.provider_type
    (0.15, 'link')
    """
    typed = _typed(config)
    _require_values(typed)
    settings = _settings(typed)
    read_task_pay(settings.task)  # refused here; what was stored before amounts had to be exact is taken as it is
    return settings


def blueprint_args_of(config: DictConfig) -> Any:
    """Return the settings of the blueprint, with those of gates, of a configuration that may lack others.

    Raises
    ------
    ConfigError
        A setting of the blueprint cannot be resolved, or its own class refuses it.
    """
    try:
        refuse_environment(config)
        return _plugin_args(config, "blueprint")
    except OmegaConfBaseException as error:
        raise _unresolved(error) from error


def settings_from_dict(stored: Mapping[str, Any]) -> TaskRunSettings:
    """Return the settings that `TaskRunSettings.as_dict` stored, even by an earlier version of a plugin.

    Raises
    ------
    UnknownTypeError
        A plugin of the run is not registered: run the cell that defines it first.
    ConfigError
        The stored settings no longer fit the plugin.
    """
    settings = {key: value for key, value in stored.items() if key != RESERVED}
    typed = typed_config.build(typed_config.literal(settings), strict=False)
    _require_values(typed)
    return dataclasses.replace(_settings(typed), config=copy.deepcopy(dict(stored)))


def _typed(config: DictConfig | Mapping[str, Any]) -> DictConfig:
    """Check a configuration anew: it may have been changed, or come from elsewhere."""
    config = _whole(config)
    if not isinstance(config, DictConfig):
        return typed_config.build(config)
    tree: Any = OmegaConf.to_container(config, resolve=False)
    return typed_config.build(tree, typed_config.schema_of(config))


def _whole(config: DictConfig | Mapping[str, Any]) -> DictConfig | Mapping[str, Any]:
    """Return the whole of which this is the part ``mephisto``, which scripts for Mephisto 1.x hand over."""
    if "mephisto" in config or not set(config) & {"blueprint", "task"}:
        return config
    parent = config._get_parent() if isinstance(config, DictConfig) else None
    if isinstance(parent, DictConfig) and "mephisto" in parent and parent._get_node("mephisto") is config:
        return parent
    tree: Any = OmegaConf.to_container(config, resolve=False) if isinstance(config, DictConfig) else config
    return {"mephisto": tree}


def _require_values(config: DictConfig) -> None:
    missing = missing_values(config)
    if missing:
        fields = [key.rpartition(".")[2] for key in missing if key.startswith("mephisto.task.")]
        hint = f", for instance compose(..., task={{{', '.join(f'{name!r}: ...' for name in fields)}}})"
        raise MissingValueError(
            f"The configuration lacks {len(missing)} value{'s' if len(missing) > 1 else ''}: {', '.join(missing)}. "
            f"Give each one{hint if fields else ''}."
        )


def missing_values(config: DictConfig) -> list[str]:
    """Return the keys that must have a value and have none."""
    return list(_missing(OmegaConf.to_container(config, resolve=False)))


def _missing(values: Any, prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if value == MISSING:
            yield f"{prefix}{key}"
        elif isinstance(value, dict):
            yield from _missing(value, f"{prefix}{key}.")


def _settings(config: DictConfig) -> TaskRunSettings:
    try:
        refuse_environment(config)
        plain: Any = _jsonable(OmegaConf.to_container(config, resolve=True, enum_to_str=True))
        parts = {name: _plugin_args(config, name) for name in SECTIONS}
        task: Any = OmegaConf.to_object(config.mephisto.task)
        database: Any = OmegaConf.to_object(config.mephisto.database)
    except OmegaConfBaseException as error:
        raise _unresolved(error) from error
    check_task_run_args(task)
    level_number(plain["mephisto"]["log_level"])
    plain["mephisto"]["database"] = {"_database_type": _check_database(database), "url": None}
    return TaskRunSettings(
        task=task,
        database=database,
        log_level=plain["mephisto"]["log_level"],
        config=plain,
        **{f"{name}_type": plain["mephisto"][name][SECTIONS[name].type_key] for name in SECTIONS},
        **{f"{name}_args": args for name, args in parts.items()},
    )


def _unresolved(error: OmegaConfBaseException) -> ConfigError:
    reason = str(error).partition("\n")[0]
    return ConfigError(f"{error.full_key or 'The configuration'} cannot be resolved: {reason}")


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _plugin_args(config: DictConfig, name: str) -> Any:
    """Make the instance of a plugin's `ArgsClass`. Raises `ConfigError`."""
    node, type_key = config.mephisto[name], SECTIONS[name].type_key
    args_class: Any = OmegaConf.get_type(node)
    fields = {field.name for field in dataclasses.fields(args_class)}
    if type_key not in fields:
        node = copy.deepcopy(node)
        OmegaConf.set_struct(node, False)
        del node[type_key]
    try:
        return OmegaConf.to_object(node)
    except (MephistoError, OmegaConfBaseException):
        raise
    except Exception as error:
        raise ConfigError(f"mephisto.{name} is refused by its own class: {error}") from error


def _check_database(database: DatabaseArgs) -> str:
    """Put the database's type into our words, and give it. Raises `ConfigError`."""
    known = _DATABASE_TYPES.get(database._database_type)
    if known is None:
        raise ConfigError(
            f"mephisto.database._database_type is {database._database_type!r}; it must be one of "
            f"{', '.join(_DATABASE_TYPES)}."
        )
    if known == "postgresql" and not database.url:
        raise ConfigError("mephisto.database.url is empty; PostgreSQL needs an address, postgresql://user@host/name.")
    database._database_type = known
    return known
