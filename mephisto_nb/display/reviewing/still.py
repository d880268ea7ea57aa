"""Answers to be reviewed where no kernel is: how many have which status, and the first of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time
from typing import TYPE_CHECKING, Any

from mephisto_nb.display.people.people_panels import MOST_ROWS, render_table
from mephisto_nb.display.table import Query, to_json
from mephisto_nb.display.words import UNKNOWN, count, duration, plain

if TYPE_CHECKING:
    from mephisto_nb.display.review.review_model import ReviewRoom

#: What each status is called, in the order in which they are counted.
STATUSES = {"completed": "waiting", "accepted": "approved", "soft_rejected": "soft-rejected", "rejected": "rejected"}
#: What is said where there is no answer.
EMPTY = "Nothing to review yet; answers appear as they come."


def _agreement(row: Mapping[str, Any]) -> str:
    return UNKNOWN if row["agreement"] is None else f"{row['agreement']:.0%} of {row['others']}"


_COLUMNS: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("Worker", lambda row: plain(row["worker_name"])),
    ("Answer", lambda row: plain(row["glimpse"]) or UNKNOWN),
    ("Status", lambda row: STATUSES.get(row["status"], row["status"])),
    ("Time", lambda row: duration(row["duration_in_seconds"])),
    ("Agrees with", _agreement),
    ("What speaks against it", lambda row: row["reasons"] or UNKNOWN),
)


def draw_review(room: ReviewRoom) -> dict[str, str]:
    """Draw the answers as they are now, by type: a page, and plain text. It reads them."""
    answers = room.read()
    counts = answers.counts()
    frame = answers.table(room.order).find(Query())
    rows = [[words(row) for _, words in _COLUMNS] for row in to_json(frame.head(MOST_ROWS))]
    by_status = ", ".join(f"{counts[status]:,} {name}" for status, name in STATUSES.items() if counts.get(status))
    return render_table(
        {
            "title": f"Review of {plain(', '.join(room.state()['tasks']))}",
            "counted": f"{count(len(frame), 'answer')}: {by_status}" if by_status else "",
            "names": [name for name, _ in _COLUMNS],
            "rows": rows,
            "more": len(frame) - len(rows),
            "frame": "run.review_queue(decided=True)",
            "empty": EMPTY,
            "first": "run.results()",
            "taken_at": time(),
        }
    )
