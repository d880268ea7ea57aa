"""From plain data to a typed configuration, and what to say about a key or value that does not fit.

Known keys come from the dataclasses of the parts of a task: its own settings, and those of the plugins it names. The
settings of gates (`rules.gates.table`) are composed onto those of whatever blueprint there is.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from functools import cache, lru_cache
from numbers import Integral, Real
from os import PathLike, fspath
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from mephisto_nb.config import registry
from mephisto_nb.config.foreign_settings import escaped, refuse_calls
from mephisto_nb.errors import ConfigError, MissingValueError, UnknownKeyError, folded
from mephisto_nb.model.money import DEFAULT_CURRENCY, Money, split_amount
from mephisto_nb.model.records import LINK
from mephisto_nb.model.task_run_args import MISSING, TaskRunArgs
from mephisto_nb.rules.gates._base import BaseGate
from mephisto_nb.rules.gates.table import GATES, settings_fields
from mephisto_nb.utils.logging import get_logger, warn_once

_logger = get_logger(__name__)


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
        It is never stored with a run. Write a password as ``${oc.env:NAME}`` in `overrides`, so that the environment
        holds it; in a file, the whole address may be such a variable.
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
class ConfigSection:
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
        ConfigSection(
            "blueprint", None, "BLUEPRINT_TYPE", registry.get_blueprint_from_type, registry.get_valid_blueprint_types
        ),
        ConfigSection(
            "architect", "local", "ARCHITECT_TYPE", registry.get_architect_from_type, registry.get_valid_architect_types
        ),
        ConfigSection(
            "provider",
            LINK,
            "PROVIDER_TYPE",
            registry.get_crowd_provider_from_type,
            registry.get_valid_provider_types,
        ),
    )
}


#: The settings that are amounts in the currency of the task.
AMOUNTS = frozenset(
    {f"mephisto.task.{name}" for name in ("task_reward", "minimum_hourly_pay", "maximum_bonus", "budget")}
    | {"mephisto.blueprint.waiting_pay", "mephisto.provider.screen_out.reward"}
)
#: Types, in the words of somebody who writes a value of theirs.
_KINDS: dict[Any, str] = {
    float: "a number (float), such as 0.10",
    int: "a whole number (int), such as 3",
    bool: "true or false (bool)",
    str: "text (str)",
    list: 'a list, such as ["a", "b"]',
    dict: 'names with values (dict), such as {"a": 1}',
}


def literal(value: Any, where: str = "") -> Any:
    """Turn a Python object into data of a configuration in which ``${...}`` is text like any other.

    Raises
    ------
    ConfigError
        The object, or a part of it, is not something that a configuration can hold.
    """
    match value:
        case None | bool():
            return value
        case Enum():
            return value.name
        case Money():
            return f"{value.decimal:f} {value.currency}"
        case str():
            return escaped(value)
        case DictConfig() | ListConfig():
            refuse_calls(OmegaConf.to_container(value, resolve=False), where)
            return literal(OmegaConf.to_container(value, resolve=True), where)
        case PathLike():
            return literal(fspath(value), where)
        case Integral():
            return int(value)
        case Real():
            return float(value)
        case Mapping():
            return {str(key): literal(item, f"{where}.{key}") for key, item in value.items()}
        case list() | tuple():
            return [literal(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise ConfigError(
        f"{where} is a {type(value).__name__}, which a configuration cannot hold; it holds text, numbers, truth "
        "values, None, lists and dictionaries. Data and functions belong into SharedTaskState."
    )


def build(tree: Mapping[str, Any], schema: type[TaskConfig] = TaskConfig, *, strict: bool = True) -> DictConfig:
    """Check plain data against `schema` and the settings of the plugins that it names.

    Parameters
    ----------
    strict
        False: a key that nothing knows is warned of and left out, rather than refused.

    Raises
    ------
    UnknownKeyError, UnknownTypeError, ConfigError
        A key, a plugin or a value that cannot be.
    """
    config = _structured(schema, "the configuration")
    OmegaConf.set_struct(config, False)
    config.pop("defaults", None)  # a script's own list, which Hydra has followed
    config.task_dir = str(Path.cwd()) if OmegaConf.is_missing(config, "task_dir") else config.task_dir
    given = _mapping(tree.get("mephisto"), "mephisto")
    for section in SECTIONS.values():
        config.mephisto[section.name] = _plugin_settings(section, _mapping(given.get(section.name), section.name))
    currency = _mapping(given.get("task"), "mephisto.task").get("currency") or DEFAULT_CURRENCY
    place = _Place(config, strict, currency=str(currency))
    _fill(config, {key: value for key, value in tree.items() if key != "defaults"}, place)
    OmegaConf.set_struct(config, True)
    return config


def schema_of(config: DictConfig) -> type[TaskConfig]:
    """Return the class that a configuration was made by."""
    schema = OmegaConf.get_type(config)
    return schema if isinstance(schema, type) and issubclass(schema, TaskConfig) else TaskConfig


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where in a configuration we are."""

    whole: DictConfig
    strict: bool
    path: str = ""
    #: The currency of all amounts.
    currency: str = DEFAULT_CURRENCY

    def child(self, key: str) -> _Place:
        return dataclasses.replace(self, path=f"{self.path}.{key}" if self.path else key)


