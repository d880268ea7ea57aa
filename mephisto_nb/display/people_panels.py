"""Qualifications and workers as a notebook shows them: panels where a kernel is, their first rows everywhere else.

`PeopleModel` is what all panels of one operator know and answer, `PeoplePanel` what is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from time import time
from typing import Any
from weakref import WeakMethod

import pandas as pd

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.summary import ROWS_KEPT, SavedDisplays, render_table, show_saved
from mephisto_nb.display.table import Answering, PanelModel, Query, Table, query_from, to_json
from mephisto_nb.display.widgets.widget import FrontEnd, Subject, make_model, still_or_live
from mephisto_nb.display.words import UNKNOWN, count, duration, money, plain
from mephisto_nb.errors import ConfigError
from mephisto_nb.frames.people_frames import history_frame
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import Changes
from mephisto_nb.model.money import DEFAULT_CURRENCY
from mephisto_nb.model.people import ActOutcome
from mephisto_nb.model.qualifications import requirement_from_dict
from mephisto_nb.people.acts import tell
from mephisto_nb.people.people import People, requires
from mephisto_nb.runs import Runs
from mephisto_nb.utils.logging import listen_weakly

#: So much of a history is shown, the newest.
MOST_HISTORY = 500
#: So many names of qualifications are offered to choose from.
MOST_NAMES = 1000

#: What a click does is a method of `Qualifications`, or of `Workers`; to undo is one of both.
ON_QUALIFICATIONS = ("create", "describe", "delete", "grant", "revoke")
ON_WORKERS = ("block", "unblock", "note")


class PeopleModel(PanelModel):
    """Follows the people of an operator's database, reading it only when somebody looks and something has changed.

    Parameters
    ----------
    people
        Of whom. Use `people_model_of`, which makes one model for each.
    runs
        The runs of the same operator, which change people, too.
    """

    def __init__(self, people: People, runs: Runs) -> None:
        super().__init__()
        self._people, self._runs = people, runs
        self._read: Snapshot | None = None
        self._read_rev = 0
        self._counts: JSONObject = {}
        self._last_event = 0
        people.acts.listeners.append(self._tell)
        runs.listeners.append(self._tell)

    def state(self) -> JSONObject:
        """Say how things are, as plain values that JSON can hold. No I/O: see `load`.

        Returns
        -------
        dict
            ``rev`` (another one: rows have to be asked for again), ``closed``, ``undo`` (what would be undone; None:
            nothing) and its ``undo_id``, ``composed`` (requirements), ``names`` of qualifications, and how many
            ``workers`` (and ``simulated`` ones beside them) and ``qualifications`` there are,
            how many ``blocked`` and ``below_minimum`` (None until
            `load`).
        """
        last = self._people.acts.last()
        composed = [one.to_dict() for one in self._people.qualifications.composed]
        known: JSONObject = {
            "workers": None,
            "simulated": None,
            "qualifications": None,
            "blocked": None,
            "below_minimum": None,
            "names": [],
        }
        return {
            "v": 1,
            "rev": self._rev,
            "closed": self._runs.is_closed,
            "undo": None if last is None else tell(last),
            "undo_id": None if last is None else last.act_id,
            "composed": composed,
            **known,
            **self._counts,
        }

    async def load(self) -> None:
        """Read, in a thread, what is counted."""
        await self._in_turn(self.read)
        self._tell_views()

    def read(self) -> None:
        """Read what is counted, unless it is known; blocks."""
        self._counts = self.snapshot().counts()

    @property
    def _answering(self) -> Answering:
        return {
            "look": self._look,
            "required": self._required,
            "rows": self._rows,
            "ids": self._ids,
            "worker": self._worker,
            "compose": self._compose,
            "preview": self._preview,
            "act": self._act,
            "undo": self._undo,
        }

    def snapshot(self) -> Snapshot:
        """Return what is read of the database since the last change; what is asked of it first it reads, and blocks."""
        if self._read is None or self._read_rev != self._rev:
            self._read, self._read_rev = Snapshot(self._people, self._last_event), self._rev
            self._last_event = self._read.last_event
        return self._read

    def table(self, name: str, of: str = "") -> Table:
        """Return a table as the database has it now; may block."""
        return self.snapshot().table(name, of)

    # -- answers ---------------------------------------------------------------------------------------------

    async def _look(self, args: JSONObject) -> JSON:
        """Look whether another process has changed something; cheap: one number, and where it differs one row."""
        database = self._people.acts.database
        last, of_people = await in_thread(database.people.find_people_news, self._last_event)
        if of_people:
            self._tell()
        self._last_event = last
        return None

    def _window(self, args: JSONObject) -> JSONObject:
        rev, snapshot = self._rev, self.snapshot()
        table = snapshot.table(str(args.get("table")), str(args.get("of") or ""))
        self._counts = snapshot.counts()
        window = table.window(query_from(args), int(args.get("start") or 0), int(args.get("count") or 100))
        return {**window, "rev": rev, "counts": self._counts}

    async def _rows(self, args: JSONObject) -> JSON:
        before = self._counts
        found = await super()._rows(args)
        if self._counts != before:
            self._tell_views()
        return found

    async def _required(self, args: JSONObject) -> JSON:
        """Say which runs that have not ended ask for a qualification, as the database has them now; "": none does."""
        return await in_thread(self._people.qualifications.required_by, str(args.get("name")))

    async def _ids(self, args: JSONObject) -> JSON:
        table = await self._in_turn(self.table, str(args.get("table")), str(args.get("of") or ""))
        ids: list[str] = table.find(query_from(args))["worker_id"].tolist()
        return ids

    async def _worker(self, args: JSONObject) -> JSON:
        return await self._in_turn(self._describe_worker, str(args.get("worker_id")))

    def _describe_worker(self, worker_id: str) -> JSONObject:
        workers = self.table("workers").frame
        rows = workers[workers["worker_id"] == worker_id]
        if rows.empty:
            raise ConfigError("This worker is not in the database any more.")
        notes = self._people.workers.notes()
        return {
            "worker": to_json(rows)[0],
            "notes": to_json(notes[notes["worker_id"] == worker_id][::-1]),
            "history": to_json(self.snapshot().history(worker_id=worker_id).head(50)),
        }

    async def _compose(self, args: JSONObject) -> JSON:
        """Keep the requirements that somebody composes, and say who would pass."""
        composed = [requirement_from_dict(one) for one in args.get("requirements") or []]
        if composed != self._people.qualifications.composed:
            self._people.qualifications.composed = composed
            self.snapshot().forget("eligibility")
            self._tell_views()
        frame = (await self._in_turn(self.table, "eligibility")).frame
        reasons = Counter(frame["reason"].dropna()).most_common(6)
        return {"passes": int(frame["passes"].sum()), "all": len(frame), "reasons": [list(one) for one in reasons]}

    async def _preview(self, args: JSONObject) -> JSON:
        action, arguments = _read(args)
        if action in ON_WORKERS:
            return await in_thread(self._people.workers.preview, action, **arguments)
        return await in_thread(self._people.qualifications.preview, action, **arguments)

    async def _act(self, args: JSONObject) -> JSON:
        action, arguments = _read(args)
        owner: Any = self._people.workers if action in ON_WORKERS else self._people.qualifications
        return await self._told(await getattr(owner, action)(**arguments))

    async def _told(self, outcome: ActOutcome) -> str:
        """Say what was done, when what is counted has been read anew: the numbers beside it are those after it."""
        await self.load()
        return tell(outcome)

    async def _undo(self, args: JSONObject) -> JSON:
        """Take back what the button names, be it an act on qualifications or on workers, and nothing else."""
        act_id = args.get("act_id")
        outcome = await self._people.acts.undo(act_id=None if act_id is None else str(act_id))
        return await self._told(outcome)


def people_model_of(people: People, runs: Runs) -> PeopleModel:
    """Return the model of an operator's people: one for each, made when it is first asked for."""
    known = people.watched_by
    if not isinstance(known, PeopleModel):
        known = people.watched_by = PeopleModel(people, runs)
    return known


