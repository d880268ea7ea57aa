"""Crowds, person by person, by means of their own: nothing here is shared with what forecasts are made by.

People come by thinning in continuous time, from rates that fall as powers, in clusters, by steps of day and night, or
from a list of people each with a pace of their own. Times are Weibull, log-logistic or gamma. Each person walks through
a queue of events; nothing is an array.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

#: Who has not come after so many hours never will.
LONGEST = 24.0 * 365


@dataclass(slots=True)
class Person:
    """Somebody who comes: how long a unit takes them on average (seconds), and how likely they are to go on."""

    name: str
    pace: float
    stamina: float


@dataclass(slots=True)
class World:
    """A crowd: who comes when, how long they take, how often they leave, what becomes of their answers."""

    kind: str
    rng: Random
    arrive: Callable[[Random, float, float], Iterator[float]]
    pace: Callable[[Random], float]
    wobble: Callable[[Random], float]
    leaves: float = 0.08
    sleeps: float = 0.3
    position: Callable[[int], float] = lambda n: 1.0
    stamina: Callable[[Random], float] = lambda rng: rng.betavariate(5, 2)
    rejected: float = 0.03
    bonus: float = 0.0
    bonus_share: float = 0.0
    people: int = 0


@dataclass(slots=True)
class Work:
    """One unit that somebody took: when (hours), and when it was sent (None: it was left, at `ended`)."""

    person: str
    begun: float
    ended: float
    is_sent: bool
    slept: bool = False
    visit: int = 0
    is_rejected: bool = False
    bonus: float = 0.0


@dataclass(slots=True)
class Story:
    """What became of a run: all work that was taken, and when the last answer came (hours); infinite: never."""

    work: list[Work] = field(default_factory=list)
    until_last: float = math.inf
    until_most: float = math.inf


def live(world: World, units: int, per_visit: int, *, once: bool, hour: float, allowed: float = 1800.0) -> Story:
    """Let a crowd do a run: `per_visit` units a visit (1, and not `once`: as many as each likes)."""
    story, rng = Story(), world.rng
    free, sent, visits = units, 0, 0
    events: list[tuple[float, int, str, Any]] = []
    tie = 0

    def push(at: float, what: str, about: Any) -> None:
        nonlocal tie
        tie += 1
        heapq.heappush(events, (at, tie, what, about))

    arrivals = world.arrive(rng, hour, LONGEST)
    coming = next(arrivals, None)
    while sent < units and (coming is not None or events):
        if events and (coming is None or events[0][0] <= coming):
            at, _, what, about = heapq.heappop(events)
            if what == "free":
                free += about
            elif what == "sent":
                sent += about
                if sent >= math.ceil(0.9 * units) and math.isinf(story.until_most):
                    story.until_most = at
                if sent >= units:
                    story.until_last = at
            elif free > 0:  # "next": somebody wants another unit
                free -= 1
                who, nth, visit = about
                _take_one(world, story, who, nth, visit, at, allowed, push)
            continue
        at, coming = float(coming or 0), next(arrivals, None)
        if free <= 0:
            continue
        visits += 1
        world.people += 1
        person = Person(f"{world.kind}-{world.people}", world.pace(rng), 0.0 if once else world.stamina(rng))
        if per_visit == 1:
            free -= 1
            _take_one(world, story, person, 0, visits, at, allowed, push)
        else:
            free -= (size := min(per_visit, free))
            _take_visit(world, story, person, visits, at, size, allowed, push)
    return story


def _take_one(
    world: World,
    story: Story,
    person: Person,
    nth: int,
    visit: int,
    at: float,
    allowed: float,
    push: Callable[..., None],
) -> None:
    rng = world.rng
    seconds = max(1.0, person.pace * world.wobble(rng) * world.position(nth))
    is_left = rng.random() < world.leaves or seconds > allowed
    sleeps = is_left and (rng.random() < world.sleeps or seconds > allowed)
    ended = at + (allowed if sleeps else seconds * rng.random() if is_left else seconds) / 3600
    story.work.append(_work(world, person, at, ended, not is_left, sleeps, visit))
    push(ended, "free" if is_left else "sent", 1)
    if not is_left and rng.random() < person.stamina:
        push(ended + 2 / 3600, "next", (person, nth + 1, visit))


def _take_visit(
    world: World,
    story: Story,
    person: Person,
    visit: int,
    at: float,
    size: int,
    allowed: float,
    push: Callable[..., None],
) -> None:
    rng = world.rng
    each = 1 - (1 - world.leaves) ** (1 / math.sqrt(20))  # the longer, the more are left, but not in proportion
    stop = size if rng.random() >= 1 - (1 - each) ** math.sqrt(size) else rng.randrange(size)
    for nth in range(size):
        seconds = min(max(1.0, person.pace * world.wobble(rng) * world.position(nth)), allowed)
        if nth == stop:
            sleeps = rng.random() < world.sleeps
            ended = at + (allowed if sleeps else seconds * rng.random()) / 3600
            story.work.append(_work(world, person, at, ended, False, sleeps, visit))
            push(ended, "free", size - nth)
            return
        at, begun = at + seconds / 3600, at
        story.work.append(_work(world, person, begun, at, True, False, visit))
        push(at, "sent", 1)


def _work(world: World, person: Person, begun: float, ended: float, is_sent: bool, slept: bool, visit: int) -> Work:
    rng = world.rng
    rejected = is_sent and rng.random() < world.rejected
    bonus = world.bonus if is_sent and rng.random() < world.bonus_share else 0.0
    return Work(person.name, begun, ended, is_sent, slept, visit, rejected, bonus)


# -- how people come


def falling(base: float, extra: float, power: float) -> Callable[[Random, float, float], Iterator[float]]:
    """Return arrivals whose rate falls from `base + extra` an hour to `base`, as a power of time."""

    def arrive(rng: Random, hour: float, longest: float) -> Iterator[float]:
        at = 0.0
        while at < longest:
            highest = base + extra * (1 + at) ** -power
            at += rng.expovariate(highest)
            if rng.random() * highest < base + extra * (1 + at) ** -power:
                yield at

    return arrive


def in_clusters(parents: float, size: float) -> Callable[[Random, float, float], Iterator[float]]:
    """Return arrivals in clusters, as where a link is passed on: so many an hour, of so many people on average."""

    def arrive(rng: Random, hour: float, longest: float) -> Iterator[float]:
        at, waiting = 0.0, [rng.expovariate(30) for _ in range(3)]
        heapq.heapify(waiting)
        while at < longest:
            at += rng.expovariate(parents)
            while waiting and waiting[0] < at:
                yield heapq.heappop(waiting)
            for _ in range(int(rng.expovariate(1 / size)) + 1):
                heapq.heappush(waiting, at + rng.gammavariate(1.5, 0.4))

    return arrive


def by_day(day: float, night: float, begins: float, ends: float) -> Callable[[Random, float, float], Iterator[float]]:
    """Return arrivals by day (between two hours, UTC) and night, each at its rate, with an hour of twilight."""

    def rate(clock: float) -> float:
        clock %= 24
        inside = begins <= clock < ends
        near = min(abs(clock - begins), abs(clock - ends)) < 0.5
        return (day + night) / 2 if near else day if inside else night

    def arrive(rng: Random, hour: float, longest: float) -> Iterator[float]:
        at = 0.0
        while at < longest:
            at += rng.expovariate(day)
            if rng.random() * day < rate(hour + at):
                yield at

    return arrive


def from_list(people: int, mean_hours: float) -> Callable[[Random, float, float], Iterator[float]]:
    """Return the arrivals of so many people, each once, some soon and some late."""

    def arrive(rng: Random, hour: float, longest: float) -> Iterator[float]:
        times = sorted(rng.weibullvariate(mean_hours, 0.8) for _ in range(people))
        yield from (at for at in times if at < longest)

    return arrive


# -- kinds


def log_logistic(rng: Random, scale: float, shape: float) -> float:
    """Draw from a distribution with heavy tails."""
    share = rng.random()
    return float(scale * (share / (1 - share)) ** (1 / shape))


def _pace(rng: Random, low: float, high: float) -> Callable[[Random], float]:
    scale = math.exp(rng.uniform(math.log(low), math.log(high)))
    return lambda own: scale * own.gammavariate(6, 1 / 6)


def _wobble(rng: Random) -> float:
    return rng.weibullvariate(1.1, 2.2)


def make_world(kind: str, rng: Random, needed: int) -> World:
    """Return a crowd of a kind; `needed` is how many people a run will need about, its pilot included."""
    pace = _pace(rng, 12, 120)
    rate = math.exp(rng.uniform(math.log(12), math.log(50)))
    plain = World(kind, rng, falling(rate, rate * rng.uniform(0, 1.5), rng.uniform(0.5, 1.2)), pace, _wobble)
    plain.rejected = rng.uniform(0, 0.06)
    if rng.random() < 0.3:
        plain.bonus, plain.bonus_share = 0.05, rng.uniform(0.1, 0.5)
    if kind == "fast":
        plain.arrive = falling(rng.uniform(80, 200), rng.uniform(0, 300), 1.0)
    elif kind == "slow":
        plain.arrive = falling(rng.uniform(1, 5), rng.uniform(0, 5), 0.7)
    elif kind == "bursty":
        plain.arrive = in_clusters(rng.uniform(1.5, 6), rng.uniform(3, 8))
    elif kind == "day and night":
        plain.arrive = by_day(rng.uniform(15, 50), rng.uniform(0.5, 3), rng.uniform(6, 14), rng.uniform(18, 23))
    elif kind == "heavy tails":
        scale, shape = math.exp(rng.uniform(math.log(15), math.log(80))), rng.uniform(1.3, 2.2)
        plain.pace, plain.wobble = (
            (lambda own: log_logistic(own, scale, 3.0)),
            (lambda own: log_logistic(own, 1, shape)),
        )
    elif kind == "many leave":
        plain.leaves, plain.sleeps = rng.uniform(0.25, 0.45), rng.uniform(0.2, 0.7)
    elif kind == "small pool":
        plain.arrive = from_list(int(needed * rng.uniform(1.1, 3)) + 5, rng.uniform(3, 40))
    elif kind == "fatigue":
        tired = rng.uniform(0.01, 0.04)
        plain.position = lambda n: (0.65 + 0.35 * math.exp(-n / 3)) * (1 + tired * n)
    elif kind == "two speeds":
        slow, share = rng.uniform(3, 6), rng.uniform(0.15, 0.4)
        plain.pace = lambda own: pace(own) * (slow if own.random() < share else 1.0)
    return plain


KINDS = (
    "ordinary", "fast", "slow", "bursty", "day and night", "heavy tails", "many leave", "small pool", "fatigue",
    "two speeds",
)  # fmt: skip
