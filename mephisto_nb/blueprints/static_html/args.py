"""The settings of a static HTML task, and checks of settings that tasks with a page have in common."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from pathlib import Path

from mephisto_nb.errors import ConfigError, DataFileError


@dataclass(slots=True)
class StaticHTMLBlueprintArgs:
    """What the worker's page shows, and the data it is filled with. Paths may start with ``~``.

    Parameters
    ----------
    task_source, task_html
        The page's HTML: a file, or the text itself. Exactly one of the two is needed. ``${field}`` in it is
        replaced by the row's value; whatever stands in an input with a ``name`` becomes the answer.
    preview_source, preview_html
        HTML for visitors who have not accepted the task: a file, or the text itself.
    preview_with_sample
        Without a preview of its own, a task shows itself to visitors, filled with the first row of a list or file.
        That row is then public to whoever has the address. False: visitors see no data.
    data_csv, data_json, data_jsonl
        A file of rows: CSV with a header line (all values are text), a JSON list of objects, or one JSON object
        a line. Instead, `SharedTaskState.static_task_data` may hold the rows; exactly one of the four is needed.
    units_per_assignment
        How many different workers do each row.
    time_columns
        Columns of the data that `results()` gives as times, though a page gets them as text: by name ``date``, ``time``
        (of a day), or a type such as ``datetime64[us]`` or ``datetime64[us, UTC]``. Without this, those that were times
        in a DataFrame or in a list of rows.
    extra_source_dir
        A folder of pictures, scripts and style sheets, copied beside the page: ``cat.png`` in it is ``src="cat.png"``.
    extra_script_sources
        Addresses that ``<script src=...>`` may load from, such as ``https://example.org/lib/``. None without this.
    onboarding_source, onboarding_html
        HTML of the introduction that newcomers go through, where `onboarding_qualification` asks for one: a file, or
        the text itself, which is filled with `SharedTaskState.onboarding_data`.
    task_source_review, tips_location
        Known to Mephisto 1.x and refused when set: what they ask for is not done here.
    """

    _blueprint_type: str = "static_html"
    task_source: str | None = None
    task_html: str | None = None
    preview_source: str | None = None
    preview_html: str | None = None
    preview_with_sample: bool = True
    data_csv: str | None = None
    data_json: str | None = None
    data_jsonl: str | None = None
    units_per_assignment: int = 1
    time_columns: dict[str, str] = field(default_factory=dict)
    extra_source_dir: str | None = None
    extra_script_sources: list[str] = field(default_factory=list)
    onboarding_source: str | None = None
    onboarding_html: str | None = None
    task_source_review: str | None = None
    tips_location: str | None = None


#: Settings of Mephisto 1.x that we cannot follow yet, and what to do instead of each.
_REFUSED = {
    "task_source_review": "answers are reviewed as they are, without a page of their own. Remove the key.",
    "tips_location": "workers' tips are not collected. Remove the key.",
}

_SCRIPT_SOURCE = re.compile(r"https?://[A-Za-z0-9.*-]+(:\d+)?(/[^\s;,'\"?#]*)?")


def given(value: str | None) -> bool:
    """Return whether a text setting was set to something."""
    return bool(value and value != "???")


def check_args(args: StaticHTMLBlueprintArgs) -> None:
    """Raise `ConfigError` for settings that cannot work, whatever the files they name hold."""
    refuse_what_is_not_done(args)
    _check_one_template(args)
    check_units(args.units_per_assignment)
    check_sources(args.extra_script_sources, "extra_script_sources")


def refuse_what_is_not_done(args: object, done: Container[str] = ()) -> None:
    """Raise `ConfigError` for settings of Mephisto 1.x that cannot be followed yet, save those that are `done`."""
    for key, reason in _REFUSED.items():
        value = None if key in done else getattr(args, key, None)
        if given(value):
            raise ConfigError(f"mephisto.blueprint.{key} is {value!r}, but {reason}")


def check_units(units_per_assignment: int) -> None:
    """Raise `ConfigError` unless each row is done by somebody."""
    if units_per_assignment < 1:
        raise ConfigError(
            f"mephisto.blueprint.units_per_assignment is {units_per_assignment!r}. "
            "Give the number of different workers that each row needs: 1 or more."
        )


def check_sources(sources: list[str], key: str) -> None:
    """Raise `ConfigError` for what cannot stand in a page's policy as an address to load from."""
    for source in sources:
        if not _SCRIPT_SOURCE.fullmatch(source):
            raise ConfigError(
                f"mephisto.blueprint.{key} holds {source!r}, which is not an address to load scripts "
                "from. Give the start of the scripts' addresses, such as 'https://example.org/lib/'."
            )


def extra_folder(extra_source_dir: str | None) -> Path | None:
    """Return the extra folder, if one is set."""
    return Path(extra_source_dir).expanduser() if extra_source_dir and given(extra_source_dir) else None


def check_extra_folder(extra_source_dir: str | None, is_ours: Callable[[str], bool]) -> None:
    """Raise `ConfigError` where the extra folder is none, or holds a name that the page uses itself (`is_ours`)."""
    extra = extra_folder(extra_source_dir)
    if extra is None:
        return
    if not extra.is_dir():
        raise ConfigError(
            f"mephisto.blueprint.extra_source_dir is {extra_source_dir!r}, which is not a folder (looked for "
            f"{extra.absolute()}). Correct the path."
        )
    for name in sorted(entry.name for entry in extra.iterdir()):
        if is_ours(name):
            raise ConfigError(
                f"mephisto.blueprint.extra_source_dir holds {name!r}, a name that the worker's page uses itself. "
                "Rename it."
            )


def copy_extra_folder(extra_source_dir: str | None, directory: Path) -> None:
    """Copy the extra folder, if one is set, into a site. Raises `DataFileError`."""
    extra = extra_folder(extra_source_dir)
    if extra is None:
        return
    try:
        shutil.copytree(extra, directory, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise DataFileError(f"mephisto.blueprint.extra_source_dir cannot be copied: {error}") from error


def _check_one_template(args: StaticHTMLBlueprintArgs) -> None:
    if given(args.task_source) and given(args.task_html):
        raise ConfigError(
            f"mephisto.blueprint.task_source is {args.task_source!r}, and task_html is set as well. Remove one of them."
        )
    if not given(args.task_source) and not given(args.task_html):
        raise ConfigError(
            "mephisto.blueprint has neither task_source nor task_html, so there is no page to show. "
            "Set task_source to the path of an HTML file, or task_html to the HTML itself."
        )
    for kind in ("preview", "onboarding"):
        source = getattr(args, f"{kind}_source")
        if given(source) and given(getattr(args, f"{kind}_html")):
            raise ConfigError(
                f"mephisto.blueprint.{kind}_source is {source!r}, and {kind}_html is set as well. Remove one of them."
            )
