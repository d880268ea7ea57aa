"""Writes the folder that workers' browsers load from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.blueprints.static_html.template import Template
from mephisto_nb.errors import ConfigError, DataFileError

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


def check_extra_files(extra_source_dir: str | None, templates: Sequence[Template | None]) -> None:
    """Raise `ConfigError` where the extra folder cannot be copied, or lacks a file that a template loads."""
    extra = Path(extra_source_dir).expanduser() if extra_source_dir and given(extra_source_dir) else None
    if extra is not None:
        _check_folder(extra)
    for template in filter(None, templates):
        for name in template.local_files:
            path = unquote(urlsplit(name).path).lstrip("/")
            if extra is None or not (extra / path).is_file():
                where = f"{extra.absolute()} has no such file" if extra else "extra_source_dir is not set"
                raise ConfigError(
                    f"The template loads {name!r}, but {where}. Put it into the folder of extra_source_dir."
                )


def read_scripts(extra_source_dir: str | None, template: Template) -> list[str]:
    """Give the texts of those scripts of a template that lie in the extra folder."""
    folder = Path(extra_source_dir or "").expanduser()
    paths = [folder / unquote(urlsplit(name).path).lstrip("/") for name in template.local_files]
    return [path.read_text(encoding="utf-8", errors="replace") for path in paths if path.suffix in (".js", ".mjs")]


def _check_folder(extra: Path) -> None:
    if not extra.is_dir():
        raise ConfigError(
            f"mephisto.blueprint.extra_source_dir is {str(extra)!r}, which is not a folder (looked for "
            f"{extra.absolute()}). Correct the path."
        )
    for entry in sorted(extra.iterdir()):
        if entry.name in _OURS or entry.name.startswith(("task-script-", "preview-script-", "onboarding-script-")):
            raise ConfigError(
                f"mephisto.blueprint.extra_source_dir holds {entry.name!r}, a name that the worker's page uses itself. "
                "Rename it."
            )


def build(
    directory: Path,
    templates: Mapping[str, Template | None],
    sample: JSONObject | None,
    extra_source_dir: str | None,
) -> None:
    """Write the page, the templates, by their names, with their scripts, the visitors' sample and the extra folder."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        if extra_source_dir and given(extra_source_dir):
            shutil.copytree(Path(extra_source_dir).expanduser(), directory, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise DataFileError(f"mephisto.blueprint.extra_source_dir cannot be copied: {error}") from error
    shutil.copytree(PAGE, directory / PAGE_FOLDER, dirs_exist_ok=True, ignore=shutil.ignore_patterns("index.html"))
    shutil.copyfile(PAGE / "index.html", directory / "index.html")
    for name, one in templates.items():
        if one is not None:
            (directory / f"{name}.html").write_text(one.html, encoding="utf-8")
            for script, content in one.scripts.items():
                (directory / script).write_text(content, encoding="utf-8")
    if sample is not None:
        (directory / "preview.json").write_text(json.dumps(sample), encoding="utf-8")
