"""What every `Blueprint` has to do.

To test a blueprint, subclass `BlueprintContract`, and give it the fixtures `make_blueprint` and `make_refused`, and an
answer that its page could send::

    class TestMyBlueprint(BlueprintContract):
        answer = {"mood": "glad"}

        @pytest.fixture
        def make_blueprint(self):
            args = with_gates(MyBlueprintArgs)(attention_checks={"mood": "right_mood"})
            rows = [{"text": "Hello", "right_mood": RIGHT_ANSWER}]
            return lambda: MyBlueprint(args, SharedTaskState(static_task_data=rows))

        @pytest.fixture
        def make_refused(self):
            return lambda: MyBlueprint(MyBlueprintArgs(num_questions=0), SharedTaskState())
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterable, Callable
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import pytest

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.config.registry import PluginShelf
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.task_runner import TaskRunner

MakeBlueprint: TypeAlias = Callable[[], Blueprint[Any]]

#: The value of a hidden field in the rows of the blueprint under test.
RIGHT_ANSWER = "the right answer, which no page may hold"


class BlueprintContract:
    """All that is asked of a `Blueprint` without a browser."""

    #: What the page of the first row could send, with a value for each of its fields.
    answer: ClassVar[JSON]

    @pytest.fixture
    def make_blueprint(self) -> MakeBlueprint:
        """Supplied by the subclass: a function that makes the same blueprint anew, as each kernel does.

        Its rows are a list, and one of its hidden fields holds `RIGHT_ANSWER`.
        """
        raise NotImplementedError(f"{type(self).__name__} has to supply the fixture 'make_blueprint'.")

    @pytest.fixture
    def make_refused(self) -> MakeBlueprint:
        """Supplied by the subclass: a function that makes a blueprint whose settings cannot work, or refuses to."""
        raise NotImplementedError(f"{type(self).__name__} has to supply the fixture 'make_refused'.")

    @pytest.fixture
    def blueprint(self, make_blueprint: MakeBlueprint) -> Blueprint[Any]:
        """The blueprint under test, once its settings are checked."""
        blueprint = make_blueprint()
        blueprint.assert_task_args()
        return blueprint

    @pytest.fixture
    def site(self, blueprint: Blueprint[Any], tmp_path: Path) -> Path:
        """What workers' browsers load."""
        site = tmp_path / "a run" / "site"
        site.mkdir(parents=True)
        blueprint.build_site(site)
        return site

    def test_its_settings_are_a_dataclass_that_names_it(self, blueprint: Blueprint[Any]) -> None:
        settings = {field.name: field.default for field in dataclasses.fields(blueprint.ArgsClass)}
        assert settings.get("_blueprint_type") == blueprint.BLUEPRINT_TYPE
        assert isinstance(blueprint.args, blueprint.ArgsClass)

    def test_it_can_be_registered_by_its_name_and_aliases(self, blueprint: Blueprint[Any]) -> None:
        shelf = PluginShelf("blueprint", "no such group", Blueprint, "BLUEPRINT_TYPE")
        shelf.register(type(blueprint))
        found = [shelf.get(name) for name in (blueprint.BLUEPRINT_TYPE, *blueprint.ALIASES)]
        assert set(found) == {type(blueprint)}

    def test_settings_that_cannot_work_are_refused(self, make_refused: MakeBlueprint) -> None:
        with pytest.raises(ConfigError, match=r"\w"):
            make_refused().assert_task_args()

    async def test_each_assignment_has_units_and_is_fit_for_json(self, blueprint: Blueprint[Any]) -> None:
        rows = await assignments_of(blueprint)
        assert rows
        assert all(row.unit_data for row in rows)
        for row in rows:
            assert json.loads(json.dumps([row.shared, row.unit_data])) == [row.shared, row.unit_data]

    async def test_checks_consume_nothing_and_kernels_agree_on_the_work(
        self, blueprint: Blueprint[Any], make_blueprint: MakeBlueprint
    ) -> None:
        blueprint.assert_task_args()
        assert await assignments_of(blueprint) == await assignments_of(make_blueprint())

    def test_its_page_is_there_and_asks_the_crowd_who_comes(self, site: Path) -> None:
        assert "wrap_crowd_source.js" in (site / "index.html").read_text(encoding="utf-8")

    def test_its_site_is_written_into_its_folder_alone(
        self, blueprint: Blueprint[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a run").mkdir()
        monkeypatch.chdir(tmp_path / "a run")
        before = contents(tmp_path)
        blueprint.build_site(tmp_path / "a run" / "site")
        outside = {path: text for path, text in contents(tmp_path).items() if not path.startswith("a run/site")}
        assert outside == before

    def test_a_site_that_is_built_again_is_the_same(self, blueprint: Blueprint[Any], site: Path) -> None:
        before = contents(site)
        blueprint.build_site(site)
        assert contents(site) == before

    def test_its_page_has_a_policy_and_leaves_frames_to_the_crowd(self, blueprint: Blueprint[Any]) -> None:
        policy = blueprint.get_content_security_policy()
        directives = {one.split()[0] for one in policy.split(";") if one.strip()}
        assert {"default-src", "script-src"} <= directives
        assert "frame-ancestors" not in directives
        assert policy.isprintable()

    def test_what_its_page_reads_is_fit_for_json(self, blueprint: Blueprint[Any]) -> None:
        args = blueprint.get_frontend_args()
        assert json.loads(json.dumps(args, allow_nan=False)) == args

    async def test_no_page_holds_a_right_answer(self, blueprint: Blueprint[Any], site: Path) -> None:
        first = (await assignments_of(blueprint))[0]
        assert RIGHT_ANSWER in json.dumps([first.shared, first.unit_data])  # or nothing is proved by what follows
        shown = json.dumps([page_data(blueprint, first), blueprint.get_frontend_args()])
        assert RIGHT_ANSWER not in shown
        assert [path for path, text in contents(site).items() if RIGHT_ANSWER.encode() in text] == []

    async def test_its_inputs_are_columns_of_a_frame(self, blueprint: Blueprint[Any]) -> None:
        first = (await assignments_of(blueprint))[0]
        inputs = blueprint.get_inputs(first.shared, first.unit_data[0])
        assert all(isinstance(name, str) for name in inputs)
        assert json.loads(json.dumps(inputs)) == inputs

    def test_an_answer_has_the_columns_that_were_named_before(self, blueprint: Blueprint[Any]) -> None:
        columns = blueprint.get_answer(self.answer)
        names = blueprint.get_answer_names()
        assert columns
        assert [name for name in names if name not in columns] == []

    @pytest.mark.parametrize("hostile", [None, "text", 7, True, [], [{"a": 1}], {}, {"a": {"b": [None]}}], ids=repr)
    def test_no_answer_keeps_a_frame_from_being_made(self, blueprint: Blueprint[Any], hostile: JSON) -> None:
        columns = blueprint.get_answer(hostile)
        assert all(isinstance(name, str) for name in columns)

    def test_its_code_is_made_for_each_run_anew(self, blueprint: Blueprint[Any], make_blueprint: MakeBlueprint) -> None:
        made = [one.make_task_runner() for one in (blueprint, make_blueprint())]
        if made[0] is None:
            assert made == [None, None]
            assert blueprint.TaskRunnerClass is None
            return
        assert all(isinstance(one, TaskRunner) for one in made)
        assert made[0] is not made[1]


async def assignments_of(blueprint: Blueprint[Any]) -> list[InitializationData]:
    """Return all assignments of a run."""
    rows = blueprint.get_initialization_data()
    return [row async for row in rows] if isinstance(rows, AsyncIterable) else list(rows)


def page_data(blueprint: Blueprint[Any], row: InitializationData) -> JSON:
    """Return what the page of a row's first unit is handed; hidden fields are left out as a run leaves them out."""
    hidden = blueprint.hidden_fields
    parts: list[JSONObject] = [
        {key: part[key] for key in part if key not in hidden} for part in (row.shared, row.unit_data[0])
    ]
    return blueprint.get_page_data(blueprint.get_init_data(*parts))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, by path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