def _plugin_settings(section: ConfigSection, given: Mapping[str, Any]) -> DictConfig:
    """Return the default settings of the plugin that `given` names, its name among them."""
    name = given.get(section.type_key) or section.default_type
    if name is None or name == "???":
        raise MissingValueError(
            f"The configuration names no {section.name}. Give one, as in compose('static_html'); there are: "
            f"{', '.join(section.get_valid_types())}."
        )
    plugin = section.get_class(str(name))
    args_class = with_gates(plugin.ArgsClass) if section.name == "blueprint" else plugin.ArgsClass
    settings = _structured(args_class, f"{plugin.__qualname__}.ArgsClass")
    OmegaConf.set_struct(settings, False)
    settings[section.type_key] = getattr(plugin, section.type_attribute)
    OmegaConf.set_struct(settings, True)
    return settings


def settings_of(section: ConfigSection, name: str) -> set[str]:
    """Return the keys that a plugin knows. Raises `UnknownTypeError`."""
    return {section.type_key, *map(str, _plugin_settings(section, {section.type_key: name}))}


def _structured(schema: type[Any], what: str) -> DictConfig:
    """Return a configuration of a class's defaults, which is the caller's own."""
    key: Any = schema
    try:
        return copy.deepcopy(_defaults(key)) if _are_constant(key) else OmegaConf.structured(schema)
    except (OmegaConfBaseException, NameError, TypeError) as error:
        raise ConfigError(
            f"{what} ({schema.__qualname__}) cannot be used for settings: {error}. Its fields must be str, int, "
            "float, bool, one of these or None, lists, dictionaries, or dataclasses of such."
        ) from error


@lru_cache(maxsize=64)
def _defaults(schema: Hashable) -> DictConfig:
    """Read a class once: to copy what was read takes a third of the time."""
    return OmegaConf.structured(schema)  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def _are_constant(schema: Hashable) -> bool:
    """Return whether a class's defaults are always the same: none comes of a function."""
    if not isinstance(schema, type) or not dataclasses.is_dataclass(schema):
        return True
    factories = [one.default_factory for one in dataclasses.fields(schema)]
    made = [factory for factory in factories if factory is not dataclasses.MISSING]
    return all(isinstance(factory, type) and _are_constant(factory) for factory in made)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if value is None or value == "???":
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} is {value!r}; it must be a mapping of settings.")
    return value