class Snapshot:
    """Tables of people, each read when it is first asked for.

    Parameters
    ----------
    people
        Of whom.
    last_event
        How far the event log was known to go before.
    """

    def __init__(self, people: People, last_event: int) -> None:
        self._people = people
        self._tables: dict[tuple[str, str], Table] = {}
        #: How far the event log went before anything was read here: what comes later is news.
        self.last_event, _ = people.acts.database.people.find_people_news(last_event)

    def table(self, name: str, of: str = "") -> Table:
        """Return a table: workers, qualifications, grants, eligibility; and `of` one qualification, holders or history.

        Raises
        ------
        ConfigError
            There is no such table.
        """
        if (name, of) not in self._tables:
            self._tables[name, of] = self._make(name, of)
        return self._tables[name, of]

    def forget(self, name: str) -> None:
        """Read a table anew when it is next asked for."""
        self._tables.pop((name, ""), None)

    def counts(self) -> JSONObject:
        """Return how many there are, and the names of qualifications."""
        workers, qualifications = self.table("workers").frame, self.table("qualifications").frame
        return {
            "workers": int((~workers["simulated"]).sum()),
            "simulated": int(workers["simulated"].sum()),
            "blocked": int(workers["blocked"].sum()),
            "below_minimum": int(workers["below_minimum"].sum()),
            "qualifications": len(qualifications),
            "names": qualifications["qualification_name"].head(MOST_NAMES).tolist(),
        }

    def history(self, *, qualification_name: str | None = None, worker_id: str | None = None) -> pd.DataFrame:
        """Return the newest of what was done, newest first."""
        database = self._people.acts.database
        events = database.people.read_people_events(
            qualification_name=qualification_name, worker_id=worker_id, newest=MOST_HISTORY
        )
        return history_frame(events, database.people.read_workers())[::-1]

    def _make(self, name: str, of: str) -> Table:
        if name == "workers":
            return self._make_workers()
        if name == "qualifications":
            return self._make_qualifications()
        if name == "grants":
            return Table(self._people.qualifications.grants(), ("worker_name",))
        if name == "holders":
            grants = self.table("grants").frame
            return Table(grants[grants["qualification_name"] == of], ("worker_name", "provider_type"))
        if name == "history":
            return Table(self.history(qualification_name=of), ("worker_name", "why", "who"))
        if name == "eligibility":
            frame = self._people.qualifications.who_would_qualify()
            frame["fails"] = ~frame["passes"]
            return Table(frame, ("worker_name", "reason"))
        raise ConfigError(f"There is no table {name!r}.")

    def _make_workers(self) -> Table:
        frame = self._people.workers.frame()
        frame["noted"] = frame["notes"] > 0
        frame = frame.sort_values("simulated", kind="stable")  # people first
        return Table(frame, ("worker_name", "provider_type", "qualifications"))

    def _make_qualifications(self) -> Table:
        frame = self._people.qualifications.frame()
        live = self._people.acts.database.runs.find_runs(live=True)
        required = [[run.task_name for run in live if requires(run, one)] for one in frame["qualification_name"]]
        frame["required_by"] = pd.Series([", ".join(dict.fromkeys(names)) for names in required], dtype=object)
        return Table(frame, ("qualification_name", "description"))


