"""DataFrames of what a database holds: one function a frame, and what all of them share.

Times are UTC timestamps, ids strings; amounts are floats in the unit of the ``currency`` beside them, as 0.15 for
15 cents. Columns have their types also where there are no rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.frames.columns import MOST_COLUMNS, make_columns, typed_column, whole_text
from mephisto_nb.frames.spreadsheets import Frame
from mephisto_nb.kernel.live_run import own_data
from mephisto_nb.kernel.talk.voices import HEARD_AS, without_mark
from mephisto_nb.model.answers import Asked, split
from mephisto_nb.model.records import Event, TaskRun

#: What pandas makes of text: a type of its own, or in older versions any object.
TEXT = pd.Series(["text"]).dtype
#: The columns that are neither text nor times, in whatever frame they stand.
_HOLDS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "assignment_index", "unit_index", "units", "completed", "others", "suspicion", "answers", "waiting",
            "decided", "accepted", "soft_rejected", "rejected", "worker_answers", "worker_waiting", "runs", "approved",
            "left", "payments", "asked",
        ),
        "int64",
    ),
    **dict.fromkeys(
        (
            "pay_amount", "amount", "fees", "bonus", "owed", "sent", "duration_in_seconds", "time_ratio", "agreement",
            "median_seconds", "approval_rate", "gold_accuracy", "worker_approval_rate", "worker_time_ratio",
            "worker_agreement", "worker_gold_accuracy", "earned", "bonuses", "seconds",
        ),
        "float64",
    ),
    **dict.fromkeys(("is_live", "always_same", "done", "blocked", "simulated"), "bool"),
    **dict.fromkeys(
        (
            "detail", "granted", "data", "files", "row", "answer", "passed", "arguments", "response", "reasons",
            "notes", "worker_notes", "qualifications", "messages", "heard_by",
        ),
        "object",
    ),
}  # fmt: skip


#: Columns of amounts, which rows hold as `Money`.
_AMOUNTS = frozenset({"pay_amount", "amount", "fees", "bonus", "reward"})
#: Columns of text that may hold nothing in all rows of a frame.
_MAY_BE_NONE = frozenset({"visit_id", "outcome", "short"})


def typed(frame: pd.DataFrame, **others: str) -> pd.DataFrame:
    """Return a frame whose columns have their types also where there are no rows; any other stays as it is.

    Parameters
    ----------
    frame
        Its columns without a type of their own are text, unless they are known here to hold something else.
    others
        Types of columns that are not, or otherwise, known here.
    """
    if len(frame):
        return Frame(frame)
    untold = [name for name in frame.columns if frame[name].dtype == object or name in others]
    return Frame(frame).astype({name: others.get(name) or _HOLDS.get(name) or TEXT for name in untold})


#: Who says what the task's code signs with no name.
_TASK = "task"
#: Those of a row that tell whose page it belongs to.
_OWN = ("unit_index", "unit_id", "agent_id", "worker_id", "worker_name")


@dataclass(slots=True, eq=False)
class _Saying:
    """One thing that was said: its row, who has heard it, and how much was said by workers before."""

    row: JSONObject
    before: int
    heard: set[str] = field(default_factory=set)


class _Conversation:
    """Puts together what was said in one assignment from the record, row by row."""

    def __init__(self, bot_words: set[tuple[str, str]]) -> None:
        self.sayings: list[_Saying] = []
        #: Each saying and each hearing, as a row of its own.
        self.everything: list[JSONObject] = []
        self._bot_words = bot_words
        self._by_words: dict[tuple[str | None, str], list[_Saying]] = {}
        self._by_id: dict[tuple[str, str], _Saying] = {}
        self._names: dict[str, str] = {}
        self._count = 0

    def add(self, row: JSONObject) -> None:
        """Take in one row of the record."""
        id_ = _known_id(row)
        row = {**row, "data": without_mark(row["data"])}
        data, text = row["data"], row["data"].get("text")
        state = data.get("task_data")
        if row["sender"] == "operator" and isinstance(state, dict) and "agent_display_name" in state:
            self._names[row["agent_id"]] = str(state["agent_display_name"])
        if isinstance(text, str) and text:
            if row["sender"] == "worker":
                self._say(row, text, id_)
            elif row["sender"] == "operator":
                self._hear(row, text, id_)

    def _say(self, row: JSONObject, text: str, id_: str | None) -> None:
        self._count += 1
        name = self._names.get(row["agent_id"])
        said = {**row, "text": text, "speaker": row["worker_name"], "shown_name": name, "role": "worker"}
        self._add(said, text, name, id_)

    def _hear(self, row: JSONObject, text: str, id_: str | None) -> None:
        name = str(row["data"].get("id") or _TASK)
        role = "bot" if (name, text) in self._bot_words else "task"
        said = {**row, "text": text, "speaker": name, "shown_name": name, "role": role}
        saying = self._find(row, name, text, id_)
        if saying is None:
            saying = self._add({**said, **dict.fromkeys(_OWN)}, text, name, id_)
        saying.heard.add(row["agent_id"])
        saying.row["heard_by"] = [*saying.row["heard_by"], row["worker_name"]]
        as_told = {name: saying.row[name] for name in ("speaker", "shown_name")}
        self.everything.append({**said, **as_told, "heard_by": [row["worker_name"]]})

    def _find(self, row: JSONObject, name: str, text: str, id_: str | None) -> _Saying | None:
        """Return what somebody hears in this row, if it was said, or heard by another, before."""
        if (named := self._by_id.get((id_ or "", text))) is not None:
            return named
        for saying in self._by_words.get((name, text), ()):
            # What a worker says, the code may hand on whenever it likes. What it says itself to one after the other is
            # one saying as long as nobody answers.
            is_open = saying.row["role"] == "worker" or saying.before == self._count
            if is_open and row["agent_id"] not in saying.heard:
                return saying
        return None

    def _add(self, said: JSONObject, text: str, name: str | None, id_: str | None) -> _Saying:
        saying = _Saying({**said, "heard_by": []}, self._count)
        self.sayings.append(saying)
        self._by_words.setdefault((name, text), []).append(saying)
        if id_:
            self._by_id[id_, text] = saying
        if said["role"] == "worker":
            self.everything.append(dict(saying.row))
        return saying


def choose_sayings(rows: Sequence[JSONObject], *, everything: bool = False) -> list[JSONObject]:
    """Return what was said, once, by conversation and in the order of the record; or each saying and each hearing."""
    indices = {row["assignment_id"]: (row["task_run_id"], row["assignment_index"]) for row in rows}
    bots = _words_of_bots(rows)
    talks = {id_: _Conversation(bots.get(id_, set())) for id_ in sorted(indices, key=lambda id_: indices[id_])}
    for row in rows:
        talks[row["assignment_id"]].add(row)
    if everything:
        return [row for talk in talks.values() for row in talk.everything]
    return [saying.row for talk in talks.values() for saying in talk.sayings]


def _words_of_bots(rows: Sequence[JSONObject]) -> dict[str, set[tuple[str, str]]]:
    """Return what programs were kept to have said, by assignment: their name, and the text."""
    words: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        value = row["data"].get("value") if row["sender"] == "once" else None
        if isinstance(value, dict) and value.get("id") and value.get("text"):
            words.setdefault(row["assignment_id"], set()).add((str(value["id"]), str(value["text"])))
    return words


def _known_id(row: JSONObject) -> str | None:
    """Return what the others know a message by: of a worker's, what it was called here, if it was."""
    data = row["data"]
    update_id = data.get(HEARD_AS, data.get("update_id")) if row["sender"] == "worker" else data.get("update_id")
    return update_id if isinstance(update_id, str) else None


