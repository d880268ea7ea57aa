"""The static_react_task blueprint: a bundle of the researcher's own, handed one row for each assignment."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html import task_data
from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.blueprints.static_html.task_data import Row, read_text
from mephisto_nb.blueprints.static_react import bundle as policy
from mephisto_nb.blueprints.static_react import bundle as site
from mephisto_nb.blueprints.static_react.args import StaticReactBlueprintArgs, check_args
from mephisto_nb.blueprints.static_react.blueprint import read_tips
from mephisto_nb.blueprints.static_react.bundle import BUNDLE, find_bundle, needs_eval
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.ports.blueprint import Blueprint


class StaticReactBlueprint(Blueprint[StaticReactBlueprintArgs]):
    """A task whose page is a script that was built with React, or with anything else.

    The page has ``<div id="app">`` and the globals that the npm package `mephisto-task` calls, so bundles made for
    Mephisto 1.x work unmodified. The row is ``initialTaskData``; what is handed to ``handleSubmit`` is the answer,
    one column a key, and files of a multipart submission stand as paths under the names of their fields.

    Examples
    --------
    >>> args = StaticReactBlueprintArgs(task_source="webapp/build/bundle.js")
    >>> blueprint = StaticReactBlueprint(args, SharedTaskState(static_task_data=[{"text": "What a day!"}]))
    >>> blueprint.assert_task_args()
    """

    BLUEPRINT_TYPE: ClassVar[str] = "static_react_task"
    ALIASES: ClassVar[tuple[str, ...]] = ("static_react",)
    ArgsClass = StaticReactBlueprintArgs

    def assert_task_args(self) -> None:
        """Refuse settings, bundles and rows that cannot work; a generator is left alone.

        Raises
        ------
        ConfigError
            A setting cannot work, or what it names is no built bundle.
        DataFileError
            A file cannot be read, or a row is no object.
        """
        check_args(self.args)
        task_data.check_one_source(self.args, self.shared_state.static_task_data)
        bundle = find_bundle(self.args.task_source)
        if not self.args.allow_eval and needs_eval(bundle[BUNDLE]):
            raise ConfigError(
                f"mephisto.blueprint.task_source is {self.args.task_source!r}, which was built for development: it "
                "runs text as code, and the page's policy forbids that. Build it for production (webpack: --mode "
                "production), or set mephisto.blueprint.allow_eval=true."
            )
        site.check_extra_folder(self.args.extra_source_dir, bundle)
        if not self._is_drawn:
            task_data.read_listed(self.args, self.shared_state.static_task_data)
        _ = self._preview, self._tips

    def get_initialization_data(self) -> Iterable[InitializationData] | AsyncIterable[InitializationData]:
        """Give one assignment a row; rows of a generator are checked as they are drawn.

        Raises
        ------
        DataFileError
            While drawing: the row is not an object.
        """
        if not self._is_drawn:
            return [row for _, row in task_data.read_listed(self.args, self.shared_state.static_task_data)]
        rows = task_data.draw(self.shared_state.static_task_data)
        return self._made_later(rows) if isinstance(rows, AsyncIterator) else map(self._make, rows)

    def build_site(self, directory: Path) -> None:
        """Write the page, and copy the bundle and what is to be beside it."""
        bundle = find_bundle(self.args.task_source)
        site.build(directory, bundle, self._preview, self.args.extra_source_dir)

    def get_linked_files(self) -> Mapping[str, Path]:
        """Give the files of the bundle, if they are to be served as they are at that moment."""
        return find_bundle(self.args.task_source) if self.args.link_task_source else {}

    def get_frontend_args(self) -> JSONObject:
        """Give the task configuration, accepted tips, and the preview in the words of `bootstrap-chat`."""
        found: JSONObject = dict(self.shared_state.task_config)
        if self._preview is not None:
            found |= {"has_preview": True, "preview_html": self._preview, "shows_preview_file": True}
        return {"tips": self._tips, **found} if self._tips else found

    def get_content_security_policy(self) -> str:
        """Give a policy as strict as the settings allow."""
        return policy.make_policy(self.args)

    def explain_page_error(self, report: JSONObject) -> str | None:
        """Say what to set where the page's policy has stopped the bundle."""
        return policy.explain(report)

    @property
    def _is_drawn(self) -> bool:
        return task_data.is_drawn(self.shared_state.static_task_data)

    @cached_property
    def _preview(self) -> str | None:
        source = self.args.preview_source
        return read_text(source, "preview_source") if source and given(source) else None

    @cached_property
    def _tips(self) -> list[JSONObject]:
        location = self.args.tips_location
        return read_tips(location) if location and given(location) else []

    def _make(self, row: Row) -> InitializationData:
        return task_data.to_initialization_data(row, self.args.units_per_assignment)

    async def _made_later(self, rows: AsyncIterator[Row]) -> AsyncIterator[InitializationData]:
        async for row in rows:
            yield self._make(row)
