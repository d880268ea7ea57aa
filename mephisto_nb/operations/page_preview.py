"""What the page of one unit is made of: its files, and all that a router would tell it.

Nothing is launched: no database, no router and no crowd is touched.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import DictConfig

from mephisto_nb._typing import JSONObject
from mephisto_nb.config.task_run_settings import resolve_config
from mephisto_nb.errors import ConfigError
from mephisto_nb.kernel.launch.plan import make_plan
from mephisto_nb.model.shared_state import SharedTaskState
from mephisto_nb.pages.unit_page import UnitPage, read_files
from mephisto_nb.ports.blueprint import Blueprint


def make_page(
    config: DictConfig | Mapping[str, Any], shared_state: SharedTaskState, row: int | Mapping[str, Any] | None
) -> UnitPage:
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


def page_of(
    blueprint: Blueprint[Any], title: str, row: int | Mapping[str, Any] | None, description: str = ""
) -> UnitPage:
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


def _find_row(blueprint: Blueprint[Any], row: int | Mapping[str, Any]) -> tuple[JSONObject, JSONObject]:
    if isinstance(row, Mapping):
        return dict(row), {}
    rows = None
    if not isinstance(blueprint.shared_state.static_task_data, Iterator | AsyncIterable):
        rows = blueprint.get_initialization_data()
    if rows is None or isinstance(rows, AsyncIterable):
        raise ConfigError(
            "The rows of this task come one by one, and a preview must not take any from it. Give one to be shown: "
            "preview(config, shared_state, row={'text': 'What a day!'})."
        )
    found = list(islice(rows, row, row + 1)) if row >= 0 else []
    if not found:
        raise ConfigError(f"There is no row {row} to be shown. Rows are counted from 0, as in a list.")
    return found[0].shared, found[0].unit_data[0]
