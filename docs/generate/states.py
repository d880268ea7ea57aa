"""Draws the state machines from their transition tables, as SVG that takes its colours from the page's theme."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape

from docs.generate.look_up import find

_HEIGHT, _MARGIN, _PER_LETTER = 34, 20, 8.6

Point = tuple[float, float]


@dataclass(frozen=True)
class Group:
    """States that arrows lead to, or from, together: inside a frame, or named in one box."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Where the states of a machine stand, and which of them belong together.

    Parameters
    ----------
    title
        What the drawing shows, for those who cannot see it.
    table
        The name of the transition table.
    places
        The centre of each box. A state that has none makes the drawing fail: give it one here. Where a group has a
        place, its members are named in its box; where its members have places, a frame is drawn around them.
    groups
        What belongs together.
    """

    title: str
    table: str
    places: Mapping[str, tuple[int, int]]
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True)
class Way:
    """An arrow, and the changes of state that it stands for."""

    before: str
    after: str
    covers: frozenset[tuple[str, str]] = field(compare=False)


UNITS = Plan(
    "The states of a unit, and the ways between them",
    "UNIT_TRANSITIONS",
    {
        "created": (86, 60), "launched": (276, 60), "assigned": (466, 60), "completed": (666, 60),
        "expired": (371, 190), "accepted": (880, 60), "soft_rejected": (880, 140), "rejected": (880, 220),
    },
    (Group("decided on", ("accepted", "soft_rejected", "rejected")),),
)  # fmt: skip
AGENTS = Plan(
    "The states of an agent, and the ways between them",
    "AGENT_TRANSITIONS",
    {
        "none": (86, 60), "accepted": (276, 60), "in task": (480, 60), "completed": (690, 60), "waiting": (226, 170),
        "onboarding": (86, 260), "partner disconnect": (640, 215), "left": (470, 340), "approved": (900, 60),
        "soft_rejected": (900, 140), "rejected": (900, 220),
    },
    (
        Group("left", ("disconnect", "timeout", "returned", "expired")),
        Group("decided on", ("approved", "soft_rejected", "rejected")),
    ),
)  # fmt: skip


def ways(plan: Plan) -> list[Way]:
    """Return the arrows of a drawing: one for each change of state, or for several that lead to, or from, a group."""
    table: Mapping[StrEnum, Set[StrEnum]] = find(plan.table)
    left = {(before.value, after.value) for before, afters in table.items() for after in afters}
    found: list[Way] = []
    for group in plan.groups:
        for other in {state.value for state in table} - set(group.members):
            into = frozenset((other, one) for one in group.members) & left
            out = frozenset((one, other) for one in group.members)
            if len(into) > 1:
                found.append(Way(other, group.name, into))
                left -= into
            if out <= left:
                found.append(Way(group.name, other, out))
                left -= out
    return sorted([*found, *(Way(*one, frozenset({one})) for one in left)], key=lambda one: (one.before, one.after))


def drawing(plan: Plan) -> str:
    """Return the SVG of a state machine.

    Raises
    ------
    LookupError
        A state has no place.
    """
    boxes = _boxes(plan)
    arrows = ways(plan)
    missing = {state for way in arrows for state in (way.before, way.after)} - set(boxes)
    if missing:
        raise LookupError(f"{plan.table} has states that the drawing has no place for: {sorted(missing)}")
    width, height = (
        max(box.right for box in boxes.values()) + _MARGIN,
        max(box.bottom for box in boxes.values()) + _MARGIN,
    )
    marker = f"arrow-{plan.table.lower().replace('_', '-')}"
    pairs = {(way.before, way.after) for way in arrows}
    body = [box.frame() for box in boxes.values()]
    body += [_arrow(way, boxes, (way.after, way.before) in pairs, marker) for way in arrows]
    body += [box.words() for box in boxes.values()]
    return (
        f'<svg class="drawing" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(plan.title)}">'
        f'<defs><marker id="{marker}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path class="head" d="M0 0 10 5 0 10z"/></marker></defs>{"".join(body)}</svg>'
    )


@dataclass(frozen=True)
class _Box:
    """A state, a group of states named in one box, or the frame around a group."""

    name: str
    left: float
    top: float
    right: float
    bottom: float
    named: tuple[str, ...] = ()
    is_frame: bool = False

    @property
    def middle(self) -> Point:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def frame(self) -> str:
        kind = ' class="process"' if self.is_frame else ""
        size = f'width="{self.right - self.left:.0f}" height="{self.bottom - self.top:.0f}"'
        return f'<rect{kind} x="{self.left:.0f}" y="{self.top:.0f}" {size} rx="6"/>'

    def words(self) -> str:
        x = self.middle[0]
        if self.is_frame:
            return f'<text class="small" x="{x:.0f}" y="{self.bottom - 8:.0f}">{escape(self.name)}</text>'
        words = f'<text x="{x:.0f}" y="{self.top + 22:.0f}">{escape(self.name)}</text>'
        more = f'<text class="small" x="{x:.0f}" y="{self.top + 40:.0f}">{escape(", ".join(self.named))}</text>'
        return words + (more if self.named else "")

    def border(self, towards: Point) -> Point:
        """Return where the line from the middle to a point leaves the box."""
        (x, y), across, down = self.middle, towards[0] - self.middle[0], towards[1] - self.middle[1]
        scales = [abs((self.right - x) / across) if across else 9e9, abs((self.bottom - y) / down) if down else 9e9]
        return x + across * min(scales), y + down * min(scales)


def _boxes(plan: Plan) -> dict[str, _Box]:
    named = {group.name: group.members for group in plan.groups if group.name in plan.places}
    boxes = {name: _box(name, place, named.get(name, ())) for name, place in plan.places.items()}
    frames = {}
    for group in plan.groups:
        if group.name not in plan.places:
            inner = [boxes[name] for name in group.members]
            left, right = min(one.left for one in inner) - 18, max(one.right for one in inner) + 18
            top, bottom = min(one.top for one in inner) - 18, max(one.bottom for one in inner) + 28
            frames[group.name] = _Box(group.name, left, top, right, bottom, is_frame=True)
    return frames | boxes


def _box(name: str, place: tuple[int, int], members: tuple[str, ...]) -> _Box:
    half = max(130, _PER_LETTER * len(name) + 20, 6.4 * len(", ".join(members)) + 20) / 2
    top = place[1] - _HEIGHT / 2
    return _Box(name, place[0] - half, top, place[0] + half, top + _HEIGHT + (18 if members else 0), members)


def _arrow(way: Way, boxes: Mapping[str, _Box], goes_back: bool, marker: str) -> str:
    before, after = boxes[way.before], boxes[way.after]
    start, end = before.middle, after.middle
    if after.is_frame:
        end = (end[0], min(max(start[1], after.top + 16), after.bottom - 20))  # across rather than to its middle
    x, y = end[0] - start[0], end[1] - start[1]
    length = (x * x + y * y) ** 0.5
    bend = _bend(start, end, boxes.values()) or (12.0 if goes_back else 0.0)
    middle = ((start[0] + end[0]) / 2 - y / length * bend, (start[1] + end[1]) / 2 + x / length * bend)
    first = before.border(middle)
    last = (after.left, end[1]) if end != after.middle else after.border(middle)
    path = f"M{first[0]:.0f} {first[1]:.0f}Q{middle[0]:.0f} {middle[1]:.0f} {last[0]:.0f} {last[1]:.0f}"
    label = ""
    if after.is_frame and len(way.covers) < 3:
        words = " or ".join(sorted(one for _, one in way.covers))
        height = last[1] + (15 if start[1] > end[1] else -7)
        label = f'<text class="small" x="{last[0] - 8:.0f}" y="{height:.0f}" text-anchor="end">{words}</text>'
    return f'<path d="{path}" marker-end="url(#{marker})"/>{label}'


def _bend(start: Point, end: Point, boxes: Iterable[_Box]) -> float:
    """Return how far an arrow in a row or a column swings out, because there are boxes between its ends."""
    (x, y), (u, v) = start, end
    between = [
        one
        for one in boxes
        if min(x, u) <= one.middle[0] <= max(x, u) and min(y, v) <= one.middle[1] <= max(y, v)
        if one.middle not in (start, end) and not one.is_frame
    ]
    if not between or (x != u and y != v):
        return 0.0
    return (90.0 if x > u else -90.0) if y == v else (132.0 if y < v else -132.0)


def table(plan: Plan) -> str:
    """Return the transition table as Markdown."""
    rows = [
        f"| `{before.value}` | {', '.join(f'`{after.value}`' for after in sorted(afters)) or '-'} |"
        for before, afters in find(plan.table).items()
    ]
    return "\n".join(["| from | to |", "| --- | --- |", *rows])
