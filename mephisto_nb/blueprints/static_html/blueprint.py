"""The static_html blueprint: one HTML file, filled with one row for each assignment; and the writing of its site."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.blueprints.static_html import task_data
from mephisto_nb.blueprints.static_html.args import (
    StaticHTMLBlueprintArgs,
    check_args,
    given,
    remark,
)
from mephisto_nb.blueprints.static_html.extra_files import (
    ExtraFiles,
    copy_files,
    list_files,
    local_name,
)
from mephisto_nb.blueprints.static_html.shown_rows import ShownRows, each_page
from mephisto_nb.blueprints.static_html.task_data import TaskRow, read_text
from mephisto_nb.blueprints.static_html.template import (
    Template,
    check_braces,
    check_hidden,
    check_row,
    check_rows,
    columns_of,
    filled_addresses,
    find_unnamed,
    read_template,
)
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.answers import AS_SENT, StoredFile, free_name
from mephisto_nb.model.shared_state import InitializationData, for_browsers
from mephisto_nb.ports.blueprint import STRICT_CSP, Blueprint
from mephisto_nb.utils.foreign import read_bytes
from mephisto_nb.utils.logging import get_logger, warn_once

logger = get_logger(__name__)

PAGE = Path(__file__).parent / "page"
#: Where our own scripts and styles lie below the site, out of the way of a researcher's files.
PAGE_FOLDER = "worker_page"
_OURS = frozenset(
    {
        "index.html",
        "task.html",
        "preview.html",
        "onboarding.html",
        "preview.json",
        "wrap_crowd_source.js",
        "task_config.json",
        PAGE_FOLDER,
    }
)


def check_extra_files(extra: ExtraFiles, templates: Sequence[Template | None]) -> None:
    """Raise `ConfigError` where the extra folder lacks a file that a template loads."""
    for template in filter(None, templates):
        for name in template.local_files:
            if not extra.find(name):
                where = f"{extra.root.absolute()} has no such file" if extra.root else "extra_source_dir is not set"
                raise ConfigError(
                    f"The template loads {name!r}, but {where}. Put it into the folder of extra_source_dir."
                )


def read_scripts(extra: ExtraFiles, template: Template) -> list[str]:
    """Return the texts of those scripts of a template that lie in the extra folder."""
    names = (unquote(urlsplit(name).path).lstrip("/") for name in template.local_files)
    paths = [extra.files[name] for name in names if name in extra.files]
    scripts = (path for path in paths if path.suffix in (".js", ".mjs"))
    what = "mephisto.blueprint.extra_source_dir"
    return [read_bytes(path, what, root=extra.root).decode("utf-8", "replace") for path in scripts]


def _is_ours(name: str) -> bool:
    return name in _OURS or name.startswith(("task-script-", "preview-script-", "onboarding-script-"))


def build(
    directory: Path,
    templates: Mapping[str, Template | None],
    sample: JSONObject | None,
    extra: ExtraFiles,
) -> None:
    """Write the page, the templates, by their names, with their scripts, the visitors' sample and the extra folder."""
    directory.mkdir(parents=True, exist_ok=True)
    copy_files(extra.files, directory, root=extra.root)
    shutil.copytree(PAGE, directory / PAGE_FOLDER, dirs_exist_ok=True, ignore=shutil.ignore_patterns("index.html"))
    shutil.copyfile(PAGE / "index.html", directory / "index.html")
    for name, one in templates.items():
        if one is not None:
            (directory / f"{name}.html").write_text(one.html, encoding="utf-8")
            for script, content in one.scripts.items():
                (directory / script).write_text(content, encoding="utf-8")
    if sample is not None:
        (directory / "preview.json").write_text(json.dumps(for_browsers(sample)), encoding="utf-8")


#: Settings that name files which pages get in another form, or not at all.
_SETTINGS = (
    "task_source", "preview_source", "onboarding_source", "instruction_source", "form_source", "data_csv", "data_json",
    "data_jsonl",
)  # fmt: skip


