"""The settings of a static HTML task, and checks of settings that tasks with a page have in common."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field

from mephisto_nb.errors import ConfigError
from mephisto_nb.utils.logging import get_logger

_logger = get_logger(__name__)


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
    allow_empty
        Launch also rows of which the page would show nothing, because every field of the template is empty in them.
    time_columns
        Columns of the data that `results()` gives as times, though a page gets them as text: by name ``date``, ``time``
        (of a day), or a type such as ``datetime64[us]`` or ``datetime64[us, UTC]``. Without this, those that were times
        in a DataFrame or in a list of rows.
    extra_source_dir
        A folder of pictures, scripts and style sheets, copied beside the page: ``cat.png`` in it is ``src="cat.png"``.
        Whoever has the address can read them. What is hidden (its name begins with a dot), code, notebooks, databases,
        the data directory and the files that settings name are left out; links that lead out of the folder are refused.
    extra_script_sources
        Addresses that ``<script src=...>`` and ``<link rel="stylesheet" href=...>`` may load from, such as
        ``https://example.org/lib/``. None without this.
    onboarding_source, onboarding_html
        HTML of the introduction that newcomers go through, where `onboarding_qualification` asks for one: a file, or
        the text itself, which is filled with `SharedTaskState.onboarding_data`.
    task_source_review, tips_location
        Known to Mephisto 1.x and left out when set: what they ask for is not done here.
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
    allow_empty: bool = False
    time_columns: dict[str, str] = field(default_factory=dict)
    extra_source_dir: str | None = None
    extra_script_sources: list[str] = field(default_factory=list)
    onboarding_source: str | None = None
    onboarding_html: str | None = None
    task_source_review: str | None = None
    tips_location: str | None = None


#: Settings of Mephisto 1.x that we do not follow, which does no harm, and what is so instead.
_LEFT_OUT = {
    "task_source_review": "answers are reviewed as they are, without a page of their own",
    "tips_location": "workers' tips are not offered on pages of this kind",
}

_SCRIPT_SOURCE = re.compile(r"https?://[A-Za-z0-9.*-]+(:\d+)?(/[^\s;,'\"?#]*)?")


def given(value: str | None) -> bool:
    """Return whether a text setting was set to something."""
    return bool(value and value != "???")


def check_args(args: StaticHTMLBlueprintArgs) -> None:
    """Raise `ConfigError` for settings that cannot work, whatever the files they name hold."""
    tell_what_is_left_out(args)
    _check_one_template(args)
    check_units(args.units_per_assignment)
    check_sources(args.extra_script_sources, "extra_script_sources")


def tell_what_is_left_out(args: object, done: Container[str] = ()) -> None:
    """Say which settings of Mephisto 1.x are not followed, save those that are `done`."""
    for key, reason in _LEFT_OUT.items():
        value = None if key in done else getattr(args, key, None)
        if given(value):
            remark(f"mephisto.blueprint.{key} is {value!r}, which is left out: {reason}.")


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


def remark(text: str) -> None:
    """Say what a launch does otherwise than it was asked."""
    _logger.warning("%s", text)


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
