"""Operators in temporary directories; and plugins that do nothing, in registries that hold nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.config import registry
from mephisto_nb.config import registry as plugin_shelf
from mephisto_nb.config.registry import PluginShelf
from mephisto_nb.operator import Operator
from mephisto_nb.ports.architect import Architect
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.crowd_provider import CrowdProvider
from mephisto_nb.testing.fake_clock import FakeClock
from tests.kernel.runs import end_routers
from tests.kernel.visiting import Town, TownProvider


@dataclass(slots=True)
class PageArgs:
    _blueprint_type: str = "page"
    task_html: str | None = None
    data_csv: str | None = None
    units_per_assignment: int = 1
    tags: list[str] = field(default_factory=list)


@dataclass
class LocalArgs:
    server_type: str = "python"
    port: str = "3000"


@dataclass
class CloudArgs:
    profile_name: str = "???"

    def __post_init__(self) -> None:
        if self.profile_name == "root":
            raise ValueError("not as root")


@dataclass
class LinkArgs:
    _provider_type: str = "link"


def make_plugin(base: type[Any], name: str, args_class: type[Any], aliases: tuple[str, ...] = ()) -> type[Any]:
    """A plugin whose methods are there, and do nothing."""
    attributes: dict[type[Any], str] = {
        Blueprint: "BLUEPRINT_TYPE",
        Architect: "ARCHITECT_TYPE",
        CrowdProvider: "PROVIDER_TYPE",
    }
    methods = dict.fromkeys(base.__abstractmethods__, lambda *_: None)
    return type(
        f"{name}{base.__name__}",
        (base,),
        {attributes[base]: name, "ALIASES": aliases, "ArgsClass": args_class} | methods,
    )


@pytest.fixture
def add_blueprint() -> Callable[[str, type[Any]], None]:
    """Register a blueprint of this name and ArgsClass."""
    return lambda name, args_class: registry.BLUEPRINTS.register(make_plugin(Blueprint, name, args_class))


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The blueprint "page" (alias "static_page"), the architects "local" and "cloud", the provider "link"."""
    monkeypatch.setattr(plugin_shelf, "installed", lambda group: [])
    for name in ("BLUEPRINTS", "ARCHITECTS", "PROVIDERS"):
        real = getattr(registry, name)
        monkeypatch.setattr(registry, name, PluginShelf(real.kind, "none", real.base, real._type_attribute))
    registry.BLUEPRINTS.register(make_plugin(Blueprint, "page", PageArgs, ("static_page",)))
    registry.ARCHITECTS.register(make_plugin(Architect, "local", LocalArgs))
    registry.ARCHITECTS.register(make_plugin(Architect, "cloud", CloudArgs))
    registry.PROVIDERS.register(make_plugin(CrowdProvider, "link", LinkArgs, ("mock",)))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Where an operator keeps everything."""
    return tmp_path / "data"


@pytest.fixture
async def make_operator(data_dir: Path) -> AsyncIterator[Callable[..., Operator]]:
    """Make operators of one data directory, and end whatever they leave behind."""
    made: list[Operator] = []

    def make(**kwargs: Any) -> Operator:
        made.append(Operator(data_dir=data_dir, **kwargs))
        return made[-1]

    yield make
    for operator in made:
        await operator.force_shutdown()
    await end_routers(data_dir)


@pytest.fixture
def operator(make_operator: Callable[..., Operator]) -> Operator:
    return make_operator()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def timed_operator(make_operator: Callable[..., Operator], clock: FakeClock) -> Operator:
    """An operator whose time passes when `clock` says so."""
    return make_operator(clock=clock)


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> Town:
    """The crowd's side; its provider is registered for this test."""
    found = Town()
    monkeypatch.setattr(TownProvider, "town", found, raising=False)
    if "town" not in registry.get_valid_provider_types():
        registry.PROVIDERS.register(TownProvider)
    return found
