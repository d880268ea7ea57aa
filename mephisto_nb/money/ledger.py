"""The ledger: every payment of all runs, where it stands, and what its crowd takes on top of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError, ConflictError, NotFoundError
from mephisto_nb.frames.frames import make_frame
from mephisto_nb.kernel.writer import DatabaseWriter, in_thread
from mephisto_nb.model.records import TaskRun
from mephisto_nb.model.states import PAYMENT_COUNTS, PaymentStatus
from mephisto_nb.ports.clock import Clock
from mephisto_nb.ports.database import Database
from mephisto_nb.utils.calling import face
from mephisto_nb.utils.ids import acting_name

LEDGER_COLUMNS = (
    "payment_id", "created_at", "task_name", "task_run_id", "provider", "worker_id", "worker_name", "visit_id",
    "unit_id", "kind", "amount", "fees", "currency", "status", "in_doubt", "asked_at", "sent_at", "confirmed_at",
    "reference", "reason", "key", "simulated",
)  # fmt: skip
TOTAL_COLUMNS = ("currency", "owed", "sending", "sent", "confirmed", "failed", "cancelled", "fees", "total")


@face
class Ledger:
    """All payments of all runs: a frame when it is called; sums, and what nobody knows but you.

    Parameters
    ----------
    database, writer, clock
        Where they are kept, who writes there, and what time it is.
    doubtful_after
        For how long after it was asked for (seconds) a crowd's answer may still come; later, it is in doubt.

    Examples
    --------
    ``operator.ledger()``; ``operator.ledger.totals()``; ``await operator.ledger.settle(payment_id, paid=True)``
    """

    def __init__(self, database: Database, writer: DatabaseWriter, clock: Clock, doubtful_after: float) -> None:
        self._database, self._writer, self._clock = database, writer, clock
        self._doubtful_after = doubtful_after
        self._home = writer.home

    def __call__(self, runs: Iterable[str] | None = None) -> pd.DataFrame:
        """Return one row a payment, oldest first.

        Parameters
        ----------
        runs
            Ids of runs; None: all payments, those of no run too.

        Returns
        -------
        pandas.DataFrame
            Columns `LEDGER_COLUMNS`. ``kind`` is reward (of a unit, or where there are visits, of a visit),
            compensation (a reward, or a part of one, that is paid beside the visit), bonus or waiting. ``amount`` is in
            the currency's own unit, without fees; ``fees`` are what the crowd takes on top, taxes included, and NaN
            where that is not known. ``status`` is owed (intended), sending (asked for), sent
            (taken by the crowd, or marked as paid), confirmed (seen in the crowd's books), failed or cancelled;
            ``in_doubt`` tells that it was asked for and nobody heard whether it was made: `settle` says. ``reference``
            is what the crowd calls it, and ``key`` what makes it happen once.
        """
        ids = None if runs is None else list(runs)
        rows = self._database.reviews.read_payments(ids)
        return ledger_frame(rows, self._database.runs.find_runs(), self._clock.now() - self._doubtful_after)

    def doubts(self) -> pd.DataFrame:
        """Return the payments of which nobody knows whether they were made (columns: `LEDGER_COLUMNS`)."""
        found = self()
        return found[found["in_doubt"]].reset_index(drop=True)

    def totals(self, by: str | Sequence[str] = ()) -> pd.DataFrame:
        """Return sums by currency, and by other columns of the ledger, such as ``task_name`` or ``provider``.

        Returns
        -------
        pandas.DataFrame
            The columns of `by`, then `TOTAL_COLUMNS`: a sum for each status, the ``fees`` that are known of what is
            owed, sending, sent or confirmed, and ``total``: all of these together. Exact to the last digit.

        Raises
        ------
        ConfigError
            The ledger has no such column.
        """
        names = [by] if isinstance(by, str) else list(by)
        if unknown := [name for name in names if name not in LEDGER_COLUMNS]:
            raise ConfigError(f"The ledger has no column {unknown[0]!r}. There are: {', '.join(LEDGER_COLUMNS)}.")
        return totals_frame(self(), [name for name in names if name != "currency"])

    async def settle(self, payment_id: str, *, paid: bool, reference: str = "", who: str | None = None) -> pd.DataFrame:
        """Say whether a payment that is in doubt was made: you have looked at the crowd's own page.

        Parameters
        ----------
        payment_id
            Which, as `doubts` lists them; also one that is noted as sent, and that the crowd's books lack.
        paid
            True: it was made, and is never asked for again. False: it was not, and is owed; a crowd that pays is asked
            for it anew, the next time that it is told of decisions.
        reference
            What the crowd calls it, for your books.
        who
            Who says so; None: the name that this computer knows you by.

        Returns
        -------
        pandas.DataFrame
            The payment as it stands now.

        Raises
        ------
        NotFoundError
            There is no such payment.
        ConflictError
            It is not in doubt: it is owed, confirmed, cancelled, or somebody has settled it.
        """
        rows = await in_thread(self)
        found = rows[rows["payment_id"] == payment_id]
        if found.empty:
            raise NotFoundError(f"There is no payment {payment_id!r}. Take ids from the column payment_id of ledger().")
        status = PaymentStatus(found["status"].iloc[0])
        after = PaymentStatus.CONFIRMED if paid else PaymentStatus.OWED
        settle = partial(self._database.reviews.settle_payments, reference=reference)
        done: set[str] = set()
        if status in (PaymentStatus.SENDING, PaymentStatus.SENT):
            about = status, after, self._clock.now(), acting_name(who)
            done = await self._writer.call(settle, [payment_id], *about)
        if not done:
            raise ConflictError(f"The payment {payment_id!r} is {status.value}: there is nothing to settle.")
        rows = await in_thread(self)
        return rows[rows["payment_id"] == payment_id].reset_index(drop=True)


def ledger_frame(rows: Sequence[JSONObject], runs: Sequence[TaskRun], doubtful_since: float) -> pd.DataFrame:
    """Make the frame of payments that `Ledger` gives; what was asked for before `doubtful_since` is in doubt."""
    of = {run.task_run_id: run for run in runs}
    for row in rows:
        run = of.get(row["task_run_id"])
        row["task_name"], row["provider"] = ("", "") if run is None else (run.task_name, run.provider_type)
        asked_at = row["asked_at"]
        is_sending = row["status"] == PaymentStatus.SENDING.value
        row["in_doubt"] = is_sending and (asked_at is None or asked_at <= doubtful_since)
    frame = make_frame(rows, LEDGER_COLUMNS, ("created_at", "asked_at", "sent_at", "confirmed_at"))
    amounts = {name: frame[name].astype("float64") for name in ("amount", "fees")}
    return frame.assign(**amounts).astype({"in_doubt": bool, "simulated": bool})


def totals_frame(ledger: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Make the frame of sums that `Ledger.totals` gives."""
    statuses = {one.value: ledger["amount"].where(ledger["status"] == one.value, 0.0) for one in PaymentStatus}
    counts = ledger["status"].isin([one.value for one in PAYMENT_COUNTS])
    fees = ledger["fees"].fillna(0.0).where(counts, 0.0)
    whole = ledger.assign(**statuses, fees=fees, total=ledger["amount"].where(counts, 0.0) + fees)
    grouped = whole.groupby([*names, "currency"], as_index=False, dropna=False)
    # Amounts have five digits behind the point at most (of a yen, three): what floats add is taken off again.
    sums = grouped[list(TOTAL_COLUMNS[1:])].sum().round(6)
    return sums.loc[:, [*names, *TOTAL_COLUMNS]]