UNIT_COLUMNS = (
    "unit_id", "task_run_id", "assignment_id", "assignment_index", "unit_index", "status", "pay_amount",
    "currency", "worker_id", "worker_name", "agent_id", "visit_id",
)  # fmt: skip
AGENT_COLUMNS = (
    "agent_id", "task_run_id", "unit_id", "worker_id", "worker_name", "status", "accepted_at", "deadline",
    "submitted_at", "visit_id",
)  # fmt: skip


def _number_for_workers(results: pd.DataFrame) -> pd.Series[Any]:
    """Count the answers of each worker in each run, in the order received; a gate's do not count, and have 0."""
    counted = results[["submitted_at", "unit_index", "task_run_id", "worker_id"]]
    received = counted.sort_values("submitted_at", kind="stable")  # those whose time is not known come last
    is_work = received["unit_index"] >= 0
    number = is_work.astype("int64").groupby([received["task_run_id"], received["worker_id"]], dropna=False).cumsum()
    return number * is_work


def _seconds_taken(results: pd.DataFrame) -> pd.Series[Any]:
    """Return how long each answer took; two computers' clocks may say that it came before its unit was taken."""
    taken: pd.Series[Any] = (results["submitted_at"] - results["accepted_at"]).dt.total_seconds()
    return taken.clip(lower=0)


