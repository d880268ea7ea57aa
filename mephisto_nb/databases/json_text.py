"""JSON as databases keep it."""

from __future__ import annotations

import json

from mephisto_nb._typing import JSON

#: One for all: `json.dumps` would make a new encoder for each of many small values.
_encode = json.JSONEncoder(separators=(",", ":")).encode


def dump(value: JSON) -> str:
    """Write JSON compactly. A NUL, which PostgreSQL's text cannot hold, stays escaped."""
    return _encode(value)
