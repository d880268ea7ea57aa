"""Answers to be reviewed as a notebook shows them: a panel where a kernel is, a table of the first everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from time import time
from typing import Any

from mephisto_nb.display.review_model import ReviewModel
from mephisto_nb.display.summary import MOST_ROWS, render_table
from mephisto_nb.display.table import Query, to_json
from mephisto_nb.display.widgets.widget import FrontEnd, can_be_live, make_model
from mephisto_nb.display.widgets.widget_server import Subject
from mephisto_nb.display.words import UNKNOWN, count, duration, plain
from mephisto_nb.errors import NotFoundError
from mephisto_nb.review.reviewing import Reviewing
from mephisto_nb.review.selection import Units, select

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


def draw_review(model: ReviewModel) -> dict[str, str]:
    """Draw the answers as they are now, by type: a page, and plain text. It reads them."""
    answers = model.read()
    counts = answers.counts()
    frame = answers.table(model.order).find(Query())
    rows = [[words(row) for _, words in _COLUMNS] for row in to_json(frame.head(MOST_ROWS))]
    by_status = ", ".join(f"{counts[status]:,} {name}" for status, name in STATUSES.items() if counts.get(status))
    return render_table(
        {
            "title": f"Review of {plain(', '.join(model.state()['tasks']))}",
            "counted": f"{count(len(frame), 'answer')}: {by_status}" if by_status else "",
            "names": [name for name, _ in _COLUMNS],
            "rows": rows,
            "more": len(frame) - len(rows),
            "frame": "run.review.queue(decided=True)",
            "empty": EMPTY,
            "first": "run.results()",
            "taken_at": time(),
        }
    )


TOPIC = "review"
#: The panel, each part after those that it needs.
REVIEW = FrontEnd(
    "Review",
    (
        "words", "dom", "link", "dialogs", "grid", "ask", "heading", "mount", "answer", "beside", "verdicts", "walk",
        "review",
    ),
    ("base", "dashboard", "panels", "people", "review"),
)  # fmt: skip


class ReviewPanel:
    """Walks through answers: the page as its worker saw it, what speaks for and against it, and what you decide.

    In JupyterLab and Notebook 7 it is a panel, which follows the run and other panels; everywhere else, a table of the
    first answers. Each of its acts is a method of `run.review`: `approve`, `soft_reject`, `reject`, `undo`.

    Parameters
    ----------
    reviewing
        The runs.
    units
        Which of their answers; None: all.
    order
        In which order they are looked at first.

    Raises
    ------
    ConfigError
        There is no such order, or it cannot be told which answers are meant.
    NotFoundError
        There is no run.
    """

    def __init__(self, reviewing: Reviewing, units: Units = None, order: str = "worker") -> None:
        if not reviewing.runs:
            raise NotFoundError("There is no run whose answers could be reviewed. See operator.task_runs().")
        # Answers that are named are chosen now; a function is asked again whenever answers have come.
        named = units if units is None or callable(units) else list(select(reviewing, units))
        self.panel_model = ReviewModel(reviewing, named, order)

    def panel(self) -> Any:
        """Give the panel itself, an anywidget, to put into a layout of your own, or into marimo."""
        return self._model

    @cached_property
    def _model(self) -> Any:
        return make_model(TOPIC, self._find, REVIEW)

    async def _find(self, topic: str) -> Subject:
        return Subject(self.panel_model)

    def __repr__(self) -> str:
        tasks = ", ".join(self.panel_model.state()["tasks"])
        return f"<review of {tasks}: shown in a notebook; run.review.queue() is a frame>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        still = draw_review(self.panel_model)
        if not can_be_live():
            return still
        bundle: dict[str, Any] = self._model._repr_mimebundle_()[0]
        return {**{name: one for name, one in bundle.items() if name.startswith("application/")}, **still}
