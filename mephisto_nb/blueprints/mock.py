"""The mock blueprint: the smallest task there is, for tests and rehearsals of everything around a task."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import InitializationData, read_frame
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.task_runner import LiveAgent, TaskRunner

_PAGE = Path(__file__).with_name("mock_page")


@dataclass(slots=True)
class MockBlueprintArgs:
    """How much mock work there is.

    Parameters
    ----------
    num_assignments
        How many assignments, where `SharedTaskState.static_task_data` gives none.
    units_per_assignment
        How many different workers do each.
    run_live
        Run `EchoRunner` beside each worker, which sends back whatever their page sends.
    """

    _blueprint_type: str = "mock"
    num_assignments: int = 1
    units_per_assignment: int = 1
    run_live: bool = False


class EchoRunner(TaskRunner):
    """Sends every message of a worker's page back to it, until one says ``{"done": true}``."""

    async def run_unit(self, init_data: JSONObject, agent: LiveAgent) -> None:
        """Greet the page with its data, then echo."""
        await agent.observe({"init_data": init_data})
        while True:
            message = await agent.get_live_update()
            await agent.observe({"echo": message})
            if message.get("done") is True:
                return


class MockBlueprint(Blueprint[MockBlueprintArgs]):
    """A page with one question. Rows are taken as they are, one assignment each.

    Examples
    --------
    >>> from mephisto_nb import SharedTaskState
    >>> blueprint = MockBlueprint(MockBlueprintArgs(num_assignments=2), SharedTaskState())
    >>> [row.shared for row in blueprint.get_initialization_data()]
    [{'index': 0}, {'index': 1}]
    """

    BLUEPRINT_TYPE: ClassVar[str] = "mock"
    ArgsClass = MockBlueprintArgs

    def assert_task_args(self) -> None:
        """Refuse numbers below 1.

        Raises
        ------
        ConfigError
            A number is not 1 or more.
        """
        for key in ("num_assignments", "units_per_assignment"):
            value = getattr(self.args, key)
            if value < 1:
                raise ConfigError(f"mephisto.blueprint.{key} is {value!r}. Give a number of 1 or more.")

    def get_initialization_data(self) -> Iterable[InitializationData] | AsyncIterable[InitializationData]:
        """Return the rows of the shared state, or as many numbered ones as the settings say."""
        data = self.shared_state.static_task_data
        if data is None:
            data = [{"index": index} for index in range(self.args.num_assignments)]
        if isinstance(data, pd.DataFrame):
            data, _ = read_frame(data, "static_task_data")
        if isinstance(data, AsyncIterable):
            return (self._assignment(row) async for row in data)
        if isinstance(data, Iterator):
            return (self._assignment(row) for row in data)
        return [self._assignment(row) for row in data]

    def make_task_runner(self) -> TaskRunner | None:
        """Make what echoes, if the run is live."""
        return EchoRunner(self.shared_state) if self.args.run_live else None

    def build_site(self, directory: Path) -> None:
        """Write the page, which loads nothing but its own script."""
        shutil.copytree(_PAGE, directory, dirs_exist_ok=True)

    def get_frontend_args(self) -> JSONObject:
        """Return the task configuration as it is."""
        return dict(self.shared_state.task_config)

    def _assignment(self, row: InitializationData | JSONObject) -> InitializationData:
        if isinstance(row, InitializationData):
            return row
        return InitializationData(shared=row, unit_data=[{} for _ in range(self.args.units_per_assignment)])
