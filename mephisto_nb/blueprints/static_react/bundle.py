"""Looks at a bundle before anybody is asked to work with it."""

from __future__ import annotations

import re
from pathlib import Path

from mephisto_nb.errors import ConfigError

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
_DEVELOPMENT = re.compile(r"\beval\([\"'].{0,200000}?sourceURL=webpack", re.DOTALL)


def find_bundle(task_source: str) -> dict[str, Path]:
    """Give the files of a build, by their names on the site.

    Raises
    ------
    ConfigError
        There is no bundle; it is empty; or it is not built.
    """
    path = Path(task_source).expanduser()
    files = _folder_files(path, task_source) if path.is_dir() else _single_files(path, task_source)
    _check(files[BUNDLE], task_source)
    return files


def _folder_files(path: Path, task_source: str) -> dict[str, Path]:
    files = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
    if BUNDLE not in files:
        scripts = [name for name in files if name.endswith(".js")]
        found = f"its scripts are {', '.join(scripts[:5])}" if scripts else "it holds no script"
        raise ConfigError(
            f"mephisto.blueprint.task_source is the folder {task_source!r}, which has no {BUNDLE} ({found}). Let the "
            f"build write its script to {BUNDLE}, or set task_source to the script itself."
        )
    if "package.json" in files:
        raise ConfigError(
            f"mephisto.blueprint.task_source is {task_source!r}, the folder of a package with its sources, which "
            f"workers could read. Set it to what the build made, such as {task_source.rstrip('/')}/build."
        )
    return files


def _single_files(path: Path, task_source: str) -> dict[str, Path]:
    if not path.is_file():
        raise ConfigError(
            f"mephisto.blueprint.task_source is {task_source!r}, but there is no such file (looked for "
            f"{path.absolute()}). {_HOW}"
        )
    styles = path.with_suffix(".css")
    return {BUNDLE: path} | ({STYLES: styles} if styles.is_file() else {})


def _check(bundle: Path, task_source: str) -> None:
    what = f"mephisto.blueprint.task_source is {task_source!r}"
    if bundle.suffix in (".html", ".htm"):
        raise ConfigError(f"{what}, a page and not a script. For tasks made of HTML, launch a 'static_html' task.")
    if bundle.suffix in _SOURCES:
        raise ConfigError(f"{what}, a source file, which browsers cannot run. {_HOW}")
    try:
        text = bundle.read_text(encoding="utf-8-sig", errors="replace")
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
    """Give a place that shows that a script is a source file or a module, if there is one."""
    if not (_MODULE.search(text) or _JSX.search(text)):
        return None
    code = _NO_CODE.sub(lambda match: '""' if match[0][0] in "\"'`" else " ", text)
    found = _MODULE.search(code) or _JSX.search(code)
    return found[0].strip()[:60] if found else None


def needs_eval(bundle: Path) -> bool:
    """Tell whether a bundle was built for development, so that it runs text as code."""
    return _DEVELOPMENT.search(bundle.read_text(encoding="utf-8-sig", errors="replace")) is not None