#: Columns of `results_frame` that are worked out of its others: one line here is one column more. Each function gets
#: the frame of all columns that are stored, and of derived ones above it; it has no rows where there are no answers.
DERIVED_COLUMNS: dict[str, Callable[[pd.DataFrame], pd.Series[Any]]] = {
    "duration_in_seconds": _seconds_taken,
    "worker_unit_number": _number_for_workers,
}
RESULT_COLUMNS = (
    "task_run_id", "assignment_index", "unit_index", "worker_name", "status", "accepted_at", "submitted_at",
    *DERIVED_COLUMNS, "pay_amount", "currency", "unit_id", "assignment_id", "agent_id", "worker_id", "visit_id",
)  # fmt: skip
PAYMENT_COLUMNS = (
    "payment_id", "task_run_id", "worker_id", "worker_name", "unit_id", "kind", "amount", "fees", "currency",
    "reason", "status", "created_at", "asked_at", "sent_at", "confirmed_at", "reference", "visit_id", "simulated",
)  # fmt: skip
MESSAGE_COLUMNS = (
    "task_run_id", "assignment_index", "unit_index", "speaker", "shown_name", "role", "text", "at", "heard_by", "data",
    "assignment_id", "unit_id", "agent_id", "worker_id", "worker_name",
)  # fmt: skip
REVIEW_COLUMNS = (
    "review_id", "task_run_id", "unit_id", "agent_id", "worker_id", "worker_name", "before", "after", "note", "message",
    "bonus", "currency", "bonus_payment_id", "reward_payment_id", "granted", "blocked", "who", "at", "undoes",
    "undone_by",
)  # fmt: skip
GATE_COLUMNS = (
    "gate", "worker_name", "passed", "status", "started_at", "submitted_at", "at", "answer", "row", "detail",
    "agent_id", "unit_id", "worker_id", "task_run_id",
)  # fmt: skip
EVENT_COLUMNS = ("at", "subject", "subject_id", "before", "after", "why", "who", "detail")
RUN_COLUMNS = (
    "task_run_id", "task_name", "blueprint_type", "provider_type", "created_at", "ended_at", "is_live", "units",
    "completed", "currency",
)  # fmt: skip

#: Turns stored data into the columns of `results_frame`: ``inputs(shared, unit_data)`` and ``answer(data)``.
Inputs: TypeAlias = Callable[[JSONObject, JSONObject], JSONObject]
Answer: TypeAlias = Callable[[JSON], JSONObject]


def make_frame(rows: Sequence[Mapping[str, object]], columns: Sequence[str], times: Iterable[str]) -> pd.DataFrame:
    """Make a frame of these columns, of which `times` are given in seconds since the epoch, and amounts as `Money`."""
    try:
        frame = pd.DataFrame(rows, columns=list(columns))
    except UnicodeEncodeError:
        frame = pd.DataFrame([{name: whole_text(row.get(name)) for name in columns} for row in rows])
    for name in _AMOUNTS.intersection(columns):
        frame[name] = [math.nan if amount is None else float(amount) for amount in frame[name].to_numpy(dtype=object)]
    for name in times:
        # Microseconds: what a float of seconds since 1970 can tell apart.
        frame[name] = pd.to_datetime(frame[name].astype("float64"), unit="s", utc=True).dt.as_unit("us")
    for name in columns:
        if _HOLDS.get(name) == "int64" and frame[name].dtype != "int64" and len(frame):
            frame[name] = frame[name].astype("Int64")  # with gaps; floats would be numbers of another type
        elif name in _MAY_BE_NONE:
            frame[name] = frame[name].astype(TEXT)
    return typed(frame)


def units_frame(rows: Sequence[JSONObject]) -> pd.DataFrame:
    """Make a frame of units: one row each, columns `UNIT_COLUMNS`.

    ``unit_index`` counts from 0 within the assignment; it is -1 for a screening and -2 for a gold unit, each of which
    is in an assignment of its own, with an ``assignment_index`` below 0.
    ``status`` is one of created, launched, assigned, completed, accepted, rejected, soft_rejected, expired;
    ``pay_amount`` is in ``currency``; the worker's and agent's columns are None while nobody has the unit.
    ``visit_id`` is the visit that it was a part of, in runs that have such (see `visits_frame`).
    """
    return make_frame(rows, UNIT_COLUMNS, ())


def agents_frame(rows: Sequence[JSONObject]) -> pd.DataFrame:
    """Make a frame of agents (one worker at one unit): one row each, columns `AGENT_COLUMNS`.

    ``accepted_at``, ``deadline`` and ``submitted_at`` are UTC timestamps, NaT where there is none.
    """
    return make_frame(rows, AGENT_COLUMNS, ("accepted_at", "deadline", "submitted_at"))


