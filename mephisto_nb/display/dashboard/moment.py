"""A run at one moment: the parts of what a dashboard shows that are about people, answers and money.

Whatever workers wrote stays plain text here: whoever shows it must escape it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.display.dashboard.statistics import Answer, RunningMedian, RunStatistics
from mephisto_nb.kernel.live_run import asked_of
from mephisto_nb.model.answers import REST, split
from mephisto_nb.model.money import Money, total
from mephisto_nb.model.records import Agent, KnownPayment, RunPay
from mephisto_nb.model.states import (
    AGENT_LEFT,
    UNIT_ANSWERED,
    UNIT_OPEN,
    AgentStatus,
    UnitStatus,
)
from mephisto_nb.money.costs import CostTerms, run_costs
from mephisto_nb.rules.budget import Booked, Budget
from mephisto_nb.rules.gates.table import names_by_index
from mephisto_nb.utils.logging import get_logger, warn_once

if TYPE_CHECKING:
    from mephisto_nb.kernel.live_run import LiveRun
    from mephisto_nb.ports.blueprint import Blueprint

logger = get_logger(__name__)

#: How long a preview is at most, in characters.
LONGEST = 120
#: How deep, and how far along each list, an answer is looked into.
_DEPTH, _ITEMS = 4, 20


def preview_of(answer: JSON) -> str:
    """Return the beginning of an answer in one line of at most `LONGEST` characters, whatever it is.

    Examples
    --------
    >>> preview_of({"label": "cat", "sure": True, "seen": [1, 2]})
    'label: cat; sure: True; seen: 1, 2'
    """
    line, pieces = "", _pieces(answer, 0)
    for piece in pieces:
        line += piece
        if len(line) > LONGEST:
            break
    shown = "".join(char if char.isprintable() else " " for char in line[: LONGEST + 1])
    text = " ".join(shown.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _pieces(value: JSON, depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        yield "…"
    elif isinstance(value, dict):
        for number, (name, item) in enumerate(islice(value.items(), _ITEMS)):
            yield f"{'; ' if number else ''}{str(name)[:LONGEST]}: "
            yield from _pieces(item, depth + 1)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(islice(value, _ITEMS)):
            yield ", " if number else ""
            yield from _pieces(item, depth + 1)
    else:
        yield value[:LONGEST] if isinstance(value, str) else str(value)[:LONGEST]


#: Who takes so many times as long as half of all others do is called slow; but nobody before so many seconds.
SLOW, NEVER_SLOW = 3.0, 60.0
#: How long a link may be away before that is shown (seconds).
LINK_AWAY = 10.0
#: From how many answers on somebody can be called slow.
_ENOUGH = 5


@dataclass(frozen=True, slots=True)
class FromBooks:
    """What was read last of the books.

    `asked` is what the crowd is being asked for, `budgets` are those that the run counts against, with what is gone of
    each, and `trouble` says why they could not be read.
    """

    asked: Sequence[KnownPayment] = ()
    budgets: Sequence[tuple[Budget, Booked]] = ()
    trouble: str = ""


@dataclass(slots=True)
class Moment:
    """A run at `now` (epoch seconds).

    `live` is None for a run that is only looked up; `driver` is the other kernel that drives it then, if one does.
    """

    now: float
    status: str
    statistics: RunStatistics
    live: LiveRun | None
    page_errors: Counter[str]
    driver: str | None = None
    books: FromBooks = FromBooks()

    @property
    def task_run_id(self) -> str:
        """The run's id."""
        return self.statistics.state.task_run_id

    @property
    def counts(self) -> Mapping[UnitStatus, int]:
        """How many units have which status."""
        return self.statistics.counts

    def count(self, *statuses: UnitStatus) -> int:
        """Count the units in these statuses."""
        return sum(self.statistics.counts.get(status, 0) for status in statuses)

    @property
    def num_answered(self) -> int:
        """How many units have an answer."""
        return self.count(*UNIT_ANSWERED)

    @property
    def num_open(self) -> int:
        """How many units may still be answered."""
        return self.count(UnitStatus.CREATED, UnitStatus.LAUNCHED, UnitStatus.ASSIGNED)

    @property
    def hands_out(self) -> bool:
        """Whether workers who come can get work now."""
        return self.status == "live"

    @property
    def away_since(self) -> float | None:
        """Since when the router has not been reached, long enough to be shown; None: it is, or is not needed."""
        run = self.live
        if run is None or not run.is_running or run.done.is_set():
            return None  # a run whose units are done lets its router go
        since = run.parts.link.away_since
        return since if since is not None and self.now - since > LINK_AWAY else None

    @property
    def slow_after(self) -> float | None:
        """After how many seconds at work somebody is slow; None while that cannot be told."""
        median, known = self.statistics.seconds.value, len(self.statistics.seconds)
        return None if median is None or known < _ENOUGH else max(SLOW * median, NEVER_SLOW)

    def share_left(self, status: AgentStatus) -> float | None:
        """Return the share of those who left in this way, among all who answered or left by themselves."""
        left = self.statistics.left
        ended = self.num_ended
        return left[status] / ended if ended else None

    @property
    def num_ended(self) -> int:
        """How many workers have answered, or left of their own: those whom the researcher sent home do not count."""
        left = self.statistics.left
        return self.statistics.num_answered + sum(left[status] for status in AGENT_LEFT - {AgentStatus.EXPIRED})

    @property
    def num_waiting(self) -> int:
        """How many workers wait for a partner."""
        return sum(agent.status is AgentStatus.WAITING for agent in self.statistics.at_work.values())

    @property
    def num_with_errors(self) -> int:
        """How many workers met an error in their page."""
        agents = self.statistics.state.agents
        return len({agents[id_].worker_id if id_ in agents else id_ for id_ in self.page_errors})

    def is_open(self, unit_id: str) -> bool:
        """Return whether a unit may still be answered."""
        return self.statistics.state.units[unit_id].status in UNIT_OPEN

    def name_of(self, agent: Agent) -> str:
        """Return the name of an agent's worker."""
        return self.statistics.state.worker_names.get(agent.worker_id, agent.worker_id)

    def label_of(self, unit_id: str) -> str:
        """Return the short name of a unit: the index of its assignment, and its own where there are several."""
        state = self.statistics.state
        unit = state.units[unit_id]
        if not unit.is_real:
            return names_by_index().get(unit.unit_index, "extra")
        assignment = state.assignments[unit.assignment_id]
        several = assignment.num_parts > 1 or unit.unit_index
        return f"#{assignment.index}, unit {unit.unit_index}" if several else f"#{assignment.index}"


