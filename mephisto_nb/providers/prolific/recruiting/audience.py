"""Whom a study is for: filters by the names and labels that Prolific shows, and by its ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.providers.prolific.objects import ProlificFilter

#: Filters that list ids rather than answers of people: what they are called, and what their values are.
GROUPS_ALLOWED, GROUPS_BLOCKED = "participant_group_allowlist", "participant_group_blocklist"
STUDIES_BLOCKED = "previous_studies_blocklist"
_KINDS = {GROUPS_ALLOWED: "ParticipantGroupID", GROUPS_BLOCKED: "ParticipantGroupID", STUDIES_BLOCKED: "StudyID"}
_WHERE = "mephisto.provider.filters"


def resolve_filters(wanted: Mapping[str, Any], catalogue: Sequence[ProlificFilter]) -> list[JSONObject]:
    """Return filters as a study is made with them.

    Parameters
    ----------
    wanted
        By name or id: labels or ids of choices, one or a list; or the two bounds of a range, or one number.
    catalogue
        The filters that there are.

    Raises
    ------
    ConfigError
        A filter or a choice is not known, or several have the name; the message has the nearest ones.

    Examples
    --------
    >>> age = ProlificFilter("age", "Age", "range", "integer", {}, 18, 100)
    >>> resolve_filters({"AGE": [18, 40]}, [age])
    [{'filter_id': 'age', 'selected_range': {'lower': 18, 'upper': 40}}]
    """
    return [_resolve(str(name), value, catalogue) for name, value in wanted.items()]


def filter_of_ids(filter_id: str, ids: Iterable[str], catalogue: Sequence[ProlificFilter]) -> JSONObject:
    """Return a filter that lists ids, of groups or of studies, under the name that Prolific has for it now."""
    if all(one.id != filter_id for one in catalogue):
        sense = "block" if filter_id.endswith("blocklist") else "allow"
        alike = [one for one in catalogue if one.data_type == _KINDS[filter_id]]
        found = [one.id for one in alike if sense in f"{one.id} {one.title}".casefold()]
        filter_id = found[0] if len(found) == 1 else filter_id
    return {"filter_id": filter_id, "selected_values": list(ids)}


def _resolve(name: str, value: Any, catalogue: Sequence[ProlificFilter]) -> JSONObject:
    found = _find_filter(name, catalogue)
    if found.kind == "range":
        return {"filter_id": found.id, "selected_range": _range(found, value)}
    values = list(value) if isinstance(value, list | tuple | set) else [value]
    if not values:
        raise ConfigError(f"{_WHERE}: {found.title!r} has no values. Give one at least, or leave the filter out.")
    return {"filter_id": found.id, "selected_values": [_find_choice(found, one) for one in values]}


def _find_filter(name: str, catalogue: Sequence[ProlificFilter]) -> ProlificFilter:
    by_id = [one for one in catalogue if one.id == name]
    found = by_id or [one for one in catalogue if _folded(name) in (_folded(one.title), _folded(one.id))]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(one.id for one in found)
        raise ConfigError(
            f"{_WHERE}: {len(found)} filters of Prolific are named {name!r}. Say which, by its id: {ids}."
        )
    raise ConfigError(f"{_WHERE}: Prolific has no filter {name!r}. {_nearest(name, [one.title for one in catalogue])}")


def _find_choice(one: ProlificFilter, value: object) -> str:
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ConfigError(f"{_WHERE}: {one.title!r} cannot be {text[:60]!r}. Give labels, as Prolific shows them.")
    if not one.choices:  # ids of people, groups or studies, which no catalogue lists
        return text
    # A label before an id: there are labels that are numbers.
    found = [key for key, label in one.choices.items() if _folded(label) == _folded(text)]
    found = found or [key for key in one.choices if key == text]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(found)
        raise ConfigError(f"{_WHERE}: {len(found)} choices of {one.title!r} are {text!r}. Say which, by its id: {ids}.")
    raise ConfigError(f"{_WHERE}: {one.title!r} has no choice {text[:60]!r}. {_nearest(text, one.choices.values())}")


def _range(one: ProlificFilter, value: object) -> JSONObject:
    bounds = list(value) if isinstance(value, list | tuple) else [value, value]
    if isinstance(value, Mapping):
        bounds = [value.get("lower"), value.get("upper")]
    lower, upper = bounds if len(bounds) == 2 else (None, None)
    if lower is None and upper is None:
        raise ConfigError(
            f"{_WHERE}: {one.title!r} is a range. Give its bounds, as [{_shown(one.lowest)}, {_shown(one.highest)}]; "
            "one of them may be null."
        )
    for bound in (lower, upper):
        _check_bound(one, bound)
    if isinstance(lower, int | float) and isinstance(upper, int | float) and lower > upper:
        raise ConfigError(f"{_WHERE}: the lower bound of {one.title!r} is {lower}, above its upper one, {upper}.")
    named: list[tuple[str, JSON]] = [("lower", lower), ("upper", upper)]
    return {name: bound for name, bound in named if bound is not None}


def _check_bound(one: ProlificFilter, bound: object) -> None:
    if bound is None or (isinstance(bound, str) and one.data_type == "date"):
        return
    is_number = isinstance(bound, int | float) and not isinstance(bound, bool)
    if is_number and all(isinstance(edge, int | float) for edge in (one.lowest, one.highest)):
        is_number = float(str(one.lowest)) <= float(str(bound)) <= float(str(one.highest))
    if not is_number:
        raise ConfigError(
            f"{_WHERE}: {one.title!r} cannot be {str(bound)[:40]!r}. It goes from {_shown(one.lowest)} to "
            f"{_shown(one.highest)}: give two bounds, as [{_shown(one.lowest)}, {_shown(one.highest)}]."
        )


def _nearest(wanted: str, known: Iterable[str]) -> str:
    by_folded = {_folded(one): one for one in known}
    near = get_close_matches(_folded(wanted), by_folded, n=3, cutoff=0.4)
    named = ", ".join(repr(by_folded[one]) for one in near or sorted(by_folded)[:10])
    return f"{'The nearest are' if near else 'There are'}: {named}." if named else "It has none at all."


def _folded(text: str) -> str:
    return " ".join(text.casefold().replace("_", " ").replace("-", " ").split())


def _shown(bound: JSON) -> str:
    return "any" if bound is None else str(bound)
