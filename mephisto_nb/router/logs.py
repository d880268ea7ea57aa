"""The router's log: one line is one line, whatever a stranger has written into it."""

from __future__ import annotations

import logging

from mephisto_nb.utils.logging import neutralise


class SafeFormatter(logging.Formatter):
    """Writes control characters as escapes, and indents the further lines of a traceback.

    A message of an exception may hold what a worker sent. It must not look like a line of the log, nor send
    commands to the terminal that shows it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        lines = super().format(record).split("\n")
        return "\n    ".join(neutralise(line) for line in lines)


def set_up() -> None:
    """Log to standard error, which the architect has turned into ``router.log``."""
    handler = logging.StreamHandler()
    handler.setFormatter(SafeFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # uvicorn's lines about connections quote the paths that strangers ask for.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
