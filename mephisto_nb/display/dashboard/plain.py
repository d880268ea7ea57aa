"""What workers wrote, as short plain text. It stays text: whoever shows it must escape it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mephisto_nb._typing import JSON

#: How long a preview is at most, in characters.
LONGEST = 120
#: How deep, and how far along each list, an answer is looked into.
_DEPTH, _ITEMS = 4, 20


def preview_of(answer: JSON) -> str:
    """Give the beginning of an answer in one line of at most `LONGEST` characters, whatever it is.

    Examples
    --------
    >>> preview_of({"label": "cat", "sure": True, "seen": [1, 2]})
    'label: cat; sure: True; seen: 1, 2'
    """
    line, pieces = "", _pieces(answer, 0)
    for piece in pieces:
        line += piece
        if len(line) > LONGEST:
            break
    shown = "".join(char if char.isprintable() else " " for char in line[: LONGEST + 1])
    text = " ".join(shown.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _pieces(value: JSON, depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        yield "…"
    elif isinstance(value, dict):
        for number, (name, item) in enumerate(islice(value.items(), _ITEMS)):
            yield f"{'; ' if number else ''}{str(name)[:LONGEST]}: "
            yield from _pieces(item, depth + 1)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(islice(value, _ITEMS)):
            yield ", " if number else ""
            yield from _pieces(item, depth + 1)
    else:
        yield value[:LONGEST] if isinstance(value, str) else str(value)[:LONGEST]
