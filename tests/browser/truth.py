"""What a dashboard has to show at any moment of a run, from the run's frames and nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from tests.browser.readings import Range, Reading, Shown

FRAMES = ("units", "agents", "results", "events")
FEE_RATE = 0.2
#: Shows what time it is for the kernel, and keeps for how many seconds of each tenth of a second it computed.
CLOCK = """
import asyncio, time
import ipywidgets
clock, computed = ipywidgets.Label(), []
clock.add_class("kernel-clock")
async def tick():
    while True:
        begin, before = time.time(), time.process_time()
        await asyncio.sleep(0.1)
        computed.append((begin, time.time(), time.process_time() - before))
        clock.value = str(time.time())
ticking = asyncio.create_task(tick())
display(clock)
"""
#: Writes the frames of a finished run into a folder, as its user gets them, and what the kernel computed.
KEEP_FRAMES = f"""
import pandas as pd
async def keep_frames():
    await run.completed()
    frames = {{name: getattr(run, name)() for name in {FRAMES}}}
    computing = pd.DataFrame(computed, columns=["begin", "end", "seconds"])
    frames |= {{"computing": computing, "runs": operator.task_runs()}}
    for name, frame in frames.items():
        frame.to_pickle(f"{{folder}}/{{name}}.pickle")
keeper = asyncio.create_task(keep_frames())
"""


@dataclass(frozen=True)
class Answer:
    """An answer: who gave it, what it says, when it came, and how long it took (seconds)."""

    worker: str
    mood: str
    at: float
    seconds: float
    pay: float


@dataclass(frozen=True)
class Truth:
    """A run between two changes, `since` and `until` (epoch seconds)."""

    since: float
    until: float
    opened: float
    units: dict[str, int]
    pay: dict[str, float]
    #: By worker and unit: since when they are at it.
    at_work: dict[tuple[str, str], float]
    answers: tuple[Answer, ...]

    def differences(self, shown: Reading, begin: float, end: float) -> list[str]:
        """Name what a reading of the screen shows otherwise than this, asked at any moment between these two."""
        ranges: dict[str, tuple[Shown, Range | None]] = {
            "per hour": (shown.per_hour, self._pace(begin, end)),
            "time left": (shown.time_left, self._time_left(begin, end, 1.0)),
            "lowest time left": (shown.time_left_low, self._time_left(begin, end, 1 / self._factor())),
            "highest time left": (shown.time_left_high, self._time_left(begin, end, self._factor())),
            "seconds a unit": (shown.seconds_a_unit, self._median([one.seconds for one in self.answers])),
            "pay by the hour": (shown.pay_per_hour, self._pay_by_the_hour()),
        }
        expected: dict[str, bool] = {
            "units": shown.units == self.units,
            "answered": shown.answered == (len(self.answers), sum(self.units.values())),
            "share": shown.share == 100 * len(self.answers) // sum(self.units.values()),
            "money": all(abs(shown.money[name] - amount) < 0.006 for name, amount in self._money().items()),
            "number at work": shown.number_at_work == len(self.at_work),
            "people": self._has_people([(worker, unit) for worker, unit, _ in shown.people]),
            "newest": self._has_newest([(worker, mood) for worker, mood, _ in shown.newest]),
        }
        wrong = [name for name, is_so in expected.items() if not is_so]
        wrong += [
            f"{name}: {number}, not {right}" for name, (number, right) in ranges.items() if not number.holds(right)
        ]
        return wrong or [*self._wrong_times(shown, begin, end)]

    def _wrong_times(self, shown: Reading, begin: float, end: float) -> Iterator[str]:
        for worker, unit, seconds in shown.people:
            since = self.at_work[worker, unit]
            if not begin - since - 1 < seconds <= end - since:
                yield f"time of {worker}: {seconds}"
        for (worker, _, took), answer in zip(shown.newest, self.answers[::-1], strict=False):
            if not took.holds(Range(answer.seconds, answer.seconds)):
                yield f"time that {worker} took: {took}"

    def _has_people(self, shown: list[tuple[str, str]]) -> bool:
        """Return whether these are at work: all, or as many as a list shows before it is folded open."""
        return set(shown) <= set(self.at_work) and len(set(shown)) in (8, len(self.at_work))

    def _has_newest(self, shown: list[tuple[str, str]]) -> bool:
        newest = [(one.worker, one.mood) for one in self.answers[:-11:-1]]
        return shown == newest[: len(shown)] and len(shown) in (5, len(newest))

    def _money(self) -> dict[str, float]:
        paid = {name: amount * (1 + FEE_RATE) for name, amount in self.pay.items()}
        total = sum(paid.values())
        return {**paid, "total": total, "fees": total * FEE_RATE / (1 + FEE_RATE)}

    def _window(self) -> tuple[int, float]:
        newest = [one.at for one in self.answers[-51:]]
        return min(50, len(newest)), newest[0] if len(newest) == 51 else self.opened

    def _pace(self, begin: float, end: float) -> Range | None:
        n, since = self._window()
        return Range(3600 * n / (end - since), 3600 * n / (begin - since)) if n else None

    def _time_left(self, begin: float, end: float, factor: float) -> Range | None:
        (n, since), left = self._window(), sum(self.units.values()) - len(self.answers)
        return Range(factor * left * (begin - since) / n, factor * left * (end - since) / n) if n > 2 and left else None

    def _factor(self) -> float:
        (n, _), left = self._window(), sum(self.units.values()) - len(self.answers)
        return math.exp(1.2816 * math.sqrt(1 / n + 1 / left)) if n and left else 1.0

    def _pay_by_the_hour(self) -> Range | None:
        """Return what the median answer earned by the hour; the frames' times are whole microseconds."""
        slower, faster = (
            self._median([3600 * one.pay / (one.seconds + more) for one in self.answers]) for more in (1e-6, -1e-6)
        )
        return Range(slower.low, faster.high) if slower and faster else None

    def _median(self, values: list[float]) -> Range | None:
        return Range(median(values), median(values)) if values else None


