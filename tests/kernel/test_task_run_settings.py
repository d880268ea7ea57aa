"""The settings of a run: complete, typed, storable, and refused before anything is written."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from mephisto_nb.config import registry
from mephisto_nb.config.hydra_config import check_config, compose, resolve_config, settings_from_dict
from mephisto_nb.errors import ConfigError, MissingValueError, UnknownKeyError, UnknownTypeError

pytestmark = pytest.mark.usefixtures("plugins")

AddBlueprint = Callable[[str, type[Any]], None]

TASK = {
    "task_name": "colours",
    "task_title": "Colours",
    "task_description": "Name the colour.",
    "task_reward": 0.15,
    "task_tags": "colours",
}


def test_settings_are_typed_objects() -> None:
    settings = resolve_config(compose("static_page", task=TASK, blueprint_args={"units_per_assignment": "3"}))
    assert settings.task.task_reward == 0.15
    assert settings.blueprint_type == "page"
    assert isinstance(settings.blueprint_args, registry.get_blueprint_from_type("page").ArgsClass)
    assert (settings.blueprint_args.units_per_assignment, settings.architect_args.port) == (3, "3000")
    assert settings.log_level == "info"


def test_all_missing_values_are_told_together() -> None:
    with pytest.raises(
        MissingValueError, match=r"lacks 3 values: mephisto\.architect\.profile_name, .*task_tags"
    ) as info:
        check_config(compose("page", architect="cloud", task={**TASK, "task_reward": "???", "task_tags": "???"}))
    assert "compose(..., task={'task_reward': ..., 'task_tags': ...})" in str(info.value)


def test_a_value_set_after_composing_counts() -> None:
    config = compose("page", task=TASK)
    config.mephisto.task.task_reward = 0.5
    assert resolve_config(config).task.task_reward == 0.5


def test_a_default_that_a_function_gives_is_asked_for_each_time(add_blueprint: AddBlueprint) -> None:
    numbers = itertools.count()

    @dataclass
    class Args:
        batch: int = field(default_factory=lambda: next(numbers))

    add_blueprint("batches", Args)
    first, second = (compose("batches", task=TASK).mephisto.blueprint.batch for _ in range(2))
    assert second > first


def test_settings_outlive_the_kernel() -> None:
    html = "<p>${name}</p>"
    settings = resolve_config(compose("page", task=TASK, blueprint_args={"task_html": html}))
    assert settings_from_dict(json.loads(json.dumps(settings.as_dict()))) == settings


class Shade(Enum):
    DARK = "dark"


@dataclasses.dataclass
class ShadeArgs:
    shade: Shade = Shade.DARK
    source: Path = Path("a/b")


def test_enumerations_and_paths_outlive_the_kernel_too(add_blueprint: AddBlueprint) -> None:
    add_blueprint("shade", ShadeArgs)
    settings = resolve_config(compose("shade", task=TASK, blueprint_args={"shade": Shade.DARK}))
    assert (settings.blueprint_args.shade, settings.blueprint_args.source) == (Shade.DARK, Path("a/b"))
    assert settings_from_dict(json.loads(json.dumps(settings.as_dict()))) == settings


def test_stored_settings_have_no_interpolation_or_database_address() -> None:
    overrides = ["mephisto.blueprint.data_csv=${task_dir}/a.csv", "mephisto.database.url='sqlite:///secret'"]
    settings = resolve_config(compose("page", task=TASK, overrides=overrides, task_dir="/tasks"))
    assert settings.database.url == "sqlite:///secret"
    assert "secret" not in repr(settings) + json.dumps(settings.as_dict())
    assert settings.as_dict()["mephisto"]["blueprint"]["data_csv"] == "/tasks/a.csv"


def test_settings_of_an_earlier_version_load_without_removed_keys() -> None:
    settings = resolve_config(compose("page", task=TASK))
    stored = settings.as_dict()
    stored["mephisto"]["blueprint"]["old_key"] = 1
    assert settings_from_dict(stored).blueprint_args == settings.blueprint_args


def test_settings_of_an_unknown_plugin_are_refused_with_a_remedy(add_blueprint: AddBlueprint) -> None:
    add_blueprint("from_a_cell", registry.get_blueprint_from_type("page").ArgsClass)
    stored = resolve_config(compose("from_a_cell", task=TASK)).as_dict()
    registry.BLUEPRINTS._classes.pop("from_a_cell")
    with pytest.raises(UnknownTypeError, match="run the cell"):
        settings_from_dict(stored)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("mephisto.task.task_reward=-1", r"mephisto\.task\.task_reward is -1\.0"),
        (
            "mephisto.task.task_title=${nothing}",
            r"mephisto\.task\.task_title cannot be resolved: .*'nothing' not found",
        ),
        ("mephisto.task.task_reward=${mephisto.task.task_name}", r"mephisto\.task\.task_reward cannot be resolved"),
        ("mephisto.log_level=loud", "no log level 'loud'"),
        ("mephisto.database._database_type=oracle", "must be one of sqlite, singleton, local, postgresql"),
        ("mephisto.database._database_type=postgresql", "needs an address"),
    ],
)
def test_a_value_that_no_run_could_follow_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_config(compose("page", task=TASK, overrides=[override]))


def test_what_a_plugin_s_own_settings_refuse_is_told() -> None:
    with pytest.raises(ConfigError, match=r"mephisto\.architect is refused by its own class: not as root"):
        resolve_config(compose("page", architect="cloud", architect_args={"profile_name": "root"}, task=TASK))


def test_settings_that_hydra_cannot_hold_name_their_class(add_blueprint: AddBlueprint) -> None:
    add_blueprint("odd", dataclasses.make_dataclass("OddArgs", [("value", complex, 0j)]))
    with pytest.raises(ConfigError, match=r"oddBlueprint\.ArgsClass \(OddArgs\) cannot be used for settings"):
        compose("odd")


@pytest.mark.parametrize("wrap", [dict, OmegaConf.create])
def test_a_configuration_from_elsewhere_is_checked_alike(wrap: Any) -> None:
    given = {"mephisto": {"blueprint": {"_blueprint_type": "page"}, "task": TASK}}
    assert resolve_config(wrap(given)).provider_type == "link"
    with pytest.raises(UnknownKeyError, match="task_rewrad"):
        resolve_config(wrap({"mephisto": {**given["mephisto"], "task": {**TASK, "task_rewrad": 1}}}))
