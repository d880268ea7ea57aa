"""The settings that every task has, whatever its kind (Mephisto's `TaskRunArgs`), and how people work together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.money import DEFAULT_CURRENCY, LARGEST_AMOUNT, Money, check_currency
from mephisto_nb.model.visits import ShortPay, VisitRules


class WhenWaited(StrEnum):
    """What becomes of those who have waited for partners for as long as they have to."""

    SEND_HOME = "send_home"
    PAY = "pay"
    BOT = "bot"
    FEWER = "fewer"


class WhenLeft(StrEnum):
    """What becomes of the others when somebody leaves in the middle."""

    END = "end"
    CONTINUE = "continue"
    BOT = "bot"
    REQUEUE = "requeue"


@dataclass(frozen=True, slots=True)
class PartnerRules:
    """How an assignment of several units is done by people who are there at the same time.

    Parameters
    ----------
    waiting_timeout
        For how many seconds somebody waits for the others at most.
    when_waited
        What then happens: they are sent home (``send_home``), sent home and paid for waiting (``pay``), programs take
        the empty seats (``bot``), or those begin who are there (``fewer``).
    minimum
        How many have to be there to begin with fewer.
    waiting_pay
        What those are owed who are sent home without work, in the run's currency; once a run. `RunRules.waiting_pay` is
        the amount that it comes to.
    when_left
        What happens when somebody leaves in the middle: it ends, and the others may submit (``end``); they go on
        (``continue``); a program goes on in that seat (``bot``); the others wait for somebody else, with whom it
        begins anew (``requeue``).
    """

    waiting_timeout: float = 300.0
    when_waited: WhenWaited = WhenWaited.SEND_HOME
    minimum: int = 2
    waiting_pay: float = 0.0
    when_left: WhenLeft = WhenLeft.END


MISSING: Any = "???"
#: Prolific's own minimum an hour, by currency; it recommends more and, too, judges by the median. See "Prolific's
#: payment principles" in its help for researchers.
MINIMUM_HOURLY_PAY: Mapping[str, float] = {"USD": 8.0, "GBP": 6.0}
#: In runs that do not say how much one bonus may be, whatever their currency.
MAXIMUM_BONUS = 20.0


@dataclass(slots=True)
class TaskRunArgs:
    """What is offered to workers, and within which limits. Durations are in seconds, amounts in `currency`.

    Parameters
    ----------
    task_name
        Groups runs; `maximum_units_per_worker` counts over all runs of one name.
    task_title, task_description, task_tags
        What workers read before they accept; tags are separated by commas.
    task_reward
        Pay for one visit, in `currency`: 0.15 is 15 cents. It may have parts of a cent, to a thousandth of one. A visit
        is one unit, unless `units_per_visit` is more than 1: then each unit pays its part.
    currency
        In what all of a run is paid: the code of a currency (ISO 4217), such as USD, GBP or EUR. All amounts of the
        configuration are of it.
    task_lifetime_in_seconds
        After this long no more units are handed out, and those that nobody took expire. 0: never, the run waits for its
        workers until somebody ends it.
    assignment_duration_in_seconds
        How long a worker may hold a unit; where `units_per_visit` is more than 1, how long the whole visit may take.
    units_per_visit
        How many units a worker does in one visit, one after the other: on crowds that pay for a visit once, such as
        Prolific, one submission holds many small items. Gold units are among them; screening comes before.
    when_stopped_early
        What becomes of a visit whose worker has stopped, or let its time go by, with at least one answer sent. It is
        paid as if it were whole (``pay_full``), by the part that was sent (``pay_by_unit``), or given back to the
        crowd, and not paid (``return``). What was sent is kept in any case.
    when_fewer_units
        The same of a visit for which there were fewer units left than it holds.
    visits_per_worker
        How many visits one worker may make in the run; those that they left without sending anything do not count. 0:
        any number. None: as their crowd has it, one where it sends each person once, and any number by links that
        serve again.
    no_submission_patience
        A run in which nothing was submitted for this long is shut down. 0: never. Of this, and of the lifetime, time in
        which nobody could be served (the kernel or the router was away, busy or asleep) is no part.
    allowed_concurrent
        How many units one worker may hold at once. 0: a tenth of the open units, and one at least; two of a run
        of fewer than ten units. Who has a link of their own finds on each page the unit that they hold, unless this
        says that they may hold more.
    maximum_units_per_worker
        How many units of the task one worker may do, in whatever visits. 0: any number.
    next_unit_by_itself
        Whether a worker who has sent an answer gets the next unit by itself, if there is one for them. False: they are
        told whether there is more, and get it by a button; so it is, in any case, where people work together, as others
        would wait there for somebody who has gone.
    max_num_concurrent_units
        How many units are open to workers at once. 0: all.
    minimum_hourly_pay
        Below this pay per hour of work (the median over all answers) a run's display warns. 0: never. None: what
        Prolific asks of researchers at least, which is 8.00 in USD and 6.00 in GBP; in any other currency nobody is
        warned.
    maximum_bonus
        The most that one bonus may be, in `currency`: of `on_unit_submitted`, and of a decision in review, which may
        go beyond it by its own ``maximum_bonus=``. 0: there are none. The default is the same number in each currency.
    budget
        What a run may cost at most, in `currency` and with the crowd's fees: beyond that nothing is launched, no pay is
        raised, no place is offered to the crowd, and no bonus is given. None: there is no budget of its own; those of
        ``~/.mephisto/config.yml`` hold in any case.
    submission_timeout
        How long a worker whose live task has ended may take to press "submit".
    preview_sources
        Addresses of other sites that a page may load pictures, scripts and the like from when it is shown in a notebook
        (`preview`, and the review of answers), such as ``https://example.org/pictures/``. None without this, so that
        no page tells anybody anything when you look at it; on workers' pages it changes nothing. A configuration file
        cannot set it.
    post_install_script
        Refused unless empty: nothing is installed at launch.
    force_rebuild
        Accepted for Mephisto 1.x's sake: the worker's page is always made anew at launch.
    resume_incomplete_run
        Go on with the last run of this task that ended unfinished, instead of starting a new one.
    """

    task_name: str = MISSING
    task_title: str = MISSING
    task_description: str = MISSING
    task_reward: float = MISSING
    currency: str = DEFAULT_CURRENCY
    task_tags: str = MISSING
    task_lifetime_in_seconds: float = 0
    assignment_duration_in_seconds: float = 1800
    no_submission_patience: float = 0
    allowed_concurrent: int = 0
    maximum_units_per_worker: int = 0
    next_unit_by_itself: bool = True
    units_per_visit: int = 1
    when_stopped_early: str = "pay_by_unit"
    when_fewer_units: str = "pay_full"
    visits_per_worker: int | None = None
    max_num_concurrent_units: int = 0
    minimum_hourly_pay: float | None = None
    maximum_bonus: float = MAXIMUM_BONUS
    budget: float | None = None
    submission_timeout: float = 600
    preview_sources: list[str] = field(default_factory=list)
    post_install_script: str = ""
    force_rebuild: bool = False
    resume_incomplete_run: bool = False


@dataclass(frozen=True, slots=True)
class TaskPay:
    """The amounts of a run's settings; `minimum_hourly_pay` of nothing: what an hour earns is not looked at."""

    currency: str
    task_reward: Money
    minimum_hourly_pay: Money
    maximum_bonus: Money


