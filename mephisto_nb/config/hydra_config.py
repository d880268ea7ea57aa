"""Configurations: composed by Hydra from a task's YAML, Python values and overrides, any number of times per kernel.

Hydra keeps global state: one composition is made at a time, and nothing of it stays behind in the kernel.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as compose_with_hydra
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException, MissingConfigException
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf

from mephisto_nb._typing import JSONObject
from mephisto_nb.config import typed_config
from mephisto_nb.config.foreign_settings import judge_hosts, refuse_paths_elsewhere, watched_files
from mephisto_nb.config.task_run_settings import (
    TaskRunSettings,
    check_config,
    missing_values,
    resolve_config,
    settings_from_dict,
)
from mephisto_nb.config.typed_config import SECTIONS, DatabaseArgs, MephistoConfig, TaskConfig
from mephisto_nb.errors import ConfigError, MephistoError, UnknownTypeError
from mephisto_nb.utils.calling import known_options
from mephisto_nb.utils.logging import get_logger, warn_once

__all__ = [
    "DatabaseArgs",
    "MephistoConfig",
    "RunScriptConfig",
    "TaskConfig",
    "TaskRunSettings",
    "build_default_task_config",
    "check_config",
    "compose",
    "register_script_config",
    "resolve_config",
    "settings_from_dict",
]

_logger = get_logger(__name__)

CONFIG_ROOT = "hydra_configs"
_PRIMARY = "_mephisto_nb_primary"
_GIVEN = "_mephisto_nb_given"
_VERSION_BASE = "1.3"
_PER_COMPOSITION: tuple[type, ...] = (GlobalHydra, VersionBase, JobRuntime)
_lock = threading.Lock()
_GROUP = re.compile(rf"/?mephisto/({'|'.join(SECTIONS)})")


@dataclass(frozen=True, slots=True)
class Source:
    """What a configuration starts from: files below `directory`, entered at `entry` of its defaults list.

    `given` is a configuration that is no file.
    """

    directory: Path | None = None
    entry: str | dict[str, str] | None = None
    given: Mapping[str, Any] | None = None


def file_source(path: Path) -> Source:
    """Find out how Hydra has to be told of a YAML file; Mephisto's ``hydra_configs`` folder is its search path.

    Raises
    ------
    ConfigError
        There is no such file, or its name does not end in ``.yaml``.
    """
    path = path.expanduser().absolute()
    if not path.is_file():
        raise ConfigError(f"There is no configuration file {path}. Give the path of a task's YAML file.")
    if path.suffix != ".yaml":
        raise ConfigError(f"The configuration file {path} must have a name that ends in '.yaml'. Rename it.")
    root = next((parent for parent in path.parents if parent.name == CONFIG_ROOT), path.parent)
    group = path.parent.relative_to(root).as_posix()
    if group == ".":
        return Source(root, path.stem)
    package = "" if _names_its_package(path) else "@_global_"
    return Source(root, {f"/{group}{package}": path.stem})


def compose_tree(
    source: Source, layer: Mapping[str, Any], overrides: Sequence[str], replaced: Collection[str] = ()
) -> JSONObject:
    """Compose the source, `layer` above it and `overrides` above both, into plain data.

    Interpolations stay as they are; keys and types are not checked here. Of the sections in `replaced` the source may
    name a plugin that is not there: another one takes its place.

    Raises
    ------
    ConfigError
        A file or an override cannot be read, or they do not fit together.
    UnknownTypeError
        A defaults list names a plugin that is not registered.
    """
    if source == Source() and not overrides:
        return dict(layer)  # nothing for Hydra to do, which takes a tenth of a second for it
    rewritten = [_as_value(override, source.directory) for override in overrides]
    types = {name: set(section.get_valid_types()) for name, section in SECTIONS.items()}
    while True:
        try:
            return _compose_once(source, layer, rewritten, types)
        except MissingConfigException as error:
            section, name = _missing_plugin(error)
            if section not in replaced:
                _check_known(section, name)
            types[section].add(name)  # an alias, or one whose place another takes


def _check_known(section: str, name: str) -> None:
    """Raise `UnknownTypeError`, which says how to go on, for a plugin in a file that nothing answers to."""
    try:
        SECTIONS[section].get_class(name)
    except UnknownTypeError as error:
        ours = SECTIONS[section].default_type
        way = f" To launch the file with another one, name it: compose(config=..., {section}={ours!r})." if ours else ""
        raise UnknownTypeError(f"{error}{way}") from error


def _compose_once(
    source: Source, layer: Mapping[str, Any], overrides: Sequence[str], types: Mapping[str, set[str]]
) -> JSONObject:
    entries = [source.entry] if source.entry else [_GIVEN] if source.given is not None else []
    primary = {**layer, "defaults": [*entries, "_self_"]}
    try:
        with (
            _lock,
            _own_singletons(),
            _nodes(primary, source.given, types),
            _initialized(source.directory),
            watched_files(source.directory),
        ):
            config = compose_with_hydra(_PRIMARY, overrides=list(overrides))
    except (MissingConfigException, MephistoError):
        raise
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration is no valid YAML: {error}") from error
    except Exception as error:  # Hydra and OmegaConf raise assertions and the like for some files
        raise ConfigError(f"The configuration cannot be composed: {error}") from error
    tree = OmegaConf.to_container(config, resolve=False)
    return {str(key): value for key, value in tree.items()} if isinstance(tree, dict) else {}


def _initialized(directory: Path | None) -> AbstractContextManager[None]:
    """Begin a session of Hydra with the files below a directory.

    Without one it looks below this file's, where there are none: to be given nothing, Hydra looks through the stack.
    """
    place = Path(__file__).parent if directory is None else directory
    return initialize_config_dir(str(place), version_base=_VERSION_BASE, job_name="mephisto_nb")


@contextmanager
def _own_singletons() -> Iterator[None]:
    """Hide the kernel's own Hydra session, and bring it back."""
    instances = Singleton._instances
    before = {cls: instances.pop(cls) for cls in _PER_COMPOSITION if cls in instances}
    try:
        yield
    finally:
        for cls in _PER_COMPOSITION:
            instances.pop(cls, None)
        instances.update(before)


