"""``python -m mephisto_nb.router DIRECTORY``: serve one run's workers until the run is over."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mephisto_nb.errors import ConfigError, PortInUseError
from mephisto_nb.router import server
from mephisto_nb.router.core import Exit
from mephisto_nb.router.rules import TokenBucket
from mephisto_nb.router.server import Notifier
from mephisto_nb.utils.logging import neutralise

_DESCRIPTION = """\
Serve the workers of one task run: the page, its files, and what workers send, which is written
to disk before it is acknowledged, and kept until the operator (in the notebook's kernel) has it.
An architect starts this program; it outlives the kernel, and can be started again at any time.
"""

_EPILOG = """\
files in DIRECTORY:
  router_config.json  read at start: run_id, token, host, port (0: any), task_config,
                      content_security_policy, frame_ancestors, disconnect_after (seconds or
                      null), operator_absence_in_seconds (seconds or null), folder (of the
                      address that workers use, such as /study/), addresses (by which browsers come
                      beside this machine's own), worker_share (of all that limits allow), limits
  router.json         written once the router listens: run_id, pid, born (which tells the process
                      from others of its number; or null), port, url. With port 0 the port in an
                      earlier router.json is tried first
  router.lock         locked while the router lives: one router per directory
  inbox.db            SQLite: messages for the operator, agents, messages for workers
  site/               the files that workers' browsers may read; index.html is the page
  files/              what workers uploaded, under random names

exit codes:
  0  the run was finished by its operator, or a signal asked for the end
  1  an unexpected error; see the log
  2  wrong usage, or a configuration or database that cannot be used   (notify: "config")
  3  the port belongs to another program                               (notify: "port_in_use")
  4  another router serves this directory                              (notify: "locked")
  5  the operator stayed away for operator_absence_in_seconds; inbox.db keeps what is not delivered

signals:
  SIGTERM, SIGINT     end in good order: open requests are answered, the database is closed. A second
                      one does not wait for open connections. (Windows: Ctrl+C, Ctrl+Break)
  SIGKILL             loses nothing that was acknowledged to a worker

The log goes to standard error. File modes (0600, 0700) are set on POSIX systems only.
"""

_REPORT_HELP = """\
write that line to this file before connecting. Any program of the machine can connect; the one that started the
router reads the file, in a folder that nobody else can write to, and takes every connection for a knock at the door
"""

_NOTIFY_HELP = """\
connect to this TCP address at start, and send one line of JSON there once the router listens:
{"ready": true, "port": ..., "pid": ...}, or, if it can't, {"ready": false, "error": ..., "message": ...}
"""

#: How many lines are logged in a second in the long run, and at once: far more than an honest run needs.
_LINES = 5, 200

log = logging.getLogger("mephisto_nb.router")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit code."""
    options = _parser().parse_args(arguments)
    # All that is written here is for its owner only. (On Windows this changes nothing.)
    os.umask(0o077)
    set_up_log()
    try:
        notifier = Notifier(options.notify, options.report)
    except OSError as error:
        log.error("No program listens at the address to notify: %s", error)
        return Exit.CONFIG
    return _serve(options.directory, notifier)


def _serve(directory: Path, notifier: Notifier) -> int:
    try:
        return server.run(directory, notifier)
    except PortInUseError as error:
        return _fail(notifier, Exit.PORT_IN_USE, "port_in_use", error)
    except server.LockedError as error:
        return _fail(notifier, Exit.LOCKED, "locked", error)
    except (ConfigError, OSError) as error:
        return _fail(notifier, Exit.CONFIG, "config", error)


def _fail(notifier: Notifier, code: Exit, name: str, error: Exception) -> int:
    log.error("%s", error)
    notifier.failed(name, str(error))
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mephisto_nb.router",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", metavar="DIRECTORY", type=Path, help="the run's directory")
    parser.add_argument("--notify", metavar="HOST:PORT", type=_address, help=_NOTIFY_HELP)
    parser.add_argument("--report", metavar="FILE", type=Path, help=_REPORT_HELP)
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


class SafeFormatter(logging.Formatter):
    """Writes control characters as escapes, and indents the further lines of a traceback.

    A message of an exception may hold what a worker sent. It must not look like a line of the log, nor send
    commands to the terminal that shows it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        lines = super().format(record).split("\n")
        return "\n    ".join(neutralise(line) for line in lines)


class LogQuota(logging.Filter):
    """Lets so many lines a second pass, so that strangers cannot fill the disk with the router's complaints.

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
        """Let a record pass, or count it; the next one that passes says how many did not."""
        if not self._bucket.take(time.monotonic()):
            self._left_out += 1
            return False
        if self._left_out:
            record.msg, record.args = f"{record.getMessage()} ({self._left_out} lines before it were left out)", None
            self._left_out = 0
        return True


def set_up_log() -> None:
    """Log to standard error, which the architect has turned into ``router.log``."""
    handler = logging.StreamHandler()
    handler.setFormatter(SafeFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(LogQuota(*_LINES))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # uvicorn's lines about connections quote the paths that strangers ask for.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
