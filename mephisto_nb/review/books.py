"""What is owed to whom, and what was decided, over all runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import pandas as pd

from mephisto_nb.abstractions.clock import Clock
from mephisto_nb.abstractions.database import Database
from mephisto_nb.data_model.states import PaymentStatus
from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.export import frames
from mephisto_nb.export.column_types import TEXT
from mephisto_nb.operations.threads import DatabaseWriter, in_thread
from mephisto_nb.review.decisions import who_decides
from mephisto_nb.review.reviewing import Reviewing
from mephisto_nb.review.runs import ReviewableRun
from mephisto_nb.review.selection import refuse_namesakes

#: Payments: their ids, or rows with the column ``payment_id``.
Payments: TypeAlias = "str | Iterable[str] | pd.DataFrame | None"

OWED_COLUMNS = ("worker_id", "worker_name", "owed", "payments", "sent")
PAID_COLUMNS = ("payment_id", "worker_id", "worker_name", "amount", "done", "why")


class Books(ABC):
    """Payments and decisions of all runs; `Operator` is one of these."""

    _database: Database
    _writer: DatabaseWriter
    _clock: Clock

    @abstractmethod
    def get_task_run(self, task_run_id: str) -> ReviewableRun:
        """Give a run of any time."""

    def reviewing(self, runs: str | Iterable[str] | pd.DataFrame) -> Reviewing:
        """Give several runs to decide on at once.

        Parameters
        ----------
        runs
            The name of a task, for all of its runs; ids of runs; or rows with the column ``task_run_id``.

        Raises
        ------
        NotFoundError
            There is no such run, or no run of such a task.
        ConfigError
            The rows have no column ``task_run_id``.

        Examples
        --------
        ``await operator.reviewing("moods").decide("approve", worker="ann")``
        """
        if isinstance(runs, str):
            ids = [run.task_run_id for run in self._database.find_runs(task_name=runs)]
            if not ids:
                raise NotFoundError(f"There is no run of a task {runs!r} in this database. See operator.task_runs().")
        else:
            ids = list(_ids(runs, "task_run_id"))
        return Reviewing([self.get_task_run(id_) for id_ in ids])

    def reviews(self) -> pd.DataFrame:
        """Give one row a decision, of all runs (columns: `export.frames.reviews_frame`)."""
        return frames.reviews_frame(self._database.read_reviews(None))

    def payments(self) -> pd.DataFrame:
        """Give one row a payment, of all runs and of none (columns: `export.frames.payments_frame`)."""
        return frames.payments_frame(self._database.read_payments(None))

    def owed(self) -> pd.DataFrame:
        """Give one row a worker to whom something was ever owed, those first to whom most is.

        Returns
        -------
        pandas.DataFrame
            ``worker_id``, ``worker_name``; ``owed``, the sum in US dollars without the crowd's fees, and ``payments``,
            how many payments that is; ``sent``, the sum that was paid already.
        """
        payments = self.payments()
        is_owed, is_sent = (payments["status"] == one.value for one in (PaymentStatus.OWED, PaymentStatus.SENT))
        sums = payments.assign(
            owed=payments["amount"].where(is_owed, 0.0), sent=payments["amount"].where(is_sent, 0.0), payments=is_owed
        )
        grouped = sums.groupby(["worker_id", "worker_name"], as_index=False)[["owed", "payments", "sent"]].sum()
        grouped = grouped.astype({"payments": "int64"}).round({"owed": 6, "sent": 6})
        order = grouped.sort_values(["owed", "worker_name"], ascending=[False, True], ignore_index=True)
        return order[list(OWED_COLUMNS)]

    async def mark_paid(
        self,
        payments: Payments = None,
        *,
        worker: str | Iterable[str] | None = None,
        at: datetime | None = None,
        who: str | None = None,
    ) -> pd.DataFrame:
        """Note that payments were made, by hand or elsewhere; each once, whoever else notes it.

        Parameters
        ----------
        payments
            Their ids, or rows with the column ``payment_id``; None: all that is owed to `worker`.
        worker
            Names of workers: what is owed to them alone.
        at
            When they were made; None: now.
        who
            Who says so; None: the name that this computer knows you by.

        Returns
        -------
        pandas.DataFrame
            One row a payment, columns `PAID_COLUMNS`: ``done``, and where it is False, ``why``.

        Raises
        ------
        ConfigError
            Neither payments nor a worker is named, or nobody can tell which payments are meant, as where a name is that
            of two workers in different crowds; nothing was noted.
        NotFoundError
            There is no such payment, or nothing was ever owed to such a worker; nothing was noted.
        DatabaseError, ClosedError
            The database cannot be written; nothing was noted.

        Examples
        --------
        ``await operator.mark_paid(worker="ann")``
        """
        if payments is None and worker is None:
            raise ConfigError("Name the payments that were made, or the worker who was paid.")
        rows = _choose(await in_thread(self.payments), payments, worker)
        when = self._clock.now() if at is None else at.timestamp()
        status = PaymentStatus.OWED, PaymentStatus.SENT
        ids = rows["payment_id"].tolist()
        settle = self._database.settle_payments
        settled = await self._writer.call(settle, ids, *status, when, who_decides(who))
        now = (await in_thread(self.payments)).set_index("payment_id").loc[ids]
        done = rows["payment_id"].isin(settled)
        story = [_story(row) for row in now.to_dict("records")]
        why = pd.Series(["" if one else why for one, why in zip(done, story, strict=True)], rows.index, dtype=TEXT)
        return rows.assign(done=done, why=why)[list(PAID_COLUMNS)].reset_index(drop=True)


def _choose(known: pd.DataFrame, payments: Payments, worker: str | Iterable[str] | None) -> pd.DataFrame:
    if payments is None:
        rows = known[known["status"] == PaymentStatus.OWED.value]
    else:
        ids = _ids(payments, "payment_id")
        unknown = set(ids) - set(known["payment_id"])
        if unknown:
            raise NotFoundError(f"There is no payment {min(unknown)!r} in this database. See operator.payments().")
        rows = known[known["payment_id"].isin(ids)]
    if worker is None:
        return rows
    names = refuse_namesakes(worker, rows)
    if strangers := sorted(set(names) - set(known["worker_name"])):
        raise NotFoundError(f"Nothing was ever owed to a worker {strangers[0]!r}. See operator.owed().")
    return rows[rows["worker_name"].isin(names)]


def _ids(given: str | Iterable[str] | pd.DataFrame, column: str) -> Sequence[str]:
    if isinstance(given, str):
        return [given]
    if isinstance(given, pd.DataFrame):
        if column not in given:
            raise ConfigError(f"These rows have no column {column}, so nobody can tell what they are of.")
        return list(given[column].dropna().unique())
    return list(given)


def _story(row: dict[Any, Any]) -> str:
    when = f" at {row['sent_at']:%Y-%m-%d %H:%M} UTC" if row["status"] == PaymentStatus.SENT.value else ""
    return f"was {row['status']} already{when}"
