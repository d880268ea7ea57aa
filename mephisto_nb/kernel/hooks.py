"""The researcher's `on_unit_submitted`: called for each answer once it is stored, away from all else that goes on.

It gets a `SubmittedUnit`: what was asked, what came back, and what can be done.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.kernel.live_run import read_answers
from mephisto_nb.kernel.run_tasks import RunHelper, Supervisor
from mephisto_nb.kernel.writer import Retry, in_thread
from mephisto_nb.model.money import Money
from mephisto_nb.model.states import PaymentKind
from mephisto_nb.model.task_run_args import stored_task_pay
from mephisto_nb.ports.crowd_desk import CrowdVerb
from mephisto_nb.rules.people import block, grant, is_paid, pay, revoke
from mephisto_nb.rules.step import Step
from mephisto_nb.utils.logging import get_logger
from mephisto_nb.utils.patience import patience
from mephisto_nb.utils.user_code import CallThreads, is_async, no_exit

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine
    from mephisto_nb.kernel.live_run import LiveRun

logger = get_logger(__name__)

#: Why an event is in the log that marks an answer for which the hook was called.
CALLED = "on_unit_submitted was called"
#: How many calls run at a time: of async functions, and of plain ones, which have a thread each.
_AT_ONCE, _THREADS = 16, 4
#: How long a run that is done waits for calls that have not ended (seconds).
TIMEOUT = 60.0
#: What no database takes as a whole number.
_MOST_VALUE = 2**63


class SubmissionHooks(RunHelper):
    """Calls one run's hook.

    An answer is marked in the event log once the call has ended, well or not; one without a mark is told again by the
    next kernel. So a kernel's death in the middle makes a second call, and never none.

    Parameters
    ----------
    run
        The run.
    supervisor
        The owner of its tasks.
    hook
        The function, plain or async.
    """

    def __init__(self, run: LiveRun, supervisor: Supervisor, hook: Callable[..., Any]) -> None:
        self._run, self._supervisor, self._hook = run, supervisor, hook
        self._waiting: deque[str] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = CallThreads(_THREADS, "on_unit_submitted")
        self._retry = Retry()
        self._maximum_bonus = stored_task_pay(run.task_run.config).maximum_bonus
        run.parts.engine.listeners.append(self._on_step)

    async def load(self) -> None:
        """Find the answers for which the hook was not called."""
        run_id, state = self._run.task_run_id, self._run.parts.engine.state
        answered = [agent.agent_id for agent in state.agents.values() if agent.submitted_at is not None]
        if answered:
            events = await in_thread(lambda: list(self._run.parts.database.runs.read_events([run_id], why=CALLED)))
            called = {event.subject_id for event in events}
            self._waiting.extend(agent_id for agent_id in answered if agent_id not in called)

    async def start(self) -> None:
        """Call the hook for what waits."""
        self._call_waiting()

    async def finish(self) -> None:
        """Wait for the calls of a run that is done, but not for ever."""
        try:
            async with patience(TIMEOUT):
                while self._waiting or self._tasks:
                    self._call_waiting()
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            count = len(self._tasks) + len(self._waiting)
            text = f"{count} calls had not ended {TIMEOUT:g} seconds after the run was done, and were given up"
            self._run.note_failed_hook(TimeoutError(text))
            self.stop()

    def stop(self) -> None:
        """Call no more; what was not called is called by the next kernel that takes the run up."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()

    def _call_waiting(self) -> None:
        for _ in range(min(len(self._waiting), _AT_ONCE - len(self._tasks))):
            name = f"on_unit_submitted of run {self._run.task_run_id}"
            task = self._supervisor.spawn(name, self._work(), self._run.note_failed_hook)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._call_waiting()  # what came while the task ended, and found its place taken

    def _on_step(self, step: Step) -> None:
        self._waiting.extend(unit.agent_id for unit in step.submitted if unit.agent_id is not None)
        self._call_waiting()

    async def _work(self) -> None:
        while self._waiting:
            await self._tell(self._waiting.popleft())

    async def _tell(self, agent_id: str) -> None:
        failure: str | None = None
        try:
            # A database that does not answer now is no failure of the hook, which must hear of each answer.
            (row,) = await self._retry.persist(lambda: in_thread(self._read, agent_id))
            is_paid_whole = CrowdVerb.BONUS in self._run.parts.provider.DESK.CAN
            unit = SubmittedUnit(row, self._run.parts.engine, self._maximum_bonus, self._check_bonus, is_paid_whole)
            try:
                await self._call(unit)
            finally:
                await unit.settle()  # what was begun before the hook failed is done, too
        except Exception as error:
            failure = repr(error)
            logger.exception("on_unit_submitted failed for agent %s", agent_id)
            self._run.note_failed_hook(error)
        mark = partial(_mark, agent_id=agent_id, failure=failure)
        await self._run.parts.engine.do(mark, retry=True)

    def _read(self, agent_id: str) -> list[JSONObject]:
        parts = self._run.parts
        return read_answers(parts.database, self._run.task_run_id, parts.blueprint, parts.directory, [agent_id])

    def _check_bonus(self, bonus: Money) -> None:
        """Raise `BudgetExceededError` where a bonus does not fit in a budget; blocks."""
        parts = self._run.parts
        if parts.spending is not None:
            parts.spending.check_bonuses([(self._run.task_run, [bonus])])

    async def _call(self, unit: SubmittedUnit) -> None:
        with no_exit("on_unit_submitted"):
            result = self._hook(unit) if is_async(self._hook) else await self._threads.run(self._hook, unit)
            if inspect.isawaitable(result):
                await result


