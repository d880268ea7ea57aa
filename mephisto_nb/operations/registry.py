"""Where blueprints, architects and crowd providers are found by name.

A plugin comes in by one of two doors: an entry point of the group ``mephisto_nb.blueprints``,
``mephisto_nb.architects`` or ``mephisto_nb.providers`` (how the shipped ones come too), or
`register_mephisto_abstraction`, for a class in a script or a notebook cell. Names are listed without importing
anything; an entry point is loaded when its name is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

from mephisto_nb.config.registry import PluginShelf
from mephisto_nb.errors import UsageError
from mephisto_nb.ports.architect import Architect
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.crowd_provider import CrowdProvider

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
    >>> from mephisto_nb.providers.link import MockProvider
    >>> @register_mephisto_abstraction()
    ... class LabProvider(MockProvider):
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
    """Give the Blueprint class of this name or alias.

    Raises
    ------
    UnknownTypeError
        Nothing is registered under the name, or the plugin that bears it cannot be loaded.
    """
    return cast("type[Blueprint[Any]]", BLUEPRINTS.get(name))


def get_architect_from_type(name: str) -> type[Architect[Any]]:
    """Give the Architect class of this name or alias.

    Raises
    ------
    UnknownTypeError
        Nothing is registered under the name, or the plugin that bears it cannot be loaded.
    """
    return cast("type[Architect[Any]]", ARCHITECTS.get(name))


def get_crowd_provider_from_type(name: str) -> type[CrowdProvider[Any]]:
    """Give the CrowdProvider class of this name or alias.

    Raises
    ------
    UnknownTypeError
        Nothing is registered under the name, or the plugin that bears it cannot be loaded.
    """
    return cast("type[CrowdProvider[Any]]", PROVIDERS.get(name))


def get_valid_blueprint_types() -> list[str]:
    """Give the names of all blueprints, sorted, without loading any."""
    return BLUEPRINTS.names()


def get_valid_architect_types() -> list[str]:
    """Give the names of all architects, sorted, without loading any."""
    return ARCHITECTS.names()


def get_valid_provider_types() -> list[str]:
    """Give the names of all crowd providers, sorted, without loading any."""
    return PROVIDERS.names()


def _shelf_for(plugin: object) -> PluginShelf:
    for shelf in _SHELVES:
        if isinstance(plugin, type) and issubclass(plugin, shelf.base):
            return shelf
    raise UsageError(
        f"{plugin!r} cannot be registered: it is no subclass of Blueprint, Architect or CrowdProvider. "
        "Derive it from one of them."
    )
