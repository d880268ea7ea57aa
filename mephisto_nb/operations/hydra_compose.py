"""How Hydra is driven: one composition at a time, of which nothing stays behind in the kernel."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException, MissingConfigException
from hydra.version import VersionBase
from omegaconf import OmegaConf

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.schema import SECTIONS
from mephisto_nb.errors import ConfigError

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


def compose_tree(source: Source, layer: Mapping[str, Any], overrides: Sequence[str]) -> JSONObject:
    """Compose the source, `layer` above it and `overrides` above both, into plain data.

    Interpolations stay as they are; keys and types are not checked here.

    Raises
    ------
    ConfigError
        A file or an override cannot be read, or they do not fit together.
    UnknownTypeError
        A defaults list names a plugin that is not registered.
    """
    rewritten = [_as_value(override, source.directory) for override in overrides]
    types = {name: set(section.get_valid_types()) for name, section in SECTIONS.items()}
    while True:
        try:
            return _compose_once(source, layer, rewritten, types)
        except MissingConfigException as error:
            section, name = _missing_plugin(error)
            SECTIONS[section].get_class(name)  # raises for a name that nothing answers to
            types[section].add(name)  # an alias


def _compose_once(
    source: Source, layer: Mapping[str, Any], overrides: Sequence[str], types: Mapping[str, set[str]]
) -> JSONObject:
    entries = [source.entry] if source.entry else [_GIVEN] if source.given is not None else []
    primary = {**layer, "defaults": [*entries, "_self_"]}
    try:
        with _lock, _own_singletons(), _nodes(primary, source.given, types), _initialized(source.directory):
            config = compose(_PRIMARY, overrides=list(overrides))
    except MissingConfigException:
        raise
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration is no valid YAML: {error}") from error
    except Exception as error:  # Hydra and OmegaConf raise assertions and the like for some files
        raise ConfigError(f"The configuration cannot be composed: {error}") from error
    tree = OmegaConf.to_container(config, resolve=False)
    return {str(key): value for key, value in tree.items()} if isinstance(tree, dict) else {}


def _initialized(directory: Path | None) -> AbstractContextManager[None]:
    if directory is None:
        return initialize(config_path=None, version_base=_VERSION_BASE, job_name="mephisto_nb")
    return initialize_config_dir(str(directory), version_base=_VERSION_BASE, job_name="mephisto_nb")


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
    """Give section and name of the plugin that a defaults list asks for in vain. Raises `ConfigError`."""
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
