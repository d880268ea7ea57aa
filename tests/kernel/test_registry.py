"""Plugins come in by entry point or by decorator, and are found by name."""

from __future__ import annotations

import re
import sys
import types
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.config import registry
from mephisto_nb.config import registry as plugin_shelf
from mephisto_nb.config.registry import PluginShelf, register_mephisto_abstraction
from mephisto_nb.errors import UnknownTypeError, UsageError
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.crowd_provider import CrowdProvider, Identity


@dataclass
class Args:
    _provider_type: str = "lab"


class LabProvider(CrowdProvider[Args]):
    PROVIDER_TYPE = "lab"
    ALIASES = ("laboratory",)
    ArgsClass = Args

    def get_wrapper_js_path(self) -> Path:
        return Path("wrap.js")

    def identify(self, provider_data: dict[str, Any]) -> Identity:
        return Identity("w", "r")


def make_class(name: str = "OtherProvider", **attributes: Any) -> type[Any]:
    return type(name, (LabProvider,), {"__module__": __name__, "__qualname__": name, **attributes})


@pytest.fixture(autouse=True)
def shelf(monkeypatch: pytest.MonkeyPatch) -> PluginShelf:
    """An empty shelf of providers, in the place of the real one."""
    monkeypatch.setattr(plugin_shelf, "installed", lambda group: [])
    empty = PluginShelf("provider", "mephisto_nb.providers", CrowdProvider, "PROVIDER_TYPE")
    monkeypatch.setattr(registry, "PROVIDERS", empty)
    monkeypatch.setattr(registry, "_SHELVES", (registry.BLUEPRINTS, registry.ARCHITECTS, empty))
    return empty


def install(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    found = [EntryPoint(name, value, "mephisto_nb.providers") for name, value in values.items()]
    monkeypatch.setattr(plugin_shelf, "installed", lambda group: found)


def test_a_registered_class_is_found_by_name_and_alias() -> None:
    assert register_mephisto_abstraction(LabProvider) is LabProvider
    assert registry.get_crowd_provider_from_type("lab") is LabProvider
    assert registry.get_crowd_provider_from_type("laboratory") is LabProvider
    assert registry.get_valid_provider_types() == ["lab"]


def test_the_decorator_works_with_parentheses() -> None:
    assert register_mephisto_abstraction()(LabProvider) is LabProvider
    assert registry.get_crowd_provider_from_type("lab") is LabProvider


def test_running_a_cell_again_replaces_its_class_and_its_old_aliases() -> None:
    first, second = make_class(ALIASES=("old",)), make_class(ALIASES=("new",))
    register_mephisto_abstraction(first)
    register_mephisto_abstraction(second)
    assert registry.get_crowd_provider_from_type("new") is second
    with pytest.raises(UnknownTypeError):
        registry.get_crowd_provider_from_type("old")


def test_another_class_cannot_take_a_name_by_accident() -> None:
    register_mephisto_abstraction(LabProvider)
    with pytest.raises(UsageError, match=r"belongs to .*LabProvider.*replace=True"):
        register_mephisto_abstraction(make_class())
    assert registry.get_crowd_provider_from_type("lab") is LabProvider


def test_a_name_can_be_taken_on_purpose() -> None:
    register_mephisto_abstraction(LabProvider)
    taker = register_mephisto_abstraction(replace=True)(make_class(ALIASES=()))
    assert registry.get_crowd_provider_from_type("lab") is taker
    with pytest.raises(UnknownTypeError):
        registry.get_crowd_provider_from_type("laboratory")


def test_the_name_of_a_plugin_that_is_not_loaded_yet_is_taken_too(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lab="some_package:Lab")
    with pytest.raises(UsageError, match="belongs to some_package:Lab"):
        register_mephisto_abstraction(LabProvider)


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"PROVIDER_TYPE": ""}, "PROVIDER_TYPE must be a name"),
        ({"ALIASES": "lab2"}, "ALIASES must be a tuple"),
        ({"ArgsClass": dict}, "ArgsClass must be a dataclass"),
    ],
)
def test_an_unusable_class_is_refused(attributes: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        register_mephisto_abstraction(make_class(**attributes))


def test_an_incomplete_class_is_refused_with_what_it_lacks() -> None:
    class Incomplete(Blueprint[Args]):
        BLUEPRINT_TYPE = "incomplete"
        ArgsClass = Args

    with pytest.raises(UsageError, match="does not define build_site, get_initialization_data"):
        register_mephisto_abstraction(Incomplete)


def test_what_is_no_plugin_is_refused() -> None:
    with pytest.raises(UsageError, match="no subclass of Blueprint, Architect or CrowdProvider"):
        register_mephisto_abstraction(int)


def test_an_unknown_name_is_refused_with_the_nearest_and_a_remedy() -> None:
    register_mephisto_abstraction(LabProvider)
    with pytest.raises(UnknownTypeError, match=re.escape("no provider 'labb'. Did you mean 'lab'? There are: lab.")):
        registry.get_crowd_provider_from_type("labb")


def test_an_entry_point_is_listed_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lab="no_such_package:Lab")
    assert registry.get_valid_provider_types() == ["lab"]


