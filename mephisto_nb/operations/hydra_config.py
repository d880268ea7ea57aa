"""Configurations: composed by Hydra from a task's YAML, Python values and overrides, any number of times per kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from mephisto_nb.config import typed_config
from mephisto_nb.config.hydra_config import CONFIG_ROOT, Source, compose_tree, file_source
from mephisto_nb.config.schema import DatabaseArgs, MephistoConfig, TaskConfig
from mephisto_nb.config.task_run_settings import (
    TaskRunSettings,
    check_config,
    missing_values,
    resolve_config,
    settings_from_dict,
)
from mephisto_nb.errors import ConfigError
from mephisto_nb.utils.logging import get_logger

__all__ = [
    "DatabaseArgs",
    "MephistoConfig",
    "TaskConfig",
    "TaskRunSettings",
    "check_config",
    "compose",
    "register_script_config",
    "resolve_config",
    "settings_from_dict",
]

_logger = get_logger(__name__)
_script_configs: dict[str, type[TaskConfig]] = {}


def compose(
    blueprint: str | None = None,
    *,
    architect: str | None = None,
    provider: str | None = None,
    config: str | PathLike[str] | Mapping[str, Any] | None = None,
    task: Mapping[str, Any] | None = None,
    blueprint_args: Mapping[str, Any] | None = None,
    architect_args: Mapping[str, Any] | None = None,
    provider_args: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    task_dir: str | PathLike[str] | None = None,
) -> DictConfig:
    """Compose the configuration of a task, for `Operator.launch_task_run`.

    Later sources win: the defaults of the plugins, `config`, the arguments that are Python values, `overrides`.
    Fields that still lack a value are asked for at launch, or by `check_config`; where `task` is given, and no `config`
    that may be completed later, they are warned of.

    Parameters
    ----------
    blueprint, architect, provider
        Names of plugins. Without them `config` decides; then "local" and "mock" are the architect and provider.
    config
        The path of a task's YAML file (Mephisto 1.x's ``hydra_configs/conf/example.yaml`` loads as it is), the name
        of a registered script configuration, or a dictionary or `DictConfig` of the same shape.
    task, blueprint_args, architect_args, provider_args
        Settings as Python values: long texts, lists, paths. They are taken literally: ``${...}`` in them stays text.
    overrides
        Settings in Hydra's notation, such as ``"mephisto.task.task_reward=0.15"``; with ``${...}`` interpolated.
    task_dir
        What ``${task_dir}`` stands for. None: the folder that holds ``hydra_configs``, or else the YAML file; without
        a file, the working directory.

    Returns
    -------
    DictConfig
        With the shape of `TaskConfig`. Values may be changed: ``config.mephisto.task.task_reward = 0.2``.

    Raises
    ------
    UnknownKeyError
        Naming the nearest right key.
    UnknownTypeError
        Naming the plugins that there are.
    ConfigError
        A file, override or value cannot be used.

    Examples
    --------
    >>> config = compose("mock", task={"task_name": "colours"}, overrides=["mephisto.task.task_reward=0.15"])
    >>> config.mephisto.task.task_name, config.mephisto.task.task_reward
    ('colours', 0.15)
    """
    source, schema, home = _source(config, task_dir)
    layer: dict[str, Any] = {}
    for name, plugin, values in (
        ("blueprint", blueprint, blueprint_args),
        ("architect", architect, architect_args),
        ("provider", provider, provider_args),
        ("task", None, task),
    ):
        layer[name] = {} if plugin is None else {f"_{name}_type": plugin}
        layer[name] |= typed_config.literal(values or {}, f"mephisto.{name}")
    composed = compose_tree(source, {"mephisto": layer}, [overrides] if isinstance(overrides, str) else overrides)
    if task_dir is not None or "task_dir" not in composed:
        composed["task_dir"] = typed_config.literal(str(home))
    built = typed_config.build(composed, schema)
    if task is not None and config is None:
        _tell_missing(built)
    return built


def _tell_missing(config: DictConfig) -> None:
    """Warn somebody who writes a task's settings out of those that are still missing: they may be given later."""
    missing = missing_values(config)
    if missing:
        _logger.warning("The configuration still lacks %s, which a launch will ask for.", ", ".join(missing))


def register_script_config(name: str, module: type[TaskConfig]) -> None:
    """Make a task's own configuration class known to Hydra, and to `compose` as ``config=name``.

    Parameters
    ----------
    name
        How it is called; registering a name again replaces what bore it.
    module
        A dataclass derived from `TaskConfig`, with settings of its own. A field ``defaults`` is Hydra's list; names
        in it are looked for in ``hydra_configs`` in the task's folder.

    Raises
    ------
    ConfigError
        `module` is not a dataclass derived from `TaskConfig`, or has fields that Hydra cannot hold.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class ColourConfig(TaskConfig):
    ...     palette: str = "warm"
    >>> register_script_config("colours", ColourConfig)
    >>> compose("mock", config="colours", overrides=["palette=cold"]).palette
    'cold'
    """
    if not (isinstance(module, type) and issubclass(module, TaskConfig)):
        raise ConfigError(f"The script configuration {name!r} is {module!r}; it must be a dataclass, a TaskConfig.")
    tree = OmegaConf.to_container(OmegaConf.structured(module), resolve=False)
    ConfigStore.instance().store(name=name, node=tree)
    _script_configs[name] = module


def _source(
    config: str | PathLike[str] | Mapping[str, Any] | None, task_dir: str | PathLike[str] | None
) -> tuple[Source, type[TaskConfig], Path]:
    """Find out what a configuration starts from, its shape, and the task's folder."""
    home = Path(task_dir if task_dir is not None else Path.cwd()).expanduser().absolute()
    if config is None:
        return Source(), TaskConfig, home
    if isinstance(config, DictConfig):
        tree: Any = OmegaConf.to_container(config, resolve=False)
        return Source(given=tree), typed_config.schema_of(config), home
    if isinstance(config, Mapping):
        return Source(given=config), TaskConfig, home
    if str(config) in _script_configs:
        root = home / CONFIG_ROOT
        return Source(root if root.is_dir() else None, str(config)), _script_configs[str(config)], home
    source = file_source(Path(config))
    folder = source.directory or home
    return source, TaskConfig, home if task_dir is not None else folder.parent if folder.name == CONFIG_ROOT else folder
