"""Writes the folder that workers' browsers load from: the page around a bundle, the bundle, and what is beside it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.blueprints.static_react.bundle import STYLES
from mephisto_nb.errors import ConfigError, DataFileError

_PAGE = Path(__file__).parent / "page"
#: Where our own script lies below the site, out of the way of a researcher's files.
_FOLDER = "worker_page"
PREVIEW = "preview.html"
_OURS = frozenset({"index.html", PREVIEW, "wrap_crowd_source.js", "task_config.json", _FOLDER})


def check_extra_folder(extra_source_dir: str | None, bundle: Mapping[str, Path]) -> None:
    """Raise `ConfigError` where the extra folder cannot be copied, or would hide a file of the page or the bundle."""
    if not extra_source_dir or not given(extra_source_dir):
        return
    extra = Path(extra_source_dir).expanduser()
    if not extra.is_dir():
        raise ConfigError(
            f"mephisto.blueprint.extra_source_dir is {extra_source_dir!r}, which is not a folder (looked for "
            f"{extra.absolute()}). Correct the path."
        )
    for name in sorted(entry.name for entry in extra.iterdir()):
        if name in _OURS or name in bundle:
            raise ConfigError(
                f"mephisto.blueprint.extra_source_dir holds {name!r}, a name that the worker's page uses itself. "
                "Rename it."
            )


def build(directory: Path, bundle: Mapping[str, Path], preview: str | None, extra_source_dir: str | None) -> None:
    """Write the page, and copy the bundle, the preview and the extra folder."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        if extra_source_dir and given(extra_source_dir):
            shutil.copytree(Path(extra_source_dir).expanduser(), directory, dirs_exist_ok=True)
        for name, source in bundle.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, directory / name)
    except (OSError, shutil.Error) as error:
        raise DataFileError(f"The task's files cannot be copied: {error}") from error
    # Over whatever the build made of its own: this page is the one that knows the crowd.
    shutil.copytree(_PAGE, directory / _FOLDER, dirs_exist_ok=True, ignore=shutil.ignore_patterns("index.html"))
    shutil.copyfile(_PAGE / "index.html", directory / "index.html")
    if not (directory / STYLES).exists():
        (directory / STYLES).touch()
    if preview is not None:
        (directory / PREVIEW).write_text(preview, encoding="utf-8")
