"""What a review panel has read of answers: all of them in a table, and one with all that helps to decide on it."""

from __future__ import annotations

import base64
import json
import math
import re
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.dashboard.moment import preview_of
from mephisto_nb.display.preview import make_document
from mephisto_nb.display.table import Table
from mephisto_nb.errors import ConfigError, MephistoError
from mephisto_nb.model.reviews import Review
from mephisto_nb.model.shared_state import for_browsers
from mephisto_nb.model.states import UNIT_ANSWERED, UnitStatus
from mephisto_nb.money.fees import crowd_fees, with_fees
from mephisto_nb.pages import AnsweredPages
from mephisto_nb.review.queue import (
    ORDERS,
    closed_questions,
    decisions_by_worker,
    gold_accuracy,
    review_queue,
    worker_records,
)
from mephisto_nb.review.selection import Units, select

if TYPE_CHECKING:
    from mephisto_nb.frames.run_frames import RunFrames
    from mephisto_nb.review.reviewing import Reviewing


#: The columns of a row of the list, beside those that are made for it.
SHOWN = (
    "task_run_id", "unit_id", "agent_id", "assignment_id", "assignment_index", "worker_id", "worker_name", "status",
    "pay_amount", "submitted_at", "duration_in_seconds", "time_ratio", "agreement", "others", "suspicion",
)  # fmt: skip
#: So long is what is shown of an answer in the list.
_GLIMPSE = 80
_HOW = (
    "Write it as for DataFrame.query, names with dots in backticks: `answer.mood` == 'glad' and "
    "duration_in_seconds < 20."
)
#: So many other answers to the same are compared.
MOST_OTHERS = 20


