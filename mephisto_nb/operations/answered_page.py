"""The page of a unit that was answered: the run's own files, as its worker's browser had them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import UsageError
from mephisto_nb.frames.frames import own_data
from mephisto_nb.pages.unit_page import UnitPage, read_files
from mephisto_nb.ports.blueprint import Blueprint

#: The name of the page that every site begins with.
_INDEX = "index.html"


class RunWithPages(Protocol):
    """A run as its pages see it."""

    @property
    def task_run_id(self) -> str:
        """The run's id."""

    @property
    def task_name(self) -> str:
        """The name of the task."""

    @property
    def blueprint(self) -> Blueprint[Any]:
        """The kind of task."""

    @property
    def directory(self) -> Path:
        """Where the run's page lies."""


@dataclass(frozen=True, slots=True)
class AnsweredPage:
    """A page, and what stood in its fields by their names."""

    page: UnitPage
    values: JSONObject

    @property
    def told(self) -> JSONObject:
        """What the page was told of the task and its unit."""
        try:
            config = self.page.task_config
        except UsageError:  # the rows that it speaks of were handed to another kernel
            config = {**self.page.about, **self.page.blueprint.shared_state.task_config}
        return {"task_config": config, "init_task_data": self.page.init_data}


class AnsweredPages:
    """Gives the pages of a run's answers; its files are read once.

    Parameters
    ----------
    run
        The run, of this kernel or of any before.
    """

    def __init__(self, run: RunWithPages) -> None:
        self._run = run
        self._files: tuple[dict[str, bytes], tuple[str, ...]] | None = None

    def find(self, row: JSONObject) -> AnsweredPage | None:
        """Give the page of one row of `RunFrames.read_answers`; blocks.

        None: the page is no form that could be filled in, or its files are not on this computer.
        """
        blueprint, values = self._run.blueprint, row["data"]
        if not blueprint.ANSWERS_ARE_FIELDS or not isinstance(values, dict):
            return None
        if self._files is None:
            self._files = read_files(self._run.directory / "site")
        files, left_out = self._files
        if _INDEX not in files:
            return None
        title = self._run.task_name
        about: JSONObject = {"run_id": self._run.task_run_id, "task_title": title, "task_description": ""}
        return AnsweredPage(UnitPage(title, blueprint, row["shared"], own_data(row), files, left_out, about), values)
