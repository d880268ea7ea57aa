"""Follows one run, and says at any moment how it is: the numbers of its dashboard.

A live run is followed by the steps of its engine. What is decided and paid, of which no step tells, is read anew when
`News` comes of it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from weakref import WeakMethod

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.dashboard.attention import describe_attention
from mephisto_nb.display.dashboard.moment import (
    FromBooks,
    Moment,
    describe_budgets,
    describe_money,
    describe_newest,
    describe_people,
    describe_unpaid,
)
from mephisto_nb.display.dashboard.statistics import RunStatistics
from mephisto_nb.errors import ConfigError, MephistoError, NotFoundError
from mephisto_nb.frames.run_frames import RunFrames
from mephisto_nb.kernel.run_tasks import find_driver
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import AddPayment, AddReview, ChangePayment, Changes
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import KnownPayment, RunPay
from mephisto_nb.model.states import UNIT_ANSWERED, AgentStatus, PaymentStatus, UnitStatus
from mephisto_nb.model.task_run_args import stored_task_pay, stored_visit_rules, unit_share
from mephisto_nb.model.visits import VisitRules
from mephisto_nb.money.budget import budgets_of
from mephisto_nb.money.costs import CostTerms
from mephisto_nb.money.fees import crowd_fees
from mephisto_nb.ports.clock import Timer
from mephisto_nb.rules.run_state import RunRules, RunState, state_from_snapshot
from mephisto_nb.rules.steering import limits_of
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger, listen_weakly, tell

logger = get_logger(__name__)

_TELLING = (AddReview, AddPayment, ChangePayment)


class News:
    """Has something be read anew whenever a decision or a payment was committed in this kernel.

    Many in a row are read together; what comes while nobody looks is left to whoever looks next.

    Parameters
    ----------
    run
        Of which run.
    read
        Reads; awaited on the loop of whoever committed, one call at a time.
    is_wanted
        Tells whether somebody looks.
    """

    def __init__(self, run: RunFrames, read: Callable[[], Awaitable[None]], is_wanted: Callable[[], bool]) -> None:
        self._task_run_id = run.task_run.task_run_id
        self._read, self._is_wanted = read, is_wanted
        self._has_come = False
        self._reading: asyncio.Task[None] | None = None
        # The writer outlives most of those who watch: it must not keep them.
        self._forget = [
            listen_weakly(run.writer.listeners, WeakMethod(self._hear)),
            listen_weakly(run.writer.call_listeners, WeakMethod(self._read_soon)),
        ]

    def close(self) -> None:
        """Hear of nothing any more. May be called twice."""
        for forget in self._forget:
            forget()
        if self._reading is not None:
            self._reading.cancel()

    def _hear(self, changes: Changes) -> None:
        is_about_it = changes.task_run_id in (self._task_run_id, None)
        if is_about_it and any(isinstance(one, _TELLING) for one in changes.changes):
            self._read_soon()

    def _read_soon(self) -> None:
        self._has_come = True
        if self._reading is None and self._is_wanted():
            loop = asyncio.get_running_loop()
            self._reading = loop.create_task(self._read_all(), context=contextvars.Context())

    async def _read_all(self) -> None:
        try:
            while self._has_come:
                self._has_come = False
                await self._read()
        except MephistoError:
            logger.exception("what was decided on run %s could not be read", self._task_run_id)
        finally:
            self._reading = None


#: How often those who look are told to look again while nothing happens: pace and times at work go on with the clock.
TICK = 5.0


@dataclass(frozen=True, slots=True)
class _Found:
    """What the database says of a run: of its units and pay, and where it could change by more than decisions, of all.

    `errors` are those that pages reported to other kernels; `driver` is the one that drives the run, if it is another.
    `payments` are all of the run's, by their keys.
    """

    counts: Mapping[str, int]
    pay: RunPay
    errors: Counter[str]
    is_driven: bool
    driver: str | None
    payments: Mapping[str, KnownPayment]
    books: FromBooks
    statistics: RunStatistics | None = None


class RunWatch:
    """Follows one run; cheap to ask.

    A live run is followed by the steps of its engine, each of which is taken in once; all numbers are those of
    committed steps, as `units()`, `agents()` and `results()` have them. Any other is read from the database when the
    watch is made, which blocks, and again by `load` and `refresh`: answers of a run that has ended are decided on, and
    paid. While somebody looks, what this kernel commits of that is read at once.

    Parameters
    ----------
    run
        Which one. Use `watch`, which makes one watch per run.

    Examples
    --------
    ``watch(run).state()["units"]["answered"]``
    """

    def __init__(self, run: RunFrames) -> None:
        self._run = run
        self._live = run.live
        #: Called on the loop, cheaply, whenever `state` may have changed.
        self.on_change: list[Callable[[], None]] = []
        self._statistics = RunStatistics(self._read_state())
        self._fee_rate = crowd_fees(run.task_run.provider_type).most
        self._books = FromBooks()
        self._old_errors: Counter[str] = Counter()
        self._read: tuple[object, ...] = ()
        self._driver: str | None = None
        self._is_loaded = self._is_closed = False
        self._turn = asyncio.Lock()
        self._news = News(run, self.load, lambda: bool(self.on_change))
        self._timer: Timer | None = None
        if self._live is not None:
            parts = self._live.parts
            parts.engine.listeners.append(self._on_step)
            parts.link.listeners.append(self._tell)
            parts.watch.listeners.append(self._tell)
            self._live.listeners.append(self._tell)

    # -- asking ----------------------------------------------------------------------------------------------

    def state(self) -> JSONObject:
        """Say how the run is now, as plain values that JSON can hold.

        Times are epoch seconds, amounts are in the currency of ``money``, durations are in seconds; what is not known
        is None. All text is plain: names and answers are workers' own words, to be escaped where they are shown.

        Returns
        -------
        dict
            ``run`` (``worker_url`` is where all workers come; None where each has their own link, ``has_own_links``;
            ``entry_words``: what is to be done with it where it holds what stands for a person's id at a crowd, or '';
            ``as_of``: since when the router was not reached, so that all numbers are of then; None: they are of now),
            ``units`` (how many have which status; ``total`` counts all), ``pace`` (see `pace`),
            ``money`` (see `display.dashboard.moment.describe_money`; ``per_hour`` is the median over all answers of
            pay by time at work;
            ``unpaid`` says which units cost nothing; ``is_read`` is False while a run's payments are known as of when
            it was taken up, and of its own steps: whether they were sent since is read by `load`),
            ``budgets`` (see `display.dashboard.moment.describe_budgets`; none until they were read),
            ``people`` and ``newest`` (see `people`), ``attention`` (see `attention`), ``limits`` in force, and
            ``rates``: the shares of workers who returned their unit, dropped out or ran out of time among those who
            answered or left, and how many errors pages reported, of how many workers. ``work``: how many assignments
            of a run's data are created yet (``what``, ``done``, ``total``); None once all are, or where none can tell.
            ``next``: what to do with a run that is over (``code``, and ``words`` on what it does).
        """
        live = self._live
        if live is not None and live.is_running and live.parts.engine.state is not self._statistics.state:
            self._statistics = RunStatistics(live.parts.engine.state)  # it was read again, after a failure
        moment = self._moment()
        money = self._money(moment)
        self._arm()
        return {
            "v": 1,
            "run": self._describe_run(moment),
            "units": _describe_units(moment),
            "pace": _describe_pace(moment),
            "money": money,
            "budgets": describe_budgets(moment),
            "people": describe_people(moment),
            "newest": describe_newest(moment, self._run.blueprint),
            "attention": describe_attention(moment, money),
            "limits": _describe_limits(self._statistics.rules),
            "rates": _describe_rates(moment),
            "work": self._describe_work(),
            "next": _describe_next(moment),
        }

    async def load(self) -> None:
        """Read, in a thread, what memory does not hold: what was decided and paid, page errors, the newest answers.

        Raises
        ------
        DatabaseError
            The database cannot be read.
        """
        async with self._turn:
            if self._take_in(await in_thread(self._look_up)):
                self._tell()

    def refresh(self) -> None:
        """Read the same; blocks. For what is drawn at once, of a run that this kernel drives no longer.

        Raises
        ------
        DatabaseError
            The database cannot be read.
        """
        if self._take_in(self._look_up()):
            self._tell()

    async def submission(self, agent_id: str) -> JSONObject:
        """Read one answer in full, in a thread.

        Returns
        -------
        dict
            ``agent_id``, ``worker``, ``unit`` (its short name), ``unit_id``, ``assignment`` (its index), ``status`` (of
            the unit), ``started_at``, ``at`` (when it came), ``seconds``, ``pay_amount`` and ``currency``, ``inputs``
            and ``answer`` (as the columns of `results`), and ``files``: the paths of what was sent along.

        Raises
        ------
        NotFoundError
            This agent has sent no answer in this run.
        """
        found = await in_thread(self._run.read_answers, [agent_id])
        if not found:
            raise NotFoundError(f"Agent {agent_id!r} has sent no answer in run {self._run.task_run_id}.")
        row = found[0]
        return {
            **{name: row[name] for name in ("agent_id", "unit_id", "status", "currency", "inputs", "answer")},
            "pay_amount": float(row["pay_amount"]),
            "worker": row["worker_name"],
            "unit": self._moment().label_of(row["unit_id"]),
            "assignment": row["assignment_index"],
            "started_at": row["accepted_at"],
            "at": row["submitted_at"],
            "seconds": None if row["submitted_at"] is None else row["submitted_at"] - row["accepted_at"],
            "files": row["paths"],
        }

    def close(self) -> None:
        """Follow the run no longer. May be called twice."""
        self.on_change.clear()
        self._news.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._run.watched_by is self:
            self._run.watched_by = None
        if self._live is not None and not self._is_closed:
            self._is_closed = True
            parts = self._live.parts
            parts.engine.listeners.remove(self._on_step)
            parts.link.listeners.remove(self._tell)
            parts.watch.listeners.remove(self._tell)
            self._live.listeners.remove(self._tell)

    # -- being told ------------------------------------------------------------------------------------------

    def _on_step(self, step: Step) -> None:
        if step.state is not self._statistics.state:
            self._statistics = RunStatistics(step.state)
        else:
            self._statistics.take(step)
        self._tell()

    def _tell(self) -> None:
        tell(self.on_change)

    def _arm(self) -> None:
        """Call the listeners again soon, for the clock alone changes some numbers."""
        if self._timer is not None or self._live is None or not self._live.is_running or not self.on_change:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return  # asked from elsewhere than the run's loop
        clock = self._live.parts.clock
        self._timer = clock.call_at(clock.now() + TICK, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._tell()

    # -- within ----------------------------------------------------------------------------------------------

    def _read_state(self) -> RunState:
        if self._live is not None:
            return self._live.parts.engine.state
        return state_from_snapshot(self._run.read_snapshot(), self._rules())

    def _rules(self) -> RunRules:
        if self._live is not None:
            return self._live.parts.engine.state.rules
        task, config = self._task_args(), self._run.task_run.config
        reward, visits = stored_task_pay(config).task_reward, stored_visit_rules(config)
        return RunRules(
            provider_type=self._run.task_run.provider_type,
            pay_amount=unit_share(reward, visits.units),
            task_reward=reward,
            visits=visits,
            maximum_units_per_worker=int(task.get("maximum_units_per_worker", 0)),
            max_num_concurrent_units=int(task.get("max_num_concurrent_units", 0)),
        )

    def _look_up(self) -> _Found:
        """Read how the run stands; all of it only where more may have happened than decisions. Blocks."""
        run, known, errors = self._run, self._statistics, self._old_errors
        # Asked first: what is read while the run goes on to its end is not how it ended.
        is_driven = self._live is not None and self._live.is_running
        counts = run.database.runs.count_units([run.task_run_id])[run.task_run_id]
        pay = run.database.reviews.read_pay([run.task_run_id])[run.task_run_id]
        if not self._is_loaded or (self._live is None and known.ended_at is None):  # another kernel may drive it
            errors = run.read_page_errors(self._live.parts.tally.since if self._live is not None else None)
        if not is_driven and (known.ended_at is None or _undecided(counts, pay) != _undecided(known.counts, known.pay)):
            known = RunStatistics(state_from_snapshot(run.read_snapshot(), self._rules()))
        missing = {one.agent.agent_id: one for one in list(known.newest) if one.data is one.preview is None}
        for row in run.database.runs.read_results([run.task_run_id], agent_ids=list(missing)) if missing else ():
            missing[row["agent_id"]].data = row["data"]
        driver = None if is_driven or self._run.task_run.is_imported else find_driver(run.directory)
        payments = run.database.reviews.load_payments(run.task_run_id)
        changed = None if known is self._statistics else known
        return _Found(counts, pay, errors, is_driven, driver, payments, self._look_up_books(payments), changed)

    def _look_up_books(self, payments: Mapping[str, KnownPayment]) -> FromBooks:
        asked = [one for one in payments.values() if one.status is PaymentStatus.SENDING]
        try:
            return FromBooks(asked, budgets_of(self._run.database, self._run.task_run, self._run.clock.now()))
        except ConfigError as error:
            return FromBooks(asked, trouble=str(error))

    def _take_in(self, found: _Found) -> bool:
        """Take in what was found; return whether that is anything new."""
        read = (found.pay, found.errors, found.payments, found.books)
        is_new = read != self._read or not self._is_loaded or found.statistics is not None
        is_new = is_new or found.driver != self._driver
        self._is_loaded, self._read, self._old_errors, self._driver = True, read, found.errors, found.driver
        self._books = found.books
        if found.is_driven:  # steps tell of the others
            self._statistics.settle(found.payments)
        else:
            self._statistics = found.statistics or self._statistics
            self._statistics.revise(found.counts, found.pay)
        return is_new

    def _task_args(self) -> JSONObject:
        task: JSONObject = self._run.task_run.config["mephisto"]["task"]
        return task

    def _moment(self) -> Moment:
        live, errors = self._live, self._old_errors
        if live is None:
            status = "detached" if self._statistics.ended_at is None else "ended"
            return Moment(self._run.clock.now(), status, self._statistics, None, errors, self._driver, self._books)
        if live.parts.tally.page_errors:
            errors = errors + live.parts.tally.page_errors
        status = self._statistics.stage if live.is_running else live.status
        return Moment(live.parts.clock.now(), status, self._statistics, live, errors, books=self._books)

    def _money(self, moment: Moment) -> JSONObject:
        minimum = stored_task_pay(self._run.task_run.config).minimum_hourly_pay
        one, rules = moment.statistics, moment.statistics.rules
        terms = CostTerms(rules.visit_pay, self._fee_rate, rules.visits or VisitRules())
        money = describe_money(one.pay, terms, rules.pay_amount, one.hourly, minimum)
        unpaid = describe_unpaid(Counter(moment.counts)) if rules.pay_amount else ""
        return {**money, "is_read": self._is_loaded or self._live is None, "unpaid": unpaid}

    def _describe_work(self) -> JSONObject | None:
        if self._live is None or self._statistics.generator_done or not self._live.is_running:
            return None
        done, total = self._live.parts.tally.created
        return None if total is None else {"what": "Creating units", "done": done, "total": total}

    def _describe_run(self, moment: Moment) -> JSONObject:
        run, live = self._run.task_run, self._live
        entry = None if live is None else live.parts.provider.get_entry_url(live.url)
        has_own_links = live is not None and entry is None and live.has_own_links
        return {
            "id": run.task_run_id,
            "name": run.task_name,
            "title": str(self._task_args().get("task_title", run.task_name)),
            "status": moment.status,
            "driver": moment.driver,
            "url": None if live is None else live.url,
            "worker_url": None if live is None or has_own_links else entry or live.url,
            "has_own_links": has_own_links,
            "entry_words": "" if live is None or entry is None else live.parts.provider.entry_words,
            "launched_at": run.created_at,
            "ended_at": moment.statistics.ended_at,
            "paused_at": moment.statistics.steering.paused_at if moment.status == "paused" else None,
            "as_of": moment.away_since,
            "now": moment.now,
            "blueprint": run.blueprint_type,
            "provider": run.provider_type,
            "link": "up" if live is not None and live.parts.link.is_connected else "down",
            "absence": "" if live is None else str(live.parts.link.absence),
        }


def watch(run: RunFrames) -> RunWatch:
    """Return the watch of a run: one per run, made when it is first asked for."""
    if not isinstance(run.watched_by, RunWatch):
        run.watched_by = RunWatch(run)
    return run.watched_by


def _describe_limits(rules: RunRules) -> JSONObject:
    return {name: float(limit) if isinstance(limit, Money) else limit for name, limit in limits_of(rules).items()}


def _undecided(counts: Mapping[str, int] | Mapping[UnitStatus, int], pay: RunPay) -> Counter[object]:
    """Count units, and visits, by what no decision changes: whether they are answered, and what they pay."""
    found: Counter[object] = Counter()
    for status, number in counts.items():
        found[_stage(UnitStatus(status))] += number
    for (status, amount), number in pay.units.items():
        found[_stage(status), amount] += number
    for one, number in pay.visits.items():
        found[one.reward, one.done, one.outcome] += number
    return +found


def _stage(status: UnitStatus) -> str:
    return "answered" if status in UNIT_ANSWERED else status.value


def _describe_units(moment: Moment) -> JSONObject:
    by_status: JSONObject = {status.value: moment.counts.get(status, 0) for status in UnitStatus}
    return {**by_status, "total": sum(by_status.values()), "answered": moment.num_answered}


def _describe_pace(moment: Moment) -> JSONObject:
    # The pace of a run that is over is that which it had.
    pace, now = moment.statistics.pace, moment.statistics.ended_at or moment.now
    may_tell = moment.status in ("live", "closing") and moment.statistics.generator_done
    left = pace.time_left(moment.num_open, now) if may_tell else None
    return {
        "per_hour": pace.per_hour(now),
        "seconds_left": None if left is None else left.seconds,
        "seconds_left_low": None if left is None else left.low,
        "seconds_left_high": None if left is None else left.high,
        "median_seconds": moment.statistics.seconds.value,
        "recent": pace.recent(now),
    }


def _describe_next(moment: Moment) -> list[JSON]:
    if moment.status not in ("done", "ended"):
        return []
    steps = [("run.results()", "gives the answers"), ('run.export("answers.csv")', "writes them to a file")]
    if moment.count(UnitStatus.COMPLETED):
        steps.insert(0, ("run.review()", "goes through the answers to decide on"))
    return [{"code": code, "words": words} for code, words in steps]


def _describe_rates(moment: Moment) -> JSONObject:
    return {
        "returned": moment.share_left(AgentStatus.RETURNED),
        "dropped": moment.share_left(AgentStatus.DISCONNECT),
        "timed_out": moment.share_left(AgentStatus.TIMEOUT),
        "page_errors": sum(moment.page_errors.values()),
        "workers_with_errors": moment.num_with_errors,
    }