class Answers:
    """The answers of some runs, read once.

    Parameters
    ----------
    reviewing
        The runs.
    units
        Which answers are looked at, as `review.selection.select` takes them; None: all.
    places
        By order, where each answer stood the last time: what is looked at must not move.
    """

    def __init__(self, reviewing: Reviewing, units: Units, places: dict[str, dict[str, int]]) -> None:
        database, run_ids = reviewing.runs[0].database, [run.task_run.task_run_id for run in reviewing.runs]
        self.results = reviewing.results()
        self._reviews = database.reviews.read_reviews(None)
        self._by_id: dict[str | None, JSONObject] = {row["review_id"]: row for row in self._reviews}
        gold = gold_accuracy(database.runs.read_gates(run_ids))
        self._records = worker_records(self.results, self._reviews, gold).set_index("worker_id")
        self._status: dict[str, str] = dict(zip(self.results["unit_id"], self.results["status"], strict=True))
        self._wanted = None if units is None or self.results.empty else set(select(reviewing, units))
        self._places = places
        self._questions: list[str] = closed_questions(self.results)
        self._queues: dict[str, pd.DataFrame] = {}
        self._tables: dict[tuple[str, str], Table] = {}
        #: What was decided while somebody looked: it stays in the list.
        self._touched: set[str] = set()

    def take_in(self, review: Review) -> None:
        """Take in a decision that was made since."""
        if review.unit_id in self._status:
            self._touched.add(review.unit_id)
            self._tables.clear()
        if review.review_id in self._by_id:
            return  # it was read
        if review.unit_id in self._status:
            self._status[review.unit_id] = review.after.value
        row: JSONObject = {"unit_id": review.unit_id, "worker_id": review.worker_id, "after": review.after.value}
        row |= {"note": review.note, "undoes": review.undoes, "undone_by": None, "review_id": review.review_id}
        row |= {"who": review.who, "at": review.at, "before": review.before.value, "message": review.message}
        if review.undoes in self._by_id:
            self._by_id[review.undoes]["undone_by"] = review.review_id
        self._reviews.append(row)
        self._by_id[review.review_id] = row

    def agrees_with(self, unit_counts: Mapping[str, Mapping[str, int]], num_reviews: int) -> bool:
        """Return whether there are as many decisions, and answers by status, as are known here."""
        counted: Counter[str] = Counter()
        for counts in unit_counts.values():
            counted.update({status: number for status, number in counts.items() if status in UNIT_ANSWERED and number})
        return len(self._reviews) == num_reviews and counted == Counter(self._status.values())

    def keep(self, before: Answers) -> None:
        """Take over what was touched while somebody looked at an earlier reading."""
        self._touched |= before._touched

    def let_go(self) -> None:
        """Keep what was decided while somebody looked no longer among what waits."""
        self._touched.clear()
        self._tables.clear()

    def counts(self) -> dict[str, int]:
        """Return how many of the answers that are looked at have which status."""
        wanted = self._status if self._wanted is None else self._wanted & self._status.keys()
        return dict(Counter(self._status[unit_id] for unit_id in wanted))

    def table(self, order: str, filter_: str = "") -> Table:
        """Return the list in an order, of those answers that pass a filter as `pandas.DataFrame.query` takes it.

        Raises
        ------
        ConfigError
            There is no such order, or the filter cannot be understood.
        """
        if (order, filter_) not in self._tables:
            self._tables[order, filter_] = self._make_table(order, filter_)
        return self._tables[order, filter_]

    def waiting(self, rows: pd.DataFrame) -> list[str]:
        """Return the ids of those of these rows that wait for a decision."""
        return [one for one in rows["unit_id"] if self._status[one] == UnitStatus.COMPLETED.value]

    def find(self, unit_id: str) -> JSONObject:
        """Return the row of one answer of `results`.

        Raises
        ------
        ConfigError
            It is not there any more.
        """
        rows = self.results[self.results["unit_id"] == unit_id]
        if rows.empty:
            raise ConfigError("This answer is not in the database any more.")
        return {str(name): value for name, value in rows.iloc[0].items()}

    def status(self, unit_id: str) -> str:
        """Return the status of a unit now."""
        return self._status[unit_id]

    def record(self, worker_id: str) -> JSONObject:
        """Return what is known of a worker, decisions of just now included."""
        about: JSONObject = {str(name): value for name, value in self._records.loc[worker_id].items()}
        mine = [row for row in self._reviews if row["worker_id"] == worker_id]
        for row in decisions_by_worker(mine).to_dict("records"):
            about |= {str(name): value for name, value in row.items()}
        theirs = self.results.loc[self.results["worker_id"] == worker_id, "unit_id"]
        about["waiting"] = sum(self._status[one] == UnitStatus.COMPLETED.value for one in theirs)
        about["approval_rate"] = about["accepted"] / about["decided"] if about["decided"] else None
        return about

    def against(self, unit_id: str) -> list[str]:
        """Return what speaks against an answer (see `review.queue.review_queue`)."""
        queue = self._queue(ORDERS[0])
        found = queue.loc[queue["unit_id"] == unit_id, "reasons"]
        return found.iloc[0].split(", ") if len(found) and found.iloc[0] else []

    def history(self, unit_id: str) -> Sequence[JSONObject]:
        """Return the decisions on a unit, oldest first."""
        return [row for row in self._reviews if row["unit_id"] == unit_id]

    def others(self, unit_id: str) -> list[JSONObject]:
        """Return what others said about the same: who, what to each question, and whether it is the same."""
        mine = self.find(unit_id)
        rows = self.results[
            (self.results["assignment_id"] == mine["assignment_id"]) & (self.results["unit_id"] != unit_id)
        ]
        answered = [name for name in self.results.columns if name.startswith("answer.")]
        return [
            {
                "worker_name": row["worker_name"],
                "status": self._status[row["unit_id"]],
                "answers": [
                    {
                        "name": name.removeprefix("answer."),
                        "value": _glimpse(row[name]),
                        "same": self._same(mine, row, name),
                    }
                    for name in answered
                    if not _is_missing(row[name])
                ],
            }
            for row in rows.head(MOST_OTHERS).to_dict("records")
        ]

    def _same(self, mine: JSONObject, other: dict[Any, Any], question: str) -> bool | None:
        """Return whether two said the same; None: that is no question to be compared."""
        if question not in self._questions or _is_missing(mine[question]):
            return None
        return bool(mine[question] == other[question])

    def _make_table(self, order: str, filter_: str) -> Table:
        frame = self._queue(order)
        if filter_:
            frame = frame[frame["unit_id"].isin(self._passing(frame, filter_))]
        status = frame["unit_id"].map(self._status)
        waiting = status == UnitStatus.COMPLETED.value
        shown = frame.assign(
            status=status, waiting=waiting, decided=~waiting, open=waiting | frame["unit_id"].isin(self._touched)
        )
        return Table(shown, ("worker_name", "glimpse", "reasons"))

    def _queue(self, order: str) -> pd.DataFrame:
        if order not in self._queues:
            queue = review_queue(self.results, self._records.reset_index(), order, decided=True)
            if self._wanted is not None:
                queue = queue[queue["unit_id"].isin(self._wanted)]
            frame = queue[list(SHOWN)].assign(reasons=queue["reasons"].map(", ".join) if len(queue) else "")
            frame["glimpse"] = frame["unit_id"].map(self._glimpses())
            known = self._places.get(order, {})
            place = frame["unit_id"].map(known).fillna(len(known)).astype("float64")
            frame = frame.iloc[place.argsort(kind="stable")].reset_index(drop=True)
            self._places[order] = {unit_id: index for index, unit_id in enumerate(frame["unit_id"])}
            self._queues[order] = frame
        return self._queues[order]

    def _glimpses(self) -> dict[str, str]:
        names = [name for name in self.results.columns if name.startswith("answer.")][:5]
        columns = [self.results[name].tolist() for name in names]
        said = zip(*columns, strict=True) if columns else [()] * len(self.results)
        texts = [", ".join(_glimpse(one) for one in row if not _is_missing(one))[:_GLIMPSE] for row in said]
        return dict(zip(self.results["unit_id"], texts, strict=True))

    def _passing(self, queue: pd.DataFrame, filter_: str) -> set[str]:
        columns = [name for name in self.results.columns if name not in queue.columns or name == "unit_id"]
        whole = queue.assign(status=queue["unit_id"].map(self._status)).merge(self.results[columns], on="unit_id")
        told, meant = _by_exact_names(filter_, whole)
        try:
            passing = meant.eval(told, engine="python", local_dict={}, global_dict={})
        except Exception as error:  # whatever somebody types
            raise ConfigError(f"The filter {filter_!r} cannot be understood: {error}. {_HOW}") from error
        if not (isinstance(passing, pd.Series) and passing.index.equals(whole.index) and _is_truth(passing)):
            raise ConfigError(f"The filter {filter_!r} says nothing: it is neither true nor false of an answer. {_HOW}")
        return set(whole.loc[passing.fillna(False).astype(bool), "unit_id"])


