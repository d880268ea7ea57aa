"""DataFrames of what was collected."""

from __future__ import annotations

import json
import time

import pandas as pd
from sqlalchemy import create_engine

from mephisto_nb.model.changes import AddAgent, AddAssignments, AddSubmission, AddWorker, Changes, ChangeUnit
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, Assignment, Submission, Unit, Worker
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.utils.ids import new_id
from tests.benchmarks.harness import Figure, launched
from tests.inside import parts_of

PAY = Money.of("0.1")
QUERY = """
SELECT u.task_run_id, a.assignment_index, u.unit_index, w.worker_name, u.status, g.accepted_at, s.received_at,
       u.pay_amount, u.unit_id, u.assignment_id, g.agent_id, g.worker_id, a.shared, s.data, s.files
FROM submissions s JOIN agents g ON g.agent_id = s.agent_id JOIN units u ON u.agent_id = g.agent_id
JOIN assignments a ON a.assignment_id = u.assignment_id JOIN workers w ON w.worker_id = g.worker_id
ORDER BY a.assignment_index, u.unit_index
"""


def _answers(task_run_id: str, count: int) -> Changes:
    """Make what a run of `count` answered units leaves in the database."""
    changes = Changes(task_run_id)
    for index in range(1, count + 1):
        assignment = Assignment(new_id(), task_run_id, index, {"text": f"Sentence {index}"}, [{}])
        unit = Unit(new_id(), assignment.assignment_id, 0, PAY)
        worker = Worker(new_id(), f"w{index}", "link")
        agent = Agent(new_id(), unit.unit_id, worker.worker_id, f"r{index}", AgentStatus.COMPLETED, 1e9 + index)
        answer = {"label": "positive", "sure": index % 7, "comment": f"because of {index}"}
        changes.changes += [
            AddAssignments([assignment], [unit]),
            AddWorker(worker, 1e9),
            AddAgent(agent),
            ChangeUnit(unit.unit_id, UnitStatus.CREATED, UnitStatus.COMPLETED, agent.agent_id, worker.worker_id),
            AddSubmission(Submission(agent.agent_id, answer, 1e9 + index + 30)),
        ]
    return changes


def _pandas_alone(url: str) -> pd.DataFrame:
    frame = pd.read_sql(QUERY, create_engine(url))
    flat = [pd.json_normalize([json.loads(text) for text in frame[name]]) for name in ("shared", "data")]
    return pd.concat([frame.drop(columns=["shared", "data"]), *flat], axis="columns")


async def results() -> list[Figure]:
    count = 50_000
    async with launched(1) as run:
        assert parts_of(run).database.apply([_answers(run.task_run_id, count)]) == [None]
        url = f"sqlite:///{parts_of(run).directory.parent.parent / 'mephisto_nb.db'}"
        start = time.perf_counter()
        alone = _pandas_alone(url)
        floor = time.perf_counter() - start
        start = time.perf_counter()
        frame = run.results()
        seconds = time.perf_counter() - start
        assert len(frame) == len(alone) == count
    return [Figure("results() of 50,000 submissions", seconds, "s", floor, "pandas alone", "≤ 2")]