def seconds_computed(folder: Path, since: float, until: float) -> float:
    """Return for how long the kernel of a run that was kept computed in this time, at most."""
    computing = pd.read_pickle(folder / "computing.pickle")
    return float(computing["seconds"][(computing["end"] > since) & (computing["begin"] < until)].sum())


def read_truths(folder: Path) -> list[Truth]:
    """Go through the run that was kept in a folder, change by change."""
    frames = {name: pd.read_pickle(folder / f"{name}.pickle") for name in (*FRAMES, "runs")}
    opened = frames["runs"]["created_at"].iloc[0].timestamp()
    events = frames["events"][frames["events"]["subject"].isin(["unit", "agent"])]
    moments = [at.timestamp() for at in events["at"]]
    story = _Story(frames)
    return [
        story.tell(since, until, opened, *change)
        for since, until, *change in zip(
            moments, [*moments[1:], math.inf], events["subject"], events["subject_id"], events["after"], strict=True
        )
    ]


class _Story:
    """A run as it goes on."""

    def __init__(self, frames: dict[str, pd.DataFrame]) -> None:
        units, agents = frames["units"], frames["agents"]
        self._pay = dict(zip(units["unit_id"], units["pay_amount"], strict=True))
        label = dict(zip(units["unit_id"], "#" + units["assignment_index"].astype(str), strict=True))
        self._who = {
            row.agent_id: ((row.worker_name, label[row.unit_id]), row.accepted_at.timestamp())
            for row in agents.itertuples()
        }
        self._answers = {row["agent_id"]: _answer(row) for _, row in frames["results"].iterrows()}
        self._status: dict[str, str] = {}
        self._at_work: dict[tuple[str, str], float] = {}
        self._given: list[Answer] = []

    def tell(self, since: float, until: float, opened: float, subject: str, subject_id: str, after: str) -> Truth:
        """Take in a change, and say how all is then."""
        if subject == "unit":
            self._status[subject_id] = after
        elif after == "completed":
            self._at_work.pop(self._who[subject_id][0])
            self._given.append(self._answers[subject_id])
        else:
            who, begun = self._who[subject_id]
            self._at_work[who] = begun
        pay = {"spent": 0.0, "committed": 0.0, "to_come": 0.0}
        for unit, status in self._status.items():
            pay[{"completed": "spent", "assigned": "committed"}.get(status, "to_come")] += self._pay[unit]
        units = dict(Counter(self._status.values()))
        return Truth(since, until, opened, units, pay, dict(self._at_work), tuple(self._given))


def _answer(row: Any) -> Answer:
    at, seconds = row["submitted_at"].timestamp(), row["duration_in_seconds"]
    return Answer(row["worker_name"], row["answer.mood"], at, seconds, row["pay_amount"])
