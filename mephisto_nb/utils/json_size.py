"""How large a value is as JSON text, without making that text.

Stands alone because the rules of what fits on the link and the display of histories both ask, and neither may encode
megabytes to find out.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii

from mephisto_nb._typing import JSON

#: What a number, a truth value or null takes at most, near enough.
_SCALAR = 20


def json_size(value: JSON, most: int) -> int:
    """Return about how many bytes a value takes as compact JSON of ASCII; counting ends once that is over `most`.

    Examples
    --------
    >>> json_size({"text": "Hello"}, 1000)
    18
    """
    size, todo = 0, [value]
    while todo and size <= most:
        one = todo.pop()
        if isinstance(one, str):
            size += _text_size(one)
        elif isinstance(one, dict):
            size += 2 + sum(_text_size(key) + 2 for key in one)
            todo.extend(one.values())
        elif isinstance(one, list | tuple):
            size += 2 + len(one)
            todo.extend(one)
        else:
            size += _SCALAR
    return size


def _text_size(text: str) -> int:
    if text.isascii():
        return len(text) + 2 + text.count('"') + text.count("\\") + text.count("\n")
    return len(encode_basestring_ascii(text))
