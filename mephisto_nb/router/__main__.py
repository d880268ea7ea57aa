"""``python -m mephisto_nb.router DIRECTORY``: serve one run's workers until the run is over."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mephisto_nb.errors import ConfigError, PortInUseError
from mephisto_nb.router import logs, server
from mephisto_nb.router.core import Exit
from mephisto_nb.router.sockets import Notifier

_DESCRIPTION = """\
Serve the workers of one task run: the page, its files, and what workers send, which is written
to disk before they are told so and kept until the operator (in the notebook's kernel) has it.
An architect starts this program; it outlives the kernel, and can be started again at any time.
"""

_EPILOG = """\
files in DIRECTORY:
  router_config.json  read at start: run_id, token, host, port (0: any), task_config,
                      content_security_policy, frame_ancestors, disconnect_after (seconds or
                      null), operator_absence_in_seconds (seconds or null), limits
  router.json         written once the router listens: run_id, pid, port, url. With port 0 the
                      port in an earlier router.json is tried first
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
  SIGKILL             loses nothing that a worker was told is received

The log goes to standard error. File modes (0600, 0700) are set on POSIX systems only.
"""

_NOTIFY_HELP = """\
connect to this TCP address at start, and send one line of JSON there once the router listens:
{"ready": true, "port": ..., "pid": ...}, or, if it can't, {"ready": false, "error": ..., "message": ...}
"""

log = logging.getLogger("mephisto_nb.router")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; give its exit code."""
    options = _parser().parse_args(arguments)
    # All that is written here is for its owner only. (On Windows this changes nothing.)
    os.umask(0o077)
    logs.set_up()
    try:
        notifier = Notifier(options.notify)
    except OSError as error:
        log.error("Nobody listens at the address to notify: %s", error)
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
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


if __name__ == "__main__":
    sys.exit(main())
