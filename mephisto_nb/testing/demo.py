"""A whole task run in a terminal, with workers who are not there: ``python -m mephisto_nb.testing.demo``.

All but the people is real: the router in a process of its own, its links, the database, the results.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

import mephisto_nb as mnb
from mephisto_nb._typing import JSONObject
from mephisto_nb.run import TaskRun
from mephisto_nb.testing.simulated_workers import simulate_workers

EMAILS: list[dict[str, Any]] = [
    {"subject": "Where is my parcel?", "urgency": 3, "tone": "neutral"},
    {"subject": "THIRD time I write", "urgency": 5, "tone": "angry"},
    {"subject": "Thank you!", "urgency": 1, "tone": "friendly"},
    {"subject": "Wrong colour", "urgency": 2, "tone": "friendly"},
    {"subject": "Invoice for May", "urgency": 3, "tone": "neutral"},
    {"subject": "Cancelled without a word", "urgency": 5, "tone": "angry"},
]
#: By subject: the page is sent what it shows, and no more.
MEANT = {email["subject"]: (email["tone"], email["urgency"]) for email in EMAILS}
PAGE = """
<h2>${subject}</h2>
<label>How does it sound? <input name="tone" required></label>
<label>How urgent is it, from 1 to 5? <input type="number" name="urgency" min="1" max="5" required></label>
"""
#: How long a worker may hold a unit, in seconds: long enough for all but those who leave.
TIME_LIMIT = 2.5
THINKING_TIME = (0.1, 0.7)
_BAR = 30


@dataclass
class Screen:
    """What the terminal shows. One line of progress is drawn over itself; where nobody looks it is drawn less often."""

    total: int
    answered: int = 0
    _started: float = field(default_factory=time.monotonic)
    _line_is_open: bool = False

    def say(self, text: str = "") -> None:
        """Write a line."""
        sys.stdout.write(("\n" if self._line_is_open else "") + text + "\n")
        sys.stdout.flush()
        self._line_is_open = False

    def tell(self, text: str) -> None:
        """Write a line with the time in front."""
        self.say(f"{self._seconds}  {text}")

    def count(self, unit: object) -> None:
        """Note that one more unit was answered, and show it; the run calls this (``on_unit_submitted``)."""
        self.answered += 1
        full = _BAR * self.answered // self.total
        line = f"{self._seconds}  [{'#' * full:.<{_BAR}}] {self.answered:3} of {self.total} answered"
        if sys.stdout.isatty():
            sys.stdout.write("\r" + line)
            sys.stdout.flush()
            self._line_is_open = True
        elif self.answered == self.total or self.answered % max(1, self.total // 5) == 0:
            self.say(line)

    @property
    def _seconds(self) -> str:
        return f"{time.monotonic() - self._started:6.1f} s"


def judge(email: JSONObject) -> JSONObject:
    """Answer as one of several people, who do not agree on everything."""
    tone, urgency = MEANT[email["subject"]]
    if random.random() >= 0.75:
        tone = random.choice(["angry", "neutral", "friendly"])
    return {"tone": tone, "urgency": min(5, max(1, urgency + random.choice([-1, 0, 0, 1])))}


async def run_demo(num_people: int = 5, num_workers: int = 8) -> None:
    """Launch a run, let simulated workers do it, and show its results.

    Parameters
    ----------
    num_people
        How many workers answer each e-mail.
    num_workers
        How many simulated workers come.
    """
    directory = tempfile.mkdtemp(prefix="mephisto-demo-")
    screen = Screen(total=num_people * len(EMAILS))
    screen.say("A task run from beginning to end. The workers are simulated, all else is real.\n")
    async with mnb.Operator(data_dir=directory) as operator:
        state = mnb.SharedTaskState(static_task_data=EMAILS, on_unit_submitted=screen.count)
        run = await operator.launch_task_run(_config(num_people), state)
        screen.say(f"Work     {len(EMAILS)} e-mails, {num_people} people each: {screen.total} units")
        screen.say(f"Router   {run.url}, a process of its own")
        screen.say(f"Data     {directory}, yours to look at and to delete\n")
        await _work(run, screen, num_workers)
        results, agents = run.results(), run.agents()
    _show(screen, results, agents)


def _config(num_people: int) -> Any:
    return mnb.compose(
        "static_html",
        architect_args={"closed_notice_in_seconds": 0},  # nobody comes afterwards
        blueprint_args={"task_html": PAGE, "units_per_assignment": num_people},
        task={
            "task_name": "demo",
            "task_title": "How does this customer sound?",
            "task_description": "Judge the tone of an e-mail.",
            "task_tags": "demo",
            "task_reward": 0.05,
            "assignment_duration_in_seconds": TIME_LIMIT,
        },
        overrides=["mephisto.log_level=warning"],
    )


async def _work(run: TaskRun, screen: Screen, num_workers: int) -> None:
    """Send workers, and others after them for the units that were left, until all is answered."""
    for group in itertools.count(1):
        screen.tell(f"{num_workers} workers come.")
        report = await simulate_workers(
            run,
            judge,
            num_workers=num_workers,
            thinking_time=THINKING_TIME,
            drop_out_rate=0.1 if group == 1 else 0.0,
            seed=group,
            name=f"group{group}",
        )
        if report.dropped:
            screen.tell(f"{len(report.dropped)} left without a word. Their units come back after {TIME_LIMIT} s.")
        try:
            async with asyncio.timeout(TIME_LIMIT + THINKING_TIME[1]):
                await run._driven().completed()  # quietly: how far it is has a place on the screen already
                return
        except TimeoutError:
            continue


def _show(screen: Screen, results: pd.DataFrame, agents: pd.DataFrame) -> None:
    table = results.groupby("input.subject", sort=False).agg(
        answers=("answer.tone", "size"),
        tone=("answer.tone", lambda tones: tones.mode()[0]),
        agreement=("answer.tone", lambda tones: f"{tones.value_counts(normalize=True).max():.0%}"),
        urgency=("answer.urgency", "mean"),
        seconds=("duration_in_seconds", "median"),
    )
    screen.tell(f"Done: {len(results)} answers of {results['worker_name'].nunique()} workers.")
    screen.say("\nrun.results(), by e-mail:\n")
    screen.say(table.rename_axis(None).round(1).to_string())
    left = agents["status"].value_counts().get("timeout", 0)
    screen.say(f"\n{left} of {len(agents)} times, somebody took a unit and left. It went to somebody else.")
    screen.say(f"\nNext: {_what_is_next()}")


def _what_is_next() -> str:
    """Return how to get to a notebook, in a clone of the repository and elsewhere."""
    if Path(mnb.__file__).parents[1].joinpath("notebooks", "quickstart.ipynb").is_file():
        return "`make lab` opens a notebook where you do this yourself, worker included."
    return "do this yourself in a notebook, in any Jupyter. If you have none:\npip install 'mephisto-nb[lab]'"


def main() -> None:
    """Run the demo from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mephisto_nb.testing.demo",
        description="A whole task run in this terminal, with simulated workers.",
    )
    parser.add_argument("--people", type=int, default=5, help="workers that answer each e-mail (default: 5)")
    parser.add_argument("--workers", type=int, default=8, help="simulated workers that come (default: 8)")
    options = parser.parse_args()
    try:
        asyncio.run(run_demo(options.people, options.workers))
    except KeyboardInterrupt:
        sys.exit("\nStopped; the run was shut down.")


if __name__ == "__main__":
    main()
