"""Answers of any size and shape: which of their fields the page asks for, and how the rest of a big one is set aside.

What a worker makes up must not cost everybody who reads answers: of a big one, what nobody asked for stays text that
nobody reads, until somebody does.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
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
#: Beside a column of times, or of files: what was sent in their place, and is none.
AS_SENT = " (as sent)"
#: Where nobody can tell what a page asks for, so many fields are taken for its questions.
MOST_FIELDS = 200
#: From so many characters of JSON on an answer is a big one; so much text, and lists and objects, is read of one. Each
#: is counted as JSON writes it: a mark may take two characters, and a letter that is not ASCII takes six.
_BIG, _MOST_TEXT, _MOST_NESTED = 256 * 1024, 5 * 1024 * 1024, 256 * 1024


def is_named_by_us(name: str) -> bool:
    """Return whether a field is called as we call columns of our own. A page that asks for it may do so."""
    return is_in_parentheses(name) or name.endswith(AS_SENT)


def is_in_parentheses(name: str) -> bool:
    """Return whether a field is called as we call what we put beside an answer."""
    return name.startswith("(") and name.endswith(")")


def free_name(name: str, used: Collection[str]) -> str:
    """Return a name that nothing has yet: this one, or it with a number."""
    numbered = (f"{name} ({number})" for number in itertools.count(2))
    return next(one for one in itertools.chain([name], numbered) if one not in used)


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


def pack(data: JSON, asked: Asked, dump: Callable[[JSON], str]) -> tuple[str, str | None]:
    """Return an answer as text, and of a big one what is set aside (else None): what is read only when asked for.

    Then the text tells on a second line how long the rest is.
    """
    text = dump(data)
    if len(text) < _BIG:
        return text, None
    own, rest = _divide(data, asked, dump) if isinstance(data, dict) else (None, data)
    aside = dump(rest)
    return (f"{dump(own)}\n{len(aside)}", aside) if rest != {} else (text, None)


def _divide(data: JSONObject, asked: Asked, dump: Callable[[JSON], str]) -> tuple[JSONObject, JSONObject]:
    own, room, nested_room = JSONObject(), _MOST_TEXT, _MOST_NESTED
    for name, value in data.items():
        if not _is_own(name, asked) or (asked is None and len(own) == MOST_FIELDS):
            continue
        size = len(dump(value))
        if isinstance(value, dict | list) and size <= nested_room:
            own[name], nested_room = value, nested_room - size
        elif not isinstance(value, dict | list) and size <= room:
            own[name], room = value, room - size
    return own, {name: value for name, value in data.items() if name not in own}


def unpack(text: str, load: Callable[[], str]) -> tuple[JSON, Unread | None]:
    """Return what is read of an answer each time, and the rest, which `load` gives; None: there is none."""
    read, _, size = text.partition("\n")
    return json.loads(read), Unread(int(size), load) if size else None


class Unread(Mapping[str, JSON]):
    """What was set aside of a big answer, by its fields; it is read when somebody asks it for anything.

    Parameters
    ----------
    size
        How long it is, in characters of JSON.
    load
        Gives it as text.
    beside
        Fields that stand beside it.
    """

    def __init__(self, size: int, load: Callable[[], str], beside: JSONObject | None = None) -> None:
        self._size, self._load, self._beside = size, load, beside or {}

    def read(self) -> JSON:
        """Return what was set aside, as it was sent."""
        return json.loads(self._load())

    def and_(self, beside: JSONObject) -> Unread:
        """Return it with other fields beside it."""
        return Unread(self._size, self._load, {**self._beside, **beside})

    @cached_property
    def _fields(self) -> JSONObject:
        found = self.read()
        return {**self._beside, **(found if isinstance(found, dict) else {"answer": found})}

    def __getitem__(self, name: str) -> JSON:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def toDict(self) -> JSONObject:
        """Return all of it."""
        return dict(self)

    def __repr__(self) -> str:
        return f"<{self._size:,} characters of JSON, read when asked for: dict(...)>"

    def __reduce__(self) -> tuple[type[dict[str, JSON]], tuple[JSONObject]]:
        return dict, (self._fields,)


def whole(data: JSON, rest: Unread | None) -> JSON:
    """Return an answer as it was sent; of a big one, what is read each time comes first."""
    if rest is None:
        return data
    others = rest.read()
    return {**data, **others} if isinstance(data, dict) and isinstance(others, dict) else others


def joined(own: JSONObject, rest: Unread | None) -> Mapping[str, JSON] | None:
    """Return what else was sent as one value; None: nothing was."""
    if rest is None:
        return own or None
    return rest.and_(own) if own else rest


def _is_own(name: str, asked: Asked) -> bool:
    return name in asked if asked is not None else not is_named_by_us(name)
