"""The static_react_task blueprint: a bundle of the researcher's own, handed one row for each assignment.

All that such a task is made of stands here: its settings, a look at the bundle before anybody is asked to work with it,
what its page may load and run, the folder that workers' browsers load from, and the tips that pages offer.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html import task_data
from mephisto_nb.blueprints.static_html.args import check_sources, check_units, given, remark, tell_what_is_left_out
from mephisto_nb.blueprints.static_html.blueprint import PAGE
from mephisto_nb.blueprints.static_html.bundles import check_eval, explain, make_policy
from mephisto_nb.blueprints.static_html.extra_files import (
    ExtraFiles,
    copy_files,
    find_missing_media,
    list_files,
)
from mephisto_nb.blueprints.static_html.task_data import TaskRow, read_csv, read_text
from mephisto_nb.errors import ConfigError, DataFileError
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.utils.foreign import as_path, named_file, read_bytes
from mephisto_nb.utils.logging import unguard_formula


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
        A folder of pictures and other files, copied beside the page: ``cat.png`` in it is ``src="cat.png"``. Whoever
        has the address can read them; what is hidden, code and databases are left out, links out of it refused. An
        ``index.html`` in it that loads ``wrap_crowd_source.js`` and ``bundle.js`` is the page itself.
    data_csv, data_json, data_jsonl
        A file of rows: CSV with a header line (all values are text), a JSON list of objects, or one JSON object
        a line. Instead, `SharedTaskState.static_task_data` may hold the rows; exactly one of the four is needed.
    units_per_assignment
        How many different workers do each row.
    time_columns
        Columns of the data that `results()` gives as times: as of a static HTML task.
    allow_eval
        Let the bundle run text as code. Builds for development want that (webpack's ``mode: "development"``); a build
        for production does not. None: if the bundle is such a build.
    allow_inline_styles
        Let the bundle add ``<style>`` elements, as webpack's style-loader and most libraries of styles do.
    extra_sources
        Addresses of other sites that the bundle may load from and talk to, such as ``https://example.org/api/``.
        Pictures, sounds and films may come from anywhere without this, scripts and everything else from nowhere.
    block_qualification
        Workers who hold this qualification are kept out.
    tips_location
        A CSV file of tips with the columns ``header`` and ``text``, which the page finds as ``tips`` in its task's
        configuration; `run.metadata.accept_tips` writes such a file. One that is not there yet holds no tips.
    task_source_review
        Known to Mephisto 1.x and left out when set: answers are reviewed as they are.
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
    time_columns: dict[str, str] = field(default_factory=dict)
    allow_eval: bool | None = None
    allow_inline_styles: bool = True
    extra_sources: list[str] = field(default_factory=list)
    block_qualification: str | None = None
    tips_location: str | None = None
    task_source_review: str | None = None


def check_args(args: StaticReactBlueprintArgs) -> None:
    """Raise `ConfigError` for settings that cannot work, whatever the files they name hold."""
    tell_what_is_left_out(args, done={"tips_location"})
    check_units(args.units_per_assignment)
    check_sources(args.extra_sources, "extra_sources")
    if not args.task_source.strip():
        raise ConfigError(
            "mephisto.blueprint.task_source is empty, so there is no page to show. Set it to the bundle that your "
            "build makes, such as 'webapp/build/bundle.js'."
        )


#: What the page loads.
BUNDLE, STYLES = "bundle.js", "bundle.css"
_SOURCES = {".jsx", ".ts", ".tsx", ".vue", ".svelte"}
_HOW = "Build it, for instance with `npm run build`, and name what the build made (often build/bundle.js)."
#: Text, comments and what else is no code; a regular expression that holds a quote may end a match late.
_NO_CODE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`", re.DOTALL)
#: At the start of a line, as people write it, and what no classic script can hold.
_MODULE = re.compile(
    r"^[ \t]*import(?:[ \t]+[\w{*\"'][^\n(]*|\{[^\n]*)"
    r"|^[ \t]*export[ \t]*(?:(?:default|const|let|var|function|class|async)\b|[{*])"
    r"|;export\{[^}]*\}",
    re.MULTILINE,
)
_JSX = re.compile(r"(?:return|=>|[(?:&=])\s*<(?:>|[A-Za-z][\w.]*[\s>/])")


def find_bundle(task_source: str) -> dict[str, Path]:
    """Return the files of a build, by their names on the site.

    Raises
    ------
    ConfigError
        There is no bundle; it is empty; or it is not built.
    """
    path = as_path(task_source, "mephisto.blueprint.task_source")
    files = _folder_files(path, task_source) if path.is_dir() else _single_files(path, task_source)
    _check(files[BUNDLE], task_source)
    return files


def _folder_files(path: Path, task_source: str) -> dict[str, Path]:
    files = dict(list_files(task_source, setting="task_source").files)
    if BUNDLE not in files:
        scripts = [name for name in files if name.endswith(".js")]
        found = f"its scripts are {', '.join(scripts[:5])}" if scripts else "it holds no script"
        raise ConfigError(
            f"mephisto.blueprint.task_source is the folder {task_source!r}, which has no {BUNDLE} ({found}). Let the "
            f"build write its script to {BUNDLE}, or set task_source to the script itself."
        )
    if (path / "package.json").is_file():
        raise ConfigError(
            f"mephisto.blueprint.task_source is {task_source!r}, the folder of a package with its sources, which "
            f"workers could read. Set it to what the build made, such as {task_source.rstrip('/')}/build."
        )
    return files


def _single_files(path: Path, task_source: str) -> dict[str, Path]:
    named_file(path, "mephisto.blueprint.task_source")
    if not path.is_file():
        raise ConfigError(
            f"mephisto.blueprint.task_source is {task_source!r}, but there is no such file (looked for "
            f"{path.absolute()}). {_HOW}"
        )
    styles = named_file(path.with_suffix(".css"), "mephisto.blueprint.task_source")
    return {BUNDLE: path} | ({STYLES: styles} if styles.is_file() else {})


def _check(bundle: Path, task_source: str) -> None:
    what = f"mephisto.blueprint.task_source is {task_source!r}"
    if bundle.suffix in (".html", ".htm"):
        raise ConfigError(f"{what}, a page and not a script. For tasks made of HTML, launch a 'static_html' task.")
    if bundle.suffix in _SOURCES:
        raise ConfigError(f"{what}, a source file, which browsers cannot run. {_HOW}")
    try:
        text = read_bytes(bundle, what).decode("utf-8-sig", "replace")
    except OSError as error:
        raise ConfigError(f"{what}, which cannot be read: {error.strerror}. Correct the path or its rights.") from error
    if not text.strip():
        raise ConfigError(f"{what}, which is empty: its build failed, or has not ended yet. {_HOW}")
    if text.lstrip()[:100].lower().startswith(("<!doctype", "<html")):
        raise ConfigError(f"{what}, which holds HTML and not a script. For such tasks, launch a 'static_html' task.")
    if found := _unbuilt(text):
        raise ConfigError(
            f"{what}, which is not built as a classic script: it holds {found!r}. {_HOW} A build that makes ES modules "
            "has to make one script instead (esbuild: --bundle --format=iife; webpack does so by itself)."
        )


def _unbuilt(text: str) -> str | None:
    """Return a place that shows that a script is a source file or a module, if there is one."""
    if not (_MODULE.search(text) or _JSX.search(text)):
        return None
    code = _NO_CODE.sub(lambda match: '""' if match[0][0] in "\"'`" else " ", text)
    found = _MODULE.search(code) or _JSX.search(code)
    return found[0].strip()[:60] if found else None


_PAGE = Path(__file__).with_name("static_react_page")
#: What stands around any page that is not ours.
AROUND = "around.js"
#: Where our own script lies below the site, out of the way of a researcher's files.
_FOLDER = "worker_page"
PREVIEW = "preview.html"
_OURS = frozenset({"index.html", PREVIEW, "wrap_crowd_source.js", "task_config.json", _FOLDER})


#: What a page of the researcher's own has to load, and where our scripts come in; and what belongs to other sites.
_WRAPPER = re.compile(r"<script\b[^>]*\bsrc\s*=\s*[\"']?[./]*wrap_crowd_source\.js[^>]*>\s*</script\s*>", re.IGNORECASE)
_BUNDLE = re.compile(r"<script\b[^>]*\bsrc\s*=\s*[\"']?[./]*bundle\.js", re.IGNORECASE)
_FOREIGN = re.compile(
    r"<link\b[^>]*?\bhref\s*=\s*[\"']?((?:https?:)?//[^\s\"'>]+)[^>]*>"
    r"|<script\b[^>]*?\bsrc\s*=\s*[\"']?((?:https?:)?//[^\s\"'>]+)[^>]*>\s*</script\s*>",
    re.IGNORECASE,
)
_OUR_SCRIPTS = "".join(f'\n    <script src="{_FOLDER}/{name}.js"></script>' for name in ("beside_bundle", "client"))


@dataclass(frozen=True, slots=True)
class OwnPage:
    """A page of the researcher's own around the bundle, with our scripts in it; and what it cannot load."""

    html: str
    left_out: list[str]


