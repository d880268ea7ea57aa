"""The settings of a task whose page is a bundle."""

from __future__ import annotations

from dataclasses import dataclass, field

from mephisto_nb.blueprints.static_html.args import check_sources, check_units, refuse_what_is_not_done
from mephisto_nb.errors import ConfigError


@dataclass(slots=True)
class StaticReactBlueprintArgs:
    """The bundle that workers' browsers run, and the data that it is handed. Paths may start with ``~``.

    Parameters
    ----------
    task_source
        What the build made: one classic script, such as ``webapp/build/bundle.js`` (a style sheet of the same name
        beside it comes along), or a folder with ``bundle.js`` and what else the build put there.
    link_task_source
        Serve the bundle from where it lies, so that each page load shows the newest build. For development: workers
        who come at different times may see different pages.
    preview_source
        HTML for visitors who have not accepted the task. Without it the bundle is run for them, too; `mephisto-task`
        tells it by ``isPreview``.
    extra_source_dir
        A folder of pictures and other files, copied beside the page: ``cat.png`` in it is ``src="cat.png"``.
    data_csv, data_json, data_jsonl
        A file of rows: CSV with a header line (all values are text), a JSON list of objects, or one JSON object
        a line. Instead, `SharedTaskState.static_task_data` may hold the rows; exactly one of the four is needed.
    units_per_assignment
        How many different workers do each row.
    allow_eval
        Let the bundle run text as code. Builds for development want that (webpack's ``mode: "development"``); a build
        for production does not.
    allow_inline_styles
        Let the bundle add ``<style>`` elements, as webpack's style-loader and most libraries of styles do.
    extra_sources
        Addresses of other sites that the bundle may load from and talk to, such as ``https://example.org/api/``.
        Pictures, sounds and films may come from anywhere without this, scripts and everything else from nowhere.
    block_qualification
        Workers who hold this qualification are kept out.
    tips_location
        A CSV file of tips with the columns ``header`` and ``text``, which the page finds as ``tips`` in its task's
        configuration; `run.accept_tips` writes such a file. One that is not there yet holds no tips.
    task_source_review
        Known to Mephisto 1.x and refused when set: answers are reviewed as they are.
    """

    _blueprint_type: str = "static_react_task"
    task_source: str = "???"
    link_task_source: bool = False
    preview_source: str | None = None
    extra_source_dir: str | None = None
    data_csv: str | None = None
    data_json: str | None = None
    data_jsonl: str | None = None
    units_per_assignment: int = 1
    allow_eval: bool = False
    allow_inline_styles: bool = True
    extra_sources: list[str] = field(default_factory=list)
    block_qualification: str | None = None
    tips_location: str | None = None
    task_source_review: str | None = None


def check_args(args: StaticReactBlueprintArgs) -> None:
    """Raise `ConfigError` for settings that cannot work, whatever the files they name hold."""
    refuse_what_is_not_done(args, done={"tips_location"})
    check_units(args.units_per_assignment)
    check_sources(args.extra_sources, "extra_sources")
    if not args.task_source.strip():
        raise ConfigError(
            "mephisto.blueprint.task_source is empty, so there is no page to show. Set it to the bundle that your "
            "build makes, such as 'webapp/build/bundle.js'."
        )
