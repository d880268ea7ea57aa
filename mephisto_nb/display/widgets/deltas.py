"""What has changed between two states."""

from __future__ import annotations

from mephisto_nb._typing import JSON, JSONObject


def find_changes(old: JSONObject, new: JSONObject) -> JSONObject:
    """Give the values of `new` that differ from `old`, by dotted path; a list counts as one value.

    >>> find_changes({"units": {"open": 2, "done": 0}}, {"units": {"open": 1, "done": 0}})
    {'units.open': 1}
    """
    changes: JSONObject = {}
    _collect(old, new, "", changes)
    return changes


def _collect(old: JSONObject, new: JSONObject, prefix: str, changes: JSONObject) -> None:
    for name, value in new.items():
        before: JSON = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            _collect(before, value, f"{prefix}{name}.", changes)
        elif value != before or name not in old:
            changes[f"{prefix}{name}"] = value
