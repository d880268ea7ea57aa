"""JSON in and out, such that whatever was let in can be written, sent and read again by anyone."""

from __future__ import annotations

import json
import re
from typing import NamedTuple, NoReturn, TypeGuard

from mephisto_nb._typing import JSON
from mephisto_nb.router.shape import Bounds, Shape

#: Ids are made by the operator or the router. Whatever looks otherwise is unknown, before it is looked up.
_ID = re.compile(r"[!-~]{1,200}", re.ASCII)
#: Beyond so many bytes of numbers, a text is heavy.
_HEAVY = 256 * 1024
_PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPED = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
#: Writes the same text for the same value, in whatever order its keys come.
SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def is_id(value: object) -> TypeGuard[str]:
    """Return whether `value` can be an id of an agent, request or update."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


class Text(NamedTuple):
    """JSON text that was read: its value, how long it was (bytes), and whether most of that were numbers.

    Numbers take longest to read and to write. Where there are many, both are done such that other threads go on.
    """

    value: JSON
    size: int
    is_heavy: bool


def read(raw: bytes | str, bounds: Bounds) -> Text:
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
    is_heavy = shape.plain > _HEAVY
    try:
        value = _GentleDecoder().decode(text) if is_heavy else json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("the JSON text nests too deeply") from None
    return Text(value, len(raw), is_heavy)


def dump(value: JSON, *, gently: bool = False) -> str:
    """Write JSON text that is valid UTF-8.

    Parameters
    ----------
    value
        What to write.
    gently
        Take longer, and let other threads go on meanwhile: for what is heavy, see `Text`.

    Raises
    ------
    ValueError
        It holds a number that JSON does not know (``1e999`` is read as infinity).
    """
    text = write(_PLAIN, value, gently=gently)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which JSON can spell and UTF-8 cannot: it is kept in JSON's spelling.
        return write(_ESCAPED, value, gently=gently)
    return text


def write(encoder: json.JSONEncoder, value: JSON, *, gently: bool) -> str:
    """Write JSON text as `encoder` does; `gently` as `dump` means it."""
    # Piece by piece, Python writes it; in one piece, C does.
    return "".join(encoder.iterencode(value)) if gently else encoder.encode(value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class _GentleDecoder(json.JSONDecoder):
    """Reads as the usual one does, but lets other threads go on meanwhile: numbers are what takes longest to read."""

    def __init__(self) -> None:
        super().__init__(parse_constant=_no_constant)
        self.parse_object, self.parse_array = json.decoder.JSONObject, json.decoder.JSONArray  # type: ignore[attr-defined]
        self.scan_once = json.scanner.py_make_scanner(self)  # type: ignore[attr-defined]
