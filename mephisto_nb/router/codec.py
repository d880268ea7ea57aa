"""JSON in and out, such that whatever was let in can be written, sent and read again by anyone."""

from __future__ import annotations

import json
import re
from typing import NoReturn, TypeGuard

from mephisto_nb._typing import JSON
from mephisto_nb.router.shape import Bounds, Shape

#: Ids are made by the operator or the router. Whatever looks otherwise is unknown, before it is looked up.
_ID = re.compile(r"[!-~]{1,200}", re.ASCII)
#: Beyond so many bytes of numbers, a text is read so that other threads can go on meanwhile.
_GENTLY = 256 * 1024


def is_id(value: object) -> TypeGuard[str]:
    """Return whether `value` can be an id of an agent, request or update."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def parse(raw: bytes | str, bounds: Bounds) -> JSON:
    """Read JSON text; what is not as it may be is seen before it is read.

    Raises
    ------
    ValueError
        It is no UTF-8, no JSON, holds NaN or Infinity, or nests too deeply.
    Intricate
        It is more intricate than `bounds` allow.
    """
    shape = Shape(bounds)
    shape.feed(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass"))
    text = raw.decode() if isinstance(raw, bytes) else raw
    try:
        return _read_gently(text) if shape.plain > _GENTLY else json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("the JSON text nests too deeply") from None


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


class _GentleDecoder(json.JSONDecoder):
    """Reads as the usual one does, but lets other threads go on meanwhile: numbers are what takes longest to read."""

    def __init__(self) -> None:
        super().__init__(parse_constant=_no_constant)
        self.parse_object, self.parse_array = json.decoder.JSONObject, json.decoder.JSONArray  # type: ignore[attr-defined]
        self.scan_once = json.scanner.py_make_scanner(self)  # type: ignore[attr-defined]


def _read_gently(text: str) -> JSON:
    value: JSON = _GentleDecoder().decode(text)
    return value
