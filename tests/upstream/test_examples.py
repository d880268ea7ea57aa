"""Its example tasks: each YAML is read, and launched as it is; what cannot be done says how to go on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import mephisto_nb as mnb
from mephisto_nb.errors import ConfigError, DataFileError, MephistoError
from tests.upstream.conftest import files

CONFIGS = ("examples/**/hydra_configs/conf/*.yaml", "mephisto/generators/*/hydra_configs/conf/*.yaml")
#: A bundle as the checkout's own webpack makes it: for development, with its text run as code.
BUNDLE = 'eval("document.body.append(1);\\n//# sourceURL=webpack://app/./src/app.jsx?");'
#: What may be refused: the words that say what to do instead.
WAYS_ON = re.compile(
    r"extra_script_sources|SharedTaskState|conversation|Build|lacks \d+ value|Remove|Give |addEventListener|"
    r"Did you mean|Set "
)


def config_of(path: Path) -> Any:
    return mnb.compose(config=path, provider="link", architect="local", overrides=["mephisto.architect.port=0"])


@pytest.mark.parametrize("path", files(*CONFIGS))
def test_every_yaml_is_read(path: Path) -> None:
    assert config_of(path).mephisto.provider._provider_type == "link"


def _with_builds(path: Path, folder: Path) -> Path:
    """Copy a task, and put a bundle wherever its build would; give the copy's YAML."""
    home = next(parent for parent in path.parents if parent.name == "hydra_configs").parent
    copy = folder / home.name
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("node_modules"))
    for name in set(re.findall(r"\$\{task_dir\}/(\S+\.js)\b", path.read_text(encoding="utf-8"))):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(BUNDLE, encoding="utf-8")
    return copy / path.relative_to(home)


def _state(config: Any) -> mnb.SharedTaskState:
    blueprint = config.mephisto.blueprint
    rows = [{"text": "good"}, {"text": "bad"}]
    given: dict[str, Any] = {"validate_onboarding": lambda data: True}
    if blueprint.get("use_screening_task"):
        given |= {"screening": rows, "judge_screening": lambda answer, row: True}
    if blueprint.get("use_golds"):
        given |= {"golds": rows, "judge_gold": lambda answer, row: True}
    if blueprint._blueprint_type == "chat":

        async def talk(data: Any, agents: Any) -> None:
            await agents.observe({"text": "Hello", "id": "Host"})

        return mnb.SharedTaskState(conversation=talk, **given)
    named = any(blueprint.get(key) for key in ("data_csv", "data_json", "data_jsonl"))
    return mnb.SharedTaskState(static_task_data=None if named else rows, **given)


@pytest.mark.slow
@pytest.mark.parametrize("path", files(*CONFIGS))
async def test_every_yaml_is_launched_or_says_how_to_go_on(path: Path, tmp_path: Path) -> None:
    config = config_of(_with_builds(path, tmp_path))
    async with mnb.Operator(data_dir=tmp_path / "data") as operator:
        said = None
        try:
            run = await operator.launch_task_run(config.mephisto, _state(config))
        except MephistoError as error:
            said = str(error)
        assert run.status == "live" if said is None else WAYS_ON.search(said), said
        await operator.force_shutdown()


@pytest.mark.parametrize("path", files("examples/*/data/*/unit_config.json", "examples/*/data/*/task_data.json"))
def test_every_form_is_a_task_and_what_is_none_says_so(path: Path) -> None:
    said, fields = "", 0
    try:
        fields = len(mnb.form_task(str(path), task_name="form").form.fields())
    except (ConfigError, DataFileError) as error:
        said = str(error)
    assert fields or "VideoAnnotator" in said, said


@pytest.mark.parametrize("path", files("examples/**/webapp/src/static"))
def test_every_folder_beside_a_page_is_served(path: Path, tmp_path: Path) -> None:
    from mephisto_nb.blueprints.static_react import StaticReactBlueprint, StaticReactBlueprintArgs

    (tmp_path / "bundle.js").write_text(BUNDLE, encoding="utf-8")
    args = StaticReactBlueprintArgs(task_source=str(tmp_path / "bundle.js"), extra_source_dir=str(path))
    blueprint = StaticReactBlueprint(args, mnb.SharedTaskState(static_task_data=[{"text": "good"}]))
    blueprint.assert_task_args()
    blueprint.build_site(tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=[\"']?https?:", page)
    assert "worker_page/client.js" in page
