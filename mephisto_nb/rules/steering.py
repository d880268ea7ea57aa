"""A researcher steers a run: pauses it, changes its limits, takes work back, ends it.

Each act leaves one row about the run in the event log, with what was before and what is after; an act that changes
nothing leaves none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mephisto_nb._typing import JSONObject
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.rules.departures import expire_assigned, expire_open
from mephisto_nb.rules.launching import limits_of, unheld_units
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step

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


def change_limits(step: Step, limits: Mapping[str, float]) -> bool:
    """Put other limits in force, by their names in `limits.LIMITS`; return whether anything has changed.

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
    _close(step, "shut down at once by the researcher", at_once=True)


def _close(step: Step, why: str, *, at_once: bool) -> None:
    state, before = step.state, _open_units(step.state)
    expire_open(step, why, _WHO)
    sent_home = expire_assigned(step, why, _WHO) if at_once else 0
    after = _open_units(state)
    if state.closing is None:
        step.close_run(why, _WHO, {"before": before, "after": after})
    elif sent_home:
        _log(step, "closing", "closing", why, before, after)


def _open_units(state: RunState) -> JSONObject:
    statuses = (UnitStatus.CREATED, UnitStatus.LAUNCHED, UnitStatus.ASSIGNED)
    return {status.value: state.counts[status] for status in statuses}


def _listed(names: Mapping[str, float]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last} were" if others else f"{last} was"


def _log(
    step: Step, before: str | None, after: str | None, why: str, was: Mapping[str, object], now: Mapping[str, object]
) -> None:
    detail: JSONObject = {"before": dict(was), "after": dict(now)}
    step.log("run", step.state.task_run_id, before, after, why, _WHO, detail)
