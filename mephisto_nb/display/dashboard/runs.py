"""All runs of an operator's database: those of this kernel, those that wait to be taken up, and past ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.dashboard.moment import describe_money
from mephisto_nb.display.dashboard.statistics import RunningMedian
from mephisto_nb.display.dashboard.watch import watch
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.money import Money, totals
from mephisto_nb.model.records import RunPay, TaskRun
from mephisto_nb.model.states import UNIT_ANSWERED
from mephisto_nb.money.costs import terms_of
from mephisto_nb.runs import Runs
from mephisto_nb.utils import steady_time
from mephisto_nb.utils.logging import tell


class RunList:
    """Lists the runs of an operator. Use `run_list`, which makes one list for each.

    Parameters
    ----------
    runs
        The runs.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        #: Called on the loop, cheaply, whenever `state` may have changed.
        self.on_change: list[Callable[[], None]] = []
        self._stored: list[JSONObject] = []
        self._followed: list[RunFrames] = []
        runs.listeners.append(self._tell)

    def state(self) -> JSONObject:
        """Say which runs there are, as plain values that JSON can hold. No I/O: see `load`.

        Those that need attention come first, then those that go on, then those that could be taken up; newest first.

        Returns
        -------
        dict
            ``now``, ``closed`` (whether the operator is), and ``runs``: ``id``, ``name``, ``title``, ``status``
            (the run's; ``left`` where it lives, but was not taken up here), ``driver`` (which other
            kernel drives it), ``answered`` and ``total`` (units;
            None until `load`), ``spent`` and ``whole_cost`` (what the run costs so far, and if all its
            units are answered, in ``currency`` with fees; None until `load`), ``at_work`` (workers; None where only a
            router knows), ``launched_at``, ``ended_at`` (epoch seconds), and ``attention``: how many things need some,
            mere notes left out. ``sums`` beside ``runs`` holds ``spent`` and ``whole_cost`` of all runs, once for
            each ``currency`` of which they are known of any run.
        """
        self._follow()
        own = [_describe_own(run) for run in self._runs.own()]
        known = {row["id"] for row in own}
        # The database was read at some time, and knows of runs that have been taken up or have ended since.
        stored = [row for row in self._stored if row["id"] not in known]
        known |= {row["id"] for row in stored}
        left = [_describe_stored(run, None, None) for run in self._runs.left_behind if run.task_run_id not in known]
        drivers = self._runs.drivers
        rows = sorted([*own, *stored, *left], key=_place)
        rows = [{**row, "driver": drivers.get(row["id"]) if row["status"] == "left" else None} for row in rows]
        return {"v": 1, "now": steady_time.now(), "closed": self._runs.is_closed, "runs": rows, "sums": _sums(rows)}

    async def load(self) -> None:
        """Read all runs from the database, in a thread: a few queries, however many runs there are.

        Raises
        ------
        DatabaseError
            The database cannot be read.
        """
        if self._runs.is_closed:
            return
        found, drivers = await in_thread(lambda: (self._runs.read(), self._runs.find_drivers()))
        self._take_in(found, drivers)
        for run in self._runs.own():
            if not (run.live and run.live.is_running):
                await watch(run).load()

    def refresh(self) -> None:
        """Read the same; blocks. For what is drawn at once.

        Raises
        ------
        DatabaseError
            The database cannot be read.
        """
        if not self._runs.is_closed:
            self._take_in(self._runs.read(), self._runs.find_drivers())
        for run in self._runs.own():
            if not (run.live and run.live.is_running):
                watch(run).refresh()

    def _take_in(
        self, found: list[tuple[TaskRun, Mapping[str, int], RunPay]], drivers: Mapping[str, str | None]
    ) -> None:
        stored = [_describe_stored(*one) for one in found]
        if (stored, drivers) != (self._stored, self._runs.drivers):
            self._stored, self._runs.drivers = stored, dict(drivers)
            self._tell()

    def close(self) -> None:
        """Follow the operator no longer. May be called twice."""
        self.on_change.clear()
        if self._tell in self._runs.listeners:
            self._runs.listeners.remove(self._tell)
        for run in self._followed:
            callbacks = watch(run).on_change
            if self._tell in callbacks:
                callbacks.remove(self._tell)
        self._followed.clear()
        if self._runs.watched_by is self:
            self._runs.watched_by = None

    def _follow(self) -> None:
        for run in self._runs.own():
            if run not in self._followed:
                self._followed.append(run)
                watch(run).on_change.append(self._tell)

    def _tell(self) -> None:
        tell(self.on_change)


def run_list(runs: Runs) -> RunList:
    """Return the list of an operator's runs: one per operator, made when it is first asked for."""
    if not isinstance(runs.watched_by, RunList):
        runs.watched_by = RunList(runs)
    return runs.watched_by


def _sums(rows: list[JSONObject]) -> list[JSON]:
    known = [row for row in rows if row["spent"] is not None and row["whole_cost"] is not None]
    sums = {
        name: totals(Money.nearest(row[name], row["currency"]) for row in known) for name in ("spent", "whole_cost")
    }
    return [
        {"currency": currency, **{name: float(amounts[currency]) for name, amounts in sums.items()}}
        for currency in sums["spent"]
    ]


def _describe_own(run: RunFrames) -> JSONObject:
    state = watch(run).state()
    about, units = state["run"], state["units"]
    return {
        **{name: about[name] for name in ("id", "name", "title", "status", "launched_at", "ended_at")},
        **{name: units[name] for name in ("answered", "total")},
        "spent": state["money"]["spent"],
        "whole_cost": state["money"]["total"],
        "currency": state["money"]["currency"],
        "at_work": state["people"]["at_work"],
        "attention": sum(notice["severity"] != "info" for notice in state["attention"]),
    }


#: Where the states of a run stand in a list; all others come after them.
_PLACES = {"failed": 0, "live": 0, "paused": 0, "closing": 0, "left": 1, "detached": 1}


def _place(row: JSONObject) -> tuple[bool, int, float]:
    return not row["attention"], _PLACES.get(row["status"], 2), -float(row["launched_at"])


def _describe_stored(run: TaskRun, counts: Mapping[str, int] | None, pay: RunPay | None) -> JSONObject:
    money = {} if pay is None else _cost_of(run, pay)
    answered = None if counts is None else sum(counts.get(status.value, 0) for status in UNIT_ANSWERED)
    total = None if counts is None else sum(counts.values())
    is_left = run.ended_at is None
    return {
        "id": run.task_run_id,
        "name": run.task_name,
        "title": str(run.config["mephisto"]["task"].get("task_title", run.task_name)),
        "status": "left" if is_left else "ended",
        "launched_at": run.created_at,
        "ended_at": run.ended_at,
        "answered": answered,
        "total": total,
        "spent": money.get("spent"),
        "whole_cost": money.get("total"),
        "currency": run.currency,
        "at_work": None if is_left else 0,
        "attention": 0,
    }


def _cost_of(run: TaskRun, pay: RunPay) -> JSONObject:
    nothing = Money(0, run.currency)
    return describe_money(pay, terms_of(run), nothing, RunningMedian(), nothing)
