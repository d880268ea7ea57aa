"""The DataFrame of visits; stands alone because some of its columns are a crowd's own parameters."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.frames.columns import make_columns
from mephisto_nb.frames.frames import make_frame
from mephisto_nb.frames.spreadsheets import Frame

VISIT_COLUMNS = (
    "visit_id", "task_run_id", "worker_name", "registration_id", "asked", "done", "begun_at", "deadline", "ended_at",
    "outcome", "short", "why", "told_at", "reward", "currency", "worker_id",
)  # fmt: skip
#: So many parameters of a crowd have columns of their own.
_MOST_CAPTURED = 50


def visits_frame(rows: Sequence[JSONObject]) -> pd.DataFrame:
    """Make a frame of visits: one row each, in the order in which they began, columns `VISIT_COLUMNS`.

    Behind them, ``captured.NAME`` is what the crowd gave along, such as a study's id. ``registration_id`` is what the
    crowd, or the worker's page, calls the visit. Of ``asked`` units ``done`` were sent. ``outcome`` is completed,
    screened_out, quota_full, failed_checks, no_consent, timed_out or returned, and None while it goes on; ``short`` is
    stopped_early or fewer_units where it holds fewer answers than it was to hold. ``why`` is what its worker was told
    at the end, and ``told_at`` when the crowd was told of it. ``reward`` is what it is paid
    if it is whole, in ``currency``. Join it to units, agents and results by ``visit_id``.

    Parameters
    ----------
    rows
        As `RunStore.read_visits` gives them.
    """
    frame = make_frame(rows, VISIT_COLUMNS, ("begun_at", "deadline", "ended_at", "told_at"))
    captured = make_columns("captured", [row["captured"] for row in rows], _MOST_CAPTURED)
    return Frame(pd.concat([frame, captured], axis="columns"))
