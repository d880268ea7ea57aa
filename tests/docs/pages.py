"""What people read: README, CONTRIBUTING and the pages of the site, as the tests of them see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Folders of `docs` that a build makes, and what is no page.
MADE = ("_build", "_made", "notebooks", "reference", "generate")
_FENCE = re.compile(r"^(```+)([\w{}:+-]*)[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """One file in Markdown."""

    path: Path

    @property
    def name(self) -> str:
        """Its path from the root of the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """All of it but for blocks of code."""
        return _FENCE.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        """Return the blocks of code of a language."""
        return [body for _, kind, body in _FENCE.findall(self.text) if kind == language]

    def languages(self) -> set[str]:
        """Return the languages of all blocks; a directive of MyST is none."""
        return {kind for _, kind, _ in _FENCE.findall(self.text) if not kind.startswith("{")}

    def commands(self) -> list[str]:
        """Return the shell commands, without what is said about them."""
        lines = [line.partition(" #")[0].strip() for block in self.blocks("sh") for line in block.splitlines()]
        return [line for line in lines if line]

    def links(self) -> list[str]:
        """Return where its links lead."""
        return re.findall(r"\]\(([^)\s]+)\)", self.prose)

    def anchors(self) -> set[str]:
        """Return the names by which its headings, and places marked by hand, are linked to."""
        headings = re.findall(r"^#+ (.*)", self.prose, re.MULTILINE)
        return {slug(one) for one in headings} | set(re.findall(r"^\(([\w-]+)\)=$", self.text, re.MULTILINE))

    def pictures(self) -> list[Path]:
        """Return the pictures that it shows."""
        shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", self.text) + re.findall(r"^:file: (.*)$", self.text, re.MULTILINE)
        return [(self.path.parent / one).resolve() for one in shown]


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@cache
def pages() -> tuple[Page, ...]:
    """Return every page: README and CONTRIBUTING first, then those of the site."""
    found = [one for one in sorted(DOCS.rglob("*.md")) if one.relative_to(DOCS).parts[0] not in MADE]
    return tuple(map(Page, [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *found]))
