"""Text that workers had a hand in, made fit for every database.

JSON needs none of this: it is stored with everything but ASCII escaped.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Dialect, Text, TypeDecorator

#: PostgreSQL cannot index values of more than about 2700 bytes; a character takes up to 4.
MAX_KEY_LENGTH = 500
_KEPT = MAX_KEY_LENGTH - 70


def make_storable(text: str) -> str:
    """Put U+FFFD in the place of what no database takes: NUL (PostgreSQL), and halves of surrogate pairs (all)."""
    if text.isascii() and "\0" not in text:
        return text
    return "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in text)


def make_key(text: str) -> str:
    """Make a text storable and, where it is too long for an index, short: two long ones stay two."""
    storable = make_storable(text)
    if len(storable) <= MAX_KEY_LENGTH:
        return storable
    return f"{storable[:_KEPT]} {hashlib.sha256(storable.encode()).hexdigest()}"


class PlainText(TypeDecorator[str]):
    """A column of text that takes any Python string."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Make what is written, or looked for, storable."""
        return None if value is None else make_storable(value)


class KeyText(PlainText):
    """A column of text that takes any Python string and can be indexed."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Make what is written, or looked for, storable and short."""
        return None if value is None else make_key(value)