@contextmanager
def _nodes(
    primary: Mapping[str, Any], given: Mapping[str, Any] | None, types: Mapping[str, set[str]]
) -> Iterator[None]:
    """Put what a composition needs into Hydra's store, and take it out again."""
    store = ConfigStore.instance()
    before = dict(store.repo)
    store.repo.pop("mephisto", None)
    try:
        store.store(name=_PRIMARY, node=dict(primary))
        store.store(name=_GIVEN, node=dict(given or {}))
        for section, names in types.items():
            for name in names:
                store.store(group=f"mephisto/{section}", name=name, node={SECTIONS[section].type_key: name})
        yield
    finally:
        store.repo.clear()
        store.repo.update(before)


def _missing_plugin(error: MissingConfigException) -> tuple[str, str]:
    """Return section and name of the plugin that a defaults list asks for in vain. Raises `ConfigError`."""
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    match = _GROUP.fullmatch(group)
    if not match:
        raise ConfigError(f"The configuration names a file that does not exist: {error}") from error
    return match[1], name


def _names_its_package(path: Path) -> bool:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return any(re.match(r"#\s*@package\s", line) for line in lines)


def _as_value(override: str, directory: Path | None) -> str:
    """Rewrite an override so that Hydra takes any key; keys are checked later, and better. Raises `ConfigError`."""
    try:
        parsed = OverridesParser.create().parse_override(override)
    except (HydraException, TypeError) as error:
        raise ConfigError(
            f"The override {override!r} cannot be read: {error}. Write 'key=value', or give the value as a Python "
            "object: compose(..., task={...}, blueprint_args={...})."
        ) from error
    if parsed.is_sweep_override():
        raise ConfigError(
            f"The override {override!r} holds several values. Write [a,b] for a list, quote a text with commas "
            "(key='a, b'), or give it as a Python object: compose(..., task={...}, blueprint_args={...})."
        )
    group = _GROUP.fullmatch(parsed.key_or_group)
    if group and not parsed.is_delete():
        return f"++mephisto.{group[1]}.{SECTIONS[group[1]].type_key}={override.partition('=')[2]}"
    is_folder = directory is not None and (directory / parsed.key_or_group).is_dir()
    if parsed.is_delete() or is_folder or parsed.key_or_group.startswith("hydra/"):
        return override
    return f"++{override.strip().lstrip('+')}"


_script_configs: dict[str, type[TaskConfig]] = {}


@known_options
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
        Names of plugins. Without them `config` decides; then "local" and "link" are the architect and provider.
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
    overrides = [overrides] if isinstance(overrides, str) else overrides
    replaced = _replaced(layer, overrides)
    composed = compose_tree(source, {"mephisto": layer}, overrides, replaced)
    if source != Source():
        _leave_out_settings_of_others(composed, source, {name: layer[name] for name in replaced}, overrides)
    if task_dir is not None or "task_dir" not in composed:
        composed["task_dir"] = typed_config.literal(str(home))
    built = typed_config.build(composed, schema)
    if source.directory is not None:
        _judge_file(built, home, {name: _named(name, layer, overrides) for name in SECTIONS})
    if task is not None and config is None:
        _tell_missing(built)
    return built


