"""The shipped plugins come in by the public door, and a Mephisto 1.x task of theirs loads as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mephisto_nb.config import registry
from mephisto_nb.config.hydra_config import compose, resolve_config

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
    assert (settings.architect_type, settings.provider_type) == ("local", "link")


def test_a_page_with_fields_of_its_own_is_text() -> None:
    config = compose("static_html", blueprint_args={"task_html": "<p>${name}</p>"})
    assert config.mephisto.blueprint.task_html == "<p>${name}</p>"


REACT_OF_OLD = """\
#@package _global_
defaults:
  - /mephisto/blueprint: {blueprint}
  - /mephisto/architect: local
  - /mephisto/provider: mock
mephisto:
  blueprint:
    task_source: ${{task_dir}}/webapp/build/bundle.js
    task_source_review: ""
    link_task_source: false
    extra_source_dir: ${{task_dir}}/webapp/src/static
    units_per_assignment: 1
  task:
    task_name: react-example
    task_title: "Rate a sentence"
    task_description: "Rate a sentence."
    task_reward: 0.05
    task_tags: "test,simple,button"
    force_rebuild: true
"""


@pytest.mark.parametrize("blueprint", ["static_react_task", "remote_procedure"])
def test_the_yaml_of_a_react_task_of_old_loads_as_it_is(blueprint: str, tmp_path: Path) -> None:
    file = tmp_path / "hydra_configs" / "conf" / "example.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(REACT_OF_OLD.format(blueprint=blueprint), encoding="utf-8")
    config = compose(config=file, overrides=[f"task_dir={tmp_path}"])
    settings = resolve_config(config)
    assert settings.blueprint_type == blueprint
    assert settings.blueprint_args.task_source == f"{tmp_path}/webapp/build/bundle.js"


def test_the_crowd_of_links_answers_to_its_old_name() -> None:
    for choice in ({"provider": "mock"}, {"overrides": ["mephisto/provider=mock"]}, {}):
        assert compose("mock", **choice).mephisto.provider._provider_type == "link"
    assert registry.get_crowd_provider_from_type("mock") is registry.get_crowd_provider_from_type("link")
    assert "mock" not in registry.get_valid_provider_types()


@pytest.mark.parametrize(("section", "name", "ours"), [("provider", "inhouse", "link"), ("architect", "mock", "local")])
def test_kinds_of_mephisto_1_are_ours_by_another_name(section: str, name: str, ours: str) -> None:
    known = {"provider": {"ui_base_url": "http://localhost:3001"}, "architect": {"should_run_server": True}}
    config = compose("mock", **{section: name, f"{section}_args": known[section]})
    assert config.mephisto[section][f"_{section}_type"] == ours
