"""What the columns of frames are of, where there is no row that could tell."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

#: What pandas makes of text: a type of its own, or in older versions any object.
TEXT = pd.Series(["text"]).dtype
#: The columns that are neither text nor times, in whatever frame they stand.
_HOLDS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "assignment_index", "unit_index", "units", "completed", "others", "suspicion", "answers", "waiting",
            "decided", "accepted", "soft_rejected", "rejected", "worker_answers", "worker_waiting", "runs", "approved",
            "left", "payments",
        ),
        "int64",
    ),
    **dict.fromkeys(
        (
            "pay_amount", "amount", "bonus", "owed", "sent", "duration_in_seconds", "time_ratio", "agreement",
            "median_seconds", "approval_rate", "gold_accuracy", "worker_approval_rate", "worker_time_ratio",
            "worker_agreement", "worker_gold_accuracy", "earned", "bonuses", "seconds",
        ),
        "float64",
    ),
    **dict.fromkeys(("is_live", "always_same", "done", "blocked"), "bool"),
    **dict.fromkeys(
        (
            "detail", "granted", "data", "files", "row", "answer", "passed", "arguments", "response", "reasons",
            "notes", "worker_notes", "qualifications", "messages", "heard_by",
        ),
        "object",
    ),
}  # fmt: skip


def typed(frame: pd.DataFrame, **others: str) -> pd.DataFrame:
    """Give a frame without rows the types that its columns have with some; any other frame stays as it is.

    Parameters
    ----------
    frame
        Its columns without a type of their own are text, unless they are known here to hold something else.
    others
        Types of columns that are not, or otherwise, known here.
    """
    if len(frame):
        return frame
    untold = [name for name in frame.columns if frame[name].dtype == object or name in others]
    return frame.astype({name: others.get(name) or _HOLDS.get(name) or TEXT for name in untold})
