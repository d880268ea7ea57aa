"""The contract, on every blueprint that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mephisto_nb.blueprints.chat import ChatBlueprint, ChatBlueprintArgs
from mephisto_nb.blueprints.form import FormBlueprint, FormBlueprintArgs
from mephisto_nb.blueprints.mock import MockBlueprint, MockBlueprintArgs
from mephisto_nb.blueprints.remote_procedure import RemoteProcedureBlueprint, RemoteProcedureBlueprintArgs
from mephisto_nb.blueprints.static_html import StaticHTMLBlueprint, StaticHTMLBlueprintArgs
from mephisto_nb.blueprints.static_react import StaticReactBlueprint, StaticReactBlueprintArgs
from mephisto_nb.config import registry
from mephisto_nb.config.typed_config import with_gates
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.testing.contracts.blueprint import RIGHT_ANSWER, BlueprintContract, MakeBlueprint
from tests.blueprints.tasks import HTML

FORM = {"instruction": "<p>${text}</p>", "fields": {"mood": {"type": "radio", "options": ["glad", "grim"]}}}


async def talks(data: Any, agents: Any) -> None:
    """A conversation."""


def count(text: str) -> int:
    """Return something that a page asks for."""
    return len(text)


def made(kind: type[Blueprint[Any]], state: dict[str, Any] | None = None, **args: Any) -> MakeBlueprint:
    """Return what makes a blueprint of two rows, whose right answers are in a hidden column."""
    rows = [{"text": "Rain.", "right": RIGHT_ANSWER}, {"text": "Sun.", "right": RIGHT_ANSWER}]
    settings = with_gates(kind.ArgsClass)(attention_checks={"mood": "right"}, **args)
    return lambda: kind(settings, SharedTaskState(static_task_data=rows, **(state or {})))


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """What a build made."""
    file = tmp_path / "build" / "bundle.js"
    file.parent.mkdir()
    file.write_text("document.title = 'built';")
    return str(file)


class TestMock(BlueprintContract):
    answer = {"mood": "glad"}

    @pytest.fixture
    def make_blueprint(self) -> MakeBlueprint:
        return made(MockBlueprint, units_per_assignment=2)

    @pytest.fixture
    def make_refused(self) -> MakeBlueprint:
        return lambda: MockBlueprint(MockBlueprintArgs(num_assignments=0), SharedTaskState())


class TestLiveMock(TestMock):
    @pytest.fixture
    def make_blueprint(self) -> MakeBlueprint:
        return made(MockBlueprint, run_live=True)


class TestStaticHTML(BlueprintContract):
    answer = {"mood": "glad"}

    @pytest.fixture
    def make_blueprint(self) -> MakeBlueprint:
        return made(StaticHTMLBlueprint, task_html=HTML)

    @pytest.fixture
    def make_refused(self) -> MakeBlueprint:
        return lambda: StaticHTMLBlueprint(StaticHTMLBlueprintArgs(task_html=HTML), SharedTaskState())


class TestForm(BlueprintContract):
    answer = {"mood": "glad"}

    @pytest.fixture
    def make_blueprint(self) -> MakeBlueprint:
        return made(FormBlueprint, form=FORM)

    @pytest.fixture
    def make_refused(self) -> MakeBlueprint:
        return lambda: FormBlueprint(FormBlueprintArgs(form=FORM, task_html=HTML), SharedTaskState())


class TestStaticReact(BlueprintContract):
    answer = {"mood": "glad"}

    @pytest.fixture
    def make_blueprint(self, bundle: str) -> MakeBlueprint:
        return made(StaticReactBlueprint, task_source=bundle)

    @pytest.fixture
    def make_refused(self) -> MakeBlueprint:
        return lambda: StaticReactBlueprint(StaticReactBlueprintArgs(task_source="none.js"), SharedTaskState())


class TestRemoteProcedure(BlueprintContract):
    answer = {"mood": "glad"}

    @pytest.fixture
    def make_blueprint(self, bundle: str) -> MakeBlueprint:
        return made(RemoteProcedureBlueprint, {"function_registry": {"count": count}}, task_source=bundle)

    @pytest.fixture
    def make_refused(self, bundle: str) -> MakeBlueprint:
        args = RemoteProcedureBlueprintArgs(task_source=bundle)
        return lambda: RemoteProcedureBlueprint(args, SharedTaskState(static_task_data=[{}]))


class TestChat(BlueprintContract):
    answer = {"mood": "glad"}

    @pytest.fixture
    def make_blueprint(self) -> MakeBlueprint:
        return made(ChatBlueprint, {"conversation": talks}, task_html="<input name=mood>")

    @pytest.fixture
    def make_refused(self) -> MakeBlueprint:
        return lambda: ChatBlueprint(ChatBlueprintArgs(when_left="run"), SharedTaskState(conversation=talks))


def test_every_blueprint_that_ships_is_held_to_the_contract() -> None:
    ours = {
        name
        for name in registry.get_valid_blueprint_types()
        if registry.get_blueprint_from_type(name).__module__.startswith("mephisto_nb.")
    }
    tested = {MockBlueprint, StaticHTMLBlueprint, FormBlueprint, StaticReactBlueprint, RemoteProcedureBlueprint}
    assert ours == {one.BLUEPRINT_TYPE for one in {*tested, ChatBlueprint}}
