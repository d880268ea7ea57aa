"""In which order to look at answers, and what speaks against each."""

from __future__ import annotations

import pandas as pd

from mephisto_nb.errors import ConfigError
from mephisto_nb.frames.frames import typed
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.review.queue import agreement_by_answer, closed_questions

ORDERS = ("worker", "disagreement", "suspicion")
QUEUE_COLUMNS = (
    "task_run_id", "unit_id", "agent_id", "assignment_id", "assignment_index", "unit_index", "worker_id",
    "worker_name", "status", "pay_amount", "submitted_at", "duration_in_seconds", "time_ratio", "agreement", "others",
    "suspicion", "reasons", "worker_answers", "worker_waiting", "worker_approval_rate", "worker_time_ratio",
    "worker_agreement", "worker_gold_accuracy", "worker_notes",
)  # fmt: skip
_OF_WORKER = ("answers", "waiting", "approval_rate", "time_ratio", "agreement", "gold_accuracy", "notes")

#: Faster than a third of the median is too fast, once there are enough answers to tell what is usual.
TOO_FAST, ENOUGH_TO_TELL = 1 / 3, 5
#: What most others, or most gold questions, speak against.
HALF = 0.5
#: From so many decisions on a worker's record speaks for or against them.
ENOUGH_DECISIONS = 3


def review_queue(results: pd.DataFrame, records: pd.DataFrame, order: str, *, decided: bool = False) -> pd.DataFrame:
    """Make a frame of answers in the order in which to look at them: columns `QUEUE_COLUMNS`.

    Parameters
    ----------
    results
        Answers, as `export.frames.results_frame` makes them; join them by ``unit_id`` for what they say.
    records
        What is known of their workers (see `review.records.worker_records`).
    order
        ``worker``: those with the fewest waiting answers first, and each one's together, oldest first.
        ``disagreement``: the lowest ``agreement`` first. ``suspicion``: the highest ``suspicion`` first, and of these
        the lowest agreement.
    decided
        Whether answers that were decided on already are there, too. They count for what is usual in any case.

    Returns
    -------
    pandas.DataFrame
        ``time_ratio`` is the duration against the median of all answers; ``agreement`` and ``others`` are those of
        `review.agreement.agreement_by_answer`. ``reasons`` lists what speaks against an answer, and ``suspicion``
        counts it: *too fast* (less than a third of the median of at least 5 answers), *disagrees* (with more than
        half of at least 2 others), *always the same* (see `review.records.always_same`), *rejected before* (fewer
        than half of the worker's 3 or more decided answers were approved), *failed gold* (fewer than half right).

    Raises
    ------
    ConfigError
        There is no such order.
    """
    if order not in ORDERS:
        raise ConfigError(f"There is no order {order!r}. There are: {', '.join(ORDERS)}.")
    if results.empty:
        moments = results["submitted_at"].dtype if "submitted_at" in results else object
        return typed(pd.DataFrame(columns=list(QUEUE_COLUMNS)).astype({"submitted_at": moments}))
    frame = results.assign(**agreement_by_answer(results, closed_questions(results)))
    frame["time_ratio"] = frame["duration_in_seconds"] / results["duration_in_seconds"].median()
    about = records.set_index("worker_id")
    for name in _OF_WORKER:
        frame[f"worker_{name}"] = frame["worker_id"].map(about[name])
    known = about.loc[frame["worker_id"], ["always_same", "decided"]].set_axis(frame.index)
    against = _against(frame, known)
    frame["suspicion"] = against.sum(axis="columns")
    frame["reasons"] = [
        [name for name, speaks in zip(against.columns, row, strict=True) if speaks] for row in against.to_numpy()
    ]
    if not decided:
        frame = frame[frame["status"] == UnitStatus.COMPLETED.value]
    keys, ascending = _SORTED[order]
    return frame.sort_values(keys, ascending=ascending, ignore_index=True, kind="stable")[list(QUEUE_COLUMNS)]


_SORTED: dict[str, tuple[list[str], list[bool]]] = {
    "worker": (["worker_waiting", "worker_name", "submitted_at"], [True, True, True]),
    "disagreement": (["agreement", "assignment_index", "submitted_at"], [True, True, True]),
    "suspicion": (["suspicion", "agreement", "assignment_index"], [False, True, True]),
}


def _against(frame: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    enough = frame["duration_in_seconds"].notna().sum() >= ENOUGH_TO_TELL
    rejected = (frame["worker_approval_rate"] < HALF) & (known["decided"] >= ENOUGH_DECISIONS)
    return pd.DataFrame(
        {
            "too fast": (frame["time_ratio"] < TOO_FAST) & enough,
            "disagrees": (frame["agreement"] < HALF) & (frame["others"] >= 2),
            "always the same": known["always_same"],
            "rejected before": rejected,
            "failed gold": frame["worker_gold_accuracy"] < HALF,
        }
    )