def payments_frame(rows: Sequence[JSONObject]) -> pd.DataFrame:
    """Make a frame of what is paid: one row a payment, columns `PAYMENT_COLUMNS`.

    ``kind`` is reward (a unit's own pay, from its approval on), bonus or waiting (for partners); ``amount`` is
    without the crowd's ``fees``, which are NaN where they are not known; both are in ``currency``. ``status`` is owed;
    sending while the crowd is asked, and as long as nobody knows whether it took it; sent once it took it, or somebody
    has marked it as paid; confirmed once it was seen in the crowd's own books; failed where the crowd refused it for
    good; or cancelled. ``asked_at``, ``sent_at`` and ``confirmed_at`` tell when, and are NaT where it never was.
    ``reference`` is what the crowd calls it, ``visit_id`` the visit that it is for. ``simulated`` tells what is owed to
    a program that rehearsed the task, and so to nobody.
    """
    frame = make_frame(rows, PAYMENT_COLUMNS, ("created_at", "asked_at", "sent_at", "confirmed_at"))
    return frame.astype({"reference": TEXT, "visit_id": TEXT})  # most have none


def messages_frame(rows: Sequence[JSONObject], *, everything: bool = False) -> pd.DataFrame:
    """Make a frame of what was said in live tasks: one row an utterance, by conversation and then as it was said.

    Columns
    -------
    `MESSAGE_COLUMNS`. ``role`` is worker, bot (a program) or task (the task's own code); ``speaker`` the worker's
    name, or what a program calls itself; ``shown_name`` what the others saw (None: no page was told); ``data`` all
    that the message holds. ``heard_by`` are the names of the workers whose pages it was sent to, in a list: who is
    missing there has not heard it. The columns of unit, agent and worker are None but for a worker's own messages.
    ``at`` is when the task's server had a worker's message, and when all else was recorded; so a quick answer can be
    some milliseconds older than what it answers, and stands behind it all the same.

    With `everything`, each hearing is a row as well, as it was sent: ``heard_by`` is then one worker, whose page the
    columns of unit, agent and worker tell, and empty in the row of who said it.
    """
    return make_frame(choose_sayings(rows, everything=everything), MESSAGE_COLUMNS, ("at",))


def with_messages(results: pd.DataFrame, messages: pd.DataFrame) -> pd.DataFrame:
    """Add to each answer what was said in its assignment, as a list of ``{speaker, text}``: column ``messages``."""
    said: dict[str, list[JSONObject]] = {}
    for message in messages.to_dict("records"):
        said.setdefault(message["assignment_id"], []).append({name: message[name] for name in ("speaker", "text")})
    return results.assign(messages=pd.Series([said.get(id_, []) for id_ in results["assignment_id"]], dtype="object"))


def with_files_sent(results: pd.DataFrame, sent: Sequence[list[JSONObject]]) -> pd.DataFrame:
    """Add what is known of the files that came with each answer: column ``files``, which is there if any came.

    It holds a list of ``{field, name, type, size, path}`` (see `kernel.live_run.describe_files`).
    """
    return results.assign(files=pd.Series(sent, dtype="object")) if any(sent) else results


def reviews_frame(rows: Sequence[JSONObject]) -> pd.DataFrame:
    """Make a frame of decisions on answers: one row a decision, oldest first, columns `REVIEW_COLUMNS`.

    ``before`` and ``after`` are statuses of the unit; ``bonus`` is in ``currency``, NaN where there was none;
    ``granted`` is a dict of values by qualification or None, and stands with the first of a worker's units alone, as
    does ``blocked``. ``undoes`` names the decision that this one takes back, ``undone_by`` the one that took it back.
    Join it to `units_frame` by ``unit_id``, to `payments_frame` by ``bonus_payment_id``.
    """
    frame = make_frame(rows, REVIEW_COLUMNS, ("at",))
    return frame.astype({"bonus": "float64", "blocked": "bool"})


def gates_frame(rows: Sequence[JSONObject]) -> pd.DataFrame:
    """Make a frame of how workers were looked at: one row each time, the earliest first, columns `GATE_COLUMNS`.

    ``gate`` is the gate's name, such as onboarding, screening, gold, attention or time; ``passed`` is True, False, or
    None where there is no verdict: not handed in, not judged yet, or the function that judges has failed. ``at`` is
    when it was judged. ``answer`` is what was sent, ``row`` what it was held against, both as dicts; ``detail`` says
    what was wrong. An answer to the work has a row for each check that was made of it.
    """
    frame = make_frame(rows, GATE_COLUMNS, ("started_at", "submitted_at", "at"))
    return frame.astype({"passed": object})


