"""Answers to be reviewed as a notebook shows them: a panel where a kernel is, a table of the first everywhere else.

`ReviewModel` is what the panel knows and answers, `ReviewPanel` what is shown.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from functools import cached_property
from time import perf_counter, time
from typing import Any, ParamSpec, TypeVar, cast
from weakref import WeakMethod

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.review_answers import Answers, describe, plain_values
from mephisto_nb.display.summary import ROWS_KEPT, SavedDisplays, render_table, show_saved
from mephisto_nb.display.table import Answering, PanelModel, Query, query_from, to_json
from mephisto_nb.display.widgets.widget import FrontEnd, Subject, make_model, still_or_live
from mephisto_nb.display.words import UNKNOWN, count, duration, plain
from mephisto_nb.errors import ConfigError, NotFoundError
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import AddReview, AddSubmission, Changes
from mephisto_nb.model.money import DEFAULT_CURRENCY, Money, Sums
from mephisto_nb.model.reviews import SAID, Review
from mephisto_nb.model.states import UNIT_ANSWERED, UnitStatus
from mephisto_nb.pages import AnsweredPages
from mephisto_nb.review.decide import VERDICTS, Extras
from mephisto_nb.review.queue import ORDERS
from mephisto_nb.review.reviewing import Reviewing
from mephisto_nb.review.selection import Units, select
from mephisto_nb.utils.logging import listen_weakly

P = ParamSpec("P")
T = TypeVar("T")

#: What may come with a decision of a panel; `Extras` says what each is.
EXTRAS = ("note", "bonus", "message", "grant", "block", "again")
#: So many decisions can be undone, one after the other; and so many choices of answers are kept to be decided on.
_KEPT, _CHOICES = 200, 4
_ROW_COLUMNS = ("unit_id", "worker_name", "status", "waiting", "reasons", "suspicion", "agreement", "others", "glimpse")


class ReviewModel(PanelModel):
    """Follows answers that are reviewed, reading them only when somebody looks and something has changed.

    Parameters
    ----------
    reviewing
        The runs.
    units
        Which of their answers; None: all. A function is asked again when answers have come.
    order
        In which order they are looked at first.
    """

    def __init__(self, reviewing: Reviewing, units: Units = None, order: str = "worker") -> None:
        if order not in ORDERS:
            raise ConfigError(f"There is no order {order!r}. There are: {', '.join(ORDERS)}.")
        super().__init__()
        self.reviewing, self.order, self._units = reviewing, order, units
        self._runs = {run.task_run_id: (run, AnsweredPages(run)) for run in reviewing.runs}
        self._names = list(dict.fromkeys(run.task_name for run in reviewing.runs))
        self._writer = reviewing.runs[0].writer
        self._read: Answers | None = None
        self._is_stale = False
        self._news: deque[Review] = deque()
        self._known: JSONObject = {"counts": None, "names": []}
        self._places: dict[str, dict[str, int]] = {}
        self._done: deque[tuple[str, pd.DataFrame]] = deque(maxlen=_KEPT)
        self._choices: dict[str, Mapping[str, list[str]]] = {}
        listen_weakly(self._writer.listeners, WeakMethod(self._take_in))
        listen_weakly(self._writer.close_listeners, WeakMethod(self._tell_views))

    def state(self) -> JSONObject:
        """Say how things are, as plain values that JSON can hold. No I/O: see `load`.

        Returns
        -------
        dict
            ``rev`` (another one: rows have to be asked for again), ``closed``, ``undo`` (what would be undone; None:
            nothing), ``order``, ``tasks``, ``counts`` of answers by status and ``names`` of qualifications (None and
            none until `load`).
        """
        return {
            "v": 1,
            "rev": self._rev,
            "closed": self._writer.is_closed,
            "undo": self._done[-1][0] if self._done else None,
            "order": self.order,
            "tasks": self._names,
            **self._known,
        }

    async def load(self) -> None:
        """Read, in a thread, what there is."""
        await self._in_turn(self.read)

    def read(self) -> Answers:
        """Return the answers as they are now; blocks where they have to be read."""
        before = self._read
        if before is None or self._is_stale:
            self._is_stale = False
            try:
                self._read = Answers(self.reviewing, self._units, self._places)
            except BaseException:
                self._is_stale = True  # what could not be read is not known
                raise
            if before is not None:
                self._read.keep(before)
        answers = cast(Answers, self._read)
        while self._news:
            answers.take_in(self._news.popleft())
        names = [row["qualification_name"] for row in self.reviewing.runs[0].database.people.read_qualifications()]
        # Each status is always there: a front end that is sent what has changed is not told of what is gone.
        counts = dict.fromkeys(sorted(UNIT_ANSWERED), 0) | answers.counts()
        self._known = {"counts": counts, "names": plain_values(names[:1000])}
        return answers

    def forget(self) -> None:
        """Have the answers be read anew when somebody looks next."""
        self._is_stale = True
        self._tell()

    @property
    def _answering(self) -> Answering:
        return {
            "look": self._look,
            "rows": self._rows,
            "show": self._show,
            "choose": self._choose,
            "preview": self._preview,
            "act": self._act,
            "undo": self._undo,
        }

    # -- being told ------------------------------------------------------------------------------------------

    def _take_in(self, changes: Changes) -> None:
        """Called when something is committed in this kernel."""
        reviews = [one.review for one in changes.changes if isinstance(one, AddReview)]
        came = any(isinstance(one, AddSubmission) for one in changes.changes)
        if came and (changes.task_run_id in self._runs):
            self._is_stale = True
        if reviews or self._is_stale:
            self._news.extend(reviews)
            self._tell()

    async def _in_turn(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        known = self._known
        result = await super()._in_turn(function, *args, **kwargs)
        if self._known != known:
            self._tell_views()
        return result

    # -- answers ---------------------------------------------------------------------------------------------

    async def _look(self, args: JSONObject) -> JSON:
        """Look whether another kernel has changed something; cheap: answers are counted by status, and decisions."""
        if self._read is not None and not self._is_stale and not await self._in_turn(self._is_current):
            self.forget()
        return None

    def _is_current(self) -> bool:
        database = self.reviewing.runs[0].database
        return self.read().agrees_with(database.runs.count_units(list(self._runs)), database.reviews.count_reviews())

    def _window(self, args: JSONObject) -> JSONObject:
        answers = self.read()
        if args.get("anew"):
            answers.let_go()
        table = answers.table(*_where(args))
        window = table.window(query_from(args), int(args.get("start") or 0), int(args.get("count") or 100))
        window["waiting"] = int(table.find(query_from(args))["waiting"].sum())
        return {**window, "rows": [{name: row[name] for name in _ROW_COLUMNS} for row in window["rows"]]}

    async def _show(self, args: JSONObject) -> JSON:
        """Return an answer in full: the one of an id, or that which comes before or after it in the list."""
        return await self._in_turn(self._describe, args)

    def _describe(self, args: JSONObject) -> JSON:
        answers = self.read()
        found = answers.table(*_where(args)).find(query_from(args))
        ids, unit_id = found["unit_id"].tolist(), args.get("unit_id")
        at = ids.index(unit_id) if unit_id in ids else -1
        step = int(args.get("step") or 0)
        if step or unit_id is None:
            place = _next(at, step or 1, found["waiting"].tolist(), only_waiting=bool(args.get("waiting")))
            if place is None:
                return None
            at, unit_id = place, ids[place]
        task_run_id = answers.find(str(unit_id))["task_run_id"]
        run, pages = self._runs[task_run_id]
        # A page that is on the screen already need not be sent again.
        described = describe(run, None if unit_id == args.get("known") else pages, answers, str(unit_id))
        return {"place": at, "total": len(ids), **described}

    async def _choose(self, args: JSONObject) -> JSON:
        """Keep which answers wait of a worker, and in the list, so that what is foretold is what is done."""
        return await self._in_turn(self._keep_choice, args)

    def _keep_choice(self, args: JSONObject) -> JSONObject:
        answers, worker = self.read(), str(args.get("worker_id"))
        whole = answers.table(str(args.get("order") or self.order)).find(Query())
        listed = answers.table(*_where(args)).find(query_from(args))
        choice = {
            "worker": answers.waiting(whole[whole["worker_id"] == worker]),
            "list": answers.waiting(listed),
        }
        token = str(self._rev) + "." + str(len(self._choices)) + "." + str(perf_counter())
        self._choices[token] = choice
        for old in list(self._choices)[:-_CHOICES]:
            del self._choices[old]
        return {"choice": token, **{name: len(ids) for name, ids in choice.items()}}

    async def _preview(self, args: JSONObject) -> JSON:
        verdict, units, extras = self._read_act(args)
        return str(await in_thread(self.reviewing.preview, verdict, units, **extras))

    async def _act(self, args: JSONObject) -> JSON:
        verdict, units, extras = self._read_act(args)
        outcome = await self.reviewing.decide(verdict, units, **extras)
        said = tell_decided(outcome, VERDICTS[verdict], Extras(**extras))
        if outcome["done"].any():
            self._done.append((said, outcome[outcome["done"]]))
            self._tell_views()
        return {"said": said, "done": int(outcome["done"].sum())}

    async def _undo(self, args: JSONObject) -> JSON:
        """Take the last decision of this panel back that was not undone yet; say which answers that is about."""
        if not self._done:
            raise NotFoundError("There is nothing to undo: nothing was decided in this panel yet.")
        last = self._done.pop()
        self._tell_views()
        try:
            outcome = await self.reviewing.undo(last[1])
        except BaseException:
            self._done.append(last)
            self._tell_views()
            raise
        return {"said": tell_undone(outcome), "unit_ids": outcome["unit_id"].head(1).tolist()}

    def _read_act(self, args: JSONObject) -> tuple[str, pd.DataFrame, JSONObject]:
        """Read a decision: its verdict, the answers as they were seen, and what comes with it."""
        given = dict(args.get("args") or {})
        verdict = str(given.pop("verdict", args.get("action")))
        if args.get("action") != "decide" or verdict not in VERDICTS:
            raise ConfigError(f"A panel cannot {verdict!r}.")
        which = str(given.pop("which", "one"))
        choice, seen, unit_id = given.pop("choice", None), given.pop("seen", None), given.pop("unit_id", None)
        if which == "one":
            rows = pd.DataFrame({"unit_id": [str(unit_id)], "status": [str(seen)]})
        elif choice in self._choices:
            ids = self._choices[choice][which]
            rows = pd.DataFrame({"unit_id": ids, "status": [UnitStatus.COMPLETED.value] * len(ids)})
        else:
            raise ConfigError("What was chosen is too long ago to be known. Close the window, and choose again.")
        if unknown := given.keys() - set(EXTRAS):
            raise ConfigError(f"{min(unknown)!r} cannot come with a decision.")
        return verdict, rows, given


def tell_decided(outcome: pd.DataFrame, verdict: UnitStatus, extras: Extras) -> str:
    """Say what a decision did, and what it left alone."""
    currency = next(iter(outcome["currency"]), DEFAULT_CURRENCY)  # a bonus is for answers of one currency
    bonus = f", with a bonus of {Money.of(extras.bonus, currency)} for each" if extras.bonus else ""
    return _tell(outcome, SAID[verdict].capitalize(), f"It comes to {{}}{bonus}.")


def tell_undone(outcome: pd.DataFrame) -> str:
    """Say what was taken back, and what could not be."""
    return _tell(outcome, "Undone: the decision on", "{} is owed no longer.")


def _tell(outcome: pd.DataFrame, said: str, sum_: str) -> str:
    done = outcome[outcome["done"]]
    words = []
    if len(done):
        workers = done["worker_id"].nunique()
        whose = f" of {count(workers, 'worker')}" if workers > 1 else ""
        words.append(f"{said} {count(len(done), 'answer')}{whose}.")
        owed = zip(done["owed"], done["currency"], strict=True)
        if sums := Sums.of(Money.nearest(abs(amount), currency) for amount, currency in owed):
            words.append(sum_.format(sums))
        also = Counter(done.loc[done["also"] != "", "also"])
        words += [f"{count(number, 'worker')}: {what}." for what, number in also.items()]
    if troubled := [one for one in outcome["trouble"] if one]:
        more = f" (and {count(len(troubled) - 1, 'more answer')})" if len(troubled) > 1 else ""
        words.append(f"Trouble with the crowd: {troubled[0].rstrip('.')}{more}.")
    left = Counter(outcome.loc[~outcome["done"], "why"])
    if left:
        stories = "; ".join(f"{number:,} {why}" if len(outcome) > 1 else why for why, number in left.items())
        words.append(f"Left alone: {stories}." if len(outcome) > 1 else f"The answer {stories}.")
    return " ".join(words) or "There was nothing to be done."


def _where(args: JSONObject) -> tuple[str, str]:
    return str(args.get("order") or "worker"), str(args.get("filter") or "").strip()


def _next(at: int, step: int, waiting: list[bool], *, only_waiting: bool) -> int | None:
    """Return the place that is next; of what waits, also from the beginning again where nothing comes after."""
    last = len(waiting)
    places, rest = (
        (range(at + 1, last), range(max(at, 0))) if step > 0 else (range(at - 1, -1, -1), range(last - 1, at, -1))
    )
    if not only_waiting:
        return next(iter(places), None)
    return next((place for place in (*places, *rest) if waiting[place]), None)


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
    rows = [[words(row) for _, words in _COLUMNS] for row in to_json(frame.head(ROWS_KEPT))]
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
        "words", "dom", "link", "place", "dialogs", "grid", "ask", "heading", "mount", "answer", "beside", "verdicts",
        "walk", "review",
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
        self._saved = SavedDisplays()
        listen_weakly(reviewing.runs[0].writer.listeners, WeakMethod(self._hear))

    def panel(self) -> Any:
        """Return the panel itself, an anywidget, to put into a layout of your own, or into marimo."""
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
        return still_or_live(still, lambda: self._model)

    def _ipython_display_(self) -> None:
        show_saved(self._saved, self._repr_mimebundle_)

    def _hear(self, changes: Changes) -> None:
        self._saved.renew_soon(self._draw_anew)

    async def _draw_anew(self) -> dict[str, Any]:
        still = await self.panel_model.draw(draw_review)
        return still_or_live(still, lambda: self._model)
