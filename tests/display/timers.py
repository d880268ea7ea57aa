"""A loop whose time stands still until it is moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Timers:
    """A loop whose time stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0
        self.calls: list[tuple[float, Timer]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        self.calls.append((self.now + delay, Timer(callback)))
        return self.calls[-1][1]

    def move(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for when, timer in self.calls if when <= self.now]
        self.calls = [call for call in self.calls if call[0] > self.now]
        for timer in due:
            timer.run()


class Timer:
    """A call that is to come."""

    def __init__(self, callback: Callable[..., object]) -> None:
        self.run: Callable[..., object] = callback

    def cancel(self) -> None:
        self.run = lambda: None