#: How many of those at work are listed.
MOST_AT_WORK = 50


def describe_people(moment: Moment) -> JSONObject:
    """Say who is at work, the longest first, and how many of them are connected (None: without a link none can tell).

    `seen` counts the workers who ever took a unit of the run.
    """
    at_work = moment.statistics.at_work
    present = _present(moment)
    slow_after = moment.slow_after
    rows = [
        {
            "agent_id": agent.agent_id,
            "worker": moment.name_of(agent),
            "unit": moment.label_of(agent.unit_id),
            "unit_id": agent.unit_id,
            "status": agent.status.value,
            "since": agent.accepted_at,
            "connected": None if present is None else agent.agent_id in present,
            "slow": slow_after is not None and moment.now - agent.accepted_at > slow_after,
        }
        for agent in islice(at_work.values(), MOST_AT_WORK)
    ]
    return {
        "at_work": len(at_work),
        "connected": None if present is None else len(present & at_work.keys()),
        "seen": moment.statistics.num_seen,
        "rows": rows,
    }


def describe_newest(moment: Moment, blueprint: Blueprint[Any]) -> list[JSONObject]:
    """List the newest answers, the newest first, each as the columns that `blueprint` makes of it."""
    return [
        {
            "agent_id": answer.agent.agent_id,
            "worker": moment.name_of(answer.agent),
            "unit": moment.label_of(answer.agent.unit_id),
            "at": answer.agent.submitted_at,
            "seconds": (answer.agent.submitted_at or 0.0) - answer.agent.accepted_at,
            "preview": _preview(answer, blueprint),
        }
        for answer in moment.statistics.newest
    ]


def _present(moment: Moment) -> set[str] | None:
    live = moment.live
    return live.parts.link.present if live is not None and live.parts.link.is_connected else None


def _preview(answer: Answer, blueprint: Blueprint[Any]) -> str:
    if answer.preview is None:
        if answer.data is None:
            return ""
        try:
            own, others = split(answer.data, asked_of(blueprint))
            answer.preview = preview_of({**blueprint.get_answer(own), **({REST: others} if others else {})})
        except Exception as error:  # noqa: BLE001 - a blueprint's own function, which was not made for this answer
            name = getattr(blueprint.get_answer, "__qualname__", repr(blueprint))
            warn_once(logger, f"{name} raised {type(error).__name__} for an answer, which is previewed as it came")
            answer.preview = preview_of(answer.data)
        answer.data = None
    return answer.preview