def read_own_page(extra_source_dir: str | None, extra_sources: Sequence[str]) -> OwnPage | None:
    """Read ``index.html`` of the extra folder, as Mephisto 1.x does; None: there is none that would load the task."""
    if not extra_source_dir or not given(extra_source_dir):
        return None
    path = as_path(extra_source_dir, "mephisto.blueprint.extra_source_dir") / "index.html"
    if not path.is_file():
        return None
    html = read_bytes(path, "mephisto.blueprint.extra_source_dir", root=path.parent).decode("utf-8-sig", "replace")
    if not _BUNDLE.search(html) or not _WRAPPER.search(html):
        return None
    left_out: list[str] = []

    def allowed(match: re.Match[str]) -> str:
        address = match[1] or match[2]
        if any(address.startswith(source) for source in extra_sources):
            return match[0]
        left_out.append(address)
        return ""

    html = _FOREIGN.sub(allowed, html)
    return OwnPage(_WRAPPER.sub(lambda match: match[0] + _OUR_SCRIPTS, html, count=1), left_out)


def is_taken(bundle: Mapping[str, Path], has_own_page: bool) -> Callable[[str], bool]:
    """Return what tells which names of the extra folder the page has itself."""
    taken = (_OURS | set(bundle)) - ({"index.html"} if has_own_page else set())
    return taken.__contains__


