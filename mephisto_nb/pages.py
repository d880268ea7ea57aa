"""The page of one unit, before a launch and as it was when it was answered: its files, and what a router would tell it.

For a page before a launch nothing is started: no database, no router and no crowd is touched. A page that was answered
is the run's own files, as its worker's browser had them.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias, cast

import pandas as pd
from omegaconf import DictConfig

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.config.task_run_settings import resolve_config
from mephisto_nb.errors import ConfigError, UsageError
from mephisto_nb.frames.frames import results_frame
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.launch import make_plan
from mephisto_nb.kernel.live_run import asked_of, own_data
from mephisto_nb.model.answers import StoredFile
from mephisto_nb.model.shared_state import NotJSONError, SharedTaskState, for_browsers, to_json
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.task_runner import TaskRunner
from mephisto_nb.utils.calling import brief

#: Bytes of files that lie beside the page, beyond which the rest of them is left out.
MOST_BYTES = 8_000_000
#: Which row is asked for: its number, counted from 0, or the row itself.
Row: TypeAlias = "int | Mapping[str, Any] | pd.Series[Any]"


@brief
@dataclass(frozen=True, slots=True)
class UnitPage:
    """The page of one unit.

    Parameters
    ----------
    title
        The task's title.
    blueprint
        The kind of task, as it would be launched.
    shared, unit_data
        The data that the unit is made of.
    files
        What the site holds, by path.
    left_out
        Files that would have made it too large.
    is_onboarding
        Whether it is the introduction that newcomers go through first, which is the same for all rows.
    runner
        The code that would speak to the page, which is not run, but says what the page is handed.
    """

    title: str
    blueprint: Blueprint[Any]
    shared: JSONObject
    unit_data: JSONObject
    files: dict[str, bytes]
    left_out: tuple[str, ...]
    about: JSONObject
    is_onboarding: bool = False
    runner: TaskRunner | None = None

    @property
    def policy(self) -> str:
        """The Content-Security-Policy that the page is served with."""
        return self.blueprint.get_content_security_policy()

    @property
    def init_data(self) -> JSON:
        """What the page is handed to work on."""
        if self.is_onboarding:
            return for_browsers(self.blueprint.shared_state.onboarding_data)
        hidden = self.blueprint.hidden_fields
        parts = ({key: part[key] for key in part if key not in hidden} for part in (self.shared, self.unit_data))
        data = self.blueprint.get_page_data(self.blueprint.get_init_data(*parts))
        whole = data if self.runner is None else self.runner.get_init_data(data, self.runner.get_example_turns())
        return for_browsers(whole)

    @property
    def task_config(self) -> JSONObject:
        """What the page reads from ``task_config.json``."""
        return {**self.about, **self.blueprint.get_frontend_args(), **self.blueprint.shared_state.task_config}

    @property
    def remarks(self) -> list[str]:
        """What looks wrong in the settings or the data, and would not keep a launch from going on."""
        return self.blueprint.remarks

    def row(self, answer: JSON) -> pd.DataFrame:
        """Return the row of `results()` that an answer becomes: its ``input.NAME`` and ``answer.NAME`` columns."""
        return row_of(self.blueprint, self.shared, self.unit_data, answer)


def row_of(blueprint: Blueprint[Any], shared: JSONObject, unit_data: JSONObject, answer: JSON) -> pd.DataFrame:
    """Return the ``input.NAME`` and ``answer.NAME`` columns of what an answer to a unit becomes."""
    if isinstance(answer, dict):  # of a file whoever asks knows the name alone
        files = [name for name in blueprint.get_file_fields() if name in answer]
        answer = {**answer, **{name: _as_stored(answer[name]) for name in files}}
    sent = {"shared": shared, "unit_data": [unit_data], "unit_index": 0, "data": answer}
    times = blueprint.get_input_times(), blueprint.get_answer_times()
    frame = results_frame([sent], blueprint.get_inputs, blueprint.get_answer, *times, asked_of(blueprint))
    return frame.filter(regex=r"^(input|answer)\.")


def _as_stored(value: JSON) -> JSON:
    if isinstance(value, list):
        return [_as_stored(one) for one in value]
    return StoredFile(value) if isinstance(value, str) and value else value


def read_files(site: Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Read a site's files, by path, the small ones first; and name those that would have made it too large."""
    files: dict[str, bytes] = {}
    left_out, size = [], 0
    # The small ones first: a page without its film is still the page.
    for file in sorted((one for one in site.rglob("*") if one.is_file()), key=lambda one: one.stat().st_size):
        name = file.relative_to(site).as_posix()
        size += file.stat().st_size
        if size > MOST_BYTES:
            left_out.append(name)
        else:
            files[name] = file.read_bytes()
    return files, tuple(left_out)


