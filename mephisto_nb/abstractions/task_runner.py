"""The port of Python code that runs beside a worker while they work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mephisto_nb._typing import JSON, JSONObject

if TYPE_CHECKING:
    from mephisto_nb.data_model.shared_state import SharedTaskState


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that was said: `sender` is 'worker' or 'operator', which is the task's code."""

    sender: str
    data: JSONObject


class LiveAgent(Protocol):
    """A worker at work, as task code sees them."""

    @property
    def agent_id(self) -> str:
        """The agent's id."""

    @property
    def history(self) -> Sequence[Turn]:
        """All that was said until now, in order, also what an earlier kernel recorded."""

    async def observe(self, data: JSONObject) -> None:
        """Send something to the worker's page. It is kept until the page has it."""

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Wait for the next message from the worker's page.

        Raises
        ------
        TimeoutError
            Nothing came within `timeout` seconds.
        """

    async def report(self, why: str, detail: JSONObject | None = None) -> None:
        """Leave a row in the event log, and tell the researcher by `run.attention`; the worker hears nothing of it."""


class TaskRunner(ABC):
    """Python code of a live task: one instance per run, one call of `run_unit` per worker at work.

    When `run_unit` returns, the worker has ``submission_timeout`` seconds left to submit. It is cancelled when
    the worker leaves. What it raises is logged, and the unit is offered again.
    """

    def __init__(self, shared_state: SharedTaskState) -> None:
        self.shared_state = shared_state

    def get_init_data(self, init_data: JSON, history: Sequence[Turn]) -> JSON:
        """Give what a worker's page is handed when it is opened, and again at each reload; be quick.

        Parameters
        ----------
        init_data
            What the blueprint gives for the unit.
        history
            What was said until now; nothing when the unit has just been taken.
        """
        return init_data

    @abstractmethod
    async def run_unit(self, init_data: JSONObject, agent: LiveAgent) -> None:
        """Accompany one worker through one unit."""
