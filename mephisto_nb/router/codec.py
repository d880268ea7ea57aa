"""JSON in and out, such that whatever was let in can be written, sent and read again by anyone."""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn, TypeGuard

from mephisto_nb._typing import JSON

#: Ids are made by the operator or the router. Whatever looks otherwise is unknown, before it is looked up.
_ID = re.compile(r"[!-~]{1,200}", re.ASCII)


class Intricate(ValueError):
    """JSON text that would take far more memory once it is read."""


def is_id(value: object) -> TypeGuard[str]:
    """Return whether `value` can be an id of an agent, request or update."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def parse(raw: bytes | str, max_depth: int, max_containers: float = math.inf) -> JSON:
    """Read JSON text.

    Raises
    ------
    ValueError
        It is no UTF-8, no JSON, holds NaN or Infinity, or nests deeper than `max_depth`.
    Intricate
        It holds more than `max_containers` objects and lists. This is seen before it is read, so brackets in
        strings count as well.
    """
    text = raw.decode() if isinstance(raw, bytes) else raw
    containers = text.count("[") + text.count("{")
    if containers > max_containers:
        raise Intricate("the JSON text holds too many objects and lists")
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("the JSON text nests too deeply") from None
    if containers > max_depth and _is_deeper(value, max_depth):
        raise ValueError("the JSON text nests too deeply")
    return value


def dump(value: JSON) -> str:
    """Write JSON text that is valid UTF-8.

    Raises
    ------
    ValueError
        It holds a number that JSON does not know (``1e999`` is read as infinity).
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which JSON can spell and UTF-8 cannot: it is kept in JSON's spelling.
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _is_deeper(value: JSON, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _containers(outer)]
        if not level:
            return False
    return True


def _containers(outer: JSON) -> list[JSON]:
    values = outer.values() if isinstance(outer, dict) else outer
    return [inner for inner in values if isinstance(inner, dict | list)]
