"""Ten thousand workers with a hundred thousand grants: the panel's opening, frames joined, an act on all of them."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd
from sqlalchemy import create_engine

from mephisto_nb.model.changes import AddAgent, AddAssignments, AddSubmission, AddWorker, Changes, ChangeUnit
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, Assignment, Submission, Unit, Worker
from mephisto_nb.model.states import AgentStatus, UnitStatus
from mephisto_nb.operator import Operator
from mephisto_nb.utils.ids import new_id
from tests.benchmarks.harness import Figure, launched
from tests.inside import parts_of, people_model_of

WORKERS, UNITS, QUALIFICATIONS = 10_000, 100_000, 10
PAY = Money.of("0.1")
TABLES = {
    "units": """SELECT u.unit_id, u.task_run_id, u.assignment_id, a.assignment_index, u.unit_index, u.status,
        u.pay_amount, r.currency, u.worker_id, w.worker_name, u.agent_id FROM units u
        JOIN task_runs r ON r.task_run_id = u.task_run_id
        JOIN assignments a ON a.assignment_id = u.assignment_id LEFT JOIN workers w ON w.worker_id = u.worker_id
        ORDER BY u.task_run_id, a.assignment_index, u.unit_index""",
    "grants": """SELECT g.worker_id, q.qualification_name, g.value FROM granted_qualifications g
        JOIN qualifications q ON q.qualification_id = g.qualification_id""",
    "workers": "SELECT * FROM workers",
    "work": """SELECT g.task_run_id, g.worker_id, g.status, g.accepted_at, s.received_at, u.pay_amount FROM agents g
        LEFT JOIN submissions s ON s.agent_id = g.agent_id
        LEFT JOIN units u ON u.unit_id = g.unit_id AND u.agent_id = g.agent_id""",
}


def _work(task_run_id: str) -> Changes:
    """Make what a run of many units leaves in the database, each worker having done ten."""
    changes = Changes(task_run_id)
    workers = [Worker(new_id(), f"w{index:05}", "link") for index in range(WORKERS)]
    changes.changes += [AddWorker(worker, 1e9) for worker in workers]
    for index in range(1, UNITS + 1):
        assignment = Assignment(new_id(), task_run_id, index, {}, [{}])
        unit, worker = Unit(new_id(), assignment.assignment_id, 0, PAY), workers[index % WORKERS]
        agent = Agent(new_id(), unit.unit_id, worker.worker_id, f"r{index}", AgentStatus.COMPLETED, 1e9 + index)
        changes.changes += [
            AddAssignments([assignment], [unit]),
            AddAgent(agent),
            ChangeUnit(unit.unit_id, UnitStatus.CREATED, UnitStatus.COMPLETED, agent.agent_id, worker.worker_id),
            AddSubmission(Submission(agent.agent_id, {"label": "glad"}, 1e9 + index + 30)),
        ]
    return changes


def _timed(function: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


async def people() -> list[Figure]:
    """Measure what a crowd of ten thousand costs."""
    async with launched(1) as run:
        operator = Operator(data_dir=parts_of(run).directory.parent.parent)  # the one that has launched it
        assert parts_of(run).database.apply([_work(run.task_run_id)]) == [None]
        everybody = [f"w{index:05}" for index in range(WORKERS)]
        start = time.perf_counter()
        for number in range(QUALIFICATIONS):
            await operator.qualifications.grant(f"q{number}", everybody, number)
        granting = (time.perf_counter() - start) / QUALIFICATIONS
        engine = create_engine(f"sqlite:///{parts_of(run).directory.parent.parent / 'mephisto_nb.db'}")

        room = people_model_of(operator)
        start = time.perf_counter()
        window: Any = await room.answer("rows", {"table": "workers", "start": 0, "count": 100})
        opening = time.perf_counter() - start
        assert (window["total"], len(window["rows"])) == (WORKERS, 100)
        start = time.perf_counter()
        for page in range(50):
            await room.answer("rows", {"table": "workers", "start": 100 * page, "count": 100})
        scrolling = (time.perf_counter() - start) / 50
        read, _ = _timed(lambda: [pd.read_sql(TABLES[name], engine) for name in ("workers", "grants", "work")])

        def joined() -> pd.DataFrame:
            units: pd.DataFrame = run.units()
            return units.merge(operator.qualifications.grants(wide=True), on="worker_id", how="left")

        def alone() -> pd.DataFrame:
            grants = pd.read_sql(TABLES["grants"], engine)
            wide = grants.pivot(index="worker_id", columns="qualification_name", values="value").reset_index()
            return pd.read_sql(TABLES["units"], engine).merge(wide, on="worker_id", how="left")

        floor, peer = _timed(alone)
        seconds, frame = _timed(joined)
        assert frame.shape == peer.shape == (UNITS + 1, 11 + QUALIFICATIONS)
        engine.dispose()
    return [
        Figure("panel of 10,000 workers, 100,000 grants", opening, "s", read, "read_sql of its tables", "≤ 1"),
        Figure("a page of its rows, scrolling", 1000 * scrolling, "ms", limit="≤ 16"),
        Figure("100,000 units joined with 100,000 grants", seconds, "s", floor, "read_sql and merge", "≤ 2"),
        Figure("granting to 10,000 workers at once", granting, "s", limit="≤ 2"),
    ]
