"""The page of one unit: its files, and all that a router would tell it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.frames.frames import results_frame
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.task_runner import TaskRunner

#: Bytes of files that lie beside the page, beyond which the rest of them is left out.
MOST_BYTES = 8_000_000


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
            return self.blueprint.shared_state.onboarding_data
        hidden = self.blueprint.hidden_fields
        parts = ({key: part[key] for key in part if key not in hidden} for part in (self.shared, self.unit_data))
        data = self.blueprint.get_page_data(self.blueprint.get_init_data(*parts))
        return data if self.runner is None else self.runner.get_init_data(data, self.runner.get_example_turns())

    @property
    def task_config(self) -> JSONObject:
        """What the page reads from ``task_config.json``."""
        return {**self.about, **self.blueprint.get_frontend_args(), **self.blueprint.shared_state.task_config}

    def row(self, answer: JSON) -> pd.DataFrame:
        """Give the row of `results()` that an answer becomes: its ``input.NAME`` and ``answer.NAME`` columns."""
        return row_of(self.blueprint, self.shared, self.unit_data, answer)


def row_of(blueprint: Blueprint[Any], shared: JSONObject, unit_data: JSONObject, answer: JSON) -> pd.DataFrame:
    """Give the ``input.NAME`` and ``answer.NAME`` columns of what an answer to a unit becomes."""
    sent = {"shared": shared, "unit_data": [unit_data], "unit_index": 0, "data": answer}
    frame = results_frame([sent], blueprint.get_inputs, blueprint.get_answer)
    return frame.filter(regex=r"^(input|answer)\.")


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
