"""Where blueprints, architects and crowd providers are found by name.

A plugin comes in by one of two doors: an entry point of the group ``mephisto_nb.blueprints``,
``mephisto_nb.architects`` or ``mephisto_nb.providers`` (how the shipped ones come too), or
`register_mephisto_abstraction`, for a class in a script or a notebook cell. Names are listed without importing
anything; an entry point is loaded when its name is first asked for. Each kind of plugin has a `PluginShelf`.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar, cast, overload

from mephisto_nb.errors import UnknownTypeError, UsageError
from mephisto_nb.ports.architect import Architect
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.utils.logging import get_logger, warn_once

_OURS = "mephisto_nb."
_logger = get_logger(__name__)


_MTURK = (
    "Amazon Mechanical Turk closed on 2026-09-30, for workers and requesters alike. Take people in by 'external' with "
    "a preset for their crowd (prolific_by_link, cloudresearch_connect, sona ...), by 'prolific' where that is "
    "installed, or by 'link', people of your own."
)
#: What there was once, and what to use instead: by names of providers, as `_bare` writes them.
_CLOSED = dict.fromkeys(["mturk", "mturksandbox", "mechanicalturk", "amazonmechanicalturk", "amt"], _MTURK)
#: Crowds whose name people give as a provider's, and which are presets of one: by such names, written the same way.
_PRESETS = {
    **dict.fromkeys(("cloudresearchconnect", "cloudresearch", "connect"), "cloudresearch_connect"),
    **dict.fromkeys(("sona", "sonasystems"), "sona"),
    **{name: name for name in ("positly", "besample", "microworkers", "panel")},
    **{"sonabyredirect": "sona_by_redirect", "prolificbylink": "prolific_by_link", "linklist": "link_list"},
}


class PluginShelf:
    """The plugins of one kind, by name and alias.

    Parameters
    ----------
    kind
        What messages call them: "blueprint", "architect" or "provider".
    group
        The group of entry points.
    base
        The class that all derive from.
    type_attribute
        The class attribute that holds a plugin's name.
    """

    def __init__(self, kind: str, group: str, base: type[Any], type_attribute: str) -> None:
        self.kind = kind
        self.base = base
        self._group = group
        self._type_attribute = type_attribute
        self._classes: dict[str, type[Any]] = {}
        # Never held while a plugin is imported: its module may register from another thread's import.
        self._lock = threading.RLock()

    def names(self) -> list[str]:
        """Return all names but the aliases, sorted, without loading anything."""
        with self._lock:
            registered = {getattr(cls, self._type_attribute) for cls in self._classes.values()}
        return sorted(registered | set(self._scan()))

    def register(self, plugin: type[Any], *, replace: bool = False, entry_point: EntryPoint | None = None) -> None:
        """Put `plugin` under its name and aliases; `entry_point` is the one that it came by.

        Raises
        ------
        UsageError
            It cannot be used, or one of its names belongs to another plugin.
        """
        self._check(plugin)
        names = self._names_of(plugin)
        with self._lock:
            if not replace:
                self._refuse_taken_names(plugin, names, entry_point)
            self._evict(plugin, names)
            self._classes.update(dict.fromkeys(names, plugin))

    def get(self, name: str) -> type[Any]:
        """Return the class under `name`. Raises `UnknownTypeError`."""
        found = self._classes.get(name)
        if found is None:
            found = self._load_by_name(name)
        if found is None:
            self.fill()  # the name may be an alias, which only a loaded plugin tells
            found = self._classes.get(name)
        if found is None:
            raise self._unknown(name)
        return found

    def fill(self) -> None:
        """Load every entry point; a broken one is warned of, once."""
        for entry_point in self._scan().values():
            try:
                self._load(entry_point)
            except UnknownTypeError as error:
                warn_once(_logger, str(error))

    def _scan(self) -> dict[str, EntryPoint]:
        ours_last = sorted(installed(self._group), key=lambda entry: entry.value.startswith(_OURS))
        return {entry.name: entry for entry in ours_last}  # of two with one name, ours is the later

    def _load_by_name(self, name: str) -> type[Any] | None:
        entry_point = self._scan().get(name)
        return self._load(entry_point) if entry_point else None

    def _load(self, entry_point: EntryPoint) -> type[Any]:
        """Import a plugin, unless a class that registered itself has taken its name."""
        taken = self._classes.get(entry_point.name)
        if taken is not None:
            return taken
        try:
            plugin = entry_point.load()
            if getattr(plugin, self._type_attribute, None) != entry_point.name:
                raise UsageError(f"its {self._type_attribute} is not {entry_point.name!r}, the entry point's name.")
            self.register(plugin, entry_point=entry_point)
        except Exception as error:
            source = f" of the package {entry_point.dist.name!r}" if entry_point.dist else ""
            raise UnknownTypeError(
                f"The {self.kind} {entry_point.name!r} ({entry_point.value}{source}) cannot be loaded: "
                f"{type(error).__name__}: {error} Mend or uninstall that package."
            ) from error
        return self._classes[entry_point.name]

    def _names_of(self, plugin: type[Any]) -> tuple[str, ...]:
        return (getattr(plugin, self._type_attribute), *plugin.ALIASES)

    def _check(self, plugin: type[Any]) -> None:
        """Raise `UsageError` unless `plugin` can be used as it is."""
        name = getattr(plugin, self._type_attribute, None)
        args = getattr(plugin, "ArgsClass", None)
        abstract = sorted(getattr(plugin, "__abstractmethods__", ()))
        if not isinstance(name, str) or not name:
            problem = f"{self._type_attribute} must be a name such as 'my_{self.kind}', not {name!r}"
        elif not isinstance(plugin.ALIASES, tuple) or not all(isinstance(alias, str) for alias in plugin.ALIASES):
            problem = f"ALIASES must be a tuple of names, not {plugin.ALIASES!r}"
        elif not (inspect.isclass(args) and is_dataclass(args)):
            problem = f"ArgsClass must be a dataclass of the {self.kind}'s settings, not {args!r}"
        elif abstract:
            problem = f"it does not define {', '.join(abstract)}"
        else:
            return
        raise UsageError(f"{plugin.__qualname__} cannot be registered as a {self.kind}: {problem}.")

    def _refuse_taken_names(self, plugin: type[Any], names: tuple[str, ...], entry_point: EntryPoint | None) -> None:
        for name in names:
            owner = self._owner_but(plugin, name, entry_point)
            if owner:
                raise UsageError(
                    f"{_address(plugin)} cannot be registered as the {self.kind} {name!r}: that name belongs to "
                    f"{owner}. Choose another name, or pass replace=True to take it."
                )

    def _owner_but(self, plugin: type[Any], name: str, entry_point: EntryPoint | None) -> str | None:
        """Return the address of the plugin that `name` belongs to, unless it is `plugin` itself."""
        if name in self._classes:
            owner = _address(self._classes[name])
            return owner if owner != _address(plugin) else None
        listed = self._scan().get(name)
        if listed is None or (entry_point and listed == entry_point) or _leads_to(listed, plugin):
            return None
        return listed.value

    def _evict(self, plugin: type[Any], names: tuple[str, ...]) -> None:
        """Take away whatever stands in the way of `plugin`: its earlier self, and those whose own name it takes."""
        for name, cls in list(self._classes.items()):
            loses_its_own_name = getattr(cls, self._type_attribute) in names
            if loses_its_own_name or _address(cls) == _address(plugin):
                del self._classes[name]

    def _unknown(self, name: str) -> UnknownTypeError:
        if self.base is CrowdProvider and (why := _CLOSED.get(_bare(name)) or _say_preset(name)):
            return UnknownTypeError(
                f"There is no {self.kind} {name!r}: {why} There are: {', '.join(self.names()) or 'none'}."
            )
        near = get_close_matches(name, {*self._classes, *self._scan()}, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        a = "An" if self.kind[0] in "aeiou" else "A"
        return UnknownTypeError(
            f"There is no {self.kind} {name!r}. {hint}There are: {', '.join(self.names()) or 'none'}. "
            f"{a} {self.kind} of your own needs @register_mephisto_abstraction() above its class: run the cell, or "
            "import the module, that defines it."
        )


def _bare(name: str) -> str:
    """Return a name without what spellings of it differ by, as 'mturksandbox' for 'MTurk-Sandbox'."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _say_preset(name: str) -> str:
    preset = _PRESETS.get(_bare(name))
    if preset is None:
        return ""
    return f"it is a preset. Write provider='external', provider_args={{'preset': {preset!r}, ...}}."