def _judge_file(built: DictConfig, home: Path, given: Mapping[str, Collection[str]]) -> None:
    """Refuse what a configuration file may not decide, and say what it opens; what is `given` is the caller's own."""
    refuse_paths_elsewhere(built, home, given["blueprint"])
    for remark in judge_hosts(built, given):
        warn_once(
            _logger,
            f"The configuration file {remark}. To close that, or to say that you mean it, set it in the notebook: "
            "compose(config=..., architect_args={'hostname': ...}, provider_args={'signed_links': ...}).",
        )


#: Overrides that choose a plugin, or take the file's choice away, and those that set one of its settings.
_CHOICE = re.compile(rf"[~+]*/?mephisto[/.]({'|'.join(SECTIONS)})(?:\._\w+_type)?(?:=.*)?", re.DOTALL)
_SETTING = re.compile(rf"\+*mephisto\.({'|'.join(SECTIONS)})\.(\w+)")


def _replaced(layer: Mapping[str, Any], overrides: Sequence[str]) -> set[str]:
    """Return the sections of which the caller chooses the plugin, whatever a file says."""
    chosen = {name for name, section in SECTIONS.items() if section.type_key in layer[name]}
    return chosen | {match[1] for override in overrides if (match := _CHOICE.fullmatch(override.strip()))}


def _named(section: str, layer: Mapping[str, Any], overrides: Sequence[str]) -> set[str]:
    """Return the settings of a section that the caller gives, whatever a file says."""
    found = [match[2] for match in filter(None, map(_SETTING.match, overrides)) if match[1] == section]
    return {*layer.get(section, {}), *found}


def _leave_out_settings_of_others(
    composed: JSONObject, source: Source, replaced: Mapping[str, Any], overrides: Sequence[str]
) -> None:
    """Leave out what a file sets for a plugin that another one has taken the place of, and say so."""
    given: dict[str, set[str]] = {name: set(values) for name, values in replaced.items()}
    for match in filter(None, map(_SETTING.match, overrides)):
        given.setdefault(match[1], set()).add(match[2])
    for name in replaced:
        section, tree = SECTIONS[name], composed.get("mephisto")
        settings = tree.get(name) if isinstance(tree, dict) else None
        if not isinstance(settings, dict):
            continue
        if any(re.fullmatch(rf"~/?mephisto[/.]{name}(=.*)?", override.strip()) for override in overrides):
            settings.pop(section.type_key, None)  # the file may name it a second time
        chosen = settings.get(section.type_key)
        if not isinstance(chosen or section.default_type, str):
            continue
        known = typed_config.settings_of(section, str(chosen or section.default_type))
        strange = [key for key in settings if key not in known | given[name]]
        if strange and (other := _type_in(source, section)) != chosen:
            for key in strange:
                del settings[key]
            warn_once(
                _logger,
                f"The file's settings for the {name} {other!r}, whose place another one takes, are left out: "
                f"{', '.join(strange)}.",
            )


def _type_in(source: Source, section: typed_config.ConfigSection) -> str | None:
    """Return the plugin that a source names by itself."""
    tree = compose_tree(source, {"mephisto": {}}, [], set(SECTIONS)).get("mephisto")
    settings = tree.get(section.name) if isinstance(tree, dict) else None
    name = settings.get(section.type_key) if isinstance(settings, dict) else None
    return name if isinstance(name, str) else None


def _tell_missing(config: DictConfig) -> None:
    """Warn somebody who writes a task's settings out of those that are still missing: they may be given later."""
    missing = missing_values(config)
    if missing:
        _logger.warning("The configuration still lacks %s, which a launch will ask for.", ", ".join(missing))


def build_default_task_config(conf_name: str) -> type[TaskConfig]:
    """Return a configuration class that starts from ``hydra_configs/conf/NAME.yaml`` of the task's folder.

    Examples
    --------
    >>> register_script_config("my_task", build_default_task_config("example"))
    """
    chosen: list[Any] = ["_self_", {"conf": conf_name}]

    @dataclass
    class DefaultTaskConfig(TaskConfig):
        defaults: list[Any] = field(default_factory=lambda: list(chosen))

    return DefaultTaskConfig


#: Mephisto's older name for it.
RunScriptConfig = TaskConfig


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
