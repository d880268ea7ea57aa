"""What columns are of does not change where nothing is in them: code that goes on with a frame has to bear both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from mephisto_nb.operator import Operator
from tests.kernel.conftest import data_dir, make_operator, operator
from tests.review.answers import said, stored_run

__all__ = ["data_dir", "make_operator", "operator"]

#: Each frame of a run, and of an operator.
FRAMES: dict[str, Callable[[Operator, Any], pd.DataFrame]] = {
    "units": lambda _, run: run.units(),
    "agents": lambda _, run: run.agents(),
    "results": lambda _, run: run.results(),
    "visits": lambda _, run: run.visits(),
    "payments": lambda _, run: run.payments(),
    "reviews": lambda _, run: run.review.decisions(),
    "events": lambda _, run: run.events(),
    "review_queue": lambda _, run: run.review.queue(decided=True),
    "records": lambda _, run: run.review.records(),
    "task_runs": lambda operator, _: operator.task_runs(),
    "owed": lambda operator, _: operator.payments.owed(),
    "qualifications": lambda operator, _: operator.qualifications.frame(),
    "grants": lambda operator, _: operator.qualifications.grants(),
    "workers": lambda operator, _: operator.workers.frame(),
    "history": lambda operator, _: operator.workers.history(),
    "notes": lambda operator, _: operator.workers.notes(),
    "eligibility": lambda operator, _: operator.qualifications.who_would_qualify(),
}


def types_of(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


@pytest.mark.parametrize("name", FRAMES)
async def test_an_empty_frame_has_the_types_of_a_full_one(operator: Operator, name: str) -> None:
    empty = FRAMES[name](operator, stored_run(operator, [], "nothing")) if name != "task_runs" else operator.task_runs()
    run = stored_run(operator, [said(0, "ann", "glad"), said(0, "bob", "grim"), said(1, "ann", "glad")])
    await run.review.approve(worker="ann", bonus=0.5, grant="careful")
    await run.review.undo(None, worker="ann")
    await run.review.approve(worker="ann", bonus=0.5, grant="careful")
    await operator.workers.note("ann", "kind")
    full = FRAMES[name](operator, run)
    known = types_of(empty)
    assert (len(empty), known) == (0, {column: of for column, of in types_of(full).items() if column in known})


async def test_what_was_decided_or_paid_of_nothing_has_the_same_types(operator: Operator) -> None:
    run = stored_run(operator, [said(0, "ann", "glad")])
    nothing, decided = await run.review.approve([]), await run.review.approve()
    assert types_of(nothing) == types_of(decided)
    unpaid, paid = await operator.payments.mark_paid([]), await operator.payments.mark_paid(worker="ann")
    assert types_of(unpaid) == types_of(paid)
