"""How much may be on its way to the operator: pure bookkeeping of what was sent and not yet acknowledged."""

from __future__ import annotations

from collections import deque

WINDOW_MESSAGES = 500
WINDOW_BYTES = 16 * 1024 * 1024


class Window:
    """The messages in flight on one operator link.

    Parameters
    ----------
    last_seq
        The number of the last message that the operator has already.
    max_messages, max_bytes
        Bounds of what is in flight. A single message larger than `max_bytes` still goes, alone.
    """

    def __init__(self, last_seq: int, max_messages: int = WINDOW_MESSAGES, max_bytes: int = WINDOW_BYTES) -> None:
        self.last_sent = last_seq
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._flight: deque[tuple[int, int, float]] = deque()
        self._bytes = 0

    def room(self) -> tuple[int, int]:
        """Give how many messages, and how many bytes, may be sent now; both positive, or both zero."""
        messages, size = self._max_messages - len(self._flight), self._max_bytes - self._bytes
        return (messages, size) if messages > 0 and size > 0 else (0, 0)

    def sent(self, seq: int, size: int, now: float) -> None:
        """Note that message `seq` of `size` bytes was sent."""
        self.last_sent = seq
        self._flight.append((seq, size, now))
        self._bytes += size

    def acknowledge(self, seq: int) -> int:
        """Note that the operator has everything up to `seq`; give the number that this can mean at most."""
        seq = min(seq, self.last_sent)
        while self._flight and self._flight[0][0] <= seq:
            self._bytes -= self._flight.popleft()[1]
        return seq

    def waiting(self, now: float) -> float | None:
        """Give for how many seconds the oldest message has been in flight; `None` if there is none."""
        return now - self._flight[0][2] if self._flight else None
