"""From a docstring in numpy's style to Markdown."""

from __future__ import annotations

import inspect
import re

from mephisto_nb.config.settings_list import described as described
from mephisto_nb.config.settings_list import entries as entries
from mephisto_nb.config.settings_list import sections as sections

#: Sections whose entries are a name and what is said about it.
FIELDS = ("Parameters", "Attributes", "Raises", "Returns", "Yields")
_CODE = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)


def to_markdown(docstring: str) -> str:
    """Turn a whole docstring into Markdown, its sections with a bold line above each."""
    lines: list[str] = []
    for name, text in sections(docstring).items():
        if name:
            lines += [f"**{name}**", ""]
        lines += [_fields(text) if name in FIELDS else prose(text), ""]
    return "\n".join(lines).strip()


def _fields(section: str) -> str:
    grouped: dict[str, list[str]] = {}
    for name, text in entries(section).items():
        grouped.setdefault(text, []).append(f"`{name}`")
    shown = []
    for text, names in grouped.items():
        body = prose(text).replace("\n", "\n  ")
        shown.append(f"{', '.join(names)}\n: {body}\n" if body else f"{', '.join(names)}\n")
    return "\n".join(shown)


def prose(text: str) -> str:
    """Turn running text with lists, examples and literal blocks into Markdown."""
    paragraphs = re.split(r"\n\s*\n", text.strip("\n"))
    shown: list[str] = []
    literal = False
    for paragraph in paragraphs:
        if literal and paragraph[:1].isspace():
            shown.append(_fence("text", inspect.cleandoc(paragraph)))
            continue
        literal = paragraph.rstrip().endswith("::")
        if paragraph.lstrip().startswith(">>>"):
            shown.append(_fence("pycon", re.sub(r" +# doctest:.*", "", inspect.cleandoc(paragraph))))
        elif paragraph.strip() != "::":
            shown.append(escape(re.sub(r"::$", ":", paragraph)))
    return "\n\n".join(shown)


def escape(text: str) -> str:
    """Keep text from being read as HTML, emphasis, a link or a role; code stays as it is."""
    pieces = _CODE.split(text)
    pieces[::2] = [re.sub(r"([<*\[{$\\])|(?<!\w)(_)", r"\\\1\2", piece) for piece in pieces[::2]]
    return "".join(pieces)


def summary(docstring: str) -> str:
    """Return the first line of a docstring, as Markdown."""
    return escape(sections(docstring)[""].partition("\n")[0])


def _fence(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"
