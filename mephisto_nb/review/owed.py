"""What is owed to whom, and what noting that it was paid will do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mephisto_nb.frames.frames import TEXT
from mephisto_nb.model.money import dollars
from mephisto_nb.model.records import TaskRun
from mephisto_nb.model.states import PaymentStatus

OWED_COLUMNS = ("worker_id", "worker_name", "owed", "payments", "sent", "tasks", "providers")


@dataclass(frozen=True, slots=True)
class PaymentsPreview:
    """What `Books.mark_paid` would note now; ``str()`` says it in a sentence.

    Attributes
    ----------
    payments, workers
        How many payments would be noted as made, and to how many people.
    total
        Their sum in US dollars, without the crowd's fees.
    tasks
        The names of the tasks that they are for.
    refused
        How many would be left alone, by reason.
    """

    payments: int
    workers: int
    total: float
    tasks: tuple[str, ...] = ()
    refused: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        tasks = f" (of {', '.join(map(repr, self.tasks))})" if self.tasks else ""
        said = [
            f"{_count(self.payments, 'payment')} to {_count(self.workers, 'worker')}{tasks}, {dollars(self.total)} in "
            "all, will be marked as paid."
        ]
        said += [f"{_count(number, 'payment')} will be left alone: {why}." for why, number in self.refused.items()]
        return " ".join(said)


def preview_paid(chosen: pd.DataFrame, runs: Iterable[TaskRun]) -> PaymentsPreview:
    """Say what noting these payments as made would do."""
    due = chosen[chosen["status"] == PaymentStatus.OWED.value]
    names = {run.task_run_id: run.task_name for run in runs}
    return PaymentsPreview(
        payments=len(due),
        workers=int(due["worker_id"].nunique()),
        total=math.fsum(due["amount"]),
        tasks=tuple(sorted({names[one] for one in due["task_run_id"] if one in names})),
        refused=Counter(f"{status} already" for status in chosen["status"] if status != PaymentStatus.OWED.value),
    )


def owed_by_worker(payments: pd.DataFrame, runs: Sequence[TaskRun]) -> pd.DataFrame:
    """Make a frame of workers to whom something was ever owed, those first to whom most is: columns `OWED_COLUMNS`.

    Parameters
    ----------
    payments
        As `export.frames.payments_frame` makes them.
    runs
        The runs that they may be of.
    """
    is_owed, is_sent = (payments["status"] == one.value for one in (PaymentStatus.OWED, PaymentStatus.SENT))
    tasks = {run.task_run_id: run.task_name for run in runs}
    providers = {run.task_run_id: run.provider_type for run in runs}
    sums = payments.assign(
        owed=payments["amount"].where(is_owed, 0.0),
        sent=payments["amount"].where(is_sent, 0.0),
        payments=is_owed.astype("int64"),
        tasks=[tasks.get(one, "") for one in payments["task_run_id"]],
        providers=[providers.get(one, "") for one in payments["task_run_id"]],
    )
    how: Any = {"owed": "sum", "payments": "sum", "sent": "sum", "tasks": _names, "providers": _names}
    grouped = sums.groupby(["worker_id", "worker_name"], as_index=False).agg(how)
    grouped = grouped.astype({"payments": "int64", "tasks": TEXT, "providers": TEXT}).round({"owed": 6, "sent": 6})
    order: pd.DataFrame = grouped.sort_values(["owed", "worker_name"], ascending=[False, True], ignore_index=True)
    return order.loc[:, list(OWED_COLUMNS)]


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names) - {""}))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
