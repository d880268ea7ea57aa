"""What breaks in the run of a seed, and when: after the N-th answer that was acknowledged, or at the N-th arrival."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

#: What happens to machines; each is a method of `machine.Machine`.
MACHINE_FAULTS = (
    "kernel_stopped",
    "kernel_blocked",
    "kernel_interrupted",
    "kernel_restarted",
    "kernel_killed",
    "router_killed",
    "both_killed",
    "link_cut",
    "link_delayed",
    "link_doubled",
    "link_reordered",
    "router_disk_full",
    "kernel_disk_full",
    "database_locked",
    "clock_jumps",
    "machine_asleep",
    "kernel_long_gone",
    "inbox_removed",
    "inbox_replaced",
    "records_removed",
    "records_replaced",
    "run_directory_moved",
)
#: What happens only where the database is a server.
POSTGRESQL_FAULT = "postgresql_restarted"
#: What happens to workers' pages; each is a method of `crowd.Page`.
PAGE_FAULTS = (
    "page_reloaded",
    "page_doubled",
    "page_listening",
    "page_talking",
    "asleep",
    "offline",
    "submitted_twice",
    "returned",
    "dropped_out",
    "wrong_client_clock",
    "page_hanging",
)
#: How a run ends: all is answered, or it is shut down gently, or at once.
ENDINGS = ("complete", "complete", "shutdown", "force_shutdown")
_AT_ONCE, _PAGES_AT_ONCE = 3, 5
#: Every so many seeds run on PostgreSQL.
_POSTGRESQL_EVERY = 25


@dataclass(frozen=True)
class Fault:
    """Something that breaks: after so many acknowledged answers, for so many seconds (or how far a clock jumps)."""

    kind: str
    after: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """All that happens in the run of one seed.

    `pages` says what happens to the page of the N-th arrival; `stop_after` when a run is shut down that is not
    to be completed; `busy_timeout` how long SQLite waits for a lock before that counts as a failure. In a
    `live` run the task's code answers each page.
    """

    seed: int
    faults: tuple[Fault, ...] = ()
    pages: dict[int, str] = field(default_factory=dict)
    ending: str = "complete"
    stop_after: int = 0
    assignments: int = 20
    units_per_assignment: int = 2
    workers: int = 12
    assignment_duration: float = 1800.0
    busy_timeout: float = 30.0
    postgresql: bool = False
    live: bool = False

    @property
    def units(self) -> int:
        return self.assignments * self.units_per_assignment

    @property
    def kinds(self) -> set[str]:
        """Every kind of fault in it."""
        return {fault.kind for fault in self.faults} | set(self.pages.values())

    def __str__(self) -> str:
        faults = ", ".join(f"{fault.kind} after {fault.after} for {fault.seconds:.2f} s" for fault in self.faults)
        pages = ", ".join(f"{number}: {kind}" for number, kind in self.pages.items())
        place = "PostgreSQL" if self.postgresql else f"SQLite that waits {self.busy_timeout:g} s"
        place += ", live" if self.live else ""
        return f"[{faults}] pages [{pages}] {self.ending} on {place}, {self.assignment_duration:g} s a unit"


def make_plan(seed: int, only: tuple[str, ...] = ()) -> Plan:
    """Plan the run of a seed. Consecutive seeds go through all kinds of faults of machines, or through some `only`."""
    chance = random.Random(f"plan {seed}")
    postgresql = seed % _POSTGRESQL_EVERY == 7 and not only
    kinds = _share(only or MACHINE_FAULTS, min(_AT_ONCE, len(only) or _AT_ONCE), seed)
    if postgresql:
        of_files = ("kernel_disk_full", "database_locked", "records_removed", "records_replaced")
        kinds = [POSTGRESQL_FAULT, *(kind for kind in kinds if kind not in of_files)]
    first = chance.randint(1, 20)
    # Close to each other, so that one often begins before another is over.
    faults = tuple(Fault(kind, first + chance.randint(0, 8), _lasts(kind, chance)) for kind in kinds)
    pages = {}
    for kind in _share(PAGE_FAULTS, _PAGES_AT_ONCE, seed):
        for number in chance.sample(range(1, 36), 3):
            pages[number] = kind
    # Whoever has left is missed only once the clock is where it was.
    stays = any(fault.kind == "clock_jumps" and fault.seconds < -60 for fault in faults)
    hasty = bool({"dropped_out", "asleep"} & set(pages.values()))
    return Plan(
        seed,
        tuple(sorted(faults, key=lambda fault: fault.after)),
        dict(sorted(pages.items())),
        ending="force_shutdown" if stays else chance.choice(ENDINGS),
        stop_after=chance.randint(25, 32),
        assignment_duration=1.5 if hasty else 1800.0,
        busy_timeout=chance.choice((0.1, 30.0)),
        postgresql=postgresql,
        live=seed % 2 == 1,
    )


def _share(kinds: tuple[str, ...], count: int, seed: int) -> list[str]:
    """Return the next `count` of all kinds in an order that changes with each round through them."""
    found = []
    for position in range(seed * count, (seed + 1) * count):
        cycle, index = divmod(position, len(kinds))
        order = random.Random(f"round {cycle}").sample(kinds, len(kinds))
        found.append(order[index])
    return found


def _lasts(kind: str, chance: random.Random) -> float:
    if kind == "clock_jumps":
        return chance.choice((-7200.0, -2.0, 2.0, 600.0, 7200.0))
    return chance.uniform(0.1, 0.8)