_AMOUNTS = ("task_reward", "minimum_hourly_pay", "maximum_bonus")


def read_task_pay(task: TaskRunArgs) -> TaskPay:
    """Return the amounts that a run is to be launched with.

    Raises
    ------
    ConfigError
        The currency is none, or an amount cannot be exact in it; the key is named.
    """
    currency = check_currency(task.currency, "mephisto.task.currency")
    given = asdict(task)
    return TaskPay(currency, *(Money.of(_given(name, given, currency), currency, _key(name)) for name in _AMOUNTS))


def stored_task_pay(config: JSONObject) -> TaskPay:
    """Return the amounts of a run from its stored configuration, in which they stand as they were typed.

    One that names no currency is of US dollars. What was stored before amounts had to be exact is rounded. Nobody has
    set a minimum for a run that was imported: Mephisto 1.x knows of none.
    """
    task = config.get("mephisto", {}).get("task", {})
    currency = str(task.get("currency") or DEFAULT_CURRENCY)
    if "imported" in config:
        task = {**task, "minimum_hourly_pay": 0}
    given = (min(float(_given(name, task, currency)), LARGEST_AMOUNT) for name in _AMOUNTS)
    return TaskPay(currency, *(Money.nearest(amount, currency) for amount in given))


def _given(name: str, task: Mapping[str, Any], currency: str) -> Any:
    """Return an amount as it was typed, or what stands for one that was not."""
    defaults = {"minimum_hourly_pay": MINIMUM_HOURLY_PAY.get(currency, 0), "maximum_bonus": MAXIMUM_BONUS}
    return defaults.get(name, 0) if task.get(name) is None else task[name]


