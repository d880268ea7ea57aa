"""A run held against its crowd's books, as a researcher asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterable

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.frames.frames import make_frame
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.money.reconciliation import (
    Repaired,
    Repairer,
    close_if_over,
    compare_all,
    recruiter_of,
)
from mephisto_nb.rules.reconciling import Difference
from mephisto_nb.utils.calling import face

RECONCILIATION_COLUMNS = (
    "kind", "repair", "automatic", "visit_id", "registration_id", "worker_name", "ours", "theirs", "amount", "currency",
    "payment_id",
)  # fmt: skip
REPAIR_COLUMNS = (*RECONCILIATION_COLUMNS, "done", "why")
#: What one row is known by again.
_SAME = ("kind", "repair", "registration_id", "payment_id", "amount")


@face
class RunReconciliation:
    """What we believe of a run's visits and payments, held against what its crowd says.

    Parameters
    ----------
    run
        The run: one that goes on, or one that is looked up.

    Examples
    --------
    ``await run.reconcile()``; ``await run.reconcile.repair()``
    """

    def __init__(self, run: RunFrames) -> None:
        self._run = run
        self._home = run.writer.home

    async def differences(self) -> pd.DataFrame:
        """Return one row a difference; ``await run.reconcile()`` is the same.

        Both sides are read anew. A crowd is slow, and tells of things late: what may still settle by itself within a
        quarter of an hour is no difference yet.

        Returns
        -------
        pandas.DataFrame
            Columns `RECONCILIATION_COLUMNS`. ``kind`` says what differs, ``repair`` what can be done about it, and
            ``automatic`` whether that needs nobody. ``registration_id`` is what the crowd calls the visit (its
            submission), and ``visit_id`` what we do, if anybody came by it. ``ours`` and ``theirs`` say in words what
            each side has. ``amount``, in the currency's own unit, and ``payment_id`` are of the payment that it is
            about, if any.

        Raises
        ------
        UsageError
            The crowd keeps no books that could be read.
        WorldError
            The crowd cannot be asked.
        """
        recruiter = await recruiter_of(self._run)
        await close_if_over(self._run, recruiter)
        found = await compare_all(self._run, recruiter)
        return differences_frame(found.differences)

    async def repair(self, rows: pd.DataFrame | None = None) -> pd.DataFrame:
        """Repair differences, and return what became of each.

        Parameters
        ----------
        rows
            Which: rows of `differences`. None: all that need nobody. Of the others, people can be asked to give back
            what they have handed in without an answer; what else a person has to say is said in ``why``.

        Returns
        -------
        pandas.DataFrame
            Columns `REPAIR_COLUMNS`: those of `differences`, whether it was ``done``, and ``why`` not. What is no
            longer different is not among them.

        Raises
        ------
        ConfigError
            `rows` are none of `differences`; nothing was done.
        UsageError, WorldError
            As of `differences`; or what was done could not be noted.

        Examples
        --------
        ``rows = await run.reconcile()``; ``await run.reconcile.repair(rows[rows["kind"] == "paid there"])``
        """
        wanted = None if rows is None else _read_rows(rows)
        recruiter = await recruiter_of(self._run)
        found = await compare_all(self._run, recruiter)
        chosen = [one for one in found.differences if not one.needs_person]
        if wanted is not None:
            chosen = list(_choose(found.differences, wanted))
        return repairs_frame(await Repairer(self._run, recruiter, found).repair(chosen))

    def __call__(self) -> Awaitable[pd.DataFrame]:
        """Return one row a difference: `differences`, which says more. To be awaited."""
        return self.differences()


def differences_frame(differences: Iterable[Difference]) -> pd.DataFrame:
    """Make the frame of differences (columns: `RECONCILIATION_COLUMNS`)."""
    frame = make_frame([_row(one) for one in differences], RECONCILIATION_COLUMNS, ())
    return frame.astype({"amount": "float64", "automatic": bool})


def repairs_frame(repaired: Iterable[Repaired]) -> pd.DataFrame:
    """Make the frame of what became of differences (columns: `REPAIR_COLUMNS`)."""
    rows = [{**_row(one.difference), "done": one.done, "why": one.why} for one in repaired]
    return make_frame(rows, REPAIR_COLUMNS, ()).astype({"amount": "float64", "automatic": bool, "done": bool})


def _row(one: Difference) -> JSONObject:
    return {
        "kind": one.kind.value,
        "repair": one.repair.value,
        "automatic": not one.needs_person,
        "visit_id": one.visit_id,
        "registration_id": one.registration_id,
        "worker_name": one.worker_name,
        "ours": one.ours,
        "theirs": one.theirs,
        "amount": None if one.amount is None else float(one.amount),
        "currency": None if one.amount is None else one.amount.currency,
        "payment_id": one.payment_id,
    }


def _read_rows(rows: pd.DataFrame) -> Counter[tuple[object, ...]]:
    if not isinstance(rows, pd.DataFrame) or not set(_SAME) <= set(rows.columns):
        raise ConfigError(
            f"rows are {type(rows).__name__}, and should be rows of a frame that await run.reconcile() gave: "
            "rows = await run.reconcile(), then rows[rows['automatic']], for instance."
        )
    values = rows[list(_SAME)].astype(object).where(rows[list(_SAME)].notna(), None)
    return Counter(map(tuple, values.to_numpy().tolist()))


def _choose(differences: Iterable[Difference], wanted: Counter[tuple[object, ...]]) -> Iterable[Difference]:
    for one in differences:
        row = _row(one)
        same = tuple(row[name] for name in _SAME)
        if wanted[same] > 0:
            wanted[same] -= 1
            yield one
