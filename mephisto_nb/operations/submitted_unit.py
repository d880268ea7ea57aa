"""An answer as the researcher's `on_unit_submitted` gets it: what was asked, what came back, and what can be done."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.errors import ConfigError
from mephisto_nb.model.states import PaymentKind
from mephisto_nb.rules.people import block, grant, is_paid, pay, revoke
from mephisto_nb.rules.step import Step

if TYPE_CHECKING:
    from mephisto_nb.kernel.engine import RunEngine

#: What no database takes as a whole number.
_MOST_VALUE = 2**63


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
        How the unit stands, what it pays (US dollars), and when it was done (epoch seconds).
    """

    def __init__(self, row: JSONObject, engine: RunEngine, maximum_bonus: float) -> None:
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
        self.pay_amount: float = row["pay_amount"]
        self.accepted_at: float = row["accepted_at"]
        self.submitted_at: float = row["submitted_at"]
        self.duration_in_seconds = self.submitted_at - self.accepted_at
        self._engine, self._maximum_bonus = engine, maximum_bonus
        self._loop = asyncio.get_running_loop()
        self._acts: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<SubmittedUnit {self.unit_id}: {self.worker_name!r} answered>"

    def bonus(self, amount: float, reason: str) -> Awaitable[None]:
        """Owe the worker a bonus, in US dollars: once for each reason.

        Raises
        ------
        ConfigError
            The amount is no positive number, or more than ``mephisto.task.maximum_bonus``; or there is no reason.
        """
        is_number = isinstance(amount, int | float) and not isinstance(amount, bool) and math.isfinite(amount)
        if not is_number or amount <= 0:
            raise ConfigError(f"A bonus of {amount!r} for unit {self.unit_id} cannot be paid. Give dollars, above 0.")
        if amount > self._maximum_bonus:
            raise ConfigError(
                f"A bonus of {amount:.2f} USD for unit {self.unit_id} is more than mephisto.task.maximum_bonus, "
                f"{self._maximum_bonus:.2f}. Give less, or launch with a higher maximum."
            )
        self._check_reason(reason, "bonus")
        key = f"bonus:{self.agent_id}:{reason}"

        def owe(step: Step) -> None:
            if not is_paid(step, key):
                pay(step, self.worker_id, PaymentKind.BONUS, float(amount), reason, key=key, unit_id=self.unit_id)

        return self._do(owe)

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
        """Give who has answered, as hooks of Mephisto 1.x read it."""
        return AssignedAgent(self)

    async def settle(self) -> None:
        """Wait for all that was begun; raise what failed. For the caller of hooks."""
        while self._acts:
            await self._acts.pop(0)

    def _check_reason(self, reason: str, what: str) -> None:
        if not isinstance(reason, str) or not reason.strip():
            raise ConfigError(f"The {what} for unit {self.unit_id} has no reason. Say in a few words what it is for.")

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"A qualification is known by name, but {name!r} (unit {self.unit_id}) is none.")

    def _do(self, rule: Callable[[Step], None]) -> Awaitable[None]:
        work = self._engine.do(rule, patiently=True)
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
        """Give ``inputs`` and ``outputs``."""
        return {"inputs": self.unit.inputs, "outputs": self.unit.data}


class AssignedAgent:
    """Who has answered a unit, in the words of Mephisto 1.x."""

    def __init__(self, unit: SubmittedUnit) -> None:
        self.db_id = self.agent_id = unit.agent_id
        self.worker_id, self.worker_name = unit.worker_id, unit.worker_name
        self.state = AgentState(unit)

    def get_agent_id(self) -> str:
        """Give the agent's id."""
        return self.agent_id


class _Done:
    """What is done already; awaiting it takes no time."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield
