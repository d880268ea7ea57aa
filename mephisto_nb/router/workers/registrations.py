"""The requests for an agent that are open: each waits for the operator's answer."""

from __future__ import annotations

import asyncio
import secrets
from typing import TypeAlias

from mephisto_nb.router import codec
from mephisto_nb.router.http.answers import Refused, run_over

#: The packet that answers a request, as JSON text; or why there is none.
Answer: TypeAlias = "asyncio.Future[str]"


class Registrations:
    """Who waits for an agent.

    It is open, then over (everybody is refused kindly, because the run has ended) or stopped (everybody is
    asked to try again, because this process ends).
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[str, Answer] = {}
        self._stopped = False
        self.is_over = False

    def __len__(self) -> int:
        return len(self._waiting)

    def open(self) -> tuple[str, Answer]:
        """Begin to wait; give the id of the request, and what will hold its answer.

        Raises
        ------
        Refused
            Too many are waiting already, or the router is about to end.
        """
        if self._stopped:
            raise _stopping()
        if len(self._waiting) >= self._limit:
            raise Refused(429, "busy", "Too many people are waiting at the moment. Please try again.", retry_after=10)
        request_id = secrets.token_hex(16)
        answer: Answer = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        if self.is_over:
            answer.set_result(codec.dump(run_over(request_id)))
        return request_id, answer

    def answer(self, request_id: object, packet: str) -> None:
        """Give the operator's answer to the one who waits; nothing happens if nobody does."""
        waiting = self._waiting.get(request_id) if isinstance(request_id, str) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(packet)

    def close(self, request_id: str) -> None:
        """Wait no longer."""
        self._waiting.pop(request_id, None)

    def go_on(self) -> None:
        """Let people ask again: an operator goes on with the run."""
        self.is_over = False

    def end_run(self) -> None:
        """Refuse everybody from now on: the run is over."""
        self.is_over = True
        for request_id in list(self._waiting):
            self.answer(request_id, codec.dump(run_over(request_id)))

    def stop(self) -> None:
        """Send everybody away from now on: the router ends."""
        self._stopped = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_stopping())


def _stopping() -> Refused:
    return Refused(503, "router_stopping", "The server is restarting. Please try again in a moment.", retry_after=5)