class StaticHTMLBlueprint(Blueprint[StaticHTMLBlueprintArgs]):
    """A task that is one HTML file, in which ``${field}`` stands for a value of the row.

    Every input with a ``name`` becomes a column of the answer; required fields, patterns and ranges are checked in
    the worker's browser. Values are escaped, in text and in attributes; ``${field | safe}`` inserts one as HTML, which
    is for data you trust alone (scripts in it do not run). A literal ``${x}`` is written ``&#36;{x}``.
    The page gets those columns of its row that the template uses; one with scripts gets all, as they may read any. So
    what workers must not know, such as right answers, has no place in the data of a template with scripts.
    ``<script>`` blocks run after the page was filled, and see ``mephisto.data``, ``mephisto.isPreview``,
    ``mephisto.agentId`` and ``mephisto.submit(extra)``.

    Examples
    --------
    >>> from mephisto_nb import SharedTaskState
    >>> args = StaticHTMLBlueprintArgs(task_html="<p>${text}</p> <label>Mood <input name=mood required></label>")
    >>> blueprint = StaticHTMLBlueprint(args, SharedTaskState(static_task_data=[{"text": "What a day!"}]))
    >>> blueprint.assert_task_args()
    """

    BLUEPRINT_TYPE: ClassVar[str] = "static_html"
    ALIASES: ClassVar[tuple[str, ...]] = ("static_task",)
    ANSWERS_ARE_FIELDS: ClassVar[bool] = True
    ArgsClass = StaticHTMLBlueprintArgs

    def assert_task_args(self) -> None:
        """Refuse settings, templates and rows that cannot work; a generator is left alone.

        Raises
        ------
        ConfigError
            A setting or a template cannot work.
        DataFileError
            A file cannot be read, or the rows do not fit the template.
        """
        check_args(self.args)
        task_data.check_one_source(self.args, self.shared_state.static_task_data)
        template = self._template
        for one in filter(None, (template, self._preview, self._onboarding)):
            for said in one.remarks:
                remark(said)
        if not template.collects:
            raise ConfigError(
                f"{_name_of(self.args, 'task')} has no input with a name and no script, so nothing would come back. "
                'Give each input a name: <input name="mood">.'
            )
        check_extra_files(self._extra, [template, self._preview, self._onboarding])
        if not self._is_drawn:
            check_rows(template.fields, self._rows)
            self._shown.check(self._rows)
            columns = dict.fromkeys(chain.from_iterable((*row.shared, *chain(*row.unit_data)) for _, row in self._rows))
            if self._used_columns is None:
                _tell_unnamed(template, self._extra, columns, _named(self._templates_of({}), self.hidden_fields))
            else:
                check_braces(template, columns)
                if not self._used_columns and not self.has_conversations:
                    _tell_unused([name for name in columns if name not in self.hidden_fields], len(self._rows))
        if self._preview is not None and self._preview.fields:
            if self._sample is None:
                raise _no_sample(_name_of(self.args, "preview"), self._preview.fields[0].path)
            check_row(self._preview.fields, *self._rows[0])
        if self._onboarding is not None:
            _check_onboarding(self._onboarding, _name_of(self.args, "onboarding"), self.shared_state.onboarding_data)
        check_hidden(template, _name_of(self.args, "task"), self.hidden_fields)
        sample = {} if self._preview is None else self._sample
        self._shown.check_template(_name_of(self.args, "preview"), self._preview, sample)
        onboarding = self.shared_state.onboarding_data
        self._shown.check_template(_name_of(self.args, "onboarding"), self._onboarding, onboarding)
        if doubts := self._extra.find_doubts():
            self.remark(doubts)
        elif self._extra.root is not None:
            logger.info("extra_source_dir publishes %s", self._extra.describe())
        _tell_idle_buttons(template, _name_of(self.args, "task"))

    def check_row(self, label: str, row: JSONObject) -> None:
        """Refuse a screening or gold row that lacks a field of the template. Raises `DataFileError`."""
        check_row(self._template.fields, label, InitializationData(row))
        self._shown.check([(label, InitializationData(row))])
        if self._used_columns is None:
            _tell_unnamed(self._template, self._extra, row, _named(self._templates_of(row), self.hidden_fields))

    def get_page_data(self, init_data: JSON) -> JSON:
        """Return the columns that the template uses; all, where scripts may use others."""
        used = self._used_columns
        if used is None or not isinstance(init_data, dict):
            return init_data
        return {name: value for name, value in init_data.items() if name in used}

    def explain_page_error(self, report: JSONObject) -> str | None:
        """Return what to do where workers could not send, as the page does not show what they have to change."""
        if report.get("error_type") != "unseen_field":
            return super().explain_page_error(report)
        return (
            "Workers could not send their answer at once: the page does not show a field that has to be changed first. "
            "run.events() names it; show it, or do not require it while it is out of sight."
        )

    def get_initialization_data(self) -> Iterable[InitializationData] | AsyncIterable[InitializationData]:
        """Return one assignment a row; rows of a generator are checked as they are drawn.

        Raises
        ------
        DataFileError
            While drawing: the row is not an object, or lacks a field of the template.
        """
        if not self._is_drawn:
            return [row for _, row in self._rows]
        return task_data.made(task_data.draw(self.shared_state.static_task_data), self._check_drawn)

    def build_site(self, directory: Path) -> None:
        """Write the worker's page, the template and its scripts, and what visitors see."""
        templates = {"task": self._template, "preview": self._preview, "onboarding": self._onboarding}
        build(directory, templates, self._sample, self._extra)

    def get_frontend_args(self) -> JSONObject:
        """Return the task configuration, and where the page finds its template and preview."""
        return {
            **self.shared_state.task_config,
            "has_preview": self._preview is not None,
            "has_sample": self._sample is not None,
            **({"file_names": odd} if (odd := self._extra.odd_names) else {}),
        }

    def get_content_security_policy(self) -> str:
        """Return the strict policy, opened for the scripts and style sheets of `extra_script_sources`."""
        policy = STRICT_CSP
        for kind in ("script-src 'self'", "style-src 'self'"):
            policy = policy.replace(kind, " ".join([kind, *self.args.extra_script_sources]))
        return policy

    def get_answer(self, data: JSON) -> JSONObject:
        """Return one column an input; that of a file input has the files that are kept here, and nothing else.

        What somebody wrote in their place is in ``NAME (as sent)``.
        """
        if not isinstance(data, dict):
            return {"answer": data}
        answer, names = dict(data), set(self._template.names)
        for name in dict.fromkeys(one for one in self._template.files if one not in names):
            sent = _listed(answer.get(name)) if answer.get(name) is not None else []
            kept = [one for one in sent if isinstance(one, StoredFile)]
            if len(kept) < len(sent):
                apart = free_name(f"{name}{AS_SENT}", {*names, *answer})  # a page may ask for what is called so
                answer[apart] = [one for one in sent if not isinstance(one, StoredFile)]
                answer[name] = kept if len(kept) > 1 else kept[0] if kept else None
        return answer

    def get_file_fields(self) -> list[str]:
        """Return the names of the inputs for files."""
        return list(dict.fromkeys(self._template.files))

    def get_answer_names(self) -> list[str]:
        """Return the names of the inputs, or those that every answer has."""
        return list(self.get_answer({})) or list(dict.fromkeys(self._template.names))

    def get_asked_fields(self) -> frozenset[str] | None:
        """Return the names of the inputs and buttons; None where rows or scripts may make others."""
        names = frozenset(self._template.asked)
        may_have_others = self._template.has_scripts or self._template.inserted or any("${" in name for name in names)
        return None if may_have_others or not names else names

    def get_answer_times(self) -> dict[str, str]:
        """Return the inputs of days and times of day, by their names."""
        return dict(self._template.times)

    @property
    def _is_drawn(self) -> bool:
        return task_data.is_drawn(self.shared_state.static_task_data)

    @cached_property
    def _template(self) -> Template:
        return _read(self.args, "task", self.args.task_source, self.args.task_html)

    @cached_property
    def _preview(self) -> Template | None:
        if not given(self.args.preview_source) and not given(self.args.preview_html):
            return None
        return _read(self.args, "preview", self.args.preview_source, self.args.preview_html)

    @cached_property
    def _onboarding(self) -> Template | None:
        if not given(self.args.onboarding_source) and not given(self.args.onboarding_html):
            return None
        return _read(self.args, "onboarding", self.args.onboarding_source, self.args.onboarding_html)

    @cached_property
    def _extra(self) -> ExtraFiles:
        """The files that lie beside the page."""
        templates = [one for one in (self._template, self._preview, self._onboarding) if one is not None]
        named = [name for one in templates for name in (*one.local_files, *one.shown, *one.linked)]
        for _, template, data in each_page([] if self._is_drawn else self._rows, self._templates_of):
            named += chain(*filled_addresses(template, data))
        return list_files(
            self.args.extra_source_dir,
            [getattr(self.args, name, None) for name in _SETTINGS],
            {local_name(name) or "" for name in named},
            with_tables=self._is_drawn or self._used_columns is None,
            is_ours=_is_ours,
        )

    @cached_property
    def _rows(self) -> list[tuple[str, InitializationData]]:
        return task_data.read_listed(self.args, self.shared_state.static_task_data, self.remark)

    @property
    def _sample(self) -> JSONObject | None:
        if self._is_drawn or not self.args.preview_with_sample:
            return None
        first = self._rows[0][1]
        row = {**first.shared, **first.unit_data[0]}
        sample: JSONObject = self.get_page_data(
            {name: value for name, value in row.items() if name not in self.hidden_fields}
        )
        return sample

    @cached_property
    def _used_columns(self) -> frozenset[str] | None:
        """What the page can use of a row; None: anything."""
        templates = [one for one in (self._template, self._preview) if one is not None]
        if any(one.has_scripts for one in templates):
            return None
        return columns_of(field for one in templates for field in one.fields)

    def _templates_of(self, row: JSONObject) -> list[Template]:
        """Return what a row is shown by."""
        return [self._template]

    @property
    def _shown(self) -> ShownRows:
        """What looks at rows as pages would show them."""
        has_scripts = self._used_columns is None
        may_be_empty = self.args.allow_empty or self.has_conversations or has_scripts
        unknown: Collection[str] = getattr(self, "_signed_columns", ())
        return ShownRows(self._templates_of, self._extra, has_scripts, may_be_empty, self.remark, unknown)

    def _check_drawn(self, row: TaskRow) -> InitializationData | None:
        data = task_data.to_initialization_data(row, self.args.units_per_assignment)
        if task_data.is_left_out(row, data, self.remark):
            return None
        for unit_data in data.unit_data:
            self.check_row(row.label, {**data.shared, **unit_data})
        return data