#: A text between quotes, or a name between backticks.
_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|`([^`]*)`""")


def _by_exact_names(filter_: str, whole: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Return a filter, and the columns that it may name, each called so that it can be taken for no other.

    To pandas, ```answer.a.b``` and ```answer.a_DOT_b``` are one name, and the second may be a worker's own.
    """
    plain = [name for name in whole.columns if name.isidentifier()]
    named: dict[str, str] = {}

    def rename(found: re.Match[str]) -> str:
        name = found[2]
        if name is None or name not in whole.columns or name in plain:
            return found[0]
        return named.setdefault(name, f"column_{len(named)}_")

    told = _QUOTED.sub(rename, filter_)
    return told, whole[[*plain, *named]].rename(columns=named)


def _is_truth(values: pd.Series[Any]) -> bool:
    return pd.api.types.is_bool_dtype(values.dropna().infer_objects())


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def _glimpse(value: JSON) -> str:
    return preview_of(value)[:_GLIMPSE]


#: Pictures that are shown; none of these can hold a script. Larger ones are named only, and so is any other file.
_PICTURES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp"}
_MOST_BYTES = 3_000_000
#: An answer that is longer than this, in characters, is shown in part: a page must not be felled by one worker.
_LONGEST = 200_000
_OF_WORKER = (
    "worker_name", "answers", "waiting", "decided", "accepted", "soft_rejected", "rejected", "approval_rate",
    "median_seconds", "time_ratio", "agreement", "gold_accuracy", "notes",
)  # fmt: skip
_OF_REVIEW = ("at", "who", "before", "after", "note", "message", "undoes")


def describe(run: RunFrames, pages: AnsweredPages | None, answers: Answers, unit_id: str) -> JSONObject:
    """Describe an answer, without its page where there are no `pages`; blocks.

    Returns
    -------
    dict
        ``unit_id``, ``worker_id``, ``worker_name``, ``status``, ``item`` (which one of the data), ``at``, ``seconds``,
        ``pays`` (what approving it costs, fees included, in words), ``inputs``, ``answer``, ``files``, ``page`` (a
        document; None: see ``no_page``), ``record`` of its worker, what speaks ``against`` it, ``others`` to the same
        item, ``history`` of decisions.

    Raises
    ------
    ConfigError
        The answer is not there any more.
    """
    known = answers.find(unit_id)
    rows = run.read_answers([known["agent_id"]])
    if not rows:
        raise ConfigError("This answer is not in the database any more.")
    row, record = rows[0], answers.record(known["worker_id"])
    page, no_page = (None, "") if pages is None else _page(run, pages, row)
    cost = with_fees(row["pay_amount"], crowd_fees(run.task_run.provider_type))
    found: JSONObject = {
        "unit_id": unit_id,
        "worker_id": known["worker_id"],
        "worker_name": known["worker_name"],
        "status": answers.status(unit_id),
        "item": row["assignment_index"],
        "at": row["submitted_at"],
        "seconds": known["duration_in_seconds"],
        "pays": str(cost) if cost else "",
        "currency": row["currency"],
        "inputs": _bounded(row["inputs"]),
        "answer": _bounded(row["answer"]),
        "files": _files(row["files"], row["paths"]),
        "page": page,
        "no_page": no_page,
        "record": {name: record[name] for name in _OF_WORKER if name in record},
        "against": answers.against(unit_id),
        "others": answers.others(unit_id),
        "history": [{name: one[name] for name in _OF_REVIEW} for one in answers.history(unit_id)],
    }
    return {name: plain_values(value) for name, value in found.items()}


def plain_values(value: Any) -> JSON:
    """Return a value as JSON can hold it and every front end read it: no NaN, no half characters."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {str(plain_values(str(name))): plain_values(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(one) for one in value]
    if value is None or value is pd.NA:
        return None
    number = value.item() if hasattr(value, "item") else value
    return None if isinstance(number, float) and not math.isfinite(number) else for_browsers(number)


def _page(run: RunFrames, pages: AnsweredPages, row: JSONObject) -> tuple[str | None, str]:
    if len(json.dumps(row["data"])) > _LONGEST:
        return None, "The answer is too long to be filled into its page."
    try:
        found = pages.find(row)
        if found is None:
            return None, "This kind of page cannot be shown filled in. What was sent stands below."
        page = found.page
        sources = run.task_run.config["mephisto"]["task"].get("preview_sources", [])
        return make_document(page.files, page.policy, found.told, secrets.token_hex(12), found.values, sources), ""
    except MephistoError as error:
        return None, f"The page cannot be shown: {error}"


def _bounded(value: JSON) -> JSON:
    text = json.dumps(value)
    return value if len(text) <= _LONGEST else {"(the beginning)": text[:_LONGEST]}


def _files(sent: Sequence[JSONObject], paths: Sequence[str]) -> list[JSONObject]:
    left, found = _MOST_BYTES, []
    for one, path in zip(sent, paths, strict=True):
        name = one.get("originalname") or one["filename"]
        picture = _picture(Path(path), left, name)
        left -= len(picture or "")
        found.append({"name": name, "field": one["fieldname"], "path": path, "picture": picture})
    return found


def _picture(path: Path, most: int, name: str) -> str | None:
    kind = _PICTURES.get(Path(name).suffix.lower())
    try:
        if kind is None or path.stat().st_size * 4 / 3 > most:
            return None
        return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    except OSError:
        return None
