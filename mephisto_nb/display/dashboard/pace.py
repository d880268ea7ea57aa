"""How fast answers come, and how long the rest will take.

Answers are taken to come at random at a steady rate. The rate is that of the last `WINDOW` answers, or of all where
there are fewer, since the run was opened or last resumed: ``rate = n / t``, with ``n`` of them in the ``t`` seconds
until now. What is left of ``m`` units then takes about ``m * t / n`` seconds. Both the rate and the coming of the m
answers are uncertain: the logarithm of their quotient has a variance of about ``1/n + 1/m`` (two gamma distributions),
so that the 80 % interval is ``m * t / n * exp(±1.2816 * sqrt(1/n + 1/m))``.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

#: How many answers the rate is taken from.
WINDOW = 50
#: From how many answers on the time left is told.
ENOUGH = 3
#: How far to each side 80 % of a normal distribution reach, in standard deviations.
_Z80 = 1.2816
#: How many slices a picture of the pace has, and how long one may be (seconds).
NUM_SLICES = 30
SLICE_LENGTHS = (1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """How long the rest takes, in seconds, and between which bounds in four cases of five."""

    seconds: float
    low: float
    high: float


class Pace:
    """The times of recent answers.

    Parameters
    ----------
    opened_at, resumed_at
        When work was first handed out, and when it last was again after a pause (epoch seconds).
    """

    def __init__(self, opened_at: float, resumed_at: float | None = None) -> None:
        self._opened_at = opened_at
        self._since = max(opened_at, resumed_at or opened_at)
        #: One more than the window: its first is where the window begins.
        self._times: deque[float] = deque(maxlen=WINDOW + 1)
        self._slices = [_Slices(length) for length in SLICE_LENGTHS]

    def add(self, at: float) -> None:
        """Note an answer."""
        if at >= self._since:
            self._times.append(at)
        for one in self._slices:
            one.add(at)

    def restart(self, at: float) -> None:
        """Let the rate be taken from what comes from now on: the run was paused until then."""
        self._since = at
        self._times.clear()

    def per_hour(self, now: float) -> float | None:
        """Give the rate in answers per hour; None where no answer has come yet."""
        n, t = self._window(now)
        return 3600 * n / t if n else None

    def time_left(self, remaining: int, now: float) -> TimeLeft | None:
        """Tell how long `remaining` units will take; None while fewer than `ENOUGH` answers tell too little."""
        n, t = self._window(now)
        if n < ENOUGH or not remaining:
            return None
        seconds = remaining * t / n
        factor = math.exp(_Z80 * math.sqrt(1 / n + 1 / remaining))
        return TimeLeft(seconds, seconds / factor, seconds * factor)

    def recent(self, now: float) -> list[int]:
        """Give how many answers came in each of the last 30 slices of time, the latest last.

        The slices are as short as they can be while all of them together cover the run, an hour each at most.
        """
        elapsed = now - self._opened_at
        fitting = (one for one in self._slices if one.length * NUM_SLICES >= elapsed)
        return next(fitting, self._slices[-1]).read(now)

    def _window(self, now: float) -> tuple[int, float]:
        full = len(self._times) > WINDOW
        begin = self._times[0] if full else self._since
        return min(len(self._times), WINDOW), max(now - begin, 1e-3)


class _Slices:
    """Counts in slices of one length, at whole multiples of it."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._counts: deque[int] = deque([0] * NUM_SLICES, maxlen=NUM_SLICES)
        self._last = 0

    def add(self, at: float) -> None:
        """Count an answer; one that is older than all slices is left out."""
        self._go_on_to(at)
        index = NUM_SLICES - 1 - (self._last - int(at // self.length))
        if index >= 0:
            self._counts[index] += 1

    def read(self, now: float) -> list[int]:
        """Give the counts of the slices up to now."""
        self._go_on_to(now)
        return list(self._counts)

    def _go_on_to(self, at: float) -> None:
        current = int(at // self.length)
        if current > self._last:
            self._counts.extend([0] * min(current - self._last, NUM_SLICES))
            self._last = current