def installed(group: str) -> Sequence[EntryPoint]:
    """Return the entry points of a group, those of packages installed since the last call among them."""
    return _read_entry_points(group, _places())


def _places() -> tuple[tuple[str, int], ...]:
    """Return where packages are installed, and when something last was."""
    found = []
    for path in sys.path:
        with suppress(OSError):
            found.append((path, os.stat(path or ".").st_mtime_ns))
    return tuple(found)


@lru_cache(maxsize=8)
def _read_entry_points(group: str, places: object) -> Sequence[EntryPoint]:
    """Read them once while nothing is installed: it means to open a file of every package that there is."""
    return tuple(entry_points(group=group))


def _address(plugin: type[Any]) -> str:
    return f"{plugin.__module__}:{plugin.__qualname__}"


def _leads_to(entry_point: EntryPoint, plugin: type[Any]) -> bool:
    """Return whether an entry point means this class; a package may define it in one module, show it in another."""
    same_package = entry_point.module.partition(".")[0] == plugin.__module__.partition(".")[0]
    return same_package and entry_point.attr == plugin.__qualname__


Plugin = TypeVar("Plugin", bound=type[Any])

BLUEPRINTS = PluginShelf("blueprint", "mephisto_nb.blueprints", Blueprint, "BLUEPRINT_TYPE")
ARCHITECTS = PluginShelf("architect", "mephisto_nb.architects", Architect, "ARCHITECT_TYPE")
PROVIDERS = PluginShelf("provider", "mephisto_nb.providers", CrowdProvider, "PROVIDER_TYPE")
_SHELVES = (BLUEPRINTS, ARCHITECTS, PROVIDERS)


