"""What becomes of the processes of one run's router, one after the other: how often they end, and where they are."""

from __future__ import annotations

import time
from collections.abc import Callable

from mephisto_nb.utils import steady_time
from mephisto_nb.utils.machine import MachineTroubles

#: An end that follows the one before it within this time (seconds) is one of a row of them, which is told.
_IN_A_ROW = 600.0


class RouterLives:
    """Tells of a router that ends again and again though nobody asked it to, and of one that comes back elsewhere.

    Parameters
    ----------
    troubles
        Where that is noted.
    news
        Gets a sentence for the event log each time.
    now
        What time it is (epoch seconds).
    """

    def __init__(self, troubles: MachineTroubles, news: list[str], now: Callable[[], float] = steady_time.now) -> None:
        self._troubles, self._news, self._now = troubles, news, now
        self._ends: list[float] = []
        self._first: tuple[str, int] | None = None

    def note_end(self) -> None:
        """Note that the process had ended though the run had not, and that there is another one now."""
        now = self._now()
        self._ends = [*(self._ends if self._ends and now - self._ends[-1] < _IN_A_ROW else []), now]
        self._news.append("the router's process had ended, and was started again")
        if len(self._ends) > 1:
            reason = (
                f"The router's process has ended {len(self._ends)} times since {_say_time(self._ends[0])}, the last "
                f"at {_say_time(now)}; it was started again each time."
            )
            remedy = "Look whether memory runs out, and at router.log in the run's directory."
            self._troubles.remark("router ends", reason, remedy, is_only=True)

    def note_place(self, before: tuple[str, int] | None, after: tuple[str, int]) -> None:
        """Note under which address, and at which port, a router was that has ended, and where the next one is."""
        self._first = self._first or before
        if before is not None and before != after:
            self._news.append(f"the router came back at port {after[1]}, and was at port {before[1]}")
        self._troubles.say("router address", None if self._first is None else _say_moved(self._first, after))


def _say_moved(first: tuple[str, int], now: tuple[str, int]) -> tuple[str, str] | None:
    (url_before, port_before), (url, port) = first, now
    if url != url_before:
        reason = (
            f"The task is at another address since its router was started again: {url}, and no longer {url_before}."
        )
        return reason, (
            "Links that were given out before lead nowhere: send everybody the new one, run.get_worker_urls(names). A "
            "port of its own keeps the address: mephisto.architect.port."
        )
    if port != port_before:
        reason = f"The router listens at port {port} since it was started again, and no longer at {port_before}."
        return reason, (
            f"Until what leads {url} to it leads to that port, no worker comes through. A port of its own stays: "
            "mephisto.architect.port."
        )
    return None


def _say_time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
