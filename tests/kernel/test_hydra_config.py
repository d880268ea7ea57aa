"""Composing a task's configuration in a notebook: where values come from, and which of them wins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
import pytest
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.version import getbase
from omegaconf import OmegaConf

from mephisto_nb.config.hydra_config import (
    TaskConfig,
    build_default_task_config,
    compose,
    register_script_config,
    resolve_config,
)
from mephisto_nb.errors import ConfigError, MissingValueError, UnknownKeyError, UnknownTypeError

pytestmark = pytest.mark.usefixtures("plugins")

MEPHISTO_1_TASK = """
#@package _global_
defaults:
  - /mephisto/blueprint: static_page
  - /mephisto/architect: local
  - /mephisto/provider: mock

mephisto:
  blueprint:
    data_csv: ${task_dir}/data.csv
    units_per_assignment: 2
  architect:
    server_type: node
    port: "3001"
  task:
    task_name: html-static-task-example
    task_title: "Test static task"
    task_description: "Say 'hello'."
    task_reward: 0.3
    task_tags: "static,task,testing"
  database:
    _database_type: singleton
hydra:
  run:
    dir: somewhere
"""


@pytest.fixture
def task_dir(tmp_path: Path) -> Path:
    """The folder of a Mephisto 1.x task."""
    conf = tmp_path / "my_task" / "hydra_configs" / "conf"
    conf.mkdir(parents=True)
    (conf / "example.yaml").write_text(MEPHISTO_1_TASK.lstrip())
    (conf / "cheap.yaml").write_text(
        "#@package _global_\ndefaults:\n  - example\nmephisto: {task: {task_reward: 0.1}}\n"
    )
    (conf.parent / "main.yaml").write_text("defaults:\n  - conf: example\n")
    return tmp_path / "my_task"


def test_without_a_file_local_and_link_are_the_architect_and_provider() -> None:
    config = compose("page")
    assert config.mephisto.blueprint._blueprint_type == "page"
    assert config.mephisto.architect.port == "3000"
    assert config.mephisto.provider._provider_type == "link"
    assert config.mephisto.task.task_lifetime_in_seconds == 0
    assert config.task_dir == str(Path.cwd())


def test_overrides_win_over_python_values_and_those_over_a_file(task_dir: Path) -> None:
    config = compose(
        config=task_dir / "hydra_configs" / "conf" / "example.yaml",
        task={"task_title": "Python", "task_reward": 0.2},
        overrides=["mephisto.task.task_reward=0.15"],
    )
    task = config.mephisto.task
    assert (task.task_name, task.task_title, task.task_reward) == ("html-static-task-example", "Python", 0.15)


def test_python_values_are_literal_and_of_any_length() -> None:
    html = "<p>${name} \\${name} \\\\${</p>\n" * 100
    config = compose("page", blueprint_args={"task_html": html, "tags": ("a, b", "=")}, task_dir="/${x}")
    assert config.mephisto.blueprint.task_html == html
    assert config.mephisto.blueprint.tags == ["a, b", "="]
    assert config.task_dir == "/${x}"


def test_paths_and_numbers_of_other_libraries_are_taken() -> None:
    numpy = pytest.importorskip("numpy")
    config = compose(
        "page",
        task={"task_reward": numpy.float64(0.15)},
        blueprint_args={"data_csv": Path("a/b.csv"), "units_per_assignment": numpy.int64(3)},
    )
    assert config.mephisto.blueprint.data_csv == str(Path("a/b.csv"))
    assert config.mephisto.blueprint.units_per_assignment == 3
    assert config.mephisto.task.task_reward == 0.15


def test_an_override_is_interpolated() -> None:
    config = compose("page", overrides=["mephisto.blueprint.data_csv=${task_dir}/a.csv"], task_dir="/tasks")
    assert config.mephisto.blueprint.data_csv == "/tasks/a.csv"


def test_one_override_needs_no_list() -> None:
    assert compose("page", overrides="num_tasks=3").num_tasks == 3


def test_a_plugin_can_be_chosen_in_every_way() -> None:
    for config in (
        compose("page", architect="cloud"),
        compose("page", overrides=["mephisto/architect=cloud"]),
        compose("page", config={"defaults": [{"/mephisto/architect": "cloud"}]}),
        compose("page", config={"mephisto": {"architect": {"_architect_type": "cloud"}}}),
    ):
        assert config.mephisto.architect._architect_type == "cloud"


def test_a_mephisto_1_task_loads_as_it_is(task_dir: Path) -> None:
    settings = resolve_config(compose(config=str(task_dir / "hydra_configs" / "conf" / "example.yaml")))
    assert settings.blueprint_type == "page"
    assert settings.blueprint_args.data_csv == f"{task_dir}/data.csv"
    assert (settings.architect_args.server_type, settings.architect_args.port) == ("node", "3001")
    assert settings.database._database_type == "sqlite"


def test_the_task_folder_can_be_given(task_dir: Path) -> None:
    config = compose(config=task_dir / "hydra_configs" / "conf" / "example.yaml", task_dir="/elsewhere")
    assert config.mephisto.blueprint.data_csv == "/elsewhere/data.csv"


def test_files_may_build_on_one_another(task_dir: Path) -> None:
    root = task_dir / "hydra_configs"
    assert compose(config=root / "conf" / "cheap.yaml").mephisto.task.task_reward == 0.1
    assert compose(config=root / "main.yaml").mephisto.task.task_reward == 0.3
    assert compose(config=root / "main.yaml", overrides=["conf=cheap"]).mephisto.task.task_reward == 0.1


def test_a_file_in_a_group_without_a_package_is_global(task_dir: Path) -> None:
    path = task_dir / "hydra_configs" / "conf" / "bare.yaml"
    path.write_text("mephisto: {task: {task_reward: 0.4}}")
    assert compose("page", config=path).mephisto.task.task_reward == 0.4


def test_a_configuration_builds_on_another() -> None:
    first = compose("page", task={"task_name": "first"}, blueprint_args={"task_html": "${x}"}, task_dir="/tasks")
    second = compose(config=first, task={"task_title": "second"})
    assert (second.mephisto.task.task_name, second.mephisto.task.task_title) == ("first", "second")
    assert (second.mephisto.blueprint.task_html, second.task_dir) == ("${x}", "/tasks")


@dataclass
class ScriptConfig(TaskConfig):
    defaults: list[Any] = field(default_factory=lambda: ["_self_", {"conf": "example"}])
    palette: str = "warm"


def test_a_script_configuration_brings_settings_of_its_own(task_dir: Path) -> None:
    register_script_config("test_script", ScriptConfig)
    config = compose(config="test_script", task_dir=task_dir, overrides=["palette=cold"])
    assert (config.palette, config.mephisto.task.task_reward) == ("cold", 0.3)
    assert resolve_config(config).config["palette"] == "cold"
    assert compose(config=config).palette == "cold"


def test_a_script_configuration_must_be_a_task_config() -> None:
    with pytest.raises(ConfigError, match="must be a dataclass, a TaskConfig"):
        register_script_config("test_script", dict)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "wrong", "right"),
    [
        ({"task": {"task_rewrad": 1}}, "mephisto.task.task_rewrad", "mephisto.task.task_reward"),
        ({"overrides": ["mephisto.task_reward=1"]}, "mephisto.task_reward", "mephisto.task.task_reward"),
        ({"overrides": ["+task_reward=1"]}, "task_reward", "mephisto.task.task_reward"),
        ({"config": {"mefisto": {}}}, "mefisto", "mephisto"),
        ({"blueprint_args": {"data_cvs": "x"}}, "mephisto.blueprint.data_cvs", "mephisto.blueprint.data_csv"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_right_one(
    arguments: dict[str, Any], wrong: str, right: str
) -> None:
    with pytest.raises(UnknownKeyError, match=rf"no key '{wrong}'.*Did you mean '{right}'\?"):
        compose("page", **arguments)


def test_an_unknown_key_unlike_any_other_is_refused_with_the_list() -> None:
    with pytest.raises(UnknownKeyError, match=r"\(the architect is 'local'\)\. There are: server_type, port"):
        compose("page", architect_args={"zzz": 1})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "mephisto.task.task_reward=much",
            r"mephisto\.task\.task_reward is 'much' \(str\); it must be a number \(float\)",
        ),
        ("mephisto.blueprint.units_per_assignment=1.5", r"1\.5 \(float\); it must be a whole number \(int\)"),
        ("mephisto.blueprint.tags=3", r"mephisto\.blueprint\.tags is 3 \(int\); it must be a list, such as"),
        ("mephisto.task=3", r"mephisto\.task is 3; it must be a mapping"),
        ("mephisto.blueprint=3", r"blueprint is 3; it must be a mapping"),
        ("mephisto.task.task_title=a, b", r"quote a text with commas.*as a Python object"),
        ("mephisto.task.task_title", r"cannot be read: missing EQUAL"),
        ("~mephisto.task.nothing", r"cannot be composed: Could not delete"),
        ("hydra/job_logging=nothing", r"names a file that does not exist"),
    ],
)
def test_an_override_that_cannot_be_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose("page", overrides=[override])


def test_what_is_no_data_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mephisto\.blueprint\.tags\[0\] is a builtin_function.*SharedTaskState"):
        compose("page", blueprint_args={"tags": [print]})


@pytest.mark.parametrize("choice", [{"provider": "mturk"}, {"overrides": ["mephisto/provider=mturk"]}])
def test_an_unknown_plugin_is_refused_with_those_that_there_are(choice: dict[str, Any]) -> None:
    with pytest.raises(UnknownTypeError, match=r"no provider 'mturk'.*closed on 2026-09-30.*There are: .*link"):
        compose("page", **choice)


@pytest.mark.parametrize(
    "name", ["mturk", "mturk_sandbox", "MTurk", "mturk-sandbox", "MTurkSandbox", "Mechanical Turk"]
)
def test_a_crowd_that_has_closed_says_so_and_what_to_use(name: str) -> None:
    with pytest.raises(UnknownTypeError, match=r"Mechanical Turk closed on 2026-09-30.*'external' with a preset"):
        compose("page", provider=name)
    with pytest.raises(UnknownTypeError, match=r"There is no provider 'elance'\. There are"):
        compose("page", provider="elance")


def test_an_unknown_plugin_in_a_file_is_refused(task_dir: Path) -> None:
    path = task_dir / "hydra_configs" / "conf" / "example.yaml"
    path.write_text(path.read_text().replace("provider: mock", "provider: mturk"))
    with pytest.raises(UnknownTypeError, match=r"no provider 'mturk'.*closed on.*There are: .*link.*provider='link'"):
        compose(config=path)


ELSEWHERE = {
    "by name": {"provider": "mock", "architect": "local"},
    "by a group": {"overrides": ["mephisto/provider=mock", "mephisto/architect=local"]},
    "by a type": {"overrides": ["mephisto.provider._provider_type=link", "mephisto.architect._architect_type=local"]},
    "by taking it away": {"overrides": ["~mephisto/provider", "~mephisto/architect"]},
}


@pytest.fixture
def elsewhere(task_dir: Path) -> Path:
    """A task for a crowd and a host that are not here, with settings of theirs."""
    path = task_dir / "hydra_configs" / "conf" / "example.yaml"
    text = path.read_text().replace("provider: mock", "provider: prolific")
    text = text.replace("architect: local", "architect: ec2")
    text = text.replace("    server_type: node\n", "    _architect_type: ec2\n    profile_name: iam\n")
    path.write_text(text.replace("mephisto:\n", "mephisto:\n  provider: {prolific_workspace_name: W}\n", 1))
    return path


@pytest.mark.parametrize("choice", ELSEWHERE.values(), ids=ELSEWHERE)
def test_another_crowd_takes_the_place_of_one_that_is_not_here(elsewhere: Path, choice: Any) -> None:
    config = compose(config=elsewhere, **choice)
    assert (config.mephisto.provider._provider_type, config.mephisto.architect.port) == ("link", "3001")
    assert config.mephisto.blueprint.units_per_assignment == 2


def test_settings_of_the_crowd_that_is_not_here_are_left_out(elsewhere: Path, caplog: Any) -> None:
    tree = yaml.safe_load(elsewhere.read_text().replace("workspace_name", "project_name"))
    compose(config=tree, provider="link", architect="local")
    assert "provider 'prolific', whose place another one takes, are left out: prolific_project_name" in caplog.text


def test_a_crowd_that_is_not_here_says_how_to_go_on(elsewhere: Path) -> None:
    with pytest.raises(UnknownTypeError, match=r"no provider 'prolific'.*compose\(config=\.\.\., provider='link'\)"):
        compose(config=elsewhere, architect="local")


def test_a_slip_in_the_settings_of_ones_own_crowd_is_still_refused(task_dir: Path, elsewhere: Path) -> None:
    with pytest.raises(UnknownKeyError, match="signed_link"):
        compose(config=elsewhere, **ELSEWHERE["by name"], provider_args={"signed_link": False})
    path = task_dir / "hydra_configs" / "conf" / "cheap.yaml"
    path.write_text(MEPHISTO_1_TASK.lstrip().replace("mephisto:\n", "mephisto:\n  provider: {signed_link: no}\n", 1))
    with pytest.raises(UnknownKeyError, match="signed_link"):
        compose(config=path, provider="mock")


def test_the_part_that_scripts_for_mephisto_1_hand_over_is_understood(task_dir: Path) -> None:
    config = compose(config=task_dir / "hydra_configs" / "conf" / "example.yaml")
    whole, part = resolve_config(config), resolve_config(config.mephisto)
    assert (whole.task, whole.blueprint_args) == (part.task, part.blueprint_args)
    alone = resolve_config({"blueprint": {"_blueprint_type": "page"}, "task": dict(config.mephisto.task)})
    assert alone.task.task_name == "html-static-task-example"


def test_a_default_task_configuration_is_one_of_a_file(task_dir: Path) -> None:
    register_script_config("default_of_a_file", build_default_task_config("cheap"))
    config = compose(config="default_of_a_file", task_dir=task_dir)
    assert (config.mephisto.task.task_reward, config.mephisto.blueprint.units_per_assignment) == (0.1, 2)


def test_a_configuration_without_a_blueprint_is_refused() -> None:
    with pytest.raises(MissingValueError, match=r"names no blueprint.*there are: page"):
        compose()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: [\n", r"no valid YAML.*line \d"),
        (b"\xff\xfe\x00", "no valid YAML"),
        (b"- 1\n", "cannot be composed"),
        (b"defaults: 3\n", "cannot be composed"),
        (b"defaults:\n  - conf: nothing\n", "file that does not exist.*conf/nothing"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "broken.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"(?s){message}"):
        compose("page", config=tmp_path / "broken.yaml")


@pytest.mark.parametrize(("name", "message"), [("none.yaml", "no configuration file"), ("task.yml", "Rename it")])
def test_a_file_that_hydra_would_not_find_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "task.yml").touch()
    with pytest.raises(ConfigError, match=message):
        compose("page", config=tmp_path / name)


def test_a_user_s_own_hydra_session_is_left_as_it_was(tmp_path: Path) -> None:
    ConfigStore.instance().store(group="mephisto/blueprint", name="theirs", node={"key": 1})
    repo = OmegaConf.create({key: str(value) for key, value in ConfigStore.instance().repo.items()})
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.2"):
        session = GlobalHydra.instance().hydra
        compose("page")
        with pytest.raises(ConfigError):
            compose("page", overrides=["~nothing"])
        assert GlobalHydra.instance().hydra is session
        assert str(getbase()) == "1.2"
        assert hydra.compose(overrides=["+mephisto/blueprint=theirs"]).mephisto.blueprint.key == 1
    assert repo == {key: str(value) for key, value in ConfigStore.instance().repo.items()}


async def test_it_works_in_a_running_loop_and_again_and_again() -> None:
    assert [compose("page", task={"task_name": str(n)}).mephisto.task.task_name for n in range(3)] == ["0", "1", "2"]


def test_threads_do_not_disturb_each_other() -> None:
    with ThreadPoolExecutor(4) as pool:
        configs = list(pool.map(lambda n: compose("page", overrides=[f"num_tasks={n}"]), range(8)))
    assert [config.num_tasks for config in configs] == list(range(8))
