"""The smallest task there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.mock import EchoRunner, MockBlueprint, MockBlueprintArgs
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import InitializationData, SharedTaskState
from mephisto_nb.ports.blueprint import STRICT_CSP


def mock(data: Any = None, **args: Any) -> MockBlueprint:
    return MockBlueprint(MockBlueprintArgs(**args), SharedTaskState(static_task_data=data))


def test_without_data_the_assignments_are_numbered() -> None:
    rows = list(mock(num_assignments=2, units_per_assignment=2).get_initialization_data())  # type: ignore[arg-type]
    assert rows == [InitializationData({"index": 0}, [{}, {}]), InitializationData({"index": 1}, [{}, {}])]


def test_rows_are_taken_as_they_are() -> None:
    rows = [{"a": 1}, InitializationData({"b": 2}, [{}, {}])]
    drawn = list(mock(rows).get_initialization_data())  # type: ignore[arg-type]
    assert drawn == [InitializationData({"a": 1}), rows[1]]


async def test_rows_may_come_one_by_one() -> None:
    async def rows() -> AsyncIterator[JSONObject]:
        yield {"a": 1}

    data = mock(rows()).get_initialization_data()
    assert isinstance(data, AsyncIterator)
    assert [row.shared async for row in data] == [{"a": 1}]


@pytest.mark.parametrize("key", ["num_assignments", "units_per_assignment"])
def test_numbers_below_one_are_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=f"mephisto.blueprint.{key} is 0"):
        mock(**{key: 0}).assert_task_args()


def test_the_page_loads_under_the_strict_policy(tmp_path: Path) -> None:
    blueprint = mock()
    blueprint.build_site(tmp_path)
    assert (tmp_path / "index.html").is_file()
    assert blueprint.get_content_security_policy() == STRICT_CSP


def test_only_a_live_run_has_code_beside_its_workers() -> None:
    assert mock().make_task_runner() is None
    assert isinstance(mock(run_live=True).make_task_runner(), EchoRunner)


class ScriptedAgent:
    """An agent whose page says what it was told to say."""

    agent_id = "a"

    def __init__(self, *says: JSONObject) -> None:
        self.says, self.heard = list(says), list[JSONObject]()

    async def observe(self, data: JSONObject) -> None:
        self.heard.append(data)

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        return self.says.pop(0)


async def test_the_echo_goes_on_until_the_page_is_done() -> None:
    agent = ScriptedAgent({"text": "hello"}, {"done": True})
    await EchoRunner(SharedTaskState()).run_unit({"index": 0}, agent)
    assert agent.heard == [{"init_data": {"index": 0}}, {"echo": {"text": "hello"}}, {"echo": {"done": True}}]
