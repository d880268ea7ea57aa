"""The port of Python code that runs beside a worker while they work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from mephisto_nb._typing import JSONObject

if TYPE_CHECKING:
    from mephisto_nb.data_model.shared_state import SharedTaskState


class LiveAgent(Protocol):
    """A worker at work, as task code sees them."""

    @property
    def agent_id(self) -> str:
        """The agent's id."""

    async def observe(self, data: JSONObject) -> None:
        """Send something to the worker's page. It is kept until the page has it."""

    async def get_live_update(self, timeout: float | None = None) -> JSONObject:
        """Wait for the next message from the worker's page.

        Raises
        ------
        TimeoutError
            Nothing came within `timeout` seconds.
        """


class TaskRunner(ABC):
    """Python code of a live task: one instance per run, one call of `run_unit` per worker at work.

    When `run_unit` returns, the worker has ``submission_timeout`` seconds left to submit. It is cancelled when
    the worker leaves. What it raises is logged, and the unit is offered again.
    """

    def __init__(self, shared_state: SharedTaskState) -> None:
        self.shared_state = shared_state

    @abstractmethod
    async def run_unit(self, init_data: JSONObject, agent: LiveAgent) -> None:
        """Accompany one worker through one unit."""
