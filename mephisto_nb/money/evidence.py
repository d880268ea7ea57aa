"""What earlier runs of a task say about the next one, read from a database into a few numbers and arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.money import DEFAULT_CURRENCY
from mephisto_nb.model.records import TaskRun, crowd_of
from mephisto_nb.model.states import (
    AGENT_ACTIVE,
    AGENT_LEFT,
    UNIT_ANSWERED,
    UNIT_REVIEWED,
    AgentStatus,
    PaymentKind,
    UnitStatus,
)
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.gates._base import EntryGate
from mephisto_nb.rules.gates.table import GATES, unit_gates

Floats = npt.NDArray[np.float64]

#: Who takes the next unit within so many seconds of their last answer is still at the same visit.
VISIT_GAP = 1800.0
#: How many earlier runs are read, the latest first.
MOST_RUNS = 5
#: What stands before the work, as the database calls it; and what of that is done before anything of it is taken.
_ENTRIES = frozenset(gate.KIND.value for gate in GATES if issubclass(gate, EntryGate))
_BEFORE_WORK = frozenset(gate.KIND.value for gate in unit_gates() if not gate.TAKES_PLACE)
_LEFT = frozenset(status.value for status in AGENT_LEFT)
_ACTIVE = frozenset(status.value for status in AGENT_ACTIVE)
_ANSWERED = frozenset(status.value for status in UNIT_ANSWERED)


@dataclass(frozen=True, slots=True)
class SeenVisit:
    """One person's stay at a run: when it began (hours since the run was opened), and what came of it.

    `seconds` are the times of its answers, in order. `left`: the last unit was taken and given back unanswered, after
    `held` seconds; `by_timeout` says that its time ran out. `cut`: nothing was left for them to do.
    """

    worker: str
    begun: float
    seconds: tuple[float, ...]
    left: bool = False
    held: float = 0.0
    by_timeout: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class SeenRun:
    """One earlier run: who came when, and until when that could be seen (hours since it was opened).

    `hour` is the hour of the day (UTC) at which it was opened; `per_visit` how many units a visit was to have (1: as
    many as the person liked). `closed` are the times (from, to) in which nothing was left to take: who came then was
    not seen.
    """

    task_run_id: str
    hour: float
    until: float
    visits: tuple[SeenVisit, ...]
    per_visit: int = 1
    closed: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of people at this task.

    Parameters
    ----------
    runs
        Earlier runs with answers of people.
    same_crowd
        Whether these were of the crowd that is asked now.
    rehearsed
        How many answers programs gave in rehearsals: of people they say nothing.
    reviewed, rejected
        How many answers were decided on, and how many of them rejected.
    checked, failed
        How many were looked at by checks, and how many of them failed.
    screened, screened_out
        How many newcomers were screened, and how many of them did not pass.
    bonuses
        What came beside each answer's own pay, in the currency's own unit; 0 where nothing did.
    rehearsed_bonus
        The most that a rehearsal's answer was given beside its pay.
    """

    runs: tuple[SeenRun, ...] = ()
    same_crowd: bool = True
    rehearsed: int = 0
    reviewed: int = 0
    rejected: int = 0
    checked: int = 0
    failed: int = 0
    screened: int = 0
    screened_out: int = 0
    bonuses: Floats = field(default_factory=lambda: np.zeros(0))
    rehearsed_bonus: float = 0.0

    @property
    def visits(self) -> list[SeenVisit]:
        """The visits of all runs."""
        return [visit for run in self.runs for visit in run.visits]

    @property
    def answers(self) -> int:
        """How many answers people gave."""
        return sum(len(visit.seconds) for visit in self.visits)


def read_evidence(
    database: Database, task_name: str, provider_type: str, currency: str = DEFAULT_CURRENCY, *, now: float
) -> Evidence:
    """Read what the latest runs of a task say; those of the same crowd, or of another where there are none. Blocks.

    `now` is until when runs that go on could be seen.
    """
    runs = [run for run in database.runs.find_runs(task_name=task_name) if not run.is_imported]
    crowd = crowd_of(provider_type)
    same = [run for run in runs if crowd_of(run.provider_type) == crowd]
    simulated = _simulated(database)
    own = _read(database, same[:MOST_RUNS], simulated, currency, now)
    if own.answers or len(same) == len(runs):
        return own
    others = [run for run in runs if run not in same]
    found = _read(database, others[:MOST_RUNS], simulated, currency, now)
    return replace(found, same_crowd=False) if found.answers else own


