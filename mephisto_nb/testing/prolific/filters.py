"""The filters that the stand-in knows, and who passes them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.testing.prolific.refusals import nested

#: Whom a filter of ids lets in: those that are listed, or those that are not.
_ALLOW, _BLOCK = "allow", "block"


def _select(filter_id: str, title: str, choices: dict[str, str], data_type: str = "ChoiceID") -> JSONObject:
    return {
        "filter_id": filter_id,
        "title": title,
        "description": title,
        "question": "",
        "type": "select",
        "data_type": data_type,
        "choices": choices,
    }


def _range(filter_id: str, title: str, lowest: int, highest: int) -> JSONObject:
    return {
        "filter_id": filter_id,
        "title": title,
        "description": title,
        "question": "",
        "type": "range",
        "data_type": "integer",
        "min": lowest,
        "max": highest,
    }


#: What each filter that lists ids means: of what kind the ids are, and whom they let in.
BY_ID = {
    "custom_allowlist": ("ParticipantID", _ALLOW),
    "custom_blocklist": ("ParticipantID", _BLOCK),
    "participant_group_allowlist": ("ParticipantGroupID", _ALLOW),
    "participant_group_blocklist": ("ParticipantGroupID", _BLOCK),
    "previous_studies_allowlist": ("StudyID", _ALLOW),
    "previous_studies_blocklist": ("StudyID", _BLOCK),
}
#: The filters that participants' traits are asked for.
TRAITS = {
    "age": _range("age", "Age", 18, 100),
    "approval_rate": _range("approval_rate", "Approval Rate", 0, 100),
    "handedness": _select("handedness", "Handedness", {"0": "Right-handed", "1": "Left-handed", "2": "Ambidextrous"}),
    "sex": _select("sex", "Sex", {"0": "Male", "1": "Female"}),
    "current-country-of-residence": _select(
        "current-country-of-residence", "Current Country of Residence", {"0": "United Kingdom", "1": "United States"}
    ),
    "fluent-languages": _select("fluent-languages", "Fluent languages", {"19": "English", "24": "French"}),
}
CATALOGUE: dict[str, JSONObject] = {
    **TRAITS,
    **{name: _select(name, name.replace("_", " ").title(), {}, kind) for name, (kind, _) in BY_ID.items()},
}


def check_filters(filters: JSON, exists: Callable[[str, str], bool]) -> bool:
    """Return whether any filter has weights.

    Parameters
    ----------
    filters
        As a study holds them.
    exists
        Whether there is something of a kind (as ``ParticipantGroupID``) with an id.

    Raises
    ------
    ApiRefusal
        A filter is not known, or its values are not.
    """
    if not isinstance(filters, list):
        raise nested({"filters": ["Expected a list; send an empty one for everybody."]})
    for one in filters:
        known = CATALOGUE.get(one.get("filter_id", "")) if isinstance(one, dict) else None
        if known is None:
            raise nested({"filters": [f"Unknown filter: {str(one)[:80]}"]})
        (_check_range if known["type"] == "range" else _check_values)(known, one, exists)
    return any(one.get("weightings") for one in filters)


def _check_range(known: JSONObject, one: JSONObject, exists: Callable[[str, str], bool]) -> None:
    bounds = one.get("selected_range")
    if not isinstance(bounds, dict) or (bounds.get("lower") is None and bounds.get("upper") is None):
        raise nested({"filters": [f"{known['filter_id']} needs a selected_range with a bound."]})
    given = [value for value in (bounds.get("lower"), bounds.get("upper")) if value is not None]
    if any(isinstance(v, bool) or not isinstance(v, int) or not known["min"] <= v <= known["max"] for v in given):
        raise nested({"filters": [f"{known['filter_id']} is from {known['min']} to {known['max']}."]})


def _check_values(known: JSONObject, one: JSONObject, exists: Callable[[str, str], bool]) -> None:
    values, name = one.get("selected_values"), known["filter_id"]
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise nested({"filters": [f"{name} needs selected_values, a list of texts."]})
    kind = known["data_type"]
    wrong = [v for v in values if (v not in known["choices"] if kind == "ChoiceID" else not exists(kind, v))]
    if wrong:
        raise nested({"filters": [f"{name} has no such values: {', '.join(wrong)[:200]}"]})


def passes(one: JSONObject, traits: JSONObject, belongs: Callable[[str, str], bool]) -> bool:
    """Return whether somebody passes a filter; `belongs` says whether they belong to what has an id, of a kind."""
    name = one["filter_id"]
    if name in BY_ID:
        kind, sense = BY_ID[name]
        return any(belongs(kind, value) for value in one["selected_values"]) == (sense == _ALLOW)
    value = traits.get(name)
    if value is None:
        return False
    if "selected_range" in one:
        bounds = one["selected_range"]
        lower, upper = bounds.get("lower"), bounds.get("upper")
        return (lower is None or value >= lower) and (upper is None or value <= upper)
    chosen: Collection[str] = one["selected_values"]
    return value in chosen