def test_an_entry_point_is_loaded_when_its_name_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lab=f"{__name__}:LabProvider")
    assert registry.get_crowd_provider_from_type("lab") is LabProvider


def test_an_alias_of_a_plugin_that_is_not_loaded_yet_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lab=f"{__name__}:LabProvider")
    assert registry.get_crowd_provider_from_type("laboratory") is LabProvider


def test_a_broken_plugin_names_itself_and_harms_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(monkeypatch, broken="no_such_package:Lab", lab=f"{__name__}:LabProvider")
    registry.PROVIDERS.fill()
    assert "'broken' (no_such_package:Lab) cannot be loaded" in caplog.text
    assert registry.get_crowd_provider_from_type("lab") is LabProvider
    with pytest.raises(UnknownTypeError, match="cannot be loaded: ModuleNotFoundError"):
        registry.get_crowd_provider_from_type("broken")


def test_a_class_that_registers_itself_on_loading_is_one_plugin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = __name__.partition(".")[0]
    install(monkeypatch, lab=f"{package}.somewhere_else:LabProvider")
    register_mephisto_abstraction(LabProvider)
    assert registry.get_crowd_provider_from_type("lab") is LabProvider


def test_an_entry_point_may_lead_through_another_module(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = types.ModuleType("shown_here")
    shown.Lab = LabProvider  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shown_here", shown)
    install(monkeypatch, lab="shown_here:Lab")
    assert registry.get_crowd_provider_from_type("lab") is LabProvider


def test_an_entry_point_must_bear_the_name_of_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, laab=f"{__name__}:LabProvider")
    with pytest.raises(UnknownTypeError, match="PROVIDER_TYPE is not 'laab'"):
        registry.get_crowd_provider_from_type("laab")


@pytest.mark.parametrize("ours_comes", [0, 1])
def test_a_shipped_plugin_keeps_its_name_against_an_installed_one(
    monkeypatch: pytest.MonkeyPatch, shelf: PluginShelf, ours_comes: int
) -> None:
    found = [EntryPoint("link", "some_package:Mock", "mephisto_nb.providers")]
    found.insert(ours_comes, EntryPoint("link", "mephisto_nb.providers.link:LinkProvider", "mephisto_nb.providers"))
    monkeypatch.setattr(plugin_shelf, "installed", lambda group: found)
    with pytest.raises(UsageError, match=r"belongs to mephisto_nb\.providers\.link:LinkProvider"):
        shelf.register(make_class(PROVIDER_TYPE="link", ALIASES=()))


def test_a_package_installed_meanwhile_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real list of what is installed
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.installed("mephisto_nb.providers")
    info = tmp_path / "campus_pool-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: campus-pool\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mephisto_nb.providers]\ncampus = campus_pool:Campus\n")
    assert "campus" in [entry.name for entry in registry.installed("mephisto_nb.providers")]