def _key(name: str) -> str:
    return f"mephisto.task.{name}"


_POSITIVE = ("assignment_duration_in_seconds", "submission_timeout")
_NOT_NEGATIVE = (
    "task_reward",
    "task_lifetime_in_seconds",
    "no_submission_patience",
    "allowed_concurrent",
    "maximum_units_per_worker",
    "max_num_concurrent_units",
    "minimum_hourly_pay",
    "maximum_bonus",
)


def unit_share(task_reward: Money, units_per_visit: int) -> Money:
    """Return what one unit pays of what a visit does, to a thousandth of the currency's smallest unit."""
    return task_reward if units_per_visit == 1 else task_reward.share(Decimal(1) / units_per_visit)


def make_visit_rules(args: TaskRunArgs, *, serves_again: bool) -> VisitRules | None:
    """Return what the visits of a run are; None: there are none, each unit is taken by itself.

    Where the crowd does not serve again (`CrowdProvider.SERVES_AGAIN`), what it calls one visit is one.
    """
    if serves_again and args.units_per_visit == 1:
        return None
    most = args.visits_per_worker
    return VisitRules(
        units=args.units_per_visit,
        when_stopped_early=ShortPay(args.when_stopped_early),
        when_fewer_units=ShortPay(args.when_fewer_units),
        most_per_worker=(0 if serves_again else 1) if most is None else most,
        serves_again=serves_again,
    )


def stored_visit_rules(config: JSONObject) -> VisitRules:
    """Return what the visits of a run are paid by, from its stored configuration."""
    task = config.get("mephisto", {}).get("task", {})
    default = VisitRules()
    return VisitRules(
        units=int(task.get("units_per_visit", default.units)),
        when_stopped_early=ShortPay(task.get("when_stopped_early", default.when_stopped_early)),
        when_fewer_units=ShortPay(task.get("when_fewer_units", default.when_fewer_units)),
    )


def _check_visits(args: TaskRunArgs) -> None:
    if args.units_per_visit < 1:
        raise ConfigError(f"mephisto.task.units_per_visit is {args.units_per_visit!r}; a visit holds 1 unit or more.")
    if args.visits_per_worker is not None and args.visits_per_worker < 0:
        raise ConfigError(f"mephisto.task.visits_per_worker is {args.visits_per_worker!r}; it must be 0 or more.")
    for name in ("when_stopped_early", "when_fewer_units"):
        value = getattr(args, name)
        if value not in list(ShortPay):
            raise ConfigError(f"mephisto.task.{name} is {value!r}; it must be one of {', '.join(ShortPay)}.")
    if 0 < args.maximum_units_per_worker < args.units_per_visit:
        raise ConfigError(
            f"mephisto.task.maximum_units_per_worker is {args.maximum_units_per_worker}, but a visit holds "
            f"{args.units_per_visit} units, so nobody could finish one. Raise it, or lower units_per_visit."
        )


_SOURCE = re.compile(r"https?://[A-Za-z0-9.*-]+(:\d+)?(/[^\s;,'\"?#]*)?")


def check_task_run_args(args: TaskRunArgs) -> None:
    """Raise `ConfigError` for a value that no run could follow."""
    if not args.task_name.strip():
        raise ConfigError("mephisto.task.task_name is empty. Give the task a name; its runs are grouped by it.")
    for name in _POSITIVE:
        if not getattr(args, name) > 0:
            raise ConfigError(f"mephisto.task.{name} is {getattr(args, name)!r}; it must be more than 0 seconds.")
    for name in _NOT_NEGATIVE:
        if getattr(args, name) is not None and not getattr(args, name) >= 0:
            raise ConfigError(f"mephisto.task.{name} is {getattr(args, name)!r}; it must be 0 or more.")
    if args.budget is not None and not args.budget > 0:
        raise ConfigError(f"mephisto.task.budget is {args.budget!r}; it must be more than 0, or null for no budget.")
    _check_visits(args)
    for source in args.preview_sources:
        if not _SOURCE.fullmatch(source):
            raise ConfigError(
                f"mephisto.task.preview_sources holds {source!r}, which is not an address to load from. Give the start "
                "of the addresses, such as 'https://example.org/pictures/'."
            )
    if args.post_install_script:
        raise ConfigError(
            f"mephisto.task.post_install_script is {args.post_install_script!r}, but nothing is installed at launch. "
            "Build the page beforehand, and remove the key."
        )