def _listed(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else [value]


def _read(args: StaticHTMLBlueprintArgs, kind: str, source: str | None, html: str | None) -> Template:
    text = read_text(source, f"{kind}_source") if source and given(source) else html or ""
    return read_template(text, _name_of(args, kind), kind, list(args.extra_script_sources))


def _name_of(args: StaticHTMLBlueprintArgs, kind: str) -> str:
    source = getattr(args, f"{kind}_source")
    return Path(source).name if given(source) else f"{kind}_html"


def _check_onboarding(template: Template, name: str, data: JSON) -> None:
    if not template.collects:
        raise ConfigError(
            f"{name} has no input with a name and no script, so there would be nothing to judge. Give each input a "
            'name: <input name="mood">.'
        )
    if template.takes_files:
        raise ConfigError(
            f"{name} asks for a file, but what is sent in an introduction is only judged: its files would not be kept. "
            "Ask for them in the task itself."
        )
    row = InitializationData(data if isinstance(data, dict) else {})
    check_row(template.fields, "SharedTaskState.onboarding_data", row)


def _named(templates: Iterable[Template], hidden: Collection[str]) -> Collection[str]:
    """Return the columns that have their use, or go to no page, whatever the scripts name."""
    return {*hidden, *columns_of(field for template in templates for field in template.fields)}


def _no_sample(name: str, path: str) -> ConfigError:
    return ConfigError(
        f"{name} uses ${{{path}}}, but visitors get no data: the rows come from a generator, or preview_with_sample is "
        "false. Take the field out."
    )


def _tell_unnamed(template: Template, extra: ExtraFiles, columns: Iterable[str], named: Collection[str]) -> None:
    """Warn of columns that pages get, though nothing in them seems to want them."""
    scripts = read_scripts(extra, template)
    unnamed = [one for one in find_unnamed(template, columns, scripts) if one not in named]
    if unnamed:
        warn_once(
            logger,
            f"Workers' pages get the columns {', '.join(unnamed)} of the data, which neither the template nor its "
            "scripts name. Take out what workers must not see, such as right answers.",
        )


def _tell_idle_buttons(template: Template, name: str) -> None:
    """Warn of buttons of which nobody can tell whether they are to send the answer."""
    if template.idle_buttons:
        lines = ", ".join(map(str, template.idle_buttons))
        logger.warning(
            "%s, line %s: a <button> without type and name sends the answer only if it is called so (Send, Submit, "
            "Done ...). Write <button type=submit> if it is to send, and <button type=button> if not.",
            name,
            lines,
        )


def _tell_unused(columns: list[str], count: int) -> None:
    """Warn of a page that is the same for each row, though the rows are not."""
    if columns:
        logger.warning(
            "No column of the data appears on the page, so each of the %d rows will look the same. If it should not, "
            "write ${%s} where that is to stand. The columns are: %s.",
            count,
            columns[0],
            ", ".join(columns),
        )
