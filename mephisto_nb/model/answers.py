"""Answers of any size and shape: which of their fields the page asks for, and how the rest of a big one is set aside.

What a worker makes up must not cost everybody who reads answers: of a big one, what nobody asked for stays text that
nobody reads, until somebody does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import TypeAlias

from mephisto_nb._typing import JSON, JSONObject

#: The names of the fields that a page asks for; None: nobody can tell.
Asked: TypeAlias = Collection[str] | None


class _Everything(frozenset[str]):
    """Holds every name."""

    def __contains__(self, name: object) -> bool:
        return True


#: Of answers that no worker's page sends to us, such as those of a run that was imported: all is what it is.
EVERYTHING = _Everything()


class StoredFile(str):
    """The path of a file that was stored here, which nothing that a worker writes can be.

    Examples
    --------
    >>> StoredFile("files/0a") == "files/0a", isinstance("/etc/passwd", StoredFile)
    (True, False)
    """

    __slots__ = ()


#: What the column is called that holds what else was sent.
REST = "(more)"
#: Where nobody can tell what a page asks for, so many fields are taken for its questions.
MOST_FIELDS = 200
#: From so many characters of JSON on an answer is a big one; and so much of lists and objects is read of one.
_BIG, _MOST_NESTED = 256 * 1024, 1024 * 1024


def is_named_by_us(name: str) -> bool:
    """Return whether a field is called as we call columns of our own: in parentheses. A page that asks may do so."""
    return name.startswith("(") and name.endswith(")")


def split(data: JSON, asked: Asked) -> tuple[JSON, JSONObject]:
    """Return an answer's own fields, and what else was sent. An answer that is no object is its own.

    Without `asked`, its own are all but those that are called like columns of ours.
    """
    if not isinstance(data, dict):
        return data, {}
    if asked is None and not any(map(is_named_by_us, data)):
        return data, {}
    own = {name: value for name, value in data.items() if _is_own(name, asked)}
    return own, {name: value for name, value in data.items() if name not in own}


def pack(data: JSON, asked: Asked, dump: Callable[[JSON], str]) -> str:
    """Return an answer as text: of a big one, what is read each time on the first line, and the rest on a second."""
    text = dump(data)
    if len(text) < _BIG or not isinstance(data, dict | list):
        return text
    own, room = JSONObject(), _MOST_NESTED
    for name, value in data.items() if isinstance(data, dict) else ():
        is_own = _is_own(name, asked) and (asked is not None or len(own) < MOST_FIELDS)
        if is_own and isinstance(value, dict | list):
            room -= (size := len(dump(value)))
            is_own, room = room >= 0, room if room >= 0 else room + size
        if is_own:
            own[name] = value
    if isinstance(data, list):
        return f"null\n{text}"
    rest = {name: value for name, value in data.items() if name not in own}
    return f"{dump(own)}\n{dump(rest)}" if rest else text


def unpack(text: str) -> tuple[JSON, str | None]:
    """Return what is read of an answer each time, and the text of the rest; None: there is none."""
    read, _, rest = text.partition("\n")
    return json.loads(read), rest or None


def whole(data: JSON, rest: str | None) -> JSON:
    """Return an answer as it was sent; of a big one its own fields come first."""
    if rest is None:
        return data
    others = json.loads(rest)
    return {**data, **others} if isinstance(data, dict) and isinstance(others, dict) else others


def joined(own: JSONObject, rest: str | None) -> JSON:
    """Return what else was sent as one value: an object, or with the unread rest of a big answer, JSON text."""
    if rest is None:
        return own or None
    return rest if not own else f"{json.dumps(own)[:-1]}, {rest[1:]}"


def _is_own(name: str, asked: Asked) -> bool:
    return name in asked if asked is not None else not is_named_by_us(name)
