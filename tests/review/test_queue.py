"""What speaks for and against answers and their workers, with exact numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mephisto_nb.errors import ConfigError
from mephisto_nb.operator import Operator
from mephisto_nb.review.queue import (
    QUEUE_COLUMNS,
    RECORD_COLUMNS,
    agreement_by_answer,
    always_same,
    closed_questions,
    review_queue,
    worker_records,
)
from tests.review.answers import said, stored_run


def results(*rows: tuple[str, str, Any], seconds: float = 10.0, **columns: Any) -> pd.DataFrame:
    """Answers as (item, worker, tone)."""
    frame = pd.DataFrame(rows, columns=["assignment_id", "worker_id", "answer.tone"])
    given = {"unit_id": [f"u{n}" for n in range(len(rows))], "worker_name": frame["worker_id"], "status": "completed"}
    index = pd.Categorical(frame["assignment_id"]).codes
    return frame.assign(**given, duration_in_seconds=seconds, assignment_index=index, **columns)


def test_agreement_is_the_share_of_the_others_who_say_the_same() -> None:
    frame = results(
        ("a", "ann", "glad"), ("a", "bob", "glad"), ("a", "cat", "grim"), ("b", "ann", "grim"), ("a", "dan", None)
    )
    found = agreement_by_answer(frame, ["answer.tone"])
    assert found["agreement"].fillna(-1).tolist() == [0.5, 0.5, 0.0, -1, -1]
    assert found["others"].tolist() == [2, 2, 2, 0, 0]


def test_agreement_is_the_mean_over_questions() -> None:
    frame = results(("a", "ann", "glad"), ("a", "bob", "glad")).assign(**{"answer.sure": [True, False]})
    found = agreement_by_answer(frame, ["answer.tone", "answer.sure"])
    assert found["agreement"].tolist() == [0.5, 0.5]


def test_without_a_closed_question_nothing_is_known_of_agreement() -> None:
    found = agreement_by_answer(results(("a", "ann", "glad"), ("a", "bob", "grim")), [])
    assert (found["agreement"].isna().all(), found["others"].tolist()) == (True, [0, 0])


def test_free_text_is_no_closed_question() -> None:
    frame = results(*((f"i{n}", "ann", f"text {n}") for n in range(5)), **{"answer.tags": [[n] for n in range(5)]})
    assert closed_questions(frame) == []


@pytest.mark.parametrize("odd", [[["good"]], [{"a": 1}], [f"text {n}" for n in range(12)]], ids=str)
def test_what_is_no_choice_spoils_no_question(odd: list[Any]) -> None:
    honest = [(f"i{n % 25}", f"w{n // 25}", ("good", "bad")[n % 25 % 2]) for n in range(50)]
    frame = results(*honest, *((f"i{n}", "eve", said) for n, said in enumerate(odd)))
    assert closed_questions(frame) == ["answer.tone"]
    found = agreement_by_answer(frame, ["answer.tone"])["agreement"]
    assert found.iloc[49] == 1.0  # eve has answered other items
    assert found.iloc[50:].tolist() == [0.0] * len(odd)


CLICKING = [*((f"i{n}", "ann", "glad") for n in range(5)), *((f"i{n}", "bob", tone) for n, tone in enumerate("xyxyx"))]


def test_who_always_says_the_same_where_others_do_not_is_noticed() -> None:
    assert always_same(results(*CLICKING), ["answer.tone"]) == {"ann"}
    assert always_same(results(*CLICKING[1:]), ["answer.tone"]) == set()  # four answers are too few


def test_who_says_what_nearly_all_say_is_no_exception() -> None:
    same = [(f"i{n}", name, "glad") for n in range(5) for name in ("ann", "bob")]
    assert always_same(results(*same, ("i0", "cat", "grim")), ["answer.tone"]) == set()


def test_a_record_counts_what_was_decided_in_all_runs() -> None:
    def decided(unit: str, after: str, **fields: Any) -> dict[str, Any]:
        blank = {"unit_id": unit, "worker_id": "ann", "note": "", "undoes": None, "undone_by": None}
        return blank | {"after": after} | fields

    reviews = [
        decided("x1", "rejected", note="sloppy"),
        decided("x1", "accepted", note="after all"),
        decided("x2", "rejected", undone_by="r9"),
        decided("x2", "completed", undoes="r3"),
        decided("x3", "soft_rejected"),
    ]
    frame = results(("a", "ann", "glad"), ("b", "bob", "grim"), ("c", "bob", "grim"))
    frame["duration_in_seconds"] = [5.0, 10.0, 20.0]
    ann, bob = worker_records(frame, reviews, {"bob": 0.25}).to_dict("records")
    assert tuple(ann) == RECORD_COLUMNS
    assert (ann["decided"], ann["accepted"], ann["soft_rejected"], ann["rejected"]) == (2, 1, 1, 0)
    assert (ann["approval_rate"], ann["notes"], ann["time_ratio"]) == (0.5, ["sloppy", "after all"], 0.5)
    assert (bob["decided"], bob["notes"], bob["time_ratio"], bob["gold_accuracy"]) == (0, [], 1.5, 0.25)
    assert pd.isna(bob["approval_rate"])


def queue_of(frame: pd.DataFrame, order: str, reviews: Any = (), **gold: float) -> pd.DataFrame:
    given = {"task_run_id": "run", "agent_id": frame["unit_id"], "unit_index": 0, "pay_amount": 0.1, "currency": "USD"}
    whole = frame.assign(**given, submitted_at=range(len(frame)))
    return review_queue(whole, worker_records(whole, list(reviews), gold), order)


def test_workers_with_little_to_look_at_come_first() -> None:
    frame = results(("a", "ann", "x"), ("b", "bob", "x"), ("c", "ann", "x"))
    queue = queue_of(frame, "worker")
    assert tuple(queue.columns) == QUEUE_COLUMNS
    assert list(queue["unit_id"]) == ["u1", "u0", "u2"]


def test_the_least_agreed_comes_first() -> None:
    frame = results(("a", "ann", "x"), ("a", "bob", "x"), ("a", "cat", "y"), ("b", "ann", "x"))
    assert list(queue_of(frame, "disagreement")["unit_id"]) == ["u2", "u0", "u1", "u3"]


def test_what_most_speaks_against_comes_first_with_its_reasons() -> None:
    rows = [("i9", "cat", "x"), *CLICKING]
    frame = results(*rows)
    frame.loc[frame["unit_id"] == "u0", "duration_in_seconds"] = 3.0
    queue = queue_of(frame, "suspicion", cat=0.4)
    first, second = queue.iloc[0], queue.iloc[1]
    assert (first["unit_id"], first["reasons"], first["suspicion"]) == ("u0", ["too fast", "failed gold"], 2)
    assert (second["worker_name"], second["reasons"]) == ("ann", ["always the same"])
    assert queue["suspicion"].tolist() == [2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]


def test_who_was_mostly_rejected_is_looked_at() -> None:
    one = {"worker_id": "ann", "note": "", "undoes": None, "undone_by": None, "after": "rejected"}
    frame = results(("a", "ann", "x"), ("b", "bob", "x"))
    for decided, reasons in ((2, []), (3, ["rejected before"])):
        queue = queue_of(frame, "suspicion", [one | {"unit_id": f"x{n}"} for n in range(decided)])
        assert queue.set_index("worker_name")["reasons"]["ann"] == reasons


async def test_a_queue_is_walked_and_gets_shorter(operator: Operator) -> None:
    tones = [("ann", "glad"), ("bob", "glad"), ("cat", "grim")]
    run = stored_run(operator, [said(item, name, tone) for item in range(2) for name, tone in tones])
    queue = run.review.queue("disagreement")
    assert list(queue["worker_name"][:2]) == ["cat", "cat"]
    await run.review.reject(queue.head(2), note="careless")
    assert len(run.review.queue()) == 4
    assert len(run.review.queue(decided=True)) == 6
    records = run.review.records().set_index("worker_name")
    assert (records["rejected"]["cat"], records["notes"]["cat"]) == (2, ["careless", "careless"])
    with pytest.raises(ConfigError, match="no order 'mood'"):
        run.review.queue("mood")