def _simulated(database: Database) -> set[str]:
    return {row[0] for row in database.people.read_workers() if row[5]}


def _read(database: Database, runs: Sequence[TaskRun], simulated: set[str], currency: str, now: float) -> Evidence:
    ids = [run.task_run_id for run in runs]
    if not ids:
        return Evidence()
    units = {row["unit_id"]: row for row in database.runs.read_units(ids)}
    by_run: dict[str, list[JSONObject]] = {run_id: [] for run_id in ids}
    rehearsed = 0
    for row in database.runs.read_agents(ids):
        if row["worker_id"] in simulated:
            rehearsed += row["submitted_at"] is not None
        else:
            by_run[row["task_run_id"]].append(row)
    seen = [_seen(run, by_run[run.task_run_id], units, now) for run in runs]
    own = [row for row in units.values() if row["worker_id"] not in simulated]
    decided = [row["status"] for row in own if row["status"] in UNIT_REVIEWED]
    checks, screenings = _count_gates(database, ids, simulated)
    bonuses, most = _bonuses(database, ids, simulated, currency)
    answers = sum(len(visit.seconds) for run in seen for visit in run.visits)
    return Evidence(
        runs=tuple(run for run in seen if run.visits),
        same_crowd=True,
        rehearsed=rehearsed,
        reviewed=len(decided),
        rejected=decided.count(UnitStatus.REJECTED.value),
        checked=len(checks),
        failed=checks.count(False),
        screened=len(screenings),
        screened_out=screenings.count(False),
        bonuses=_spread(bonuses, answers),
        rehearsed_bonus=most,
    )


def _seen(run: TaskRun, agents: Sequence[JSONObject], units: dict[str, JSONObject], now: float) -> SeenRun:
    """Put a run's agents together to visits."""
    own = [row["status"] for row in units.values() if row["task_run_id"] == run.task_run_id and row["unit_index"] >= 0]
    total, is_open = len(own), any(status not in _ANSWERED for status in own)
    of_worker: dict[str, list[JSONObject]] = {}
    for row in agents:
        of_worker.setdefault(row["worker_id"], []).append(row)
    visits = [
        _visit(part, run.opened_at, units) for rows in of_worker.values() for part in _visits_of(rows, run.opened_at)
    ]
    visits.sort(key=lambda visit: visit.begun)
    task = run.config.get("mephisto", {}).get("task", {})
    per_visit, at_once = int(task.get("units_per_visit") or 1), int(task.get("max_num_concurrent_units") or 0)
    until = ((run.ended_at or now) - run.opened_at) / 3600
    closed = _closed(visits, total, per_visit, at_once or total)
    if not is_open:  # who was still at it when the last unit was taken would have done more
        end = max((visit.begun + sum(visit.seconds) / 3600 for visit in visits), default=0.0)
        visits = [_cut(visit, end) for visit in visits]
        until = min(until, max((visit.begun for visit in visits), default=0.0))
    opened = datetime.fromtimestamp(run.opened_at, UTC)
    hour = opened.hour + opened.minute / 60
    return SeenRun(run.task_run_id, hour, until, tuple(visits), per_visit, closed)


def _closed(visits: Sequence[SeenVisit], total: int, per_visit: int, at_once: int) -> tuple[tuple[float, float], ...]:
    """Return the times (hours) in which nothing was open: all was answered or held, or as many held as could be."""
    usual = float(np.median([one for visit in visits for one in visit.seconds] or [60.0]))
    changes: list[tuple[float, int, int]] = []  # when; how many more are answered or held, and held
    for visit in visits:
        at = visit.begun
        if per_visit > 1:
            ended = at + (sum(visit.seconds) + (visit.held or usual / 2) * visit.left) / 3600
            back = max(0, per_visit - len(visit.seconds))
            changes += [(at, per_visit, per_visit), (ended, -back, -per_visit)]
            continue
        for seconds in visit.seconds:
            changes += [(at, 1, 1), (at + seconds / 3600, 0, -1)]
            at += seconds / 3600
        if visit.left:
            changes += [(at, 1, 1), (at + (visit.held or usual / 2) / 3600, -1, -1)]
    taken, held, since, closed = 0, 0, None, []
    for at, change, in_hand in sorted(changes):
        taken, held = taken + change, held + in_hand
        is_full = taken >= total or held >= at_once
        if is_full and since is None:
            since = at
        elif not is_full and since is not None:
            closed.append((since, at))
            since = None
    return tuple(closed) if since is None else (*closed, (since, np.inf))


