"""How large a value is as JSON text, and how many others it holds: found without walking through millions of them."""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii

from mephisto_nb._typing import JSON

#: What a number, a truth value or null takes at most, near enough.
_SCALAR = 20
#: So many values are walked through one by one; of more, text is made at once, which is a hundred times as fast.
_WALKED = 2000
_encode = json.JSONEncoder(separators=(",", ":")).encode


def has_many_values(value: JSON) -> bool:
    """Return whether a value holds so many others that walking through them would take noticeable time."""
    found, todo = 0, [value]
    while todo and found <= _WALKED:
        one = todo.pop()
        if isinstance(one, dict | list | tuple):
            found += 1 + len(one)
            if found <= _WALKED:
                todo.extend(one.values() if isinstance(one, dict) else one)
    return found > _WALKED


def surely_fits(value: JSON, most: int) -> bool:
    """Return whether a value takes no more than `most` bytes as JSON, whatever its texts are; False: it may not.

    Cheap: no text is looked at.
    """
    size, found, todo = 0, 0, [value]
    while todo and found <= _WALKED and size <= most:
        one = todo.pop()
        if isinstance(one, str):
            size += _longest(one)
        elif isinstance(one, dict):
            found += len(one)
            size += 2 + sum(_longest(key) + 2 for key in one) if found <= _WALKED else 0
            todo.extend(one.values() if found <= _WALKED else ())
        elif isinstance(one, list | tuple):
            found += len(one)
            size += 2 + len(one)
            todo.extend(one if found <= _WALKED else ())
        elif isinstance(one, int) and abs(one) >= 10**_SCALAR:
            return False
        else:
            size += 2 * _SCALAR
    return found <= _WALKED and size <= most


def _longest(text: str) -> int:
    """Return how many bytes a text takes at most: each character escaped, those beyond U+FFFF as two."""
    return 2 + len(text) * (6 if text.isascii() else 12)


def json_size(value: JSON, most: int) -> int:
    """Return about how many bytes a value takes as compact JSON of ASCII; counting ends once that is over `most`.

    Examples
    --------
    >>> json_size({"text": "Hello"}, 1000)
    17
    """
    if has_many_values(value):
        return len(_encode(value))
    size, todo = 0, [value]
    while todo and size <= most:
        one = todo.pop()
        if isinstance(one, str):
            size += len(encode_basestring_ascii(one))
        elif isinstance(one, dict):
            size += 2 + sum(len(encode_basestring_ascii(key)) + 2 for key in one)
            todo.extend(one.values())
        elif isinstance(one, list | tuple):
            size += 2 + len(one)
            todo.extend(one)
        elif isinstance(one, int):
            size += max(_SCALAR, one.bit_length() // 3 + 2)
        else:
            size += 2 * _SCALAR if isinstance(one, float) else _SCALAR
    return size


def rough_size(value: JSON) -> int:
    """Return how many characters a value takes as JSON, near enough to share them out; nothing is written for it.

    Characters that JSON escapes count as one, and each number with a fraction as a long one.

    Examples
    --------
    >>> rough_size({"text": "Hello"})
    19
    """
    size, todo = 0, [value]
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            size += 2 + len(one)
        elif isinstance(one, dict):
            size += 2 + 6 * len(one) + sum(map(len, one))
            todo.extend(one.values())
        elif isinstance(one, list | tuple):
            others = [item for item in one if not isinstance(item, float)]
            size += 2 + 2 * len(one) + _SCALAR * (len(one) - len(others))
            todo.extend(others)
        elif isinstance(one, float):
            size += _SCALAR
        else:
            size += 5 if one is None else 2 + one.bit_length() * 3 // 10
    return size
