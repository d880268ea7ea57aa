"""Deciding on many answers, and the frames of many decisions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pandas as pd
from sqlalchemy import create_engine

from mephisto_nb.model.changes import (
    AddAgent,
    AddAssignments,
    AddPayment,
    AddReview,
    AddWorker,
    Changes,
    SetGrant,
)
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Agent, Assignment, Payment, Unit, Worker
from mephisto_nb.model.reviews import Review
from mephisto_nb.model.states import AgentStatus, PaymentKind, UnitStatus
from mephisto_nb.utils.ids import new_id
from tests.benchmarks.harness import Figure, launched
from tests.inside import parts_of

UNITS, WORKERS, DECIDED_AT_ONCE = 100_000, 1_000, 10_000
PAY = Money.of("0.1")
T = TypeVar("T")


def _decided(task_run_id: str) -> Changes:
    """Make what a run leaves in the database whose units were all approved, by workers who hold something."""
    changes = Changes(task_run_id)
    workers = [Worker(new_id(), f"w{n}", "link") for n in range(WORKERS)]
    changes.changes += [AddWorker(worker, 1e9) for worker in workers]
    changes.changes += [SetGrant(worker.worker_id, "careful", n % 10) for n, worker in enumerate(workers)]
    for index in range(1, UNITS + 1):
        worker = workers[index % WORKERS].worker_id
        ids = new_id(), new_id(), new_id()
        accepted = UnitStatus.ACCEPTED if index > DECIDED_AT_ONCE else UnitStatus.COMPLETED
        status = AgentStatus.APPROVED if index > DECIDED_AT_ONCE else AgentStatus.COMPLETED
        unit = Unit(ids[1], ids[0], 0, PAY, accepted, ids[2], worker)
        changes.changes += [
            AddAssignments([Assignment(ids[0], task_run_id, index, {"n": index}, [{}])], [unit]),
            AddAgent(Agent(ids[2], ids[1], worker, f"r{index}", status, 1e9 + index)),
        ]
        if index > DECIDED_AT_ONCE:
            pay = Payment(new_id(), new_id(), worker, PaymentKind.REWARD, PAY, "", 1e9, task_run_id, ids[1])
            about = (UnitStatus.COMPLETED, UnitStatus.ACCEPTED, "clear", "", "eve", 1e9 + index, pay.payment_id)
            changes.changes += [AddPayment(pay), AddReview(Review(new_id(), ids[1], ids[2], worker, *about))]
    return changes


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _pandas_alone(url: str) -> pd.DataFrame:
    engine = create_engine(url)
    units = pd.read_sql(
        "SELECT u.*, a.assignment_index, w.worker_name FROM units u JOIN assignments a USING (assignment_id) "
        "LEFT JOIN workers w ON w.worker_id = u.worker_id ORDER BY a.assignment_index, u.unit_index",
        engine,
    )
    reviews = pd.read_sql("SELECT r.*, w.worker_name FROM reviews r JOIN workers w USING (worker_id)", engine)
    grants = pd.read_sql(
        "SELECT worker_name, qualification_name, value FROM granted_qualifications JOIN qualifications "
        "USING (qualification_id) JOIN workers USING (worker_id)",
        engine,
    )
    reviews["at"] = pd.to_datetime(reviews["at"], unit="s", utc=True)
    return units.merge(reviews, how="left", on="unit_id", suffixes=("", "_of_review")).merge(
        grants, how="left", on="worker_name"
    )


async def reviewing() -> list[Figure]:
    async with launched(1) as run:
        database = parts_of(run).database
        assert database.apply([_decided(run.task_run_id)]) == [None]
        url = f"sqlite:///{parts_of(run).directory.parent.parent / 'mephisto_nb.db'}"

        def ours() -> pd.DataFrame:
            units, reviews = run.units(), run.review.decisions()
            names = units["worker_name"].dropna().unique()
            facts = database.people.get_worker_facts(run.task_run_id, "link", list(names))
            grants = pd.DataFrame(
                [
                    {"worker_name": name, "qualification_name": what, "value": value}
                    for name, one in facts.items()
                    for what, value in one.grants.items()
                ]
            )
            decided: pd.DataFrame = units.merge(reviews, how="left", on="unit_id", suffixes=("", "_of_review"))
            return decided.merge(grants, how="left", on="worker_name")

        floor, alone = _timed(lambda: _pandas_alone(url))
        seconds, frame = _timed(ours)
        assert len(frame) == len(alone) == UNITS + 1
        await parts_of(run).engine.load()
        waiting = list(frame.loc[frame["status"] == "completed", "unit_id"])
        start = time.perf_counter()
        outcome = await run.review.approve(waiting)
        deciding = time.perf_counter() - start
        assert outcome["done"].sum() == DECIDED_AT_ONCE
        one, _ = await _one(run, waiting[0])
    return [
        Figure("units, reviews and grants of 100,000 units, joined", seconds, "s", floor, "pandas.read_sql", "< 2 s"),
        Figure("approving 10,000 answers at once", deciding, "s"),
        Figure("undoing one of them, among 100,000", 1000 * one, "ms"),
    ]


async def _one(run: object, unit_id: str) -> tuple[float, pd.DataFrame]:
    start = time.perf_counter()
    outcome = await run.review.undo(unit_id)  # type: ignore[attr-defined]
    assert outcome["done"].all()
    return time.perf_counter() - start, outcome