def _fill(node: DictConfig, values: Mapping[str, Any], place: _Place) -> None:
    type_keys = {section.type_key for section in SECTIONS.values() if place.path == f"mephisto.{section.name}"}
    for key, value in values.items():
        here = place.child(str(key))
        if key in type_keys:
            continue  # an alias may be given; the plugin's own name is there already
        if key not in list(node.keys()):
            _unknown(here)
            continue
        child = None if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key) else node[key]
        if isinstance(child, DictConfig) and dataclasses.is_dataclass(OmegaConf.get_type(child)):
            _fill(child, _mapping(value, here.path), here)
        else:
            _assign(node, key, _as_number(value, here), here)


def _as_number(value: Any, place: _Place) -> Any:
    """Return an amount that is written with its currency as a number of that; all else as it is."""
    if place.path not in AMOUNTS or not isinstance(value, str | Money):
        return value
    is_amount = isinstance(value, Money) or split_amount(value, place.path) != ("", value)
    return float(Money.of(value, place.currency, place.path)) if is_amount else value


def _assign(node: DictConfig, key: str, value: Any, place: _Place) -> None:
    try:
        node[key] = value
    except ConfigKeyError as error:
        raise UnknownKeyError(f"{place.path} is {_short(value)}, in which a key is unknown: {error.msg}") from error
    except OmegaConfBaseException as error:
        wanted = get_type_hints(OmegaConf.get_type(node)).get(key, "another type")
        kind = _KINDS.get(wanted) or _KINDS.get(get_origin(wanted))
        name = kind or (wanted.__name__ if isinstance(wanted, type) else wanted)
        raise ConfigError(f"{place.path} is {_short(value)} ({type(value).__name__}); it must be {name}.") from error


def _unknown(place: _Place) -> None:
    """Refuse a key, or warn of it. Raises `UnknownKeyError`."""
    parent, _, key = place.path.rpartition(".")
    known = list(_paths(place.whole))
    siblings = [path.rpartition(".")[2] for path in known if path.rpartition(".")[0] == parent]
    near = [path for path in known if path.rpartition(".")[2] == key]
    near = near or [f"{parent}.{name}".lstrip(".") for name in get_close_matches(key, siblings, n=1)]
    hint = f"Did you mean {near[0]!r}?{_argument(near[0], parent)}" if near else f"There are: {', '.join(siblings)}."
    message = f"The configuration has no key {place.path!r}{_owner(place)}. {hint}"
    if place.strict:
        raise UnknownKeyError(message)
    warn_once(_logger, f"{message} It is left out.")


def _argument(path: str, instead_of: str) -> str:
    """Say how a setting of a plugin is given in Python, to who gave it elsewhere."""
    parent, _, key = path.rpartition(".")
    section = parent.removeprefix("mephisto.")
    if parent == instead_of or SECTIONS.get(section) is None:
        return ""
    return f" In Python: {section}_args={{{key!r}: ...}}."


def _owner(place: _Place) -> str:
    """Say whose settings these are, where a plugin decides about them."""
    for section in SECTIONS.values():
        if place.path.startswith(f"mephisto.{section.name}."):
            return f" (the {section.name} is {place.whole.mephisto[section.name][section.type_key]!r})"
    return ""


def _paths(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in map(str, node):
        path = f"{prefix}{key}"
        yield path
        if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key):
            continue
        child = node[key]
        if isinstance(child, DictConfig):
            yield from _paths(child, f"{path}.")


def _short(value: object, length: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _shown_in_a_notebook(error: OmegaConfBaseException) -> list[str]:
    """Say which key was meant where somebody sets, or reads, one that a configuration does not have."""
    words = str(error).partition("\n")[0]
    if isinstance(error.parent_node, DictConfig):
        known = [str(key) for key in error.parent_node]
        near = get_close_matches(str(error.key), known, n=1)
        words += f". Did you mean {near[0]!r}?" if near else f". It has: {', '.join(known)}."
    return folded(error, words)


#: IPython asks an error how it is to be shown; a configuration's own errors are OmegaConf's, which does not say.
OmegaConfBaseException._render_traceback_ = _shown_in_a_notebook  # type: ignore[attr-defined]