def events_frame(events: Iterable[Event]) -> pd.DataFrame:
    """Make a frame of the event log: one row a change, oldest first, columns `EVENT_COLUMNS`."""
    rows = [{name: getattr(event, name) for name in EVENT_COLUMNS} for event in events]
    return make_frame(rows, EVENT_COLUMNS, ("at",))


def runs_frame(runs: Sequence[TaskRun], counts: Mapping[str, Mapping[str, int]]) -> pd.DataFrame:
    """Make a frame of task runs, newest first, columns `RUN_COLUMNS`.

    ``units`` and ``completed`` are numbers of units; ``is_live`` tells whether the run has not ended; ``currency`` is
    that of all it pays.
    """
    answered = ("completed", "accepted", "rejected", "soft_rejected")
    rows = [
        {
            **{name: getattr(run, name) for name in RUN_COLUMNS[:6]},
            "is_live": run.ended_at is None,
            "units": sum(counts.get(run.task_run_id, {}).values()),
            "completed": sum(counts.get(run.task_run_id, {}).get(status, 0) for status in answered),
            "currency": run.currency,
        }
        for run in runs
    ]
    return make_frame(rows, RUN_COLUMNS, ("created_at", "ended_at"))


def results_frame(
    rows: Sequence[JSONObject],
    inputs: Inputs,
    answer: Answer,
    input_times: Mapping[str, str] | None = None,
    answer_times: Mapping[str, str] | None = None,
    asked: Asked = None,
) -> pd.DataFrame:
    """Make a frame of answers: one row a submission, in the order of the data.

    Columns
    -------
    `RESULT_COLUMNS`, then ``input.NAME`` for each field of the data, then ``answer.NAME`` for each field of the
    answer that its page asks for (nested objects as ``answer.outer.inner``, or as ``answer.outer["inner"]`` where a
    field is called ``outer.inner`` itself; a file as the path it is stored under). What else was sent is a dict in
    ``answer.(more)``. Of an answer of more than 256 KiB that is read only when asked for anything (``dict(...)``), and
    has texts of more than 5 MiB, and lists and objects of more than 256 KiB, as well. Where nobody can tell what the
    page asks for (`asked` is None), the `MOST_COLUMNS` fields that most answers have are taken for it.

    Whole numbers and truth values are ``Int64`` and ``boolean`` where some answers lack them. Days and times that the
    page asked for as such, or that the data held as such, are timestamps, and times of day `datetime.time`; what else
    was sent in their place is in ``answer.NAME (as sent)``.
    ``worker_unit_number`` tells which one of the worker's answers in the run it is, counted from 1 in the order
    received; an answer to a unit of a gate has 0, and is not counted. ``visit_id`` is the visit that it was sent in, in
    runs that have such; ``results.merge(run.visits(), on="visit_id")`` brings what the crowd gave along.
    """
    base = [{name: row.get(name) for name in RESULT_COLUMNS} for row in rows]
    frame = make_frame(base, RESULT_COLUMNS, ("accepted_at", "submitted_at"))
    for name, derive in DERIVED_COLUMNS.items():
        frame[name] = derive(frame)
    given = make_columns("input", [inputs(row["shared"], own_data(row)) for row in rows], times=input_times)
    parts = [split(row["data"], asked) for row in rows]
    others = [(other, row.get("rest")) for (_, other), row in zip(parts, rows, strict=True)]
    most = MOST_COLUMNS + len(asked or ())
    answered = make_columns("answer", [answer(own) for own, _ in parts], most, answer_times, others, asked)
    return Frame(pd.concat([frame, given, answered], axis="columns"))


def join_results(results: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the answers of several runs as one frame; whole numbers stay whole where a run has none."""
    joined = pd.concat(results, ignore_index=True)
    for name in joined.columns:
        types = [one[name].dtype if name in one else None for one in results]
        if len(set(types)) > 1 and any(one is not None and pd.api.types.is_integer_dtype(one) for one in types):
            columns = [one.get(name, pd.Series([None] * len(one), dtype=object)).astype(object) for one in results]
            joined[name] = typed_column([None if _is_none(one) else one for column in columns for one in column])
    return Frame(joined)


def _is_none(value: object) -> bool:
    return value is None or value is pd.NA or value != value