def build(
    directory: Path, bundle: Mapping[str, Path], preview: str | None, extra: ExtraFiles, page: OwnPage | None = None
) -> None:
    """Write the page, and copy the bundle, the preview and the extra folder."""
    directory.mkdir(parents=True, exist_ok=True)
    copy_files(extra.files, directory, root=extra.root)
    copy_files(bundle, directory, "task_source")
    # Over whatever the build made of its own: this page is the one that knows the crowd.
    shutil.copytree(_PAGE, directory / _FOLDER, dirs_exist_ok=True, ignore=shutil.ignore_patterns("index.html"))
    if page is None:
        shutil.copyfile(_PAGE / "index.html", directory / "index.html")
    else:
        (directory / "index.html").write_text(page.html, encoding="utf-8")
    shutil.copyfile(PAGE / AROUND, directory / _FOLDER / AROUND)
    if not (directory / STYLES).exists():
        (directory / STYLES).touch()
    if preview is not None:
        (directory / PREVIEW).write_text(preview, encoding="utf-8")


def read_tips(path: str) -> list[JSONObject]:
    """Read the accepted tips of a CSV file with the columns ``header`` and ``text``; none where there is no file yet.

    Raises
    ------
    DataFileError
        The file cannot be read, or has no column ``text``.
    """
    if not Path(path).expanduser().exists():
        return []
    tips = []
    for row in read_csv(path):
        if "text" not in row.value:
            raise DataFileError(
                f"mephisto.blueprint.tips_location is {path!r}, whose {row.label} has no column 'text'. "
                "It needs the columns header and text."
            )
        tips.append({name: unguard_formula(row.value.get(name) or "") for name in ("header", "text")})
    return tips


