"""What is owed to whom, over all runs: a frame of it, and noting that it was paid, foretold and done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import pandas as pd

from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.frames import frames
from mephisto_nb.frames.frames import TEXT
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread
from mephisto_nb.model.money import Money, Sums, count
from mephisto_nb.model.records import TaskRun
from mephisto_nb.model.states import PAYMENT_GONE, PaymentStatus
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database
from mephisto_nb.review.selection import find_run_ids, ids_in, refuse_namesakes
from mephisto_nb.utils.calling import brief, face
from mephisto_nb.utils.ids import acting_name

OWED_COLUMNS = ("worker_id", "worker_name", "owed", "payments", "sent", "currency", "tasks", "providers", "simulated")


@brief
@dataclass(frozen=True, slots=True)
class PaymentsPreview:
    """What `Payments.mark_paid` would note now; ``str()`` says it in a sentence.

    Attributes
    ----------
    payments, workers
        How many payments would be noted as made, and to how many people.
    total
        Their sum by currency, without the crowd's fees.
    tasks
        The names of the tasks that they are for.
    refused
        How many would be left alone, by reason.
    simulated
        How much of the total is owed to simulated workers, and so to nobody.
    """

    payments: int
    workers: int
    total: Sums
    tasks: tuple[str, ...] = ()
    refused: Mapping[str, int] = field(default_factory=dict)
    simulated: Sums = Sums()

    def __str__(self) -> str:
        tasks = f" (of {', '.join(map(repr, self.tasks))})" if self.tasks else ""
        said = [
            f"{count(self.payments, 'payment')} to {count(self.workers, 'worker')}{tasks}, {self.total} in all, "
            "will be marked as paid."
        ]
        if self.simulated:
            said.append(f"{self.simulated} of that is owed to simulated workers, and so to nobody.")
        said += [f"{count(number, 'payment')} will be left alone: {why}." for why, number in self.refused.items()]
        return " ".join(said)


def preview_paid(chosen: pd.DataFrame, runs: Iterable[TaskRun]) -> PaymentsPreview:
    """Say what noting these payments as made would do."""
    due = chosen[chosen["status"] == PaymentStatus.OWED.value]
    names = {run.task_run_id: run.task_name for run in runs}
    return PaymentsPreview(
        payments=len(due),
        workers=int(due["worker_id"].nunique()),
        total=_sums(due),
        tasks=tuple(sorted({names[one] for one in due["task_run_id"] if one in names})),
        refused=Counter(f"{status} already" for status in chosen["status"] if status != PaymentStatus.OWED.value),
        simulated=_sums(due[due["simulated"]]),
    )


def _sums(payments: pd.DataFrame) -> Sums:
    amounts = zip(payments["amount"], payments["currency"], strict=True)
    return Sums.of(Money.nearest(amount, currency) for amount, currency in amounts)


def owed_by_worker(payments: pd.DataFrame, runs: Sequence[TaskRun]) -> pd.DataFrame:
    """Make a frame of workers to whom something was ever owed, a row for each currency: columns `OWED_COLUMNS`.

    Of each currency, those are first to whom most is owed; behind all people stand programs, to whom nothing really is.

    Parameters
    ----------
    payments
        As `frames.frames.payments_frame` makes them.
    runs
        The runs that they may be of.
    """
    is_owed, is_sent = payments["status"] == PaymentStatus.OWED.value, payments["status"].isin(list(PAYMENT_GONE))
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
    how["simulated"] = "first"
    grouped = sums.groupby(["worker_id", "worker_name", "currency"], as_index=False).agg(how)
    grouped = grouped.astype({"payments": "int64", "tasks": TEXT, "providers": TEXT, "simulated": bool})
    for name in ("owed", "sent"):  # floats again, each as near as it can be
        grouped[name] = [float(Money.nearest(*one)) for one in zip(grouped[name], grouped["currency"], strict=True)]
    order: pd.DataFrame = grouped.sort_values(
        ["simulated", "currency", "owed", "worker_name"], ascending=[True, True, False, True], ignore_index=True
    )
    return order.loc[:, list(OWED_COLUMNS)]


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names) - {""}))


#: Payments: their ids, or rows with the column ``payment_id``.
PaymentRows: TypeAlias = "str | Iterable[str] | pd.DataFrame | None"

PAID_COLUMNS = ("payment_id", "worker_id", "worker_name", "amount", "currency", "done", "why")


@face
class Payments:
    """Payments of all runs: a frame when it is called; what is owed, and noting that it was paid.

    Parameters
    ----------
    database, writer, clock
        Where they are kept, who writes there, and what time it is.

    Examples
    --------
    ``operator.payments()``; ``operator.payments.owed()``; ``await operator.payments.mark_paid(worker="ann")``
    """

    def __init__(self, database: Database, writer: DatabaseWriter, clock: Clock) -> None:
        self._database, self._writer, self._clock = database, writer, clock
        self._home = writer.home

    def __call__(self) -> pd.DataFrame:
        """Return one row a payment, of all runs and of none (columns: `frames.frames.payments_frame`)."""
        return frames.payments_frame(self._database.reviews.read_payments(None))

    def owed(self, runs: str | Iterable[str] | pd.DataFrame | None = None) -> pd.DataFrame:
        """Return one row a worker to whom something was ever owed, those first to whom most is.

        Parameters
        ----------
        runs
            Which runs it is owed for, as `OperatorReview.of` takes them; None: all, and none. That of one run is
            ``run.payments.owed()``.

        Returns
        -------
        pandas.DataFrame
            ``worker_id``, ``worker_name``; ``owed``, the sum without the crowd's fees, and ``payments``, how many
            payments that is; ``sent``, the sum that was paid already, or is being paid; ``currency``, that of both: who
            is owed something in several has a row for each; ``tasks``, the names of the tasks that
            all this is for, and ``providers``, the crowds; ``simulated``, whether it is owed to a program that
            rehearsed a task, and so to nobody. These stand behind all people.

        Raises
        ------
        NotFoundError, ConfigError
            As `OperatorReview.of` does.
        """
        ids = None if runs is None else find_run_ids(self._database, runs)
        payments = frames.payments_frame(self._database.reviews.read_payments(ids))
        return owed_by_worker(payments, self._database.runs.find_runs())

    def preview_paid(
        self, payments: PaymentRows = None, *, worker: str | Iterable[str] | None = None
    ) -> PaymentsPreview:
        """Say in numbers what `mark_paid` would note now; nothing is noted.

        Raises
        ------
        ConfigError, NotFoundError
            As `mark_paid` does.

        Examples
        --------
        ``print(operator.payments.preview_paid(run.payments()))``
        """
        return preview_paid(_choose(self(), payments, worker), self._database.runs.find_runs())

    async def mark_paid(
        self,
        payments: PaymentRows = None,
        *,
        worker: str | Iterable[str] | None = None,
        at: datetime | None = None,
        who: str | None = None,
    ) -> pd.DataFrame:
        """Note that payments were made, by hand or elsewhere; each once, whoever else notes it.

        `preview_paid` says first how many that is, and their sum; `unmark_paid` takes it back.

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
        ``await operator.payments.mark_paid(worker="ann")``
        """
        rows = _choose(await in_thread(self), payments, worker)
        when = self._clock.now() if at is None else at.timestamp()
        return await self._settle(rows, rows, (PaymentStatus.OWED, PaymentStatus.SENT), when, who)

    async def unmark_paid(
        self, payments: PaymentRows = None, *, worker: str | Iterable[str] | None = None, who: str | None = None
    ) -> pd.DataFrame:
        """Take back that payments were made: they are owed again. What the crowd has paid itself stays paid.

        Parameters
        ----------
        payments
            Their ids, or rows with the column ``payment_id``, as `mark_paid` gives them; None: all that was noted as
            paid to `worker`.
        worker
            Names of workers: what was paid to them alone.
        who
            Who says so; None: the name that this computer knows you by. The event log keeps it.

        Returns
        -------
        pandas.DataFrame
            As `mark_paid` gives.

        Raises
        ------
        ConfigError, NotFoundError, DatabaseError, ClosedError
            As `mark_paid` does.

        Examples
        --------
        ``await operator.payments.unmark_paid(paid)``, where ``paid`` is what `mark_paid` gave back
        """
        rows = _choose(await in_thread(self), payments, worker, PaymentStatus.SENT)
        noted = await in_thread(self._database.reviews.read_payers, rows["payment_id"].tolist())
        crowds = {run.task_run_id: run.provider_type for run in await in_thread(self._database.runs.find_runs)}
        by_hand = [
            one in noted and noted[one] != crowds.get(run)
            for one, run in zip(rows["payment_id"], rows["task_run_id"], strict=True)
        ]
        change = PaymentStatus.SENT, PaymentStatus.OWED
        return await self._settle(rows, rows[by_hand], change, self._clock.now(), who)

    async def _settle(
        self,
        rows: pd.DataFrame,
        meant: pd.DataFrame,
        change: tuple[PaymentStatus, PaymentStatus],
        at: float,
        who: str | None,
    ) -> pd.DataFrame:
        """Bring those of the rows that are meant from one status to another; return what became of each row."""
        settle, ids = self._database.reviews.settle_payments, meant["payment_id"].tolist()
        settled = await self._writer.call(settle, ids, *change, at, acting_name(who))
        now = (await in_thread(self)).set_index("payment_id").loc[rows["payment_id"].tolist()]
        done = rows["payment_id"].isin(settled)
        story = [_story(row, change[1]) for row in now.to_dict("records")]
        why = pd.Series(["" if one else why for one, why in zip(done, story, strict=True)], rows.index, dtype=TEXT)
        return rows.assign(done=done, why=why)[list(PAID_COLUMNS)].reset_index(drop=True)


@face
class RunPayments:
    """Payments of one run: a frame when it is called; `owed` is by worker.

    Parameters
    ----------
    run
        Which run.

    Examples
    --------
    ``run.payments()``; ``run.payments.owed()``
    """

    def __init__(self, run: RunFrames) -> None:
        self._run = run

    def __call__(self) -> pd.DataFrame:
        """Return one row a payment: pay of approved units, bonuses ... (columns: `frames.frames.payments_frame`)."""
        return self._run.payments()

    def owed(self) -> pd.DataFrame:
        """Return one row a worker to whom something was ever owed for this run (columns: `OWED_COLUMNS`)."""
        return owed_by_worker(self._run.payments(), [self._run.task_run])


def _choose(
    known: pd.DataFrame,
    payments: PaymentRows,
    worker: str | Iterable[str] | None,
    status: PaymentStatus = PaymentStatus.OWED,
) -> pd.DataFrame:
    if payments is None and worker is None:
        raise ConfigError("Name the payments that were made, or the worker who was paid.")
    if payments is None:
        rows = known[known["status"] == status.value]
    else:
        ids = ids_in(payments, "payment_id")
        unknown = set(ids) - set(known["payment_id"])
        if unknown:
            raise NotFoundError(f"There is no payment {min(unknown)!r} in this database. See operator.payments().")
        rows = known[known["payment_id"].isin(ids)]
    if worker is None:
        return rows
    names = refuse_namesakes(worker, rows)
    if strangers := sorted(set(names) - set(known["worker_name"])):
        raise NotFoundError(f"Nothing was ever owed to a worker {strangers[0]!r}. See operator.payments.owed().")
    return rows[rows["worker_name"].isin(names)]


def _story(row: dict[Any, Any], wanted: PaymentStatus) -> str:
    is_sent = row["status"] in (PaymentStatus.SENT.value, PaymentStatus.CONFIRMED.value)
    if is_sent and wanted is PaymentStatus.OWED:
        return "was not marked by hand: what the crowd has paid, or what came from elsewhere, stays paid"
    return f"was {row['status']} already" + (
        f" at {row['sent_at']:%Y-%m-%d %H:%M} UTC" if pd.notna(row["sent_at"]) else ""
    )