def _is_same(last: JSONObject, row: JSONObject) -> bool:
    """Return whether two agents of a worker are of one visit: as the run has visits, or else by the time between."""
    if last["visit_id"] is not None or row["visit_id"] is not None:
        return bool(last["visit_id"] == row["visit_id"])
    return bool(row["accepted_at"] - (last["submitted_at"] or last["accepted_at"]) <= VISIT_GAP)


def _visits_of(rows: Sequence[JSONObject], opened_at: float) -> Iterable[list[JSONObject]]:
    part: list[JSONObject] = []
    for row in sorted(rows, key=lambda row: row["accepted_at"]):
        if row["accepted_at"] < opened_at - 1:
            continue  # of the time before the run was resumed
        if part and not _is_same(part[-1], row):
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def _visit(rows: Sequence[JSONObject], opened_at: float, units: dict[str, JSONObject]) -> SeenVisit:
    own = [row for row in rows if units.get(row["unit_id"], {}).get("unit_index", 0) >= 0]
    answered = [row for row in own if row["submitted_at"] is not None]
    last = rows[-1]
    left = last["submitted_at"] is None and last["status"] in _LEFT
    by_timeout = left and last["status"] == AgentStatus.TIMEOUT.value
    held = max(0.0, (last["deadline"] or last["accepted_at"]) - last["accepted_at"]) if by_timeout else 0.0
    return SeenVisit(
        worker=rows[0]["worker_id"],
        begun=max(0.0, rows[0]["accepted_at"] - opened_at) / 3600,
        seconds=tuple(max(0.5, row["submitted_at"] - row["accepted_at"]) for row in answered),
        left=left,
        held=held,
        by_timeout=by_timeout,
        cut=last["status"] in _ACTIVE,
    )


def _cut(visit: SeenVisit, end: float) -> SeenVisit:
    finished = visit.begun + sum(visit.seconds) / 3600
    typical = max(visit.seconds, default=0.0) / 3600
    if visit.left or finished < end - 2 * typical:
        return visit
    return SeenVisit(visit.worker, visit.begun, visit.seconds, cut=True)


def _count_gates(
    database: Database, ids: Sequence[str], simulated: set[str]
) -> tuple[list[bool | None], list[bool | None]]:
    """Return what checks, and what screenings, have found of people."""
    checks: dict[str, bool | None] = {}
    screenings: list[bool | None] = []
    for row in database.runs.read_gates(ids):
        if row["worker_id"] in simulated or row["passed"] is None:
            continue
        if row["gate"] in _BEFORE_WORK:
            screenings.append(row["passed"])
        elif row["gate"] not in _ENTRIES:
            checks[row["agent_id"]] = checks.get(row["agent_id"], True) and row["passed"]
    return list(checks.values()), screenings


def _bonuses(
    database: Database, ids: Sequence[str], simulated: set[str], currency: str
) -> tuple[dict[str, float], float]:
    """Return what people were given beside their pay, by what it was for; and the most that a program was.

    What somebody gave a program when they reviewed a rehearsal says nothing of what a hook will give.
    """
    found: dict[str, float] = {}
    most = 0.0
    by_hand: set[str] | None = None
    for row in database.reviews.read_payments(ids):
        if row["kind"] == PaymentKind.REWARD.value or row["status"] == "cancelled":
            continue
        if row["currency"] != currency:
            continue
        amount = float(row["amount"])
        if row["worker_id"] in simulated:
            if by_hand is None:
                by_hand = {one["bonus_payment_id"] for one in database.reviews.read_reviews(ids)}
            most = most if row["payment_id"] in by_hand else max(most, amount)
        else:
            key = row["unit_id"] or row["payment_id"]
            found[key] = found.get(key, 0.0) + amount
    return found, most


def _spread(bonuses: dict[str, float], answers: int) -> Floats:
    """Return one amount for each answer, most of them 0 where few were given anything."""
    amounts = np.zeros(max(answers, len(bonuses)))
    amounts[: len(bonuses)] = list(bonuses.values())
    return amounts
