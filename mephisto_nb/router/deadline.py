"""One deadline: one timer, which can be set anew and cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls something once, on the loop, unless it is cancelled or set anew before."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether it is still to come."""
        return self._timer is not None

    def set(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` in `seconds`; what was set before is forgotten."""
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ring, callback)

    def cancel(self) -> None:
        """Call nothing any more. Cancelling twice is fine."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self, callback: Callable[[], None]) -> None:
        self._timer = None
        callback()
