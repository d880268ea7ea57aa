"""The router's log: one line is one line, whatever a stranger has written into it."""

from __future__ import annotations

import logging
import time

from mephisto_nb.router.rules import TokenBucket
from mephisto_nb.utils.logging import neutralise

#: How much is logged in a second, and at once: far more than an honest run gives cause for.
_LINES = 5, 200


class SafeFormatter(logging.Formatter):
    """Writes control characters as escapes, and indents the further lines of a traceback.

    A message of an exception may hold what a worker sent. It must not look like a line of the log, nor send
    commands to the terminal that shows it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        lines = super().format(record).split("\n")
        return "\n    ".join(neutralise(line) for line in lines)


class Quota(logging.Filter):
    """Lets so many lines a second pass, so that nobody fills the disk by giving the router cause to complain.

    Parameters
    ----------
    rate, burst
        Lines in a second in the long run, and at once.
    """

    def __init__(self, rate: float, burst: float) -> None:
        super().__init__()
        self._bucket = TokenBucket(rate, burst, time.monotonic())
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record pass, or count it; the next one that passes tells how many did not."""
        if not self._bucket.take(time.monotonic()):
            self._left_out += 1
            return False
        if self._left_out:
            record.msg, record.args = f"{record.getMessage()} ({self._left_out} lines before it were left out)", None
            self._left_out = 0
        return True


def set_up() -> None:
    """Log to standard error, which the architect has turned into ``router.log``."""
    handler = logging.StreamHandler()
    handler.setFormatter(SafeFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(Quota(*_LINES))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # uvicorn's lines about connections quote the paths that strangers ask for.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
