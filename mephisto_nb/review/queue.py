"""In which order to look at answers, and what it goes by: what speaks against each, agreement, each worker's record."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.frames.frames import typed
from mephisto_nb.frames.spreadsheets import Frame
from mephisto_nb.model.answers import REST
from mephisto_nb.model.states import UNIT_REVIEWED, UnitStatus
from mephisto_nb.rules.gates.table import names_of_accuracy

#: A question counts as closed when it has no more different answers than this.
MOST_CHOICES = 10


#: Up to this share of the answers to a choice may be something else.
_ODD = 0.2


def closed_questions(results: pd.DataFrame) -> list[str]:
    """Return the columns of the answers that are choices: the same few values come again and again."""
    asked = [name for name in results.columns if name.startswith("answer.") and name != f"answer.{REST}"]
    return [name for name in asked if _is_closed(results[name].dropna())]


def _is_closed(values: pd.Series[Any]) -> bool:
    choices = values[values.map(lambda value: isinstance(value, Hashable))]
    if choices.empty or len(choices) < len(values) * (1 - _ODD):
        return False
    counts = choices.value_counts()
    if len(counts) <= MOST_CHOICES:
        return len(counts) < len(choices) or len(values) < 3
    # One worker who writes what is no choice must not make it another question for everybody.
    again = counts[counts > 1]
    return len(again) <= MOST_CHOICES and int(again.sum()) >= len(values) * (1 - _ODD)


#: So many answers to one item, the first in the frame, are compared with each other.
COMPARED = 20


def agreement_by_question(results: pd.DataFrame, questions: list[str]) -> dict[str, float]:
    """Return for each question the share of pairs of answers to one item that are the same; {}: no item has two.

    Of an item, the first `COMPARED` answers to a question are compared: their pairs grow with its square.
    """
    shares = {}
    for question in questions:
        groups = results.dropna(subset=[question]).groupby("assignment_id")[question]
        pairs = [one == other for _, values in groups for one, other in combinations(values.tolist()[:COMPARED], 2)]
        if pairs:
            shares[question] = sum(pairs) / len(pairs)
    return shares


def _codes(answers: pd.Series[Any]) -> pd.Series[int]:
    """Return a number for each answer, the same for the same ones; -1: there is none. What is no choice is alone."""
    alone = answers.map(lambda value: value if isinstance(value, Hashable) else object())
    return pd.Series(pd.factorize(alone)[0], index=answers.index)


def agreement_by_answer(results: pd.DataFrame, questions: list[str]) -> pd.DataFrame:
    """Say how far each answer agrees with the others to the same item.

    Of one question, that is the share of the *other* answers to the item (same ``assignment_id``) that say the same.
    An answer's ``agreement`` is the mean over the questions that it and at least one other have answered.

    Returns
    -------
    pandas.DataFrame
        In the rows of `results`: ``agreement``, from 0 to 1, NaN where nobody else answered the item; and ``others``,
        how many did, to the question that most answered.
    """
    shares, others = pd.DataFrame(index=results.index), pd.DataFrame(index=results.index)
    for question in questions:
        codes = _codes(results[question])
        said = codes >= 0
        items = results.loc[said, "assignment_id"]
        if items.is_unique:
            continue  # nobody else has answered it
        of_item = items.groupby(items).transform("size")
        same = codes[said].groupby([items, codes[said]]).transform("size")
        shares[question] = ((same - 1) / (of_item - 1)).where(of_item > 1)
        others[question] = of_item - 1
    # Without a single question both are empty, and so are their means.
    return pd.DataFrame(
        {
            "agreement": shares.mean(axis="columns").astype("float64"),
            "others": others.max(axis="columns").fillna(0).astype("int64"),
        },
        index=results.index,
    )


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
        Answers, as `frames.frames.results_frame` makes them.
    reviews
        Decisions of all runs, as rows of a database: what was decided elsewhere counts, too.
    gold
        By worker, the share of gold questions that were answered rightly.

    Returns
    -------
    pandas.DataFrame
        Of these answers: ``answers`` how many, ``waiting`` how many of them wait for a decision; ``median_seconds``
        for one, and ``time_ratio``, that against the median of all answers; ``agreement``, the mean of
        `review.queue.agreement_by_answer`; ``always_same`` (see `always_same`). Of all runs: ``decided``, and of
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
    return Frame(frame[list(RECORD_COLUMNS)].sort_values("worker_name", ignore_index=True))


def gold_accuracy(gates: Sequence[JSONObject]) -> dict[str, float]:
    """Return, by worker, the share of judged gold units that were answered rightly; `gates` are rows of a database."""
    known, passed = names_of_accuracy(), dict[str, list[bool]]()
    for row in gates:
        if row["gate"] in known and row["passed"] is not None:
            passed.setdefault(row["worker_id"], []).append(row["passed"])
    return {worker: sum(found) / len(found) for worker, found in passed.items()}


def decisions_by_worker(reviews: Sequence[JSONObject]) -> pd.DataFrame:
    """Return one row a worker on whom something was decided, or noted: how often what, and the notes, oldest first.

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
    """Return the workers who seem to click through.

    They gave `ENOUGH_ANSWERS` answers or more, said one and the same to every closed question in all of them, and at
    least one of these is said by fewer than four in five of all answers.
    """
    if not questions or results.empty:
        return set()
    codes = pd.DataFrame({question: _codes(results[question]) for question in questions}, index=results.index)
    unusual = codes.apply(lambda column: column.map(column.value_counts(normalize=True)) < _USUAL).any(axis="columns")
    workers = results["worker_id"]
    alike = (codes.groupby(workers).nunique() <= 1).all(axis="columns")
    enough = workers.value_counts() >= ENOUGH_ANSWERS
    unlike_others = unusual.groupby(workers).any()
    return {worker for worker in alike.index if alike[worker] and enough[worker] and unlike_others[worker]}


ORDERS = ("worker", "disagreement", "suspicion")
QUEUE_COLUMNS = (
    "task_run_id", "unit_id", "agent_id", "assignment_id", "assignment_index", "unit_index", "worker_id",
    "worker_name", "status", "pay_amount", "currency", "submitted_at", "duration_in_seconds", "time_ratio", "agreement",
    "others", "suspicion", "reasons", "worker_answers", "worker_waiting", "worker_approval_rate", "worker_time_ratio",
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
        Answers, as `frames.frames.results_frame` makes them; join them by ``unit_id`` for what they say.
    records
        What is known of their workers (see `review.queue.worker_records`).
    order
        ``worker``: those workers first of whom the fewest answers wait, and each one's together, oldest first.
        ``disagreement``: the lowest ``agreement`` first. ``suspicion``: the highest ``suspicion`` first, and of these
        the lowest agreement.
    decided
        Whether answers that were decided on already are there, too. They count for what is usual in any case.

    Returns
    -------
    pandas.DataFrame
        ``time_ratio`` is the duration against the median of all answers; ``agreement`` and ``others`` are those of
        `review.queue.agreement_by_answer`. ``reasons`` lists what speaks against an answer, and ``suspicion``
        counts it: *too fast* (less than a third of the median of at least 5 answers), *disagrees* (with more than
        half of at least 2 others), *always the same* (see `review.queue.always_same`), *rejected before* (fewer
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
