"""What a researcher can do to a run while it lasts. Each act is stored, and leaves a row in the event log."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial

from mephisto_nb.errors import ClosedError, ConfigError
from mephisto_nb.kernel.live_run import LiveRun, RunParts
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.changes import Guard
from mephisto_nb.model.money import Money
from mephisto_nb.model.states import UnitStatus
from mephisto_nb.rules import steering
from mephisto_nb.rules.run_state import RunState
from mephisto_nb.rules.steering import check_limits
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.visits import raise_to
from mephisto_nb.utils.calling import face


def say_ended(task_run_id: str) -> str:
    """Say that a run has ended, and how to go on with it."""
    return f"Run {task_run_id} has ended. To go on with it: launch its task with resume_incomplete_run=true."


def not_driven(task_run_id: str, ended_at: float | None) -> ClosedError:
    """Make the error of who asks a run to act that this kernel does not drive; it says what to do."""
    if ended_at is not None:
        return ClosedError(say_ended(task_run_id))
    return ClosedError(f"Run {task_run_id} is not driven from here. Take it up: await operator.reconnect(...).")


@face
class RunSteering:
    """What a researcher can do to a run while it lasts: pause it, change its limits, take work back, end it.

    Each act is stored, and leaves one row in the event log.

    Parameters
    ----------
    task_run_id
        Of which run.
    live
        The run, if this kernel drives it, or drove it until it ended.
    ended_at
        When it ended, if it had when it was read.
    """

    def __init__(self, task_run_id: str, live: LiveRun | None, ended_at: float | None = None) -> None:
        self._task_run_id, self._live, self._ended_at = task_run_id, live, ended_at
        self._home = live.parts.writer.home if live is not None else None

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
        task_reward: Money | Decimal | float | str | None = None,
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
            Pay for a unit, in the run's currency: a number, text, or `Money`. It is for those that nobody has or
            answered yet, and for all that are made later.

        Raises
        ------
        ConfigError
            A value cannot be, or none is given; or the reward is that of a study, which its crowd does not change.
            Nothing was changed.
        BudgetExceededError
            A higher reward does not fit in a budget; nothing was changed.
        ClosedError
            The run has ended, or is about to.

        Examples
        --------
        ``await run.steering.change_limits(task_reward=0.20)``
        """
        limits = check_limits(
            self._driven().task_run.currency,
            max_num_concurrent_units=max_num_concurrent_units,
            maximum_units_per_worker=maximum_units_per_worker,
            task_reward=task_reward,
        )
        rule = partial(steering.change_limits, limits=limits)
        if not isinstance(reward := limits.get("task_reward"), Money):
            await self._steer("limited otherwise", rule)
            return
        self._refuse_fixed(reward)
        raised = _Raising(self._driven().parts, reward, rule)
        await in_thread(raised.check)
        await self._steer("limited otherwise", raised, raised.check)

    def _refuse_fixed(self, reward: Money) -> None:
        """Raise `ConfigError` where the run's crowd has been told what a visit is paid, and it is not this."""
        parts = self._driven().parts
        told = parts.engine.state.rules.visit_pay
        if parts.study is None or not parts.study.was_offered or reward == told:
            return
        more = f"{(reward - told).decimal.normalize():f}"
        bonus = f"a bonus, as by await run.review.approve(bonus={more})" if reward > told else "no bonus"
        raise ConfigError(
            f"task_reward cannot become {reward}: the run's crowd was told that a visit is paid {told}, and a study's "
            f"reward stays as it was published. To pay otherwise, give {bonus}; or end the run, and launch what is "
            "left as a new one with that reward."
        )

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
            return await parts.launcher.expire_units()
        finally:
            parts.progress("Taking units back", total, total)

    async def shutdown(self) -> None:
        """End gently: take back what nobody is working on, wait for those who are at work, end the router."""
        await self._close(steering.shut_down)

    async def force_shutdown(self) -> None:
        """End at once: workers who are at work are told that their unit has expired.

        So ends even a run whose router is gone, and cannot be started; `run.attention` says then what is kept where.
        """
        await self._close(steering.shut_down_at_once)

    def _driven(self) -> LiveRun:
        """Return the run; raise `ClosedError` if this kernel never drove it, `RunFailedError` if it has failed."""
        if self._live is None:
            raise not_driven(self._task_run_id, self._ended_at)
        self._live.raise_failure()
        return self._live

    async def _steer(self, what: str, rule: Callable[[Step], object], guard: Guard | None = None) -> None:
        live = self._driven()
        if live.over.is_set() or not live.is_driven or live.parts.engine.state.closing is not None:
            raise ClosedError(f"Run {self._task_run_id} cannot be {what}: it has ended, or is about to.")
        await live.parts.engine.do(rule, guard=guard)

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


class _Raising:
    """Puts another reward in force, and asks the budgets about what that costs at this moment."""

    def __init__(self, parts: RunParts, reward: Money, rule: Callable[[Step], object]) -> None:
        self._parts, self._reward, self._rule = parts, reward, rule
        self._raised = raise_to(parts.engine.state, reward)

    def __call__(self, step: Step) -> None:
        self._raised = raise_to(step.state, self._reward)
        self._rule(step)

    def check(self) -> None:
        """Raise `BudgetExceededError` where it does not fit; blocks."""
        if self._parts.spending is not None:
            self._parts.spending.check_raise(self._parts.run, self._raised)


@contextlib.contextmanager
def _showing_who_is_at_work(live: LiveRun) -> Iterator[None]:
    """Show for whom a gentle end waits, and until when at the latest, while it does."""
    engine, progress = live.parts.engine, live.parts.progress
    total = engine.state.counts[UnitStatus.ASSIGNED]
    at_once = "to end it at once, interrupt this, and: await run.force_shutdown()"
    what = f"Waiting for {_who_is_at_work(engine.state)}; {at_once}"

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


def _who_is_at_work(state: RunState) -> str:
    """Name those at work, and when the time of the last of them runs out."""
    workers = [worker_id for worker_id, agents in state.active_agents.items() if agents]
    names = ", ".join(state.worker_names.get(worker_id, "somebody")[:30] for worker_id in workers[:3])
    more = f" and {len(workers) - 3} more" if len(workers) > 3 else ""
    agents = (state.agents[agent_id] for worker_id in workers for agent_id in state.active_agents[worker_id])
    last = max((agent.deadline for agent in agents if agent.deadline is not None), default=None)
    until = "" if last is None else f", until {datetime.fromtimestamp(last):%H:%M} at the latest"
    return f"{names}{more}{until}"
