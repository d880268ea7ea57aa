"""Writes what is made from the code into the folder that a build reads: pages, drawings, copies of the notebooks."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from docs.generate import names, settings, states, tables

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: What is written anew by each build, and is in no repository.
MADE = ("reference", "notebooks", "_made")

#: The pages of the reference, by file name, in the order of the table of contents.
REFERENCE = {
    f"{name}.md"
    for name in (
        "index",
        "operator",
        "run",
        "functions",
        "handed",
        "bases",
        "settings",
        "frames",
        "events",
        "errors",
        "commands",
    )
}
_INDEX = """# Reference

Made from the code: every public name with its docstring, and every setting. A test fails where one has none.

```{toctree}
:maxdepth: 1

operator
run
functions
handed
bases
settings
frames
events
errors
commands
```

[](genindex.md) lists all of them by the alphabet.
"""


def reference() -> dict[str, str]:
    """Return the pages of the reference, by file name."""
    return {
        "index.md": _INDEX.replace("[](genindex.md)", "{ref}`The index <genindex>`"),
        **names.pages(),
        "settings.md": settings.page(),
        "frames.md": tables.frames_page(),
        "events.md": tables.events_page(),
        "errors.md": tables.errors_page(),
        "commands.md": tables.commands_page(),
    }


def drawings() -> dict[str, str]:
    """Return what pages include, by file name."""
    plans = {"units": states.UNITS, "agents": states.AGENTS}
    return {
        **{f"{name}.svg": states.drawing(plan) for name, plan in plans.items()},
        **{f"{name}.md": states.table(plan) for name, plan in plans.items()},
        "contributing.md": from_the_root("CONTRIBUTING.md"),
        "changelog.md": from_the_root("CHANGELOG.md"),
    }


def from_the_root(name: str) -> str:
    """Return a file of the repository's root with its links as they are from the folder of the site."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.sub(r"\]\(docs/([^)]+)\)", r"](\1)", re.sub(r"\]\((?!docs/|https:|#)([^)]+)\)", r"](../\1)", text))


def write() -> None:
    """Write all of it, and take away what an earlier build has left."""
    for folder in MADE:
        shutil.rmtree(DOCS / folder, ignore_errors=True)
    for folder, texts in (("reference", reference()), ("_made", drawings())):
        (DOCS / folder).mkdir()
        for name, text in texts.items():
            (DOCS / folder / name).write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "notebooks", DOCS / "notebooks", ignore=shutil.ignore_patterns("*.js", ".*"))