def _read(args: JSONObject) -> tuple[str, JSONObject]:
    """Read an action and its arguments: workers are chosen by their ids, or named."""
    action, arguments = str(args.get("action")), dict(args.get("args") or {})
    if action not in ON_QUALIFICATIONS + ON_WORKERS:
        raise ConfigError(f"A panel cannot {action!r}.")
    if "worker_ids" in arguments:
        arguments["workers"] = pd.DataFrame({"worker_id": arguments.pop("worker_ids")})
    return action, arguments


Column = tuple[str, Callable[[Mapping[str, Any]], str]]


def _range(row: Mapping[str, Any]) -> str:
    low, high = row["lowest"], row["highest"]
    return UNKNOWN if low is None else f"{low}" if low == high else f"{low} to {high}"


def _held(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{plain(name)} {value}" for name, value in row["qualifications"].items()) or UNKNOWN


def _marks(row: Mapping[str, Any]) -> str:
    return "".join(f" ({mark})" for mark in ("simulated", "blocked") if row[mark])


def _hourly(row: Mapping[str, Any]) -> str:
    currency = row["currency"] or DEFAULT_CURRENCY
    warning = f" (below {money(row['minimum_hourly_pay'], currency)})" if row["below_minimum"] else ""
    return money(row["hourly_pay"], currency) + warning


_QUALIFICATIONS: tuple[Column, ...] = (
    ("Qualification", lambda row: plain(row["qualification_name"])),
    ("Holders", lambda row: f"{row['holders']:,}"),
    ("Values", _range),
    ("Description", lambda row: plain(row["description"]) or UNKNOWN),
)
_WORKERS: tuple[Column, ...] = (
    (
        "Worker",
        lambda row: (
            plain(row["worker_name"])
            + (" (simulated)" if row["simulated"] else "")
            + (" (blocked)" if row["blocked"] else "")
        ),
    ),
    ("Crowd", lambda row: plain(row["provider_type"])),
    ("Units", lambda row: f"{row['units']:,}"),
    ("Approved", lambda row: f"{row['approved']:,}"),
    ("Median time", lambda row: duration(row["median_seconds"])),
    ("Pay an hour", _hourly),
    ("Qualifications", _held),
)


def draw_qualifications(model: PeopleModel) -> dict[str, str]:
    """Draw the qualifications as they are now, by type: a page, and plain text."""
    first = "await operator.qualifications.create('careful', 'reads twice')"
    return _draw(model, "qualifications", "qualification", _QUALIFICATIONS, first)


def draw_workers(model: PeopleModel) -> dict[str, str]:
    """Draw the workers as they are now, by type: a page, and plain text."""
    return _draw(model, "workers", "worker", _WORKERS, "run = await operator.launch_task_run(config, shared_state)")


def _draw(model: PeopleModel, table: str, one: str, columns: Sequence[Column], first: str) -> dict[str, str]:
    frame = model.table(table).find(Query())
    rows = [[words(row) for _, words in columns] for row in to_json(frame.head(ROWS_KEPT))]
    values = {
        "title": f"{one}s".capitalize(),
        "counted": _count_people(frame, one),
        "names": [name for name, _ in columns],
        "rows": rows,
        "more": len(frame) - len(rows),
        "frame": f"operator.{table}.frame()",
        "first": first,
        "taken_at": time(),
    }
    return render_table(values)


def _count_people(frame: pd.DataFrame, one: str) -> str:
    simulated = int(frame["simulated"].sum()) if "simulated" in frame else 0
    return count(len(frame) - simulated, one) + (f", and {simulated:,} simulated" if simulated else "")


#: The panels, each part after those that it needs.
PEOPLE = FrontEnd(
    "People",
    (
        "words", "dom", "link", "place", "dialogs", "grid", "ask", "heading", "mount", "compose", "qualifications",
        "workers", "panels",
    ),
    ("base", "dashboard", "panels", "people"),
)  # fmt: skip


class PeoplePanel:
    """The panel of one topic, over the model of an operator's people.

    Parameters
    ----------
    people, runs
        Of whom, and the runs of the same operator.
    topic
        ``qualifications`` or ``workers``.
    """

    def __init__(self, people: People, runs: Runs, topic: str) -> None:
        self._people, self._runs, self._topic = people, runs, topic
        self._saved = SavedDisplays()
        listen_weakly(runs.writer.listeners, WeakMethod(self._hear))

    @property
    def panel_model(self) -> PeopleModel:
        """What the panel knows, and answers."""
        return people_model_of(self._people, self._runs)

    @cached_property
    def model(self) -> Any:
        """The widget."""
        return make_model(self._topic, self._find, PEOPLE)

    async def _find(self, topic: str) -> Subject:
        return Subject(self.panel_model)

    def bundle(self) -> dict[str, Any]:
        """Return the panel in all its forms; the widget's comes first."""
        still = _DRAWN[self._topic](self.panel_model)
        return still_or_live(still, lambda: self.model)

    def show(self) -> None:
        """Put the panel out so that it can be put out anew; raise `NotImplementedError` where IPython does."""
        show_saved(self._saved, self.bundle)

    def _hear(self, changes: Changes) -> None:
        self._saved.renew_soon(self._draw_anew)

    async def _draw_anew(self) -> dict[str, Any]:
        still = await self.panel_model.draw(_DRAWN[self._topic])
        return still_or_live(still, lambda: self.model)


_DRAWN = {"qualifications": draw_qualifications, "workers": draw_workers}
