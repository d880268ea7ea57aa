"""What stays of a display where no kernel is: what it says in words, the templates that draw it, and its renewal.

A notebook is written by the page that shows it, not by the kernel. What the kernel can do is to put out once more,
under the same display id; a page that has been open since takes the new one in place of the old, and keeps that when it
saves. A page that was reloaded in between does not, and neither does a file that no page has open. So it is put out
anew a moment after something has changed, as nobody knows when a kernel will be gone; and once more when a run has
ended, and when nothing will change any more. The page sees nothing of it: its live view is in the place of the still.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader

from mephisto_nb._typing import JSONObject
from mephisto_nb.display.widgets.widget import ViewTasks, can_be_live
from mephisto_nb.display.words import ago, count, duration, moment, money, number, plain, price, tied
from mephisto_nb.model.states import UnitStatus

#: HTML is escaped, text is not: worker and researcher text never becomes markup.
templates = Environment(
    loader=PackageLoader("mephisto_nb.display"),
    autoescape=lambda name: name is not None and name.endswith(".html"),
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters["tied"] = tied


#: How long after a change what notebooks keep is drawn anew, in seconds: as soon as that, and as seldom.
RENEWAL = 10.0


class SavedDisplays:
    """The places in notebooks where one thing was shown."""

    def __init__(self) -> None:
        self._display_ids: list[str] = []
        self._shown: object = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = ViewTasks()

    def show(self, bundle: dict[str, Any], what: object = None) -> None:
        """Put it out, by type, under an id of its own; `what` is what it shows, to know whether that has changed."""
        self._display_ids.append(secrets.token_hex(8))
        self._shown = what if len(self._display_ids) == 1 else None  # each place may show another moment
        _publish(bundle, self._display_ids[-1], update=False)

    def renew(self, draw: Callable[[], dict[str, Any]], what: Callable[[], object] = object) -> None:
        """Draw it and put it out anew wherever it was put out, unless it would show the same."""
        if not self._display_ids or (now := what()) == self._shown:
            return
        bundle, self._shown = draw(), now
        self._put_out(bundle)

    def renew_soon(self, draw: Callable[[], Coroutine[Any, Any, dict[str, Any]]], delay: float = RENEWAL) -> None:
        """Draw it and put it out anew after a while, together with what changes until then. Called on a loop."""
        if self._display_ids and self._timer is None and (loop := asyncio._get_running_loop()) is not None:
            self._timer = loop.call_later(delay, self._draw, draw)

    def _draw(self, draw: Callable[[], Coroutine[Any, Any, dict[str, Any]]]) -> None:
        self._timer = None
        self._tasks.start(draw(), lambda bundle, _: None if bundle is None else self._put_out(bundle))

    def _put_out(self, bundle: dict[str, Any]) -> None:
        for display_id in self._display_ids:
            _publish(bundle, display_id, update=True)


def show_saved(saved: SavedDisplays, draw: Callable[[], dict[str, Any]], what: Callable[[], object] = object) -> None:
    """Put something out so that it can be put out anew; where there is no kernel, IPython shows it by itself."""
    if not can_be_live():
        raise NotImplementedError
    saved.show(draw(), what())


def _publish(bundle: dict[str, Any], display_id: str, update: bool) -> None:
    from IPython.display import publish_display_data

    publish: Any = publish_display_data
    publish(bundle, transient={"display_id": display_id}, update=update)


#: So many rows of a table stay.
ROWS_KEPT = 20


def render_table(values: Mapping[str, Any]) -> dict[str, str]:
    """Render the first rows of a table, by type: a page, and plain text; every value is escaped."""
    values = {**values, "taken_at": moment(values["taken_at"])}
    return {
        "text/plain": templates.get_template("people.txt").render(values),
        "text/html": templates.get_template("people.html").render(values),
    }


#: What each status is called on a display, in the order of a unit's life.
LABELS = {
    UnitStatus.CREATED: "queued",
    UnitStatus.LAUNCHED: "open",
    UnitStatus.ASSIGNED: "at work",
    UnitStatus.COMPLETED: "to review",
    UnitStatus.ACCEPTED: "accepted",
    UnitStatus.SOFT_REJECTED: "soft-rejected",
    UnitStatus.REJECTED: "rejected",
    UnitStatus.EXPIRED: "expired",
}
#: What the state of a run is called.
STATES = {"ended": "finished", "detached": "not taken up", "left": "not taken up"}
#: What it is called where another kernel drives it.
ELSEWHERE = "driven elsewhere"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that needs attention, and what to do about it."""

    severity: str
    reason: str
    remedy: str

    @property
    def heading(self) -> str:
        """What it is: a mere note, or more."""
        return "Note" if self.severity == "info" else "Needs attention"


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run at one moment."""

    task_name: str
    title: str
    task_run_id: str
    status: str
    url: str
    has_own_links: bool
    entry_url: str
    entry_words: str
    answered: int
    total: int
    expired: int
    working: int
    counts: list[tuple[str, int]]
    taken_at: str
    elapsed: str = ""
    as_of: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    newest: list[tuple[str, str, str]] = field(default_factory=list)
    attention: list[Alert] = field(default_factory=list)
    absence: str = ""
    next_steps: list[tuple[str, str]] = field(default_factory=list)
    is_elsewhere: bool = False

    @property
    def percent(self) -> int:
        """How much is answered, in whole percent."""
        return 100 * self.answered // self.total if self.total else 0

    @property
    def is_open(self) -> bool:
        """Whether workers can come, or go on."""
        return self.status in ("live", "paused", "closing")

    @property
    def state_name(self) -> str:
        """What the run's state is called."""
        return ELSEWHERE if self.is_elsewhere else STATES.get(self.status, self.status)

    @property
    def working_words(self) -> str:
        """How many workers are at work, in words."""
        return f"{count(self.working, 'worker')} at work"


