"""What watching a run costs its kernel: 100 changes a second, 10,000 units, somebody who looks ten times a second.

The steps are a rehearsal's, decided and published as an engine does, without a database and a router: the same for
both figures, so that the difference is the watch alone. Time is the processor's, as a share of one core.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable

import mephisto_nb as mnb
from mephisto_nb.display.dashboard.watch import RunWatch
from mephisto_nb.model.records import Submission, WorkerFacts
from mephisto_nb.rules.arrivals import Arrival, arrive
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.submissions import submit
from mephisto_nb.utils.ids import new_id
from tests.benchmarks.harness import Figure, launched
from tests.inside import frames_of, parts_of

UNITS, CHANGES_PER_SECOND, LOOKS_PER_SECOND, SECONDS = 10_000, 100, 10, 40
#: How many workers are at work at any time.
AT_WORK = 500


class Crowd:
    """Makes a live run's state go on, one step a change, and tells its listeners as the engine would."""

    def __init__(self, run: mnb.TaskRun) -> None:
        self.state, self.listeners = parts_of(run).engine.state, parts_of(run).engine.listeners
        self.now, self.number = frames_of(run).task_run.opened_at, 0
        self.at_work: list[str] = []
        for _ in range(AT_WORK):
            self.come()

    def step(self, rule: Callable[[Step], None]) -> None:
        self.now += 1 / CHANGES_PER_SECOND
        step = Step(self.state, self.now, new_id)
        rule(step)
        for listener in self.listeners:
            listener(step)

    def come(self) -> None:
        self.number += 1
        name = f"worker {self.number}"

        def rule(step: Step) -> None:
            outcome = arrive(step, Arrival(name, name, name, WorkerFacts()))
            self.at_work.append(outcome.agent_id)  # type: ignore[union-attr]

        self.step(rule)

    def answer(self) -> None:
        agent_id = self.at_work.pop(0)
        self.step(lambda step: submit(step, Submission(agent_id, {"label": "cat", "sure": True}, self.now)))

    def go_on(self, changes: int) -> None:
        for change in range(changes):
            if change % 2:
                self.come()
            else:
                self.answer()


async def observing() -> list[Figure]:
    async with launched(UNITS) as run:
        await parts_of(run).engine.wait_until(lambda state: state.generator_done)
        crowd = Crowd(run)
        alone = measure(crowd, lambda: None)
        watch = RunWatch(frames_of(run))
        watch.on_change.append(lambda: None)
        looks: list[float] = []
        watched = measure(crowd, lambda: look(watch, looks))
        await asyncio.sleep(0)
        watch.close()
        await parts_of(run).engine.load()  # what was made up is forgotten
    return [
        Figure(
            f"the same steps while somebody watches, {UNITS:,} units, {CHANGES_PER_SECOND}/s",
            100 * watched,
            "% of a core",
            100 * alone,
            "nobody watches",
        ),
        Figure("of which watching", 100 * (watched - alone), "% of a core", limit="< 5"),
        Figure("one state(), as JSON", 1000 * statistics.median(looks), "ms", limit="≤ 1"),
    ]


def look(watch: RunWatch, looks: list[float]) -> None:
    begin = time.process_time()
    json.dumps(watch.state())
    looks.append(time.process_time() - begin)


def measure(crowd: Crowd, look_on: Callable[[], None]) -> float:
    """Return the share of a core that `SECONDS` of changes need, looked at so many times a second."""
    begin = time.process_time()
    for _ in range(SECONDS * LOOKS_PER_SECOND):
        crowd.go_on(CHANGES_PER_SECOND // LOOKS_PER_SECOND)
        look_on()
    return (time.process_time() - begin) / SECONDS
