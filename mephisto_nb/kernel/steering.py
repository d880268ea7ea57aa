"""What a researcher can do to a run while it lasts. Each act is stored, and leaves a row in the event log.

What an act of steering will do, said in a sentence before it is done; and which limits there can be.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from numbers import Integral, Real

from mephisto_nb.errors import ClosedError, ConfigError
from mephisto_nb.kernel.live_run import LiveRun
from mephisto_nb.model.money import dollars
from mephisto_nb.model.states import AGENT_ACTIVE, UnitStatus
from mephisto_nb.rules import steering
from mephisto_nb.rules.launching import LIMITS, count_over_limit, limits_of, unheld_units
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.step import Step

#: How many of the interrupted are named.
_NAMED = 5


def check_limits(**limits: object) -> dict[str, float]:
    """Give the limits that are to change, each a number that can be.

    Raises
    ------
    ConfigError
        There is no such limit, none is given, or one cannot be: a limit is a whole number of 0 or more, a reward a
        number of 0 or more.
    """
    unknown = [name for name in limits if name not in LIMITS]
    given = {name: value for name, value in limits.items() if value is not None}
    if unknown or not given:
        found = f"{unknown[0]!r} is none of them" if unknown else "none was given"
        raise ConfigError(f"The limits that can be changed are {', '.join(LIMITS)}, but {found}. Name one of these.")
    return {name: _reward(value) if name == "task_reward" else _count(name, value) for name, value in given.items()}


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise ConfigError(f"{name} cannot become {value!r}. Give a whole number; 0 means no limit.")
    return int(value)


def _reward(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise ConfigError(f"task_reward cannot become {value!r}. Give US dollars for one unit, 0 or more.")
    return float(value)


def preview(state: RunState, fee_rate: float, action: str, arguments: Mapping[str, float | None]) -> str:
    """Say what an action would do to a run as it is now.

    Raises
    ------
    ConfigError
        There is no such action, it takes no such argument, or a value cannot be.
    """
    if action == "limits":
        return _limits(state, fee_rate, check_limits(**arguments))
    say = _SENTENCES.get(action)
    if say is None:
        raise ConfigError(f"There is no action {action!r}. Name one of {', '.join([*_SENTENCES, 'limits'])}.")
    if arguments:
        raise ConfigError(f"The action {action!r} takes no argument {', '.join(arguments)}. Leave it out.")
    return say(state)


def _pause(state: RunState) -> str:
    if state.is_paused:
        return "The run is paused already: nothing changes."
    return (
        f"Nothing is handed out until you resume: {_units(_num_unheld(state))} will wait. {_at_work(state)} "
        "Who arrives is told that the task is paused."
    )


def _resume(state: RunState) -> str:
    if not state.is_paused:
        return "The run is not paused: nothing changes."
    return f"Work is handed out again: {_units(_num_unheld(state))} can be taken or will follow."


def _expire(state: RunState) -> str:
    rest = "More may come from the run's data." if not state.generator_done else _when_it_ends(state)
    return f"{_takes_back(state)} {_at_work(state)} {rest}"


def _shutdown(state: RunState) -> str:
    return f"{_takes_back(state)} {_at_work(state)} {_when_it_ends(state)}"


def _force_shutdown(state: RunState) -> str:
    count = state.counts[UnitStatus.ASSIGNED]
    if not count:
        return f"{_takes_back(state)} Nobody is at work. The run ends at once."
    active = (agent for agent in state.agents.values() if agent.status in AGENT_ACTIVE)
    names = [state.worker_names.get(agent.worker_id, agent.worker_id) for agent in islice(active, _NAMED)]
    others = f" and {count - len(names):,} more" if count > len(names) else ""
    return (
        f"{_takes_back(state)} {_workers(count)} at work {'is' if count == 1 else 'are'} interrupted, and told that "
        f"their unit has expired: {', '.join(names)}{others}. The run ends at once."
    )


def _limits(state: RunState, fee_rate: float, limits: Mapping[str, float]) -> str:
    in_force = limits_of(state.rules)
    changed = {name: value for name, value in limits.items() if value != in_force[name]}
    if not changed:
        return "These limits are in force already: nothing changes."
    said = [_SAID[name](state, in_force[name], value) for name, value in changed.items() if name != "task_reward"]
    if "task_reward" in changed:
        said.append(_pay(state, fee_rate, in_force["task_reward"], changed["task_reward"]))
    return " ".join(said)


def _concurrent(state: RunState, before: float, after: float) -> str:
    waiting = count_over_limit(state, after)
    effect = f": {_units(waiting)} on offer will wait again" if waiting else ""
    return f"Units open to workers at once: {_no_limit(after)} instead of {_no_limit(before)}{effect}."


def _per_worker(state: RunState, before: float, after: float) -> str:
    return f"Units that one worker may do: {_no_limit(after)} instead of {_no_limit(before)}."


def _pay(state: RunState, fee_rate: float, before: float, after: float) -> str:
    units = unheld_units(state)
    added = math.fsum(after - unit.pay_amount for unit in units) * (1 + fee_rate)
    fees = ", fees included" if fee_rate else ""
    effect = f"adds {dollars(added)}{fees}" if added >= 0 else f"saves {dollars(-added)}{fees}"
    later = "" if state.generator_done else " Units that are made later get it, too."
    return (
        f"Pay for a unit: {dollars(after)} instead of {dollars(before)}, for {_units(len(units))} that nobody has yet: "
        f"{effect}.{later}"
    )


def _takes_back(state: RunState) -> str:
    count = _num_unheld(state)
    return f"{_units(count)} that nobody is working on {'is' if count == 1 else 'are'} taken back."


def _at_work(state: RunState) -> str:
    count = state.counts[UnitStatus.ASSIGNED]
    if not count:
        return "Nobody is at work."
    return f"{_workers(count)} at work {'goes' if count == 1 else 'go'} on, and may submit."


def _when_it_ends(state: RunState) -> str:
    return "The run ends when they are done." if state.counts[UnitStatus.ASSIGNED] else "The run ends at once."


def _num_unheld(state: RunState) -> int:
    return state.counts[UnitStatus.CREATED] + state.counts[UnitStatus.LAUNCHED]


def _units(count: int) -> str:
    return "1 unit" if count == 1 else f"{count:,} units"


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count:,} workers"


def _no_limit(limit: float) -> str:
    return f"{limit:,.0f}" if limit else "any number"


_SENTENCES: Mapping[str, Callable[[RunState], str]] = {
    "pause": _pause,
    "resume": _resume,
    "expire": _expire,
    "shutdown": _shutdown,
    "force_shutdown": _force_shutdown,
}
_SAID: Mapping[str, Callable[[RunState, float, float], str]] = {
    "max_num_concurrent_units": _concurrent,
    "maximum_units_per_worker": _per_worker,
}


class Steering:
    """What a researcher can do to a run while it lasts: pause it, change its limits, take work back, end it.

    Each act is stored, and leaves one row in the event log.

    Parameters
    ----------
    task_run_id
        Of which run.
    live
        The run, if this kernel drives it, or drove it until it ended.
    """

    def __init__(self, task_run_id: str, live: LiveRun | None) -> None:
        self._task_run_id, self._live = task_run_id, live

    async def pause_launching(self) -> None:
        """Hand nothing out until `resume_launching`; those who are at work go on, and may submit.

        Units on offer stay on offer. Who arrives is told that the task is paused, and gets a unit by itself if their
        page waits until it goes on. The run does not end for lack of submissions meanwhile; its lifetime goes on.
        The pause is stored: it outlives the kernel. Pausing twice is pausing once.

        Raises
        ------
        ClosedError
            The run has ended, or is about to.

        Examples
        --------
        ``await run.steering.pause_launching()``
        """
        await self._steer("paused", steering.pause)

    async def resume_launching(self) -> None:
        """Hand work out again after `pause_launching`; patience for submissions counts from now.

        Raises
        ------
        ClosedError
            The run has ended, or is about to.
        """
        await self._steer("resumed", steering.resume)

    async def change_limits(
        self,
        *,
        max_num_concurrent_units: int | None = None,
        maximum_units_per_worker: int | None = None,
        task_reward: float | None = None,
    ) -> None:
        """Change limits of the run while it lasts; what is not given stays. The change is stored.

        Parameters
        ----------
        max_num_concurrent_units
            How many units may be open to workers at once; 0: all. If more are, the newest on offer wait again, and
            nobody at work is disturbed.
        maximum_units_per_worker
            How many units of the task one worker may do; 0: any number.
        task_reward
            Pay for a unit, in US dollars: for those that nobody has or answered yet, and for all that are made later.

        Raises
        ------
        ConfigError
            A value cannot be, or none is given; nothing was changed.
        ClosedError
            The run has ended, or is about to.

        Examples
        --------
        ``await run.steering.change_limits(task_reward=0.20)``
        """
        limits = check_limits(
            max_num_concurrent_units=max_num_concurrent_units,
            maximum_units_per_worker=maximum_units_per_worker,
            task_reward=task_reward,
        )
        await self._steer("limited otherwise", partial(steering.change_limits, limits=limits))

    async def expire_units(self) -> int:
        """Take back the units that nobody is working on, and return how many those were.

        Raises
        ------
        ClosedError
            The run has ended.
        """
        parts = self._driven().parts
        counts = parts.engine.state.counts
        total = counts[UnitStatus.CREATED] + counts[UnitStatus.LAUNCHED]
        parts.progress("Taking units back", 0, total)
        try:
            return await parts.engine.do(steering.expire)
        finally:
            parts.progress("Taking units back", total, total)

    async def shutdown(self) -> None:
        """End gently: take back what nobody is working on, wait for those who are at work, end the router."""
        await self._close(steering.shut_down)

    async def force_shutdown(self) -> None:
        """End at once: workers who are at work are told that their unit has expired."""
        await self._close(steering.shut_down_at_once)

    def preview(self, action: str, **arguments: float | None) -> str:
        """Say what an action would do now, in numbers; nothing is done.

        Parameters
        ----------
        action
            ``pause``, ``resume``, ``limits``, ``expire``, ``shutdown`` or ``force_shutdown``.
        arguments
            Those of `change_limits`, for ``limits``.

        Raises
        ------
        ConfigError
            There is no such action, or a value cannot be.

        Examples
        --------
        ``run.steering.preview("limits", task_reward=0.20)``
        """
        parts = self._driven().parts
        return preview(parts.engine.state, parts.provider.FEE_RATE, action, arguments)

    def _driven(self) -> LiveRun:
        """Return the run; raise `ClosedError` if this kernel never drove it, `RunFailedError` if it has failed."""
        if self._live is None:
            raise ClosedError(
                f"Run {self._task_run_id} is not driven from here. Take it up: await operator.reconnect(...)."
            )
        self._live.raise_failure()
        return self._live

    async def _steer(self, what: str, rule: Callable[[Step], object]) -> None:
        live = self._driven()
        if live.over.is_set() or not live.is_driven or live.parts.engine.state.closing is not None:
            raise ClosedError(f"Run {self._task_run_id} cannot be {what}: it has ended, or is about to.")
        await live.parts.engine.do(rule)

    async def _close(self, rule: Callable[[Step], None]) -> None:
        live = self._driven()
        if live.over.is_set() or not live.is_driven:
            return
        with contextlib.suppress(ClosedError):  # it was about to end by itself, or to be let go of
            await live.parts.engine.do(rule)
        with _showing_who_is_at_work(live):
            await live.released.wait()
        live.raise_failure()
        live.raise_if_released()


@contextlib.contextmanager
def _showing_who_is_at_work(live: LiveRun) -> Iterator[None]:
    """Show for how many workers a gentle end waits, while it does."""
    engine, progress = live.parts.engine, live.parts.progress
    total = engine.state.counts[UnitStatus.ASSIGNED]
    what = f"Waiting for {total} at work; another cell may call run.force_shutdown()"

    def show(_: object = None) -> None:
        progress(what, total - engine.state.counts[UnitStatus.ASSIGNED], total)

    if not total:
        yield
        return
    engine.listeners.append(show)
    show()
    try:
        yield
    finally:
        engine.listeners.remove(show)
        progress(what, total, total)