def summarize(state: JSONObject) -> RunSummary:
    """Put a run's state (`RunWatch.state`) into words."""
    run, units = state["run"], state["units"]
    return RunSummary(
        task_name=plain(run["name"]),
        title=plain(run["title"]) if run["title"] != run["name"] else "",
        task_run_id=run["id"],
        status=run["status"],
        url=plain(run["url"] or ""),
        has_own_links=run["has_own_links"],
        entry_url=plain(run["worker_url"] or "") if run["entry_words"] else "",
        entry_words=plain(run["entry_words"]),
        answered=units["answered"],
        total=units["total"],
        expired=units["expired"],
        working=state["people"]["at_work"],
        counts=[(label, units[status.value]) for status, label in LABELS.items() if units[status.value]],
        taken_at=moment(run["now"]),
        elapsed=_elapsed(run),
        as_of="" if run["as_of"] is None else f"as of {ago(run['now'] - run['as_of'])}",
        facts=[fact for fact in _facts(state) if fact[1]],
        newest=[
            (plain(one["preview"] or ""), plain(one["worker"]), ago(max(0.0, run["now"] - one["at"])))
            for one in state["newest"]
        ],
        attention=[Alert(one["severity"], plain(one["reason"]), plain(one["remedy"])) for one in state["attention"]],
        absence=plain(run["absence"] or ""),
        next_steps=[(step["code"], step["words"]) for step in state["next"]],
        is_elsewhere=run.get("driver") is not None,
    )


def _elapsed(run: JSONObject) -> str:
    if run["launched_at"] is None:
        return ""
    if run["ended_at"] or run["status"] == "done":
        return f"ran for {duration((run['ended_at'] or run['now']) - run['launched_at'])}"
    if run["paused_at"] is not None:
        return f"for {duration(run['now'] - run['paused_at'])}"
    return f"launched {ago(run['now'] - run['launched_at'])}"


def _facts(state: JSONObject) -> list[tuple[str, str]]:
    status = state["run"]["status"]
    return [
        ("Pace", _pace(state["pace"], status == "paused")),
        ("Time left", _time_left(state["pace"])),
        ("Cost", _cost(state["money"], status in ("done", "ended"))),
        ("Budgets" if len(state["budgets"]) > 1 else "Budget", _budgets(state["budgets"])),
        ("Pay by the hour", _pay(state["money"])),
        ("People", _people(state["people"], "came" if state["run"]["ended_at"] else "came so far")),
    ]


