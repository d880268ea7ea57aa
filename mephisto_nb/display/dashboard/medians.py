"""The median of numbers that come one by one."""

from __future__ import annotations

from bisect import bisect_left, insort


class RunningMedian:
    """Keeps numbers in order, so that asking costs nothing and adding next to nothing.

    Examples
    --------
    >>> median = RunningMedian()
    >>> median.value is None
    True
    >>> for number in (5.0, 1.0, 3.0, 2.0):
    ...     median.add(number)
    >>> median.value, len(median)
    (2.5, 4)
    """

    def __init__(self) -> None:
        self._numbers: list[float] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: float) -> None:
        """Take a number in."""
        insort(self._numbers, number)

    def count_below(self, limit: float) -> int:
        """Count the numbers that are smaller."""
        return bisect_left(self._numbers, limit)

    @property
    def value(self) -> float | None:
        """The median, which for an even number lies between the two in the middle; None where there is none."""
        if not self._numbers:
            return None
        half, is_odd = divmod(len(self._numbers), 2)
        return self._numbers[half] if is_odd else (self._numbers[half - 1] + self._numbers[half]) / 2
