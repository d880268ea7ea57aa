"""Which work is on offer: created, offered, and steered by a researcher who pauses, limits, takes back or ends it.

Each act of a researcher leaves one row about the run in the event log, with what was before and what is after; an act
that changes nothing leaves none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from numbers import Integral
from typing import Any, TypeAlias

from mephisto_nb._typing import JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.money import Money
from mephisto_nb.model.records import Assignment, Unit
from mephisto_nb.model.shared_state import InitializationData
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.rules.departures import expire_assigned, expire_open
from mephisto_nb.rules.run_state import RunRules, RunState
from mephisto_nb.rules.seating import seats_of
from mephisto_nb.rules.step import Step

#: What `TaskRunArgs` calls each, and `RunRules`.
LIMITS: Mapping[str, str] = {
    "max_num_concurrent_units": "max_num_concurrent_units",
    "maximum_units_per_worker": "maximum_units_per_worker",
    "task_reward": "pay_amount",
}

#: A limit is a number, or an amount.
Limit: TypeAlias = "int | Money"

_AT_ONCE = "shut down at once by the researcher"


def check_limits(currency: str, /, **limits: object) -> dict[str, Limit]:
    """Return the limits that are to change, each a number that can be, or an amount of the run's currency.

    Raises
    ------
    ConfigError
        There is no such limit, none is given, or one cannot be: a limit is a whole number of 0 or more, a reward an
        amount of 0 or more.
    """
    unknown = [name for name in limits if name not in LIMITS]
    given = {name: value for name, value in limits.items() if value is not None}
    if unknown or not given:
        found = f"{unknown[0]!r} is none of them" if unknown else "none was given"
        raise ConfigError(f"The limits that can be changed are {', '.join(LIMITS)}, but {found}. Name one of these.")
    return {
        name: _reward(value, currency) if name == "task_reward" else _count(name, value)
        for name, value in given.items()
    }


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise ConfigError(f"{name} cannot become {value!r}. Give a whole number; 0 means no limit.")
    return int(value)


def _reward(value: object, currency: str) -> Money:
    reward = Money.of(value, currency, "task_reward")
    if reward.thousandths < 0:
        raise ConfigError(f"task_reward cannot become {value!r}. Give what one unit pays, 0 {currency} or more.")
    return reward


def limits_of(rules: RunRules) -> dict[str, Limit]:
    """Return the limits in force, by the names that `TaskRunArgs` has for them."""
    limits = {name: getattr(rules, field) for name, field in LIMITS.items()}
    return {**limits, "task_reward": rules.visit_pay}


def unheld_units(state: RunState) -> list[Unit]:
    """Return the units that nobody has or answered yet."""
    return state.units_in(UnitStatus.CREATED, UnitStatus.LAUNCHED)


def count_over_limit(state: RunState, limit: int) -> int:
    """Return how many units on offer would have to wait if no more than `limit` (0: all) were open at once."""
    return min(state.counts[UnitStatus.LAUNCHED], max(0, state.num_out - limit)) if limit else 0


def create(step: Step, data: list[InitializationData]) -> None:
    """Turn data into assignments and units; nothing is on offer yet."""
    first = step.state.num_assignments
    assignments, units = [], []
    for index, item in enumerate(data, start=first):
        assignment = Assignment(step.new_id(), step.state.task_run_id, index, item.shared, item.unit_data)
        assignments.append(assignment)
        pay = step.state.rules.pay_amount
        units += [Unit(step.new_id(), assignment.assignment_id, i, pay) for i in range(len(item.unit_data))]
    step.add_assignments(assignments, units)


def launch_more(step: Step) -> int:
    """Put units on offer, up to the limit; return how many those were. What is over a limit that was lowered waits."""
    _withdraw(step)
    limit, launched = step.state.rules.max_num_concurrent_units, 0
    while step.state.closing is None and not step.state.is_paused:
        unit = step.state.next_created()
        if unit is None or (limit and not _has_room(step, unit, limit)):
            break
        step.change_unit(unit, UnitStatus.LAUNCHED, "put on offer", "operator")
        launched += 1
    return launched


def _has_room(step: Step, unit: Unit, limit: int) -> bool:
    """Return whether one more unit may be open; the seats of people who do something together are opened together."""
    state, seats = step.state, seats_of(step.state, unit.assignment_id)
    if len(seats) > 1 and seats[0] is not unit:
        return True
    return state.num_out + max(1, len(seats)) <= limit or (len(seats) > 1 and not state.num_out)


def _withdraw(step: Step) -> None:
    """Take units off the offer, the newest first, until as few are open as the limit says."""
    state = step.state
    over = count_over_limit(state, state.rules.max_num_concurrent_units)
    if not over or state.closing is not None:
        return
    for unit_id in list(islice(_newest_on_offer(state), over)) if state.rules.partners is None else _whole(state, over):
        step.change_unit(state.units[unit_id], UnitStatus.CREATED, "fewer units may be open at once", "operator")
        state.created.appendleft(unit_id)


def _newest_on_offer(state: RunState) -> Iterator[str]:
    return (unit_id for unit_ids in reversed(state.launched.values()) for unit_id in reversed(unit_ids))


def _whole(state: RunState, over: int) -> list[str]:
    """Return units to withdraw where several people do one assignment: all its seats, or none."""
    found: list[str] = []
    for assignment_id, unit_ids in reversed(state.launched.items()):
        is_untouched = len(unit_ids) == max(1, len(seats_of(state, assignment_id)))
        if is_untouched and len(found) < over and len(found) + len(unit_ids) < state.num_out:
            found += reversed(unit_ids)
    return found


def reopen_expired(step: Step) -> int:
    """Bring back the units of an ended run that nobody answered; return how many those were."""
    units = [unit for unit in step.state.units_in(UnitStatus.EXPIRED) if unit.is_real]
    for unit in units:
        step.change_unit(unit, UnitStatus.CREATED, "the run is resumed", "operator")
    return len(units)


_WHO = "operator"


def pause(step: Step) -> bool:
    """Hand nothing out for the time being; return whether that is new. Work on offer stays on offer."""
    state = step.state
    if state.is_paused or state.closing is not None:
        return False
    step.steer(replace(state.steering, paused_at=step.now))
    _log(step, "live", "paused", "paused by the researcher", {"paused": False}, {"paused": True})
    return True


def resume(step: Step) -> bool:
    """Hand work out again; return whether that is new. Patience counts from now."""
    state = step.state
    if not state.is_paused or state.closing is not None:
        return False
    paused_at = state.steering.paused_at
    step.steer(replace(state.steering, paused_at=None, resumed_at=step.now))
    before: JSONObject = {"paused": True, "paused_at": paused_at}
    _log(step, "paused", "live", "resumed by the researcher", before, {"paused": False})
    return True


def change_limits(step: Step, limits: Mapping[str, Limit]) -> bool:
    """Put other limits in force, by their names in `LIMITS`; return whether anything has changed.

    Where fewer units may be open than are, `launch_more` lets the newest of those on offer wait again. Another reward
    is for the units that nobody has or answered yet, and for all that are made later.
    """
    state, in_force = step.state, limits_of(step.state.rules)
    changed: dict[str, Any] = {name: value for name, value in limits.items() if value != in_force[name]}
    if not changed or state.closing is not None:
        return False
    step.steer(replace(state.steering, **changed))
    if "task_reward" in changed:
        step.change_pay(unheld_units(state), state.rules.pay_amount)
    status = "paused" if state.is_paused else "live"
    before = {name: in_force[name] for name in changed}
    _log(step, status, status, f"{_listed(changed)} changed by the researcher", before, changed)
    return True


def expire(step: Step) -> int:
    """Take back the units that nobody is working on; return how many those were."""
    before = _open_units(step.state)
    expired = expire_open(step, "expired by the researcher", _WHO)
    if expired:
        _log(step, None, None, "expired by the researcher", before, _open_units(step.state))
    return expired


def shut_down(step: Step) -> None:
    """End gently: take back what nobody is working on, and hand out nothing more."""
    _close(step, "shut down by the researcher", at_once=False)


def shut_down_at_once(step: Step) -> None:
    """End at once: those who are at work are sent home, too."""
    _close(step, _AT_ONCE, at_once=True)


def ends_at_once(state: RunState) -> bool:
    """Return whether somebody has asked for the end of a run at once."""
    return state.closing == _AT_ONCE


def _close(step: Step, why: str, *, at_once: bool) -> None:
    state, before = step.state, _open_units(step.state)
    expire_open(step, why, _WHO)
    sent_home = expire_assigned(step, why, _WHO) if at_once else 0
    after = _open_units(state)
    if state.closing is None:
        step.close_run(why, _WHO, {"before": before, "after": after})
    elif at_once and state.closing != why:
        step.steer(replace(state.steering, closing=why, closed_by=_WHO))
        _log(step, "closing", "closing", why, before, after)
    elif sent_home:
        _log(step, "closing", "closing", why, before, after)


def _open_units(state: RunState) -> JSONObject:
    statuses = (UnitStatus.CREATED, UnitStatus.LAUNCHED, UnitStatus.ASSIGNED)
    return {status.value: state.counts[status] for status in statuses}


def _listed(names: Mapping[str, Limit]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last} were" if others else f"{last} was"


def _log(
    step: Step, before: str | None, after: str | None, why: str, was: Mapping[str, object], now: Mapping[str, object]
) -> None:
    detail: JSONObject = {"before": _plain(was), "after": _plain(now)}
    step.log("run", step.state.task_run_id, before, after, why, _WHO, detail)


def _plain(values: Mapping[str, object]) -> JSONObject:
    """Return values as the log has them: an amount is a number there, with its currency beside it."""
    plain = {name: float(value) if isinstance(value, Money) else value for name, value in values.items()}
    currency = next((value.currency for value in values.values() if isinstance(value, Money)), None)
    return plain if currency is None else {**plain, "currency": currency}
