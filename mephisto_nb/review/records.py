"""What is known of each worker: how fast, how agreed, how often approved, and what was noted before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.frames.frames import typed
from mephisto_nb.model.states import UNIT_REVIEWED, Gate, UnitStatus
from mephisto_nb.review.queue import agreement_by_answer, closed_questions

RECORD_COLUMNS = (
    "worker_id", "worker_name", "answers", "waiting", "decided", "accepted", "soft_rejected", "rejected",
    "approval_rate", "median_seconds", "time_ratio", "agreement", "always_same", "gold_accuracy", "notes",
)  # fmt: skip
#: From so many answers on it can be told that somebody always says the same.
ENOUGH_ANSWERS = 5
#: Where so many of all say the same, one who always does is no exception.
_USUAL = 0.8


def worker_records(
    results: pd.DataFrame, reviews: Sequence[JSONObject], gold: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Make a frame of workers, one row each who has answered, by name: columns `RECORD_COLUMNS`.

    Parameters
    ----------
    results
        Answers, as `export.frames.results_frame` makes them.
    reviews
        Decisions of all runs, as rows of a database: what was decided elsewhere counts, too.
    gold
        By worker, the share of gold questions that were answered rightly.

    Returns
    -------
    pandas.DataFrame
        Of these answers: ``answers`` how many, ``waiting`` how many of them wait for a decision; ``median_seconds``
        for one, and ``time_ratio``, that against the median of all answers; ``agreement``, the mean of
        `review.agreement.agreement_by_answer`; ``always_same`` (see `always_same`). Of all runs: ``decided``, and of
        these ``accepted``, ``soft_rejected``, ``rejected``; ``approval_rate``, accepted by decided, NaN where nothing
        was; ``notes``, a list, oldest first. ``gold_accuracy`` is NaN where nothing is known.
    """
    if results.empty:
        return typed(pd.DataFrame(columns=list(RECORD_COLUMNS)))
    questions = closed_questions(results)
    shown = results.assign(**agreement_by_answer(results, questions))
    shown["waiting"] = shown["status"] == UnitStatus.COMPLETED.value
    frame = (
        shown.groupby("worker_id")
        .agg(
            worker_name=("worker_name", "first"),
            answers=("unit_id", "size"),
            waiting=("waiting", "sum"),
            median_seconds=("duration_in_seconds", "median"),
            agreement=("agreement", "mean"),
        )
        .reset_index()
    )
    frame["time_ratio"] = frame["median_seconds"] / results["duration_in_seconds"].median()
    frame["always_same"] = frame["worker_id"].isin(always_same(results, questions))
    frame["gold_accuracy"] = frame["worker_id"].map(gold or {}).astype("float64")
    frame = frame.merge(decisions_by_worker(reviews), how="left", on="worker_id")
    counts = ["decided", "accepted", "soft_rejected", "rejected"]
    frame[counts] = frame[counts].fillna(0).astype("int64")
    frame["approval_rate"] = (frame["accepted"] / frame["decided"]).where(frame["decided"] > 0)
    frame["notes"] = [notes if isinstance(notes, list) else [] for notes in frame["notes"]]
    return frame[list(RECORD_COLUMNS)].sort_values("worker_name", ignore_index=True)


def gold_accuracy(gates: Sequence[JSONObject]) -> dict[str, float]:
    """Give, by worker, the share of judged gold units that were answered rightly; `gates` are rows of a database."""
    passed: dict[str, list[bool]] = {}
    for row in gates:
        if row["gate"] == Gate.GOLD and row["passed"] is not None:
            passed.setdefault(row["worker_id"], []).append(row["passed"])
    return {worker: sum(found) / len(found) for worker, found in passed.items()}


def decisions_by_worker(reviews: Sequence[JSONObject]) -> pd.DataFrame:
    """Give one row a worker on whom something was decided, or noted: how often what, and the notes, oldest first.

    Columns: ``worker_id``, ``decided``, ``accepted``, ``soft_rejected``, ``rejected``, ``notes``. A decision that was
    undone, and what undid it, do not count.
    """
    kept = {row["unit_id"]: row for row in reviews if row["undone_by"] is None and row["undoes"] is None}
    tally: dict[str, JSONObject] = {}
    for row in kept.values():
        mine = tally.setdefault(row["worker_id"], {"decided": 0, **dict.fromkeys(sorted(UNIT_REVIEWED), 0)})
        mine["decided"] += 1
        mine[row["after"]] = mine.get(row["after"], 0) + 1
    notes: dict[str, list[str]] = {}
    for row in reviews:
        if row["note"]:
            notes.setdefault(row["worker_id"], []).append(row["note"])
    workers = tally.keys() | notes.keys()
    rows = [{"worker_id": worker, **tally.get(worker, {}), "notes": notes.get(worker, [])} for worker in workers]
    columns = ["worker_id", "decided", "accepted", "soft_rejected", "rejected", "notes"]
    return pd.DataFrame(rows, columns=columns)


def always_same(results: pd.DataFrame, questions: list[str]) -> set[str]:
    """Give the workers who seem to click through.

    They gave `ENOUGH_ANSWERS` answers or more, said one and the same to every closed question in all of them, and at
    least one of these is said by fewer than four in five of all answers.
    """
    if not questions or results.empty:
        return set()
    codes = pd.DataFrame({question: pd.factorize(results[question])[0] for question in questions}, index=results.index)
    unusual = codes.apply(lambda column: column.map(column.value_counts(normalize=True)) < _USUAL).any(axis="columns")
    workers = results["worker_id"]
    alike = (codes.groupby(workers).nunique() <= 1).all(axis="columns")
    enough = workers.value_counts() >= ENOUGH_ANSWERS
    unlike_others = unusual.groupby(workers).any()
    return {worker for worker in alike.index if alike[worker] and enough[worker] and unlike_others[worker]}
