"""JSON as databases keep it."""

from __future__ import annotations

import json

from mephisto_nb._typing import JSON

#: One for all: `json.dumps` would make a new encoder for each of many small values.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def dump(value: JSON) -> str:
    """Write JSON compactly. A NUL, which PostgreSQL's text cannot hold, stays escaped.

    NaN and infinity, which are no JSON, are refused: a packet that holds one could never be sent.
    """
    return _encode(value)