@overload
def register_mephisto_abstraction(plugin: Plugin) -> Plugin: ...
@overload
def register_mephisto_abstraction(*, replace: bool = False) -> Callable[[Plugin], Plugin]: ...
def register_mephisto_abstraction(
    plugin: Plugin | None = None, *, replace: bool = False
) -> Plugin | Callable[[Plugin], Plugin]:
    """Register a Blueprint, Architect or CrowdProvider under its type name and aliases; with or without parentheses.

    Running a notebook cell that defines a plugin again replaces the earlier class.

    Parameters
    ----------
    replace
        Take the name even from another plugin, such as a shipped one.

    Raises
    ------
    UsageError
        The class is no complete plugin, or its name belongs to another one.

    Examples
    --------
    >>> from mephisto_nb.providers.link import LinkProvider
    >>> @register_mephisto_abstraction()
    ... class LabProvider(LinkProvider):
    ...     PROVIDER_TYPE = "lab"
    ...     ALIASES = ()
    >>> get_crowd_provider_from_type("lab") is LabProvider
    True
    """

    def register(plugin: Plugin) -> Plugin:
        _shelf_for(plugin).register(plugin, replace=replace)
        return plugin

    return register if plugin is None else register(plugin)


def fill_registries() -> None:
    """Load every plugin that is installed. A broken one is warned of and left out."""
    for shelf in _SHELVES:
        shelf.fill()


def get_blueprint_from_type(name: str) -> type[Blueprint[Any]]:
    """Return the Blueprint class of this name or alias.

    Raises
    ------
    UnknownTypeError
        Nothing is registered under the name, or the plugin that bears it cannot be loaded.
    """
    return cast("type[Blueprint[Any]]", BLUEPRINTS.get(name))


def get_architect_from_type(name: str) -> type[Architect[Any]]:
    """Return the Architect class of this name or alias.

    Raises
    ------
    UnknownTypeError
        Nothing is registered under the name, or the plugin that bears it cannot be loaded.
    """
    return cast("type[Architect[Any]]", ARCHITECTS.get(name))


def get_crowd_provider_from_type(name: str) -> type[CrowdProvider[Any]]:
    """Return the CrowdProvider class of this name or alias.

    Raises
    ------
    UnknownTypeError
        Nothing is registered under the name, or the plugin that bears it cannot be loaded.
    """
    return cast("type[CrowdProvider[Any]]", PROVIDERS.get(name))


def get_valid_blueprint_types() -> list[str]:
    """Return the names of all blueprints, sorted, without loading any."""
    return BLUEPRINTS.names()


def get_valid_architect_types() -> list[str]:
    """Return the names of all architects, sorted, without loading any."""
    return ARCHITECTS.names()


def get_valid_provider_types() -> list[str]:
    """Return the names of all crowd providers, sorted, without loading any."""
    return PROVIDERS.names()


def _shelf_for(plugin: object) -> PluginShelf:
    for shelf in _SHELVES:
        if isinstance(plugin, type) and issubclass(plugin, shelf.base):
            return shelf
    raise UsageError(
        f"{plugin!r} cannot be registered: it is no subclass of Blueprint, Architect or CrowdProvider. "
        "Derive it from one of them."
    )