def _pace(pace: JSONObject, is_paused: bool) -> str:
    if pace["per_hour"] is None:
        return ""
    median = pace["median_seconds"]
    a_unit = "" if median is None else f"; {duration(median)} a unit (median)"
    rate = "paused" if is_paused else f"{number(pace['per_hour'])} units an hour"
    return f"{rate}{a_unit}"


def _time_left(pace: JSONObject) -> str:
    left, low, high = (pace[name] for name in ("seconds_left", "seconds_left_low", "seconds_left_high"))
    if not left:
        return ""
    return duration(left) + ("" if low is None else f", likely {duration(low)} to {duration(high)}")


def _cost(all_money: JSONObject, is_over: bool) -> str:
    def write(name: str) -> str:
        return price(all_money[name], all_money["currency"])

    fees = sum(fee or 0 for fee in all_money["fees"].values())
    estimated = ", partly an estimate" if 0 < all_money["fees_estimated"] < fees else ""
    about = ", an estimate" if all_money["fees_estimated"] and not estimated else estimated
    in_it = f", fees of {price(fees, all_money['currency'])} in it{about}" if fees else ""
    if is_over:
        parts = [f"{write('spent')} in all{in_it}"]
    else:
        parts = [f"{write('spent')} so far of {write('total')} if all units are answered{in_it}"]
        parts += [f"{write(name)} {label}" for name, label in _PARTS.items() if all_money[name]]
    booked = [f"{write(name)} {label}" for name, label in _BOOKED.items() if all_money["is_read"] and all_money[name]]
    if booked:
        parts.append(f"without fees {', '.join(booked)}")
    if all_money["beside"]:
        parts.append(f"{write('beside')} of it are bonuses and the like")
    return "; ".join([*parts, *filter(None, [all_money["unpaid"]])])


def _budgets(budgets: Sequence[JSONObject]) -> str:
    return "; ".join(map(_budget, budgets))


def _budget(budget: JSONObject) -> str:
    """Say what is gone of a budget."""
    limit, spent, committed, free = (price(abs(budget[name]), budget["currency"]) for name in _OF_BUDGET)
    name = plain(budget["name"])
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    named = "this run" if budget["scope"] == "run" else f"{budget['scope']} {short}"
    left = f"{free} free" if budget["free"] >= 0 else f"nothing free, {free} too much"
    return f"{named}: {limit} ({budget['currency']}), {spent} spent, {committed} committed, {left}"


#: So many characters of a task's name are written beside its budget.
_LONGEST_NAME = 40
_OF_BUDGET = ("limit", "spent", "committed", "free")


def cost_of(listed: JSONObject) -> str:
    """Say what a run of a list, or all of one currency, cost so far, and in all; nothing where that is not read yet."""
    spent, whole = listed["spent"], listed["whole_cost"]
    if whole is None:
        return ""
    known = [price(amount, listed["currency"]) for amount in ([spent] if spent == whole else [spent, whole])]
    return " of ".join(known)


_PARTS = {"committed": "in progress", "to_come": "not begun"}
#: Where what is spent stands in the ledger, and what is in none yet.
_BOOKED = {"paid": "paid", "asked": "being asked for", "owed": "owed", "undecided": "to be decided on"}


def _pay(all_money: JSONObject) -> str:
    if all_money["per_hour"] is None or not all_money["reward"]:
        return ""
    minimum, currency = all_money["minimum_per_hour"], all_money["currency"]
    words = f"{money(all_money['per_hour'], currency)} an hour (median)"
    if not minimum:
        return words
    words += f", {'BELOW' if all_money['below_minimum'] else 'above'} the minimum of {money(minimum, currency)}"
    below = f"; {all_money['below']:,} of {count(all_money['timed'], 'answer')} earned less"
    return words + (below if all_money["below"] else "")


def _people(people: JSONObject, came: str) -> str:
    if not people["seen"]:
        return ""
    names = ", ".join(plain(one["worker"]) for one in people["rows"][:8])
    more = f" and {people['at_work'] - 8:,} more" if people["at_work"] > 8 and names else ""
    here = f"; at work: {names}{more}" if names else ""
    return f"{count(people['seen'], 'person', 'people')} {came}{here}"
