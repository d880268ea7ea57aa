"""Looks at a bundle before anybody is asked to work with it.

What the page around a bundle may load and run, and what to set where it wants more.

Writes the folder that workers' browsers load from: the page around a bundle, the bundle, and what is beside it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html.args import given
from mephisto_nb.blueprints.static_react.args import StaticReactBlueprintArgs
from mephisto_nb.errors import ConfigError, DataFileError

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


#: How the page names what it reports when its policy stopped something.
POLICY_ERROR = "policy"
_MOST = 200


def make_policy(args: StaticReactBlueprintArgs) -> str:
    """Write the policy: nothing from other sites but what is named, and no text run as code unless that is allowed."""
    others = "".join(f" {source}" for source in args.extra_sources)
    scripts = f"'self'{others}{' ' + chr(39) + 'unsafe-eval' + chr(39) if args.allow_eval else ''}"
    styles = f"'self'{others}{' ' + chr(39) + 'unsafe-inline' + chr(39) if args.allow_inline_styles else ''}"
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src * data: blob:; "
        f"media-src * data: blob:; font-src 'self' data:{others}; connect-src 'self' ws: wss:{others}; "
        f"worker-src 'self' blob:; frame-src 'self'{others}; form-action 'self'; base-uri 'none'"
    )


def explain(report: JSONObject) -> str | None:
    """Say what to set, or to change, for what a page's policy has stopped; None where a report is of something else."""
    if report.get("error_type") != POLICY_ERROR:
        return None
    directive, blocked = str(report.get("directive"))[:_MOST], str(report.get("blocked"))[:_MOST]
    remedy = _remedy(directive, blocked)
    return f"The worker's page was kept from something that it tried ({directive}: {blocked}). {remedy}"


def _remedy(directive: str, blocked: str) -> str:
    if directive == "script-src" and blocked in ("eval", "wasm-eval"):
        return (
            "The bundle runs text as code, as builds for development do. Build it for production, or set "
            "mephisto.blueprint.allow_eval=true."
        )
    if directive == "style-src" and blocked == "inline":
        return "The bundle adds styles of its own. Set mephisto.blueprint.allow_inline_styles=true."
    if blocked == "inline":
        return "A script is written into the page itself. Put it into the bundle."
    return (
        "It belongs to another site. Put it into the bundle or into extra_source_dir, or add its address to "
        "mephisto.blueprint.extra_sources."
    )


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