class StaticReactBlueprint(Blueprint[StaticReactBlueprintArgs]):
    """A task whose page is a script that was built with React, or with anything else.

    The page has ``<div id="app">`` and the globals that the npm package `mephisto-task` calls, so bundles made for
    Mephisto 1.x work unmodified. The row is ``initialTaskData``; what is handed to ``handleSubmit`` is the answer,
    one column a key, and files of a multipart submission stand as paths under the names of their fields.

    Examples
    --------
    >>> from mephisto_nb import SharedTaskState
    >>> args = StaticReactBlueprintArgs(task_source="webapp/build/bundle.js")
    >>> blueprint = StaticReactBlueprint(args, SharedTaskState(static_task_data=[{"text": "What a day!"}]))
    >>> blueprint.assert_task_args()                                                              # doctest: +SKIP
    """

    BLUEPRINT_TYPE: ClassVar[str] = "static_react_task"
    ALIASES: ClassVar[tuple[str, ...]] = ("static_react",)
    PAGE_KNOWS_ITS_END: ClassVar[bool] = False
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
        check_eval(self.args, bundle[BUNDLE], "task_source")
        for address in self._page.left_out if self._page else []:
            remark(
                f"index.html in mephisto.blueprint.extra_source_dir loads {address!r} from another site, which is left "
                "out. Where it is needed, put it into the bundle or into that folder; or add its address to "
                "mephisto.blueprint.extra_sources."
            )
        if not self._is_drawn:
            self._check_files(bundle)
        if doubts := self._extra.find_doubts():
            self.remark(doubts)
        _ = self._preview, self._tips

    def get_initialization_data(self) -> Iterable[InitializationData] | AsyncIterable[InitializationData]:
        """Return one assignment a row; rows of a generator are checked as they are drawn.

        Raises
        ------
        DataFileError
            While drawing: the row is not an object.
        """
        if not self._is_drawn:
            return [row for _, row in self._rows]
        return task_data.made(task_data.draw(self.shared_state.static_task_data), self._make)

    def build_site(self, directory: Path) -> None:
        """Write the page, and copy the bundle and what is to be beside it."""
        bundle = find_bundle(self.args.task_source)
        build(directory, bundle, self._preview, self._extra, self._page)

    def get_linked_files(self) -> Mapping[str, Path]:
        """Return the files of the bundle, if they are to be served as they are at that moment."""
        return find_bundle(self.args.task_source) if self.args.link_task_source else {}

    def get_frontend_args(self) -> JSONObject:
        """Return the task configuration, accepted tips, and the preview in the words of `bootstrap-chat`."""
        found: JSONObject = dict(self.shared_state.task_config)
        if self._preview is not None:
            found |= {"has_preview": True, "preview_html": self._preview, "shows_preview_file": True}
        return {"tips": self._tips, **found} if self._tips else found

    def get_content_security_policy(self) -> str:
        """Return a policy as strict as the settings allow."""
        return make_policy(self.args, find_bundle(self.args.task_source)[BUNDLE])

    def explain_page_error(self, report: JSONObject) -> str | None:
        """Say what to set where the page's policy has stopped the bundle, or a file was not there."""
        return explain(report) or super().explain_page_error(report)

    @property
    def _is_drawn(self) -> bool:
        return task_data.is_drawn(self.shared_state.static_task_data)

    @cached_property
    def _extra(self) -> ExtraFiles:
        args = self.args
        named = [args.preview_source, args.data_csv, args.data_json, args.data_jsonl, args.tips_location]
        taken = is_taken(find_bundle(args.task_source), self._page is not None)
        return list_files(args.extra_source_dir, named, is_ours=taken)

    @cached_property
    def _page(self) -> OwnPage | None:
        return read_own_page(self.args.extra_source_dir, self.args.extra_sources)

    def _check_files(self, bundle: Mapping[str, Path]) -> None:
        """Remark what rows name, for the bundle to show it, and what is not there; and cells that few rows lack."""
        rows = [(label, {**row.shared, **unit_data}) for label, row in self._rows for unit_data in row.unit_data]
        for told in task_data.find_gaps(rows):
            self.remark(told)
        if told := find_missing_media(self._extra, rows, bundle).say(task_data.name_rows):
            self.remark(told)

    @cached_property
    def _rows(self) -> list[tuple[str, InitializationData]]:
        return task_data.read_listed(self.args, self.shared_state.static_task_data, self.remark)

    @cached_property
    def _preview(self) -> str | None:
        source = self.args.preview_source
        return read_text(source, "preview_source") if source and given(source) else None

    @cached_property
    def _tips(self) -> list[JSONObject]:
        location = self.args.tips_location
        return read_tips(location) if location and given(location) else []

    def _make(self, row: TaskRow) -> InitializationData | None:
        data = task_data.to_initialization_data(row, self.args.units_per_assignment)
        return None if task_data.is_left_out(row, data, self.remark) else data
