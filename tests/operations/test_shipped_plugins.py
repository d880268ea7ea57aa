"""The shipped plugins come in by the public door, and a Mephisto 1.x task of theirs loads as it is."""

from __future__ import annotations

from pathlib import Path

from mephisto_nb.operations import registry
from mephisto_nb.operations.hydra_config import compose, resolve_config

STATIC_HTML_TASK = """#@package _global_
defaults:
  - /mephisto/blueprint: static_task
  - /mephisto/provider: mock
mephisto:
  blueprint:
    data_csv: ${task_dir}/data.csv
    task_source: ${task_dir}/server_files/demo_task.html
    preview_source: ${task_dir}/server_files/demo_preview.html
    extra_source_dir: ${task_dir}/server_files/extra_refs
    units_per_assignment: 2
  task:
    task_name: html-static-task-example
    task_title: "Test static task"
    task_description: "This is a simple test of static tasks."
    task_reward: 0.3
    task_tags: "static,task,testing"
    maximum_units_per_worker: 1
"""


def test_every_shipped_plugin_loads() -> None:
    assert "static_html" in registry.get_valid_blueprint_types()
    assert [registry.get_blueprint_from_type(name) for name in registry.get_valid_blueprint_types()]
    assert [registry.get_crowd_provider_from_type(name) for name in registry.get_valid_provider_types()]
    assert [registry.get_architect_from_type(name) for name in registry.get_valid_architect_types()]


def test_a_mephisto_1_static_task_loads_as_it_is(tmp_path: Path) -> None:
    conf = tmp_path / "hydra_configs" / "conf"
    conf.mkdir(parents=True)
    (conf / "example.yaml").write_text(STATIC_HTML_TASK)
    settings = resolve_config(compose(config=conf / "example.yaml"))
    assert settings.blueprint_type == "static_html"
    assert settings.blueprint_args.task_source == f"{tmp_path}/server_files/demo_task.html"
    assert (settings.architect_type, settings.provider_type) == ("local", "mock")


def test_a_page_with_fields_of_its_own_is_text() -> None:
    config = compose("static_html", blueprint_args={"task_html": "<p>${name}</p>"})
    assert config.mephisto.blueprint.task_html == "<p>${name}</p>"
