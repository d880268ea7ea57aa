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
from mephisto_nb.model.task_run_args import stored_task_pay

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


def pay_of(**task: Any) -> list[str]:
    pay = stored_task_pay(resolve_config(compose("page", task={**TASK, **task})).as_dict())
    return [str(amount) for amount in (pay.task_reward, pay.minimum_hourly_pay, pay.maximum_bonus)]


def test_amounts_are_of_the_currency_of_the_task() -> None:
    assert pay_of() == ["$0.15", "$8.00", "$20.00"]
    assert pay_of(currency="GBP") == ["£0.15", "£6.00", "£20.00"]
    assert pay_of(currency="JPY", task_reward=30) == ["30 JPY", "0 JPY", "20 JPY"]
    assert pay_of(currency="EUR", minimum_hourly_pay=9, maximum_bonus=0.5) == ["€0.15", "€9.00", "€0.50"]
    assert pay_of(minimum_hourly_pay=0)[1] == "$0.00"


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ({"currency": "dollars"}, r"mephisto\.task\.currency is 'dollars'\. Give a currency's code"),
        ({"task_reward": 0.0000012}, r"mephisto\.task\.task_reward cannot be 1\.2e-06: .*at most 5 decimal places"),
        ({"currency": "JPY", "task_reward": 0.00012}, r"mephisto\.task\.task_reward cannot be .*JPY have at most 3"),
        ({"minimum_hourly_pay": 1 / 3}, r"mephisto\.task\.minimum_hourly_pay cannot be .*Round it"),
        ({"maximum_bonus": float("inf")}, r"mephisto\.task\.maximum_bonus cannot be inf"),
        ({"task_reward": -0.1}, r"mephisto\.task\.task_reward is -0\.1; it must be 0 or more"),
    ],
)
def test_an_amount_that_cannot_be_exact_is_refused_by_its_key(task: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        resolve_config(compose("page", task={**TASK, **task}))


def test_what_was_stored_before_amounts_were_exact_is_rounded() -> None:
    stored = resolve_config(compose("page", task=TASK)).as_dict()
    del stored["mephisto"]["task"]["currency"]
    stored["mephisto"]["task"] |= {"task_reward": 0.1234567, "minimum_hourly_pay": 12.0, "maximum_bonus": float("inf")}
    assert settings_from_dict(stored).task.currency == "USD"
    pay = stored_task_pay(stored)
    assert (str(pay.task_reward), str(pay.minimum_hourly_pay)) == ("$0.12346", "$12.00")
    assert pay.maximum_bonus > pay.minimum_hourly_pay