def describe_money(pay: RunPay, terms: CostTerms, unit_pay: Money, hourly: RunningMedian, minimum: Money) -> JSONObject:
    """Say what the run costs so far, what is committed and what is still to come, each with the crowd's fees.

    Parameters
    ----------
    pay, terms
        What of it is told by `money.costs.run_costs`.
    unit_pay
        What a unit earns that is made now.
    hourly
        What the answers earned their workers by the hour.
    minimum
        What that should be; of nothing: anything.

    Returns
    -------
    dict
        All in ``currency``. ``spent``, what the run costs so far: what is booked, and what answers and visits are worth
        that nobody has decided on; ``committed``, what those units will that somebody is working on, and visits that go
        on; ``to_come``, what those will that nobody has yet; ``total``,
        all three, which is what the run costs if all units are answered and none is rejected. Units that a generator
        has not given yet are in none of these. ``fees`` is what the crowd takes of each, and ``fees_estimated`` what of
        all that the crowd has not told, but follows from its rate. Without fees, ``paid``, ``asked`` (for, of the
        crowd), ``owed`` and ``undecided`` are what ``spent`` is made of, and ``beside`` what of it are bonuses and the
        like. ``reward`` is what a visit pays, or where there are none (``units_per_visit`` is 1) a unit.
        ``per_hour`` is the median of what
        answers earned by the hour; ``below`` of ``timed`` answers are under the minimum, none where work is unpaid.
    """
    costs, per_hour = run_costs(pay, terms), hourly.value
    fees = {"spent": costs.spent_fees.total, "committed": costs.running_fees, "to_come": costs.open_fees}
    paid = {"spent": costs.spent, "committed": costs.running, "to_come": costs.open}
    with_fees = {name: amount + fees[name] for name, amount in paid.items()}
    currency = terms.reward.currency
    return {
        "currency": currency,
        "reward": float(terms.reward),
        "units_per_visit": terms.visits.units,
        "fee_rate": float(terms.fee_rate),
        **{name: float(amount) for name, amount in with_fees.items()},
        "total": float(total(with_fees.values(), currency)),
        "fees": {name: float(amount) for name, amount in fees.items()},
        "fees_estimated": float(costs.spent_fees.estimated + costs.running_fees + costs.open_fees),
        **{name: float(getattr(costs, name)) for name in ("paid", "asked", "owed", "undecided", "beside")},
        "per_hour": per_hour,
        "minimum_per_hour": float(minimum),
        "timed": len(hourly),
        "below": hourly.count_below(float(minimum)) if unit_pay else 0,
        "below_minimum": bool(unit_pay and minimum and per_hour is not None and 0 < per_hour < float(minimum)),
    }


def describe_budgets(moment: Moment) -> list[JSONObject]:
    """List the budgets that the run counts against: ``scope``, ``name``, and amounts with fees in its ``currency``.

    ``spent`` is sent or confirmed, ``committed`` all that may still come of everything that counts against it, and
    ``free`` what is left of the ``limit``; below 0, more is gone.
    """
    return [
        {
            "scope": budget.scope.value,
            "name": budget.name,
            "currency": budget.limit.currency,
            "limit": float(budget.limit),
            "spent": float(booked.spent),
            "committed": float(booked.committed),
            "free": float(budget.limit - booked.total),
        }
        for budget, booked in moment.books.budgets
    ]


def describe_unpaid(counts: Mapping[UnitStatus, int]) -> str:
    """Say which units cost nothing, and that soft-rejected ones do; nothing where there are none of these."""
    free = [
        f"{counts[status]:,} {status.value}" for status in (UnitStatus.REJECTED, UnitStatus.EXPIRED) if counts[status]
    ]
    several = sum(counts[status] for status in (UnitStatus.REJECTED, UnitStatus.EXPIRED)) > 1
    words = [f"{' and '.join(free)} unit{'s cost' if several else ' costs'} nothing"] if free else []
    if counts[UnitStatus.SOFT_REJECTED]:
        words.append("soft-rejected ones are paid" if free else "soft-rejected units are paid")
    return "; ".join(words)
