"""Columns made of values that JSON held: a name for each field, which no other has, and the type of what is in it."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.model.answers import AS_SENT, MOST_FIELDS, REST, Asked, Unread, free_name, joined

#: So many fields of answers have columns of their own; the rarest ones beyond them stand together in another.
MOST_COLUMNS = MOST_FIELDS
#: Of fields that a single answer has, so many have columns, once there are enough answers to tell.
_MOST_LONELY, _ENOUGH = 20, 10
#: So many fields that a page asks for have columns, where it asks for no more, and fields within them.
_MOST_ASKED = 2_000
#: An object of more values, or of more objects within each other, is one value.
_MOST_INNER, _DEEPEST = 1000, 20
#: What times of a day are called, which are of no type of pandas's.
OF_DAY = "time"
#: Up to here a float holds every whole number.
_EXACT = 2**53
#: The name of a type of times: its unit, and the zone if there is one.
_TYPE = re.compile(r"datetime64\[(\w+)(?:, (.+))?\]")

#: Where a field stands in an object: its name, or after those of the objects that hold it; a text is looked up faster.
_Place: TypeAlias = str | tuple[str, ...]


def whole_text(value: JSON) -> JSON:
    """Return text with question marks in place of half characters, which JSON can spell and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def make_columns(
    prefix: str,
    values: Sequence[JSONObject],
    most: int | None = None,
    times: Mapping[str, str] | None = None,
    others: Sequence[tuple[JSONObject, Unread | None]] | None = None,
    asked: Asked = None,
) -> pd.DataFrame:
    """Make a column of each field of objects, which are a row each; of a field within a field, ``outer.inner``.

    Of two fields whose columns would have one name, as of ``{"a.b": 1, "a": {"b": 2}}``, it is that of the field which
    is asked for, or else of the one that more objects have, or else of the outer one; the other one is called
    ``a["b"]``.

    Parameters
    ----------
    prefix
        What the columns' names begin with.
    values
        The objects.
    most
        At most so many fields have columns, those that most objects have; what else there is is a dict in `REST`.
    times
        Fields that hold days and times as text, and what they become: ``date``, ``time``, or a type such as
        ``datetime64[us, UTC]``. What is none is in a column of its own, whose name ends in `AS_SENT`.
    others
        What else there is in each row, which goes to `REST`: an object, and what is read only when asked for.
    asked
        Fields that have columns however few objects have them.
    """
    flat = [_flat(value) for value in values]
    counts = Counter(place for row in flat for place in row)
    places = dict.fromkeys(counts)
    rest = [dict(own) for own, _ in others] if others is not None else [JSONObject() for _ in values]
    if most is not None and len(places) > min(most, _MOST_LONELY):
        # One worker's made-up fields must not cost the memory of as many columns for everybody.
        places = _kept(counts, most, () if asked is None else asked, may_be_lonely=len(values) < _ENOUGH)
        rare = [place for place in counts if place not in places]
        rare_names = _name(rare, counts, taken={name for row in rest for name in row})
        for row, found in zip(flat, rest, strict=True):
            found |= {rare_names[place]: row[place] for place in row if place in rare_names}
    unread = [text for _, text in others] if others is not None else [None] * len(values)
    left = [joined(*row) for row in zip(rest, unread, strict=True)]
    has_rest = any(one is not None for one in left)
    names = _name(list(places), counts, asked or (), taken=[REST] if has_rest else [])
    columns: dict[str, pd.Series[Any]] = {}
    for place, name in names.items():
        said = [row.get(place) for row in flat]
        kind = (times or {}).get(name)
        column, *as_sent = [typed_column(said)] if kind is None else as_times(said, kind)
        columns[f"{prefix}.{name}"] = column
        for other in as_sent:
            columns[f"{prefix}.{free_name(name + AS_SENT, names.values())}"] = other
    if has_rest:
        columns[f"{prefix}.{REST}"] = pd.Series(left, dtype=object)
    return pd.DataFrame(columns, index=range(len(values)))


def _kept(counts: Counter[_Place], most: int, asked: Collection[str], *, may_be_lonely: bool) -> dict[_Place, None]:
    """Return the places that are asked for, and of others those that most rows have.

    Of those that a single row has there are only a few, but where rows are few: within what is asked for, too, for a
    worker may send an object in the place of a text.
    """
    common = [place for place, _ in counts.most_common()]
    own = [place for place in common if isinstance(place, str) and place in asked]
    inner: list[_Place] = [place for place in common if not isinstance(place, str) and place[0] in asked]
    others = [place for place in common if (place if isinstance(place, str) else place[0]) not in asked][:most]
    for places, most_lonely in ((inner, most), (others, _MOST_LONELY)):
        lonely = set([] if may_be_lonely else [place for place in places if counts[place] == 1][most_lonely:])
        places[:] = [place for place in places if place not in lonely]
    kept = {*[*own, *inner][: max(_MOST_ASKED, len(asked))], *others}
    return dict.fromkeys(place for place in common if place in kept)