class SubmittedUnit:
    """A unit whose answer is stored.

    What changes something may be awaited, or called from a plain function: there it returns once it is stored. It
    happens once, also where the hook is called again after a kernel's death in the middle.

    Attributes
    ----------
    unit_id, assignment_id, assignment_index, unit_index, task_run_id
        Which unit it is.
    agent_id, worker_id, worker_name
        Who has answered.
    inputs, answer
        What was given, and what came back, as in `results()`.
    data
        What the page handed in, untouched.
    files
        The paths of what was sent along.
    status, pay_amount, accepted_at, submitted_at, duration_in_seconds
        How the unit stands, what it pays (`Money`), and when it was done (epoch seconds).
    """

    def __init__(
        self,
        row: JSONObject,
        engine: RunEngine,
        maximum_bonus: Money,
        check_bonus: Callable[[Money], None],
        is_paid_whole: bool,
    ) -> None:
        self.unit_id: str = row["unit_id"]
        self.assignment_id: str = row["assignment_id"]
        self.assignment_index: int = row["assignment_index"]
        self.unit_index: int = row["unit_index"]
        self.task_run_id: str = row["task_run_id"]
        self.agent_id: str = row["agent_id"]
        self.worker_id: str = row["worker_id"]
        self.worker_name: str = row["worker_name"]
        self.inputs: JSONObject = row["inputs"]
        self.answer: JSONObject = row["answer"]
        self.data: JSON = row["data"]
        self.files = [Path(path) for path in row["paths"]]
        self.status: str = row["status"]
        self.pay_amount: Money = row["pay_amount"]
        self.accepted_at: float = row["accepted_at"]
        self.submitted_at: float = row["submitted_at"]
        self.duration_in_seconds = self.submitted_at - self.accepted_at
        self._engine, self._maximum_bonus, self._check_bonus = engine, maximum_bonus, check_bonus
        self._is_paid_whole = is_paid_whole
        self._loop = asyncio.get_running_loop()
        self._acts: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<SubmittedUnit {self.unit_id}: {self.worker_name!r} answered>"

    def bonus(self, amount: Money | Decimal | float | str, reason: str) -> Awaitable[None]:
        """Owe the worker a bonus, in the run's currency: once for each reason.

        Raises
        ------
        ConfigError
            The amount is not above 0, cannot be exact or be paid by the crowd, is of another currency, or is more than
            ``mephisto.task.maximum_bonus``; or there is no reason.
        BudgetExceededError
            It does not fit in a budget; raised when it is awaited.
        """
        most = self._maximum_bonus
        bonus = Money.of(amount, most.currency, f"The bonus for unit {self.unit_id}")
        if bonus.thousandths <= 0:
            raise ConfigError(f"The bonus for unit {self.unit_id} cannot be {amount!r}. Give an amount above 0.")
        if bonus > most:
            raise ConfigError(
                f"A bonus of {bonus} for unit {self.unit_id} is more than mephisto.task.maximum_bonus, {most}. Give "
                "less, or launch with a higher maximum."
            )
        if self._is_paid_whole and not bonus.is_whole:
            raise ConfigError(
                f"A bonus of {bonus} for unit {self.unit_id} cannot be paid by its crowd, which pays whole units of "
                f"{bonus.currency}. Give {bonus.rounded_up()}, say."
            )
        self._check_reason(reason, "bonus")
        key = f"bonus:{self.agent_id}:{reason}"

        full_key = f"{self.task_run_id}:{key}"
        is_new = full_key not in self._engine.state.payments  # else the hook is called once more

        def owe(step: Step) -> None:
            nonlocal is_new
            is_new = not is_paid(step, key)
            if is_new:  # `pay` would owe nothing more, and yet log it a second time
                pay(step, self.worker_id, PaymentKind.BONUS, bonus, reason, key=key, unit_id=self.unit_id)

        def check() -> None:
            if is_new:
                self._check_bonus(bonus)

        return self._do(owe, check)

    def grant(self, qualification_name: str, value: int = 1) -> Awaitable[None]:
        """Grant the worker a qualification, which is made if it is new, or change its value.

        Raises
        ------
        ConfigError
            The name is no text, or the value no whole number.
        """
        self._check_name(qualification_name)
        is_number = isinstance(value, Integral) and abs(value) < _MOST_VALUE
        if not is_number:
            raise ConfigError(f"{qualification_name!r} cannot be granted with {value!r}. Give a whole number.")
        why = f"granted after unit {self.unit_id}"
        return self._do(lambda step: grant(step, self.worker_id, qualification_name, int(value), why))

    def revoke(self, qualification_name: str) -> Awaitable[None]:
        """Take a grant back, if there is one.

        Raises
        ------
        ConfigError
            The name is no text.
        """
        self._check_name(qualification_name)
        why = f"revoked after unit {self.unit_id}"
        return self._do(lambda step: revoke(step, self.worker_id, qualification_name, why))

    def block(self, reason: str) -> Awaitable[None]:
        """Offer the worker nothing any more, in any run.

        Raises
        ------
        ConfigError
            There is no reason.
        """
        self._check_reason(reason, "block")
        return self._do(lambda step: block(step, self.worker_id, reason))

    def get_assigned_agent(self) -> AssignedAgent:
        """Return who has answered, as hooks of Mephisto 1.x read it."""
        return AssignedAgent(self)

    async def settle(self) -> None:
        """Wait for all that was begun; raise what failed first. Called by `SubmissionHooks` after the hook."""
        acts, self._acts = self._acts, []
        for outcome in await asyncio.gather(*acts, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _check_reason(self, reason: str, what: str) -> None:
        if not isinstance(reason, str) or not reason.strip():
            raise ConfigError(f"The {what} for unit {self.unit_id} has no reason. Say in a few words what it is for.")

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"A qualification is known by name, but {name!r} (unit {self.unit_id}) is none.")

    async def _checked(self, rule: Callable[[Step], None], check: Callable[[], None] | None) -> None:
        if check is not None:
            await in_thread(check)
        await self._engine.do(rule, retry=True, guard=check)

    def _do(self, rule: Callable[[Step], None], check: Callable[[], None] | None = None) -> Awaitable[None]:
        work = self._checked(rule, check)
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            task = self._loop.create_task(work, name=f"an act of on_unit_submitted for unit {self.unit_id}")
            self._acts.append(task)
            return task
        asyncio.run_coroutine_threadsafe(work, self._loop).result()
        return _Done()


@dataclass(slots=True)
class AgentState:
    """What an agent has worked on, and what came of it."""

    unit: SubmittedUnit

    def get_data(self) -> JSONObject:
        """Return ``inputs`` and ``outputs``."""
        return {"inputs": self.unit.inputs, "outputs": self.unit.data}


class AssignedAgent:
    """Who has answered a unit, in the words of Mephisto 1.x."""

    def __init__(self, unit: SubmittedUnit) -> None:
        self.db_id = self.agent_id = unit.agent_id
        self.worker_id, self.worker_name = unit.worker_id, unit.worker_name
        self.state = AgentState(unit)

    def get_agent_id(self) -> str:
        """Return the agent's id."""
        return self.agent_id


class _Done:
    """What is done already; awaiting it takes no time."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


def _mark(step: Step, agent_id: str, failure: str | None) -> None:
    step.log("agent", agent_id, None, None, CALLED, "operator", None if failure is None else {"error": failure})