#: The name of the page that every site begins with.
_INDEX = "index.html"


@brief
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
    """Return the pages of a run's answers; its files are read once.

    Parameters
    ----------
    run
        The run, of this kernel or of any before.
    """

    def __init__(self, run: RunFrames) -> None:
        self._run = run
        self._files: tuple[dict[str, bytes], tuple[str, ...]] | None = None

    def find(self, row: JSONObject) -> AnsweredPage | None:
        """Return the page of one row of `RunFrames.read_answers`; blocks.

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


def make_page(config: DictConfig | Mapping[str, Any], shared_state: SharedTaskState, row: Row | None) -> UnitPage:
    """Make the page that a worker would see of one row; of no row, the introduction.

    Raises
    ------
    ConfigError
        Whatever a launch would refuse; or there is no such row.
    """
    settings = resolve_config(config)
    blueprint = make_plan(settings, shared_state).blueprint
    blueprint.assert_task_args()
    if row is None and not getattr(settings.blueprint_args, "onboarding_qualification", None):
        raise ConfigError(
            "This task has no introduction to be shown: mephisto.blueprint.onboarding_qualification is not set. "
            "Set it, or preview a row."
        )
    return page_of(blueprint, settings.task.task_title, row, settings.task.task_description)


def page_of(blueprint: Blueprint[Any], title: str, row: Row | None, description: str = "") -> UnitPage:
    """Make the page of one row of a blueprint whose settings were found good; of no row, the introduction."""
    shared, unit_data = ({}, {}) if row is None else _find_row(blueprint, row)
    with TemporaryDirectory(prefix="mephisto-preview-") as folder:
        site = Path(folder) / "site"
        site.mkdir()
        blueprint.build_site(site)
        files, left_out = read_files(site)
    if "index.html" not in files:
        kind = blueprint.BLUEPRINT_TYPE
        raise ConfigError(f"The blueprint {kind!r} writes no index.html, so there is no page to show. Mend build_site.")
    about = {"run_id": "preview", "task_title": title, "task_description": description}
    runner = blueprint.make_task_runner()
    return UnitPage(title, blueprint, shared, unit_data, files, left_out, about, row is None, runner)


def _find_row(blueprint: Blueprint[Any], row: Row) -> tuple[JSONObject, JSONObject]:
    if isinstance(row, Mapping | pd.Series):
        try:
            return cast(JSONObject, to_json(dict(row.items()))), {}
        except NotJSONError as error:
            raise ConfigError(f"This row cannot be sent to a page: {error}") from error
    rows = None
    if not isinstance(blueprint.shared_state.static_task_data, Iterator | AsyncIterable):
        rows = blueprint.get_initialization_data()
    if rows is None or isinstance(rows, AsyncIterable):
        raise ConfigError(
            "The rows of this task come one by one, and a preview must not take any from it. Give one to be shown: "
            "preview(config, shared_state, row={'text': 'What a day!'})."
        )
    number = int(row) if isinstance(row, Integral) else -1
    found = list(islice(rows, number, number + 1)) if number >= 0 else []
    if not found:
        raise ConfigError(
            f"There is no row {row!r} to be shown. Rows are counted from 0, as in a list; or give a row itself, "
            "such as df.iloc[3]."
        )
    return found[0].shared, found[0].unit_data[0]