def _flat(value: JSONObject) -> dict[_Place, JSON]:
    if not any(isinstance(item, dict) for item in value.values()):
        return dict[_Place, JSON](value.items())
    return {place if len(place) > 1 else place[0]: item for place, item in _places_in(value)}


def _places_in(value: JSONObject, outer: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], JSON]]:
    for name, item in value.items():
        if isinstance(item, dict) and item and (outer or _is_small(item)):
            yield from _places_in(item, (*outer, name))
        else:
            yield (*outer, name), item


def _is_small(value: JSONObject) -> bool:
    """Return whether an object holds few enough values, and objects within each other, to have columns for them."""
    level, count = [value], 0
    for _ in range(_DEEPEST):
        inner = []
        for one in level:
            count += len(one)
            if count > _MOST_INNER:
                return False
            inner += [item for item in one.values() if isinstance(item, dict) and item]
        if not inner:
            return True
        level = inner
    return False


def _name(
    places: Sequence[_Place], counts: Mapping[_Place, int], asked: Collection[str] = (), taken: Iterable[str] = ()
) -> dict[_Place, str]:
    """Return a name for each place, in their order: who makes up a field must not take the name of everybody's.

    Those that are asked for choose theirs first, then those that are called just so, that most rows have, outer ones.
    """

    def rank(place: _Place) -> tuple[bool, bool, int, int]:
        parts = (place,) if isinstance(place, str) else place
        is_repaired = any(whole_text(part) != part for part in parts)
        return parts[0] not in asked, is_repaired, -counts[place], len(parts)

    used, names = set(taken), dict[_Place, str]()
    for place in sorted(places, key=rank):
        parts = [str(whole_text(part)) for part in ((place,) if isinstance(place, str) else place)]
        name = ".".join(parts)
        if name in used:
            name = parts[0] + "".join(f'["{part}"]' for part in parts[1:])
        names[place] = free_name(name, used)
        used.add(names[place])
    return {place: names[place] for place in places}


def typed_column(values: Sequence[JSON]) -> pd.Series[Any]:
    """Return a column of one type where the values have one: truth values and whole numbers keep theirs over a gap.

    Whole numbers that no column of a type can hold are a column of Python's; and so is what is of several types.
    """
    kinds = set(map(type, values))
    has_gap = type(None) in kinds
    kinds.discard(type(None))
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean" if has_gap else "bool")
    if kinds == {int}:
        fits = all(value is None or -(2**63) <= value < 2**63 for value in values)
        return pd.Series(values, dtype=("Int64" if has_gap else "int64") if fits else "object")
    if kinds == {int, float} and any(type(value) is int and abs(value) > _EXACT for value in values):
        return pd.Series(values, dtype="object")
    try:
        return pd.Series(values, dtype=None if kinds else "object")
    except UnicodeEncodeError:
        # One worker's half character must not cost the researcher everybody's answers.
        return pd.Series([whole_text(value) for value in values])


def as_times(values: Sequence[JSON], kind: str) -> list[pd.Series[Any]]:
    """Return a column of times, and where some values are none, another of these, as they are.

    Parameters
    ----------
    values
        Times as ISO text; None and "" are missing.
    kind
        ``date`` (midnight of the day), ``time`` (`datetime.time`), or the type of a column.
    """
    found = _TYPE.fullmatch(kind)
    unit, zone = found.groups() if found else ("us", None)
    read = [_read_time(value, kind, zone) for value in values]
    both = zip(values, read, strict=True)
    wrong = [None if time is not None or value in (None, "") else value for value, time in both]
    if kind == OF_DAY:
        column = pd.Series(read, dtype=object)
    else:
        column = pd.Series(np.array(read, dtype=f"datetime64[{unit}]"))
        column = column if zone is None else _in_zone(column, zone)
    return [column] if all(value is None for value in wrong) else [column, typed_column(wrong)]


def _in_zone(times: pd.Series[Any], zone: str) -> pd.Series[Any]:
    in_utc: pd.Series[Any] = times.dt.tz_localize("UTC")
    try:
        in_zone: pd.Series[Any] = in_utc.dt.tz_convert(zone)
    except (KeyError, ValueError):
        return in_utc  # as this computer knows no such zone
    return in_zone


def _read_time(value: JSON, kind: str, zone: str | None) -> datetime.time | np.datetime64 | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        if kind == OF_DAY:
            return datetime.time.fromisoformat(value)
        if kind == "date":
            return np.datetime64(datetime.date.fromisoformat(value))
        time = pd.Timestamp(value)
        if pd.isna(time) or (time.tzinfo is None) != (zone is None):
            return None
        return (time if zone is None else time.tz_convert("UTC").tz_localize(None)).to_datetime64()
    except (ValueError, OverflowError):
        return None
